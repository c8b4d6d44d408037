//! Costs by node.

use ledg_cost_model::{DescribedGraph, Estimate};
use serde::Serialize;

use ledg_cost_model::text::TextTable;
use ledg_cost_model::text::units;

/// What one node costs.
#[derive(Debug, Clone, Serialize)]
pub struct NodeRow {
    /// Name of the node; of a fused form, that of its last node.
    pub name: String,
    /// Operator.
    pub op: String,
    /// What the language model reads.
    pub sentence: String,
    /// Whether a template covers the operator.
    pub known: bool,
    /// Seconds; the sum over all nodes is the latency.
    pub latency_s: f64,
    /// Of these, seconds bound by arithmetic.
    pub compute_s: f64,
    /// Of these, seconds the cores spend on moving elements.
    pub issue_s: f64,
    /// Seconds bound by memory traffic.
    pub memory_s: f64,
    /// Seconds to start the operator.
    pub launch_s: f64,
    /// Names of the model's nodes that this one stands for.
    pub origins: Vec<String>,
}

/// The nodes of an estimate, in the graph's order.
pub fn node_rows(graph: &DescribedGraph, estimate: &Estimate) -> Vec<NodeRow> {
    let row = |e: &ledg_cost_model::NodeEstimate| {
        let node = &graph.nodes[e.node];
        NodeRow {
            name: node.name.clone(),
            op: node.op.to_string(),
            sentence: node.sentence.clone(),
            known: node.known,
            latency_s: e.latency_s,
            compute_s: e.compute_s,
            issue_s: e.issue_s,
            memory_s: e.memory_s,
            launch_s: e.launch_s,
            origins: graph.origins[e.node].clone(),
        }
    };
    estimate.nodes.iter().map(row).collect()
}

/// The nodes as a table, dearest first. A bundle without costs by node gives a sentence that says so.
pub fn node_table(nodes: &[NodeRow]) -> String {
    if nodes.is_empty() {
        return "This bundle's model gives one figure for the whole graph, none for its nodes.\n".to_owned();
    }
    let total: f64 = nodes.iter().map(|n| n.latency_s).sum();
    let mut sorted: Vec<&NodeRow> = nodes.iter().collect();
    // Stable, so that nodes of equal cost stay in the graph's order.
    sorted.sort_by(|a, b| b.latency_s.total_cmp(&a.latency_s));
    let mut table = TextTable::new(&[">time", ">share", "bound by", "node", "sentence"]);
    for node in sorted {
        let parts = [
            ("compute", node.compute_s),
            ("issue", node.issue_s),
            ("memory", node.memory_s),
            ("launch", node.launch_s),
        ];
        let (bound, _) = parts.into_iter().max_by(|a, b| a.1.total_cmp(&b.1)).unwrap_or(parts[0]);
        let sentence = if node.known { node.sentence.clone() } else { format!("{} (not known)", node.sentence) };
        table.row(&[
            units::duration(node.latency_s),
            units::share(node.latency_s / total),
            bound.to_owned(),
            node.name.clone(),
            sentence,
        ]);
    }
    table.to_string()
}
