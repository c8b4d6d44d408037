//! `ledg-cost predict` with models and hardware.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use ledg_cost_model::graph::{Attrs, DType, GraphBuilder, OpType};
use serde_json::Value;

use super::support::{Bench, chain, redacted, tiny};

fn bench() -> Bench {
    let bench = Bench::new();
    bench.bundle();
    bench.onnx("tiny.onnx", &tiny());
    bench
}

fn rows(jsonl: &str) -> Vec<Value> {
    jsonl.lines().map(|l| serde_json::from_str(l).unwrap()).collect()
}

/// What a newcomer runs first.
#[test]
fn the_bundle_compiled_in_answers() {
    let bench = Bench::new();
    bench.file("resnet18.onnx", include_bytes!("../../../../tests/fixtures/resnet18.onnx"));
    let hardware = "--hardware t4 --hardware rtx4090 --hardware a100-pcie-40gb";
    let rows = rows(&bench.ok(&format!("predict resnet18.onnx {hardware} --format json")));
    assert_eq!(rows.len(), 3);
    for row in rows {
        let [latency, lo, hi] = ["latency_s", "lo_s", "hi_s"].map(|k| row[k].as_f64().unwrap());
        assert!(1e-5 < latency && latency < 1.0 && lo < latency && latency < hi, "{row}");
        assert_eq!(row["known"], 1.0);
    }
}

#[test]
fn a_table_for_people() {
    let table = bench().ok("predict tiny.onnx --hardware t4 --hardware rtx3090 --batch 16 --bundle toy.ledg");
    redacted().bind(|| insta::assert_snapshot!("predict_table", table));
}

#[test]
fn json_rows_have_exactly_these_keys() {
    let bench = bench();
    let rows = rows(&bench.ok("predict tiny.onnx --hardware t4 --hardware rtx3090 --format json --bundle toy.ledg"));
    assert_eq!(rows.len(), 2);
    for (row, hardware) in rows.iter().zip(["t4", "rtx3090"]) {
        let keys: Vec<&String> = row.as_object().unwrap().keys().collect();
        let mut wanted = ["graph", "hardware", "batch", "latency_s", "lo_s", "hi_s", "known", "error"];
        wanted.sort_unstable();
        let mut sorted = keys.clone();
        sorted.sort();
        assert_eq!(sorted, wanted);
        assert_eq!((&row["graph"], &row["hardware"]), (&"tiny.onnx".into(), &hardware.into()));
        // The graph's own batch size.
        assert_eq!((&row["batch"], &row["known"], &row["error"]), (&2.into(), &1.0.into(), &Value::Null));
        let [latency, lo, hi] = ["latency_s", "lo_s", "hi_s"].map(|k| row[k].as_f64().unwrap());
        assert!(0.0 < lo && lo < latency && latency < hi, "{row}");
    }
}

#[test]
fn csv_and_json_say_the_same() {
    let bench = bench();
    let csv = bench.ok("predict tiny.onnx --hardware t4 --format csv --bundle toy.ledg");
    let json = &rows(&bench.ok("predict tiny.onnx --hardware t4 --format json --bundle toy.ledg"))[0];
    let (header, row) = csv.trim_end().split_once('\n').unwrap();
    assert_eq!(header, "graph,hardware,batch,latency_s,lo_s,hi_s,known,error");
    let cells: Vec<&str> = row.split(',').collect();
    assert_eq!(cells[..3], ["tiny.onnx", "t4", "2"]);
    assert_eq!(cells[3].parse::<f64>().unwrap(), json["latency_s"].as_f64().unwrap());
    assert_eq!(cells[6..], ["1", ""]);
}

#[test]
fn costs_by_node_sum_up_and_are_sorted_for_people() {
    let bench = bench();
    let row = &rows(&bench.ok("predict tiny.onnx --hardware t4 --per-node --format json --bundle toy.ledg"))[0];
    let nodes = row["nodes"].as_array().unwrap();
    let names: Vec<&Value> = nodes.iter().map(|n| &n["name"]).collect();
    assert_eq!(names, ["conv", "relu", "sum"]);
    assert_eq!(nodes[0]["sentence"], "ParamL Conv 3");
    let sum: f64 = nodes.iter().map(|n| n["latency_s"].as_f64().unwrap()).sum();
    let latency = row["latency_s"].as_f64().unwrap();
    assert!((sum / latency - 1.0).abs() < 1e-9, "{sum} for {latency}");
    let text = bench.ok("predict tiny.onnx --hardware t4 --per-node --bundle toy.ledg");
    let (_, nodes) = text.split_once("tiny.onnx on t4, batch 2: 3 nodes\n").unwrap();
    assert_eq!(nodes.lines().count(), 5, "{text}");
    assert!(nodes.contains("ParamL Conv 3") && nodes.contains("share"), "{text}");
}

#[test]
fn a_wider_interval_covers_more() {
    let bench = bench();
    let hi = |coverage: &str| {
        let args = format!("predict tiny.onnx --hardware t4 --format json --bundle toy.ledg --interval {coverage}");
        rows(&bench.ok(&args))[0]["hi_s"].as_f64().unwrap()
    };
    assert!(hi("0.5") < hi("0.9"));
    let error = bench.fails(1, "predict tiny.onnx --hardware t4 --bundle toy.ledg --interval 0.9999");
    insta::assert_snapshot!(error);
}

