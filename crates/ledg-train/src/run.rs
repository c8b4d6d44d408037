//! The runs of an experiment: one a seed and fold, trained side by side, each with a folder of its own.

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use anyhow::{Context, Result, bail, ensure};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use ledg_cost_model::predictor::{Normalization, PredictorConfig};
use ledg_cost_model::template::TemplateSet;
use ledg_cost_model::{Describer, PRIOR_VERSION, RawPlatform};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::config::{Experiment, TrainConfig};
use crate::data::{self, Dataset};
use crate::prepare::prepare;
use crate::split::{TrainingSet, split};
use crate::{files, trainer};

/// What a finished run leaves behind.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunResult {
    /// Experiment.
    pub experiment: String,
    /// SHA-256 of the experiment's model, training, data and split settings.
    pub config_hash: String,
    /// SHA-256 of the data.
    pub data_hash: String,
    /// [`rules`] that the data was described by; runs of before they were kept have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rules: Option<String>,
    /// Git revision of the working tree, `+` if it was changed.
    pub git: String,
    /// Processor the run was trained on.
    pub machine: String,
    /// Seconds of training in the session that finished it.
    pub train_s: f64,
    /// Seed.
    pub seed: u64,
    /// Fold.
    pub fold: usize,
    /// Epoch of the checkpoint.
    pub epoch: usize,
    /// Validation MAPE, percent.
    pub validation_mape: f64,
    /// Trainable numbers.
    pub n_parameters: usize,
    /// Architecture.
    pub predictor: PredictorConfig,
    /// Statistics of the inputs.
    pub normalization: Normalization,
    /// Predictions on the test set.
    pub test: Vec<Prediction>,
}

/// A prediction on the test set.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prediction {
    /// Index of the record.
    pub record: usize,
    /// ln of the predicted seconds.
    pub ln_predicted: f64,
    /// ln of the measured seconds.
    pub ln_measured: f64,
}

/// Folder of a run.
pub fn dir(runs: &Path, experiment: &Experiment, seed: u64, fold: usize) -> PathBuf {
    runs.join(&experiment.name).join(format!("seed{seed}-fold{fold}"))
}

/// The data of an experiment.
pub fn load_data(experiment: &Experiment) -> Result<Dataset> {
    let registry = data::registry(&experiment.data)?;
    let mut data = data::load(&experiment.data, &Describer::builtin()?, &registry)?;
    for entry in &mut data.platforms {
        let platform = registry.resolve(&entry.platform.name)?;
        entry.platform = RawPlatform::seen_with(
            &platform,
            experiment.model.rates,
            experiment.model.settings,
            experiment.model.movement,
        )?;
    }
    Ok(data)
}

/// SHA-256 of what determines a run's outcome, seeds aside.
pub fn config_hash(experiment: &Experiment) -> Result<String> {
    let parts = serde_json::to_string(&(&experiment.data, &experiment.split, &experiment.model, &experiment.train))?;
    Ok(format!("{:x}", Sha256::digest(parts)))
}

/// The result of a finished run.
///
/// # Errors
/// When the run is not finished, or was made with other settings.
pub fn load_result(runs: &Path, experiment: &Experiment, seed: u64, fold: usize) -> Result<RunResult> {
    let path = dir(runs, experiment, seed, fold).join("result.json");
    let result: RunResult = files::read_json(&path)
        .with_context(|| format!("is the run finished? `ledg-train fit` makes {}", path.display()))?;
    ensure!(
        result.config_hash == config_hash(experiment)?,
        "{}: the run was made with other settings than the experiment has now; remove its folder to train it again",
        path.display()
    );
    Ok(result)
}

/// The results of all runs of an experiment.
///
/// # Errors
/// As [`load_result`].
pub fn load_results(runs: &Path, experiment: &Experiment) -> Result<Vec<RunResult>> {
    experiment.runs().into_iter().map(|(seed, fold)| load_result(runs, experiment, seed, fold)).collect()
}

/// The results of all runs of an experiment, and the data that they were made on.
///
/// # Errors
/// As [`load_results`], and when a run was made on other data than there is now: its records are indices.
pub fn load_results_and_data(runs: &Path, experiment: &Experiment) -> Result<(Vec<RunResult>, Dataset)> {
    let results = load_results(runs, experiment)?;
    let data = load_data(experiment)?;
    ensure_data(experiment, &results, &data)?;
    Ok((results, data))
}

