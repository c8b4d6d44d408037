//! From a node and its shapes to numbers: which dimension of which operand is a channel, a kernel, a row.
//!
//! A template names one *kind* of extraction; each kind fills its part of [`OpDims`]. What every kind has in common
//! (element counts, ranks, weights) is filled here.

mod attention;
mod contraction;
mod window;

use ledg_graph::{ConstData, Node, ValueId, ValueKind};
use serde::{Deserialize, Serialize};

use crate::dims::OpDims;
use crate::view::GraphView;

/// Which standard extraction applies to an operator: the key `dims` of a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum DimsKind {
    /// Convolution: input (N, C, spatial…), weight (C_out, C_in/groups, kernel…).
    Conv,
    /// Transposed convolution: weight (C_in, C_out/groups, kernel…).
    ConvTranspose,
    /// Batched matrix product of the two operands.
    Matmul,
    /// Matrix product with `transA`, `transB`.
    Gemm,
    /// Einstein summation by its `equation`.
    Einsum,
    /// Sliding window without weights: `kernel_shape`, `strides`; the whole spatial extent without them.
    Pool,
    /// Reduction over `axes` (or `axis`), given as attribute or as constant second input.
    Reduce,
    /// Normalisation over `axes`, from `axis` on, over a group of `num_groups`, or over the spatial extent.
    Norm,
    /// One output element from the operands' elements at the same place.
    Elementwise,
    /// Movement of data; `axis` if there is one.
    Move,
    /// ONNX LSTM, GRU, RNN: input (steps, batch, size), W (directions, gates·hidden, size), R (directions, gates·hidden, hidden).
    Recurrent,
    /// Attention of queries, keys, values; sizes from attributes of a fusion or from (batch, heads, length, size) operands.
    Attention,
    /// Rows of a table picked by indices.
    Gather,
    /// Attributes that are called like the variables of formulas, for compiled plans, whose operands no longer show them.
    Stated,
}

/// Along which axes an operation works, in words that stay few.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) enum Axes {
    /// Does not apply, or not known.
    #[default]
    None,
    /// The innermost axis alone.
    Last,
    /// Axis 1 alone, of at least three.
    Channel,
    /// All axes from 2 on, of at least four.
    Spatial,
    /// All axes.
    All,
    /// Anything else, ascending.
    Other(Vec<i64>),
}

/// What is special about the second operand of an element by element operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Operand {
    /// All operands have the output's size.
    #[default]
    Same,
    /// One operand is a single number.
    Scalar,
    /// One operand is a weight.
    Weight,
    /// One operand is an activation that is repeated.
    Broadcast,
}

/// All that is known of one operation.
#[derive(Debug)]
pub(crate) struct Facts<'a> {
    pub graph: &'a GraphView<'a>,
    pub node: &'a Node,
    pub dims: OpDims,
    pub kernel: Vec<u64>,
    pub strides: Vec<u64>,
    pub dilations: Vec<u64>,
    pub axes: Axes,
    pub operand: Operand,
}

/// A node within its graph, with what lowering found out about its values.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NodeView<'a> {
    pub graph: &'a GraphView<'a>,
    pub node: &'a Node,
    /// By value: whether it depends on no graph input.
    pub fixed: &'a [bool],
    /// By value: number of elements, assumed where the shape is unknown.
    pub elems: &'a [f64],
    /// Slots of the data and the weight operand, for operators that carry scales between them.
    pub operands: [usize; 2],
}

impl<'a> NodeView<'a> {
    fn input(&self, slot: usize) -> Option<ValueId> {
        self.node.inputs.get(slot).copied().flatten()
    }

