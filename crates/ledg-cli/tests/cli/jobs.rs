//! `ledg-cost predict --jobs`.

use super::support::{Bench, chain, tiny};
use ledg_cost_model::graph::OpType;

const T4: &str = include_str!("../../../../configs/hardware/nvidia/t4.toml");

fn bench() -> Bench {
    let bench = Bench::new();
    bench.bundle();
    bench.onnx("models/tiny.onnx", &tiny());
    bench.onnx("models/relu.v2.onnx", &chain(3, OpType::onnx("Relu")));
    bench.file("models/tiny2.json", tiny().to_json().unwrap());
    bench
}

/// The rows without their times: graph, hardware, batch, whether there is a latency, error.
fn shown(csv: &str) -> String {
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    let rows = reader.records().map(|r| {
        let r = r.unwrap();
        let answered = [3, 4, 5, 6].map(|k| !r[k].is_empty());
        assert!(answered == [r[7].is_empty(); 4], "{r:?}");
        format!("{} | {} | {} | {}", &r[0], &r[1], &r[2], if r[7].is_empty() { "answered" } else { &r[7] })
    });
    rows.collect::<Vec<_>>().join("\n")
}

#[test]
fn rows_keep_their_order_and_fail_alone() {
    let bench = bench();
    bench.file("own.toml", T4);
    bench.file(
        "jobs.csv",
        "hardware,batch,graph\n\
         t4,1,tiny\n\
         rtx3090,64,relu.v2\n\
         rtx3090,,tiny.onnx\n\
         nvidia-t5,1,tiny\n\
         t4,0,tiny\n\
         t4,many,tiny\n\
         t4,1,missing\n\
         t4,1\n\
         t4,1,tiny,extra\n\
         own.toml:fp32,4,tiny2\n\
         t4:fp64,1,tiny\n\
         t4,18446744073709551615,tiny\n\
         t4,2,relu.v2.onnx\n",
    );
    let run = bench.run("predict --jobs jobs.csv --graphs models --format csv --bundle toy.ledg");
    assert_eq!(run.code, 3, "{run:?}");
    insta::assert_snapshot!("jobs_rows", shown(&run.stdout));
    insta::assert_snapshot!("jobs_stderr", run.stderr);
}

#[test]
fn answers_are_those_of_single_questions() {
    let bench = bench();
    bench.file("jobs.csv", "graph,hardware,batch\ntiny,t4,1\ntiny,rtx3090,8\nrelu.v2,t4,\ntiny,t4,32\n");
    let json = bench.ok("predict --jobs jobs.csv --graphs models --format json --bundle toy.ledg");
    let rows: Vec<serde_json::Value> = json.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(rows.len(), 4);
    for row in &rows {
        let file = format!("models/{}.onnx", row["graph"].as_str().unwrap());
        let (hardware, batch) = (row["hardware"].as_str().unwrap(), &row["batch"]);
        let args = format!("predict {file} --hardware {hardware} --batch {batch} --format json --bundle toy.ledg");
        let single: serde_json::Value = serde_json::from_str(&bench.ok(&args)).unwrap();
        let ratio = single["latency_s"].as_f64().unwrap() / row["latency_s"].as_f64().unwrap();
        assert!((ratio - 1.0).abs() < 1e-5, "{row} {single}");
    }
}

#[test]
fn hardware_files_are_found_from_the_jobs_file_first() {
    let bench = bench();
    bench.file("here/own.toml", T4);
    bench.file("here/jobs.csv", "graph,hardware,batch\ntiny,own.toml,1\ntiny,here/own.toml:fp16,1\n");
    let csv = bench.ok("predict --jobs here/jobs.csv --graphs models --format csv --bundle toy.ledg");
    assert_eq!(shown(&csv), "tiny | own.toml | 1 | answered\ntiny | here/own.toml:fp16 | 1 | answered");
}

#[test]
fn a_jobs_file_can_be_wrong_as_a_whole() {
    let bench = bench();
    let mut errors = String::new();
    bench.file("no-column.csv", "graph,hardware\ntiny,t4\n");
    bench.file("twice.csv", "graph,hardware,batch,batch\ntiny,t4,1,1\n");
    bench.file("empty.csv", "");
    for file in ["no-column.csv", "twice.csv", "empty.csv", "missing.csv"] {
        errors += &bench.fails(1, &format!("predict --jobs {file} --graphs models --bundle toy.ledg"));
    }
    bench.file("jobs.csv", "graph,hardware,batch\ntiny,t4,1\n");
    errors += &bench.fails(1, "predict --jobs jobs.csv --graphs nowhere --bundle toy.ledg");
    insta::assert_snapshot!(errors);
}

#[test]
fn other_columns_are_ignored_with_a_note() {
    let bench = bench();
    bench.file("jobs.csv", "\u{feff}graph, hardware ,config,batch\ntiny,t4,amp,1\n");
    let run = bench.run("predict --jobs jobs.csv --graphs models --format csv --bundle toy.ledg");
    assert_eq!(run.code, 0, "{run:?}");
    insta::assert_snapshot!(run.stderr, @"note: jobs.csv: columns that mean nothing here are ignored: config");
}

#[test]
fn jobs_are_not_replaced_by_their_answers() {
    let bench = bench();
    let jobs = "graph,hardware,batch\ntiny,t4,1\n";
    bench.file("jobs.csv", jobs);
    let run = bench.run("predict --jobs jobs.csv --graphs models --format csv --output ./jobs.csv --bundle toy.ledg");
    assert!(run.code == 2 && run.stderr.contains("--output names the file of --jobs"), "{run:?}");
    assert_eq!(std::fs::read_to_string(bench.path().join("jobs.csv")).unwrap(), jobs);
}

