//! What can be wrong with an ONNX file, or with what was asked of it.

use std::collections::HashSet;
use std::fmt;

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
    #[error("{file}: {what} is {found} bytes, more than the limit of {limit}; {}", Advice::RaiseLimit(option))]
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
    #[error("{file}: {}; {}", places(dims), Advice::BindDims(names(dims)))]
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
        "{file}: node `{node}`: no shape rule for operator `{}{op}` (opset {opset}); {}",
        dotted(domain),
        Advice::ReportUnknown
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
    /// The shape of a node's output depends on a value that is not constant, and the file does not declare it.
    #[error(
        "{file}: node `{node}` ({op}): the shape of its output depends on the value of `{value}` (input {input}), which is \
         not constant; give the output's shape in the file's value_info, or {}",
        Advice::ReportUnknown
    )]
    NeedsValue {
        /// The file.
        file: String,
        /// The node.
        node: String,
        /// Its operator.
        op: String,
        /// The value.
        value: Box<str>,
        /// Which of the node's inputs that is.
        input: usize,
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
    #[error("{file}: {source}{}", limit_advice(source).map(|advice| format!("; {advice}")).unwrap_or_default())]
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

/// What helps against an [`OnnxError`]. Its text, in terms of [`crate::OnnxOptions`], ends the error's message.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Advice {
    /// Dimensions of these names need sizes, in `dims`.
    BindDims(Vec<String>),
    /// The limit in this field may be raised.
    RaiseLimit(&'static str),
    /// [`crate::UnknownPolicy::Report`] goes on without the shape.
    ReportUnknown,
}

impl fmt::Display for Advice {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Advice::BindDims(names) => write!(f, "give sizes in `dims` for {}", listed(names)),
            Advice::RaiseLimit(option) => write!(f, "raise `{option}` if this is meant"),
            Advice::ReportUnknown => write!(f, "import with the unknown-operator policy `report` to go on without it"),
        }
    }
}

impl OnnxError {
    /// What helps against it, if the importer knows of anything.
    pub fn advice(&self) -> Option<Advice> {
        match self {
            OnnxError::UnboundDims { dims, .. } => Some(Advice::BindDims(names(dims))),
            OnnxError::TooLarge { option, .. } => Some(Advice::RaiseLimit(option)),
            OnnxError::UnknownOperator { .. } | OnnxError::NeedsValue { .. } => Some(Advice::ReportUnknown),
            OnnxError::Graph { source, .. } => limit_advice(source),
            _ => None,
        }
    }

    /// The message with the advice in the words of who offers the importer's options under other names; the importer's own
    /// where there are none.
    pub fn told(&self, words: impl FnOnce(&Advice) -> Option<String>) -> String {
        let message = self.to_string();
        let own = self.advice().and_then(|advice| Some((advice.to_string(), words(&advice)?)));
        match own.and_then(|(theirs, words)| Some(format!("{}{words}", message.strip_suffix(&theirs)?))) {
            Some(told) => told,
            None => message,
        }
    }
}

fn limit_advice(error: &GraphError) -> Option<Advice> {
    match error {
        GraphError::Limit { what: "values", .. } => Some(Advice::RaiseLimit("limits.max_values")),
        GraphError::Limit { .. } => Some(Advice::RaiseLimit("limits.max_nodes")),
        _ => None,
    }
}

fn places(dims: &[UnboundDim]) -> String {
    let place = |d: &UnboundDim| format!("dimension {} of input `{}` is `{}`", d.axis, d.input, d.name);
    dims.iter().map(place).collect::<Vec<_>>().join(", ")
}

/// Each name once, in the order of the inputs.
fn names(dims: &[UnboundDim]) -> Vec<String> {
    let mut seen = HashSet::new();
    dims.iter().map(|d| &d.name).filter(|name| seen.insert(*name)).cloned().collect()
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
