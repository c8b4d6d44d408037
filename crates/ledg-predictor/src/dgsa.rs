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
use crate::layers::{Linear, linear};
use crate::ops::{ScaleRows, SparseAttention};

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

    /// # Shapes
    /// x (n, d) → (n, d)
    pub fn forward(&self, x: &Tensor, graphs: &GraphBatch) -> Result<Tensor> {
        let (q, k, v) = (self.q.forward(x)?, self.k.forward(x)?, self.v.forward(x)?);
        let weights = self.weights.as_ref().map(|w| w.forward(x, &graphs.fathers)).transpose()?; // (n, masks)
        let mut h: Option<Tensor> = None;
        for (m, edges) in graphs.masks.iter().enumerate() {
            let attention = SparseAttention { edges: Arc::clone(edges), n_heads: self.n_heads };
            let heard = q.apply_op3(&k, &v, attention)?; // (n, d)
            let weighted = match &weights {
                Some(w) => heard.apply_op2(w, ScaleRows { column: m })?,
                None => (heard / graphs.masks.len() as f64)?,
            };
            h = Some(match h {
                Some(sum) => (sum + weighted)?,
                None => weighted,
            });
        }
        match h {
            Some(h) => Ok(self.out.forward(&h)?),
            None => Ok(x.zeros_like()?),
        }
    }
}