#[test]
fn no_jobs_no_rows() {
    let bench = bench();
    bench.file("jobs.csv", "graph,hardware,batch\n");
    let csv = bench.ok("predict --jobs jobs.csv --graphs models --format csv --bundle toy.ledg");
    assert_eq!(csv, "graph,hardware,batch,latency_s,lo_s,hi_s,known,error\n");
}

#[test]
fn a_file_of_answers_appears_when_it_is_complete() {
    let bench = bench();
    bench.file("jobs.csv", "graph,hardware,batch\ntiny,t4,1\nrelu.v2,t4,\ntiny,rtx3090,32\n");
    for format in ["csv", "json"] {
        let args = format!("predict --jobs jobs.csv --graphs models --format {format} --bundle toy.ledg");
        let printed = bench.ok(&args);
        assert_eq!(bench.ok(&format!("{args} --output answers.{format}")), "");
        assert_eq!(std::fs::read_to_string(bench.path().join(format!("answers.{format}"))).unwrap(), printed);
        // Nothing to go on with: all is answered again.
        assert_eq!(bench.ok(&format!("{args} -o answers.{format} --resume")), "");
        assert_eq!(std::fs::read_to_string(bench.path().join(format!("answers.{format}"))).unwrap(), printed);
    }
    let left: Vec<String> = std::fs::read_dir(bench.path())
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.contains("partial"))
        .collect();
    assert_eq!(left, [""; 0]);
}

#[test]
fn a_file_of_failures_says_so_by_its_exit_code() {
    let bench = bench();
    bench.file("jobs.csv", "graph,hardware,batch\ntiny,t4,1\nmissing,t4,1\n");
    let run = bench.run("predict --jobs jobs.csv --graphs models --format csv --bundle toy.ledg -o answers.csv");
    assert_eq!(run.code, 3, "{run:?}");
    let rows = shown(&std::fs::read_to_string(bench.path().join("answers.csv")).unwrap());
    assert!(rows.starts_with("tiny | t4 | 1 | answered\nmissing | t4 | 1 | jobs.csv:3"), "{rows}");
}

#[test]
fn what_a_stopped_run_left_is_not_taken_for_another_question() {
    let bench = bench();
    bench.file("jobs.csv", "graph,hardware,batch\ntiny,t4,1\n");
    bench.file("answers.csv.partial", "graph,hardware\n");
    bench.file("answers.csv.partial.state", r#"{"version":1,"question":"0","rows":1,"failed":0,"bytes":15}"#);
    let args = "predict --jobs jobs.csv --graphs models --format csv --bundle toy.ledg --output answers.csv";
    let mut errors = bench.fails(1, args);
    errors += &bench.fails(1, &format!("{args} --resume"));
    bench.file("answers.csv.partial.state", "{}");
    errors += &bench.fails(1, &format!("{args} --resume"));
    insta::assert_snapshot!(errors);
    assert!(!bench.path().join("answers.csv").exists());
}

/// What another process writes is left to it.
#[cfg(unix)]
#[test]
fn a_file_of_answers_that_another_process_writes_is_left_alone() {
    use fs4::FileExt;
    let bench = bench();
    bench.file("jobs.csv", "graph,hardware,batch\ntiny,t4,1\n");
    let partial = bench.file("answers.csv.partial", "graph,hardware\n");
    let held = std::fs::File::open(&partial).unwrap();
    FileExt::lock(&held).unwrap();
    let args = "predict --jobs jobs.csv --graphs models --format csv --bundle toy.ledg --output answers.csv --resume";
    let error = bench.fails(1, args);
    assert_eq!(error, "error: answers.csv.partial: another run is writing it: wait for it, or stop it\n");
    assert_eq!(std::fs::read_to_string(&partial).unwrap(), "graph,hardware\n");
    drop(held);
    bench.ok(args);
    assert!(!partial.exists() && bench.path().join("answers.csv").exists());
}

/// A pipe can be read once, and says the same as a file.
#[cfg(unix)]
#[test]
fn jobs_may_come_from_a_pipe() {
    let bench = bench();
    let jobs = "graph,hardware,batch\ntiny,t4,1\nrelu.v2,rtx3090,32\n";
    bench.file("jobs.csv", jobs);
    let args = "predict --graphs models --format csv --bundle toy.ledg --jobs";
    let of_file = bench.ok(&format!("{args} jobs.csv"));
    let of_pipe = bench.run_with(&format!("{args} /dev/stdin"), jobs);
    assert_eq!((of_pipe.code, of_pipe.stdout, of_pipe.stderr.as_str()), (0, of_file.clone(), ""));
    let into_file = bench.run_with(&format!("{args} /dev/stdin --output answers.csv --resume"), jobs);
    assert_eq!((into_file.code, into_file.stderr.as_str()), (0, ""));
    assert_eq!(std::fs::read_to_string(bench.path().join("answers.csv")).unwrap(), of_file);
}

#[test]
fn rows_do_not_depend_on_the_order_of_the_jobs() {
    let bench = bench();
    // More rows than are held together when each has its nodes.
    let graphs = ["tiny", "relu.v2", "tiny2"];
    let jobs: Vec<String> = (0..300).map(|i| format!("{},t4,{}", graphs[i % 3], i / 3 + 1)).collect();
    let mut sorted = jobs.clone();
    sorted.sort();
    let answers = |jobs: &[String]| {
        bench.file("jobs.csv", format!("graph,hardware,batch\n{}\n", jobs.join("\n")));
        let json = bench.ok("predict --jobs jobs.csv --graphs models --format json --per-node --bundle toy.ledg");
        let mut lines: Vec<String> = json.lines().map(str::to_owned).collect();
        assert_eq!(lines.len(), 300);
        lines.sort();
        lines
    };
    assert_eq!(answers(&jobs), answers(&sorted));
}
