//! Equations (4)-(8) for all masks at once, over edge lists.
//!
//! For head h, node i and mask m, over its neighbours j (the node itself among them) with counts c_j:
//! `a_ij = softmax_j(q_i·k_j / √d_h + ln c_j)`; `out_i = Σ_m w_i[m] Σ_j a_ij v_j`, with `w_i` the dynamic weights, or 1 / masks.

use std::sync::Arc;

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};

use super::vector::{add_scaled, dot, vectorised};
use super::{Real, by_dtype, by_tensor_dtype, read, slice, tensor};
use crate::dynamic_weights::Projections;
use crate::edges::WeightedEdges;

/// Attention over masks that include the identity, mixed per node.
pub(crate) struct MixedAttention {
    pub masks: Vec<Arc<WeightedEdges>>,
    /// For dynamic weights: fathers, without the identity.
    pub fathers: Option<Arc<WeightedEdges>>,
    pub n_heads: usize,
    /// Width of queries, keys and values, each.
    pub d: usize,
}

/// One mask's edges and the logarithms of their counts.
struct Mask<'a, T> {
    edges: &'a WeightedEdges,
    ln_counts: Vec<T>,
}

impl MixedAttention {
    /// Columns of the projections: queries, keys, values, and both parts of the dynamic weights.
    fn width(&self) -> usize {
        let dynamic = if self.fathers.is_some() { 2 * self.masks.len() } else { 0 };
        3 * self.d + dynamic
    }

