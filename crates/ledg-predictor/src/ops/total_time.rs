//! The sum readout's last step: corrected roofline terms of every node added up to one latency a query.
//!
//! `t_r = Σ_k s_rk · exp(f_rk)`, `out_q = ln Σ_{r in q} c_r t_r`, with `s` the terms of the physical prior in seconds, `f`
//! the learned corrections and `c` how many nodes a row stands for.

use std::sync::Arc;

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};

use super::{Real, by_dtype, by_tensor_dtype, read, slice, tensor};

/// Number of terms of the physical prior: compute, issue, memory, launch.
pub(crate) const N_TERMS: usize = 4;

/// The prior of every row, rows grouped by query.
#[derive(Debug, Default)]
pub(crate) struct RowTimes {
    /// Terms in seconds, (rows, N_TERMS).
    pub terms_s: Vec<[f64; N_TERMS]>,
    /// How many nodes each row stands for.
    pub counts: Vec<f64>,
    /// Where each query's rows begin; one more entry at the end.
    pub offsets: Vec<usize>,
}

impl RowTimes {
    /// Each term's share of its query's prior, (rows, N_TERMS) flattened; a query's shares add up to 1.
    pub fn shares(&self) -> Vec<f64> {
        let mut shares = Vec::with_capacity(self.terms_s.len() * N_TERMS);
        for w in self.offsets.windows(2) {
            let time = |r: usize| self.terms_s[r].map(|t| t * self.counts[r]);
            let total: f64 = (w[0]..w[1]).flat_map(time).sum();
            shares.extend((w[0]..w[1]).flat_map(time).map(|t| t / total));
        }
        shares
    }
}

/// Corrections (rows, N_TERMS) → ln seconds (queries).
pub(crate) struct TotalTime {
    pub times: Arc<RowTimes>,
}

impl TotalTime {
    /// Corrected terms of a row in seconds, not yet multiplied by its count.
    pub fn row_terms<T: Real>(&self, row: usize, corrections: &[T]) -> [f64; N_TERMS] {
        let mut terms = self.times.terms_s[row];
        for (term, &f) in terms.iter_mut().zip(corrections) {
            *term *= f.to_f64().exp();
        }
        terms
    }

    fn totals<T: Real>(&self, corrections: &[T]) -> Vec<f64> {
        self.times
            .offsets
            .windows(2)
            .map(|w| {
                let rows = w[0]..w[1];
                rows.map(|r| {
                    let terms = self.row_terms(r, &corrections[r * N_TERMS..][..N_TERMS]);
                    self.times.counts[r] * terms.iter().sum::<f64>()
                })
                .sum()
            })
            .collect()
    }
}

impl CustomOp1 for TotalTime {
    fn name(&self) -> &'static str {
        "total-time"
    }

    /// # Shapes
    /// (rows, N_TERMS) → (queries)
    fn cpu_fwd(&self, f: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        fn run<T: Real>(op: &TotalTime, f: &CpuStorage, layout: &Layout) -> Result<CpuStorage> {
            let totals = op.totals::<T>(slice(f, layout)?);
            Ok(T::to_cpu_storage_owned(totals.iter().map(|t| T::of(t.ln())).collect()))
        }
        let n_queries = self.times.offsets.len() - 1;
        Ok((by_dtype!(f, run(self, f, layout))?, Shape::from(n_queries)))
    }

    fn bwd(&self, f: &Tensor, _: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        fn run<T: Real>(op: &TotalTime, f: &Tensor, grad: &Tensor) -> Result<Tensor> {
            let ((fs, fl), (gs, gl)) = (f.storage_and_layout(), grad.storage_and_layout());
            let (corrections, upstream) = (read::<T>(&fs, fl)?, read::<T>(&gs, gl)?);
            let totals = op.totals(corrections);
            let mut out = vec![T::of(0.0); corrections.len()];
            for (q, w) in op.times.offsets.windows(2).enumerate() {
                let scale = upstream[q].to_f64() / totals[q];
                for r in w[0]..w[1] {
                    let at = r * N_TERMS;
                    let terms = op.row_terms(r, &corrections[at..at + N_TERMS]);
                    for k in 0..N_TERMS {
                        out[at + k] = T::of(scale * op.times.counts[r] * terms[k]);
                    }
                }
            }
            tensor(out, f)
        }
        let grad = grad.contiguous()?;
        Ok(Some(by_tensor_dtype!(f, run(self, f, &grad))?))
    }
}
