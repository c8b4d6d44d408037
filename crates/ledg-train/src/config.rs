//! An experiment as data: `configs/experiments/*.toml`. Unknown keys are errors.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use ledg_cost_model::predictor::PredictorConfig;
use ledg_cost_model::predictor::{Attention, HardwareInputs, Movement, Rates, Readout, Settings};
use serde::{Deserialize, Serialize};

pub use crate::data::DataConfig;
pub use crate::variants::Variant;

/// One experiment.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Experiment {
    /// Name; results go to `runs/<name>/`.
    pub name: String,
    /// What the experiment shows, one sentence.
    pub about: String,
    /// What others, or a prototype, reported on the same or on like work, with the source; where the work is not the
    /// same, in what.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// Seeds: each gives its own initial weights and order of training.
    pub seeds: Vec<u64>,
    /// Also tells the errors of so many models together, as a bundle holds them: seeds are taken so many at a time, ascending.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ensembles_of: Option<usize>,
    /// The data.
    pub data: DataConfig,
    /// What is held out.
    pub split: SplitConfig,
    /// The model.
    pub model: ModelConfig,
    /// The training.
    pub train: TrainConfig,
    /// The same experiment with a few settings changed: ablations, learning curves.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub variants: Vec<Variant>,
}

/// What is held out.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum SplitConfig {
    /// Whole model families are unseen: families are dealt into `folds` parts, one run a part.
    Families {
        /// Number of parts; 5 holds out 20 % of the families in each run.
        folds: usize,
        /// How many of the parts are run as test sets, in order; at most `folds`.
        run_folds: usize,
        /// Seed by which families are dealt, the same for every run, so that runs of several seeds can be averaged.
        seed: u64,
        /// Share of the remaining families on which the checkpoint is chosen.
        validation: f64,
    },
    /// Models are unseen, of families that are seen: models are dealt into `folds` parts, each with all its image sizes.
    Models {
        /// Number of parts.
        folds: usize,
        /// How many of the parts are run as test sets, in order; at most `folds`.
        run_folds: usize,
        /// Seed by which models are dealt, the same for every run.
        seed: u64,
        /// Share of the remaining models on which the checkpoint is chosen.
        validation: f64,
    },
    /// Devices and whole model families are unseen at once: tested is what the devices take for a part of the families, as
    /// under `families`; neither the devices' other records nor the families' take part.
    HardwareAndFamilies {
        /// The devices held out, as under `hardware`.
        held_out: OneOrMore,
        /// Number of parts that families are dealt into.
        folds: usize,
        /// How many of the parts are run as test sets, in order; at most `folds`.
        run_folds: usize,
        /// Seed by which families are dealt, the same for every run.
        seed: u64,
        /// Share of the remaining families on which the checkpoint is chosen.
        validation: f64,
    },
    /// Devices are unseen with all their configurations and batch sizes, in every data set; families are seen.
    Hardware {
        /// The device held out, or several that are nearly the same chip (Titan X, Titan Xp and GTX 1080 Ti), of which none
        /// may be seen. Names as the hardware files have them.
        held_out: OneOrMore,
        /// Seed by which validation graphs are chosen.
        seed: u64,
        /// Share of the graphs on which the checkpoint is chosen, on the devices that are seen.
        validation: f64,
    },
    /// Groups of devices are unseen in turn, one run a group, each as under `hardware`.
    HardwareGroups {
        /// The groups. Chips that are nearly the same belong into one.
        groups: Vec<Vec<String>>,
        /// Seed by which validation graphs are chosen.
        seed: u64,
        /// Share of the graphs on which the checkpoint is chosen, on the devices that are seen.
        validation: f64,
    },
    /// Groups of kinds of single operators, or of families, are unseen in turn, one run a group, each as under `operator`.
    OperatorGroups {
        /// The groups. Operators that say the same of each other (`add` and `addu`) belong into one.
        groups: Vec<Vec<String>>,
        /// Seed by which validation groups are chosen.
        seed: u64,
        /// Share of the remaining groups on which the checkpoint is chosen.
        validation: f64,
    },
    /// Graphs in which an operator of a group occurs are unseen, one run a group; all other graphs of their families are seen.
    GraphOperators {
        /// The groups, of operators by the name that they have after lowering (`HardSwish`).
        groups: Vec<Vec<String>>,
        /// Seed by which validation models are chosen.
        seed: u64,
        /// Share of the remaining models on which the checkpoint is chosen.
        validation: f64,
    },
    /// Kinds of single operators, or whole families, are unseen.
    Operator {
        /// Families held out: for single operators their kind (`softmax`).
        held_out: OneOrMore,
        /// Seed by which validation groups are chosen.
        seed: u64,
        /// Share of the remaining groups on which the checkpoint is chosen.
        validation: f64,
    },
    /// The test stage of the source's own split is unseen; graphs of no stage train.
    Stage {
        /// Seed by which validation groups are chosen.
        seed: u64,
        /// Share of the training stage's groups on which the checkpoint is chosen.
        validation: f64,
    },
    /// Nothing is held out for testing: for the model that ships.
    None {
        /// Seed by which validation families are chosen.
        seed: u64,
        /// Share of the families on which the checkpoint is chosen.
        validation: f64,
    },
}

