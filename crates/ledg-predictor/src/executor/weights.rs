//! Reading a member's weights under the names that `Predictor::load` gives them.

use candle_core::DType;
use candle_nn::VarBuilder;

use super::linear::Dense;
use crate::error::Result;

/// A linear layer `weight` (out, in), `bias` (out).
pub(crate) fn dense(d_in: usize, d_out: usize, vb: VarBuilder) -> Result<Dense> {
    let weight = vb.get((d_out, d_in), "weight")?.to_dtype(DType::F32)?.to_vec2()?;
    Ok(Dense { weight, bias: vector(d_out, "bias", &vb)? })
}

/// A vector of that name.
pub(crate) fn vector(d: usize, name: &str, vb: &VarBuilder) -> Result<Vec<f32>> {
    Ok(vb.get(d, name)?.to_dtype(DType::F32)?.to_vec1()?)
}

/// Scale and shift of a layer normalisation.
pub(crate) fn norm(d: usize, vb: VarBuilder) -> Result<(Vec<f32>, Vec<f32>)> {
    Ok((vector(d, "weight", &vb)?, vector(d, "bias", &vb)?))
}

impl Dense {
    /// Columns `range` of the weights; the bias as it is or zero.
    pub fn columns(&self, range: std::ops::Range<usize>, with_bias: bool) -> Dense {
        Dense {
            weight: self.weight.iter().map(|row| row[range.clone()].to_vec()).collect(),
            bias: if with_bias { self.bias.clone() } else { vec![0.0; self.bias.len()] },
        }
    }

    /// Two layers that read the same input, one below the other.
    pub fn stacked(mut self, other: Dense) -> Dense {
        self.weight.extend(other.weight);
        self.bias.extend(other.bias);
        self
    }
}
