//! The predictor's configuration: plain data, ablations included.

use serde::{Deserialize, Serialize};

use crate::error::{PredictorError, Result};

/// Which masks attention uses and how it mixes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Attention {
    /// Grandfathers, fathers and sons, mixed per node by learned weights (equations 3-8).
    Dgsa,
    /// The same masks, each weighted 1/3.
    Fixed,
    /// One mask that allows every node of the graph.
    Global,
    /// NN-Former's four masks A, Aᵀ, AᵀA, AAᵀ, a quarter of the heads' sum each.
    NnFormer,
    /// No attention: nodes are predicted from themselves alone.
    None,
}

/// How node vectors become one latency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Readout {
    /// The paper's: the network token concatenated with the platform's vector.
    Paper,
    /// Σ over nodes of roofline terms × exp(correction).
    Sum,
}

/// How node vectors become one score, see [`crate::Scorer`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ScoreHead {
    /// A sum over the nodes.
    #[default]
    Sum,
    /// The same, and a layer over the sum of the node vectors: nodes far apart may depend on each other.
    Pooled,
}

/// What the predictor is told of the hardware, beside the rates that the physical prior uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HardwareInputs {
    /// Nothing but the runtime's settings.
    None,
    /// The platform's sentence vector.
    Sentence,
    /// The data sheet's numbers.
    Sheet,
    /// Both.
    Both,
}

/// How the rates of the physical prior come from a data sheet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rates {
    /// A GPU's peaks at its base clock.
    #[default]
    BaseClock,
    /// The same, with less that feeds a GPU's matrix units and a little more of its bandwidth kept busy.
    NarrowFeed,
    /// A GPU's matrix products as fast as its power feeds them, everything else at the stated peak; starting an operator
    /// costs less the newer the GPU is.
    PowerLimit,
    /// The same, and starting an operator costs several times as much where a framework runs operators of a GPU one by one
    /// (eagerly), and on chips that a phone's or a board's cores drive.
    EagerLaunch,
    /// The power limit's, and a GPU's memory at the share of its stated bandwidth that kernels keep busy.
    Streaming,
}

/// What the physical prior takes an operator to move.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Movement {
    /// What its template says, whatever runs it.
    #[default]
    Stated,
    /// What the framework moves for it that runs it, where its rules are known: PyTorch's casts, copies and passes, and what its
    /// compiler fuses. Elsewhere what its template says.
    Framework,
}

/// How a platform's runtime settings become numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Settings {
    /// One number a setting, whatever the kind of chip.
    #[default]
    Shared,
    /// The same, but half precision on a GPU is one setting, mixed or not: what is cast, the traffic counts.
    HalfOnGpus,
}

