//! `calibrate`, and the bundle that it writes.

use ledg_cost_model::graph::{Attrs, DType, Graph, GraphBuilder, OpType};

use super::support::Bench;

fn network(channels: u64) -> Graph {
    let mut b = GraphBuilder::new(format!("conv{channels}"));
    let x = b.input("x", DType::F32, &[1, 3, 32, 32]);
    let w = b.weight("w", DType::F32, &[channels, 3, 3, 3]);
    let y = b.activation("y", DType::F32, Some(&[1, channels, 30, 30]));
    b.node("conv", OpType::onnx("Conv"), Attrs::new(), &[Some(x), Some(w)], &[y]);
    b.output(y);
    b.finish().unwrap()
}

fn latency_s(bench: &Bench, args: &str) -> f64 {
    let row: serde_json::Value = serde_json::from_str(&bench.ok(&format!("predict {args} --format json"))).unwrap();
    row["latency_s"].as_f64().unwrap()
}

/// Six networks with records of a T4 that takes `factor` times what the bundle says.
fn measured(bench: &Bench, factor: f64) -> Vec<String> {
    let mut lines = Vec::new();
    for i in 1..=6 {
        let graph = network(16 * i);
        let name = format!("graphs/conv{i}.json");
        bench.file(&name, graph.to_json().unwrap());
        let s = factor * latency_s(bench, &format!("{name} --hardware t4 --bundle toy.ledg"));
        lines.push(line(&name, &graph, s));
    }
    lines
}

fn line(name: &str, graph: &Graph, seconds: f64) -> String {
    let hash = graph.content_hash();
    format!(
        r#"{{"graph":"{name}","graph_hash":"{hash}","hardware":"t4","batch":1,"runs_s":[{seconds}],"median_s":{seconds},"spread":0.0,"cpu":"c","runtime":"r","date":"d"}}"#
    )
}

#[test]
fn a_handful_of_records_make_a_bundle_that_fits() {
    let bench = Bench::new();
    bench.bundle();
    let lines = measured(&bench, 1.8);
    bench.file("records.jsonl", lines.join("\n"));
    let said = bench.ok("calibrate --records records.jsonl --bundle toy.ledg --output my.ledg --format json");
    let report: serde_json::Value = serde_json::from_str(&said).unwrap();
    let platform = report["platforms"].as_object().unwrap().values().next().unwrap();
    assert_eq!((&platform["records"], &platform["networks"]), (&6.into(), &6.into()));
    let mape = |when: &str| platform[when]["mape"].as_f64().unwrap();
    assert!((mape("before") - 0.8 / 1.8).abs() < 1e-6 && mape("after") < 0.03, "{said}");
    let asked = "graphs/conv3.json --hardware t4 --bundle";
    let ratio = latency_s(&bench, &format!("{asked} my.ledg")) / latency_s(&bench, &format!("{asked} toy.ledg"));
    assert!((ratio - 1.8).abs() < 0.05, "{ratio}");
    // Other platforms keep their predictions; jobs and explain take the bundle too.
    let other = "graphs/conv3.json --hardware rtx3090 --bundle";
    assert_eq!(latency_s(&bench, &format!("{other} my.ledg")), latency_s(&bench, &format!("{other} toy.ledg")));
    bench.file("jobs.csv", "graph,hardware,batch\nconv3.json,t4,1\n");
    let job = latency_s(&bench, "--jobs jobs.csv --graphs graphs --bundle my.ledg");
    assert_eq!(job, latency_s(&bench, &format!("{asked} my.ledg")));
    let said = bench.ok("explain graphs/conv3.json --bundle my.ledg");
    assert!(said.contains("my.ledg: trained on 0 records, 2025-01-01; calibrated to 6 records of nvidia-t4"), "{said}");
    let table = bench.ok("calibrate --records records.jsonl --bundle toy.ledg --output my.ledg");
    assert!(
        table.contains("before") && table.contains("after, cross-validated") && table.contains("44.4 %"),
        "{table}"
    );
}

#[test]
fn records_that_cannot_be_used_are_named_by_line() {
    let bench = Bench::new();
    bench.bundle();
    let mut lines = measured(&bench, 1.0);
    lines.push(line("graphs/conv1.json", &network(16), 0.5));
    lines.push(line("graphs/conv1.json", &network(16), 0.9));
    bench.file("records.jsonl", lines[6..].join("\n"));
    let calibrate = "calibrate --records records.jsonl --bundle toy.ledg --output my.ledg";
    let said = bench.fails(1, calibrate);
    assert!(said.contains("records.jsonl, line 1 and records.jsonl, line 2 contradict each other: conv16"), "{said}");
    assert!(!bench.path().join("my.ledg").exists());
    bench.file("records.jsonl", line("graphs/conv2.json", &network(16), 0.5));
    assert!(bench.fails(1, calibrate).contains("is not the graph that was measured"));
    bench.file("records.jsonl", line("elsewhere.json", &network(16), 0.5));
    let said = bench.fails(1, calibrate);
    assert!(said.contains("records.jsonl, line 1") && said.contains("`--graphs` names its folder"), "{said}");
    bench.file("records.jsonl", "");
    assert!(bench.fails(1, calibrate).contains("no record with a time"));
    bench.file("records.jsonl", &lines[0]);
    let said = bench.run(calibrate);
    assert!(said.code == 0 && said.stderr.contains("only one network was measured"), "{said:?}");
}

