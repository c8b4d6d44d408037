//! What can be wrong with an ONNX file, or with what was asked of it.

use std::collections::HashSet;

use ledg_graph::GraphError;
use thiserror::Error;

/// Why an ONNX model could not be imported. Every message names the file, and where it can the node and what to do.
#[non_exhaustive]
#[derive(Debug, Error)]
pub enum OnnxError {
    /// The file could not be opened or read.
    #[error("{file}: cannot be read: {source}")]
    Io {
        /// The file.
        file: String,
        /// What the system says.
        source: std::io::Error,
    },
    /// The path is a device, a pipe or a socket, which has no size and can be read only once.
    #[error("{file}: not a regular file; copy what it yields to a file first")]
    SpecialFile {
        /// The file.
        file: String,
    },
    /// The file has no bytes.
    #[error("{file}: the file is empty")]
    EmptyFile {
        /// The file.
        file: String,
    },
    /// The file, or the part of it that describes the graph, is larger than allowed.
    #[error("{file}: {what} is {found} bytes, more than the limit of {limit} (raise `{option}` if this is meant)")]
    TooLarge {
        /// The file.
        file: String,
        /// What was measured.
        what: &'static str,
        /// Its size in bytes, or where counting stopped.
        found: u64,
        /// Most bytes allowed.
        limit: u64,
        /// The field of [`crate::OnnxOptions`] that holds the limit.
        option: &'static str,
    },
    /// The bytes are not an ONNX model.
    #[error("{file}: not an ONNX model, or truncated or corrupt: {why}")]
    Decode {
        /// The file.
        file: String,
        /// What the reader stumbled over.
        why: String,
    },
    /// A dynamic dimension has no binding, or a binding has no dimension.
    #[error("{file}: {}", dims_message(dims))]
    UnboundDims {
        /// The file.
        file: String,
        /// All dimensions that lack a binding.
        dims: Vec<UnboundDim>,
    },
    /// A binding names a dimension that the model does not have.
    #[error("{file}: there is no dynamic dimension `{dim}` to bind; the model has {}", listed(known))]
    NoSuchDim {
        /// The file.
        file: String,
        /// The name given.
        dim: String,
        /// The names that can be bound.
        known: Vec<String>,
    },
    /// The options name a graph input that the model does not have.
    #[error("{file}: there is no input `{input}`; the model has {}", listed(known))]
    NoSuchInput {
        /// The file.
        file: String,
        /// The name given.
        input: String,
        /// The model's inputs.
        known: Vec<String>,
    },
    /// A value's declared type is missing or is none that a graph can hold.
    #[error("{file}: value `{value}`: {why}")]
    Value {
        /// The file.
        file: String,
        /// The value.
        value: String,
        /// What is wrong with its type.
        why: String,
    },
    /// An operator that no rule knows.
    #[error(
        "{file}: node `{node}`: no shape rule for operator `{}{op}` (opset {opset}); \
         import with the unknown-operator policy `report` to go on without it",
        dotted(domain)
    )]
    UnknownOperator {
        /// The file.
        file: String,
        /// The node.
        node: String,
        /// Operator type.
        op: String,
        /// Operator domain, empty for ONNX's own.
        domain: String,
        /// Version of the domain's operator set that the model imports.
        opset: i64,
    },
    /// A node that cannot be right: shapes, attributes or constants that do not go together.
    #[error("{file}: node `{node}` ({op}): {why}")]
    Node {
        /// The file.
        file: String,
        /// The node.
        node: String,
        /// Its operator.
        op: String,
        /// What is wrong.
        why: String,
    },
    /// A tensor whose payload cannot be read.
    #[error("{file}: tensor `{tensor}`: {why}")]
    Tensor {
        /// The file.
        file: String,
        /// The tensor.
        tensor: String,
        /// What is wrong.
        why: String,
    },
    /// The nodes depend on each other in a circle.
    #[error("{file}: the graph has a cycle through {} node(s), among them {}", nodes.len(), listed(&nodes[..nodes.len().min(3)]))]
    Cycle {
        /// The file.
        file: String,
        /// Names of the nodes on the cycle, or downstream of it.
        nodes: Vec<String>,
    },
    /// The graph breaks a rule that every graph must keep, or exceeds a limit.
    #[error("{file}: {source}")]
    Graph {
        /// The file.
        file: String,
        /// The rule.
        source: Box<GraphError>,
    },
}

/// A dimension of an input that has no size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnboundDim {
    /// The input.
    pub input: String,
    /// Which of its dimensions.
    pub axis: usize,
    /// The name to bind in [`crate::OnnxOptions::dims`]: the dimension's own, or `input.axis`.
    pub name: String,
}

fn dims_message(dims: &[UnboundDim]) -> String {
    let place = |d: &UnboundDim| format!("dimension {} of input `{}` is `{}`", d.axis, d.input, d.name);
    let places: Vec<String> = dims.iter().map(place).collect();
    // Each name once, in the order of the inputs.
    let mut seen = HashSet::new();
    let names = dims.iter().map(|d| d.name.as_str()).filter(|n| seen.insert(*n));
    let flags: Vec<String> = names.map(|n| format!("--dim {n}=N")).collect();
    format!("{}; sizes must be given: {}", places.join(", "), flags.join(" "))
}

fn listed(names: &[String]) -> String {
    if names.is_empty() {
        return "none".to_owned();
    }
    let quoted: Vec<String> = names.iter().take(12).map(|n| format!("`{n}`")).collect();
    let more = if names.len() > 12 { format!(" and {} more", names.len() - 12) } else { String::new() };
    quoted.join(", ") + &more
}

fn dotted(domain: &str) -> String {
    if domain.is_empty() { String::new() } else { format!("{domain}.") }
}
