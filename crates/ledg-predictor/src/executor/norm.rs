//! Layer normalisation of every member's block of a row.

use pulp::{Arch, Simd, WithSimd};

use super::simd::padded;

/// Scale and shift of every member.
#[derive(Debug, Clone)]
pub(crate) struct Norm {
    d: usize,
    /// (members, padded d), zeros in the padding.
    scale: Vec<f32>,
    shift: Vec<f32>,
}

impl Norm {
    /// From the members' (scale, shift), each (d).
    pub fn new(members: &[(Vec<f32>, Vec<f32>)]) -> Self {
        let d = members[0].0.len();
        let pad = |v: &Vec<f32>| v.iter().copied().chain(std::iter::repeat(0.0)).take(padded(d)).collect::<Vec<f32>>();
        Norm {
            d,
            scale: members.iter().flat_map(|m| pad(&m.0)).collect(),
            shift: members.iter().flat_map(|m| pad(&m.1)).collect(),
        }
    }

    /// # Shapes
    /// x (rows, members · padded d) → y, the same
    pub fn apply(&self, arch: Arch, x: &[f32], y: &mut [f32]) {
        arch.dispatch(Apply { norm: self, x, y });
    }
}

struct Apply<'a> {
    norm: &'a Norm,
    x: &'a [f32],
    y: &'a mut [f32],
}

impl WithSimd for Apply<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let width = self.norm.scale.len();
        let block = padded(self.norm.d);
        for (x, y) in self.x.chunks_exact(width).zip(self.y.chunks_exact_mut(width)) {
            let members = x.chunks_exact(block).zip(y.chunks_exact_mut(block));
            for ((x, y), at) in members.zip((0..width).step_by(block)) {
                self.norm.row(simd, x, y, at);
            }
        }
    }
}

impl Norm {
    #[inline(always)]
    fn row<S: Simd>(&self, simd: S, x: &[f32], y: &mut [f32], at: usize) {
        let n = self.d as f32;
        // The padding of x is zero: it adds nothing to the sum; its part of the squares is taken off again.
        let (x, _) = S::as_simd_f32s(x);
        let mut sum = simd.splat_f32s(0.0);
        for &x in x {
            sum = simd.add_f32s(sum, x);
        }
        let mean = simd.reduce_sum_f32s(sum) / n;
        let centre = simd.splat_f32s(mean);
        let mut squares = simd.splat_f32s(0.0);
        for &x in x {
            let c = simd.sub_f32s(x, centre);
            squares = simd.mul_add_e_f32s(c, c, squares);
        }
        let padding = (padded(self.d) - self.d) as f32;
        let variance = ((simd.reduce_sum_f32s(squares) - padding * mean * mean) / n).max(0.0);
        let inverse = simd.splat_f32s(1.0 / (variance + EPSILON).sqrt());
        let (scale, _) = S::as_simd_f32s(&self.scale[at..]);
        let (shift, _) = S::as_simd_f32s(&self.shift[at..]);
        let (y, _) = S::as_mut_simd_f32s(y);
        for (((y, &x), &scale), &shift) in y.iter_mut().zip(x).zip(scale).zip(shift) {
            let normal = simd.mul_f32s(simd.sub_f32s(x, centre), inverse);
            *y = simd.mul_add_e_f32s(normal, scale, shift);
        }
    }
}

/// As in `layers::LayerNorm`.
const EPSILON: f32 = 1e-5;
