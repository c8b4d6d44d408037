//! The runs of an experiment of accuracy prediction: one a number of samples and seed, each with a folder of its own.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use anyhow::{Context, Result, ensure};
use candle_core::Device;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use ledg_cost_model::predictor::QuotientGraph;
use ledg_zoo::cell::CellGraph;
use safetensors::SafeTensors;
use serde::{Deserialize, Serialize};

use super::config::AccuracyExperiment;
use super::inputs::Inputs;
use super::process;
use super::sample::sample;
use super::tau::tau;
use super::train::{self, Sample, Weights, standardised};
use crate::data::accuracy::{CellDataset, load_cells};
use crate::{files, run};

/// Seeds of members lie this far apart, so that members of neighbouring seeds differ.
const MEMBER_SEEDS: u64 = 1000;

/// Key of a member's seconds of training in its file's header.
const TRAIN_S: &str = "train_s";

/// Kendall's tau of one ranking.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Taus {
    /// On all cells that were not learned from.
    pub rest: f64,
    /// On those that are no isomorphic copies of training samples.
    pub without_copies: f64,
    /// On the validation part of the training samples, if there is one.
    pub validation: Option<f64>,
}

/// What a finished run leaves behind.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccuracyResult {
    /// Experiment.
    pub experiment: String,
    /// SHA-256 of the data, model and training settings.
    pub config_hash: String,
    /// SHA-256 of the data.
    pub data_hash: String,
    /// Git revision of the working tree, `+` if it was changed.
    pub git: String,
    /// Processor the run was trained on.
    pub machine: String,
    /// Day on which the run was finished.
    pub date: String,
    /// Seconds of training, of all members.
    pub train_s: f64,
    /// Training samples.
    pub samples: usize,
    /// Seed.
    pub seed: u64,
    /// Trainable numbers of a member.
    pub n_parameters: usize,
    /// Cells that were ranked.
    pub n_rest: usize,
    /// Of these, the ones that are no isomorphic copies of training samples.
    pub n_without_copies: usize,
    /// By member.
    pub members: Vec<Taus>,
    /// Of the mean of the members' standardised scores.
    pub ensemble: Taus,
    /// Of the Gaussian process, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<Taus>,
    /// Of ensemble and Gaussian process together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mixture: Option<Taus>,
}

/// Folder of a run.
fn dir(runs: &Path, experiment: &AccuracyExperiment, samples: usize, seed: u64) -> PathBuf {
    runs.join(&experiment.name).join(format!("samples{samples}-seed{seed}"))
}

/// The result of a finished run.
fn load_result(runs: &Path, experiment: &AccuracyExperiment, samples: usize, seed: u64) -> Result<AccuracyResult> {
    let path = dir(runs, experiment, samples, seed).join("result.json");
    let result: AccuracyResult = files::read_json(&path)
        .with_context(|| format!("is the run finished? `ledg-train fit` makes {}", path.display()))?;
    ensure!(
        result.config_hash == experiment.hash()?,
        "{}: the run was made with other settings than the experiment has now; remove its folder to train it again",
        path.display()
    );
    Ok(result)
}

/// The results of all runs.
///
/// # Errors
/// A run that is not finished, or was made with other settings.
pub fn load_results(runs: &Path, experiment: &AccuracyExperiment) -> Result<Vec<AccuracyResult>> {
    experiment.runs().into_iter().map(|(samples, seed)| load_result(runs, experiment, samples, seed)).collect()
}

