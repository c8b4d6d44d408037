//! A graph while fusions rewrite it: nodes may vanish or be replaced, values stay what they are.
//!
//! A fused node takes the place and the outputs of its root, so no value is ever made and topological order is kept.

use std::borrow::Cow;
use std::collections::HashMap;

use ledg_graph::{Attr, Attrs, Graph, GraphEdit, GraphError, Node, NodeId, OpType, ValueId};

use super::matcher::Match;

/// The graph with its pending changes.
#[derive(Debug)]
pub(crate) struct Overlay<'g> {
    graph: &'g Graph,
    nodes: Vec<Option<Cow<'g, Node>>>,
    /// By value: how often nodes read it; being a graph output counts as a read by the caller.
    reads: Vec<u32>,
    fixed: &'g [bool],
    by_op: HashMap<OpType, Vec<usize>>,
    /// By node: names of the original nodes it stands for.
    origins: Vec<Vec<String>>,
}

impl<'g> Overlay<'g> {
    /// No changes yet. `fixed`: by value whether it depends on no graph input.
    pub fn new(graph: &'g Graph, fixed: &'g [bool]) -> Self {
        let mut reads = vec![0; graph.values().len()];
        let mut by_op: HashMap<OpType, Vec<usize>> = HashMap::new();
        for (i, node) in graph.nodes().iter().enumerate() {
            node.present_inputs().for_each(|v| reads[v.index()] += 1);
            match by_op.get_mut(&node.op) {
                Some(list) => list.push(i),
                None => {
                    by_op.insert(node.op.clone(), vec![i]);
                }
            }
        }
        graph.outputs().iter().for_each(|v| reads[v.index()] += 1);
        Overlay {
            graph,
            nodes: graph.nodes().iter().map(|n| Some(Cow::Borrowed(n))).collect(),
            reads,
            fixed,
            by_op,
            origins: graph.nodes().iter().map(|n| vec![n.name.clone()]).collect(),
        }
    }

    /// The node at a place, if it is still there.
    pub fn node(&self, i: usize) -> Option<&Node> {
        self.nodes[i].as_deref()
    }

    /// The places at which nodes of that operator are or were, ascending.
    pub fn nodes_of(&self, op: Option<&OpType>) -> Vec<usize> {
        let mut places = op.and_then(|op| self.by_op.get(op)).cloned().unwrap_or_default();
        places.retain(|&i| self.node(i).is_some_and(|n| Some(&n.op) == op));
        places.sort_unstable();
        places.dedup();
        places
    }

    /// The place of the node that produces a value.
    pub fn producer(&self, v: ValueId) -> Option<usize> {
        self.graph.producer(v).map(NodeId::index)
    }

    /// Whether a value depends on no graph input.
    pub fn is_fixed(&self, v: ValueId) -> bool {
        self.fixed[v.index()]
    }

    /// Whether a value has one element.
    pub fn is_single(&self, v: ValueId) -> bool {
        self.graph.value(v).elements() == Some(1)
    }

    /// The number that a constant holds.
    pub fn scalar(&self, v: ValueId) -> Option<f64> {
        self.graph.value(v).data.as_ref()?.scalar()
    }

    /// A dimension of a value, counted from the end if negative.
    pub fn dimension(&self, v: Option<ValueId>, index: i64) -> Option<i64> {
        let shape = self.graph.value(v?).shape.as_ref()?;
        let at = if index < 0 { index + shape.len() as i64 } else { index };
        shape.get(usize::try_from(at).ok()?).map(|&d| d as i64)
    }

    /// An attribute, or for `axes` the constant second input that newer opsets have instead.
    pub fn attribute(&self, node: &Node, name: &str) -> Option<Attr> {
        let input = || {
            let axes = self.graph.value((*node.inputs.get(1)?)?).data.as_ref()?.ints()?;
            Some(Attr::Ints(axes.to_vec()))
        };
        node.attrs.get(name).cloned().or_else(|| if name == "axes" { input() } else { None })
    }

    /// Whether a node with `axis` or `axes` works along the innermost axis alone.
    pub fn works_along_last(&self, node: &Node) -> bool {
        let rank =
            node.present_inputs().next().and_then(|v| self.graph.value(v).shape.as_ref()).map(|s| s.len() as i64);
        let is_last = |axis: i64| axis == -1 || rank.map(|r| r - 1) == Some(axis);
        match (self.attribute(node, "axes"), node.attrs.int("axis")) {
            (Some(Attr::Ints(axes)), _) => axes.len() == 1 && is_last(axes[0]),
            (_, Some(axis)) => is_last(axis),
            // Softmax and LayerNormalization default to the innermost axis.
            (_, None) => true,
        }
    }

    /// Whether every value inside a match is read inside of it only.
    pub fn is_closed(&self, found: &Match) -> bool {
        let places = found.places();
        let inside = |v: ValueId| {
            let nodes = places.iter().filter_map(|&i| self.node(i));
            nodes.flat_map(Node::present_inputs).filter(|&read| read == v).count() as u32
        };
        let interior = places.iter().filter(|&&i| i != found.root).filter_map(|&i| self.node(i));
        interior.flat_map(|n| &n.outputs).all(|&v| self.reads[v.index()] == inside(v))
    }

    /// Replaces a match by one node that has its root's place, name and outputs.
    pub fn replace(&mut self, found: &Match, op: &OpType, attrs: Attrs, inputs: Vec<Option<ValueId>>) {
        let Some(root) = self.nodes[found.root].take() else { return };
        let places = found.places();
        let mut origins = Vec::with_capacity(places.len());
        for i in places {
            let node = if i == found.root { Some(Cow::Borrowed(&*root)) } else { self.nodes[i].take() };
            node.iter().flat_map(|n| n.present_inputs()).for_each(|v| self.reads[v.index()] -= 1);
            origins.append(&mut self.origins[i]);
        }
        inputs.iter().flatten().for_each(|v| self.reads[v.index()] += 1);
        let fused = Node { name: root.name.clone(), op: op.clone(), attrs, inputs, outputs: root.outputs.clone() };
        self.nodes[found.root] = Some(Cow::Owned(fused));
        self.origins[found.root] = origins;
        self.by_op.entry(op.clone()).or_default().push(found.root);
    }

    /// The rewritten graph, and for the name of each of its nodes the original nodes it stands for.
    pub fn finish(self) -> Result<(Graph, HashMap<String, Vec<String>>), GraphError> {
        let mut edit = GraphEdit::new(self.graph);
        let mut origins = HashMap::with_capacity(self.nodes.len());
        let mut changed = false;
        for (i, (slot, names)) in self.nodes.into_iter().zip(self.origins).enumerate() {
            let id = NodeId::from_index(i);
            if !matches!(slot, Some(Cow::Borrowed(_))) {
                edit.remove(id);
                changed = true;
            }
            if let Some(node) = slot {
                origins.insert(node.name.clone(), names);
                if let Cow::Owned(node) = node {
                    edit.add_node(id, node.name, node.op, node.attrs, &node.inputs, &node.outputs);
                }
            }
        }
        let graph = if changed { edit.finish()? } else { self.graph.clone() };
        Ok((graph, origins))
    }
}
