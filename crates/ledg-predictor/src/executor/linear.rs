//! Linear layers of several members at once: `y = x Wᵀ + b` over rows, weights packed in panels.
//!
//! **Invariant:** a row's sum runs over its inputs in ascending order whatever rows are beside it.

// As in `readout`: loops over constant bounds are unrolled into registers.
#![allow(clippy::needless_range_loop, clippy::manual_memcpy)]

use pulp::{Arch, Simd, WithSimd};

use super::simd::{PANEL, padded, silu};

/// What becomes of the product.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Then {
    /// Stored.
    Set,
    /// Stored after `silu`.
    Silu,
    /// Added to what is there.
    Add,
}

/// Rows within a buffer: the width of a row, and where in it a block begins.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Block {
    pub stride: usize,
    pub offset: usize,
}

/// A packed linear layer.
#[derive(Debug, Clone)]
pub(crate) struct Linear {
    d_in: usize,
    /// Multiple of [`PANEL`].
    d_out: usize,
    /// By panel: (d_in, PANEL).
    weights: Vec<f32>,
    bias: Vec<f32>,
}

/// One layer of a member: weights (out, in) by rows, bias (out).
#[derive(Debug, Clone)]
pub(crate) struct Dense {
    pub weight: Vec<Vec<f32>>,
    pub bias: Vec<f32>,
}

impl Linear {
    /// Packs layers that read the same input side by side, each padded to a multiple of [`PANEL`].
    pub fn side_by_side(layers: &[Dense]) -> Self {
        let d_in = layers[0].weight[0].len();
        let (mut weights, mut bias) = (Vec::new(), Vec::new());
        for layer in layers {
            let d_out = layer.bias.len();
            for panel in (0..padded(d_out)).step_by(PANEL) {
                for k in 0..d_in {
                    weights.extend((panel..panel + PANEL).map(|o| layer.weight.get(o).map_or(0.0, |row| row[k])));
                }
                bias.extend((panel..panel + PANEL).map(|o| layer.bias.get(o).copied().unwrap_or(0.0)));
            }
        }
        Linear { d_in, d_out: bias.len(), weights, bias }
    }

    /// Width of the output, a multiple of [`PANEL`].
    pub fn d_out(&self) -> usize {
        self.d_out
    }

    /// # Shapes
    /// x (rows, d_in) at its block → y (rows, d_out) at its block
    pub fn apply(&self, arch: Arch, rows: usize, x: (&[f32], Block), y: (&mut [f32], Block), then: Then) {
        arch.dispatch(Apply { layer: self, rows, x: x.0, xb: x.1, y: y.0, yb: y.1, then });
    }
}

struct Apply<'a> {
    layer: &'a Linear,
    rows: usize,
    x: &'a [f32],
    xb: Block,
    y: &'a mut [f32],
    yb: Block,
    then: Then,
}

impl WithSimd for Apply<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        match S::F32_LANES {
            16 => self.panels::<S, 1>(simd),
            8 => self.panels::<S, 2>(simd),
            4 => self.panels::<S, 4>(simd),
            _ => self.panels::<S, 16>(simd),
        }
    }
}

impl Apply<'_> {
    #[inline(always)]
    fn panels<S: Simd, const V: usize>(mut self, simd: S) {
        let d_in = self.layer.d_in;
        for (p, panel) in self.layer.weights.chunks_exact(d_in * PANEL).enumerate() {
            let mut row = 0;
            while row < self.rows {
                row += match self.rows - row {
                    1 => self.block::<S, V, 1>(simd, p, panel, row),
                    2 => self.block::<S, V, 2>(simd, p, panel, row),
                    3 => self.block::<S, V, 3>(simd, p, panel, row),
                    4 => self.block::<S, V, 4>(simd, p, panel, row),
                    5 => self.block::<S, V, 5>(simd, p, panel, row),
                    _ => self.block::<S, V, 6>(simd, p, panel, row),
                };
            }
        }
    }

    /// `R` rows against one panel of `V` vectors.
    #[inline(always)]
    fn block<S: Simd, const V: usize, const R: usize>(
        &mut self,
        simd: S,
        p: usize,
        panel: &[f32],
        row: usize,
    ) -> usize {
        let d_in = self.layer.d_in;
        let mut x: [&[f32]; R] = [&[]; R];
        for r in 0..R {
            x[r] = &self.x[(row + r) * self.xb.stride + self.xb.offset..][..d_in];
        }
        let bias = S::as_simd_f32s(&self.layer.bias[p * PANEL..][..PANEL]).0;
        let mut sums = [[simd.splat_f32s(0.0); V]; R];
        // By index: sums whose address an iterator takes are stored in each round.
        for r in 0..R {
            for v in 0..V {
                sums[r][v] = bias[v];
            }
        }
        // Of one length, so that the compiler need not check what it reads.
        let panel = &panel.as_chunks::<PANEL>().0[..d_in];
        for k in 0..d_in {
            let w = &S::as_simd_f32s(&panel[k]).0[..V];
            for r in 0..R {
                let input = simd.splat_f32s(x[r][k]);
                for v in 0..V {
                    sums[r][v] = simd.mul_add_e_f32s(w[v], input, sums[r][v]);
                }
            }
        }
        for r in 0..R {
            let at = (row + r) * self.yb.stride + self.yb.offset + p * PANEL;
            let y = &mut S::as_mut_simd_f32s(&mut self.y[at..at + PANEL]).0[..V];
            for v in 0..V {
                y[v] = match self.then {
                    Then::Set => sums[r][v],
                    Then::Silu => silu(simd, sums[r][v]),
                    Then::Add => simd.add_f32s(y[v], sums[r][v]),
                };
            }
        }
        R
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Layers of 3 inputs to 2 and to 1 outputs, over more rows than a block has.
    #[test]
    fn rows_are_products_plus_bias() {
        let a = Dense { weight: vec![vec![1.0, 2.0, 3.0], vec![0.0, -1.0, 0.5]], bias: vec![10.0, 20.0] };
        let b = Dense { weight: vec![vec![2.0, 0.0, 0.0]], bias: vec![-1.0] };
        let layer = Linear::side_by_side(&[a, b]);
        assert_eq!(layer.d_out(), 2 * PANEL);
        let rows = 13;
        let x: Vec<f32> = (0..rows * 4).map(|i| i as f32).collect();
        let mut y = vec![1.0; rows * 2 * PANEL];
        let (xb, yb) = (Block { stride: 4, offset: 1 }, Block { stride: 2 * PANEL, offset: 0 });
        layer.apply(Arch::new(), rows, (&x, xb), (&mut y, yb), Then::Add);
        for r in 0..rows {
            let [x0, x1, x2] = [1, 2, 3].map(|i| x[r * 4 + i]);
            let y = &y[r * 2 * PANEL..][..2 * PANEL];
            assert_eq!(y[0], 1.0 + 10.0 + x0 + 2.0 * x1 + 3.0 * x2);
            assert_eq!(y[1], 1.0 + 20.0 - x1 + 0.5 * x2);
            assert_eq!(y[2], 1.0, "padding stays");
            assert_eq!(y[PANEL], 1.0 - 1.0 + 2.0 * x0);
        }
    }
}
