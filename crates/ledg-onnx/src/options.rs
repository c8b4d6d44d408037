//! What the caller may choose, and what an import hands back.

use std::collections::{BTreeMap, BTreeSet};

use ledg_graph::{Graph, Limits, OpType, Shape};

/// What to do with an operator that no shape rule knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UnknownPolicy {
    /// Refuse the model, naming the operator.
    #[default]
    Error,
    /// Keep the node and list it in [`Imported::unknown`]. Its outputs have the shapes the file declares; where it
    /// declares none they are unknown, and so is everything that cannot be inferred without them.
    Report,
}

/// How to import a model.
#[derive(Debug, Clone)]
pub struct OnnxOptions {
    /// Sizes of dynamic dimensions, by the name the model gives them (`batch`), or by `input.axis` (`ids.0`). A name that
    /// the model does not have is an error.
    pub dims: BTreeMap<String, u64>,
    /// The inputs that are data; every other graph input is a weight. `None`: see [`crate::import_bytes`] for the rule.
    pub inputs: Option<Vec<String>>,
    /// What to do with operators that no rule knows.
    pub unknown: UnknownPolicy,
    /// Operators without a shape rule that the caller can describe all the same, as a plugin does: their outputs have the
    /// shapes that the file declares, and they are refused only where it declares none.
    pub declared: BTreeSet<OpType>,
    /// Bounds on the graph. Nodes are counted before anything is decoded.
    pub limits: Limits,
    /// Most bytes a file may have, weights included. Default 16 GiB: weights are mapped, never read.
    pub max_file_bytes: u64,
    /// Most bytes that describe the graph, tensor payloads not counted. Default 64 MiB: 50,000 nodes take about 10.
    pub max_structure_bytes: u64,
    /// Most elements of a constant whose data is kept and computed with. Default 65,536. Larger ones keep their shape.
    pub max_constant_elements: u64,
    /// Most bytes of names, attributes and constant data that folding and inlining may produce and read, all nodes
    /// together. Default 256 MiB: a bound on files made to exhaust memory, not one that models come near to.
    pub max_working_bytes: u64,
}

impl Default for OnnxOptions {
    fn default() -> Self {
        OnnxOptions {
            dims: BTreeMap::new(),
            inputs: None,
            unknown: UnknownPolicy::Error,
            declared: BTreeSet::new(),
            limits: Limits::default(),
            max_file_bytes: 16 << 30,
            max_structure_bytes: 64 << 20,
            max_constant_elements: 65_536,
            max_working_bytes: 256 << 20,
        }
    }
}

/// An imported model.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Imported {
    /// The graph, named after the file.
    pub graph: Graph,
    /// Nodes without a shape rule, in the graph's order of declaration; empty under [`UnknownPolicy::Error`].
    pub unknown: Vec<UnknownOperator>,
    /// Shapes in the file that its own operators contradict; the inferred one is used.
    pub contradictions: Vec<Contradiction>,
    /// Operator sets the model imports: domain and version.
    pub opsets: BTreeMap<String, i64>,
    /// The program that wrote the file, with its version; empty when the file does not say.
    pub producer: String,
    /// Nodes of the file that are computed at import because they depend on constants alone.
    pub folded_nodes: usize,
    /// Nodes of the file that no output depends on, left out as every runtime does.
    pub unused_nodes: usize,
}

/// A node that no shape rule knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownOperator {
    /// The node's name in the graph.
    pub node: String,
    /// Operator type.
    pub op: String,
    /// Operator domain, empty for ONNX's own.
    pub domain: String,
    /// Version of the domain's operator set that the model imports; 0 when it imports none.
    pub opset: i64,
}

/// A value whose declared shape is not what its operator produces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contradiction {
    /// The value.
    pub value: String,
    /// The shape in the file.
    pub declared: Shape,
    /// The shape inferred, which the graph has.
    pub inferred: Shape,
}
