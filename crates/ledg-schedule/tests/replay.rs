//! Traces that TVM 0.27 printed, replayed: extents as in the programs that TVM made of them.

use ledg_schedule::{ScheduleGraph, ScheduleWords, Task};
use serde_json::Value;

fn cases() -> serde_json::Map<String, Value> {
    serde_json::from_str(include_str!("traces.json")).unwrap()
}

fn graphs(case: &Value) -> Vec<ScheduleGraph> {
    let task = Task::from_json(&case["task"].to_string()).unwrap();
    let words = ScheduleWords::builtin().unwrap();
    let traces = case["traces"].as_array().unwrap();
    traces.iter().map(|t| ScheduleGraph::new(&task, t.as_str().unwrap(), words).unwrap()).collect()
}

/// Extents of the loop nodes, sorted.
fn loops(graph: &ScheduleGraph) -> Vec<u64> {
    let extent = |x: f32| (2f64.powf(f64::from(x)) - 1.0).round() as u64;
    let mut out: Vec<u64> =
        graph.nodes.iter().filter(|n| n.primitive == "loop").map(|n| extent(n.numbers[0])).collect();
    out.sort_unstable();
    out
}

/// Extents in a printed program: `T.grid(1, 2, 16)`, `range(8)`, `T.parallel(64, ...)`, `T.vectorized(2)`, ones left out.
fn extents_of(program: &str) -> Vec<u64> {
    let mut out = Vec::new();
    for line in program.lines().filter(|l| l.trim_start().starts_with("for ")) {
        let Some((_, after)) = line.split_once(" in ") else { continue };
        let inner = &after[after.find('(').unwrap() + 1..];
        let numbers = inner.split([',', ')']).map(str::trim).map_while(|w| w.parse::<u64>().ok());
        out.extend(numbers.filter(|&n| n != 1));
    }
    out.sort_unstable();
    out
}

#[test]
fn loops_of_the_graph_are_the_loops_of_the_program() {
    for (name, case) in cases() {
        let graphs = graphs(&case);
        let last = graphs.last().unwrap();
        assert_eq!(last.unknown, 0, "{name}");
        assert_eq!(loops(last), extents_of(case["program"].as_str().unwrap()), "{name}");
    }
}

#[test]
fn edges_go_from_earlier_to_later_and_all_but_operators_have_fathers() {
    for (name, case) in cases() {
        for graph in graphs(&case) {
            for (i, node) in graph.nodes.iter().enumerate() {
                let fathers = graph.relations.fathers.row(i);
                assert!(fathers.iter().all(|&f| (f as usize) < i), "{name}: node {i}");
                let free = ["operator", "sample_categorical", "annotate"];
                assert!(!fathers.is_empty() || free.contains(&node.primitive.as_str()), "{name}: node {i} {node:?}");
                assert!(node.numbers.iter().all(|x| x.is_finite()), "{name}: node {i}");
            }
        }
    }
}

#[test]
fn json_round_trips_and_a_broken_one_is_refused() {
    let graph = graphs(&cases()["matmul"]).remove(0);
    let json = graph.to_json();
    assert_eq!(ScheduleGraph::from_json(&json).unwrap(), graph);
    let mut wire: Value = serde_json::from_str(&json).unwrap();
    wire["edges"] = serde_json::json!([[3, 2]]);
    assert!(ScheduleGraph::from_json(&wire.to_string()).unwrap_err().to_string().contains("(3, 2)"));
    wire["edges"] = serde_json::json!([]);
    wire["nodes"][0]["numbers"] = serde_json::json!([1.0]);
    assert!(ScheduleGraph::from_json(&wire.to_string()).is_err());
}

#[test]
fn decisions_change_numbers_and_no_sentence() {
    let case = &cases()["matmul"];
    let task = Task::from_json(&case["task"].to_string()).unwrap();
    let words = ScheduleWords::builtin().unwrap();
    let trace = case["traces"].as_array().unwrap().last().unwrap().as_str().unwrap();
    let line = trace.lines().find(|l| l.contains("sample_perfect_tile") && l.contains("n=2")).unwrap();
    let decision = line.split("decision=").nth(1).unwrap();
    let other = if decision.starts_with("[16, 8]") { "[8, 16])" } else { "[16, 8])" };
    let changed = trace.replace(line, &line.replace(decision, other));
    assert_ne!(changed, trace);
    let (a, b) =
        (ScheduleGraph::new(&task, trace, words).unwrap(), ScheduleGraph::new(&task, &changed, words).unwrap());
    let sentences = |g: &ScheduleGraph| {
        let mut s: Vec<String> = g.nodes.iter().map(|n| n.sentence.clone()).collect();
        s.sort();
        s.dedup();
        s
    };
    assert_eq!(sentences(&a), sentences(&b));
    assert_ne!(
        a.nodes.iter().map(|n| &n.numbers).collect::<Vec<_>>(),
        b.nodes.iter().map(|n| &n.numbers).collect::<Vec<_>>()
    );
}

#[test]
fn an_unknown_primitive_is_an_error() {
    let case = &cases()["matmul"];
    let task = Task::from_json(&case["task"].to_string()).unwrap();
    let error = ScheduleGraph::new(&task, "sch.frobnicate(1)", ScheduleWords::builtin().unwrap()).unwrap_err();
    assert!(error.to_string().contains("line 1") && error.to_string().contains("`frobnicate`"), "{error}");
}