/// Fails where a run was made on other data.
pub fn ensure_data(experiment: &Experiment, results: &[RunResult], data: &Dataset) -> Result<()> {
    match results.iter().find(|r| r.data_hash != data.hash) {
        Some(r) => bail!(
            "{}: the run of seed {}, fold {} was made on other data; remove its folder to train it again",
            experiment.name,
            r.seed,
            r.fold
        ),
        None => Ok(()),
    }
}

/// Trains all runs that are not finished, those of the variants after the experiment's own.
pub fn fit(experiment: &Experiment, workers: usize, runs: &Path) -> Result<()> {
    ensure!(workers > 0, "`--workers` must be at least 1");
    let mut data: Option<(String, Dataset)> = None;
    for variant in experiment.expanded()? {
        fit_one(&variant, workers, runs, &mut data).with_context(|| variant.name.clone())?;
    }
    Ok(())
}

/// Trains all runs of one variant. `loaded` is the data of the last one, under its settings.
fn fit_one(experiment: &Experiment, workers: usize, runs: &Path, loaded: &mut Option<(String, Dataset)>) -> Result<()> {
    let (mut open, mut finished) = (Vec::new(), Vec::new());
    for (seed, fold) in experiment.runs() {
        if dir(runs, experiment, seed, fold).join("result.json").exists() {
            finished.push(load_result(runs, experiment, seed, fold)?);
        } else {
            open.push((seed, fold));
        }
    }
    if open.is_empty() {
        eprintln!("{}: all runs are finished", experiment.name);
        return Ok(());
    }
    let settings = serde_json::to_string(&experiment.data)?;
    let data = match loaded.take_if(|(of, _)| *of == settings) {
        Some((_, data)) => data,
        None => load_data(experiment)?,
    };
    let (_, data) = loaded.insert((settings, data));
    let data = &*data;
    ensure_data(experiment, &finished, data)?;
    eprintln!(
        "{}: {} graphs, {} platforms, {} records; {} runs to train",
        experiment.name,
        data.graphs.len(),
        data.platforms.len(),
        data.records.len(),
        open.len()
    );
    // A fold that cannot be is found before hours of training, not after.
    for fold in open.iter().map(|&(_, fold)| fold).collect::<std::collections::BTreeSet<_>>() {
        split(data, &experiment.split, fold).with_context(|| format!("fold {fold}"))?;
    }
    let bars = MultiProgress::new();
    open.reverse();
    let queue = Mutex::new(open);
    let next = || queue.lock().unwrap_or_else(std::sync::PoisonError::into_inner).pop();
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..workers)
            .map(|_| {
                scope.spawn(|| -> Result<()> {
                    while let Some((seed, fold)) = next() {
                        one(experiment, data, runs, seed, fold, &bars)
                            .with_context(|| format!("seed {seed}, fold {fold}"))?;
                    }
                    Ok(())
                })
            })
            .collect();
        threads.into_iter().try_for_each(|t| t.join().map_err(|_| anyhow::anyhow!("a training thread panicked"))?)
    })
}

fn one(
    experiment: &Experiment,
    data: &Dataset,
    runs: &Path,
    seed: u64,
    fold: usize,
    bars: &MultiProgress,
) -> Result<()> {
    let dir = dir(runs, experiment, seed, fold);
    let hash = config_hash(experiment)?;
    let rules = rules()?;
    claim(&dir, &hash, &data.hash, &rules)?;
    let style = ProgressStyle::with_template("{prefix:16} {bar:30} {pos}/{len} {elapsed}/{duration} {msg}")?;
    let bar = bars.add(ProgressBar::new(1).with_style(style).with_prefix(format!("seed {seed} fold {fold}")));
    let started = std::time::Instant::now();
    let (training, test) = split(data, &experiment.split, fold)?;
    let training = limited(training, data, &experiment.train, seed)?;
    let prepared = prepare(data, &training.train, &experiment.model)?;
    let trained = trainer::train(&trainer::Training {
        data,
        prepared: &prepared,
        set: &training,
        config: &experiment.train,
        seed,
        dir: &dir,
        bar: &bar,
    })?;
    let pairs = trainer::predict(data, &prepared, &trained.weights, test.records())?;
    let test = test.records().iter().zip(&pairs);
    let result = RunResult {
        experiment: experiment.name.clone(),
        config_hash: hash,
        data_hash: data.hash.clone(),
        rules: Some(rules),
        git: git_revision(),
        machine: machine(),
        train_s: started.elapsed().as_secs_f64(),
        seed,
        fold,
        epoch: trained.epoch,
        validation_mape: trained.validation_mape,
        n_parameters: trained.n_parameters,
        predictor: prepared.config,
        normalization: prepared.normalization,
        test: test
            .map(|(&record, &(ln_predicted, ln_measured))| Prediction { record, ln_predicted, ln_measured })
            .collect(),
    };
    files::write_json(&dir.join("result.json"), &result)?;
    bar.finish_with_message(format!("val {:.2} % at epoch {}", trained.validation_mape, trained.epoch));
    if !bar.is_hidden() {
        return Ok(());
    }
    // Without a terminal the bar shows nothing, so the outcome is a line.
    let metrics = crate::metrics::Metrics::of(&pairs);
    let test =
        metrics.map_or(String::from("no test set"), |m| format!("test MAPE {:.2} % Acc(10%) {:.1} %", m.mape, m.acc10));
    eprintln!(
        "seed {seed} fold {fold}: val {:.2} % at epoch {}, {test}, {:.0} s",
        trained.validation_mape, trained.epoch, result.train_s
    );
    Ok(())
}

