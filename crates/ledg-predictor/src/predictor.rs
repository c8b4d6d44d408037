//! The whole model: embedding, blocks, readout.

use candle_core::{DType, Tensor};
use candle_nn::VarBuilder;

use crate::batch::{self, GraphBatch, PlatformBatch, Query};
use crate::block::Block;
use crate::config::{PredictorConfig, Readout};
use crate::embedding::{NodeEmbedding, PlatformEmbedding};
use crate::error::Result;
use crate::layers::Mode;
use crate::ops::N_TERMS;
use crate::readout::{PaperReadout, Rows, SumReadout};

/// What one class of nodes costs, in seconds, each node of it.
///
/// ```
/// use ledg_predictor::NodeCost;
///
/// let mut cost = NodeCost { compute_s: 3e-6, launch_s: 1e-6, ..NodeCost::ZERO };
/// cost.add(&NodeCost { memory_s: 2e-6, ..NodeCost::ZERO });
/// assert!((cost.scaled(10.0).total_s() - 6e-5).abs() < 1e-18);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NodeCost {
    /// Corrected compute term.
    pub compute_s: f64,
    /// Corrected issue term: the cores' part in moving elements.
    pub issue_s: f64,
    /// Corrected memory term.
    pub memory_s: f64,
    /// Corrected launch term.
    pub launch_s: f64,
}

impl NodeCost {
    /// Nothing.
    pub const ZERO: NodeCost = NodeCost { compute_s: 0.0, issue_s: 0.0, memory_s: 0.0, launch_s: 0.0 };

    /// From the terms of the prior, corrected.
    pub(crate) fn from_terms([compute_s, issue_s, memory_s, launch_s]: [f64; N_TERMS]) -> Self {
        NodeCost { compute_s, issue_s, memory_s, launch_s }
    }

    /// Adds another cost, term by term.
    pub fn add(&mut self, other: &NodeCost) {
        self.compute_s += other.compute_s;
        self.issue_s += other.issue_s;
        self.memory_s += other.memory_s;
        self.launch_s += other.launch_s;
    }

    /// Every term times a factor.
    pub fn scaled(&self, factor: f64) -> NodeCost {
        NodeCost {
            compute_s: self.compute_s * factor,
            issue_s: self.issue_s * factor,
            memory_s: self.memory_s * factor,
            launch_s: self.launch_s * factor,
        }
    }

    /// All terms.
    pub fn total_s(&self) -> f64 {
        self.compute_s + self.issue_s + self.memory_s + self.launch_s
    }
}

enum ReadoutLayer {
    Paper(PaperReadout),
    Sum(SumReadout),
}

/// A model with its weights. An example is at the top of this crate.
pub struct Predictor {
    config: PredictorConfig,
    dtype: DType,
    nodes: NodeEmbedding,
    blocks: Vec<Block>,
    platforms: PlatformEmbedding,
    readout: ReadoutLayer,
}

impl Predictor {
    /// Builds the model, its weights from the builder.
    ///
    /// # Errors
    /// A configuration that makes no sense; weights that are missing or of another shape (named).
    pub fn load(config: &PredictorConfig, vb: VarBuilder) -> Result<Self> {
        config.validate()?;
        let blocks = (0..config.n_layers).map(|i| Block::load(config, vb.pp(format!("blocks.{i}"))));
        Ok(Predictor {
            dtype: vb.dtype(),
            nodes: NodeEmbedding::load(config, vb.pp("nodes"))?,
            blocks: blocks.collect::<Result<_>>()?,
            platforms: PlatformEmbedding::load(config, vb.pp("platforms"))?,
            readout: match config.readout {
                Readout::Paper => ReadoutLayer::Paper(PaperReadout::load(config, vb.pp("readout"))?),
                Readout::Sum => ReadoutLayer::Sum(SumReadout::load(config, vb.pp("readout"))?),
            },
            config: config.clone(),
        })
    }

    /// The configuration the model was built with.
    pub fn config(&self) -> &PredictorConfig {
        &self.config
    }

    /// Element type of weights and inputs.
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// The part that does not depend on hardware or batch size: node vectors after the last block.
    ///
    /// # Shapes
    /// n rows → (n, d_model)
    pub fn trunk(&self, graphs: &GraphBatch, mode: &Mode) -> Result<Tensor> {
        let mut x = self.nodes.forward(graphs, mode)?;
        for block in &self.blocks {
            x = block.forward(&x, graphs, mode)?;
        }
        Ok(x)
    }

    /// Latencies of all queries.
    ///
    /// # Shapes
    /// h (n, d_model) from [`Predictor::trunk`] → ln seconds (queries)
    pub fn latencies(
        &self,
        h: &Tensor,
        graphs: &GraphBatch,
        platforms: &PlatformBatch,
        queries: &[Query],
        mode: &Mode,
    ) -> Result<Tensor> {
        Ok(self.latencies_and_penalty(h, graphs, platforms, queries, mode)?.0)
    }

    /// Latencies of all queries and, while the sum readout is trained, the mean square of the nodes' deviations from their
    /// platform.
    ///
    /// # Shapes
    /// h (n, d_model) → ln seconds (queries), ()
    pub fn latencies_and_penalty(
        &self,
        h: &Tensor,
        graphs: &GraphBatch,
        platforms: &PlatformBatch,
        queries: &[Query],
        mode: &Mode,
    ) -> Result<(Tensor, Option<Tensor>)> {
        batch::check(queries, graphs, platforms)?;
        let p = self.platforms.forward(platforms, mode)?;
        match &self.readout {
            ReadoutLayer::Paper(readout) => Ok((readout.forward(h, &p, graphs, queries, mode)?, None)),
            ReadoutLayer::Sum(readout) => {
                let rows = Rows::new(graphs, platforms, queries, self.dtype)?;
                let corrections = readout.corrections(h, &p, &rows, mode)?;
                let penalty = match mode {
                    Mode::Train(_) => Some(readout.penalty(&corrections, &rows)?),
                    Mode::Eval => None,
                };
                Ok((corrections.total.apply_op1(readout.total(&rows))?, penalty))
            }
        }
    }

    /// What each class of nodes costs, by query; `None` for the paper's readout, which has no per-node costs.
    ///
    /// # Shapes
    /// h (n, d_model) → one cost a row of the query's graph
    pub fn node_costs(
        &self,
        h: &Tensor,
        graphs: &GraphBatch,
        platforms: &PlatformBatch,
        queries: &[Query],
    ) -> Result<Option<Vec<Vec<NodeCost>>>> {
        batch::check(queries, graphs, platforms)?;
        let ReadoutLayer::Sum(readout) = &self.readout else { return Ok(None) };
        let p = self.platforms.forward(platforms, &Mode::Eval)?;
        let rows = Rows::new(graphs, platforms, queries, self.dtype)?;
        let corrections =
            readout.corrections(h, &p, &rows, &Mode::Eval)?.total.to_dtype(DType::F64)?.to_vec2::<f64>()?;
        let total = readout.total(&rows);
        let cost = |r: usize| NodeCost::from_terms(total.row_terms(r, &corrections[r]));
        Ok(Some(rows.times.offsets.windows(2).map(|w| (w[0]..w[1]).map(cost).collect()).collect()))
    }
}
