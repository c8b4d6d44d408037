//! An edited graph as a graph and a draft of changes: looked at, never built.

use ledg_graph::{Graph, Node, Value, ValueId, ValueKind};
use ledg_template::{OpId, TemplateSet};

use super::base::Base;
use crate::edit::{Draft, Names};

/// A graph and a draft. Places of the draft's inserted nodes follow those of the graph.
pub(super) struct Edited<'a> {
    pub graph: &'a Graph,
    pub names: &'a Names,
    pub base: &'a Base,
    pub draft: &'a Draft,
    /// Places of changed and inserted nodes with their operators.
    own: Vec<(u32, OpId)>,
}

impl<'a> Edited<'a> {
    /// `None` if nodes would have to be sorted anew, if a value is read that no node produces, or if a shape is not known.
    pub fn new(
        graph: &'a Graph,
        names: &'a Names,
        base: &'a Base,
        draft: &'a Draft,
        templates: &TemplateSet,
    ) -> Option<Self> {
        let inserted = draft.inserted.iter().enumerate().map(|(i, (_, node))| ((graph.nodes().len() + i) as u32, node));
        let own = draft.changed.iter().map(|(&place, node)| (place, node)).chain(inserted);
        let own = own.map(|(place, node)| (place, templates.op_id(&node.op))).collect();
        let edited = Edited { graph, names, base, draft, own };
        let shapes_known = draft.values.values().chain(&draft.new_values).all(|v| v.shape.is_some());
        (shapes_known && edited.is_topological()).then_some(edited)
    }

    fn is_topological(&self) -> bool {
        let exists = |v: ValueId, before: (u32, u32)| match self.producer(v) {
            Some(place) => self.order(place) < before,
            None => self.value(v).kind != ValueKind::Activation,
        };
        let in_order = |&(place, _): &(u32, OpId)| {
            self.node(place).is_some_and(|node| node.present_inputs().all(|v| exists(v, self.order(place))))
        };
        self.own.iter().all(in_order) && self.draft.outputs.iter().all(|&v| exists(v, (u32::MAX, 0)))
    }

    /// Where a place stands: behind the place of the graph, the how manyeth.
    pub fn order(&self, place: u32) -> (u32, u32) {
        match self.inserted(place) {
            Some(i) => (self.draft.inserted[i].0, 1 + i as u32),
            None => (place, 0),
        }
    }

    fn inserted(&self, place: u32) -> Option<usize> {
        (place as usize).checked_sub(self.graph.nodes().len())
    }

    /// Number of places, those of removed nodes counted.
    pub fn n_places(&self) -> usize {
        self.graph.nodes().len() + self.draft.inserted.len()
    }

    /// The node at a place, if it was not removed.
    pub fn node(&self, place: u32) -> Option<&'a Node> {
        match self.inserted(place) {
            Some(i) => Some(&self.draft.inserted[i].1),
            None if self.draft.removed.contains(&place) => None,
            None => self.draft.changed.get(&place).or_else(|| self.graph.nodes().get(place as usize)),
        }
    }

    /// Whether the node at a place is the graph's own.
    pub fn is_given(&self, place: u32) -> bool {
        self.inserted(place).is_none()
            && !self.draft.changed.contains_key(&place)
            && !self.draft.removed.contains(&place)
    }

    /// The operator at a place.
    pub fn id(&self, place: u32) -> OpId {
        match self.own.iter().find(|(own, _)| *own == place) {
            Some((_, id)) => *id,
            None => self.base.ids[place as usize],
        }
    }

    /// Places of changed and inserted nodes.
    pub fn own(&self) -> impl Iterator<Item = u32> {
        self.own.iter().map(|(place, _)| *place)
    }

    /// A value as it is now.
    pub fn value(&self, v: ValueId) -> &'a Value {
        match v.index().checked_sub(self.graph.values().len()) {
            Some(new) => &self.draft.new_values[new],
            None => self.draft.values.get(&(v.index() as u32)).unwrap_or(self.graph.value(v)),
        }
    }

    /// Whether a value is the graph's own.
    pub fn is_given_value(&self, v: ValueId) -> bool {
        v.index() < self.graph.values().len() && !self.draft.values.contains_key(&(v.index() as u32))
    }

    /// The place of the node that produces a value.
    pub fn producer(&self, v: ValueId) -> Option<u32> {
        if v.index() >= self.graph.values().len() {
            let at = self.draft.inserted.iter().position(|(_, node)| node.outputs.contains(&v))?;
            return Some((self.graph.nodes().len() + at) as u32);
        }
        let place = self.graph.producer(v)?.index() as u32;
        (!self.draft.removed.contains(&place)).then_some(place)
    }

    /// The places of the nodes that read a value.
    pub fn readers(&self, v: ValueId) -> impl Iterator<Item = u32> + '_ {
        let given = self.names.readers(v).iter().copied().filter(|&place| self.is_given(place));
        let reads =
            move |&place: &u32| self.node(place).is_some_and(|node| node.present_inputs().any(|read| read == v));
        given.chain(self.own().filter(reads))
    }
}
