//! Dimensions of attention as one operation.

use super::NodeView;
use crate::dims::OpDims;

impl NodeView<'_> {
    /// Sizes come from attributes that a fusion has set (`q_len`, `kv_len`, `head_dim`, `v_dim`, `heads`), else from the
    /// operands: (batch, heads, length, size), or (batch, length, heads·size) with the number of heads as an attribute, or
    /// packed into one as ONNX Runtime does it. Keys of before, a cache, are attended to as well.
    pub(super) fn attention(&self, dims: &mut OpDims) {
        let attrs = &self.node.attrs;
        let attr = |names: &[&str]| names.iter().find_map(|n| attrs.int(n)).filter(|&v| v > 0).map(|v| v as f64);
        let (q, k, v) = (self.shape(0), self.shape(1), self.shape(2));
        let given = attr(&["heads", "q_num_heads", "num_heads"]);
        let heads = given.or_else(|| q.filter(|s| s.len() > 3).map(|s| s[s.len() - 3] as f64)).unwrap_or(1.0);
        let kv_heads = attr(&["kv_num_heads"]).unwrap_or(heads);
        let operands = packed(q, k, v, heads + 2.0 * kv_heads).unwrap_or_else(|| Lengths {
            q_len: back(q, 2),
            kv_len: back(k, 2),
            head_dim: back(q, 1) / side_by_side(q, heads),
            v_dim: back(v, 1) / side_by_side(v, kv_heads),
        });
        let cached = self.past_slot().map_or(0.0, |slot| back(self.shape(slot), 2));
        dims.heads = heads;
        dims.q_len = attr(&["q_len"]).unwrap_or(operands.q_len);
        dims.kv_len = attr(&["kv_len"]).unwrap_or(operands.kv_len + cached);
        dims.head_dim = attr(&["head_dim"]).unwrap_or(operands.head_dim);
        dims.v_dim = attr(&["v_dim"]).unwrap_or(operands.v_dim);
        let out = self.node.outputs.first().map_or(0.0, |v| self.elems[v.index()]);
        let per_product = dims.q_len * dims.v_dim;
        dims.matmuls = if per_product > 0.0 { (out / per_product).round() } else { 0.0 };
        dims.m = dims.q_len;
        dims.n = dims.kv_len;
        dims.k = dims.head_dim;
        dims.axis_len = dims.kv_len;
    }

    /// The input with the keys of before, (batch, heads, length, size).
    fn past_slot(&self) -> Option<usize> {
        match self.node.op.name.as_str() {
            "Attention" => Some(4),
            "MultiHeadAttention" => Some(6),
            "GroupQueryAttention" => Some(3),
            _ => None,
        }
    }
}

struct Lengths {
    q_len: f64,
    kv_len: f64,
    head_dim: f64,
    v_dim: f64,
}

/// Operands that hold more than one of queries, keys and values: all in (batch, length, heads, 3, size) or (batch, length,
/// (heads + 2 · heads of keys) · size), or keys and values in (batch, length, heads, 2, size). `all_heads` are the heads of
/// queries, keys and values together.
fn packed(q: Option<&[u64]>, k: Option<&[u64]>, v: Option<&[u64]>, all_heads: f64) -> Option<Lengths> {
    let (q_len, kv_len, size) = match (q?, k, v) {
        (&[_, length, _, 3, size], None, None) => (length, length, size as f64),
        (&[_, length, wide], None, None) => (length, length, wide as f64 / all_heads),
        (&[_, q_len, _], Some(&[_, kv_len, _, 2, size]), None) => (q_len, kv_len, size as f64),
        _ => return None,
    };
    Some(Lengths { q_len: q_len as f64, kv_len: kv_len as f64, head_dim: size, v_dim: size })
}

/// The `i`-th dimension from the end; 0 without one.
fn back(shape: Option<&[u64]>, i: usize) -> f64 {
    shape.and_then(|s| s.len().checked_sub(i).map(|at| s[at] as f64)).unwrap_or(0.0)
}

/// In three dimensions the heads lie side by side in the innermost one.
fn side_by_side(shape: Option<&[u64]>, heads: f64) -> f64 {
    if shape.is_some_and(|s| s.len() == 3) { heads } else { 1.0 }
}
