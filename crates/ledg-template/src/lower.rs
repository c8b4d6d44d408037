//! Lowering: from the graph as exported to the operations that do work at run time.
//!
//! Fused forms become one node. Views (Reshape and the like) and what folds into constants stay in the graph, because
//! they carry shapes, but are not among the nodes that are *kept*; relations lead past them.

use ledg_graph::{EdgeList, Graph, GraphEdit, Node, NodeId, Relations, Value, ValueKind};

use crate::error::{TemplateError, closest};
use crate::fusion::overlay::{Overlay, Rewritten, Slot};
use crate::operator::Operator;
use crate::set::{OpId, TemplateSet};
use crate::view::GraphView;

/// How to lower.
#[derive(Debug, Clone, PartialEq)]
pub struct LowerOptions {
    /// Recognise fused forms.
    pub fuse: bool,
    /// Names of fusions that are left out nevertheless.
    pub disabled: Vec<String>,
    /// Leave out operators that only rename data.
    pub drop_views: bool,
}

impl Default for LowerOptions {
    /// Everything: fuse all, drop views.
    fn default() -> Self {
        LowerOptions { fuse: true, disabled: Vec::new(), drop_views: true }
    }
}

/// A lowered graph.
#[derive(Debug, Clone)]
pub struct Lowered {
    /// The graph with fused nodes; views and constant subgraphs are still in it.
    pub graph: Graph,
    /// The nodes that do work at run time, in topological order. Rows of everything below.
    pub kept: Vec<NodeId>,
    /// Relations among the kept nodes, past the nodes that were left out.
    pub relations: Relations,
    /// For each kept node the names of the original nodes it stands for, in topological order.
    pub origins: Vec<Vec<String>>,
    /// By value: whether it depends on no graph input.
    pub(crate) fixed: Vec<bool>,
}

/// What lowering makes of a view, before it is made a graph of its own.
#[derive(Debug)]
pub struct Lowering<'g> {
    pub(crate) view: &'g GraphView<'g>,
    rewritten: Rewritten<'g>,
    /// Places of the nodes that do work at run time, in topological order.
    kept: Vec<u32>,
    /// Relations among the kept nodes.
    pub relations: Relations,
    /// By value: whether it depends on no graph input.
    pub(crate) fixed: Vec<bool>,
    /// The same before anything was fused.
    fixed_before: Vec<bool>,
}

impl<'g> Lowering<'g> {
    /// Number of kept nodes.
    pub fn n_kept(&self) -> usize {
        self.kept.len()
    }

    /// The place in the view of a kept node; of a fused one, its last operation's.
    pub fn place(&self, row: usize) -> usize {
        self.kept[row] as usize
    }

    /// The places of all kept nodes, ascending.
    pub(crate) fn kept_places(&self) -> impl Iterator<Item = usize> {
        self.kept.iter().map(|&place| place as usize)
    }

    /// The operator at a place.
    pub(crate) fn op_at(&self, place: usize) -> OpId {
        self.rewritten.ids[place]
    }

    /// Places of the view's nodes that a kept node stands for.
    pub fn members(&self, row: usize) -> &[u32] {
        match &self.rewritten.members[self.place(row)] {
            own if own.is_empty() => &self.kept[row..=row],
            members => members,
        }
    }

    /// By value: whether it depends on no graph input.
    pub fn fixed(&self) -> &[bool] {
        &self.fixed
    }

    /// [`Lowering::fixed`] as it was before anything was fused.
    pub fn fixed_before(&self) -> &[bool] {
        &self.fixed_before
    }

    /// The node at a place of the view after fusion, if there is one.
    pub fn node(&self, place: usize) -> Option<&Node> {
        self.rewritten.slots[place].node()
    }

    pub(crate) fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.rewritten.slots.iter().filter_map(Slot::node)
    }

    /// The operator of a kept node.
    pub fn op(&self, row: usize) -> OpId {
        self.rewritten.ids[self.place(row)]
    }
}

