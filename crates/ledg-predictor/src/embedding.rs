//! Equations (1) and (2): sentence vectors of nodes and platforms, projected, with their numbers beside them.
//!
//! The language model itself is elsewhere: `e_i = LLM(T_N(n_i))` and `e_P = LLM(T_P(p))` come in as vectors.

use candle_core::{Module, Tensor};
use candle_nn::VarBuilder;

use crate::batch::{GraphBatch, PlatformBatch};
use crate::config::{HardwareInputs, PredictorConfig};
use crate::error::Result;
use crate::layers::{Linear, Mode, dropout, linear, noisy, row_mask, silu, zero_linear};

/// Node vectors from sentences and numbers.
pub(crate) struct NodeEmbedding {
    sentence: Option<Linear>,
    numbers: Option<(Linear, Linear)>,
    dropout: f64,
    feature_noise: f64,
}

impl NodeEmbedding {
    pub fn load(config: &PredictorConfig, vb: VarBuilder) -> Result<Self> {
        let d = config.d_model;
        let sentence = match config.sentences {
            true => Some(linear(config.sentence_dim, d, vb.pp("sentence"))?),
            false => None,
        };
        let numbers = match config.numbers {
            true => Some((linear(config.n_features, d, vb.pp("numbers.0"))?, linear(d, d, vb.pp("numbers.1"))?)),
            false => None,
        };
        Ok(NodeEmbedding { sentence, numbers, dropout: config.dropout, feature_noise: config.feature_noise })
    }

    /// # Shapes
    /// n nodes → (n, d_model)
    pub fn forward(&self, graphs: &GraphBatch, mode: &Mode) -> Result<Tensor> {
        let mut parts = Vec::with_capacity(2);
        if let Some(sentence) = &self.sentence {
            parts.push(sentence.forward(&graphs.sentences)?);
        }
        if let Some((first, second)) = &self.numbers {
            let features = noisy(&graphs.features, self.feature_noise, mode)?;
            parts.push(second.after_silu(&first.forward(&features)?, 0.0, mode)?);
        }
        // `PredictorConfig::validate` refuses a model with neither part, so there is something to add up.
        let x = parts.iter().skip(1).try_fold(parts[0].clone(), |sum, part| sum + part)?;
        dropout(&x, self.dropout, mode)
    }
}

/// Platform vectors from sentence, runtime settings and data sheet.
///
/// Their projections start at zero: what did not vary in training (standardised, it was 0 throughout) gets no weight, so
/// a setting or chip never seen changes nothing but through the rates of the physical prior.
pub(crate) struct PlatformEmbedding {
    runtime: Linear,
    sentence: Option<Linear>,
    sheet: Option<Linear>,
    out: Linear,
    hardware_dropout: f64,
}

impl PlatformEmbedding {
    pub fn load(config: &PredictorConfig, vb: VarBuilder) -> Result<Self> {
        let d = config.d_platform;
        let (sentence, sheet) = match config.hardware {
            HardwareInputs::None => (false, false),
            HardwareInputs::Sentence => (true, false),
            HardwareInputs::Sheet => (false, true),
            HardwareInputs::Both => (true, true),
        };
        Ok(PlatformEmbedding {
            runtime: zero_linear(config.n_runtime, d, vb.pp("runtime"))?,
            sentence: if sentence { Some(zero_linear(config.sentence_dim, d, vb.pp("sentence"))?) } else { None },
            sheet: if sheet { Some(zero_linear(config.n_sheet, d, vb.pp("sheet"))?) } else { None },
            out: linear(d, d, vb.pp("out"))?,
            hardware_dropout: config.hardware_dropout,
        })
    }

    /// # Shapes
    /// p platforms → (p, d_platform)
    pub fn forward(&self, platforms: &PlatformBatch, mode: &Mode) -> Result<Tensor> {
        let mut x = self.runtime.forward(&platforms.runtime)?;
        let shown = row_mask(platforms.rates.len(), self.hardware_dropout, x.dtype(), mode)?;
        let show = |input: &Tensor| match &shown {
            Some(mask) => input.broadcast_mul(mask),
            None => Ok(input.clone()),
        };
        if let Some(sentence) = &self.sentence {
            x = (x + sentence.forward(&show(&platforms.sentences)?)?)?;
        }
        if let Some(sheet) = &self.sheet {
            x = (x + sheet.forward(&show(&platforms.sheet)?)?)?;
        }
        silu(&self.out.after_silu(&x, 0.0, mode)?)
    }
}
