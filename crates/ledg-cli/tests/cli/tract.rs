//! What needs tract: refused with a remedy by a command without it, done by one with it.

use super::support::Bench;

fn resnet() -> String {
    format!("{}/../../tests/fixtures/resnet18.onnx", env!("CARGO_MANIFEST_DIR"))
}

#[cfg(not(feature = "tract"))]
#[test]
fn a_command_without_tract_says_how_to_get_one_with_it() {
    let bench = Bench::new();
    let model = resnet();
    for (args, what) in [
        (format!("predict {model} --hardware i9-10940x --via tract"), "--via tract"),
        (format!("measure {model} --hardware i9-10940x"), "measure"),
        ("hardware detect".to_owned(), "hardware detect"),
    ] {
        let run = bench.run(&args);
        assert_eq!((run.code, run.stdout.as_str()), (1, ""), "{args}");
        assert!(
            run.stderr.contains(&format!("{what}: this ledg-cost was built without the tract engine")),
            "{}",
            run.stderr
        );
        assert!(run.stderr.contains("--features tract"), "{}", run.stderr);
    }
}

#[cfg(feature = "tract")]
mod with_tract {
    use super::{Bench, resnet};
    use ledg_cost_model::graph::{Graph, Limits};

    #[test]
    fn a_plan_is_estimated_explained_and_written() {
        let bench = Bench::new();
        let model = resnet();
        let rows =
            bench.ok(&format!("predict {model} --hardware i9-10940x --via tract --batch 2 --format json --per-node"));
        let row: serde_json::Value = serde_json::from_str(&rows).unwrap();
        assert_eq!((&row["batch"], &row["known"]), (&2.into(), &1.0.into()));
        let sentences: Vec<&str> =
            row["nodes"].as_array().unwrap().iter().filter_map(|n| n["sentence"].as_str()).collect();
        assert!(
            sentences.contains(&"ParamL Conv 7 stride 2")
                && sentences.iter().any(|s| s.starts_with("Move Pack windows")),
            "{sentences:?}"
        );
        // What was written can be asked for without tract, and gives the same answer.
        bench.file("plan.json", bench.ok(&format!("graph {model} --via tract --batch 2")));
        let again = bench.run("predict plan.json --hardware i9-10940x --format json");
        let again: serde_json::Value = serde_json::from_str(&again.stdout).unwrap();
        assert_eq!((&again["batch"], &again["latency_s"]), (&row["batch"], &row["latency_s"]));
    }

    #[test]
    fn measuring_goes_on_where_it_was() {
        let bench = Bench::new();
        let measure = format!(
            "measure {} --hardware i9-10940x --runs 3 --warmup 1 --max-busy 1 --max-spread 1000 --per-node --record r.jsonl --graphs graphs",
            resnet()
        );
        let first = bench.run(&measure);
        assert_eq!(first.code, 0, "{}", first.stderr);
        let records = std::fs::read_to_string(bench.path().join("r.jsonl")).unwrap();
        let record: serde_json::Value = serde_json::from_str(&records).unwrap();
        assert_eq!(record["runs_s"].as_array().unwrap().len(), 3);
        assert_eq!((&record["batch"], &record["hardware"]), (&1.into(), &"i9-10940x".into()));
        let graph = std::fs::read_to_string(bench.path().join(record["graph"].as_str().unwrap())).unwrap();
        let graph = Graph::from_json(&graph, Limits::default()).unwrap();
        assert_eq!(record["graph_hash"], graph.content_hash().to_string());
        let second = bench.run(&measure);
        assert_eq!((second.code, second.stderr.as_str()), (0, "note: 1 of 1 are in the records already\n"));
        assert_eq!(std::fs::read_to_string(bench.path().join("r.jsonl")).unwrap(), records);
    }

    #[test]
    fn a_machine_that_is_never_idle_enough_is_refused_with_the_reason() {
        let bench = Bench::new();
        let run = bench.run(&format!(
            "measure {} --hardware i9-10940x --runs 3 --warmup 1 --max-busy 1 --max-spread 1e-12",
            resnet()
        ));
        assert_eq!(run.code, 1);
        assert!(run.stderr.contains("too noisy to be measured: the runs scatter by"), "{}", run.stderr);
    }

    #[test]
    fn the_host_is_a_hardware_file_like_any_other() {
        let bench = Bench::new();
        bench.file("host.toml", bench.ok("hardware detect --name my-host"));
        let said = bench.ok("hardware check host.toml");
        assert!(said.contains("accepted: device my-host") && said.contains("tract"), "{said}");
        bench.ok(&format!("predict {} --hardware host.toml --via tract", resnet()));
    }
}
