//! The sum readout for many rows at once: rows of a graph lie in the lanes of the vectors.
//!
//! The same as `readout::sum`: `t = Σ_k s_k · exp(b_k + cap·tanh(f_k / cap))`,
//! `f = FC(silu(W_h h + W_p p + W_r r))`, where `W_h h` was computed with the trunk and `W_p p` with the platform.

use pulp::{Arch, Simd, WithSimd};

use super::simd::{PANEL, capped, exp, silu};
use crate::ops::N_TERMS;
use crate::roofline::N_PHYSICAL;

/// Weights of every member that act on each row and platform.
#[derive(Debug, Clone)]
pub(crate) struct Corrections {
    pub d: usize,
    pub cap: f32,
    /// (members, d): weights of the dimensionless numbers, then those of the four terms.
    pub units: Vec<Unit>,
    /// (members): bias of the deviation.
    pub bias: Vec<[f32; N_TERMS]>,
}

/// What one hidden unit reads and what it is read with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Unit {
    pub physical: [f32; N_PHYSICAL],
    pub out: [f32; N_TERMS],
}

/// The platform's part.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PlatformPart<'a> {
    /// (members, stride): added to each hidden unit; biases are in it.
    pub hidden: &'a [f32],
    pub stride: usize,
    /// (members): the platform's own share of each term, ln.
    pub base: &'a [[f32; N_TERMS]],
}

impl Corrections {
    /// Factors of the terms of every row.
    ///
    /// # Shapes
    /// nodes (members, d, lanes), physical (N_PHYSICAL, lanes) → factors (members, N_TERMS, lanes), lanes a multiple of
    /// [`PANEL`]
    pub fn factors(&self, arch: Arch, lanes: usize, nodes: &[f32], physical: &[f32], platform: PlatformPart<'_>, factors: &mut [f32]) {
        arch.dispatch(Factors { weights: self, lanes, nodes, physical, platform, factors });
    }
}

struct Factors<'a> {
    weights: &'a Corrections,
    lanes: usize,
    nodes: &'a [f32],
    physical: &'a [f32],
    platform: PlatformPart<'a>,
    factors: &'a mut [f32],
}

impl WithSimd for Factors<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        match S::F32_LANES {
            16 => self.run::<S, 1>(simd),
            8 => self.run::<S, 2>(simd),
            4 => self.run::<S, 4>(simd),
            _ => self.run::<S, 16>(simd),
        }
    }
}

impl Factors<'_> {
    #[inline(always)]
    fn run<S: Simd, const V: usize>(self, simd: S) {
        let Factors { weights, lanes, nodes, physical, platform, factors } = self;
        let members = nodes.chunks_exact(weights.d * lanes).zip(factors.chunks_exact_mut(N_TERMS * lanes));
        for (m, (nodes, factors)) in members.enumerate() {
            let units = &weights.units[m * weights.d..][..weights.d];
            let hidden = &platform.hidden[m * platform.stride..][..weights.d];
            for at in (0..lanes).step_by(PANEL) {
                let load = |from: &[f32], row: usize| -> [S::f32s; V] {
                    let vectors = S::as_simd_f32s(&from[row * lanes + at..][..PANEL]).0;
                    std::array::from_fn(|v| vectors[v])
                };
                let numbers: [[S::f32s; V]; N_PHYSICAL] = std::array::from_fn(|k| load(physical, k));
                let mut sums: [[S::f32s; V]; N_TERMS] =
                    std::array::from_fn(|t| [simd.splat_f32s(weights.bias[m][t]); V]);
                for (j, (unit, &own)) in units.iter().zip(hidden).enumerate() {
                    let mut h = load(nodes, j).map(|h| simd.add_f32s(h, simd.splat_f32s(own)));
                    for k in 0..N_PHYSICAL {
                        let w = simd.splat_f32s(unit.physical[k]);
                        for v in 0..V {
                            h[v] = simd.mul_add_e_f32s(numbers[k][v], w, h[v]);
                        }
                    }
                    let h = h.map(|h| silu(simd, h));
                    for t in 0..N_TERMS {
                        let w = simd.splat_f32s(unit.out[t]);
                        for v in 0..V {
                            sums[t][v] = simd.mul_add_e_f32s(h[v], w, sums[t][v]);
                        }
                    }
                }
                for (t, sums) in sums.into_iter().enumerate() {
                    let base = simd.splat_f32s(platform.base[m][t]);
                    let out = S::as_mut_simd_f32s(&mut factors[t * lanes + at..][..PANEL]).0;
                    for (out, sum) in out.iter_mut().zip(sums) {
                        *out = exp(simd, simd.add_f32s(base, capped(simd, sum, weights.cap)));
                    }
                }
            }
        }
    }
}
