//! What can be wrong with a graph.

use thiserror::Error;

/// Why a graph could not be built, read or changed. Messages name the node or value concerned.
#[non_exhaustive]
#[derive(Debug, Error)]
pub enum GraphError {
    /// The graph has no nodes.
    #[error("graph `{graph}` has no nodes: there is nothing to cost")]
    Empty {
        /// Name of the graph.
        graph: String,
    },
    /// Two nodes or two values share a name.
    #[error("graph `{graph}`: the {what} name `{name}` is used twice")]
    DuplicateName {
        /// Name of the graph.
        graph: String,
        /// `node` or `value`.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// A value is produced by two nodes, or is both an input and produced.
    #[error("graph `{graph}`: value `{value}` has two producers (node `{node}` is the second)")]
    TwoProducers {
        /// Name of the graph.
        graph: String,
        /// The value.
        value: String,
        /// The second producer.
        node: String,
    },
    /// A node reads an activation that nothing produces.
    #[error(
        "graph `{graph}`: node `{node}` reads `{value}`, which no node produces and which is no input, weight or constant"
    )]
    Dangling {
        /// Name of the graph.
        graph: String,
        /// The reading node.
        node: String,
        /// The value.
        value: String,
    },
    /// The graph is not acyclic.
    #[error("graph `{graph}` has a cycle through {} node(s), among them {}", nodes.len(), first_names(nodes))]
    Cycle {
        /// Name of the graph.
        graph: String,
        /// Names of the nodes on the cycle, or downstream of it.
        nodes: Vec<String>,
    },
    /// A limit was exceeded.
    #[error("graph `{graph}` has {found} {what}, more than the limit of {limit}")]
    Limit {
        /// Name of the graph.
        graph: String,
        /// What was counted.
        what: &'static str,
        /// How many there are.
        found: u64,
        /// How many are allowed.
        limit: u64,
    },
    /// The number of elements of a value does not fit.
    #[error("graph `{graph}`: value `{value}` of shape {shape:?} has more elements than can be counted")]
    ShapeOverflow {
        /// Name of the graph.
        graph: String,
        /// The value.
        value: String,
        /// Its shape.
        shape: Vec<u64>,
    },
    /// The batch dimension could not be followed through a node.
    #[error("graph `{graph}`: the batch dimension cannot be followed through node `{node}` ({op}): {why}")]
    BatchUntraceable {
        /// Name of the graph.
        graph: String,
        /// The node where the trace is lost.
        node: String,
        /// Its operator.
        op: String,
        /// What went wrong there.
        why: String,
    },
    /// The inputs have no batch dimension in common.
    #[error("graph `{graph}` has no batch dimension: {why}")]
    NoBatch {
        /// Name of the graph.
        graph: String,
        /// What is wrong with its inputs.
        why: &'static str,
    },
    /// The batch size asked for is impossible.
    #[error("graph `{graph}`: batch {batch} is not possible: {why}")]
    BadBatch {
        /// Name of the graph.
        graph: String,
        /// The batch size asked for.
        batch: u64,
        /// Why.
        why: &'static str,
    },
    /// The JSON is not what the wire format says.
    #[error("graph JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// The wire version is not one this library reads.
    #[error("graph JSON has wire version {found}, this library reads version {expected}")]
    WireVersion {
        /// The version found.
        found: u32,
        /// The version expected.
        expected: u32,
    },
    /// A reference in the JSON names a value that is not declared.
    #[error("graph JSON: {place} names value `{value}`, which is not declared in `values`")]
    UnknownValue {
        /// Where the reference stands.
        place: String,
        /// The value named.
        value: String,
    },
}

fn first_names(names: &[String]) -> String {
    let shown: Vec<String> = names.iter().take(3).map(|n| format!("`{n}`")).collect();
    shown.join(", ")
}
