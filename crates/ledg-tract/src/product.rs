//! What a contraction of tract's computes: products of m by k with k by n, and the window of the convolution that it
//! carries out.
//!
//! Sizes follow ledg's convention, whichever way tract turned the product: rows `m` are positions of the activation,
//! columns `n` are output channels, and one product serves all rows that share a weight.

use ledg_graph::{Attr, Attrs};
use tract_core::internal::*;
use tract_core::ops::cnn::conv::{BlockedConv, Im2Col};
use tract_core::ops::cnn::deconv::Deconv;
use tract_core::ops::cnn::{Conv, PoolSpec};
use tract_core::ops::einsum::EinSum;
use tract_core::ops::matmul::optimized::{MatMulOperand, OptMatMul, ProtoFusedSpec};

use crate::facts::Facts;

/// Sizes of matrix products.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Product {
    pub matmuls: u64,
    pub m: u64,
    pub n: u64,
    pub k: u64,
    /// The convolution it carries out, where that is known.
    pub window: Option<Window>,
}

/// The sliding window of a convolution or a pooling.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Window {
    pub kernel: Vec<u64>,
    pub strides: Vec<u64>,
    pub dilations: Vec<u64>,
    pub groups: u64,
    pub cin: u64,
    pub cout: u64,
    pub in_spatial: u64,
    pub out_spatial: u64,
    pub transposed: bool,
}

impl Product {
    /// Multiply-adds.
    pub fn macs(&self) -> u64 {
        self.matmuls * self.m * self.n * self.k
    }

    /// States the sizes as attributes.
    pub fn state(&self, attrs: &mut Attrs) {
        let sizes = [("matmuls", self.matmuls), ("m", self.m), ("n", self.n), ("k", self.k)];
        state(attrs, &sizes);
        if let Some(window) = &self.window {
            window.state(attrs);
            let depthwise = window.groups > 1 && window.groups == window.cin;
            let pointwise = window.kernel.iter().all(|&k| k == 1);
            state(attrs, &[("depthwise", depthwise.into()), ("pointwise", pointwise.into())]);
        }
    }
}

impl Window {
    /// The window of a pooling or convolution over inputs and outputs of these shapes.
    pub fn new(spec: &PoolSpec, groups: usize, input: &[u64], output: &[u64]) -> Option<Window> {
        let wide = |sizes: &[usize]| sizes.iter().map(|&s| s as u64).collect::<Vec<_>>();
        let spatial = |shape: &[u64]| {
            let dims: TVec<usize> = shape.iter().map(|&d| d as usize).collect();
            let shape = spec.data_format.shape(dims).ok()?;
            Some(shape.hw_dims().iter().map(|&d| d as u64).product())
        };
        Some(Window {
            kernel: wide(&spec.kernel_shape),
            strides: wide(&spec.strides()),
            dilations: wide(&spec.dilations()),
            groups: groups as u64,
            cin: spec.input_channels as u64,
            cout: spec.output_channels as u64,
            in_spatial: spatial(input)?,
            out_spatial: spatial(output)?,
            transposed: false,
        })
    }

    /// Elements of the kernel.
    pub fn kernel_elems(&self) -> u64 {
        self.kernel.iter().product()
    }

    /// States the window as attributes; what is usual is left out, as ONNX does.
    pub fn state(&self, attrs: &mut Attrs) {
        let list = |sizes: &[u64]| Attr::Ints(sizes.iter().map(|&s| s as i64).collect());
        attrs.insert("kernel_shape", list(&self.kernel));
        for (name, sizes) in [("strides", &self.strides), ("dilations", &self.dilations)] {
            if sizes.iter().any(|&s| s != 1) {
                attrs.insert(name, list(sizes));
            }
        }
        let sizes = [
            ("groups", self.groups),
            ("cin", self.cin),
            ("cout", self.cout),
            ("in_spatial", self.in_spatial),
            ("out_spatial", self.out_spatial),
        ];
        state(attrs, &sizes);
    }

