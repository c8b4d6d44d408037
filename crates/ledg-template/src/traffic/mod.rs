//! What a framework moves besides what operators need: casts of mixed precision, copies into another layout, passes of its own;
//! and what a compiler need not move, because it fuses loops.
//!
//! PyTorch's rules, as its documentation states them ("Autocast op reference", "Tensor views", TorchInductor), followed value by
//! value through a lowered graph at one sample:
//!
//! - **Casts.** Products and convolutions run at half width; normalisations and softmax at full width ([`Width`]); element by
//!   element, the widest operand decides, and weights are wide. So a network's residual stream may be wide or not. Layer and group
//!   normalisation are the exception: autocast's lists have them wide, what was measured ran them narrow.
//! - **Views.** Transpositions, slices and most reshapes move nothing until an operator needs its operand contiguous.
//! - **Layouts.** A convolution whose input or weight is channels-last answers in channels-last. A compiler lays a whole network out
//!   as channels-last where it takes its convolutions to be faster so. Libraries copy what their kernels for a layout do not take.
//! - **Passes.** A bias of a convolution, or the batch normalisation folded into it, is a pass over the output.
//! - **Interpolation.** Bilinear and bicubic resampling of channels-first images starts a thread an output position, which goes
//!   through all samples and channels: a small image leaves most of a GPU idle.
//! - **Vector units.** Depthwise convolutions leave a GPU's matrix units idle, and have fast kernels for some windows only.
//! - **Attention.** Kernels take four axes and as many heads of keys as of queries; what has none passes over its scores, and in half
//!   precision is computed in single precision since 2.5.
//! - **Loops.** A compiler fuses what is no library call; a value that only a fused loop reads never reaches memory, and a loop reads a
//!   value once. Long concatenations are written.
//!
//! [`TemplateSet::steps`] makes a [`Step`] of each operation, [`traffic`] follows them. **Invariant:** what a node moves depends on
//! nothing but the steps and the values, so an edited graph's is that of its steps.

mod attention;
mod compiled;
mod convolution;
mod eager;
mod strides;

use ledg_graph::{Node, Traffic, Value, ValueId, ValueKind};
use serde::{Deserialize, Serialize};

use self::convolution::ConvWeights;
use crate::extract::DimsKind;
use crate::lower::{Lowered, Lowering};
use crate::operator::Operator;
use crate::set::TemplateSet;
use crate::view::GraphView;

/// At which width mixed precision runs an operator: the key `mixed` of a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Width {
    /// Operands are cast to the narrow type.
    Half,
    /// Operands are cast to the wide type.
    Single,
    /// Operands are read as they are, the result is wide.
    SingleResult,
    /// As wide as the widest operand.
    Widest,
}

/// What an operator does to memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Convolution; whether a pass for its bias follows.
    Conv { bias: bool, weights: ConvWeights },
    /// Product of an activation with a weight.
    Layer,
    /// Product of activations.
    Product,
    /// Attention as one kernel.
    Attention,
    /// Normalisation by statistics of its operand, or softmax, which need it contiguous.
    Norm,
    /// A reshape: another name for the data where strides allow.
    Reshape,
    /// Another order of axes.
    Transpose,
    /// A part of its operand, or its operand repeated.
    Alias,
    /// A part without the axis it was taken from.
    Select(u8),
    /// Concatenation.
    Concat,
    /// Resampling that interpolates: a thread follows one position through all samples and channels.
    Interpolation,
    /// One pass over operands and result.
    Loop,
    /// The same by a library, which a compiler does not fuse.
    Library,
}

impl Kind {
    /// Whether it only gives data another name, as far as a compiler is concerned.
    fn renames(self) -> bool {
        matches!(self, Kind::Reshape | Kind::Transpose | Kind::Alias | Kind::Select(_))
    }

