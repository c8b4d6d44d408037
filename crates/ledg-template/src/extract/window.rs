//! Dimensions of sliding windows: convolutions and poolings.

use super::{Facts, NodeView};
use crate::dims::OpDims;

impl NodeView<'_> {
    /// Convolution and transposed convolution.
    pub(super) fn conv(&self, facts: &mut Facts<'_>, transposed: bool) {
        let attrs = &self.node.attrs;
        let weight = self.shape(self.operands[1]);
        let spatial = self.windows(facts, weight.map(|w| w.get(2..).unwrap_or_default()));
        let dims = &mut facts.dims;
        dims.groups = attrs.int("group").unwrap_or(1).max(1) as f64;
        let batch = self.spatial_extents(dims, spatial);
        if let Some([first, second, ..]) = weight {
            let (first, second) = (*first as f64, *second as f64);
            (dims.cin, dims.cout) =
                if transposed { (first, second * dims.groups) } else { (second * dims.groups, first) };
        }
        let window = if transposed { dims.in_spatial } else { dims.out_spatial };
        dims.matmuls = dims.groups;
        dims.m = batch * window;
        dims.n = dims.cout / dims.groups;
        dims.k = dims.cin / dims.groups * dims.kernel_elems;
        if transposed {
            // Every input element is multiplied into a window of the output.
            dims.n *= dims.kernel_elems;
            dims.k = dims.cin / dims.groups;
        }
        dims.depthwise = f64::from(dims.groups > 1.0 && dims.groups == dims.cin);
        dims.pointwise = f64::from(dims.kernel_elems == 1.0);
    }

    /// Pooling; without `kernel_shape` the window is the whole spatial extent.
    pub(super) fn pool(&self, facts: &mut Facts<'_>) {
        let global = self.node.attrs.ints("kernel_shape").is_none();
        let spatial = self.windows(facts, None);
        let dims = &mut facts.dims;
        self.spatial_extents(dims, spatial);
        if let Some(&channels) = self.shape(self.operands[0]).and_then(|s| s.get(1)) {
            dims.cin = channels as f64;
            dims.cout = channels as f64;
        }
        if global {
            dims.kernel_elems = dims.in_spatial / dims.out_spatial.max(1.0);
        }
        dims.axis_len = dims.kernel_elems;
    }

    /// Kernel, strides and dilations from the attributes, or the kernel from the weight; the number of spatial axes.
    pub(super) fn windows(&self, facts: &mut Facts<'_>, weight_kernel: Option<&[u64]>) -> usize {
        let attrs = &self.node.attrs;
        let sizes = |name: &str| -> Vec<u64> {
            attrs.ints(name).unwrap_or_default().iter().map(|&v| v.unsigned_abs()).collect()
        };
        facts.kernel = match weight_kernel {
            Some(kernel) if !kernel.is_empty() => kernel.to_vec(),
            _ => sizes("kernel_shape"),
        };
        facts.strides = sizes("strides");
        facts.dilations = sizes("dilations");
        let dims = &mut facts.dims;
        let largest = |v: &[u64]| v.iter().copied().max().unwrap_or(1) as f64;
        dims.stride = largest(&facts.strides);
        dims.dilation = largest(&facts.dilations);
        dims.kernel_elems = facts.kernel.iter().map(|&k| k as f64).product();
        dims.kernel_w = facts.kernel.last().map_or(1.0, |&k| k as f64);
        dims.kernel_h = if facts.kernel.len() < 2 { 1.0 } else { facts.kernel[facts.kernel.len() - 2] as f64 };
        if facts.kernel.is_empty() { 2 } else { facts.kernel.len() }
    }

    /// Fills the spatial extents of input and output; the product of the dimensions before the channels (the batch).
    fn spatial_extents(&self, dims: &mut OpDims, spatial: usize) -> f64 {
        let extent = |shape: Option<&[u64]>| {
            let inner = shape.and_then(|s| s.get(s.len().saturating_sub(spatial)..));
            inner.map_or(0.0, |s| s.iter().map(|&d| d as f64).product())
        };
        dims.in_spatial = extent(self.shape(self.operands[0]));
        dims.out_spatial = extent(self.out_shape());
        match self.shape(self.operands[0]) {
            Some(shape) if shape.len() > spatial => {
                shape[..shape.len() - spatial - 1].iter().map(|&d| d as f64).product()
            }
            _ => 1.0,
        }
    }
}