impl SplitConfig {
    /// Whether the test records' devices are in no other record.
    pub fn unseen_devices(&self) -> bool {
        matches!(
            self,
            SplitConfig::Hardware { .. } | SplitConfig::HardwareGroups { .. } | SplitConfig::HardwareAndFamilies { .. }
        )
    }
}

/// One name or several; written as it was given.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(untagged)]
pub enum OneOrMore {
    /// One.
    One(String),
    /// Several.
    More(Vec<String>),
}

impl OneOrMore {
    /// All names.
    pub fn names(&self) -> &[String] {
        match self {
            OneOrMore::One(name) => std::slice::from_ref(name),
            OneOrMore::More(names) => names,
        }
    }
}

/// The model; what the data determines (widths of inputs) is filled in.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelConfig {
    /// See [`PredictorConfig::d_model`].
    pub d_model: usize,
    /// See [`PredictorConfig::n_layers`].
    pub n_layers: usize,
    /// See [`PredictorConfig::n_heads`].
    pub n_heads: usize,
    /// See [`PredictorConfig::ffn_mult`].
    pub ffn_mult: usize,
    /// See [`PredictorConfig::d_readout`].
    pub d_readout: usize,
    /// See [`PredictorConfig::d_platform`].
    pub d_platform: usize,
    /// See [`PredictorConfig::attention`].
    pub attention: Attention,
    /// See [`PredictorConfig::readout`].
    pub readout: Readout,
    /// See [`PredictorConfig::hardware`].
    pub hardware: HardwareInputs,
    /// How an operator's words become a vector.
    pub embedding: Embedding,
    /// See [`PredictorConfig::numbers`].
    pub numbers: bool,
    /// Whether a node's numbers say where it stands among its readers' operands: [`DescribedGraph::numbers`].
    ///
    /// [`DescribedGraph::numbers`]: ledg_cost_model::DescribedGraph::numbers
    #[serde(default, skip_serializing_if = "is_default")]
    pub operand_order: bool,
    /// See [`PredictorConfig::correction_cap`].
    pub correction_cap: f64,
    /// See [`PredictorConfig::dropout`].
    pub dropout: f64,
    /// See [`PredictorConfig::feature_noise`].
    pub feature_noise: f64,
    /// See [`PredictorConfig::hardware_dropout`].
    #[serde(default, skip_serializing_if = "is_zero")]
    pub hardware_dropout: f64,
    /// See [`PredictorConfig::rates`].
    #[serde(default, skip_serializing_if = "is_default")]
    pub rates: Rates,
    /// See [`PredictorConfig::settings`].
    #[serde(default, skip_serializing_if = "is_default")]
    pub settings: Settings,
    /// See [`PredictorConfig::movement`].
    #[serde(default, skip_serializing_if = "is_default")]
    pub movement: Movement,
}

/// Left out where it is off, so that experiments from before it existed keep their hash.
fn is_zero(x: &f64) -> bool {
    *x == 0.0
}

/// As [`is_zero`].
fn is_default<T: Default + PartialEq>(x: &T) -> bool {
    *x == T::default()
}

/// How an operator's words become a vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Embedding {
    /// The frozen pretrained BERT.
    Bert,
    /// The same architecture with random weights.
    BertRandomInit,
    /// One position an operator type.
    OneHot,
    /// No words at all.
    None,
}

