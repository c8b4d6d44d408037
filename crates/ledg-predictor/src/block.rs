//! The pre-norm transformer block, its self-attention replaced by Dynamic Graph Self-Attention.

use candle_core::Tensor;
use candle_nn::VarBuilder;

use crate::batch::GraphBatch;
use crate::config::{Attention, PredictorConfig};
use crate::dgsa::Dgsa;
use crate::error::Result;
use crate::layers::{LayerNorm, Linear, Mode, add_dropped, linear};

/// `x + DGSA(norm(x))`, then `x + FFN(norm(x))`.
pub(crate) struct Block {
    attention: Option<(LayerNorm, Dgsa)>,
    ffn_norm: LayerNorm,
    ffn: (Linear, Linear),
    dropout: f64,
}

impl Block {
    pub fn load(config: &PredictorConfig, vb: VarBuilder) -> Result<Self> {
        let d = config.d_model;
        let attention = match config.attention {
            Attention::None => None,
            _ => Some((LayerNorm::load(d, vb.pp("norm"))?, Dgsa::load(config, vb.pp("dgsa"))?)),
        };
        Ok(Block {
            attention,
            ffn_norm: LayerNorm::load(d, vb.pp("ffn_norm"))?,
            ffn: (linear(d, d * config.ffn_mult, vb.pp("ffn.0"))?, linear(d * config.ffn_mult, d, vb.pp("ffn.1"))?),
            dropout: config.dropout,
        })
    }

    /// # Shapes
    /// x (n, d) → (n, d)
    pub fn forward(&self, x: &Tensor, graphs: &GraphBatch, mode: &Mode) -> Result<Tensor> {
        let x = match &self.attention {
            Some((norm, dgsa)) => add_dropped(x, &dgsa.forward(x, norm, graphs)?, self.dropout, mode)?,
            None => x.clone(),
        };
        let hidden = self.ffn_norm.then(&self.ffn.0, &x)?;
        add_dropped(&x, &self.ffn.1.after_silu(&hidden, 0.0, mode)?, self.dropout, mode)
    }
}
