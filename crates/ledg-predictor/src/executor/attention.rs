//! Equations (3)-(8) for rows of several members at once: attention over each mask's neighbours, mixed by the dynamic
//! weights. The same as `dgsa`, `dynamic_weights` and `ops::attention`, without tensors.
//!
//! With `FC([x ; mean of fathers]) = U x + mean over fathers of (V x)`, the dynamic weights need two small projections of
//! each row, which stand beside its queries, keys and values.

// As in `linear`: what takes the address of vectors keeps them out of registers, and iterators may.
#![allow(clippy::needless_range_loop)]

use pulp::{Arch, Simd, WithSimd};

use super::levels::MAX_MASKS;
use super::simd::{PANEL, exp_all, padded};

/// Rows among which those that are heard through several masks are found.
const SEARCHED: usize = 32;

/// Where the parts of a row's projections are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Widths {
    pub d: usize,
    pub n_heads: usize,
    pub n_masks: usize,
    pub members: usize,
    /// Whether masks are mixed by learned weights; otherwise all weigh the same.
    pub dynamic: bool,
}

impl Widths {
    /// Width of one member's vector.
    pub fn block(&self) -> usize {
        padded(self.d)
    }

    /// Width of one member's projections: queries, keys, values, and the dynamic weights' two parts or nothing in their place, so that
    /// whole vectors can be read to the end of the last head.
    pub fn projected(&self) -> usize {
        3 * self.block() + if self.dynamic { padded(2 * self.n_masks) } else { PANEL }
    }
}

/// For each row to be computed: whom it hears, by mask, and its fathers; as rows of the level below.
#[derive(Debug, Default)]
pub(crate) struct Lists {
    /// Each once, as far as they are few, the row itself first.
    pub distinct: Vec<u32>,
    /// End of each row's part of `distinct`.
    distinct_ends: Vec<u32>,
    /// (place in the row's part of `distinct`, ln of how many nodes it stands for), the row itself among them.
    columns: Vec<(u32, f32)>,
    /// End of each mask's part of `columns`, (rows, n_masks).
    ends: Vec<u32>,
    pub fathers: Vec<u32>,
    /// End of each row's part of `fathers`.
    father_ends: Vec<u32>,
    scratch: Scratch,
}

/// Memory that is used again, of one member of one row.
#[derive(Debug, Default)]
struct Scratch {
    /// Queries, each head's rest filled with zeros.
    query: Vec<f32>,
    /// (distinct, heads)
    dots: Vec<f32>,
    weights: Vec<f32>,
    /// (columns, heads)
    logits: Vec<f32>,
    out: Vec<f32>,
}

impl Lists {
    pub fn clear(&mut self) {
        self.distinct.clear();
        self.distinct_ends.clear();
        self.columns.clear();
        self.ends.clear();
        self.fathers.clear();
        self.father_ends.clear();
    }

    /// Begins a row.
    pub fn begin(&mut self, own: u32) {
        self.distinct.push(own);
    }

    /// Ends one mask of the current row: its neighbours as (colour, row), the row itself among them. Sorted by colour,
    /// because that does not depend on what else the store holds.
    pub fn end_mask(&mut self, neighbours: &mut [(u64, u32)]) {
        neighbours.sort_unstable();
        let first = self.distinct_ends.last().map_or(0, |&end| end as usize);
        for same in neighbours.chunk_by(|a, b| a.1 == b.1) {
            let row = same[0].1;
            // Most hear few others; of those who hear many, one that stands there twice is summed twice.
            let place = self.distinct[first..].iter().take(SEARCHED).position(|&d| d == row).unwrap_or_else(|| {
                self.distinct.push(row);
                self.distinct.len() - 1 - first
            });
            self.columns.push((place as u32, if same.len() == 1 { 0.0 } else { (same.len() as f32).ln() }));
        }
        self.ends.push(self.columns.len() as u32);
    }

