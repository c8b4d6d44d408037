//! The score head without tensors: see `score`.

use std::borrow::Borrow;

use candle_nn::VarBuilder;
use ledg_graph::Relations;
use pulp::{Arch, Simd, WithSimd};

use super::simd::{padded, silu};
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
    /// Weights of the hidden units, (members, padded d_score), zeros in the padding; and the biases' sum.
    weights: Vec<f32>,
    bias: f32,
    members: usize,
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
        let (mut head, mut bias) = (Vec::new(), 0.0);
        for vb in members {
            let mut dense = weights::dense(config.d_score, 1, vb.pp("readout.score"))?;
            head.append(&mut dense.weight[0]);
            head.resize(head.len().next_multiple_of(padded(config.d_score)), 0.0);
            bias += dense.bias[0];
        }
        Ok(ScoreExecutor {
            arch: Arch::new(),
            trunk: Trunk::load(&trunk, members)?,
            weights: head,
            bias,
            members: members.len(),
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
        // Of hidden units no more than their sum is wanted.
        let Store { heads, sums, scratch, .. } = store;
        self.arch.dispatch(Sums { rows: &heads.x, weights: &self.weights, bias: self.bias, sums });
        heads.x.clear();
        let total: f64 = scratch.rows.iter().map(|&row| f64::from(sums[row as usize])).sum();
        Ok(total / NODES / self.members as f64)
    }
}

/// Appends each row's sum over members.
struct Sums<'a> {
    rows: &'a [f32],
    weights: &'a [f32],
    bias: f32,
    sums: &'a mut Vec<f32>,
}

impl WithSimd for Sums<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let weights = S::as_simd_f32s(self.weights).0;
        for row in self.rows.chunks_exact(self.weights.len()) {
            let row = S::as_simd_f32s(row).0;
            let mut sum = simd.splat_f32s(0.0);
            for (&weight, &x) in weights.iter().zip(row) {
                sum = simd.mul_add_e_f32s(weight, silu(simd, x), sum);
            }
            self.sums.push(simd.reduce_sum_f32s(sum) + self.bias);
        }
    }
}
