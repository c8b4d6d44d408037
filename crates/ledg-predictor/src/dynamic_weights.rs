//! Equations (3) and (4): how much each node listens to its grandfathers, fathers and sons.
//!
//! `z_i = [x_i ; mean of x over i's fathers]`, `w_i = softmax(FC(z_i))`.

use std::sync::Arc;

use candle_core::{Module, Tensor};
use candle_nn::VarBuilder;

use crate::edges::WeightedEdges;
use crate::error::Result;
use crate::layers::{Linear, linear, softmax};
use crate::ops::NeighbourMean;

/// Weights of the masks by node.
pub(crate) struct DynamicWeights {
    fc: Linear,
}

impl DynamicWeights {
    pub fn load(d_model: usize, n_masks: usize, vb: VarBuilder) -> Result<Self> {
        Ok(DynamicWeights { fc: linear(2 * d_model, n_masks, vb.pp("fc"))? })
    }

    /// # Shapes
    /// x (n, d) → (n, masks), rows sum to 1
    pub fn forward(&self, x: &Tensor, fathers: &Arc<WeightedEdges>) -> Result<Tensor> {
        let mean = x.apply_op1(NeighbourMean { edges: Arc::clone(fathers) })?;
        let z = Tensor::cat(&[x, &mean], 1)?; // (n, 2d)
        softmax(&self.fc.forward(&z)?)
    }
}
