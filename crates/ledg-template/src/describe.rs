//! What a lowered graph's nodes are: class, sentence, magnitudes, dimensions, features; and what a graph costs in sum.

use ledg_graph::{Magnitudes, Node, OpType, Traffic};

use crate::dims::OpDims;
use crate::extract::{DimsKind, NodeView};
use crate::features::{N_FEATURES, features};
use crate::lower::{Lowered, Lowering};
use crate::operator::default_magnitudes;
use crate::sentence::word;
use crate::set::{OpId, TemplateSet};
use crate::view::GraphView;

/// The class of operators that no template covers.
pub const UNKNOWN_CLASS: &str = "Unknown";

/// All that the predictor is told of one node.
#[derive(Debug, Clone, PartialEq)]
pub struct NodeDescription {
    /// Name of the node in the lowered graph.
    pub name: String,
    /// Operator.
    pub op: OpType,
    /// Class indicator, the first word of the sentence; [`UNKNOWN_CLASS`] if no template covers the operator.
    pub class: String,
    /// What the language model reads.
    pub sentence: String,
    /// Whether a template covers the operator and the shape of its output is known.
    pub known: bool,
    /// Whether the shapes of its outputs are known; where not, element counts are assumed from its inputs.
    pub shape_known: bool,
    /// Work and traffic at the batch size of the graph.
    pub magnitudes: Magnitudes,
    /// Multiply-adds, if the node is a contraction (convolution, matrix product, recurrence, attention); else 0.
    pub macs: f64,
    /// Dimensions.
    pub dims: OpDims,
    /// Numeric features by [`crate::FEATURE_NAMES`].
    pub features: [f32; N_FEATURES],
}

impl NodeDescription {
    /// With what frameworks move for the node, if its shapes are known.
    fn with_traffic(mut self, traffic: Traffic) -> Self {
        let m = &mut self.magnitudes;
        m.traffic = if self.shape_known { traffic } else { Traffic::of_elements(m.read_elems + m.write_elems) };
        self
    }
}

impl TemplateSet {
    /// Describes the kept nodes of a lowered graph, in their order.
    pub fn describe(&self, lowered: &Lowered) -> Vec<NodeDescription> {
        let view = GraphView::from(&lowered.graph);
        let elems = assumed_elements(&view, view.nodes.iter().copied());
        let traffic = self.traffic_of(lowered, &view);
        let described = lowered.kept.iter().zip(&lowered.origins).zip(traffic).map(|((&id, origins), traffic)| {
            let node = lowered.graph.node(id);
            let context = Context { view: &view, fixed: &lowered.fixed, elems: &elems };
            self.describe_node(context, node, self.op_id(&node.op), origins.len() > 1).with_traffic(traffic)
        });
        described.collect()
    }

    /// Describes the kept nodes of a lowered view, in their order.
    pub fn describe_view(&self, lowering: &Lowering<'_>) -> Vec<NodeDescription> {
        let elems = lowering.assumed_elements();
        let rows = (0..lowering.n_kept()).zip(lowering.traffic(self));
        rows.filter_map(|(row, traffic)| Some(self.describe_row(lowering, row, &elems)?.with_traffic(traffic)))
            .collect()
    }

    /// Describes one kept node, `elems` being [`Lowering::assumed_elements`]; `None` if there is no such row.
    pub fn describe_row(&self, lowering: &Lowering<'_>, row: usize, elems: &[f64]) -> Option<NodeDescription> {
        let context = Context { view: lowering.view, fixed: &lowering.fixed, elems };
        let node = lowering.node(lowering.place(row))?;
        Some(self.describe_node(context, node, lowering.op(row), lowering.members(row).len() > 1))
    }

    fn describe_node(&self, context: Context<'_>, node: &Node, id: OpId, fused: bool) -> NodeDescription {
        let Context { view: graph, fixed, elems } = context;
        let operator = self.operator_of(id);
        let operands = operator.map_or([0, 1], |o| o.operands);
        let view = NodeView { graph, node, fixed, elems, operands };
        let mut facts = view.facts(operator.map_or(DimsKind::Elementwise, |o| o.dims));
        facts.dims.fused = f64::from(fused);
        let (class, macs, magnitudes) = match operator {
            Some(operator) => {
                let macs = operator.macs(&facts.dims);
                (operator.class(&facts.dims), macs, operator.magnitudes(&facts.dims, macs))
            }
            None => (UNKNOWN_CLASS, 0.0, default_magnitudes(&facts.dims)),
        };
        let mut sentence = String::with_capacity(48);
        sentence.push_str(class);
        match operator {
            Some(operator) => operator.sentence.render(&facts, &mut sentence),
            None => unknown_words(&node.op, &mut sentence),
        }
        let shape_known = node.outputs.iter().all(|&v| graph.value(v).shape.is_some());
        NodeDescription {
            name: node.name.clone(),
            op: node.op.clone(),
            class: class.to_owned(),
            sentence,
            known: operator.is_some() && shape_known,
            shape_known,
            magnitudes,
            macs,
            features: features(&magnitudes, &facts.dims),
            dims: facts.dims,
        }
    }
}

/// What a node's description depends on beside the node.
#[derive(Clone, Copy)]
struct Context<'a> {
    view: &'a GraphView<'a>,
    /// By value: whether it depends on no graph input.
    fixed: &'a [bool],
    /// By value: number of elements.
    elems: &'a [f64],
}

/// The generic sentence of an operator without a template: its domain, if it has one, and its name.
fn unknown_words(op: &OpType, sentence: &mut String) {
    for part in [&op.domain, &op.name].into_iter().filter(|part| !part.is_empty()) {
        sentence.push(' ');
        word(part, sentence);
    }
}

impl Lowering<'_> {
    /// Elements of each value, assumed where a shape is missing.
    pub fn assumed_elements(&self) -> Vec<f64> {
        assumed_elements(self.view, self.nodes())
    }
}

/// Elements of each value. Downstream of an operator that no rule knows shapes are missing: its outputs are assumed as
/// large as its largest input, and the description says so.
fn assumed_elements<'n>(view: &GraphView<'_>, nodes: impl Iterator<Item = &'n Node>) -> Vec<f64> {
    let mut elems: Vec<f64> = view.values.iter().map(|v| v.elements().map_or(0.0, |n| n as f64)).collect();
    if view.values.iter().all(|v| v.shape.is_some()) {
        return elems;
    }
    for node in nodes {
        for &out in &node.outputs {
            if view.value(out).shape.is_none() {
                elems[out.index()] = node.present_inputs().map(|v| elems[v.index()]).fold(1.0, f64::max);
            }
        }
    }
    elems
}

/// The sums over a graph's nodes.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct GraphCosts {
    /// Sum of all magnitudes.
    pub total: Magnitudes,
    /// Number of nodes.
    pub n_nodes: usize,
    /// Number of nodes that no template covers or whose shapes are not known.
    pub n_unknown: usize,
    macs: f64,
}

impl GraphCosts {
    /// Sums up descriptions.
    pub fn of(nodes: &[NodeDescription]) -> GraphCosts {
        GraphCosts {
            total: nodes.iter().map(|n| n.magnitudes).sum(),
            n_nodes: nodes.len(),
            n_unknown: nodes.iter().filter(|n| !n.known).count(),
            macs: nodes.iter().map(|n| n.macs).sum(),
        }
    }

    /// Multiply-adds of the contractions alone: convolutions, matrix products, recurrences and attention.
    pub fn macs(&self) -> f64 {
        self.macs
    }
}
