//! The score head: one number a graph, larger is better, for ranking candidates of one task.
//!
//! The trunk is the predictor's (equations 1-8); `score = Σ_i v · silu(W h_i + b) / 16` over the nodes, each class of nodes counted
//! as often as it stands for. A pooled head adds `u · silu(P Σ_i h_i / 16 + c)`: what a graph is worth need not be a sum of what its
//! nodes are. No platform enters: candidates are compared on one.

use candle_core::{DType, Device, Module, Tensor};
use candle_nn::VarBuilder;
use serde::{Deserialize, Serialize};

use crate::batch::GraphBatch;
use crate::block::Block;
use crate::config::{
    Attention, HardwareInputs, Movement, PredictorConfig, Rates, Readout, ScoreHead, Settings, is_default,
};
use crate::embedding::NodeEmbedding;
use crate::error::{PredictorError, Result};
use crate::layers::{Linear, Mode, linear};

/// Scale of the sum over nodes, so that scores of usual graphs are of order one.
pub(crate) const NODES: f64 = 16.0;

/// Everything that determines a scorer's architecture.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScoreConfig {
    /// Width of a node's vector.
    pub d_model: usize,
    /// Transformer blocks.
    pub n_layers: usize,
    /// Attention heads; divides `d_model`.
    pub n_heads: usize,
    /// Width of the feed-forward layer, as a multiple of `d_model`.
    pub ffn_mult: usize,
    /// Width of the hidden layer of the score.
    pub d_score: usize,
    /// Attention.
    pub attention: Attention,
    /// How node vectors become a score.
    #[serde(default, skip_serializing_if = "is_default")]
    pub head: ScoreHead,
    /// Whether nodes carry their numbers beside their sentence.
    pub numbers: bool,
    /// Whether nodes carry their sentence.
    pub sentences: bool,
    /// Dropout on node vectors and in the head, while training.
    pub dropout: f64,
    /// Standard deviation of the noise added to a node's standardised numbers, while training.
    pub feature_noise: f64,
    /// Width of a sentence vector.
    pub sentence_dim: usize,
    /// Numbers of a node.
    pub n_features: usize,
}

impl ScoreConfig {
    /// The predictor's configuration with the same trunk.
    pub fn trunk(&self) -> PredictorConfig {
        PredictorConfig {
            d_model: self.d_model,
            n_layers: self.n_layers,
            n_heads: self.n_heads,
            ffn_mult: self.ffn_mult,
            d_readout: self.d_score,
            d_platform: 1,
            attention: self.attention,
            readout: Readout::Sum,
            hardware: HardwareInputs::None,
            numbers: self.numbers,
            sentences: self.sentences,
            correction_cap: 1.0,
            dropout: self.dropout,
            feature_noise: self.feature_noise,
            hardware_dropout: 0.0,
            sentence_dim: self.sentence_dim,
            n_features: self.n_features,
            n_runtime: 0,
            n_sheet: 0,
            rates: Rates::default(),
            movement: Movement::default(),
            settings: Settings::default(),
        }
    }
}

