//! `ledg-cost compare`.

use super::support::{Bench, redacted, tiny};
use serde_json::Value;

fn bench() -> Bench {
    let bench = Bench::new();
    bench.bundle();
    bench.onnx("tiny.onnx", &tiny());
    bench
}

fn rows(jsonl: &str) -> Vec<Value> {
    jsonl.lines().map(|l| serde_json::from_str(l).unwrap()).collect()
}

#[test]
fn the_fastest_comes_first_and_answers_are_those_of_predict() {
    let bench = bench();
    let compared =
        rows(&bench.ok("compare tiny.onnx --hardware t4,rtx3090 --batch 64 --format json --bundle toy.ledg"));
    let predicted =
        bench.ok("predict tiny.onnx --hardware t4 --hardware rtx3090 --batch 64 --format json --bundle toy.ledg");
    let predicted = rows(&predicted);
    let latency = |row: &Value| row["latency_s"].as_f64().unwrap();
    assert_eq!(compared.len(), 2);
    assert!(latency(&compared[0]) <= latency(&compared[1]));
    assert_eq!(compared[0]["relative"], 1.0);
    assert_eq!(compared[0]["overlaps_fastest"], true);
    let relative = latency(&compared[1]) / latency(&compared[0]);
    assert!((compared[1]["relative"].as_f64().unwrap() / relative - 1.0).abs() < 1e-12);
    for row in &compared {
        let single = predicted.iter().find(|r| r["hardware"] == row["hardware"]).unwrap();
        for key in ["graph", "batch", "latency_s", "lo_s", "hi_s", "known"] {
            assert_eq!(row[key], single[key], "{key}");
        }
    }
}

#[test]
fn intervals_that_lie_apart_are_told_from_those_that_overlap() {
    let bench = bench();
    let close = |coverage: &str| {
        let args = format!(
            "compare tiny.onnx --hardware t4,rtx3090 --batch 4096 --format json --interval {coverage} --bundle toy.ledg"
        );
        let rows = rows(&bench.ok(&args));
        let overlaps = rows[1]["lo_s"].as_f64().unwrap() <= rows[0]["hi_s"].as_f64().unwrap();
        assert_eq!(rows[1]["overlaps_fastest"], overlaps);
        overlaps
    };
    assert!(close("0.99") && !close("0.001"));
}

#[test]
fn csv_has_the_keys_of_json() {
    let bench = bench();
    let csv = bench.ok("compare tiny.onnx --hardware t4,rtx3090 --format csv --bundle toy.ledg");
    let json = rows(&bench.ok("compare tiny.onnx --hardware t4,rtx3090 --format json --bundle toy.ledg"));
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    let header = reader.headers().unwrap().clone();
    let mut keys: Vec<&String> = json[0].as_object().unwrap().keys().collect();
    let mut columns: Vec<&str> = header.iter().collect();
    keys.sort();
    columns.sort_unstable();
    assert_eq!(columns, keys);
    for (record, row) in reader.records().map(Result::unwrap).zip(&json) {
        for (column, cell) in header.iter().zip(&record) {
            match &row[column] {
                Value::Null => assert_eq!(cell, ""),
                Value::String(text) => assert_eq!(cell, text),
                Value::Number(number) => assert_eq!(cell.parse::<f64>().unwrap(), number.as_f64().unwrap()),
                other => assert_eq!(cell, other.to_string()),
            }
        }
    }
}

#[test]
fn a_table_and_bars_for_people() {
    let text = bench().ok("compare tiny.onnx --hardware t4 --hardware rtx3090 --batch 16 --bundle toy.ledg");
    let bars: Vec<&str> = text.lines().filter(|l| l.contains('█') && !l.contains("lower end")).collect();
    assert_eq!(bars.len(), 2, "{text}");
    let mut settings = redacted();
    settings.add_filter(r"[█▓░]{2,}", "[bar]");
    settings.add_filter(r"\b\d+\.\d\dx", "[relative]");
    settings.bind(|| insta::assert_snapshot!("compare_table", text));
}

#[test]
fn what_is_refused() {
    let bench = bench();
    bench.file("empty.onnx", "");
    assert!(bench.fails(1, "compare tiny.onnx --hardware t4,t5x --bundle toy.ledg").contains("t5x"));
    assert!(bench.fails(1, "compare empty.onnx --hardware t4 --bundle toy.ledg").contains("empty.onnx"));
    for args in ["compare", "compare tiny.onnx", "compare tiny.onnx --hardware t4 --batch 0"] {
        assert_eq!(bench.run(args).code, 2, "{args}");
    }
}

#[test]
fn runtimes_that_differ_are_told() {
    let bench = bench();
    let out = bench.ok("compare tiny.onnx --hardware gtx-1660:fp32,t4:fp32 --bundle toy.ledg");
    assert!(
        out.contains("Runtimes differ (") && out.contains("on gtx-1660:fp32") && !out.contains("Precisions"),
        "{out}"
    );
    let out = bench.ok("compare tiny.onnx --hardware t4:fp32,v100:fp32 --bundle toy.ledg");
    assert!(!out.contains("Runtimes differ"), "{out}");
}

#[test]
fn what_was_measured_in_other_ways_is_told() {
    let bench = bench();
    let table = bench.ok("compare tiny.onnx --hardware rtx4090:amp,rtx4090:fp32,l4:fp16");
    for (hardware, measured) in [("rtx4090:amp", "yes"), ("rtx4090:fp32", "in other ways"), ("l4:fp16", "no")] {
        let row = table.lines().find(|line| line.starts_with(&format!("| {hardware} "))).unwrap_or_default();
        assert!(row.trim_end_matches(['|', ' ']).ends_with(&format!("| {measured}")), "{table}");
    }
    let note = "rtx4090:fp32 was measured in training, but not in that precision by that engine";
    assert_eq!(table.matches("was measured in training").count(), 1);
    assert!(table.contains(note), "{table}");
}
