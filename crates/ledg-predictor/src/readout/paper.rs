//! The paper's readout: a network token attends to all nodes, is concatenated with the platform's vector and becomes a
//! latency by two linear layers. What the paper calls the network token we read as a learned query over the last block's
//! node vectors; the batch size, which the paper holds at 1, enters beside it.

use candle_core::{DType, Device, Module, Tensor};
use candle_nn::{Init, VarBuilder};

use crate::batch::{GraphBatch, Query};
use crate::config::PredictorConfig;
use crate::error::Result;
use crate::layers::{Linear, Mode, linear, softmax};

/// Network token ∥ platform → ln seconds.
pub(crate) struct PaperReadout {
    token: Tensor,
    hidden: Linear,
    out: Linear,
    dropout: f64,
}

impl PaperReadout {
    pub fn load(config: &PredictorConfig, vb: VarBuilder) -> Result<Self> {
        let bound = 1.0 / (config.d_model as f64).sqrt();
        let token = vb.get_with_hints((1, config.d_model), "token", Init::Uniform { lo: -bound, up: bound })?;
        let d_in = config.d_model + config.d_platform + 1;
        Ok(PaperReadout {
            token,
            hidden: linear(d_in, config.d_readout, vb.pp("hidden"))?,
            out: linear(config.d_readout, 1, vb.pp("out"))?,
            dropout: config.dropout,
        })
    }

    /// # Shapes
    /// h (n, d_model), p (p, d_platform) → ln seconds (queries)
    pub fn forward(
        &self,
        h: &Tensor,
        p: &Tensor,
        graphs: &GraphBatch,
        queries: &[Query],
        mode: &Mode,
    ) -> Result<Tensor> {
        let tokens: Vec<Tensor> =
            (0..graphs.n_graphs()).map(|g| self.network_token(h, graphs, g)).collect::<Result<_>>()?;
        let tokens = Tensor::cat(&tokens, 0)?; // (graphs, d_model)
        let index = |f: fn(&Query) -> usize| {
            let ids: Vec<u32> = queries.iter().map(|q| f(q) as u32).collect();
            Tensor::new(ids, &Device::Cpu)
        };
        let batch: Vec<f64> = queries.iter().map(|q| q.batch.ln() / 4.0).collect();
        let batch = Tensor::from_vec(batch, (queries.len(), 1), &Device::Cpu)?.to_dtype(h.dtype())?;
        let joined =
            [tokens.index_select(&index(|q| q.graph)?, 0)?, p.index_select(&index(|q| q.platform)?, 0)?, batch];
        let hidden = self.hidden.forward(&Tensor::cat(&joined, 1)?)?;
        Ok(self.out.after_silu(&hidden, self.dropout, mode)?.squeeze(1)?)
    }

    /// Attention of the learned query over one graph's nodes, (1, d_model).
    fn network_token(&self, h: &Tensor, graphs: &GraphBatch, g: usize) -> Result<Tensor> {
        let (start, len) = (graphs.offsets[g], graphs.offsets[g + 1] - graphs.offsets[g]);
        let h = h.narrow(0, start, len)?;
        let counts: Vec<f64> = graphs.counts[g].iter().map(|&c| f64::from(c).ln()).collect();
        let counts = Tensor::from_vec(counts, (1, len), &Device::Cpu)?.to_dtype(DType::F64)?.to_dtype(h.dtype())?;
        let scale = 1.0 / (h.dim(1)? as f64).sqrt();
        let logits = ((self.token.matmul(&h.t()?.contiguous()?)? * scale)? + counts)?; // (1, nodes)
        Ok(softmax(&logits)?.matmul(&h.contiguous()?)?)
    }
}
