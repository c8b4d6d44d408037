//! Dimensions of attention as one operation.

use super::NodeView;
use crate::dims::OpDims;

impl NodeView<'_> {
    /// Sizes come from attributes that a fusion has set (`q_len`, `kv_len`, `head_dim`, `v_dim`, `heads`), else from the
    /// operands: (batch, heads, length, size), or (batch, length, heads·size) with the number of heads as an attribute.
    pub(super) fn attention(&self, dims: &mut OpDims) {
        let attrs = &self.node.attrs;
        let attr = |names: &[&str]| names.iter().find_map(|n| attrs.int(n)).filter(|&v| v > 0).map(|v| v as f64);
        let (q, k, v) = (self.shape(0), self.shape(1), self.shape(2));
        let given = attr(&["heads", "q_num_heads", "num_heads"]);
        let heads = given.or_else(|| q.filter(|s| s.len() > 3).map(|s| s[s.len() - 3] as f64)).unwrap_or(1.0);
        let kv_heads = attr(&["kv_num_heads"]).unwrap_or(heads);
        let back = |shape: Option<&[u64]>, i: usize| {
            shape.and_then(|s| s.len().checked_sub(i).map(|at| s[at] as f64)).unwrap_or(0.0)
        };
        // In three dimensions the heads lie side by side in the innermost one.
        let side_by_side =
            |shape: Option<&[u64]>, heads: f64| if shape.is_some_and(|s| s.len() == 3) { heads } else { 1.0 };
        dims.heads = heads;
        dims.q_len = attr(&["q_len"]).unwrap_or_else(|| back(q, 2));
        dims.kv_len = attr(&["kv_len"]).unwrap_or_else(|| back(k, 2));
        dims.head_dim = attr(&["head_dim"]).unwrap_or_else(|| back(q, 1) / side_by_side(q, heads));
        dims.v_dim = attr(&["v_dim"]).unwrap_or_else(|| back(v, 1) / side_by_side(v, kv_heads));
        let out = self.node.outputs.first().map_or(0.0, |v| self.elems[v.index()]);
        let per_product = dims.q_len * dims.v_dim;
        dims.matmuls = if per_product > 0.0 { (out / per_product).round() } else { 0.0 };
        dims.m = dims.q_len;
        dims.n = dims.kv_len;
        dims.k = dims.head_dim;
        dims.axis_len = dims.kv_len;
    }
}