    /// The products of a convolution with this window over that many samples.
    fn product(self, samples: u64) -> Product {
        let groups = self.groups.max(1);
        let (cin, cout, kernel) = (self.cin / groups, self.cout / groups, self.kernel_elems());
        let (m, n, k) = if self.transposed {
            (self.in_spatial, cout * kernel, cin)
        } else {
            (self.out_spatial, cout, cin * kernel)
        };
        Product { matmuls: groups, m: samples * m, n, k, window: Some(self) }
    }
}

/// States sizes as attributes of their names.
pub(crate) fn state(attrs: &mut Attrs, sizes: &[(&str, u64)]) {
    for &(name, size) in sizes {
        attrs.insert(name, Attr::Int(size as i64));
    }
}

/// The products of a node, as far as the node itself tells; `None` where a size depends on an unbound symbol, and for
/// nodes that are no contraction.
pub(crate) fn product(facts: &Facts<'_>, node: &TypedNode) -> Option<Product> {
    let inputs = facts.inputs(node).ok()?;
    let shape = |fact: &TypedFact| facts.dims(&fact.shape);
    let output = || shape(&node.outputs.first()?.fact);
    if let Some(conv) = node.op_as::<Conv>() {
        let (input, output) = (shape(inputs.first()?)?, output()?);
        let window = Window::new(&conv.pool_spec, conv.group, &input, &output)?;
        let samples = output.iter().product::<u64>() / (window.cout * window.out_spatial).max(1);
        return Some(window.product(samples));
    }
    if let Some(deconv) = node.op_as::<Deconv>() {
        let (input, output) = (shape(inputs.first()?)?, output()?);
        let window = Window::new(&deconv.pool_spec, deconv.group, &input, &output)?;
        let samples = input.iter().product::<u64>() / (window.cin * window.in_spatial).max(1);
        return Some(Window { transposed: true, ..window }.product(samples));
    }
    if let Some(conv) = node.op_as::<BlockedConv>() {
        let wide = |sizes: [usize; 2]| sizes.map(|s| s as u64).to_vec();
        let window = Window {
            kernel: wide([conv.kh, 1]),
            strides: wide([conv.stride_h, 1]),
            dilations: wide([conv.dil_h, 1]),
            groups: conv.group as u64,
            cin: conv.c_in as u64,
            cout: conv.oc as u64,
            in_spatial: (conv.h_in * conv.w) as u64,
            out_spatial: (conv.h_out * conv.w) as u64,
            transposed: false,
        };
        return Some(window.product(conv.n as u64));
    }
    if let Some(einsum) = node.op_as::<EinSum>() {
        return einsum_product(facts, einsum, &inputs);
    }
    if let Some(product) = node.op_as::<OptMatMul>() {
        return optimised_product(facts, product, &inputs, node);
    }
    if matches!(&*node.op.name(), "DepthWiseConv" | "DirectSpatialConv") {
        return spatial_product(node, &shape(inputs.first()?)?, &shape(inputs.get(1)?)?, &output()?);
    }
    None
}

/// A depthwise or direct convolution over (N, C, spatial…): tract keeps its window to itself, but prints it.
fn spatial_product(node: &TypedNode, input: &[u64], weight: &[u64], output: &[u64]) -> Option<Product> {
    let info = node.op.info().ok()?.join(" ");
    let list = |word: &str| -> Option<Vec<u64>> {
        let text = info.split_once(word)?.1;
        text.split_whitespace().next()?.split(',').map(|n| n.parse().ok()).collect()
    };
    let (kernel, strides, dilations) = (list("kernel: ")?, list("strides: ")?, list("dil: ")?);
    let spatial: u64 = list("input: ")?.iter().product();
    let elems = |shape: &[u64]| shape.iter().product::<u64>();
    // The weight's elements are the kernel's, times channels, times input channels a group.
    let per_kernel = elems(weight) / kernel.iter().product::<u64>().max(1);
    let depthwise = &*node.op.name() == "DepthWiseConv";
    let rank = kernel.len();
    let samples = if input.len() == rank + 2 { input[0] } else { 1 };
    let cin = elems(input) / (samples * spatial).max(1);
    let (cout, groups) = if depthwise { (per_kernel, cin) } else { (per_kernel / cin.max(1), 1) };
    let out_spatial = elems(output) / (samples * cout).max(1);
    let window =
        Window { kernel, strides, dilations, groups, cin, cout, in_spatial: spatial, out_spatial, transposed: false };
    Some(window.product(samples))
}