    /// Whether a library runs it, so that a compiler does not fuse it.
    fn is_library(self) -> bool {
        matches!(self, Kind::Conv { .. } | Kind::Layer | Kind::Product | Kind::Attention | Kind::Library)
    }
}

/// One operation, as far as it matters to memory.
#[derive(Debug, Clone)]
pub struct Step {
    kind: Kind,
    width: Width,
    /// It combines operands element by element, so that a weight widens the result.
    combines: bool,
    /// A weight of at least one axis is among the operands.
    weight: bool,
    /// Activations, each once.
    inputs: Vec<u32>,
    outputs: Vec<u32>,
    perm: Vec<u8>,
    /// The place of the view that it stands at.
    pub place: u32,
    /// Whether it is among the kept nodes.
    pub kept: bool,
}

/// Operations of a lowered graph in topological order, and all its values.
#[derive(Debug, Clone, Copy)]
struct Steps<'a> {
    steps: &'a [&'a Step],
    values: &'a [&'a Value],
}

impl<'a> Steps<'a> {
    fn shape(&self, v: u32) -> &'a [u64] {
        self.values[v as usize].shape.as_deref().unwrap_or_default()
    }

    fn elements(&self, v: u32) -> f64 {
        self.shape(v).iter().map(|&d| d as f64).product()
    }

    fn is_float(&self, v: u32) -> bool {
        self.values[v as usize].dtype.is_float()
    }

    /// Whether a value is an image or the like: given to the graph, and wide.
    fn is_given(&self, v: u32) -> bool {
        self.values[v as usize].kind == ValueKind::Input && self.is_float(v)
    }
}

impl TemplateSet {
    /// The steps of a lowered view, in topological order.
    pub fn steps(&self, lowering: &Lowering<'_>) -> Vec<Step> {
        let mut kept = lowering.kept_places().peekable();
        let places = 0..lowering.view.nodes().len();
        let step = |place| {
            let node = lowering.node(place)?;
            let kept = kept.next_if_eq(&place).is_some();
            step((lowering.view, &lowering.fixed), node, self.operator_of(lowering.op_at(place)), place, kept)
        };
        places.filter_map(step).collect()
    }

    /// What each kept node of a lowered graph moves.
    pub(crate) fn traffic_of(&self, lowered: &Lowered, view: &GraphView<'_>) -> Vec<Traffic> {
        let mut kept = lowered.kept.iter().map(|id| id.index()).peekable();
        let nodes = view.nodes().iter().enumerate();
        let steps: Vec<Step> = nodes
            .filter_map(|(place, node)| {
                let kept = kept.next_if_eq(&place).is_some();
                step((view, &lowered.fixed), node, self.operator_of(self.op_id(&node.op)), place, kept)
            })
            .collect();
        traffic_of_kept(&steps, &view.values)
    }
}

/// What each of the steps moves, which must be in topological order; `values` are all the graph's.
pub fn traffic(steps: &[&Step], values: &[&Value]) -> Vec<Traffic> {
    let mut traffic = vec![Traffic::default(); steps.len()];
    let steps = Steps { steps, values };
    eager::run(steps, &mut traffic);
    compiled::run(steps, &mut traffic);
    traffic
}

impl Lowering<'_> {
    /// What each kept node moves.
    pub(crate) fn traffic(&self, set: &TemplateSet) -> Vec<Traffic> {
        traffic_of_kept(&set.steps(self), &self.view.values)
    }
}

/// What each kept one of the steps moves; see [`traffic`].
pub fn traffic_of_kept(steps: &[Step], values: &[&Value]) -> Vec<Traffic> {
    let steps: Vec<&Step> = steps.iter().collect();
    let all = traffic(&steps, values);
    steps.iter().zip(all).filter(|(step, _)| step.kept).map(|(_, traffic)| traffic).collect()
}