impl TemplateSet {
    /// Lowers a graph. Rescale it to the wanted batch size *before*: sizes that a fusion records do not follow later.
    ///
    /// # Errors
    /// A disabled fusion that does not exist; a graph of which nothing is left.
    pub fn lower(&self, graph: &Graph, options: &LowerOptions) -> Result<Lowered, TemplateError> {
        let view = GraphView::from(graph);
        let lowering = self.lower_view(&view, self.op_ids(&view), options)?;
        let mut edit = GraphEdit::new(graph);
        let mut changed = false;
        // Rows of the nodes that stay, which keep their order.
        let mut row_of = vec![0; view.nodes.len()];
        let mut rows = 0;
        for (place, slot) in lowering.rewritten.slots.iter().enumerate() {
            row_of[place] = rows;
            rows += usize::from(slot.node().is_some());
            if matches!(slot, Slot::Given(_)) {
                continue;
            }
            changed = true;
            let id = NodeId::from_index(place);
            edit.remove(id);
            if let Slot::Fused(n) = slot {
                edit.add_node(id, n.name.clone(), n.op.clone(), n.attrs.clone(), &n.inputs, &n.outputs);
            }
        }
        let lowered = if changed { edit.finish()? } else { graph.clone() };
        let fixed = {
            let view = GraphView::from(&lowered);
            let ids = self.op_ids(&view);
            self.fixed_values(of_kind(view.values.iter().copied()), view.nodes.iter().copied().zip(&ids))
        };
        Ok(Lowered {
            kept: lowering.kept.iter().map(|&place| NodeId::from_index(row_of[place as usize])).collect(),
            origins: (0..lowering.n_kept()).map(|row| lowering.names(row)).collect(),
            relations: lowering.relations,
            graph: lowered,
            fixed,
        })
    }

    /// The operators of a view's nodes.
    pub fn op_ids(&self, view: &GraphView<'_>) -> Vec<OpId> {
        view.nodes.iter().map(|node| self.op_id(&node.op)).collect()
    }

    /// Lowers a view, `ids` being the operators of its nodes.
    ///
    /// # Errors
    /// As [`TemplateSet::lower`].
    pub fn lower_view<'g>(
        &self,
        view: &'g GraphView<'g>,
        ids: Vec<OpId>,
        options: &LowerOptions,
    ) -> Result<Lowering<'g>, TemplateError> {
        let lowering = self.lowering(view, ids, options, None, relations)?;
        if lowering.kept.is_empty() {
            let (graph, n_nodes) = (view.name.to_owned(), view.nodes.len());
            return Err(TemplateError::NothingToCost { graph, n_nodes });
        }
        Ok(lowering)
    }

    /// Lowers a view; `given` tells of values that other nodes than the view's produce whether they are fixed, before fusion
    /// and after.
    pub(crate) fn lowering<'g>(
        &self,
        view: &'g GraphView<'g>,
        ids: Vec<OpId>,
        options: &LowerOptions,
        given: Option<[&[bool]; 2]>,
        relations: impl FnOnce(&[Slot<'_>], &[u32], &[bool]) -> Relations,
    ) -> Result<Lowering<'g>, TemplateError> {
        if let Some(name) = options.disabled.iter().find(|d| self.fusions().iter().all(|f| f.name != **d)) {
            let suggestion = closest(name, self.fusion_names()).to_owned();
            return Err(TemplateError::NoSuchFusion { name: name.clone(), suggestion });
        }
        let unlowered = |given: Option<&[bool]>| match given {
            None => of_kind(view.values.iter().copied()),
            Some(given) => {
                let mut fixed = given.to_vec();
                let own = view.nodes.iter().flat_map(|n| &n.outputs).filter(|v| v.index() < given.len());
                own.for_each(|v| fixed[v.index()] = false);
                fixed.extend(of_kind(view.values[given.len()..].iter().copied()));
                fixed
            }
        };
        let fixed_before = self.fixed_values(unlowered(given.map(|g| g[0])), view.nodes.iter().copied().zip(&ids));
        let rewritten = rewrite(self, view, ids, &fixed_before, options);
        let present = rewritten.slots.iter().zip(&rewritten.ids).filter_map(|(slot, id)| Some((slot.node()?, id)));
        let fixed = self.fixed_values(unlowered(given.map(|g| g[1])), present);
        let kept: Vec<u32> = (0..rewritten.slots.len())
            .filter(|&place| {
                let Some(node) = rewritten.slots[place].node() else { return false };
                let operator = self.operator_of(rewritten.ids[place]);
                let runs = operator.is_some_and(|o| o.runs);
                let folds = !runs && node.outputs.iter().all(|v| fixed[v.index()]);
                let renames = operator.is_some_and(Operator::is_view);
                let dropped = options.drop_views && renames;
                !folds && !dropped
            })
            .map(|place| place as u32)
            .collect();
        let relations = relations(&rewritten.slots, &kept, &fixed);
        Ok(Lowering { view, rewritten, kept, relations, fixed, fixed_before })
    }

    /// By value: whether it is a weight, a constant, or computed from such alone. Frameworks fold these ahead of time.
    fn fixed_values<'n>(&self, mut fixed: Vec<bool>, nodes: impl Iterator<Item = (&'n Node, &'n OpId)>) -> Vec<bool> {
        for (node, &id) in nodes {
            let folds =
                node.present_inputs().all(|v| fixed[v.index()]) || self.operator_of(id).is_some_and(|o| o.fixed);
            if folds {
                node.outputs.iter().for_each(|v| fixed[v.index()] = true);
            }
        }
        fixed
    }
}

