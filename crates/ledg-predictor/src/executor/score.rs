//! The score head without tensors: see `score`.

use std::borrow::Borrow;

use candle_nn::VarBuilder;
use ledg_graph::Relations;
use pulp::Arch;

use super::store::Store;
use super::trunk::Trunk;
use super::{weights, width};
use crate::config::ScoreHead;
use crate::error::{PredictorError, Result};
use crate::input::NodeInput;
use crate::score::{NODES, ScoreConfig};

/// The members of an ensemble of scorers, ready for inference.
#[derive(Debug)]
pub struct ScoreExecutor {
    arch: Arch,
    trunk: Trunk,
    /// By member: weights of the hidden units, and the bias.
    heads: Vec<(Vec<f32>, f32)>,
    config: ScoreConfig,
}

impl ScoreExecutor {
    /// Reads the weights of every member, under [`crate::Scorer`]'s names.
    ///
    /// # Errors
    /// A configuration that makes no sense, or one with a pooled head, which only [`crate::Scorer`] has; weights that are missing or of
    /// another shape (named); no members.
    pub fn load(config: &ScoreConfig, members: &[VarBuilder]) -> Result<Self> {
        let trunk = config.trunk();
        trunk.validate()?;
        if config.head != ScoreHead::Sum {
            return Err(PredictorError::Config { field: "head", why: "is pooled, which needs tensors".into() });
        }
        if members.is_empty() {
            return Err(PredictorError::Config { field: "members", why: "are none".into() });
        }
        let head = |vb: &VarBuilder| -> Result<(Vec<f32>, f32)> {
            let mut dense = weights::dense(config.d_score, 1, vb.pp("readout.score"))?;
            Ok((dense.weight.swap_remove(0), dense.bias[0]))
        };
        Ok(ScoreExecutor {
            arch: Arch::new(),
            trunk: Trunk::load(&trunk, members)?,
            heads: members.iter().map(head).collect::<Result<_>>()?,
            config: config.clone(),
        })
    }

    /// The score of a graph, mean of the members. Rows that the store has are not computed again, so candidates that share nodes
    /// should share a store.
    ///
    /// # Errors
    /// [`PredictorError::Width`] and [`PredictorError::NotFinite`] on inputs of the wrong width or with NaN.
    pub fn score<N: Borrow<NodeInput>>(&self, nodes: &[N], relations: &Relations, store: &mut Store) -> Result<f64> {
        for node in nodes {
            let node = node.borrow();
            width("a sentence vector", node.sentence.len(), self.config.sentence_dim)?;
            width("a node's numbers", node.features.len(), self.config.n_features)?;
        }
        self.trunk.run(self.arch, nodes, relations, store, None)?;
        let (width, members) = (self.trunk.head_width(), self.heads.len());
        let own = width / members;
        let mut total = 0.0f64;
        for &row in &store.scratch.rows {
            let x = &store.heads.x[row as usize * width..][..width];
            for ((weights, bias), x) in self.heads.iter().zip(x.chunks_exact(own)) {
                let silu = |x: f32| x / (1.0 + (-x).exp());
                let sum: f32 = weights.iter().zip(x).map(|(w, &x)| w * silu(x)).sum();
                total += f64::from(sum + bias);
            }
        }
        Ok(total / NODES / members as f64)
    }
}
