//! Equations (5)-(7): softmax attention over one mask's edge list.
//!
//! For head h and node i, over its neighbours j (the node itself among them) with counts c_j:
//! `a_ij = softmax_j(q_i·k_j / √d_h + ln c_j)`, `out_i = Σ_j a_ij v_j`.

use std::sync::Arc;

use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor};

use super::{Real, by_dtype, by_tensor_dtype, elements, slice};
use crate::edges::WeightedEdges;

/// Attention over an edge list that includes the identity.
pub(crate) struct SparseAttention {
    pub edges: Arc<WeightedEdges>,
    pub n_heads: usize,
}

/// Softmax weights of one node and head, into `weights`.
fn softmax_row<T: Real>(q: &[T], k: &[T], d: usize, at: usize, columns: &[u32], counts: &[f32], weights: &mut Vec<T>) {
    let dh = q.len();
    let scale = T::of(1.0 / (dh as f64).sqrt());
    weights.clear();
    let mut max = T::of(f64::NEG_INFINITY);
    for (&j, &count) in columns.iter().zip(counts) {
        let key = &k[j as usize * d + at..][..dh];
        let dot: T = q.iter().zip(key).map(|(&a, &b)| a * b).sum();
        let logit = dot * scale + T::of(f64::from(count)).ln();
        if logit > max {
            max = logit;
        }
        weights.push(logit);
    }
    let mut total = T::of(0.0);
    for w in weights.iter_mut() {
        *w = (*w - max).exp();
        total += *w;
    }
    for w in weights.iter_mut() {
        *w /= total;
    }
}

fn forward<T: Real>(op: &SparseAttention, q: &[T], k: &[T], v: &[T], d: usize) -> Vec<T> {
    let (n, dh) = (q.len() / d, d / op.n_heads);
    let mut out = vec![T::of(0.0); n * d];
    let mut weights = Vec::new();
    for i in 0..n {
        let (columns, counts) = op.edges.row(i);
        for h in 0..op.n_heads {
            let at = h * dh;
            softmax_row(&q[i * d + at..][..dh], k, d, at, columns, counts, &mut weights);
            let target = &mut out[i * d + at..][..dh];
            for (&j, &w) in columns.iter().zip(&weights) {
                let value = &v[j as usize * d + at..][..dh];
                target.iter_mut().zip(value).for_each(|(t, &x)| *t += w * x);
            }
        }
    }
    out
}

/// Gradients of q, k, v; the softmax is computed again rather than kept.
fn backward<T: Real>(op: &SparseAttention, q: &Tensor, k: &Tensor, v: &Tensor, grad: &Tensor) -> Result<[Tensor; 3]> {
    let shape = q.shape().clone();
    let d = q.dim(1)?;
    let (q, k, v, g) = (elements::<T>(q)?, elements::<T>(k)?, elements::<T>(v)?, elements::<T>(grad)?);
    let (n, dh) = (q.len() / d, d / op.n_heads);
    let scale = T::of(1.0 / (dh as f64).sqrt());
    let zero = T::of(0.0);
    let (mut gq, mut gk, mut gv) = (vec![zero; n * d], vec![zero; n * d], vec![zero; n * d]);
    let (mut weights, mut grads) = (Vec::new(), Vec::new());
    for i in 0..n {
        let (columns, counts) = op.edges.row(i);
        for h in 0..op.n_heads {
            let at = h * dh;
            let query = &q[i * d + at..][..dh];
            let upstream = &g[i * d + at..][..dh];
            softmax_row(query, &k, d, at, columns, counts, &mut weights);
            grads.clear();
            let mut mean = zero;
            for (&j, &w) in columns.iter().zip(&weights) {
                let row = j as usize * d + at;
                let dot: T = upstream.iter().zip(&v[row..row + dh]).map(|(&a, &b)| a * b).sum();
                mean += w * dot;
                grads.push(dot);
                gv[row..row + dh].iter_mut().zip(upstream).for_each(|(t, &u)| *t += w * u);
            }
            for ((&j, &w), &dot) in columns.iter().zip(&weights).zip(&grads) {
                let logit_grad = w * (dot - mean) * scale;
                let row = j as usize * d + at;
                for e in 0..dh {
                    gq[i * d + at + e] += logit_grad * k[row + e];
                    gk[row + e] += logit_grad * query[e];
                }
            }
        }
    }
    let device = candle_core::Device::Cpu;
    let tensor = |data| Tensor::from_vec(data, shape.clone(), &device);
    Ok([tensor(gq)?, tensor(gk)?, tensor(gv)?])
}

impl CustomOp3 for SparseAttention {
    fn name(&self) -> &'static str {
        "sparse-attention"
    }

    /// # Shapes
    /// q, k, v (n, d) → (n, d)
    fn cpu_fwd(
        &self,
        q: &CpuStorage,
        ql: &Layout,
        k: &CpuStorage,
        kl: &Layout,
        v: &CpuStorage,
        vl: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        fn run<T: Real>(
            op: &SparseAttention,
            (q, ql): (&CpuStorage, &Layout),
            (k, kl): (&CpuStorage, &Layout),
            (v, vl): (&CpuStorage, &Layout),
        ) -> Result<CpuStorage> {
            let (_, d) = ql.shape().dims2()?;
            let out = forward::<T>(op, slice(q, ql)?, slice(k, kl)?, slice(v, vl)?, d);
            Ok(T::to_cpu_storage_owned(out))
        }
        let out = by_dtype!(q, run(self, (q, ql), (k, kl), (v, vl)))?;
        Ok((out, ql.shape().clone()))
    }

    fn bwd(
        &self,
        q: &Tensor,
        k: &Tensor,
        v: &Tensor,
        _: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let [gq, gk, gv] = by_tensor_dtype!(q, backward(self, q, k, v, grad))?;
        Ok((Some(gq), Some(gk), Some(gv)))
    }
}