/// What of the training set a run learns from and validates on.
///
/// # Errors
/// When its settings leave nothing to learn from or to validate on.
pub fn limited(mut set: TrainingSet, data: &Dataset, config: &TrainConfig, seed: u64) -> Result<TrainingSet> {
    if let Some(devices) = config.devices {
        set = set.on_devices(data, devices, seed)?;
    }
    let first = |&graph: &usize| config.pretrain.is_some_and(|p| p.on.has(data.graphs[graph].graph.nodes.len()));
    if let Some(graphs) = config.graphs {
        set = set.limited(data, graphs, seed, |graph| !first(graph));
    }
    if let Some(pretrain) = config.pretrain {
        let graph = |r: &usize| data.records[*r].graph;
        set.validation.retain(|r| !first(&graph(r)));
        ensure!(!set.validation.is_empty(), "`train.pretrain` leaves nothing to validate on");
        if pretrain.epochs == 0 {
            set.train.retain(|r| !first(&graph(r)));
        }
        ensure!(
            set.train.iter().any(|r| !first(&graph(r))),
            "`train.pretrain` leaves nothing to learn from afterwards"
        );
    }
    Ok(set)
}

/// What networks are described by, beside the data: the templates' fingerprint and the version of the physical prior.
pub fn rules() -> Result<String> {
    Ok(format!("templates {}, prior {PRIOR_VERSION}", TemplateSet::builtin()?.fingerprint()))
}

/// Marks the folder as belonging to these settings, this data and these rules, so that no checkpoint of others is continued.
pub fn claim(dir: &Path, settings: &str, data: &str, rules: &str) -> Result<()> {
    let (path, own) = (dir.join("config-hash"), format!("{settings}\n{data}\n{rules}\n"));
    if path.exists() {
        let found = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let what = ["settings", "data", "templates or rules of the prior"];
        let other = std::iter::zip([settings, data, rules], what).zip(found.lines().chain(std::iter::repeat("")));
        let other = other.into_iter().find(|((own, _), found)| own != found);
        if let Some(((_, what), _)) = other {
            bail!("{}: holds a checkpoint of other {what}; remove the folder to start afresh", dir.display());
        }
        return Ok(());
    }
    files::write(&path, own.as_bytes())
}

