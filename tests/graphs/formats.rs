//! The examples of `docs/formats.md`.

use ledg_cost_model::{HardwareRegistry, Outcome, Records};
use ledg_graph::{Graph, Limits};

const PAGE: &str = include_str!("../../docs/formats.md");

/// The block of code that follows a comment.
fn block(comment: &str) -> &'static str {
    let (_, rest) = PAGE.split_once(&format!("<!-- {comment} -->\n```")).unwrap();
    let (_, code) = rest.split_once('\n').unwrap();
    code.split_once("```").unwrap().0
}

#[test]
fn examples_are_what_is_read() {
    let graph = Graph::from_json(block("graph"), Limits::default()).unwrap();
    assert_eq!((graph.nodes().len(), graph.values().len()), (2, 5));
    let lines = block("records").replace("HASH", &graph.content_hash().to_string());
    let lines = lines.replace("GRAPH", &graph.to_json().unwrap());
    let records = Records::from_jsonl("page", &lines, &HardwareRegistry::builtin(), Limits::default()).unwrap();
    let outcomes: Vec<&Outcome> = records.rows().iter().map(|row| &row.outcome).collect();
    assert_eq!(outcomes, [&Outcome::Runs(vec![0.0101, 0.0099]), &Outcome::Failed("out of memory".into())]);
    assert_eq!(records.graph(&graph.content_hash().to_string()).unwrap().content_hash(), graph.content_hash());
}
