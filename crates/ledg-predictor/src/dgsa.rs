//! Equations (5)-(8): Dynamic Graph Self-Attention.
//!
//! For each mask m: `a^m = softmax of q·k/√d over the nodes that M_m + I allows` (5)-(7), and
//! `h_i = Σ_m w_i[m] Σ_j a^m_ij v_j` (8). Queries, keys and values are shared by the masks.

use std::sync::Arc;

use candle_core::{Module, Tensor};
use candle_nn::VarBuilder;

use crate::batch::GraphBatch;
use crate::config::{Attention, PredictorConfig};
use crate::dynamic_weights::DynamicWeights;
use crate::error::Result;
use crate::layers::{LayerNorm, Linear, linear};
use crate::ops::MixedAttention;

/// Multi-head attention over the masks of a graph batch.
pub(crate) struct Dgsa {
    q: Linear,
    k: Linear,
    v: Linear,
    out: Linear,
    weights: Option<DynamicWeights>,
    n_heads: usize,
}

impl Dgsa {
    pub fn load(config: &PredictorConfig, vb: VarBuilder) -> Result<Self> {
        let d = config.d_model;
        let weights = match config.attention {
            Attention::Dgsa => Some(DynamicWeights::load(d, 3, vb.pp("dynamic_weights"))?),
            _ => None,
        };
        Ok(Dgsa {
            q: linear(d, d, vb.pp("q"))?,
            k: linear(d, d, vb.pp("k"))?,
            v: linear(d, d, vb.pp("v"))?,
            out: linear(d, d, vb.pp("out"))?,
            weights,
            n_heads: config.n_heads,
        })
    }

    /// Of `norm(x)`.
    ///
    /// # Shapes
    /// x (n, d) → (n, d)
    pub fn forward(&self, x: &Tensor, norm: &LayerNorm, graphs: &GraphBatch) -> Result<Tensor> {
        if graphs.masks.is_empty() {
            return Ok(x.zeros_like()?);
        }
        let attention = MixedAttention {
            masks: graphs.masks.clone(),
            fathers: self.weights.as_ref().map(|_| Arc::clone(&graphs.fathers)),
            n_heads: self.n_heads,
            d: x.dim(1)?,
        };
        Ok(self.out.forward(&norm.then(&self.projections()?, x)?.apply_op1(attention)?)?)
    }

    /// One layer for all that is read of a node: queries, keys, values, and both parts of the dynamic weights.
    fn projections(&self) -> Result<Linear> {
        let mut weights = vec![self.q.weight.clone(), self.k.weight.clone(), self.v.weight.clone()];
        let mut biases = vec![self.q.bias.clone(), self.k.bias.clone(), self.v.bias.clone()];
        if let Some(dynamic) = &self.weights {
            let [own, fathers, bias] = dynamic.projections()?;
            biases.extend([bias.clone(), bias.zeros_like()?]);
            weights.extend([own, fathers]);
        }
        Ok(Linear { weight: Tensor::cat(&weights, 0)?, bias: Tensor::cat(&biases, 0)? })
    }
}