    fn shape(&self, slot: usize) -> Option<&'a [u64]> {
        self.graph.value(self.input(slot)?).shape.as_deref()
    }

    fn out_shape(&self) -> Option<&'a [u64]> {
        self.graph.value(*self.node.outputs.first()?).shape.as_deref()
    }

    fn ints_input(&self, slot: usize) -> Option<&'a [i64]> {
        self.graph.value(self.input(slot)?).data.as_ref().and_then(ConstData::ints)
    }

    fn is_fixed(&self, v: ValueId) -> bool {
        self.fixed[v.index()]
    }

    /// Whether a value is a tensor that is resident before the run: a weight, or folded from weights; single numbers and
    /// integer constants (shapes, axes, indices) are part of the operator instead.
    fn is_weight(&self, v: ValueId) -> bool {
        let value = self.graph.value(v);
        let tensor = self.elems[v.index()] > 1.0 && value.dtype.is_float();
        self.is_fixed(v) && (value.kind == ValueKind::Weight || tensor)
    }

    /// `axis` or `axes`, from the attributes or from a constant input, made non-negative and sorted.
    fn axes(&self, rank: usize) -> Option<Vec<i64>> {
        let attrs = &self.node.attrs;
        let given = match (attrs.ints("axes"), attrs.int("axis")) {
            (Some(axes), _) => axes.to_vec(),
            (None, Some(axis)) => vec![axis],
            (None, None) => self.ints_input(1)?.to_vec(),
        };
        let rank = rank as i64;
        let mut axes: Vec<i64> = given.iter().map(|&a| if a < 0 { a + rank } else { a }).collect();
        axes.retain(|a| (0..rank).contains(a));
        axes.sort_unstable();
        axes.dedup();
        Some(axes)
    }

    /// Dimensions, kernel and axes of the node.
    pub fn facts(self, kind: DimsKind) -> Facts<'a> {
        let mut facts = Facts {
            graph: self.graph,
            node: self.node,
            dims: OpDims::default(),
            kernel: Vec::new(),
            strides: Vec::new(),
            dilations: Vec::new(),
            axes: Axes::None,
            operand: Operand::Same,
        };
        self.counts(&mut facts.dims);
        match kind {
            DimsKind::Conv => self.conv(&mut facts, false),
            DimsKind::ConvTranspose => self.conv(&mut facts, true),
            DimsKind::Pool => self.pool(&mut facts),
            DimsKind::Matmul => self.matmul(&mut facts.dims),
            DimsKind::Gemm => self.gemm(&mut facts.dims),
            DimsKind::Einsum => self.einsum(&mut facts.dims),
            DimsKind::Recurrent => self.recurrent(&mut facts.dims),
            DimsKind::Attention => self.attention(&mut facts.dims),
            DimsKind::Reduce => self.reduce(&mut facts),
            DimsKind::Norm => self.norm(&mut facts),
            DimsKind::Elementwise => self.elementwise(&mut facts),
            DimsKind::Move | DimsKind::Gather => self.along_axis(&mut facts),
            DimsKind::Stated => self.stated(&mut facts),
        }
        facts
    }

    /// What every kind has: element counts, weights, rank.
    fn counts(&self, dims: &mut OpDims) {
        let elems = |v: ValueId| self.elems[v.index()];
        dims.out_elems = self.node.outputs.iter().map(|&v| elems(v)).sum();
        let mut seen: Vec<ValueId> = Vec::with_capacity(self.node.inputs.len());
        for v in self.node.present_inputs() {
            if seen.contains(&v) {
                continue;
            }
            seen.push(v);
            if self.is_weight(v) {
                dims.weight_elems += elems(v);
                dims.has_weight = 1.0;
            } else if !self.is_fixed(v) {
                dims.in_elems += elems(v);
                if dims.n_inputs == 0.0 {
                    dims.in0_elems = elems(v);
                }
                dims.n_inputs += 1.0;
            }
        }
        dims.n_outputs = self.node.outputs.len() as f64;
        if let Some(shape) = self.out_shape() {
            dims.rank = shape.len() as f64;
            dims.inner = shape.last().map_or(1.0, |&d| d as f64);
        }
    }

    fn elementwise(&self, facts: &mut Facts<'_>) {
        for v in self.node.present_inputs() {
            let found = match self.elems[v.index()] {
                n if n >= facts.dims.out_elems => continue,
                n if n <= 1.0 && self.is_fixed(v) => Operand::Scalar,
                _ if self.is_fixed(v) => Operand::Weight,
                _ => Operand::Broadcast,
            };
            facts.dims.broadcast = 1.0;
            // The operand that costs most names the operation.
            if facts.operand == Operand::Same || found == Operand::Broadcast {
                facts.operand = found;
            }
        }
        if facts.operand == Operand::Same && facts.dims.has_weight > 0.0 {
            facts.operand = Operand::Weight;
        }
    }

    fn reduce(&self, facts: &mut Facts<'_>) {
        let Some(shape) = self.shape(0) else { return };
        let axes = self.axes(shape.len()).unwrap_or_else(|| (0..shape.len() as i64).collect());
        facts.dims.axis_len = axes.iter().map(|&a| shape[a as usize] as f64).product();
        facts.axes = name_axes(axes, shape.len());
    }

    fn norm(&self, facts: &mut Facts<'_>) {
        let Some(shape) = self.shape(self.operands[0]) else { return };
        let attrs = &self.node.attrs;
        let size = |axes: &mut dyn Iterator<Item = usize>| axes.map(|a| shape[a] as f64).product::<f64>();
        if let Some(groups) = attrs.int("num_groups").filter(|&g| g > 0) {
            facts.dims.groups = groups as f64;
            facts.dims.axis_len = size(&mut (1..shape.len())) / groups as f64;
        } else if attrs.ints("axes").is_some() {
            let axes = self.axes(shape.len()).unwrap_or_default();
            facts.dims.axis_len = size(&mut axes.iter().map(|&a| a as usize));
            facts.axes = name_axes(axes, shape.len());
        } else if let Some(axis) = attrs.int("axis") {
            let from = if axis < 0 { axis + shape.len() as i64 } else { axis }.clamp(0, shape.len() as i64) as usize;
            facts.dims.axis_len = size(&mut (from..shape.len()));
            facts.axes = name_axes((from as i64..shape.len() as i64).collect(), shape.len());
        } else {
            facts.dims.axis_len = size(&mut (2..shape.len()));
        }
        if shape.len() > 2 {
            facts.dims.cin = shape[1] as f64;
            facts.dims.cout = shape[1] as f64;
        }
    }

    /// What the attributes state; the kernel, strides and dilations go by ONNX's names, as for a pooling.
    fn stated(&self, facts: &mut Facts<'_>) {
        self.windows(facts, None);
        for variable in OpDims::VARIABLES {
            if let Some(value) = self.node.attrs.float(variable.name) {
                (variable.set)(&mut facts.dims, value);
            }
        }
    }

    fn along_axis(&self, facts: &mut Facts<'_>) {
        let Some(shape) = self.shape(0) else { return };
        if let Some(axis) = self.node.attrs.int("axis") {
            let axis = if axis < 0 { axis + shape.len() as i64 } else { axis };
            if let Some(&size) = usize::try_from(axis).ok().and_then(|a| shape.get(a)) {
                facts.dims.axis_len = size as f64;
                facts.axes = name_axes(vec![axis], shape.len());
            }
        }
    }
}

fn name_axes(axes: Vec<i64>, rank: usize) -> Axes {
    let n = rank as i64;
    if axes.is_empty() {
        Axes::None
    } else if axes == [n - 1] {
        Axes::Last
    } else if axes.len() == rank {
        Axes::All
    } else if axes == [1] {
        Axes::Channel
    } else if rank >= 4 && axes.len() == rank - 2 && axes[0] == 2 {
        Axes::Spatial
    } else {
        Axes::Other(axes)
    }
}