    /// Ends a row whose fathers are in their place.
    pub fn end(&mut self) {
        self.distinct_ends.push(self.distinct.len() as u32);
        self.father_ends.push(self.fathers.len() as u32);
    }
}

/// # Shapes
/// projections (rows below, members · projected) → out (rows, members · block)
pub(crate) fn attend(arch: Arch, widths: Widths, lists: &mut Lists, projected: &[f32], out: &mut [f32]) {
    arch.dispatch(Attend { widths, lists, projected, out });
}

struct Attend<'a> {
    widths: Widths,
    lists: &'a mut Lists,
    projected: &'a [f32],
    out: &'a mut [f32],
}

impl WithSimd for Attend<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let w = self.widths;
        let mut scratch = std::mem::take(&mut self.lists.scratch);
        let (mut from, mut father_from, mut distinct_from) = (0, 0, 0);
        for (i, out) in self.out.chunks_exact_mut(w.members * w.block()).enumerate() {
            let ends = &self.lists.ends[i * w.n_masks..][..w.n_masks];
            let to = ends.last().map_or(from, |&e| e as usize);
            let father_to = self.lists.father_ends[i] as usize;
            let distinct_to = self.lists.distinct_ends[i] as usize;
            let row = Row {
                widths: w,
                distinct: &self.lists.distinct[distinct_from..distinct_to],
                columns: &self.lists.columns[from..to],
                from,
                ends,
                fathers: &self.lists.fathers[father_from..father_to],
                projected: self.projected,
            };
            for (m, out) in out.chunks_exact_mut(w.block()).enumerate() {
                row.member(simd, m, &mut scratch, out);
            }
            (from, father_from, distinct_from) = (to, father_to, distinct_to);
        }
        self.lists.scratch = scratch;
    }
}

struct Row<'a> {
    widths: Widths,
    distinct: &'a [u32],
    columns: &'a [(u32, f32)],
    /// Where `columns` begins; `ends` count from the lists' start.
    from: usize,
    ends: &'a [u32],
    fathers: &'a [u32],
    projected: &'a [f32],
}

