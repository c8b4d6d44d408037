//! A graph as lowering reads it: borrowed nodes in topological order, borrowed values.
//!
//! A [`Graph`] gives a view as it is; who edits a graph many times gives a view of what the edit leaves and adds, and
//! builds no graph.

use ledg_graph::{Graph, Node, Value, ValueId};

/// Borrowed nodes and values. **Invariant:** every id in a node is an index into the values.
#[derive(Debug, Clone)]
pub struct GraphView<'g> {
    pub(crate) name: &'g str,
    pub(crate) nodes: Vec<&'g Node>,
    pub(crate) values: Vec<&'g Value>,
    pub(crate) outputs: &'g [ValueId],
    /// By value: the place of the node that produces it, or [`NONE`].
    producers: Vec<u32>,
}

const NONE: u32 = u32::MAX;

impl<'g> GraphView<'g> {
    /// A view of nodes, which must be in topological order, and of the values they name.
    pub fn new(name: &'g str, nodes: Vec<&'g Node>, values: Vec<&'g Value>, outputs: &'g [ValueId]) -> Self {
        let mut producers = vec![NONE; values.len()];
        for (place, node) in nodes.iter().enumerate() {
            node.outputs.iter().for_each(|v| producers[v.index()] = place as u32);
        }
        GraphView { name, nodes, values, outputs, producers }
    }

    /// The nodes.
    pub fn nodes(&self) -> &[&'g Node] {
        &self.nodes
    }

    /// A value.
    pub fn value(&self, v: ValueId) -> &'g Value {
        self.values[v.index()]
    }

    /// The place of the node that produces a value.
    pub fn producer(&self, v: ValueId) -> Option<usize> {
        Some(self.producers[v.index()]).filter(|&p| p != NONE).map(|p| p as usize)
    }
}

impl<'g> From<&'g Graph> for GraphView<'g> {
    fn from(graph: &'g Graph) -> Self {
        let (nodes, values) = (graph.nodes().iter().collect(), graph.values().iter().collect());
        GraphView::new(graph.name(), nodes, values, graph.outputs())
    }
}
