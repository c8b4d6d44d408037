//! Schedule models: `ledg-train fit` of a configuration with a `[schedules]` table.
//!
//! Whole tasks are held out: some to choose the checkpoint on, some to test. A run a seed; finished runs are skipped, and all seeds
//! together become the members of `runs/<name>/schedules.ledg`.
//!
//! **Invariant:** the trainer is handed the training tasks only; checkpoints are chosen on validation tasks, test tasks are seen once,
//! when all is done.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use candle_core::{Device, Tensor};
use ledg_cost_model::CostModelError;
use ledg_cost_model::encoder::{Encoder, SentenceTable};
use ledg_cost_model::predictor::{Attention, ScoreConfig, ScoreHead};
use ledg_cost_model::ranking::{
    FitOptions, Prepared, ScheduleModel, ScheduleProvenance, ScheduleRecords, TaskExamples, fit as learn, merits,
};
use ledg_cost_model::schedule::N_NUMBERS;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::files;

/// Bytes that a file of records may unpack to.
const MAX_BYTES: u64 = 1 << 30;

/// Between a task's name and its machine's: candidates of two machines are not compared.
const OF_MACHINE: &str = " on ";

/// A member's weights, in the folder of its run.
const WEIGHTS: &str = "best.safetensors";

/// A configuration of schedule training.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    name: String,
    about: String,
    seeds: Vec<u64>,
    schedules: Data,
    scorer: Architecture,
    train: Train,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Data {
    /// Folders of `*.jsonl.xz`, as the collector writes them, one a machine.
    folders: Vec<PathBuf>,
    /// More than 0: instead of a model, the figures of this many parts of the training tasks, each ranked by models of the others.
    #[serde(default)]
    folds: usize,
    /// Every n-th task (by name) chooses the checkpoint; 0: none, the last epoch is kept.
    validate_every_task: usize,
    /// Tasks that are neither trained nor validated on; their figures are printed at the end.
    test: Vec<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Architecture {
    d_model: usize,
    n_layers: usize,
    n_heads: usize,
    ffn_mult: usize,
    d_score: usize,
    attention: Attention,
    numbers: bool,
    sentences: bool,
    dropout: f64,
    feature_noise: f64,
    /// What is taken off a score for each doubling of the estimated cycles, once all is trained.
    #[serde(default)]
    estimate: f64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Train {
    epochs: usize,
    candidates_per_step: usize,
    learning_rate: f64,
    warmup: f64,
    weight_decay: f64,
    clip_norm: f64,
    ema_decay: f64,
    /// Weight of the part of the loss that looks at the best candidates only.
    top: f64,
    /// Epochs between looks at the validation tasks.
    validate_every: usize,
}

/// How well candidates of unseen tasks are ranked.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Figures {
    /// Share of pairs with different latencies that are in order.
    pairwise: f64,
    /// Best latency over that of the candidate ranked first, mean over tasks.
    top1: f64,
    /// Best latency over the best among the five ranked first.
    top5: f64,
}

impl Figures {
    /// What checkpoints are chosen by.
    fn mean(&self) -> f64 {
        (self.pairwise + self.top1 + self.top5) / 3.0
    }

    /// Mean over tasks; `None` of none.
    fn over(all: &[Figures]) -> Option<Figures> {
        let n = all.len() as f64;
        let mean = |f: fn(&Figures) -> f64| all.iter().map(f).sum::<f64>() / n;
        (!all.is_empty()).then(|| Figures {
            pairwise: mean(|f| f.pairwise),
            top1: mean(|f| f.top1),
            top5: mean(|f| f.top5),
        })
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RunResult {
    config: String,
    epoch: usize,
    validation: Option<Figures>,
}

/// Whether a configuration is one of schedules.
pub fn is_config(path: &Path) -> bool {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.parse::<toml::Table>().is_ok_and(|t| t.contains_key("schedules"))
}

/// Name of a configuration.
///
/// # Errors
/// A file that is none.
#[cfg(test)]
pub fn name(path: &Path) -> Result<String> {
    Ok(Config::load(path)?.name)
}

/// Trains what is not trained yet, and bundles.
pub fn fit(path: &Path, runs: &Path) -> Result<()> {
    let config = Config::load(path)?;
    let data = Split::load(&config.schedules)?;
    eprintln!(
        "{} tasks to train on, {} to validate, {} to test; {} candidates",
        data.train.tasks().count(),
        data.validation.tasks().count(),
        data.test.tasks().count(),
        data.train.len() + data.validation.len() + data.test.len()
    );
    if config.schedules.folds > 0 {
        return cross_validate(&config, &data, &runs.join(&config.name));
    }
    let encoder = Encoder::pretrained()?;
    let prepared = Prepared::new(&data.train, &SentenceTable::build(&encoder, &[])?)?;
    let scorer = config.scorer(encoder.dim());
    let examples = prepared.examples(&scorer)?;
    let training = Training { config: &config, data: &data, prepared: &prepared, scorer: &scorer, examples: &examples };
    let folder = runs.join(&config.name);
    let (mut members, mut chosen) = (Vec::new(), BTreeMap::new());
    for &seed in &config.seeds {
        let dir = folder.join(format!("seed-{seed}"));
        if let Some(v) = training.one_seed(seed, &dir)? {
            chosen.insert(format!("seed {seed}, validation tasks, pairwise accuracy"), v.pairwise);
            chosen.insert(format!("seed {seed}, validation tasks, top-1"), v.top1);
            chosen.insert(format!("seed {seed}, validation tasks, top-5"), v.top5);
        }
        members.push(candle_core::safetensors::load(dir.join(WEIGHTS), &Device::Cpu)?.into_iter().collect());
    }
    let provenance = ScheduleProvenance {
        experiment: toml::to_string(&config)?,
        date: crate::bundle::today(),
        validation: chosen,
        licences: vec![
            "encoder: all-MiniLM-L6-v2 (Apache-2.0)".into(),
            "training data: measured by this project".into(),
        ],
        ..provenance(&data.train)
    };
    let model = ScheduleModel::from_members(scorer, prepared.numbers, members, prepared.table, provenance)?
        .with_estimate(config.scorer.estimate);
    let output = folder.join("schedules.ledg");
    model.save(&output)?;
    println!("{}: {} members", output.display(), config.seeds.len());
    if let Some(f) = figures(&model, &data.validation)? {
        println!("validation tasks: pairwise {:.3}, top-1 {:.3}, top-5 {:.3}", f.pairwise, f.top1, f.top5);
    }
    match figures(&model, &data.test)? {
        Some(f) => println!("test tasks: pairwise {:.3}, top-1 {:.3}, top-5 {:.3}", f.pairwise, f.top1, f.top5),
        None => println!("no test tasks"),
    }
    Ok(())
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FoldResult {
    config: String,
    /// Of one model a seed, alone, and of all of them together.
    members: Vec<BTreeMap<String, Figures>>,
    together: BTreeMap<String, Figures>,
}

/// Ranks each part of the training tasks by models of the other parts: what an unseen task may expect, over many tasks. Finished
/// parts are skipped.
fn cross_validate(config: &Config, data: &Split, folder: &Path) -> Result<()> {
    let (own, records) = (identity(config, data)?, &data.train);
    let encoder = Encoder::pretrained()?;
    let (mut alone, mut together) = (Vec::new(), Vec::new());
    for fold in 0..config.schedules.folds {
        let path = folder.join(format!("fold-{fold}.json"));
        if !path.exists() {
            std::fs::create_dir_all(folder)?;
            files::write_json(&path, &one_fold(config, records, fold, &encoder, own.clone())?)?;
        }
        let found: FoldResult = files::read_json(&path)?;
        ensure!(
            found.config == own,
            "{}: made with another configuration or other records; remove it or rename",
            path.display()
        );
        alone.extend(found.members.iter().flat_map(BTreeMap::values).copied());
        for (name, f) in &found.together {
            println!("{name}: top-1 {:.3}, top-5 {:.3}, pairwise {:.3}", f.top1, f.top5, f.pairwise);
        }
        together.extend(found.together.into_values());
    }
    for (what, all) in [("one member", &alone), ("all members together", &together)] {
        if let Some(f) = Figures::over(all) {
            println!("{what}: top-1 {:.3}, top-5 {:.3}, pairwise {:.3}", f.top1, f.top5, f.pairwise);
        }
    }
    Ok(())
}

fn one_fold(
    config: &Config,
    records: &ScheduleRecords,
    fold: usize,
    encoder: &Encoder,
    own: String,
) -> Result<FoldResult> {
    let mut data = Split::default();
    let (mut i, mut last) = (0, None);
    for (name, task) in records.tasks() {
        // Tasks come by name, so that every part has some of each kind, and what two machines measured of one is in one part.
        let operator = name.split_once(OF_MACHINE).map(|(operator, _)| operator);
        i += usize::from(last.is_some() && last != Some(operator));
        last = Some(operator);
        let part = if i % config.schedules.folds == fold { &mut data.validation } else { &mut data.train };
        part.add(task)?;
    }
    let prepared = Prepared::new(&data.train, &SentenceTable::build(encoder, &[])?)?;
    let scorer = config.scorer(encoder.dim());
    let examples = prepared.examples(&scorer)?;
    let training = Training { config, data: &data, prepared: &prepared, scorer: &scorer, examples: &examples };
    let (mut weights, mut members) = (Vec::new(), Vec::new());
    for &seed in &config.seeds {
        let member = learn(&scorer, &examples, None, &config.options(seed), &mut |epoch, loss, averages| {
            if epoch % config.train.validate_every == 0 {
                let figures = figures(&training.model(averages)?, &data.validation)?;
                eprintln!("part {fold} seed {seed} epoch {epoch}: loss {loss:.4} {figures:?}");
            }
            Ok(())
        })?;
        members.push(by_task(&training.model(&member)?, &data.validation)?);
        weights.push(member);
    }
    let model = ScheduleModel::from_members(
        scorer.clone(),
        prepared.numbers.clone(),
        weights,
        prepared.table.clone(),
        provenance(&data.train),
    )?
    .with_estimate(config.scorer.estimate);
    Ok(FoldResult { config: own, members, together: by_task(&model, &data.validation)? })
}

/// What the runs of all seeds share.
struct Training<'a> {
    config: &'a Config,
    data: &'a Split,
    prepared: &'a Prepared,
    scorer: &'a ScoreConfig,
    examples: &'a [TaskExamples],
}

impl Training<'_> {
    /// Trains one member unless that was done; its weights are in the folder, its figures on the validation tasks come back.
    fn one_seed(&self, seed: u64, dir: &Path) -> Result<Option<Figures>> {
        let (weights, result) = (dir.join(WEIGHTS), dir.join("result.json"));
        let own = identity(self.config, self.data)?;
        if result.exists() {
            let found: RunResult = files::read_json(&result)?;
            ensure!(
                found.config == own,
                "{}: made with another configuration or other records; remove it or rename",
                result.display()
            );
            return Ok(found.validation);
        }
        let options = self.config.options(seed);
        let mut best: Option<(usize, Option<Figures>)> = None;
        let every = self.config.train.validate_every;
        learn(self.scorer, self.examples, None, &options, &mut |epoch, loss, averages| {
            if !epoch.is_multiple_of(every) && epoch != options.epochs {
                return Ok(());
            }
            let figures = figures(&self.model(averages)?, &self.data.validation)?;
            eprintln!("seed {seed} epoch {epoch}: loss {loss:.4} validation {figures:?}");
            let better = match (&best, &figures) {
                (Some((_, Some(old))), Some(new)) => new.mean() > old.mean(),
                _ => true,
            };
            if better {
                best = Some((epoch, figures));
                files::write_tensors(&weights, averages, None).map_err(|e| CostModelError::Bundle {
                    origin: weights.display().to_string(),
                    why: e.to_string(),
                })?;
            }
            Ok(())
        })?;
        let (epoch, validation) = best.context("no epoch was looked at")?;
        files::write_json(&result, &RunResult { config: own, epoch, validation })?;
        Ok(validation)
    }

    /// A model of one member's weights.
    fn model(&self, member: &BTreeMap<String, Tensor>) -> ledg_cost_model::Result<ScheduleModel> {
        let (numbers, table) = (self.prepared.numbers.clone(), self.prepared.table.clone());
        let provenance = provenance(&self.data.train);
        let model = ScheduleModel::from_members(self.scorer.clone(), numbers, vec![member.clone()], table, provenance)?;
        Ok(model.with_estimate(self.config.scorer.estimate))
    }
}

impl Config {
    /// Reads and checks a file.
    fn load(path: &Path) -> Result<Config> {
        let text = std::fs::read_to_string(path).with_context(|| format!("{}: cannot be read", path.display()))?;
        let config: Config = toml::from_str(&text).with_context(|| format!("{}", path.display()))?;
        ensure!(!config.seeds.is_empty(), "{}: `seeds` is empty", path.display());
        ensure!(config.scorer.estimate >= 0.0, "{}: `scorer.estimate` must be at least 0", path.display());
        ensure!(config.train.validate_every > 0, "{}: `train.validate_every` must be at least 1", path.display());
        Ok(config)
    }

    fn scorer(&self, sentence_dim: usize) -> ScoreConfig {
        let a = &self.scorer;
        ScoreConfig {
            d_model: a.d_model,
            n_layers: a.n_layers,
            n_heads: a.n_heads,
            ffn_mult: a.ffn_mult,
            d_score: a.d_score,
            attention: a.attention,
            head: ScoreHead::Sum,
            numbers: a.numbers,
            sentences: a.sentences,
            dropout: a.dropout,
            feature_noise: a.feature_noise,
            sentence_dim,
            n_features: N_NUMBERS,
        }
    }

    fn options(&self, seed: u64) -> FitOptions {
        let t = &self.train;
        FitOptions {
            epochs: t.epochs,
            candidates_per_step: t.candidates_per_step,
            learning_rate: t.learning_rate,
            warmup: t.warmup,
            weight_decay: t.weight_decay,
            clip_norm: t.clip_norm,
            ema_decay: t.ema_decay,
            top: t.top,
            seed,
        }
    }
}

fn provenance(train: &ScheduleRecords) -> ScheduleProvenance {
    ScheduleProvenance {
        tasks: train.tasks().map(|(name, _)| name.to_owned()).collect(),
        records: train.len(),
        ..ScheduleProvenance::default()
    }
}

/// What a result is of: the settings, and the records.
fn identity(config: &Config, data: &Split) -> Result<String> {
    Ok(format!("{}\n# records {}\n", toml::to_string(config)?, data.hash))
}

/// Tasks by what they are for.
#[derive(Default)]
struct Split {
    train: ScheduleRecords,
    validation: ScheduleRecords,
    test: ScheduleRecords,
    /// SHA-256 over the files.
    hash: String,
}

impl Split {
    fn load(data: &Data) -> Result<Split> {
        let mut paths = Vec::new();
        for folder in &data.folders {
            let entries = std::fs::read_dir(folder).with_context(|| format!("{}: cannot be read", folder.display()))?;
            let mut found = entries.map(|e| Ok(e?.path())).collect::<Result<Vec<_>>>()?;
            found.retain(|p| p.file_name().is_some_and(|n| n.to_string_lossy().ends_with(".jsonl.xz")));
            ensure!(
                !found.is_empty(),
                "{}: no *.jsonl.xz in it; collect records first (plugins/tvm)",
                folder.display()
            );
            paths.extend(found);
        }
        paths.sort_by(|a, b| a.file_name().cmp(&b.file_name()));
        let mut split = Split::default();
        // What two machines measured of one task is in one part.
        let (mut missing, mut seen, mut last) = (data.test.clone(), 0, String::new());
        let mut hasher = Sha256::new();
        for path in &paths {
            let packed = std::fs::read(path).with_context(|| format!("{}: cannot be read", path.display()))?;
            hasher.update(&packed);
            let mut text = String::new();
            let mut unpacked = lzma_rust2::XzReader::new(&packed[..], true).take(MAX_BYTES + 1);
            unpacked.read_to_string(&mut text).with_context(|| format!("{}", path.display()))?;
            if text.len() as u64 > MAX_BYTES {
                bail!("{}: unpacks to more than {MAX_BYTES} bytes", path.display());
            }
            let name = path.file_name().unwrap_or_default().to_string_lossy().trim_end_matches(".jsonl.xz").to_owned();
            let part = if data.test.contains(&name) {
                missing.retain(|m| *m != name);
                &mut split.test
            } else {
                seen += usize::from(name != last);
                let validates = data.validate_every_task > 0 && seen % data.validate_every_task == 0;
                if validates { &mut split.validation } else { &mut split.train }
            };
            last = name;
            let machine = path.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy();
            let found = ScheduleRecords::from_jsonl(&text, &path.display().to_string())?;
            for (_, task) in found.tasks() {
                let mut task = task.clone();
                task.task.name = format!("{}{OF_MACHINE}{machine}", task.task.name);
                part.add(&task)?;
            }
        }
        ensure!(missing.is_empty(), "`schedules.test`: no records of {}", missing.join(", "));
        ensure!(!split.train.is_empty(), "no candidates are left to train on");
        split.hash = format!("{:x}", hasher.finalize());
        Ok(split)
    }
}

fn figures(model: &ScheduleModel, records: &ScheduleRecords) -> ledg_cost_model::Result<Option<Figures>> {
    let all: Vec<Figures> = by_task(model, records)?.into_values().collect();
    Ok(Figures::over(&all))
}

/// Figures of each task whose candidates differ.
fn by_task(model: &ScheduleModel, records: &ScheduleRecords) -> ledg_cost_model::Result<BTreeMap<String, Figures>> {
    let mut all = BTreeMap::new();
    for (name, task) in records.tasks() {
        let traces: Vec<&str> = task.candidates.iter().map(|c| c.trace.as_str()).collect();
        let scores = model.score(&task.task, &traces)?.into_iter().collect::<ledg_cost_model::Result<Vec<f64>>>()?;
        all.extend(figures_of(&scores, &merits(&task.candidates)).map(|f| (name.to_owned(), f)));
    }
    Ok(all)
}

/// `None` for a task none of whose candidates differ.
fn figures_of(scores: &[f64], merits: &[f64]) -> Option<Figures> {
    let (mut right, mut pairs) = (0.0, 0.0);
    for i in 0..scores.len() {
        for j in 0..scores.len() {
            if merits[i] > merits[j] {
                pairs += 1.0;
                right += if scores[i] > scores[j] {
                    1.0
                } else if scores[i] == scores[j] {
                    0.5
                } else {
                    0.0
                };
            }
        }
    }
    if pairs == 0.0 {
        return None;
    }
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
    let top = |k: usize| order.iter().take(k).map(|&i| merits[i]).fold(0.0, f64::max);
    Some(Figures { pairwise: right / pairs, top1: top(1), top5: top(5) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_by_hand() {
        let f = figures_of(&[3.0, 2.0, 1.0], &[0.5, 1.0, 0.0]).unwrap();
        assert_eq!((f.top1, f.top5), (0.5, 1.0));
        assert!((f.pairwise - 2.0 / 3.0).abs() < 1e-12);
        assert!(figures_of(&[1.0, 2.0], &[0.5, 0.5]).is_none());
    }
}
