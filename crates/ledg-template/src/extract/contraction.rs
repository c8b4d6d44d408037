//! Dimensions of matrix products: MatMul, Gemm, Einsum and recurrent cells.
//!
//! All fill `matmuls`, `m`, `n`, `k` such that their product is the number of multiply-adds.

use super::NodeView;
use crate::dims::OpDims;

fn product(dims: &[u64]) -> f64 {
    dims.iter().map(|&d| d as f64).product()
}

impl NodeView<'_> {
    /// (…, m, k) x (…, k, n); leading dimensions broadcast; a rank-1 operand is a row or a column. ONNX Runtime's
    /// `FusedMatMul` may read its operands otherwise: `transA`, `transB` swap the last two dimensions, before that
    /// `transBatchA`, `transBatchB` move the first one before the last.
    pub(super) fn matmul(&self, dims: &mut OpDims) {
        let operand = |slot: usize, batch: &str, plain: &str| {
            let mut shape = self.shape(self.operands[slot])?.to_vec();
            let (rank, is_set) = (shape.len(), |name| self.node.attrs.int(name).unwrap_or(0) != 0);
            if rank > 2 && is_set(batch) {
                shape[..rank - 1].rotate_left(1);
            }
            if rank > 1 && is_set(plain) {
                shape.swap(rank - 1, rank - 2);
            }
            Some(shape)
        };
        let (Some(a), Some(b)) = (operand(0, "transBatchA", "transA"), operand(1, "transBatchB", "transB")) else {
            return;
        };
        let (Some(&k), false) = (a.last(), b.is_empty()) else { return };
        let (a_lead, m) = if a.len() > 1 { (&a[..a.len() - 2], a[a.len() - 2]) } else { (&a[..0], 1) };
        let (b_lead, n) = if b.len() > 1 { (&b[..b.len() - 2], b[b.len() - 1]) } else { (&b[..0], 1) };
        dims.k = k as f64;
        dims.m = m as f64;
        dims.n = n as f64;
        dims.matmuls = broadcast(a_lead, b_lead);
        if b_lead.iter().all(|&d| d == 1) {
            // One matrix serves all: the rows of the batch make one tall product.
            dims.m *= product(a_lead);
            dims.matmuls = 1.0;
        }
    }

    /// `transA`, `transB` swap the operands' dimensions.
    pub(super) fn gemm(&self, dims: &mut OpDims) {
        let swapped = |name| self.node.attrs.int(name).unwrap_or(0) != 0;
        let (Some(&[a0, a1]), Some(&[b0, b1])) = (self.shape(self.operands[0]), self.shape(self.operands[1])) else {
            return;
        };
        let (m, k) = if swapped("transA") { (a1, a0) } else { (a0, a1) };
        let n = if swapped("transB") { b0 } else { b1 };
        (dims.m, dims.n, dims.k, dims.matmuls) = (m as f64, n as f64, k as f64, 1.0);
    }

    /// Letters in both operands and the output are batch, in one operand rows or columns, the rest is contracted.
    pub(super) fn einsum(&self, dims: &mut OpDims) {
        let Some(equation) = self.node.attrs.str("equation") else { return };
        let equation: String = equation.chars().filter(|c| !c.is_whitespace()).collect();
        let (left, right) = equation.split_once("->").unwrap_or((&equation, ""));
        let mut sizes: Vec<(char, f64, usize)> = Vec::new();
        for (slot, term) in left.split(',').enumerate() {
            let Some(shape) = self.shape(slot) else { return };
            let named = term.chars().filter(char::is_ascii_alphabetic).count();
            let Some(ellipsis) = shape.len().checked_sub(named) else { return };
            // The dimensions that an ellipsis stands for are batch; one pseudo-letter holds their product.
            let mut place = 0;
            let mut rest = term;
            while let Some(c) = rest.chars().next() {
                let (letter, width) = if c == '.' { ('.', ellipsis) } else { (c, 1) };
                rest = rest.get(if c == '.' { 3 } else { c.len_utf8() }..).unwrap_or_default();
                let Some(span) = shape.get(place..place + width) else { return };
                place += width;
                match sizes.iter_mut().find(|(l, ..)| *l == letter) {
                    Some((_, size, operands)) => {
                        *size = size.max(product(span));
                        *operands |= 1 << slot.min(1);
                    }
                    None => sizes.push((letter, product(span), 1 << slot.min(1))),
                }
            }
        }
        (dims.matmuls, dims.m, dims.n, dims.k) = (1.0, 1.0, 1.0, 1.0);
        for (letter, size, operands) in sizes {
            match (right.contains(letter), operands) {
                (true, 0b11) => dims.matmuls *= size,
                (true, 0b01) => dims.m *= size,
                (true, _) => dims.n *= size,
                (false, _) => dims.k *= size,
            }
        }
    }

    /// A step multiplies input and state by W and R: (batch, size + hidden) x (size + hidden, gates·hidden).
    pub(super) fn recurrent(&self, dims: &mut OpDims) {
        let (Some(&[x0, x1, size]), Some(&[directions, gates, _]), Some(&[_, _, hidden])) =
            (self.shape(0), self.shape(1), self.shape(2))
        else {
            return;
        };
        let (steps, batch) = if self.node.attrs.int("layout").unwrap_or(0) == 0 { (x0, x1) } else { (x1, x0) };
        dims.steps = steps as f64;
        dims.hidden = hidden as f64;
        dims.directions = directions as f64;
        dims.m = batch as f64;
        dims.n = gates as f64;
        dims.k = (size + hidden) as f64;
        dims.matmuls = dims.steps * dims.directions;
    }
}

/// Number of products of two lists of leading dimensions, aligned at their ends.
fn broadcast(a: &[u64], b: &[u64]) -> f64 {
    let at = |s: &[u64], back: usize| s.len().checked_sub(back).map_or(1, |i| s[i]);
    (1..=a.len().max(b.len())).map(|back| at(a, back).max(at(b, back)) as f64).product()
}