/// Trains all runs that are not finished, and writes all results as JSON lines into `runs/<name>/results.jsonl`.
///
/// # Errors
/// Data that cannot be read; folders of other settings; a training that fails.
pub fn fit(experiment: &AccuracyExperiment, workers: usize, runs: &Path) -> Result<()> {
    ensure!(workers > 0, "`--workers` must be at least 1");
    let mut open = Vec::new();
    for (samples, seed) in experiment.runs() {
        if dir(runs, experiment, samples, seed).join("result.json").exists() {
            load_result(runs, experiment, samples, seed)?;
        } else {
            open.push((samples, seed));
        }
    }
    if open.is_empty() {
        eprintln!("{}: all runs are finished", experiment.name);
    } else {
        let data = load_cells(&experiment.data)?;
        let keys: Vec<String> = data.cells.iter().map(|c| c.key()).collect();
        eprintln!("{}: {} cells; {} runs to train", experiment.name, data.cells.len(), open.len());
        let bars = MultiProgress::new();
        open.reverse();
        let queue = Mutex::new(open);
        let next = || queue.lock().unwrap_or_else(std::sync::PoisonError::into_inner).pop();
        std::thread::scope(|scope| {
            let work = || -> Result<()> {
                while let Some((samples, seed)) = next() {
                    one(experiment, &data, &keys, runs, samples, seed, &bars)
                        .with_context(|| format!("{samples} samples, seed {seed}"))?;
                }
                Ok(())
            };
            let threads: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
            threads.into_iter().try_for_each(|t| t.join().map_err(|_| anyhow::anyhow!("a training thread panicked"))?)
        })?;
    }
    let mut lines = String::new();
    for result in load_results(runs, experiment)? {
        lines += &serde_json::to_string(&result)?;
        lines.push('\n');
    }
    files::write(&runs.join(&experiment.name).join("results.jsonl"), lines.as_bytes())
}

/// The weights of a member that was trained before, and the seconds it took.
fn trained(path: &Path) -> Result<(Weights, f64)> {
    let bytes = std::fs::read(path).with_context(|| format!("{}: cannot be read", path.display()))?;
    let (_, header) = SafeTensors::read_metadata(&bytes).with_context(|| format!("{}", path.display()))?;
    let seconds = header.metadata().as_ref().and_then(|m| m.get(TRAIN_S)).and_then(|s| s.parse().ok());
    let seconds = seconds.with_context(|| format!("{}: the header lacks `{TRAIN_S}`", path.display()))?;
    let weights = candle_core::safetensors::load_buffer(&bytes, &Device::Cpu);
    Ok((weights.with_context(|| format!("{}", path.display()))?.into_iter().collect(), seconds))
}