/// Revision of the working tree, `+` if it was changed; `unknown` outside of one.
pub fn git_revision() -> String {
    let git = |args: &[&str]| {
        let output = std::process::Command::new("git").args(args).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    match git(&["rev-parse", "--short=12", "HEAD"]) {
        Some(revision) if git(&["status", "--porcelain", "--untracked-files=no"]).is_some_and(|s| s.is_empty()) => {
            revision
        }
        Some(revision) => format!("{revision}+"),
        None => "unknown".into(),
    }
}

/// Name of the processor.
pub fn machine() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name =
        info.lines().find_map(|l| l.strip_prefix("model name")?.split_once(':').map(|(_, n)| n.trim().to_owned()));
    name.unwrap_or_else(|| std::env::consts::ARCH.to_owned())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Arc;

    use super::*;
    use crate::config::{GraphKind, Pretrain};
    use crate::data::host::alone;

    #[test]
    fn a_part_of_the_training_set_is_learned_from() {
        let mut config =
            Experiment::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs/experiments/default.toml"));
        let config = &mut config.as_mut().unwrap().train;
        let mut data = data::synthetic::dataset();
        let all = data::synthetic::training_set(&data);
        let graphs =
            |set: &[usize], data: &Dataset| set.iter().map(|&r| data.records[r].graph).collect::<BTreeSet<_>>();
        let devices =
            |set: &[usize], data: &Dataset| set.iter().map(|&r| data.records[r].platform).collect::<BTreeSet<_>>();
        let operator = *graphs(&all.train, &data).first().unwrap();
        data.graphs[operator].graph = Arc::new(alone(&data.graphs[operator].graph, 0));

        config.devices = Some(1);
        let set = limited(all.clone(), &data, config, 0).unwrap();
        assert_eq!((devices(&set.train, &data).len(), devices(&set.validation, &data).len()), (1, 1));
        assert_eq!(graphs(&set.train, &data), graphs(&all.train, &data));
        config.devices = Some(9);
        assert_eq!(limited(all.clone(), &data, config, 0).unwrap(), all);

        (config.devices, config.graphs) = (None, Some(1));
        config.pretrain = Some(Pretrain { on: GraphKind::Operators, epochs: 1 });
        let set = limited(all.clone(), &data, config, 0).unwrap();
        assert!(graphs(&set.train, &data).contains(&operator), "what comes first is not limited");
        assert_eq!(graphs(&set.train, &data).len(), 2);
        config.pretrain = Some(Pretrain { on: GraphKind::Operators, epochs: 0 });
        assert!(!graphs(&limited(all.clone(), &data, config, 0).unwrap().train, &data).contains(&operator));
        config.pretrain = Some(Pretrain { on: GraphKind::Networks, epochs: 1 });
        let error = limited(all, &data, config, 0).unwrap_err().to_string();
        assert!(error.contains("nothing to validate on"), "{error}");
    }

    #[test]
    fn a_checkpoint_of_other_settings_or_data_is_not_gone_on_with() {
        let dir = tempfile::tempdir().unwrap();
        claim(dir.path(), "settings", "data", "rules").unwrap();
        claim(dir.path(), "settings", "data", "rules").unwrap();
        let refused = |settings, data, rules| claim(dir.path(), settings, data, rules).unwrap_err().to_string();
        assert!(refused("settings", "others", "rules").contains("of other data;"));
        assert!(refused("others", "data", "rules").contains("of other settings;"));
        assert!(refused("settings", "data", "others").contains("of other templates or rules of the prior;"));
        // A folder of before rules were kept.
        std::fs::write(dir.path().join("config-hash"), "settings\ndata\n").unwrap();
        assert!(refused("settings", "data", "rules").contains("of other templates"));
    }

    /// Intervals are the bundle's only as far as what they were calibrated on was trained as the bundle is.
    #[test]
    fn intervals_are_calibrated_by_the_settings_that_ship() {
        let settings = |name: &str| {
            let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs/experiments");
            let experiment = Experiment::load(&root.join(format!("{name}.toml"))).unwrap();
            serde_json::to_value((experiment.seeds, experiment.data, experiment.model, experiment.train)).unwrap()
        };
        for name in ["default-families", "default-devices"] {
            assert_eq!(settings(name), settings("default"), "{name}");
        }
    }

    /// The reports of docs/results name the settings they were made with: settings that came later must not change them.
    #[test]
    fn published_experiments_keep_their_settings_hash() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let published = [
            "default-devices",
            "default-families",
            "fbnet-unseen-chip",
            "nasbench201-unseen-chip",
            "neusight-unseen-gpu",
            "timm-ablations",
            "timm-ablations-inputs",
            "timm-families",
            "timm-learning-curve",
            "timm-unseen-gpu",
            "timm-unseen-gpu-and-families",
            "unseen-devices",
        ];
        for name in published {
            let report = std::fs::read_to_string(root.join(format!("docs/results/{name}.md"))).unwrap();
            let experiment = Experiment::load(&root.join(format!("configs/experiments/{name}.toml"))).unwrap();
            let hash = config_hash(&experiment).unwrap();
            assert!(report.contains(&format!("settings {}.", &hash[..12])), "{name}: {hash}");
        }
    }
}