    fn masks<T: Real>(&self) -> Vec<Mask<'_, T>> {
        let mask = |edges: &'_ Arc<WeightedEdges>| edges.counts().iter().map(|&c| T::of(f64::from(c)).ln()).collect();
        self.masks.iter().map(|edges| Mask { edges, ln_counts: mask(edges) }).collect()
    }

    fn projections<'a, T>(&self, x: &'a [T]) -> Projections<'a, T> {
        Projections { rows: x, width: self.width(), at: 3 * self.d, masks: self.masks.len() }
    }

    /// Weights of the masks, (n, masks).
    #[inline(always)]
    fn weights<T: Real>(&self, x: &[T]) -> Vec<T> {
        match &self.fathers {
            Some(fathers) => self.projections(x).weights(fathers),
            None => vec![T::of(1.0 / self.masks.len() as f64); x.len() / self.width() * self.masks.len()],
        }
    }

    /// Softmax weights of node `i` under a mask, (neighbours, heads), into `shares`.
    #[inline(always)]
    fn shares<T: Real>(&self, x: &[T], i: usize, mask: &Mask<T>, shares: &mut Vec<T>) {
        let (d, heads, width) = (self.d, self.n_heads, self.width());
        let dh = d / heads;
        let scale = T::of(1.0 / (dh as f64).sqrt());
        let query = &x[i * width..][..d];
        let range = mask.edges.range(i);
        shares.clear();
        for (&j, &ln_count) in mask.edges.columns()[range.clone()].iter().zip(&mask.ln_counts[range]) {
            let key = &x[j as usize * width + d..][..d];
            for h in 0..heads {
                shares.push(dot(&query[h * dh..][..dh], &key[h * dh..][..dh]) * scale + ln_count);
            }
        }
        // Every row has its own node, so there is a first edge.
        for h in 0..heads {
            let mut largest = shares[h];
            for &logit in shares.iter().skip(h).step_by(heads) {
                largest = if logit > largest { logit } else { largest };
            }
            for logit in shares.iter_mut().skip(h).step_by(heads) {
                *logit -= largest;
            }
        }
        for logit in shares.iter_mut() {
            *logit = logit.exp();
        }
        for h in 0..heads {
            let mut total = T::of(0.0);
            for &w in shares.iter().skip(h).step_by(heads) {
                total += w;
            }
            for w in shares.iter_mut().skip(h).step_by(heads) {
                *w /= total;
            }
        }
    }

    #[inline(always)]
    fn forward<T: Real>(&self, x: &[T], masks: &[Mask<T>]) -> Vec<T> {
        let (d, heads, width) = (self.d, self.n_heads, self.width());
        let (n, dh) = (x.len() / width, d / heads);
        let weights = self.weights(x);
        let mut out = vec![T::of(0.0); n * d];
        let mut shares = Vec::new();
        for (i, out) in out.chunks_exact_mut(d).enumerate() {
            for (m, mask) in masks.iter().enumerate() {
                self.shares(x, i, mask, &mut shares);
                let weight = weights[i * masks.len() + m];
                for (&j, shares) in mask.edges.row(i).0.iter().zip(shares.chunks_exact(heads)) {
                    let value = &x[j as usize * width + 2 * d..][..d];
                    for h in 0..heads {
                        add_scaled(&mut out[h * dh..][..dh], &value[h * dh..][..dh], weight * shares[h]);
                    }
                }
            }
        }
        out
    }

    /// Gradients of the projections; the softmax is computed again rather than kept.
    #[inline(always)]
    fn backward<T: Real>(&self, x: &[T], upstream: &[T], masks: &[Mask<T>]) -> Vec<T> {
        let (d, heads, width) = (self.d, self.n_heads, self.width());
        let dh = d / heads;
        let scale = T::of(1.0 / (dh as f64).sqrt());
        let weights = self.weights(x);
        let mut weight_grads = vec![T::of(0.0); weights.len()];
        let mut out = vec![T::of(0.0); x.len()];
        let (mut shares, mut grads, mut means) = (Vec::new(), Vec::new(), vec![T::of(0.0); heads]);
        for (i, upstream) in upstream.chunks_exact(d).enumerate() {
            let query = &x[i * width..][..d];
            for (m, mask) in masks.iter().enumerate() {
                self.shares(x, i, mask, &mut shares);
                let columns = mask.edges.row(i).0;
                let place = i * masks.len() + m;
                let weight = weights[place];
                grads.clear();
                means.fill(T::of(0.0));
                for (&j, shares) in columns.iter().zip(shares.chunks_exact(heads)) {
                    let at = j as usize * width + 2 * d;
                    for h in 0..heads {
                        let (from, to) = (at + h * dh, at + (h + 1) * dh);
                        let upstream = &upstream[h * dh..][..dh];
                        let along = dot(upstream, &x[from..to]);
                        means[h] += shares[h] * along;
                        grads.push(along);
                        add_scaled(&mut out[from..to], upstream, weight * shares[h]);
                    }
                }
                for &mean in &means {
                    weight_grads[place] += mean;
                }
                let rows = shares.chunks_exact(heads).zip(grads.chunks_exact(heads));
                for (&j, (shares, grads)) in columns.iter().zip(rows) {
                    let at = j as usize * width + d;
                    for h in 0..heads {
                        let logit = weight * shares[h] * (grads[h] - means[h]) * scale;
                        let (from, to) = (at + h * dh, at + (h + 1) * dh);
                        add_scaled(&mut out[i * width + h * dh..][..dh], &x[from..to], logit);
                        add_scaled(&mut out[from..to], &query[h * dh..][..dh], logit);
                    }
                }
            }
        }
        if let Some(fathers) = &self.fathers {
            self.projections(x).gradient(fathers, &weights, &mut weight_grads, &mut out);
        }
        out
    }
}

impl CustomOp1 for MixedAttention {
    fn name(&self) -> &'static str {
        "mixed-attention"
    }

    /// # Shapes
    /// projections (n, 3d [+ 2 masks]) → (n, d)
    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        fn run<T: Real>(op: &MixedAttention, x: &CpuStorage, layout: &Layout) -> Result<CpuStorage> {
            let (x, masks) = (slice::<T>(x, layout)?, op.masks());
            let out = vectorised(
                #[inline(always)]
                || op.forward(x, &masks),
            );
            Ok(T::to_cpu_storage_owned(out))
        }
        let n = layout.shape().dims2()?.0;
        Ok((by_dtype!(x, run(self, x, layout))?, Shape::from((n, self.d))))
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        fn run<T: Real>(op: &MixedAttention, x: &Tensor, grad: &Tensor) -> Result<Tensor> {
            let ((xs, xl), (gs, gl)) = (x.storage_and_layout(), grad.storage_and_layout());
            let (elements, upstream, masks) = (read::<T>(&xs, xl)?, read::<T>(&gs, gl)?, op.masks());
            let out = vectorised(
                #[inline(always)]
                || op.backward(elements, upstream, &masks),
            );
            tensor(out, x)
        }
        let grad = grad.contiguous()?;
        Ok(Some(by_tensor_dtype!(x, run(self, x, &grad))?))
    }
}