fn one(
    experiment: &AccuracyExperiment,
    data: &CellDataset,
    keys: &[String],
    runs: &Path,
    samples: usize,
    seed: u64,
    bars: &MultiProgress,
) -> Result<()> {
    let dir = dir(runs, experiment, samples, seed);
    run::claim(&dir, &experiment.training_hash()?, &data.hash, &run::rules()?)?;
    let settings = &experiment.train;
    let style = ProgressStyle::with_template("{prefix:16} {bar:30} {pos}/{len} {elapsed}/{duration} {msg}")?;
    let prefix = format!("{samples} seed {seed}");
    let length = (settings.steps * settings.members) as u64;
    let bar = bars.add(ProgressBar::new(length).with_style(style).with_prefix(prefix.clone()));
    let (training, rest) = sample(keys, samples, experiment.sampling.validation, seed)?;
    let inputs = Inputs::new(training.train.iter().map(|&i| &data.cells[i]))?;
    let config = experiment.scorer_config(inputs.sentence_dim());
    // Isomorphic cells have one graph and get one score.
    let mut places: HashMap<&str, usize> = HashMap::new();
    let mut graphs: Vec<QuotientGraph> = Vec::new();
    let mut distinct: Vec<&CellGraph> = Vec::new();
    let mut graph_of = Vec::with_capacity(keys.len());
    for (key, cell) in keys.iter().zip(&data.cells) {
        let place = *places.entry(key).or_insert(graphs.len());
        if place == graphs.len() {
            graphs.push(inputs.graph(cell, &config)?);
            distinct.push(cell);
        }
        graph_of.push(place);
    }
    let learned: Vec<Sample> =
        training.train.iter().map(|&i| Sample { graph: &graphs[graph_of[i]], accuracy: data.accuracies[i] }).collect();
    let of_cells = |of_graphs: &[f64]| -> Vec<f64> { graph_of.iter().map(|&g| of_graphs[g]).collect() };
    let mut scores: Vec<Vec<f64>> = Vec::new();
    let (mut n_parameters, mut train_s) = (0, 0.0);
    for member in 0..settings.members {
        let path = dir.join(format!("member{member}.safetensors"));
        let (weights, seconds) = if path.exists() {
            bar.inc(settings.steps as u64);
            trained(&path)?
        } else {
            let own_seed = seed * MEMBER_SEEDS + member as u64;
            let started = std::time::Instant::now();
            let weights = train::train(&config, &learned, settings, own_seed, &bar)?;
            let seconds = started.elapsed().as_secs_f64();
            files::write_tensors(&path, &weights, Some([(TRAIN_S.to_owned(), seconds.to_string())].into()))?;
            (weights, seconds)
        };
        n_parameters = weights.values().map(|t| t.elem_count()).sum();
        train_s += seconds;
        scores.push(of_cells(&train::score(&config, &weights, &graphs.iter().collect::<Vec<_>>())?));
    }
    let taus = |scores: &[f64]| -> Result<Taus> {
        let on = |cells: &[usize]| {
            let pick = |values: &[f64]| cells.iter().map(|&i| values[i]).collect::<Vec<_>>();
            tau(&pick(scores), &pick(&data.accuracies))
        };
        let validation = (!training.validation.is_empty()).then(|| on(&training.validation)).transpose()?;
        Ok(Taus { rest: on(rest.all())?, without_copies: on(rest.without_copies())?, validation })
    };
    let each: Vec<Vec<f64>> = scores.iter().map(|s| standardised(s)).collect();
    let mean: Vec<f64> = (0..keys.len()).map(|i| each.iter().map(|s| s[i]).sum::<f64>() / each.len() as f64).collect();
    let process = match experiment.gaussian_process {
        None => None,
        Some(mixture) => {
            bar.set_message("Gaussian process");
            let learned: Vec<_> = training.train.iter().map(|&i| (graph_of[i], data.accuracies[i])).collect();
            Some((of_cells(&process::rank(&distinct, &learned)?), mixture.weight))
        }
    };
    let mixture = process.as_ref().map(|(process, weight)| -> Vec<f64> {
        let parts = standardised(&mean).into_iter().zip(standardised(process));
        parts.map(|(ensemble, process)| (1.0 - weight) * ensemble + weight * process).collect()
    });
    let result = AccuracyResult {
        experiment: experiment.name.clone(),
        config_hash: experiment.hash()?,
        data_hash: data.hash.clone(),
        git: run::git_revision(),
        machine: run::machine(),
        date: jiff::Timestamp::now().strftime("%F").to_string(),
        train_s,
        samples,
        seed,
        n_parameters,
        n_rest: rest.all().len(),
        n_without_copies: rest.without_copies().len(),
        members: scores.iter().map(|s| taus(s)).collect::<Result<_>>()?,
        ensemble: taus(&mean)?,
        process: process.as_ref().map(|(process, _)| taus(process)).transpose()?,
        mixture: mixture.as_deref().map(taus).transpose()?,
    };
    files::write_json(&dir.join("result.json"), &result)?;
    let shown = result.mixture.unwrap_or(result.ensemble);
    let validation = shown.validation.map_or(String::new(), |v| format!(" validation {v:.4}"));
    let message = match experiment.sampling.validation > 0.0 {
        // While settings are chosen, the rest stays out of sight.
        true => format!("tau{validation}"),
        false => format!("tau {:.4}", shown.rest),
    };
    bar.finish_with_message(message.clone());
    if bar.is_hidden() {
        eprintln!("{prefix}: {message}, {:.0} s", result.train_s);
    }
    Ok(())
}