/// A scorer with its weights.
///
/// ```
/// use candle_core::DType;
/// use ledg_graph::{EdgeList, Magnitudes, Relations};
/// use ledg_predictor::*;
///
/// let config = ScoreConfig {
///     d_model: 8,
///     n_layers: 1,
///     n_heads: 2,
///     ffn_mult: 2,
///     d_score: 8,
///     attention: Attention::Dgsa,
///     head: ScoreHead::Sum,
///     numbers: true,
///     sentences: true,
///     dropout: 0.0,
///     feature_noise: 0.0,
///     sentence_dim: 2,
///     n_features: 1,
/// };
/// let node = |x: f32| NodeInput {
///     sentence: [x, 1.0].into(),
///     features: vec![x],
///     magnitudes: Magnitudes::default(),
///     contraction: false,
/// };
/// let graph = |x| GraphInput {
///     nodes: vec![node(0.5), node(x)],
///     relations: Relations::from_fathers(EdgeList::from_rows(vec![vec![], vec![0]])),
/// };
///
/// let init = SeededInit::new(0);
/// let scorer = Scorer::load(&config, init.builder(DType::F32))?;
/// let candidates = [graph(-1.0), graph(1.0)];
/// let quotients = candidates.iter().map(|g| QuotientGraph::new(g, config.attention, config.n_layers));
/// let quotients = quotients.collect::<Result<Vec<_>, _>>()?;
/// let batch = GraphBatch::new(&quotients.iter().collect::<Vec<_>>(), scorer.trunk_config(), DType::F32)?;
/// let scores = scorer.scores(&batch, &Mode::Eval)?.to_vec1::<f32>()?;
/// assert_ne!(scores[0], scores[1]);
///
/// // The same without tensors; candidates share a store, so the node that they have in common is embedded once.
/// let executor = ScoreExecutor::load(&config, &[init.builder(DType::F32)])?;
/// let mut store = Store::default();
/// for (candidate, score) in candidates.iter().zip(scores) {
///     let own = executor.score(&candidate.nodes, &candidate.relations, &mut store)?;
///     assert!((own - f64::from(score)).abs() < 1e-5);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Scorer {
    trunk: PredictorConfig,
    nodes: NodeEmbedding,
    blocks: Vec<Block>,
    hidden: Linear,
    score: Linear,
    pooled: Option<(Linear, Linear)>,
}

impl Scorer {
    /// Builds the scorer, its weights from the builder.
    ///
    /// # Errors
    /// A configuration that makes no sense; weights that are missing or of another shape (named).
    pub fn load(config: &ScoreConfig, vb: VarBuilder) -> Result<Self> {
        let trunk = config.trunk();
        trunk.validate()?;
        let blocks = (0..config.n_layers).map(|i| Block::load(&trunk, vb.pp(format!("blocks.{i}"))));
        let pooled = |vb: VarBuilder| -> Result<(Linear, Linear)> {
            Ok((linear(config.d_model, config.d_score, vb.pp("hidden"))?, linear(config.d_score, 1, vb.pp("score"))?))
        };
        Ok(Scorer {
            nodes: NodeEmbedding::load(&trunk, vb.pp("nodes"))?,
            blocks: blocks.collect::<Result<_>>()?,
            hidden: linear(config.d_model, config.d_score, vb.pp("readout.node"))?,
            score: linear(config.d_score, 1, vb.pp("readout.score"))?,
            pooled: match config.head {
                ScoreHead::Sum => None,
                ScoreHead::Pooled => Some(pooled(vb.pp("readout.pooled"))?),
            },
            trunk,
        })
    }

    /// What [`GraphBatch::new`] takes.
    pub fn trunk_config(&self) -> &PredictorConfig {
        &self.trunk
    }

    /// # Shapes
    /// g graphs → (g)
    pub fn scores(&self, graphs: &GraphBatch, mode: &Mode) -> Result<Tensor> {
        let mut x = self.nodes.forward(graphs, mode)?;
        for block in &self.blocks {
            x = block.forward(&x, graphs, mode)?;
        }
        let counts: Vec<f32> = graphs.counts.iter().flatten().map(|c| c / NODES as f32).collect();
        let counts = Tensor::from_vec(counts, (x.dim(0)?, 1), &Device::Cpu)?.to_dtype(x.dtype())?;
        let graph_of = graphs.offsets.windows(2).enumerate().flat_map(|(g, w)| (w[0]..w[1]).map(move |_| g as u32));
        let graph_of = Tensor::from_iter(graph_of, &Device::Cpu)?;
        let sum = |rows: &Tensor| -> Result<Tensor> {
            let zeros = Tensor::zeros((graphs.n_graphs(), rows.dim(1)?), rows.dtype(), &Device::Cpu)?;
            Ok(zeros.index_add(&graph_of, &rows.broadcast_mul(&counts)?, 0)?)
        };
        let own = self.score.after_silu(&self.hidden.forward(&x)?, self.trunk.dropout, mode)?; // (n, 1)
        let score = sum(&own)?;
        let score = match &self.pooled {
            None => score,
            Some((hidden, out)) => (score + out.after_silu(&hidden.forward(&sum(&x)?)?, 0.0, mode)?)?,
        };
        Ok(score.squeeze(1)?)
    }
}

