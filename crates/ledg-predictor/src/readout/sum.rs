//! The sum readout: every node's roofline terms, corrected, added up.
//!
//! `t_i = Σ_k s_ik · exp(b_k + cap·tanh(f_ik / cap))`, `latency = Σ_i t_i`, over the terms k of the physical prior: compute,
//! issue, memory, launch. `b = W_b p` is the platform's own share of each peak, the same for all nodes and unbounded;
//! `f_i = FC(silu(W_h h_i + W_p p + W_r r_i))` is the node's deviation from it, bounded and penalised, with `r_i` the
//! dimensionless numbers of the node on the platform. The node's part and the platform's part are computed once each and
//! meet in a sum (late fusion). `W_b` and `FC` start at zero: an untrained model is the roofline.

use std::sync::Arc;

use candle_core::{DType, Device, Module, Tensor};
use candle_nn::VarBuilder;

use crate::batch::{GraphBatch, PlatformBatch, Query};
use crate::config::PredictorConfig;
use crate::error::Result;
use crate::layers::{Linear, Mode, linear, zero_linear};
use crate::ops::{GatherAdd, N_TERMS, RowTimes, TotalTime};
use crate::roofline::{N_PHYSICAL, push_rows};

/// Per-node corrections of the physical prior.
pub(crate) struct SumReadout {
    node: Linear,
    platform: Linear,
    physical: Linear,
    out: Linear,
    base: Linear,
    cap: f64,
    dropout: f64,
}

/// ln factors of each row's terms, (r, N_TERMS).
pub(crate) struct Corrections {
    /// Base and deviation.
    pub total: Tensor,
    /// The node's own part.
    pub deviation: Tensor,
}

/// One row a query and class of nodes: what the readout is evaluated on.
pub(crate) struct Rows {
    a_rows: Arc<[u32]>,
    b_rows: Arc<[u32]>,
    physical: Tensor,
    /// The prior of each row.
    pub times: Arc<RowTimes>,
}

impl Rows {
    pub fn new(graphs: &GraphBatch, platforms: &PlatformBatch, queries: &[Query], dtype: DType) -> Result<Self> {
        let mut times = RowTimes { offsets: vec![0], ..RowTimes::default() };
        let (mut numbers, mut a_rows, mut b_rows) = (Vec::new(), Vec::new(), Vec::new());
        for q in queries {
            let rates = &platforms.rates[q.platform];
            push_rows(&graphs.nodes[q.graph], &graphs.counts[q.graph], rates, q.batch, &mut times, &mut numbers);
            a_rows.extend(graphs.offsets[q.graph] as u32..graphs.offsets[q.graph + 1] as u32);
            b_rows.resize(a_rows.len(), q.platform as u32);
        }
        let physical = Tensor::from_vec(numbers, (a_rows.len(), N_PHYSICAL), &Device::Cpu)?.to_dtype(dtype)?;
        Ok(Rows { a_rows: a_rows.into(), b_rows: b_rows.into(), physical, times: Arc::new(times) })
    }
}

impl SumReadout {
    pub fn load(config: &PredictorConfig, vb: VarBuilder) -> Result<Self> {
        let d = config.d_readout;
        Ok(SumReadout {
            node: linear(config.d_model, d, vb.pp("node"))?,
            platform: linear(config.d_platform, d, vb.pp("platform"))?,
            physical: linear(N_PHYSICAL, d, vb.pp("physical"))?,
            out: zero_linear(d, N_TERMS, vb.pp("out"))?,
            base: zero_linear(config.d_platform, N_TERMS, vb.pp("base"))?,
            cap: config.correction_cap,
            dropout: config.dropout,
        })
    }

    /// Logarithms of the factors that each row's terms are multiplied by.
    ///
    /// # Shapes
    /// h (n, d_model), p (p, d_platform), r rows → (r, N_TERMS)
    pub fn corrections(&self, h: &Tensor, p: &Tensor, rows: &Rows, mode: &Mode) -> Result<Corrections> {
        let gather = GatherAdd { a_rows: Arc::clone(&rows.a_rows), b_rows: Arc::clone(&rows.b_rows) };
        let hidden = self.node.forward(h)?.apply_op3(
            &self.platform.forward(p)?,
            &self.physical.forward(&rows.physical)?,
            gather,
        )?; // (r, d_readout)
        let f = self.out.after_silu(&hidden, self.dropout, mode)?;
        let deviation = ((f / self.cap)?.tanh()? * self.cap)?;
        let base = self.base.forward(p)?.index_select(&Tensor::new(&rows.b_rows[..], &Device::Cpu)?, 0)?;
        Ok(Corrections { total: (base + &deviation)?, deviation })
    }

    /// The operation that adds corrected terms up.
    pub fn total(&self, rows: &Rows) -> TotalTime {
        TotalTime { times: Arc::clone(&rows.times) }
    }

    /// Mean over the queries of the squared deviations, each weighted by its term's share of the query's prior: what
    /// training may ask to be small, so that the platform's base explains what it can.
    ///
    /// # Shapes
    /// deviations (r, N_TERMS) → ()
    pub fn penalty(&self, corrections: &Corrections, rows: &Rows) -> Result<Tensor> {
        let deviation = &corrections.deviation;
        let shares =
            Tensor::from_vec(rows.times.shares(), deviation.shape(), &Device::Cpu)?.to_dtype(deviation.dtype())?;
        let n_queries = rows.times.offsets.len() - 1;
        Ok(((deviation.sqr()? * shares)?.sum_all()? / n_queries as f64)?)
    }
}
