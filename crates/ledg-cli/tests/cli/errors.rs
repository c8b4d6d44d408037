//! Models that are no models: each a clear error that names the file, and where there is one the node, with exit code 1.

use ledg_cost_model::graph::{Attrs, DType, Graph, GraphBuilder, OpType};
use ledg_cost_model::onnx::{WriteOptions, to_onnx};

use super::support::{Bench, chain, tiny};

/// Replaces the first occurrence of a name by another of the same length.
fn renamed(mut bytes: Vec<u8>, from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let at = bytes.windows(from.len()).position(|w| w == from.as_bytes()).unwrap();
    bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
    bytes
}

/// What `explain` and `predict` both say of a file.
fn refused(bench: &Bench, file: &str) -> String {
    let error = bench.fails(1, &format!("explain {file}"));
    assert_eq!(bench.fails(1, &format!("predict {file} --hardware t4 --bundle toy.ledg")), error);
    assert!(error.contains(file), "{error}");
    error
}

#[test]
fn broken_onnx_files() {
    let bench = Bench::new();
    bench.bundle();
    let onnx = |graph: Graph| to_onnx(&graph, &WriteOptions::default()).unwrap();
    let good = onnx(tiny());
    bench.file("empty.onnx", "");
    bench.file("truncated.onnx", &good[..good.len() / 2]);
    bench.file("text.onnx", "This is not a model.");
    bench.file("cyclic.onnx", renamed(onnx(chain(3, OpType::onnx("Relu"))), "v0", "v3"));
    bench.file("dangling.onnx", renamed(onnx(chain(3, OpType::onnx("Relu"))), "v0", "q0"));
    bench.file("huge.onnx", onnx(chain(100_000, OpType::onnx("Relu"))));
    bench.file("no-rule.onnx", onnx(chain(1, OpType::onnx("Frobnicate"))));
    let files = ["empty", "truncated", "text", "cyclic", "dangling", "huge", "no-rule", "missing"];
    let errors: String = files.iter().map(|file| refused(&bench, &format!("{file}.onnx"))).collect();
    insta::assert_snapshot!(errors);
    assert!(bench.ok("explain huge.onnx --max-nodes 100000 --limit-nodes 1").contains("99999 more nodes"));
}

#[test]
fn corrupted_bytes_never_crash() {
    let bench = Bench::new();
    let good = to_onnx(&tiny(), &WriteOptions::default()).unwrap();
    for at in (0..good.len()).step_by(3) {
        let mut bad = good.clone();
        bad[at] ^= 0x55;
        bench.file("bad.onnx", bad);
        let run = bench.run("explain bad.onnx");
        // Some bytes are only names, so a file may stay valid.
        assert!(run.code == 0 || (run.code == 1 && run.stderr.contains("bad.onnx")), "byte {at}: {run:?}");
    }
}

#[test]
fn broken_json_graphs() {
    let bench = Bench::new();
    bench.bundle();
    let good = tiny().to_json().unwrap();
    bench.file("empty.json", "");
    bench.file("truncated.json", &good[..good.len() / 2]);
    bench.file("version.json", good.replace("\"ledg_graph\":1", "\"ledg_graph\":99"));
    bench.file("key.json", good.replacen("\"op\":", "\"operator\":", 1));
    bench.file("value.json", good.replacen("\"inputs\":[\"x\"", "\"inputs\":[\"y\"", 1));
    bench.file("cyclic.json", good.replacen("\"inputs\":[\"x\"", "\"inputs\":[\"sum_out\"", 1));
    bench.file("bytes.json", [b'{', 0xff]);
    let files = ["empty", "truncated", "version", "key", "value", "cyclic", "bytes", "missing"];
    let errors: String = files.iter().map(|file| refused(&bench, &format!("{file}.json"))).collect();
    insta::assert_snapshot!(errors);
}

