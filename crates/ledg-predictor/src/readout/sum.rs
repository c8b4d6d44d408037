//! The sum readout: every node's roofline terms, corrected, added up.
//!
//! `t_i = compute_i·exp(f_i1) + memory_i·exp(f_i2) + launch·exp(f_i3)`, `latency = Σ_i t_i`, with
//! `f_i = FC(silu(W_h h_i + W_p p + W_r r_i))`, `r_i` the dimensionless numbers of the node on the platform. The node's part and
//! the platform's part are computed once each and meet in a sum (late fusion). `FC` starts at zero: an untrained model
//! is the roofline.

use std::sync::Arc;

use candle_core::{DType, Device, Module, Tensor};
use candle_nn::{Linear, VarBuilder};

use crate::batch::{GraphBatch, PlatformBatch, Query};
use crate::config::PredictorConfig;
use crate::error::Result;
use crate::layers::{Mode, dropout, linear, zero_linear};
use crate::ops::{GatherAdd, RowTimes, TotalTime};
use crate::roofline::{N_PHYSICAL, push_rows};

/// Per-node corrections of the physical prior.
pub(crate) struct SumReadout {
    node: Linear,
    platform: Linear,
    physical: Linear,
    out: Linear,
    cap: f64,
    dropout: f64,
}

/// One row a query and class of nodes: what the readout is evaluated on.
pub(crate) struct Rows {
    gather: GatherAdd,
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
        let gather = GatherAdd { a_rows: a_rows.into(), b_rows: b_rows.into() };
        Ok(Rows { gather, physical, times: Arc::new(times) })
    }
}

impl SumReadout {
    pub fn load(config: &PredictorConfig, vb: VarBuilder) -> Result<Self> {
        let d = config.d_readout;
        Ok(SumReadout {
            node: linear(config.d_model, d, vb.pp("node"))?,
            platform: linear(config.d_platform, d, vb.pp("platform"))?,
            physical: linear(N_PHYSICAL, d, vb.pp("physical"))?,
            out: zero_linear(d, 3, vb.pp("out"))?,
            cap: config.correction_cap,
            dropout: config.dropout,
        })
    }

    /// # Shapes
    /// h (n, d_model), p (p, d_platform), r rows → corrections (r, 3)
    pub fn corrections(&self, h: &Tensor, p: &Tensor, rows: &Rows, mode: &Mode) -> Result<Tensor> {
        let gather = GatherAdd { a_rows: Arc::clone(&rows.gather.a_rows), b_rows: Arc::clone(&rows.gather.b_rows) };
        let hidden = self.node.forward(h)?.apply_op3(
            &self.platform.forward(p)?,
            &self.physical.forward(&rows.physical)?,
            gather,
        )?; // (r, d_readout)
        Ok(self.out.forward(&dropout(&hidden.silu()?, self.dropout, mode)?)?)
    }

    /// The operation that adds corrected terms up.
    pub fn total(&self, rows: &Rows) -> TotalTime {
        TotalTime { times: Arc::clone(&rows.times), cap: self.cap }
    }
}