#[test]
fn a_table_written_by_hand_calibrates_too() {
    let bench = Bench::new();
    bench.bundle();
    measured(&bench, 1.0);
    let rows = |hardware: &str| {
        let ask = |i: u64| format!("graphs/conv{i}.json --hardware t4 --bundle toy.ledg");
        let row = |i: u64| format!("conv{i},{hardware}1,{}\n", 1.8 * latency_s(&bench, &ask(i)));
        (1..=6).map(row).collect::<String>()
    };
    bench.file("r.csv", format!("graph,hardware,batch,latency_s\n{}", rows("t4,")));
    bench.file("bare.csv", format!("graph,batch,latency_s\n{}", rows("")));
    let calibrate = "calibrate --graphs graphs --bundle toy.ledg --output my.ledg --records";
    let asked = "graphs/conv3.json --hardware t4 --bundle";
    let raw = latency_s(&bench, &format!("{asked} toy.ledg"));
    for records in ["r.csv", "bare.csv --hardware t4"] {
        bench.ok(&format!("{calibrate} {records}"));
        let ratio = latency_s(&bench, &format!("{asked} my.ledg")) / raw;
        assert!((ratio - 1.8).abs() < 0.05, "{records}: {ratio}");
    }
    std::fs::remove_file(bench.path().join("my.ledg")).unwrap();
    for (text, said) in [
        ("graph,batch,latency_s\nconv1,1,0.1\n", "column `hardware` is missing"),
        ("graph,hardware,batch,latency_s\nconv1,t4,1,0.1\nconv9,t4,1,0.1\n", "bad.csv, line 3: graph `conv9`"),
        ("graph,hardware,batch,latency_s\nconv1,t4,1,NaN\n", "bad.csv, line 2"),
        ("graph,hardware,batch,latency_s\nconv1,t4,1,-1\n", "bad.csv, line 2"),
        ("graph,hardware,batch,latency_s\nconv1,t4,one,0.1\n", "bad.csv, line 2"),
        ("graph,hardware,batch,latency_s\nconv1,nothing,1,0.1\n", "bad.csv, line 2"),
        ("graph,hardware,batch,latency_s\nconv1,t4,1\n", "bad.csv"),
        ("graph,hardware,batch,latency_s\n", "no record with a time"),
    ] {
        bench.file("bad.csv", text);
        let error = bench.fails(1, &format!("{calibrate} bad.csv"));
        assert!(error.contains(said), "{text}: {error}");
    }
    assert!(!bench.path().join("my.ledg").exists());
}

#[test]
fn dimensions_are_bound_where_a_graph_has_them() {
    let bench = Bench::new();
    bench.bundle();
    bench.file("graphs/bert.onnx", include_bytes!("../../../../tests/fixtures/bert_base.onnx"));
    bench.file("graphs/resnet.onnx", include_bytes!("../../../../tests/fixtures/resnet18.onnx"));
    bench.file("graphs/conv.json", network(16).to_json().unwrap());
    bench.file("r.csv", "graph,hardware,batch,latency_s\nbert,t4,1,0.02\nresnet,t4,1,0.01\nconv,t4,1,0.001\n");
    let calibrate = "calibrate --graphs graphs --records r.csv --bundle toy.ledg --output my.ledg";
    let said = bench.fails(1, calibrate);
    assert!(said.contains("r.csv, line 2: ") && said.contains("--dim batch=N --dim sequence=N"), "{said}");
    bench.run(&format!("{calibrate} --dim batch=1 --dim sequence=128"));
    assert!(bench.path().join("my.ledg").exists());
    let said = bench.fails(1, &format!("{calibrate} --dim batch=1 --dim sequence=128 --dim width=3"));
    assert!(said.contains("no graph of a `.csv` file has the dynamic dimension `width`"), "{said}");
}

#[test]
fn milliseconds_are_not_taken_for_seconds() {
    let bench = Bench::new();
    bench.bundle();
    // A device twice as fast as predicted.
    bench.file("ms.jsonl", measured(&bench, 0.5e3).join("\n"));
    let error = bench.fails(1, "calibrate --records ms.jsonl --bundle toy.ledg --output my.ledg");
    assert!(error.contains("ms.jsonl, line 1: on nvidia-t4") && error.contains("not in seconds"), "{error}");
    assert!(!bench.path().join("my.ledg").exists());
}

#[test]
fn a_field_of_a_csv_file_is_named() {
    let bench = Bench::new();
    bench.bundle();
    bench.file("r.csv", "graph,hardware,batch,latency_s\nnone,t4,1,2ms\n");
    let error = bench.fails(1, "calibrate --records r.csv --bundle toy.ledg --output my.ledg");
    assert!(error.contains("r.csv, line 2: column `latency_s`: invalid float literal"), "{error}");
    bench.file("r.csv", "graph,hardware,batch,latency_s\nnone,t4,1,0.002\n");
    let error = bench.fails(1, "calibrate --records r.csv --bundle toy.ledg --output my.ledg");
    assert!(error.contains("there is no such file in ., nor"), "{error}");
}
