//! The sum readout for many rows at once: rows of a graph lie in the lanes of the vectors.
//!
//! The same as `readout::sum`: `t = Σ_k s_k · exp(b_k + cap·tanh(f_k / cap))`,
//! `f = FC(silu(W_h h + W_p p + W_r r))`, where `W_h h` was computed with the trunk and `W_p p` with the platform.

// Loops over constant bounds are unrolled into registers; iterators in their place were not, here and there.
#![allow(clippy::needless_range_loop)]

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
    /// Factors of the terms of every row. Rows lie in blocks of [`PANEL`] lanes.
    ///
    /// # Shapes
    /// nodes (blocks, members, d, PANEL), physical (blocks, N_PHYSICAL, PANEL) → factors (blocks, members, N_TERMS, PANEL)
    pub fn factors(
        &self,
        arch: Arch,
        nodes: &[f32],
        physical: &[f32],
        platform: PlatformPart<'_>,
        factors: &mut [f32],
    ) {
        arch.dispatch(Factors { weights: self, nodes, physical, platform, factors });
    }
}

struct Factors<'a> {
    weights: &'a Corrections,
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

/// The vectors of one row of lanes.
#[inline(always)]
fn load<S: Simd, const V: usize>(simd: S, from: &[f32], row: usize) -> [S::f32s; V] {
    let vectors = S::as_simd_f32s(&from[row * PANEL..][..PANEL]).0;
    let mut out = [simd.splat_f32s(0.0); V];
    out.copy_from_slice(&vectors[..V]);
    out
}

/// Adds what `J` hidden units give to the sums of the terms. Two at a time share what they load, and hide each other's
/// latencies.
#[inline(always)]
fn hidden_units<S: Simd, const V: usize, const J: usize>(
    simd: S,
    units: &[Unit],
    hidden: &[f32],
    nodes: &[f32],
    physical: &[f32],
    sums: &mut [[S::f32s; V]; N_TERMS],
) {
    let (units, hidden, nodes) = (&units[..J], &hidden[..J], &nodes[..J * PANEL]);
    let physical = &physical[..N_PHYSICAL * PANEL];
    let mut h = [[simd.splat_f32s(0.0); V]; J];
    for j in 0..J {
        h[j] = load::<S, V>(simd, nodes, j);
        let own = simd.splat_f32s(hidden[j]);
        for v in 0..V {
            h[j][v] = simd.add_f32s(h[j][v], own);
        }
    }
    for k in 0..N_PHYSICAL {
        let numbers = load::<S, V>(simd, physical, k);
        for j in 0..J {
            let w = simd.splat_f32s(units[j].physical[k]);
            for v in 0..V {
                h[j][v] = simd.mul_add_e_f32s(numbers[v], w, h[j][v]);
            }
        }
    }
    for j in 0..J {
        for v in 0..V {
            h[j][v] = silu(simd, h[j][v]);
        }
    }
    for t in 0..N_TERMS {
        for j in 0..J {
            let w = simd.splat_f32s(units[j].out[t]);
            for v in 0..V {
                sums[t][v] = simd.mul_add_e_f32s(h[j][v], w, sums[t][v]);
            }
        }
    }
}

impl Factors<'_> {
    // No closures in here: they would be compiled without the instruction set that this function is compiled for.
    #[inline(always)]
    fn run<S: Simd, const V: usize>(self, simd: S) {
        let Factors { weights, nodes, physical, platform, factors } = self;
        let (d, members) = (weights.d, weights.bias.len());
        let blocks = nodes.chunks_exact(members * d * PANEL).zip(physical.chunks_exact(N_PHYSICAL * PANEL));
        for ((nodes, physical), factors) in blocks.zip(factors.chunks_exact_mut(members * N_TERMS * PANEL)) {
            for m in 0..members {
                let units = &weights.units[m * d..][..d];
                let hidden = &platform.hidden[m * platform.stride..][..d];
                let nodes = &nodes[m * d * PANEL..][..d * PANEL];
                let mut sums = [[simd.splat_f32s(0.0); V]; N_TERMS];
                for t in 0..N_TERMS {
                    sums[t] = [simd.splat_f32s(weights.bias[m][t]); V];
                }
                let mut j = 0;
                while j + 2 <= d {
                    hidden_units::<S, V, 2>(simd, &units[j..], &hidden[j..], &nodes[j * PANEL..], physical, &mut sums);
                    j += 2;
                }
                if j < d {
                    hidden_units::<S, V, 1>(simd, &units[j..], &hidden[j..], &nodes[j * PANEL..], physical, &mut sums);
                }
                for t in 0..N_TERMS {
                    let base = simd.splat_f32s(platform.base[m][t]);
                    let at = (m * N_TERMS + t) * PANEL;
                    let out = S::as_mut_simd_f32s(&mut factors[at..at + PANEL]).0;
                    for v in 0..V {
                        out[v] = exp(simd, simd.add_f32s(base, capped(simd, sums[t][v], weights.cap)));
                    }
                }
            }
        }
    }
}