#[test]
fn one_model_of_two_fails() {
    let bench = bench();
    bench.file("empty.onnx", "");
    let run = bench.run("predict empty.onnx tiny.onnx --hardware t4 --bundle toy.ledg");
    assert_eq!(run.code, 3);
    redacted().bind(|| insta::assert_snapshot!("predict_partly", run.stderr + &run.stdout));
    let run = bench.run("predict empty.onnx tiny.onnx --hardware t4 --bundle toy.ledg --format json");
    assert_eq!(run.code, 3);
    let rows = rows(&run.stdout);
    assert_eq!(rows[0]["error"], "empty.onnx: the file is empty");
    assert_eq!((&rows[0]["latency_s"], &rows[1]["error"]), (&Value::Null, &Value::Null));
}

#[test]
fn unknown_operators_are_refused_or_weighed() {
    let bench = bench();
    bench.onnx("magic.onnx", &chain(2, OpType::new("com.acme", "Magic")));
    bench.file("magic.json", chain(2, OpType::new("com.acme", "Magic")).to_json().unwrap());
    insta::assert_snapshot!(bench.fails(1, "predict magic.onnx magic.json --hardware t4 --bundle toy.ledg"));
    let run = bench.run("predict magic.json --hardware t4 --bundle toy.ledg --unknown report --format json");
    assert_eq!(run.code, 0, "{run:?}");
    insta::assert_snapshot!(run.stderr);
    assert_eq!(rows(&run.stdout)[0]["known"], 0.0);
}

#[test]
fn a_dynamic_model_needs_its_sizes() {
    let bench = bench();
    bench.file("bert.onnx", include_bytes!("../../../../tests/fixtures/bert_base.onnx"));
    insta::assert_snapshot!(bench.fails(1, "predict bert.onnx --hardware t4 --bundle toy.ledg"));
    insta::assert_snapshot!(bench.fails(1, "predict bert.onnx --hardware t4 --bundle toy.ledg --dim bach=8"));
    let args = "predict bert.onnx --hardware t4 --bundle toy.ledg --dim batch=8 --dim sequence=128 --format json";
    assert_eq!(rows(&bench.ok(args))[0]["batch"], 8);
    insta::assert_snapshot!(bench.fails(1, "predict nope.json --hardware t4 --bundle toy.ledg --dim batch=8"));
}

#[test]
fn a_batch_that_cannot_be_followed_is_said() {
    let bench = bench();
    let two = |second: u64| {
        let mut b = GraphBuilder::new("two");
        let (x, y) = (b.input("x", DType::F32, &[2, 4]), b.input("y", DType::F32, &[second, 4]));
        let sum = b.activation("sum_out", DType::F32, Some(&[2, 4]));
        b.node("sum", OpType::onnx("Add"), Attrs::new(), &[Some(x), Some(y)], &[sum]);
        b.output(sum);
        b.finish().unwrap().to_json().unwrap()
    };
    bench.file("same.json", two(2));
    bench.file("other.json", two(1));
    assert!(bench.ok("predict same.json --hardware t4 --bundle toy.ledg --batch 5").contains("| same.json |"));
    let run = bench.run("predict other.json --hardware t4 --bundle toy.ledg --format json");
    assert_eq!((run.code, &rows(&run.stdout)[0]["batch"]), (0, &1.into()));
    insta::assert_snapshot!(run.stderr);
    insta::assert_snapshot!(bench.fails(1, "predict other.json --hardware t4 --bundle toy.ledg --batch 5"));
}

#[test]
fn wrong_command_lines_exit_with_2() {
    let bench = bench();
    for args in [
        "predict",
        "predict tiny.onnx",
        "predict tiny.onnx --hardware t4 --batch 0",
        "predict tiny.onnx --hardware t4 --interval 1",
        "predict tiny.onnx --hardware t4 --interval nan",
        "predict tiny.onnx --hardware t4 --dim batch",
        "predict tiny.onnx --hardware t4 --dim batch=x",
        "predict tiny.onnx --hardware t4 --jobs jobs.csv --graphs .",
        "predict --jobs jobs.csv",
        "predict tiny.onnx --hardware t4 --per-node --format csv",
        "explain tiny.onnx --masks --format json",
        "frobnicate",
    ] {
        let run = bench.run(args);
        assert_eq!(run.code, 2, "{args}: {run:?}");
        assert!(run.stderr.starts_with("error: ") || run.stderr.contains("Usage:"), "{}", run.stderr);
        assert_eq!(run.stdout, "");
    }
}

#[test]
fn a_reader_may_leave() {
    let bench = bench();
    bench.onnx("long.onnx", &chain(20_000, OpType::onnx("Relu")));
    let mut child = Command::new(env!("CARGO_BIN_EXE_ledg-cost"))
        .current_dir(bench.path())
        .args(["graph", "long.onnx"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = vec![0; 10];
    std::io::Read::read_exact(&mut child.stdout.take().unwrap(), &mut first).unwrap();
    let stderr: Vec<String> = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap).collect();
    assert_eq!(stderr, Vec::<String>::new());
    assert!(child.wait().unwrap().success());
}
