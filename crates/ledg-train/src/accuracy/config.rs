//! An experiment of accuracy prediction as data. Unknown keys are errors.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use ledg_cost_model::predictor::{Attention, ScoreConfig, ScoreHead};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::inputs::N_NUMBERS;
use super::process;
use crate::config::DataConfig;

/// One experiment.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccuracyExperiment {
    /// Name; results go to `runs/<name>/`.
    pub name: String,
    /// What the experiment shows, one sentence.
    pub about: String,
    /// Seeds: each draws its own training samples, and gives initial weights and order of training.
    pub seeds: Vec<u64>,
    /// The data: `nasbench201_accuracy` or `nasbench101_accuracy`.
    pub data: DataConfig,
    /// What is trained on; all the rest is tested on.
    pub sampling: Sampling,
    /// The model.
    pub scorer: Architecture,
    /// The training.
    pub train: Training,
    /// A second learner whose scores are mixed with the ensemble's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gaussian_process: Option<Mixture>,
    /// Published figures on the same protocol.
    #[serde(default)]
    pub references: Vec<Reference>,
}

/// A published figure.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reference {
    /// Whose it is, and from where.
    pub method: String,
    /// Kendall's tau by number of samples.
    pub tau: Vec<f64>,
}

/// Another learner's part in the ranking.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mixture {
    /// Its share of the mean of the two scores, each standardised over all cells.
    pub weight: f64,
}

/// What is trained on.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sampling {
    /// Numbers of training samples, each a row of the table.
    pub samples: Vec<usize>,
    /// Share of the training samples that is not learned from but ranked, to choose settings; 0: all are learned from. Nothing
    /// else is chosen on it: the last epoch's running average is kept.
    pub validation: f64,
}

/// The model.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Architecture {
    /// See [`ScoreConfig::d_model`].
    pub d_model: usize,
    /// See [`ScoreConfig::n_layers`].
    pub n_layers: usize,
    /// See [`ScoreConfig::n_heads`].
    pub n_heads: usize,
    /// See [`ScoreConfig::ffn_mult`].
    pub ffn_mult: usize,
    /// See [`ScoreConfig::d_score`].
    pub d_score: usize,
    /// See [`ScoreConfig::attention`].
    pub attention: Attention,
    /// See [`ScoreConfig::head`].
    #[serde(default)]
    pub head: ScoreHead,
    /// See [`ScoreConfig::numbers`].
    pub numbers: bool,
    /// See [`ScoreConfig::sentences`].
    pub sentences: bool,
    /// See [`ScoreConfig::dropout`].
    pub dropout: f64,
    /// See [`ScoreConfig::feature_noise`].
    pub feature_noise: f64,
}

/// What is learned: merits, of which larger is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Merit {
    /// The accuracy.
    Accuracy,
    /// `-ln(1 - accuracy)`: halving the error counts the same everywhere.
    LogError,
    /// The place among the training samples.
    Rank,
}

/// The training.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Training {
    /// Models of an ensemble: same samples, other initial weights and order.
    pub members: usize,
    /// What is learned.
    pub merit: Merit,
    /// Weight of the ranking loss (pairwise logistic, pairs weighted by their difference in merit).
    pub ranking: f64,
    /// Weight of the squared error of the score against the standardised merit.
    pub regression: f64,
    /// Steps of a training, whatever the number of samples.
    pub steps: usize,
    /// Samples of a step, all pairs of which are compared.
    pub samples_per_step: usize,
    /// Peak learning rate.
    pub learning_rate: f64,
    /// Share of the steps in which the learning rate rises; then it falls along a cosine to 0.
    pub warmup: f64,
    /// AdamW's decoupled weight decay.
    pub weight_decay: f64,
    /// Largest norm of a step's gradient.
    pub clip_norm: f64,
    /// Decay of the running average of weights that is kept.
    pub ema_decay: f64,
}

/// Whether a configuration is one of accuracy prediction.
pub fn is_config(path: &Path) -> bool {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.parse::<toml::Table>().is_ok_and(|t| t.contains_key("sampling"))
}