/// Everything that determines the predictor's architecture.
///
/// ```
/// use ledg_predictor::{Attention, HardwareInputs, Movement, PredictorConfig, Rates, Readout, Settings};
///
/// let mut config = PredictorConfig {
///     d_model: 64,
///     n_layers: 3,
///     n_heads: 4,
///     ffn_mult: 2,
///     d_readout: 64,
///     d_platform: 16,
///     attention: Attention::Dgsa,
///     readout: Readout::Sum,
///     hardware: HardwareInputs::Both,
///     numbers: true,
///     sentences: true,
///     correction_cap: 2.0,
///     dropout: 0.1,
///     feature_noise: 0.05,
///     hardware_dropout: 0.5,
///     rates: Rates::PowerLimit,
///     movement: Movement::default(),
///     settings: Settings::HalfOnGpus,
///     sentence_dim: 384,
///     n_features: 40,
///     n_runtime: 8,
///     n_sheet: 12,
/// };
/// config.validate()?;
///
/// config.n_heads = 5;
/// let error = config.validate().unwrap_err().to_string();
/// assert_eq!(error, "predictor config: `n_heads` is 5, must divide d_model 64");
/// # Ok::<(), ledg_predictor::PredictorError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PredictorConfig {
    /// Width of a node's vector.
    pub d_model: usize,
    /// Transformer blocks.
    pub n_layers: usize,
    /// Attention heads; divides `d_model`.
    pub n_heads: usize,
    /// Width of the feed-forward layer, as a multiple of `d_model`.
    pub ffn_mult: usize,
    /// Width of the hidden layer of the readout, where node and platform meet.
    pub d_readout: usize,
    /// Width of the platform's vector.
    pub d_platform: usize,
    /// Attention.
    pub attention: Attention,
    /// Readout.
    pub readout: Readout,
    /// Hardware inputs.
    pub hardware: HardwareInputs,
    /// Whether nodes carry their numbers beside their sentence.
    pub numbers: bool,
    /// Whether nodes carry their sentence.
    pub sentences: bool,
    /// Largest absolute deviation of a node's roofline term from its platform's base, in ln; smooth (`cap · tanh(x / cap)`).
    pub correction_cap: f64,
    /// Dropout on node vectors and in the readout, while training.
    pub dropout: f64,
    /// Standard deviation of the noise added to a node's standardised numbers, while training.
    pub feature_noise: f64,
    /// Share of the platforms whose sentence and data sheet are hidden at each step of the training. Hidden inputs stand
    /// at the training set's mean, which is also what a device that was never measured is given.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub hardware_dropout: f64,
    /// Where the rates of the physical prior come from; the predictor is given them and does not look.
    #[serde(default, skip_serializing_if = "is_default")]
    pub rates: Rates,
    /// What the runtime settings mean; the predictor is given them and does not look.
    #[serde(default, skip_serializing_if = "is_default")]
    pub settings: Settings,
    /// What operators move; the predictor is given it with nodes and rates and does not look.
    #[serde(default, skip_serializing_if = "is_default")]
    pub movement: Movement,
    /// Width of a sentence vector.
    pub sentence_dim: usize,
    /// Numbers of a node.
    pub n_features: usize,
    /// Numbers of a platform's runtime settings.
    pub n_runtime: usize,
    /// Numbers of a platform's data sheet.
    pub n_sheet: usize,
}

/// Left out of files where it is off, so that settings from before it existed keep their hash.
fn is_zero(x: &f64) -> bool {
    *x == 0.0
}

/// As [`is_zero`].
pub(crate) fn is_default<T: Default + PartialEq>(x: &T) -> bool {
    *x == T::default()
}

impl PredictorConfig {
    /// Checks what serde cannot.
    ///
    /// # Errors
    /// [`PredictorError::Config`] names the first field that is out of range.
    pub fn validate(&self) -> Result<()> {
        let bad = |field, why: String| Err(PredictorError::Config { field, why });
        let positive = [
            ("d_model", self.d_model),
            ("n_heads", self.n_heads),
            ("ffn_mult", self.ffn_mult),
            ("d_readout", self.d_readout),
            ("d_platform", self.d_platform),
            ("sentence_dim", self.sentence_dim),
            ("n_features", self.n_features),
        ];
        for (field, value) in positive {
            if value == 0 || value > 1 << 16 {
                return bad(field, format!("is {value}, must be 1 to 65536"));
            }
        }
        if self.n_layers > 64 {
            return bad("n_layers", format!("is {}, must be at most 64", self.n_layers));
        }
        if !self.d_model.is_multiple_of(self.n_heads) {
            return bad("n_heads", format!("is {}, must divide d_model {}", self.n_heads, self.d_model));
        }
        if !(self.correction_cap > 0.0 && self.correction_cap <= 20.0) {
            return bad("correction_cap", format!("is {}, must be in (0, 20]", self.correction_cap));
        }
        if !(0.0..1.0).contains(&self.dropout) {
            return bad("dropout", format!("is {}, must be in [0, 1)", self.dropout));
        }
        if !(0.0..1.0).contains(&self.hardware_dropout) {
            return bad("hardware_dropout", format!("is {}, must be in [0, 1)", self.hardware_dropout));
        }
        if !(0.0..=2.0).contains(&self.feature_noise) {
            return bad("feature_noise", format!("is {}, must be in [0, 2]", self.feature_noise));
        }
        if !self.numbers && !self.sentences {
            return bad("numbers", "and `sentences` are both off: nodes would carry nothing".into());
        }
        Ok(())
    }
}
