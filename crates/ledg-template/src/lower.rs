//! Lowering: from the graph as exported to the operations that do work at run time.
//!
//! Fused forms become one node. Views (Reshape and the like) and what folds into constants stay in the graph, because
//! they carry shapes, but are not among the nodes that are *kept*; relations lead past them.

use ledg_graph::{EdgeList, Graph, NodeId, Relations, ValueKind};

use crate::error::{TemplateError, closest};
use crate::fusion::overlay::Overlay;
use crate::operator::Operator;
use crate::set::TemplateSet;

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

impl TemplateSet {
    /// Lowers a graph. Rescale it to the wanted batch size *before*: sizes that a fusion records do not follow later.
    ///
    /// # Errors
    /// A disabled fusion that does not exist; a graph of which nothing is left.
    pub fn lower(&self, graph: &Graph, options: &LowerOptions) -> Result<Lowered, TemplateError> {
        if let Some(name) = options.disabled.iter().find(|d| self.fusions().iter().all(|f| f.name != **d)) {
            let suggestion = closest(name, self.fusion_names()).to_owned();
            return Err(TemplateError::NoSuchFusion { name: name.clone(), suggestion });
        }
        let fixed = self.fixed_values(graph);
        let mut overlay = Overlay::new(graph, &fixed);
        if options.fuse {
            let enabled = self.fusions().iter().filter(|f| !options.disabled.contains(&f.name));
            enabled.for_each(|fusion| fusion.apply(&mut overlay));
        }
        let (lowered, mut names) = overlay.finish()?;
        let fixed = self.fixed_values(&lowered);
        let kept: Vec<NodeId> = lowered
            .node_ids()
            .filter(|&id| {
                let node = lowered.node(id);
                let folds = node.outputs.iter().all(|v| fixed[v.index()]);
                let dropped = options.drop_views && self.is_view(&lowered, id);
                !folds && !dropped
            })
            .collect();
        if kept.is_empty() {
            let (graph, n_nodes) = (graph.name().to_owned(), graph.nodes().len());
            return Err(TemplateError::NothingToCost { graph, n_nodes });
        }
        let relations = relations(&lowered, &kept, &fixed);
        let origins = kept.iter().map(|&id| names.remove(&lowered.node(id).name).unwrap_or_default()).collect();
        Ok(Lowered { graph: lowered, kept, relations, origins, fixed })
    }

    fn is_view(&self, graph: &Graph, id: NodeId) -> bool {
        self.operator(&graph.node(id).op).is_some_and(Operator::is_view)
    }

    /// By value: whether it is a weight, a constant, or computed from such alone. Frameworks fold these ahead of time.
    fn fixed_values(&self, graph: &Graph) -> Vec<bool> {
        let mut fixed: Vec<bool> =
            graph.values().iter().map(|v| matches!(v.kind, ValueKind::Weight | ValueKind::Constant)).collect();
        for node in graph.nodes() {
            let folds =
                node.present_inputs().all(|v| fixed[v.index()]) || self.operator(&node.op).is_some_and(|o| o.fixed);
            if folds {
                node.outputs.iter().for_each(|v| fixed[v.index()] = true);
            }
        }
        fixed
    }
}

/// Fathers are the kept nodes that a node's inputs come from; a view that was left out hands on its first input.
fn relations(graph: &Graph, kept: &[NodeId], fixed: &[bool]) -> Relations {
    let mut row_of: Vec<Option<u32>> = vec![None; graph.nodes().len()];
    for (row, id) in kept.iter().enumerate() {
        row_of[id.index()] = Some(row as u32);
    }
    // By value: the row of the kept node that it comes from.
    let mut source: Vec<Option<u32>> = vec![None; graph.values().len()];
    for id in graph.node_ids() {
        let node = graph.node(id);
        let viewed = || node.inputs.first().copied().flatten().and_then(|v| source[v.index()]);
        let row = row_of[id.index()].or_else(viewed);
        node.outputs.iter().filter(|v| !fixed[v.index()]).for_each(|v| source[v.index()] = row);
    }
    let rows =
        kept.iter().map(|&id| graph.node(id).present_inputs().filter_map(|v| source[v.index()]).collect()).collect();
    Relations::from_fathers(EdgeList::from_rows(rows))
}