impl AccuracyExperiment {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// A file that cannot be read, an unknown key, a value out of range; file and field are named.
    pub fn load(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| format!("{}: cannot be read", path.display()))?;
        let experiment: AccuracyExperiment = toml::from_str(&text).with_context(|| format!("{}", path.display()))?;
        experiment.check().with_context(|| format!("{}", path.display()))?;
        Ok(experiment)
    }

    fn check(&self) -> Result<()> {
        self.data.check()?;
        let is_accuracy = self.data.nasbench201_accuracy.is_some() || self.data.nasbench101_accuracy.is_some();
        ensure!(is_accuracy, "`data` names no accuracies");
        crate::config::check_seeds(&self.seeds)?;
        let s = &self.sampling;
        ensure!(!s.samples.is_empty(), "`sampling.samples` is empty");
        ensure!(s.samples.iter().all(|&n| n >= 8), "`sampling.samples`: a training needs at least 8 samples");
        ensure!((0.0..=0.5).contains(&s.validation), "`sampling.validation` is {}, must be 0 to 0.5", s.validation);
        for reference in &self.references {
            ensure!(
                reference.tau.len() == s.samples.len(),
                "`references`: {} needs a tau a number of samples",
                reference.method
            );
        }
        let t = &self.train;
        ensure!(t.members > 0 && t.steps > 0, "`train.members` and `train.steps` must be at least 1");
        ensure!(t.samples_per_step >= 2, "`train.samples_per_step` must be at least 2");
        for (name, value) in [("learning_rate", t.learning_rate), ("clip_norm", t.clip_norm)] {
            ensure!(value.is_finite() && value > 0.0, "`train.{name}` is {value}, must be a positive number");
        }
        for (name, value) in [("warmup", t.warmup), ("ema_decay", t.ema_decay)] {
            ensure!((0.0..=1.0).contains(&value), "`train.{name}` is {value}, must be between 0 and 1");
        }
        let weights = [("ranking", t.ranking), ("regression", t.regression), ("weight_decay", t.weight_decay)];
        for (name, value) in weights {
            ensure!(value.is_finite() && value >= 0.0, "`train.{name}` is {value}, must not be negative");
        }
        ensure!(t.ranking + t.regression > 0.0, "`train.ranking` and `train.regression` are both 0");
        if let Some(Mixture { weight, .. }) = self.gaussian_process {
            ensure!(weight > 0.0 && weight < 1.0, "`gaussian_process.weight` is {weight}, must be between 0 and 1");
        }
        self.scorer_config(1).trunk().validate()?;
        Ok(())
    }

    /// The scorer's configuration for sentence vectors of that width.
    pub fn scorer_config(&self, sentence_dim: usize) -> ScoreConfig {
        let s = &self.scorer;
        ScoreConfig {
            d_model: s.d_model,
            n_layers: s.n_layers,
            n_heads: s.n_heads,
            ffn_mult: s.ffn_mult,
            d_score: s.d_score,
            attention: s.attention,
            head: s.head,
            numbers: s.numbers,
            sentences: s.sentences,
            dropout: s.dropout,
            feature_noise: s.feature_noise,
            sentence_dim,
            n_features: N_NUMBERS,
        }
    }

    /// SHA-256 of what determines the members of a run, besides its seed and number of samples.
    pub fn training_hash(&self) -> Result<String> {
        let parts = (&self.data, self.sampling.validation, &self.scorer, &self.train);
        Ok(format!("{:x}", Sha256::digest(serde_json::to_string(&parts)?)))
    }

    /// SHA-256 of what determines a run's outcome.
    pub fn hash(&self) -> Result<String> {
        let training = self.training_hash()?;
        match &self.gaussian_process {
            None => Ok(training),
            Some(mixture) => {
                Ok(format!("{:x}", Sha256::digest(serde_json::to_string(&(training, process::FORM, mixture))?)))
            }
        }
    }

    /// The runs: number of samples and seed.
    pub fn runs(&self) -> Vec<(usize, u64)> {
        self.sampling.samples.iter().flat_map(|&n| self.seeds.iter().map(move |&seed| (n, seed))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NASBENCH201: &str = include_str!("../../../../configs/experiments/nasbench201-accuracy.toml");

    fn error(from: &str, to: &str) -> String {
        let text = NASBENCH201.replace(from, to);
        assert_ne!(text, NASBENCH201, "`{from}` is not in the file");
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("experiment.toml");
        std::fs::write(&path, text).unwrap();
        format!("{:#}", AccuracyExperiment::load(&path).unwrap_err())
    }

    #[test]
    fn errors_name_file_and_field() {
        let unknown = error("steps =", "step =");
        assert!(unknown.contains("experiment.toml") && unknown.contains("step"), "{unknown}");
        assert!(error("n_heads = 6", "n_heads = 5").contains("n_heads"));
        assert!(error("validation = 0.0", "validation = 0.9").contains("sampling.validation"));
        assert!(error("nasbench201_accuracy =", "nasbench201 =").contains("target"));
    }
}