/// The training.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainConfig {
    /// Weight of the penalty on the nodes' deviations from their platform (sum readout).
    pub deviation_penalty: f64,
    /// Passes over the training graphs.
    pub epochs: usize,
    /// Graphs a step.
    pub graphs_per_step: usize,
    /// Records drawn for each graph of a step.
    pub records_per_graph: usize,
    /// Peak learning rate.
    pub learning_rate: f64,
    /// Share of the steps in which the learning rate rises linearly; then it falls along a cosine to 0.
    pub warmup: f64,
    /// AdamW's decoupled weight decay.
    pub weight_decay: f64,
    /// Smooth-L1's transition from square to absolute, in units of ln latency.
    pub huber_delta: f64,
    /// Largest norm of a step's gradient.
    pub clip_norm: f64,
    /// Decay of the running average of weights that is evaluated and kept.
    pub ema_decay: f64,
    /// A family of n graphs weighs n^(1 - this) in the loss: 0 counts graphs alike, 1 families.
    pub family_balance: f64,
    /// Epochs between evaluations on the validation set.
    pub validate_every: usize,
    /// How many of the training graphs are learned from, drawn by the run's seed; all if it is left out. For learning curves:
    /// what is tested on stays the same, and of two sizes the larger draw holds the smaller.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub graphs: Option<usize>,
    /// How many of the training devices are learned from, drawn by the run's seed; all if it is left out. For learning curves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub devices: Option<usize>,
    /// Epochs on one kind of training graphs before those on the other; all graphs together if it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pretrain: Option<Pretrain>,
}

/// Learning from one kind of graphs before the other. `graphs` limits the other kind alone, and validation is of that kind.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pretrain {
    /// What is learned from first.
    pub on: GraphKind,
    /// Passes over it; with none it takes no part.
    pub epochs: usize,
}

/// Two kinds of graphs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GraphKind {
    /// Graphs of one node.
    Operators,
    /// Graphs of more.
    Networks,
}

impl GraphKind {
    /// Whether a graph of so many nodes is of the kind.
    pub fn has(self, nodes: usize) -> bool {
        (nodes == 1) == (self == GraphKind::Operators)
    }
}

/// Fails without seeds, or where one is named twice: its run would count twice.
pub(crate) fn check_seeds(seeds: &[u64]) -> Result<()> {
    ensure!(!seeds.is_empty(), "`seeds` is empty");
    let mut seen = BTreeSet::new();
    match seeds.iter().find(|&&seed| !seen.insert(seed)) {
        Some(seed) => bail!("`seeds` names {seed} twice"),
        None => Ok(()),
    }
}

impl Experiment {
    /// Reads and checks a file.
    pub fn load(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| format!("{}: cannot be read", path.display()))?;
        let experiment: Experiment = toml::from_str(&text).with_context(|| format!("{}", path.display()))?;
        experiment.check().with_context(|| format!("{}", path.display()))?;
        experiment.expanded().with_context(|| format!("{}", path.display()))?;
        Ok(experiment)
    }

    pub(crate) fn check(&self) -> Result<()> {
        let t = &self.train;
        check_seeds(&self.seeds)?;
        if let Some(n) = self.ensembles_of {
            let seeds = self.seeds.len();
            ensure!(n > 0 && seeds.is_multiple_of(n), "`ensembles_of`: {seeds} seeds are not ensembles of {n}");
        }
        ensure!(t.epochs > 0, "`train.epochs` must be at least 1");
        ensure!(
            t.graphs_per_step > 0 && t.records_per_graph > 0,
            "`train.graphs_per_step` and `records_per_graph` must be at least 1"
        );
        ensure!(t.validate_every > 0, "`train.validate_every` must be at least 1");
        ensure!(t.graphs != Some(0), "`train.graphs` must be at least 1");
        ensure!(t.devices != Some(0), "`train.devices` must be at least 1");
        let positive = [("learning_rate", t.learning_rate), ("huber_delta", t.huber_delta), ("clip_norm", t.clip_norm)];
        for (name, value) in positive {
            ensure!(value.is_finite() && value > 0.0, "`train.{name}` is {value}, must be a positive number");
        }
        let shares = [("warmup", t.warmup), ("ema_decay", t.ema_decay), ("family_balance", t.family_balance)];
        for (name, value) in shares {
            ensure!((0.0..=1.0).contains(&value), "`train.{name}` is {value}, must be between 0 and 1");
        }
        self.data.check()?;
        if let SplitConfig::Hardware { held_out, .. }
        | SplitConfig::HardwareAndFamilies { held_out, .. }
        | SplitConfig::Operator { held_out, .. } = &self.split
        {
            ensure!(!held_out.names().is_empty(), "`split.held_out` is empty");
        }
        let validation = match &self.split {
            SplitConfig::Families { folds, run_folds, validation, .. }
            | SplitConfig::Models { folds, run_folds, validation, .. }
            | SplitConfig::HardwareAndFamilies { folds, run_folds, validation, .. } => {
                ensure!(*folds >= 2, "`split.folds` must be at least 2");
                ensure!((1..=*folds).contains(run_folds), "`split.run_folds` must be between 1 and `split.folds`");
                *validation
            }
            SplitConfig::HardwareGroups { groups, validation, .. }
            | SplitConfig::OperatorGroups { groups, validation, .. }
            | SplitConfig::GraphOperators { groups, validation, .. } => {
                ensure!(!groups.is_empty(), "`split.groups` is empty");
                let empty = groups.iter().position(Vec::is_empty);
                ensure!(empty.is_none(), "`split.groups[{}]` is empty", empty.unwrap_or_default());
                *validation
            }
            SplitConfig::Hardware { validation, .. }
            | SplitConfig::Operator { validation, .. }
            | SplitConfig::Stage { validation, .. }
            | SplitConfig::None { validation, .. } => *validation,
        };
        ensure!((0.01..=0.5).contains(&validation), "`split.validation` is {validation}, must be between 0.01 and 0.5");
        Ok(())
    }

    /// The runs of this experiment: (seed, fold).
    pub fn runs(&self) -> Vec<(u64, usize)> {
        let folds = match &self.split {
            SplitConfig::Families { run_folds, .. }
            | SplitConfig::Models { run_folds, .. }
            | SplitConfig::HardwareAndFamilies { run_folds, .. } => *run_folds,
            SplitConfig::HardwareGroups { groups, .. }
            | SplitConfig::OperatorGroups { groups, .. }
            | SplitConfig::GraphOperators { groups, .. } => groups.len(),
            _ => 1,
        };
        self.seeds.iter().flat_map(|&seed| (0..folds).map(move |fold| (seed, fold))).collect()
    }
}

