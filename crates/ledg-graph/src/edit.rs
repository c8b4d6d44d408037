//! Changing a graph by building a new one: remove nodes, let values stand for others, add nodes.
//!
//! **Invariant:** an edit never touches the graph it started from; [`GraphEdit::finish`] runs all the builder's checks.

use crate::attr::Attrs;
use crate::builder::{GraphBuilder, Limits};
use crate::dtype::DType;
use crate::error::GraphError;
use crate::graph::{ConstData, Graph, Node, NodeId, OpType, Shape, Value, ValueId, ValueKind};

/// A set of changes to a graph.
///
/// ```
/// use ledg_graph::{Attrs, DType, GraphBuilder, GraphEdit, NodeId, OpType};
/// let mut b = GraphBuilder::new("toy");
/// let x = b.input("x", DType::F32, &[1, 16]);
/// let y = b.activation("y", DType::F32, Some(&[1, 16]));
/// let z = b.activation("z", DType::F32, Some(&[1, 16]));
/// b.node("dropout", OpType::onnx("Dropout"), Attrs::new(), &[Some(x)], &[y]);
/// b.node("relu", OpType::onnx("Relu"), Attrs::new(), &[Some(y)], &[z]);
/// b.output(z);
/// let graph = b.finish()?;
/// // Whoever reads what the dropout gives reads what it is given.
/// let mut edit = GraphEdit::new(&graph);
/// edit.remove(NodeId::from_index(0));
/// edit.replace_value(y, x);
/// let edited = edit.finish()?;
/// assert_eq!(edited.nodes().len(), 1);
/// assert_eq!(graph.nodes().len(), 2, "the graph itself stays as it was");
/// # Ok::<(), ledg_graph::GraphError>(())
/// ```
#[derive(Debug)]
pub struct GraphEdit<'g> {
    graph: &'g Graph,
    removed: Vec<bool>,
    stands_for: Vec<ValueId>,
    /// New nodes, each with the place (an old node's) at which it is inserted.
    added: Vec<(NodeId, Node)>,
    new_values: Vec<Value>,
    shapes: Vec<(ValueId, Shape)>,
    outputs: Vec<ValueId>,
}

impl<'g> GraphEdit<'g> {
    /// No changes yet.
    pub fn new(graph: &'g Graph) -> Self {
        GraphEdit {
            graph,
            removed: vec![false; graph.nodes.len()],
            stands_for: graph.value_ids().collect(),
            added: Vec::new(),
            new_values: Vec::new(),
            shapes: Vec::new(),
            outputs: graph.outputs.clone(),
        }
    }

    /// Removes a node. Its outputs must be replaced, produced by an added node, or unread.
    pub fn remove(&mut self, node: NodeId) {
        self.removed[node.index()] = true;
    }

    /// Whether a node has been removed in this edit.
    pub fn is_removed(&self, node: NodeId) -> bool {
        self.removed[node.index()]
    }

    /// Every read of `old`, and its place among the graph's outputs, becomes a read of `new`.
    pub fn replace_value(&mut self, old: ValueId, new: ValueId) {
        self.stands_for[old.index()] = new;
    }

    /// Replaces the graph's outputs.
    pub fn set_outputs(&mut self, outputs: Vec<ValueId>) {
        self.outputs = outputs;
    }

    /// Adds a node that takes the place of an old one in the order of declaration.
    pub fn add_node(
        &mut self,
        place: NodeId,
        name: impl Into<String>,
        op: OpType,
        attrs: Attrs,
        inputs: &[Option<ValueId>],
        outputs: &[ValueId],
    ) {
        let node = Node { name: name.into(), op, attrs, inputs: inputs.to_vec(), outputs: outputs.to_vec() };
        self.added.push((place, node));
    }

    /// Declares a new constant for use by nodes of this edit.
    pub fn add_constant(&mut self, name: impl Into<String>, dtype: DType, shape: &[u64], data: ConstData) -> ValueId {
        let kind = ValueKind::Constant;
        self.new_values.push(Value { name: name.into(), dtype, shape: Some(shape.to_vec()), kind, data: Some(data) });
        ValueId((self.graph.values.len() + self.new_values.len() - 1) as u32)
    }

    /// Declares a new value that a node added in this edit produces.
    pub fn add_activation(&mut self, name: impl Into<String>, dtype: DType, shape: &[u64]) -> ValueId {
        let kind = ValueKind::Activation;
        self.new_values.push(Value { name: name.into(), dtype, shape: Some(shape.to_vec()), kind, data: None });
        ValueId((self.graph.values.len() + self.new_values.len() - 1) as u32)
    }

    /// Gives a value of the graph another shape.
    pub fn set_shape(&mut self, value: ValueId, shape: Shape) {
        self.shapes.push((value, shape));
    }

    /// Builds the changed graph. Values that no node touches any more are dropped, inputs and outputs stay.
    ///
    /// # Errors
    /// What [`GraphBuilder::finish`] refuses: an emptied graph, a read of a value whose producer was removed.
    pub fn finish(mut self) -> Result<Graph, GraphError> {
        self.added.sort_by_key(|(place, _)| *place);
        let graph = self.graph;
        let mut nodes: Vec<Node> = Vec::with_capacity(graph.nodes.len());
        let mut added = std::mem::take(&mut self.added).into_iter().peekable();
        for id in graph.node_ids() {
            if !self.removed[id.index()] {
                nodes.push(graph.node(id).clone());
            }
            while let Some((_, node)) = added.next_if(|(place, _)| *place == id) {
                nodes.push(node);
            }
        }
        let resolve = |mut v: ValueId| {
            while let Some(&next) = self.stands_for.get(v.index()).filter(|&&next| next != v) {
                v = next;
            }
            v
        };
        for node in &mut nodes {
            for input in node.inputs.iter_mut().flatten() {
                *input = resolve(*input);
            }
        }
        let outputs: Vec<ValueId> = self.outputs.iter().map(|&v| resolve(v)).collect();
        self.compact(nodes, outputs).finish()
    }

    /// Drops values that nothing touches and renumbers the rest.
    fn compact(&self, mut nodes: Vec<Node>, mut outputs: Vec<ValueId>) -> GraphBuilder {
        let all: Vec<&Value> = self.graph.values.iter().chain(&self.new_values).collect();
        let mut used = vec![false; all.len()];
        let touched = nodes.iter().flat_map(|n| n.present_inputs().chain(n.outputs.iter().copied()));
        for v in touched.chain(self.graph.inputs.iter().copied()).chain(outputs.iter().copied()) {
            used[v.index()] = true;
        }
        let limits = Limits { max_nodes: u64::MAX, max_values: u64::MAX };
        let mut builder = GraphBuilder::new(self.graph.name.clone()).with_limits(limits);
        let mut renumbered = vec![ValueId(0); all.len()];
        for (old, value) in all.into_iter().enumerate().filter(|(old, _)| used[*old]) {
            renumbered[old] = ValueId(builder.values.len() as u32);
            builder.values.push(value.clone());
        }
        for (v, shape) in self.shapes.iter().filter(|(v, _)| used[v.index()]) {
            builder.values[renumbered[v.index()].index()].shape = Some(shape.clone());
        }
        let renumber = |v: &mut ValueId| *v = renumbered[v.index()];
        for node in &mut nodes {
            node.inputs.iter_mut().flatten().for_each(renumber);
            node.outputs.iter_mut().for_each(renumber);
        }
        outputs.iter_mut().for_each(renumber);
        builder.inputs = self.graph.inputs.iter().map(|v| renumbered[v.index()]).collect();
        builder.nodes = nodes;
        builder.outputs = outputs;
        builder
    }
}
