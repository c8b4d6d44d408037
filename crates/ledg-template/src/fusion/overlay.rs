//! A graph while fusions rewrite it: nodes may vanish or be replaced, values stay what they are.
//!
//! A fused node takes the place and the outputs of its root, so no value is ever made and topological order is kept.

use ledg_graph::{Attr, Attrs, Node, OpType, ValueId};

use super::matcher::Match;
use crate::set::OpId;
use crate::view::GraphView;

/// What is at a place of the graph.
#[derive(Debug)]
pub(crate) enum Slot<'g> {
    /// The node as it was given.
    Given(&'g Node),
    /// A fused node.
    Fused(Box<Node>),
    /// Nothing: the node went into a fused one.
    Gone,
}

impl Slot<'_> {
    pub fn node(&self) -> Option<&Node> {
        match self {
            Slot::Given(node) => Some(node),
            Slot::Fused(node) => Some(node),
            Slot::Gone => None,
        }
    }
}

/// The graph with its pending changes.
#[derive(Debug)]
pub(crate) struct Overlay<'g, 'f> {
    view: &'g GraphView<'g>,
    slots: Vec<Slot<'g>>,
    /// By place: the operator of the node that is there.
    ids: Vec<OpId>,
    /// By value: how often nodes read it; being a graph output counts as a read by the caller.
    reads: Vec<u32>,
    fixed: &'f [bool],
    /// By operator: the places at which nodes of it are or were.
    by_op: Vec<Vec<u32>>,
    /// By place: the places of the given nodes that a fused node stands for; empty where nothing was fused.
    members: Vec<Vec<u32>>,
}

/// A graph after all changes.
#[derive(Debug)]
pub(crate) struct Rewritten<'g> {
    pub slots: Vec<Slot<'g>>,
    pub ids: Vec<OpId>,
    pub members: Vec<Vec<u32>>,
}

impl<'g, 'f> Overlay<'g, 'f> {
    /// No changes yet. `ids`: the operators of the nodes, of `n_ids` that the templates name; `fixed`: by value whether it
    /// depends on no graph input.
    pub fn new(view: &'g GraphView<'g>, ids: Vec<OpId>, n_ids: usize, fixed: &'f [bool]) -> Self {
        let mut reads = vec![0; view.values.len()];
        let mut by_op = vec![Vec::new(); n_ids];
        for (place, (node, id)) in view.nodes.iter().zip(&ids).enumerate() {
            node.present_inputs().for_each(|v| reads[v.index()] += 1);
            if let Some(id) = id.index() {
                by_op[id].push(place as u32);
            }
        }
        view.outputs.iter().for_each(|v| reads[v.index()] += 1);
        let slots = view.nodes.iter().map(|n| Slot::Given(n)).collect();
        Overlay { view, slots, members: vec![Vec::new(); ids.len()], ids, reads, fixed, by_op }
    }

    /// The node at a place, if it is still there.
    pub fn node(&self, i: usize) -> Option<&Node> {
        self.slots[i].node()
    }

    /// The operator of the node that is or was at a place.
    pub fn id(&self, i: usize) -> OpId {
        self.ids[i]
    }

    /// The places at which nodes of that operator are, ascending.
    pub fn nodes_of(&self, op: OpId) -> Vec<usize> {
        let Some(places) = op.index().and_then(|id| self.by_op.get(id)) else { return Vec::new() };
        let here = |i: &usize| self.ids[*i] == op && !matches!(self.slots[*i], Slot::Gone);
        let mut places: Vec<usize> = places.iter().map(|&i| i as usize).filter(here).collect();
        places.sort_unstable();
        places.dedup();
        places
    }

    /// The place of the node that produces a value.
    pub fn producer(&self, v: ValueId) -> Option<usize> {
        self.view.producer(v)
    }

    /// Whether a value depends on no graph input.
    pub fn is_fixed(&self, v: ValueId) -> bool {
        self.fixed[v.index()]
    }

    /// Whether a value has one element.
    pub fn is_single(&self, v: ValueId) -> bool {
        self.view.value(v).elements() == Some(1)
    }

    /// The number that a constant holds.
    pub fn scalar(&self, v: ValueId) -> Option<f64> {
        self.view.value(v).data.as_ref()?.scalar()
    }

    /// A dimension of a value, counted from the end if negative.
    pub fn dimension(&self, v: Option<ValueId>, index: i64) -> Option<i64> {
        let shape = self.view.value(v?).shape.as_ref()?;
        let at = if index < 0 { index + shape.len() as i64 } else { index };
        shape.get(usize::try_from(at).ok()?).map(|&d| d as i64)
    }

    /// An attribute, or for `axes` the constant second input that newer opsets have instead.
    pub fn attribute(&self, node: &Node, name: &str) -> Option<Attr> {
        let input = || {
            let axes = self.view.value((*node.inputs.get(1)?)?).data.as_ref()?.ints()?;
            Some(Attr::Ints(axes.to_vec()))
        };
        node.attrs.get(name).cloned().or_else(|| if name == "axes" { input() } else { None })
    }

    /// Whether a node with `axis` or `axes` works along the innermost axis alone.
    pub fn works_along_last(&self, node: &Node) -> bool {
        let rank = node.present_inputs().next().and_then(|v| self.view.value(v).shape.as_ref()).map(|s| s.len() as i64);
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
    pub fn replace(&mut self, found: &Match, (op, id): (&OpType, OpId), attrs: Attrs, inputs: Vec<Option<ValueId>>) {
        let Some(root) = self.node(found.root) else { return };
        let (name, outputs) = (root.name.clone(), root.outputs.clone());
        let mut members = Vec::new();
        for i in found.places() {
            let slot = std::mem::replace(&mut self.slots[i], Slot::Gone);
            slot.node().iter().flat_map(|n| n.present_inputs()).for_each(|v| self.reads[v.index()] -= 1);
            match &mut self.members[i] {
                own if own.is_empty() => members.push(i as u32),
                own => members.append(own),
            }
        }
        inputs.iter().flatten().for_each(|v| self.reads[v.index()] += 1);
        self.slots[found.root] = Slot::Fused(Box::new(Node { name, op: op.clone(), attrs, inputs, outputs }));
        self.members[found.root] = members;
        self.ids[found.root] = id;
        if let Some(id) = id.index() {
            self.by_op[id].push(found.root as u32);
        }
    }

    /// The changes.
    pub fn finish(self) -> Rewritten<'g> {
        Rewritten { slots: self.slots, ids: self.ids, members: self.members }
    }
}