impl Row<'_> {
    /// Part `part` (queries, keys, values, dynamic weights) of a row's projections, and what follows it there.
    #[inline(always)]
    fn part(&self, row: u32, member: usize, part: usize) -> &[f32] {
        let w = &self.widths;
        let at = (row as usize * w.members + member) * w.projected();
        &self.projected[at + part * w.block()..at + w.projected()]
    }

    #[inline(always)]
    fn member<S: Simd>(&self, simd: S, m: usize, scratch: &mut Scratch, out: &mut [f32]) {
        self.dots(simd, m, scratch);
        // Constant where it is usual, so that what runs over heads runs in registers.
        match self.widths.n_heads {
            4 => self.softmax(simd, m, 4, scratch),
            heads => self.softmax(simd, m, heads, scratch),
        }
        self.values(simd, m, scratch, out);
    }

    /// Products of the row's query and the keys, by head.
    #[inline(always)]
    fn dots<S: Simd>(&self, simd: S, m: usize, scratch: &mut Scratch) {
        let w = &self.widths;
        let (heads, dh) = (w.n_heads, w.d / w.n_heads);
        let wide = dh.next_multiple_of(S::F32_LANES);
        let Scratch { query, dots, .. } = scratch;
        query.resize(heads * wide, 0.0);
        let own = self.part(self.distinct[0], m, 0);
        let scale = 1.0 / (dh as f32).sqrt();
        for h in 0..heads {
            for i in 0..dh {
                query[h * wide + i] = own[h * dh + i] * scale;
            }
            for i in dh..wide {
                query[h * wide + i] = 0.0;
            }
        }
        dots.resize(self.distinct.len() * heads, 0.0);
        for (c, dots) in dots.chunks_exact_mut(heads).enumerate() {
            let k = self.part(self.distinct[c], m, 1);
            for h in 0..heads {
                let q = S::as_simd_f32s(&query[h * wide..][..wide]).0;
                let k = &S::as_simd_f32s(&k[h * dh..][..wide]).0[..q.len()];
                let mut sum = simd.mul_f32s(q[0], k[0]);
                for i in 1..q.len() {
                    sum = simd.mul_add_e_f32s(q[i], k[i], sum);
                }
                dots[h] = simd.reduce_sum_f32s(sum);
            }
        }
    }

    /// What each of `distinct` weighs by head, over all masks.
    #[inline(always)]
    fn softmax<S: Simd>(&self, simd: S, m: usize, heads: usize, scratch: &mut Scratch) {
        let Scratch { dots, weights, logits, .. } = scratch;
        let mut mix = [0.0; MAX_MASKS];
        self.mix(m, &mut mix[..self.widths.n_masks]);
        logits.resize((self.columns.len() * heads).next_multiple_of(PANEL), 0.0);
        let mut start = 0;
        for &end in self.ends {
            let end = end as usize - self.from;
            for h in 0..heads {
                let mut max = f32::NEG_INFINITY;
                for c in start..end {
                    let (place, ln_count) = self.columns[c];
                    let logit = dots[place as usize * heads + h] + ln_count;
                    logits[c * heads + h] = logit;
                    max = max.max(logit);
                }
                for c in start..end {
                    logits[c * heads + h] -= max;
                }
            }
            start = end;
        }
        exp_all(simd, logits);
        weights.clear();
        weights.resize(self.distinct.len() * heads, 0.0);
        let mut start = 0;
        for (&end, mix) in self.ends.iter().zip(mix) {
            let end = end as usize - self.from;
            for h in 0..heads {
                let mut total = 0.0;
                for c in start..end {
                    total += logits[c * heads + h];
                }
                let share = mix / total;
                for c in start..end {
                    weights[self.columns[c].0 as usize * heads + h] += share * logits[c * heads + h];
                }
            }
            start = end;
        }
    }

    /// The sum of the values, by what they weigh.
    #[inline(always)]
    fn values<S: Simd>(&self, simd: S, m: usize, scratch: &mut Scratch, out: &mut [f32]) {
        let w = &self.widths;
        let (heads, dh) = (w.n_heads, w.d / w.n_heads);
        let wide = dh.next_multiple_of(S::F32_LANES);
        let Scratch { weights, out: sums, .. } = scratch;
        sums.resize((heads - 1) * dh + wide, 0.0);
        // Whole vectors: what one head writes beyond its end, the next one overwrites.
        for h in 0..heads {
            for i in (0..wide).step_by(S::F32_LANES) {
                let at = h * dh + i;
                let mut sum = simd.splat_f32s(0.0);
                for (c, &row) in self.distinct.iter().enumerate() {
                    let v = S::as_simd_f32s(&self.part(row, m, 2)[at..at + S::F32_LANES]).0[0];
                    sum = simd.mul_add_e_f32s(simd.splat_f32s(weights[c * heads + h]), v, sum);
                }
                S::as_mut_simd_f32s(&mut sums[at..at + S::F32_LANES]).0[0] = sum;
            }
        }
        out[..w.d].copy_from_slice(&sums[..w.d]);
        out[w.d..].fill(0.0);
    }

    /// Equations (3) and (4): the weight of each mask.
    #[inline(always)]
    fn mix(&self, m: usize, mix: &mut [f32]) {
        let n = mix.len();
        if !self.widths.dynamic {
            mix.fill(1.0 / n as f32);
            return;
        }
        for &father in self.fathers {
            let part = &self.part(father, m, 3)[n..];
            mix.iter_mut().zip(part).for_each(|(mix, x)| *mix += x);
        }
        let count = self.fathers.len().max(1) as f32;
        mix.iter_mut().zip(self.part(self.distinct[0], m, 3)).for_each(|(mix, own)| *mix = own + *mix / count);
        let max = mix.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        mix.iter_mut().for_each(|x| *x = (*x - max).exp());
        let total: f32 = mix.iter().sum();
        mix.iter_mut().for_each(|x| *x /= total);
    }
}