fn step(
    (view, fixed): (&GraphView<'_>, &[bool]),
    node: &Node,
    operator: Option<&Operator>,
    place: usize,
    kept: bool,
) -> Option<Step> {
    if !kept && node.outputs.iter().all(|v| fixed[v.index()]) {
        return None;
    }
    let id = |v: ValueId| v.index() as u32;
    let mut inputs: Vec<u32> = Vec::with_capacity(node.inputs.len());
    let mut weight = false;
    for v in node.present_inputs() {
        let value = view.value(v);
        if fixed[v.index()] {
            weight |= value.dtype.is_float() && value.shape.as_ref().is_some_and(|shape| !shape.is_empty());
        } else if value.dtype.is_float() && !inputs.contains(&id(v)) {
            inputs.push(id(v));
        }
    }
    let kind = kind(view, fixed, node, operator, inputs.len());
    let width = operator.and_then(|o| o.mixed).unwrap_or(match kind {
        Kind::Conv { .. } | Kind::Layer | Kind::Product | Kind::Attention => Width::Half,
        _ => Width::Widest,
    });
    let dims = operator.map(|o| o.dims);
    Some(Step {
        kind,
        width,
        combines: matches!(dims, None | Some(DimsKind::Elementwise)) && node.inputs.len() > 1,
        weight,
        inputs,
        outputs: node.outputs.iter().map(|&v| id(v)).collect(),
        perm: node.attrs.ints("perm").unwrap_or_default().iter().map(|&axis| axis.clamp(0, 255) as u8).collect(),
        place: place as u32,
        kept,
    })
}

fn kind(view: &GraphView<'_>, fixed: &[bool], node: &Node, operator: Option<&Operator>, activations: usize) -> Kind {
    let Some(operator) = operator else { return Kind::Library };
    if operator.is_view() {
        return Kind::Reshape;
    }
    let transposes = &*node.op.name == "Transpose" && node.attrs.ints("perm").is_some();
    let picked = || node.inputs.get(1).copied().flatten().filter(|v| fixed[v.index()]);
    match operator.dims {
        DimsKind::Conv | DimsKind::ConvTranspose => {
            let input = |at: usize| node.inputs.get(at).copied().flatten();
            let weights = input(operator.operands[1]).and_then(|v| view.value(v).shape.as_deref());
            Kind::Conv {
                bias: input(operator.operands[1] + 1).is_some(),
                weights: ConvWeights::of(weights.unwrap_or_default(), node.attrs.int("group").unwrap_or(1)),
            }
        }
        DimsKind::Matmul | DimsKind::Gemm | DimsKind::Einsum if activations > 1 => Kind::Product,
        DimsKind::Matmul | DimsKind::Gemm | DimsKind::Einsum | DimsKind::Recurrent => Kind::Layer,
        DimsKind::Attention => Kind::Attention,
        DimsKind::Norm if &*node.op.name == "BatchNormalization" => Kind::Loop,
        DimsKind::Norm => Kind::Norm,
        DimsKind::Reduce if matches!(&*node.op.name, "Softmax" | "LogSoftmax") => Kind::Norm,
        DimsKind::Move if transposes => Kind::Transpose,
        DimsKind::Move if operator.alias => Kind::Alias,
        DimsKind::Move if &*node.op.name == "Concat" => Kind::Concat,
        DimsKind::Move if matches!(node.attrs.str("mode"), Some("linear" | "cubic")) => Kind::Interpolation,
        DimsKind::Gather if picked().is_some_and(|v| view.value(v).elements() == Some(1)) => {
            let shape = node.inputs[0].and_then(|v| view.value(v).shape.as_ref());
            let rank = shape.map_or(1, |shape| shape.len().max(1) as i64);
            Kind::Select(node.attrs.int("axis").unwrap_or(0).rem_euclid(rank).min(255) as u8)
        }
        DimsKind::Pool | DimsKind::Stated => Kind::Library,
        DimsKind::Move | DimsKind::Elementwise | DimsKind::Reduce | DimsKind::Gather => Kind::Loop,
    }
}
