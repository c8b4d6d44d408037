//! Equations (3)-(8) for rows of several members at once: attention over each mask's neighbours, mixed by the dynamic
//! weights. The same as `dgsa`, `dynamic_weights` and `ops::attention`, without tensors.
//!
//! With `FC([x ; mean of fathers]) = U x + mean over fathers of (V x)`, the dynamic weights need two small projections of
//! each row, which stand beside its queries, keys and values.

use pulp::{Arch, Simd, WithSimd};

use super::levels::MAX_MASKS;
use super::simd::{PANEL, add_scaled, dot, exp_all, padded};

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

    /// Width of one member's projections: queries, keys, values, and the dynamic weights' two parts.
    pub fn projected(&self) -> usize {
        3 * self.block() + if self.dynamic { padded(2 * self.n_masks) } else { 0 }
    }
}

/// For each row to be computed: itself, its neighbours by mask, its fathers; as rows of the level below.
#[derive(Debug, Default)]
pub(crate) struct Lists {
    pub own: Vec<u32>,
    /// (row, ln of how many nodes it stands for), the row itself among them.
    pub columns: Vec<(u32, f32)>,
    /// End of each mask's part of `columns`, (rows, n_masks).
    pub ends: Vec<u32>,
    pub fathers: Vec<u32>,
    /// End of each row's part of `fathers`.
    pub father_ends: Vec<u32>,
    logits: Vec<f32>,
}

impl Lists {
    pub fn clear(&mut self) {
        self.own.clear();
        self.columns.clear();
        self.ends.clear();
        self.fathers.clear();
        self.father_ends.clear();
    }

    /// Ends one mask of the current row: its neighbours as (colour, row), the row itself among them. Sorted by colour,
    /// because that does not depend on what else the store holds.
    pub fn end_mask(&mut self, neighbours: &mut [(u64, u32)]) {
        neighbours.sort_unstable();
        for same in neighbours.chunk_by(|a, b| a.1 == b.1) {
            self.columns.push((same[0].1, if same.len() == 1 { 0.0 } else { (same.len() as f32).ln() }));
        }
        self.ends.push(self.columns.len() as u32);
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
        let mut logits = std::mem::take(&mut self.lists.logits);
        let (mut from, mut father_from) = (0, 0);
        for (i, out) in self.out.chunks_exact_mut(w.members * w.block()).enumerate() {
            let ends = &self.lists.ends[i * w.n_masks..][..w.n_masks];
            let to = ends.last().map_or(from, |&e| e as usize);
            let father_to = self.lists.father_ends[i] as usize;
            let row = Row {
                widths: w,
                own: self.lists.own[i] as usize,
                columns: &self.lists.columns[from..to],
                from,
                ends,
                fathers: &self.lists.fathers[father_from..father_to],
                projected: self.projected,
            };
            for (m, out) in out.chunks_exact_mut(w.block()).enumerate() {
                row.member(simd, m, &mut logits, out);
            }
            (from, father_from) = (to, father_to);
        }
        self.lists.logits = logits;
    }
}

struct Row<'a> {
    widths: Widths,
    own: usize,
    columns: &'a [(u32, f32)],
    /// Where `columns` begins; `ends` count from the lists' start.
    from: usize,
    ends: &'a [u32],
    fathers: &'a [u32],
    projected: &'a [f32],
}

impl Row<'_> {
    /// Part `part` (queries, keys, values, dynamic weights) of a row's projections.
    #[inline(always)]
    fn part(&self, row: usize, member: usize, part: usize) -> &[f32] {
        let w = &self.widths;
        let at = row * w.members * w.projected() + member * w.projected() + part * w.block();
        let len = if part == 3 { 2 * w.n_masks } else { w.d };
        &self.projected[at..at + len]
    }

    #[inline(always)]
    fn member<S: Simd>(&self, simd: S, m: usize, logits: &mut Vec<f32>, out: &mut [f32]) {
        let w = &self.widths;
        let (heads, dh) = (w.n_heads, w.d / w.n_heads);
        out.fill(0.0);
        logits.clear();
        logits.resize((self.columns.len() * heads).next_multiple_of(PANEL), 0.0);
        let q = self.part(self.own, m, 0);
        let scale = 1.0 / (dh as f32).sqrt();
        for (&(j, ln_count), logits) in self.columns.iter().zip(logits.chunks_exact_mut(heads)) {
            let k = self.part(j as usize, m, 1);
            for (h, logit) in logits.iter_mut().enumerate() {
                *logit = dot(simd, &q[h * dh..][..dh], &k[h * dh..][..dh]) * scale + ln_count;
            }
        }
        let mut start = 0;
        for &end in self.ends {
            let mask = &mut logits[start * heads..(end as usize - self.from) * heads];
            for h in 0..heads {
                let mut max = f32::NEG_INFINITY;
                for logits in mask.chunks_exact(heads) {
                    max = max.max(logits[h]);
                }
                for logits in mask.chunks_exact_mut(heads) {
                    logits[h] -= max;
                }
            }
            start = end as usize - self.from;
        }
        exp_all(simd, logits);
        let mut mix = [0.0; MAX_MASKS];
        self.mix(m, &mut mix[..w.n_masks]);
        let mut start = 0;
        for (&end, mix) in self.ends.iter().zip(mix) {
            let end = end as usize - self.from;
            let mask = &logits[start * heads..end * heads];
            for h in 0..heads {
                let mut total = 0.0;
                for logits in mask.chunks_exact(heads) {
                    total += logits[h];
                }
                for (&(j, _), logits) in self.columns[start..end].iter().zip(mask.chunks_exact(heads)) {
                    let v = self.part(j as usize, m, 2);
                    add_scaled(simd, &mut out[h * dh..][..dh], &v[h * dh..][..dh], mix * logits[h] / total);
                }
            }
            start = end;
        }
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
            let part = &self.part(father as usize, m, 3)[n..];
            mix.iter_mut().zip(part).for_each(|(mix, x)| *mix += x);
        }
        let count = self.fathers.len().max(1) as f32;
        mix.iter_mut().zip(self.part(self.own, m, 3)).for_each(|(mix, own)| *mix = own + *mix / count);
        let max = mix.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        mix.iter_mut().for_each(|x| *x = (*x - max).exp());
        let total: f32 = mix.iter().sum();
        mix.iter_mut().for_each(|x| *x /= total);
    }
}