impl Lowering<'_> {
    /// Names of the view's nodes that a kept node stands for.
    pub fn names(&self, row: usize) -> Vec<String> {
        self.members(row).iter().map(|&place| self.view.nodes[place as usize].name.clone()).collect()
    }
}

/// By value: whether it is a weight or a constant.
fn of_kind<'n>(values: impl Iterator<Item = &'n Value>) -> Vec<bool> {
    values.map(|v| matches!(v.kind, ValueKind::Weight | ValueKind::Constant)).collect()
}

fn rewrite<'g>(
    set: &TemplateSet,
    view: &'g GraphView<'g>,
    ids: Vec<OpId>,
    fixed: &[bool],
    options: &LowerOptions,
) -> Rewritten<'g> {
    let mut overlay = Overlay::new(view, ids, set.n_ids(), fixed);
    if options.fuse {
        let enabled = set.fusions().iter().filter(|f| !options.disabled.contains(&f.name));
        enabled.for_each(|fusion| fusion.apply(&mut overlay));
    }
    overlay.finish()
}

/// Fathers are the kept nodes that a node's inputs come from; a view that was left out hands on its first input.
fn relations(slots: &[Slot<'_>], kept: &[u32], fixed: &[bool]) -> Relations {
    const NONE: u32 = u32::MAX;
    // By value: the row of the kept node that it comes from.
    let mut source = vec![NONE; fixed.len()];
    let mut fathers = EdgeList::with_capacity(kept.len(), 2 * kept.len());
    let mut rows = kept.iter().enumerate().peekable();
    for (place, slot) in slots.iter().enumerate() {
        let Some(node) = slot.node() else { continue };
        let row = rows.next_if(|(_, kept)| **kept as usize == place).map(|(row, _)| row as u32);
        if row.is_some() {
            fathers.push_row(node.present_inputs().map(|v| source[v.index()]).filter(|&s| s != NONE));
        }
        let handed_on = || node.inputs.first().copied().flatten().map_or(NONE, |v| source[v.index()]);
        let from = row.unwrap_or_else(handed_on);
        // What folds away has no source; what runs though it could fold is kept.
        node.outputs.iter().filter(|v| row.is_some() || !fixed[v.index()]).for_each(|v| source[v.index()] = from);
    }
    Relations::from_fathers(fathers)
}