impl ModelConfig {
    /// The predictor's configuration for inputs of these widths.
    pub fn predictor(&self, widths: InputWidths) -> PredictorConfig {
        PredictorConfig {
            d_model: self.d_model,
            n_layers: self.n_layers,
            n_heads: self.n_heads,
            ffn_mult: self.ffn_mult,
            d_readout: self.d_readout,
            d_platform: self.d_platform,
            attention: self.attention,
            readout: self.readout,
            hardware: self.hardware,
            numbers: self.numbers,
            sentences: self.embedding != Embedding::None,
            correction_cap: self.correction_cap,
            dropout: self.dropout,
            feature_noise: self.feature_noise,
            hardware_dropout: self.hardware_dropout,
            rates: self.rates,
            settings: self.settings,
            movement: self.movement,
            sentence_dim: widths.sentence,
            n_features: widths.features,
            n_runtime: widths.runtime,
            n_sheet: widths.sheet,
        }
    }
}

/// Widths of a predictor's inputs.
#[derive(Debug, Clone, Copy)]
pub struct InputWidths {
    /// A sentence vector.
    pub sentence: usize,
    /// A node's numbers.
    pub features: usize,
    /// A platform's runtime settings.
    pub runtime: usize,
    /// A platform's data-sheet numbers.
    pub sheet: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAMILIES: &str = include_str!("../../../configs/experiments/timm-families.toml");

    fn error(text: &str) -> String {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("experiment.toml");
        std::fs::write(&path, text).unwrap();
        format!("{:#}", Experiment::load(&path).unwrap_err())
    }

    #[test]
    fn every_committed_experiment_loads() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs/experiments");
        let mut n = 0;
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = if crate::accuracy::is_config(&path) {
                crate::accuracy::AccuracyExperiment::load(&path).unwrap().name
            } else if crate::schedules::is_config(&path) {
                crate::schedules::name(&path).unwrap()
            } else {
                Experiment::load(&path).unwrap().name
            };
            assert_eq!(Some(name.as_str()), path.file_stem().and_then(|s| s.to_str()));
            n += 1;
        }
        assert!(n >= 3);
    }

    #[test]
    fn errors_name_file_and_field() {
        let unknown = error(&FAMILIES.replace("epochs =", "epoch ="));
        assert!(unknown.contains("experiment.toml") && unknown.contains("epoch"), "{unknown}");
        let nan = error(&FAMILIES.replace("learning_rate = 0.002", "learning_rate = nan"));
        assert!(nan.contains("train.learning_rate") && nan.contains("NaN"), "{nan}");
        let folds = error(&FAMILIES.replace("run_folds = 5", "run_folds = 6"));
        assert!(folds.contains("run_folds"), "{folds}");
        let seeds = error(&FAMILIES.replacen("seeds = [", "seeds = [1, 1, ", 1));
        assert!(seeds.contains("`seeds` names 1 twice"), "{seeds}");
        let ensembles = error(&FAMILIES.replace("[data]", "ensembles_of = 7\n\n[data]"));
        assert!(ensembles.contains("ensembles_of") && ensembles.contains("ensembles of 7"), "{ensembles}");
    }
}
