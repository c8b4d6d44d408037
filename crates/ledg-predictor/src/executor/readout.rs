//! The sum readout for many rows at once: rows of a graph lie in the lanes of the vectors.
//!
//! The same as `readout::sum`: `t = Σ_k s_k · exp(b_k + cap·tanh(f_k / cap))`,
//! `f = FC(silu(W_h h + W_p p + W_r r))`, where `W_h h` was computed with the trunk and `W_p p` with the platform.

// Loops over constant bounds are unrolled into registers; iterators in their place were not, here and there.
#![allow(clippy::needless_range_loop)]

use pulp::{Arch, Simd, WithSimd};

use super::simd::{PANEL, capped, exp, silu};
use crate::ops::N_TERMS;
use crate::roofline::{N_PHYSICAL, SHARE};

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

    /// What the hidden units read of every row, but for its share of the graph's time: what stays when the rest of the graph
    /// changes.
    ///
    /// # Shapes
    /// nodes (blocks, members, d, PANEL), physical (blocks, N_PHYSICAL, PANEL) → own (blocks, members, d, PANEL)
    pub fn own_parts(&self, arch: Arch, nodes: &[f32], physical: &[f32], platform: PlatformPart<'_>, own: &mut [f32]) {
        arch.dispatch(OwnParts { weights: self, nodes, physical, platform, own });
    }

    /// [`Corrections::factors`], bit for bit, of rows whose own parts are known.
    ///
    /// # Shapes
    /// own (blocks, members, d, PANEL), share (blocks, PANEL) → factors (blocks, members, N_TERMS, PANEL)
    pub fn factors_of(&self, arch: Arch, own: &[f32], share: &[f32], base: &[[f32; N_TERMS]], factors: &mut [f32]) {
        arch.dispatch(Rest { weights: self, own, share, base, factors });
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

/// What `J` hidden units read, but for the one number that looks at the whole graph. Two at a time share what they load, and
/// hide each other's latencies.
#[inline(always)]
fn own_part<S: Simd, const V: usize, const J: usize>(
    simd: S,
    units: &[Unit],
    hidden: &[f32],
    nodes: &[f32],
    physical: &[f32],
) -> [[S::f32s; V]; J] {
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
        if k == SHARE {
            continue;
        }
        let numbers = load::<S, V>(simd, physical, k);
        for j in 0..J {
            let w = simd.splat_f32s(units[j].physical[k]);
            for v in 0..V {
                h[j][v] = simd.mul_add_e_f32s(numbers[v], w, h[j][v]);
            }
        }
    }
    h
}

/// Adds what hidden units give to the sums of the terms.
#[inline(always)]
fn hidden_units<S: Simd, const V: usize, const J: usize>(
    simd: S,
    units: &[Unit],
    mut h: [[S::f32s; V]; J],
    share: [S::f32s; V],
    sums: &mut [[S::f32s; V]; N_TERMS],
) {
    let units = &units[..J];
    for j in 0..J {
        let w = simd.splat_f32s(units[j].physical[SHARE]);
        for v in 0..V {
            h[j][v] = simd.mul_add_e_f32s(share[v], w, h[j][v]);
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
                let share = load::<S, V>(simd, physical, SHARE);
                let mut j = 0;
                while j + 2 <= d {
                    let (units, nodes) = (&units[j..], &nodes[j * PANEL..]);
                    let h = own_part::<S, V, 2>(simd, units, &hidden[j..], nodes, physical);
                    hidden_units(simd, units, h, share, &mut sums);
                    j += 2;
                }
                if j < d {
                    let (units, nodes) = (&units[j..], &nodes[j * PANEL..]);
                    let h = own_part::<S, V, 1>(simd, units, &hidden[j..], nodes, physical);
                    hidden_units(simd, units, h, share, &mut sums);
                }
                write(simd, weights.cap, &platform.base[m], &sums, &mut factors[m * N_TERMS * PANEL..]);
            }
        }
    }
}

/// Factors of the terms from the sums of the hidden units.
#[inline(always)]
fn write<S: Simd, const V: usize>(
    simd: S,
    cap: f32,
    base: &[f32; N_TERMS],
    sums: &[[S::f32s; V]; N_TERMS],
    factors: &mut [f32],
) {
    for t in 0..N_TERMS {
        let base = simd.splat_f32s(base[t]);
        let out = S::as_mut_simd_f32s(&mut factors[t * PANEL..][..PANEL]).0;
        for v in 0..V {
            out[v] = exp(simd, simd.add_f32s(base, capped(simd, sums[t][v], cap)));
        }
    }
}

/// The hidden units' own part of every row, to be kept: [`Corrections::own_parts`].
struct OwnParts<'a> {
    weights: &'a Corrections,
    nodes: &'a [f32],
    physical: &'a [f32],
    platform: PlatformPart<'a>,
    own: &'a mut [f32],
}

impl WithSimd for OwnParts<'_> {
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

impl OwnParts<'_> {
    #[inline(always)]
    fn run<S: Simd, const V: usize>(self, simd: S) {
        let OwnParts { weights, nodes, physical, platform, own } = self;
        let (d, members) = (weights.d, weights.bias.len());
        let blocks = nodes.chunks_exact(members * d * PANEL).zip(physical.chunks_exact(N_PHYSICAL * PANEL));
        for ((nodes, physical), own) in blocks.zip(own.chunks_exact_mut(members * d * PANEL)) {
            for m in 0..members {
                let hidden = &platform.hidden[m * platform.stride..][..d];
                for j in 0..d {
                    let at = (m * d + j) * PANEL;
                    let units = &weights.units[m * d + j..];
                    let [h] = own_part::<S, V, 1>(simd, units, &hidden[j..], &nodes[at..], physical);
                    let out = S::as_mut_simd_f32s(&mut own[at..at + PANEL]).0;
                    out[..V].copy_from_slice(&h);
                }
            }
        }
    }
}

/// The rest of [`Factors`], from own parts that were kept: [`Corrections::factors_of`].
struct Rest<'a> {
    weights: &'a Corrections,
    own: &'a [f32],
    share: &'a [f32],
    base: &'a [[f32; N_TERMS]],
    factors: &'a mut [f32],
}

impl WithSimd for Rest<'_> {
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

impl Rest<'_> {
    #[inline(always)]
    fn run<S: Simd, const V: usize>(self, simd: S) {
        let Rest { weights, own, share, base, factors } = self;
        let (d, members) = (weights.d, weights.bias.len());
        let blocks = own.chunks_exact(members * d * PANEL).zip(share.chunks_exact(PANEL));
        for ((own, share), factors) in blocks.zip(factors.chunks_exact_mut(members * N_TERMS * PANEL)) {
            let share = load::<S, V>(simd, share, 0);
            for m in 0..members {
                let units = &weights.units[m * d..][..d];
                let own = &own[m * d * PANEL..][..d * PANEL];
                let mut sums = [[simd.splat_f32s(0.0); V]; N_TERMS];
                for t in 0..N_TERMS {
                    sums[t] = [simd.splat_f32s(weights.bias[m][t]); V];
                }
                let mut j = 0;
                while j + 2 <= d {
                    let h = [load::<S, V>(simd, own, j), load::<S, V>(simd, own, j + 1)];
                    hidden_units(simd, &units[j..], h, share, &mut sums);
                    j += 2;
                }
                if j < d {
                    hidden_units(simd, &units[j..], [load::<S, V>(simd, own, j)], share, &mut sums);
                }
                write(simd, weights.cap, &base[m], &sums, &mut factors[m * N_TERMS * PANEL..]);
            }
        }
    }
}