/// The ranking loss of one task's candidates: logistic loss over pairs, weighted by how far apart they are.
///
/// `Σ_{i better than j} |r_i - r_j| · ln(1 + exp(s_j - s_i)) / Σ |r_i - r_j|`, with `r` the best latency over the candidate's own,
/// 0 for one that failed. `None` if no two differ.
///
/// ```
/// use candle_core::{Device, Tensor};
/// use ledg_predictor::ranking_loss;
///
/// // Twice as slow as the best, so half its merit. Equal scores cost ln 2; the right order costs less.
/// let loss = |scores: [f32; 2]| -> Result<f32, ledg_predictor::PredictorError> {
///     let loss = ranking_loss(&Tensor::new(&scores, &Device::Cpu)?, &[1.0, 0.5])?;
///     Ok(loss.expect("the two differ").to_scalar::<f32>()?)
/// };
/// assert!((loss([3.0, 3.0])? - 2f32.ln()).abs() < 1e-6);
/// assert!(loss([4.0, 3.0])? < loss([3.0, 3.0])?);
/// # Ok::<(), ledg_predictor::PredictorError>(())
/// ```
///
/// # Shapes
/// scores (n), merits n → ()
///
/// # Errors
/// [`PredictorError::Width`] if there are not as many scores as merits.
pub fn ranking_loss(scores: &Tensor, merits: &[f64]) -> Result<Option<Tensor>> {
    let n = merits.len();
    if scores.dims() != [n] {
        return Err(PredictorError::Width { what: "scores", found: scores.elem_count(), expected: n });
    }
    let weight = |i: usize, j: usize| (merits[i] - merits[j]).max(0.0);
    let weights: Vec<f64> = (0..n * n).map(|k| weight(k / n, k % n)).collect();
    let total: f64 = weights.iter().sum();
    if total <= 0.0 {
        return Ok(None);
    }
    let weights: Vec<f32> = weights.iter().map(|w| (w / total) as f32).collect();
    let weights = Tensor::from_vec(weights, (n, n), &Device::Cpu)?.to_dtype(scores.dtype())?;
    // margin[i][j] = s_j - s_i, of which the softplus is taken in its stable form
    let margin = scores.unsqueeze(0)?.broadcast_sub(&scores.unsqueeze(1)?)?;
    let softplus = (margin.relu()? + (margin.abs()?.neg()?.exp()? + 1.0)?.log()?)?;
    Ok(Some((softplus * weights)?.sum_all()?.to_dtype(DType::F32)?))
}

/// Temperature of the share that a candidate has of the top: a merit lower by this makes it `e` times smaller.
const TOP_TEMPERATURE: f64 = 0.1;

/// The loss that looks at the best candidates of one task only: `-Σ_i p_i ln softmax(s)_i` with `p = softmax(r / 0.1)` and `r` as in
/// [`ranking_loss`] (ListNet, Cao et al. 2007).
///
/// # Shapes
/// scores (n), merits n → ()
pub fn top_loss(scores: &Tensor, merits: &[f64]) -> Result<Tensor> {
    let n = merits.len();
    if scores.dims() != [n] {
        return Err(PredictorError::Width { what: "scores", found: scores.elem_count(), expected: n });
    }
    let best = merits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let shares: Vec<f64> = merits.iter().map(|r| ((r - best) / TOP_TEMPERATURE).exp()).collect();
    let sum: f64 = shares.iter().sum();
    let shares: Vec<f32> = shares.iter().map(|p| (p / sum) as f32).collect();
    let shares = Tensor::from_vec(shares, n, &Device::Cpu)?.to_dtype(scores.dtype())?;
    // Scores less their largest, so that no exponential overflows.
    let less = scores.broadcast_sub(&scores.max(0)?.detach())?;
    let log_softmax = less.broadcast_sub(&less.exp()?.sum_all()?.log()?)?;
    Ok((log_softmax * shares)?.sum_all()?.neg()?.to_dtype(DType::F32)?)
}