/// By the role of every axis: in both operands and the result, in one operand and the result, in both operands only.
fn einsum_product(facts: &Facts<'_>, einsum: &EinSum, inputs: &[&TypedFact]) -> Option<Product> {
    let shapes: Vec<Vec<u64>> = inputs.iter().map(|f| facts.dims(&f.shape)).collect::<Option<_>>()?;
    let (mut batch, mut m, mut n, mut k) = (1, 1, 1, 1);
    for axis in einsum.axes.iter_all_axes() {
        let size =
            |slot: usize| axis.inputs.get(slot)?.first().and_then(|&place| shapes.get(slot)?.get(place).copied());
        let (a, b) = (size(0), if shapes.len() > 1 { size(1) } else { None });
        let kept = axis.outputs.first().is_some_and(|places| !places.is_empty());
        match (kept, a, b) {
            (true, Some(a), Some(b)) => batch *= a.max(b),
            (true, Some(a), None) => m *= a,
            (true, None, Some(b)) => n *= b,
            (false, a, b) => k *= a.unwrap_or(1).max(b.unwrap_or(1)),
            (true, None, None) => {}
        }
    }
    let is_weight = |slot: usize| inputs.get(slot).is_some_and(|f| f.konst.is_some());
    if is_weight(0) && !is_weight(1) {
        (m, n) = (n, m);
    }
    Some(Product { matmuls: batch, m, n, k, window: None })
}

fn optimised_product(facts: &Facts<'_>, op: &OptMatMul, inputs: &[&TypedFact], node: &TypedNode) -> Option<Product> {
    let c_shape = facts.dims(&op.c_fact.shape)?;
    let mut found: Option<Product> = None;
    for micro in &op.micro_ops {
        let ProtoFusedSpec::AddMatMul { geo, a, b, .. } = micro else { continue };
        let size = |axis: Option<usize>| axis.map_or(1, |axis| c_shape[axis]);
        let (mut m, mut n) = (size(op.c_m_axis), size(op.c_n_axis));
        let outer = |axes: &mut dyn Iterator<Item = usize>| -> u64 {
            axes.filter(|&axis| Some(axis) != op.c_m_axis && Some(axis) != op.c_n_axis)
                .map(|axis| c_shape[axis])
                .product()
        };
        let loops = outer(&mut (0..c_shape.len()));
        let is_weight = |operand: &MatMulOperand| match operand {
            MatMulOperand::Input(slot) => inputs.get(*slot).is_some_and(|f| f.konst.is_some()),
            MatMulOperand::Const(_) => true,
        };
        let mut matmuls = loops;
        if is_weight(a) != is_weight(b) {
            let mapping = if is_weight(a) { &geo.c_to_a_axis_mapping } else { &geo.c_to_b_axis_mapping };
            if is_weight(a) {
                (m, n) = (n, m);
            }
            // One weight serves all that it has no axis for.
            matmuls = outer(&mut mapping.0.iter().map(|(axis, _)| *axis));
            m *= loops / matmuls.max(1);
        }
        let k = facts.dim(&geo.k)?;
        match &mut found {
            None => found = Some(Product { matmuls, m, n, k, window: None }),
            // A sum of products is one product of the lengths together.
            Some(all) => all.k += k,
        }
    }
    let mut product = found?;
    // Windows packed ahead of the product say themselves what they are.
    let packed = node.inputs.iter().map(|i| facts.model.node(i.node)).find_map(|n| Some((n, n.op_as::<Im2Col>()?)));
    if let Some((packer, im2col)) = packed {
        let input = facts.dims(&facts.inputs(packer).ok()?.first()?.shape)?;
        let spec = &im2col.pool_spec;
        let dims: TVec<usize> = input.iter().map(|&d| d as usize).collect();
        let output: Vec<u64> = spec.output_shape(&dims).ok()?.shape.iter().map(|&d| d as u64).collect();
        let window = Window::new(spec, im2col.group, &input, &output)?;
        let samples = output.iter().product::<u64>() / (window.cout * window.out_spatial).max(1);
        let conv = window.product(samples);
        if conv.macs() == product.macs() {
            product = conv;
        }
    }
    Some(product)
}