#[test]
fn broken_bundles() {
    let bench = Bench::new();
    bench.onnx("tiny.onnx", &tiny());
    bench.file("text.ledg", "no bundle");
    bench.file("empty.ledg", "");
    for file in ["text.ledg", "empty.ledg", "missing.ledg"] {
        let error = bench.fails(1, &format!("predict tiny.onnx --hardware t4 --bundle {file}"));
        assert!(error.starts_with("error: ") && error.contains(file), "{error}");
    }
}

#[test]
fn hardware_that_does_not_exist() {
    let bench = Bench::new();
    bench.bundle();
    bench.onnx("tiny.onnx", &tiny());
    let t4 = include_str!("../../../../configs/hardware/nvidia/t4.toml");
    bench.file("nan.toml", t4.replace("fp32 = 8.1", "fp32 = nan"));
    bench.file("key.toml", t4.replace("tdp_w = 70", "watts = 70"));
    let errors: String = ["tesla t4x", "nan.toml", "key.toml", "t4:bf16"]
        .iter()
        .map(|hardware| {
            bench.fails(1, &format!("predict tiny.onnx --bundle toy.ledg --hardware {}", hardware.replace(' ', "-")))
        })
        .collect();
    insta::assert_snapshot!(errors);
}

#[test]
fn dimensions_are_given_once_and_are_none_of_0() {
    let bench = Bench::new();
    bench.onnx("tiny.onnx", &tiny());
    assert!(bench.run("explain tiny.onnx --dim batch=0").stderr.contains("`0` is no size"));
    assert_eq!(bench.run("explain tiny.onnx --dim batch=0").code, 2);
    assert!(bench.fails(1, "explain tiny.onnx --dim n=1 --dim n=2").contains("`n` is given more than once"));
}

#[test]
fn a_batch_of_more_elements_than_can_be_counted_is_refused() {
    let bench = Bench::new();
    bench.bundle();
    bench.onnx("tiny.onnx", &tiny());
    let asked = |batch: u64| format!("predict tiny.onnx --hardware t4 --bundle toy.ledg --batch {batch}");
    // 192 elements a sample.
    let error = bench.fails(1, &asked(u64::MAX));
    assert!(error.contains("batch 18446744073709551615 is not possible: a value has more elements"), "{error}");
    bench.fails(1, &asked((1 << 53) / 192 + 2));
    bench.ok(&asked((1 << 53) / 192 - 2));
}

#[test]
fn shapes_that_an_operator_contradicts_are_told() {
    let bench = Bench::new();
    bench.bundle();
    let mut graph = GraphBuilder::new("g");
    let x = graph.input("x", DType::F32, &[2, 3, 8, 8]);
    let y = graph.activation("y", DType::F32, Some(&[2, 3, 9, 8]));
    graph.node("relu", OpType::onnx("Relu"), Attrs::new(), &[Some(x)], &[y]);
    graph.output(y);
    bench.onnx("odd.onnx", &graph.finish().unwrap());
    let run = bench.run("predict odd.onnx --hardware t4 --bundle toy.ledg");
    let warning =
        "warning: odd.onnx: value `y` is declared [2, 3, 9, 8], its operator makes it [2, 3, 8, 8], which is used";
    assert!(run.code == 0 && run.stderr.lines().any(|line| line == warning), "{run:?}");
    let run = bench.run("report odd.onnx --hardware t4 -o report.html --bundle toy.ledg");
    let page = std::fs::read_to_string(bench.path().join("report.html")).unwrap();
    assert!(
        run.code == 0 && page.contains("Shapes contradicted") && page.contains("is declared [2, 3, 9, 8]"),
        "{run:?}"
    );
}

#[test]
fn names_from_files_do_nothing_to_a_terminal() {
    let bench = Bench::new();
    let op = OpType { domain: "".into(), name: "Frob\u{1b}[2J".into() };
    bench.onnx("odd.onnx", &chain(1, op));
    let error = bench.fails(1, "explain odd.onnx");
    assert!(error.contains("Frob\u{fffd}[2J") && !error.contains('\u{1b}'), "{error:?}");
}
