//! `ledg-cost explain` and `ledg-cost graph`.

use ledg_cost_model::graph::{Graph, Limits, OpType};

use super::support::{Bench, chain, tiny};

#[test]
fn explain_prints_sentences_magnitudes_and_masks() {
    let bench = Bench::new();
    bench.onnx("tiny.onnx", &tiny());
    insta::assert_snapshot!("explain_tiny", bench.ok("explain tiny.onnx --masks"));
}

#[test]
fn explain_limits_what_it_prints() {
    let bench = Bench::new();
    bench.onnx("chain.onnx", &chain(70, OpType::onnx("Relu")));
    insta::assert_snapshot!("explain_limited", bench.ok("explain chain.onnx --masks --limit-nodes 2"));
    let whole = bench.ok("explain chain.onnx --masks");
    assert!(whole.contains("--limit-nodes 70"), "{whole}");
    assert!(bench.ok("explain chain.onnx --masks --limit-nodes 70").contains("grandfather + identity"));
}

#[test]
fn explain_as_json_has_neighbours() {
    let bench = Bench::new();
    bench.onnx("tiny.onnx", &tiny());
    let json: serde_json::Value = serde_json::from_str(&bench.ok("explain tiny.onnx --format json")).unwrap();
    let sum = &json["nodes"][2];
    assert_eq!(sum["name"], "sum");
    assert_eq!(sum["fathers"], serde_json::json!([0, 1]));
    assert_eq!(sum["grandfathers"], serde_json::json!([0]));
    assert_eq!(json["covered"], 1.0);
    // One sample: half of the graph's batch of 2.
    assert_eq!(json["nodes"][0]["flops"], f64::from(2 * 3 * 8 * 8 * 27));
    assert_eq!(json["batch"], 2);
}

#[test]
fn an_unknown_operator_is_refused_or_reported() {
    let bench = Bench::new();
    bench.onnx("magic.onnx", &chain(2, OpType::new("com.acme", "Magic")));
    insta::assert_snapshot!(bench.fails(1, "explain magic.onnx"));
    let run = bench.run("explain magic.onnx --unknown report");
    assert_eq!(run.code, 0, "{run:?}");
    insta::assert_snapshot!("explain_unknown", run.stderr + &run.stdout);
}

#[test]
fn a_graph_goes_through_json_unchanged() {
    let bench = Bench::new();
    bench.onnx("tiny.onnx", &tiny());
    let json = bench.ok("graph tiny.onnx");
    let graph = Graph::from_json(&json, Limits::default()).unwrap();
    assert_eq!(graph.content_hash(), tiny().content_hash());
    bench.file("tiny.json", &json);
    assert_eq!(bench.ok("graph tiny.json"), json);
    let explained = |file: &str| bench.ok(&format!("explain {file} --format json"));
    assert_eq!(explained("tiny.json"), explained("tiny.onnx"));
}

#[test]
fn a_graph_can_be_rescaled_and_lowered() {
    let bench = Bench::new();
    bench.file("vit.onnx", ledg_zoo::onnx("vit_s16", &Default::default(), &Default::default()).unwrap());
    let read = |args: &str| Graph::from_json(&bench.ok(args), Limits::default()).unwrap();
    let own = read("graph vit.onnx");
    let scaled = read("graph vit.onnx --batch 8");
    assert_eq!(scaled.value(scaled.inputs()[0]).shape.as_deref().unwrap()[0], 8);
    let lowered = read("graph vit.onnx --lowered");
    assert!(lowered.nodes().len() < own.nodes().len());
    assert!(lowered.nodes().iter().any(|n| n.op.domain == "ledg"));
}

#[test]
fn completions_are_written_for_every_shell() {
    let bench = Bench::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        assert!(bench.ok(&format!("completions {shell}")).contains("per-node"), "{shell}");
    }
}
