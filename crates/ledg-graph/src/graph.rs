//! The graph itself: values, nodes and read access.
//!
//! **Invariant:** `nodes` is in topological order, every id stored in a graph is an index into that same graph.

use crate::attr::Attrs;
use crate::dtype::DType;

/// Index of a value in its graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ValueId(pub(crate) u32);

/// Index of a node in its graph, which is also its place in topological order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(pub(crate) u32);

impl ValueId {
    /// The index into [`Graph::values`].
    pub fn index(self) -> usize {
        self.0 as usize
    }

    /// The id of the value at that place of [`Graph::values`].
    pub fn from_index(index: usize) -> Self {
        ValueId(index as u32)
    }
}

impl NodeId {
    /// The index into [`Graph::nodes`].
    pub fn index(self) -> usize {
        self.0 as usize
    }

    /// The id of the node at that place of [`Graph::nodes`].
    pub fn from_index(index: usize) -> Self {
        NodeId(index as u32)
    }
}

/// Sizes of a value's dimensions, outermost first; empty for a scalar.
pub type Shape = Vec<u64>;

/// What role a value plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ValueKind {
    /// Given by the caller at run time.
    Input,
    /// A learned parameter, resident in memory; its data is never kept.
    Weight,
    /// A small constant that is part of the computation's definition (a shape, an axis, a scalar).
    Constant,
    /// Produced by a node.
    Activation,
}

/// The data of a small constant.
#[derive(Debug, Clone, PartialEq)]
pub enum ConstData {
    /// Integers and booleans.
    Ints(Vec<i64>),
    /// Floating-point numbers.
    Floats(Vec<f64>),
}

impl ConstData {
    /// The integers, if that is what it holds.
    pub fn ints(&self) -> Option<&[i64]> {
        match self {
            ConstData::Ints(v) => Some(v),
            ConstData::Floats(_) => None,
        }
    }

    /// The only element as a number, if there is exactly one.
    pub fn scalar(&self) -> Option<f64> {
        match self {
            ConstData::Ints(v) if v.len() == 1 => Some(v[0] as f64),
            ConstData::Floats(v) if v.len() == 1 => Some(v[0]),
            _ => None,
        }
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        match self {
            ConstData::Ints(v) => v.len(),
            ConstData::Floats(v) => v.len(),
        }
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A tensor of the graph.
#[derive(Debug, Clone, PartialEq)]
pub struct Value {
    /// Name, unique in the graph.
    pub name: String,
    /// Element type.
    pub dtype: DType,
    /// Shape, or `None` when it is downstream of an operator that no rule knows.
    pub shape: Option<Shape>,
    /// Role.
    pub kind: ValueKind,
    /// Data of small constants.
    pub data: Option<ConstData>,
}

impl Value {
    /// Number of elements; `None` when the shape is unknown.
    pub fn elements(&self) -> Option<u64> {
        self.shape.as_ref().map(|s| s.iter().product())
    }

    /// Size in bytes at the value's own dtype; `None` when the shape is unknown.
    pub fn bytes(&self) -> Option<f64> {
        self.elements().map(|n| n as f64 * f64::from(self.dtype.bits()) / 8.0)
    }
}

/// Operator identity: domain and type. The default domain is ONNX's (`""`).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OpType {
    /// Domain, e.g. `""` for ONNX's own, `com.microsoft`, `ledg` for fused forms.
    pub domain: String,
    /// Operator type, e.g. `Conv`.
    pub name: String,
}

impl OpType {
    /// An operator of ONNX's default domain.
    pub fn onnx(name: &str) -> Self {
        OpType { domain: String::new(), name: name.to_owned() }
    }

    /// An operator of any domain.
    pub fn new(domain: &str, name: &str) -> Self {
        OpType { domain: domain.to_owned(), name: name.to_owned() }
    }

    /// Whether this is the operator of ONNX's default domain with that name.
    pub fn is_onnx(&self, name: &str) -> bool {
        self.domain.is_empty() && self.name == name
    }
}

impl std::fmt::Display for OpType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.domain.is_empty() { f.write_str(&self.name) } else { write!(f, "{}.{}", self.domain, self.name) }
    }
}

/// One operation.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Name, unique in the graph.
    pub name: String,
    /// Operator.
    pub op: OpType,
    /// Attributes.
    pub attrs: Attrs,
    /// Inputs in the operator's order; `None` where an optional input is left out.
    pub inputs: Vec<Option<ValueId>>,
    /// Outputs in the operator's order.
    pub outputs: Vec<ValueId>,
}

impl Node {
    /// The inputs that are present, in order.
    pub fn present_inputs(&self) -> impl Iterator<Item = ValueId> + '_ {
        self.inputs.iter().flatten().copied()
    }
}

/// An immutable operator graph. Build it with [`crate::GraphBuilder`].
#[derive(Debug, Clone, PartialEq)]
pub struct Graph {
    pub(crate) name: String,
    pub(crate) values: Vec<Value>,
    pub(crate) nodes: Vec<Node>,
    pub(crate) inputs: Vec<ValueId>,
    pub(crate) outputs: Vec<ValueId>,
    pub(crate) producers: Vec<Option<NodeId>>,
}

impl Graph {
    /// Name of the graph.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// All nodes in topological order.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// All values.
    pub fn values(&self) -> &[Value] {
        &self.values
    }

    /// Values given at run time, in order.
    pub fn inputs(&self) -> &[ValueId] {
        &self.inputs
    }

    /// Values handed back, in order.
    pub fn outputs(&self) -> &[ValueId] {
        &self.outputs
    }

    /// The node of that id.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.index()]
    }

    /// The value of that id.
    pub fn value(&self, id: ValueId) -> &Value {
        &self.values[id.index()]
    }

    /// Ids of all nodes in topological order.
    pub fn node_ids(&self) -> impl Iterator<Item = NodeId> + use<> {
        (0..self.nodes.len() as u32).map(NodeId)
    }

    /// Ids of all values.
    pub fn value_ids(&self) -> impl Iterator<Item = ValueId> + use<> {
        (0..self.values.len() as u32).map(ValueId)
    }

    /// The node that produces a value; `None` for inputs, weights and constants.
    pub fn producer(&self, value: ValueId) -> Option<NodeId> {
        self.producers[value.index()]
    }

    /// For each value the nodes that read it, in topological order, one entry a read.
    pub fn consumers(&self) -> Vec<Vec<NodeId>> {
        let mut consumers = vec![Vec::new(); self.values.len()];
        for id in self.node_ids() {
            for input in self.node(id).present_inputs() {
                consumers[input.index()].push(id);
            }
        }
        consumers
    }
}
