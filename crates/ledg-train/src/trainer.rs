//! Training one model: log-ratio loss, AdamW, checkpoint on validation, resumable.
//!
//! **Invariant:** the trainer sees a [`TrainingSet`] only. The same seed, data and configuration give the same weights on processors
//! with the same instructions, whether or not the training was interrupted: every epoch draws its randomness from a stream of its own.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use indicatif::ProgressBar;
use ledg_cost_model::predictor::{AdamW, GraphBatch, Mode, PlatformBatch, Predictor, Query, SeededInit, learning_rate};
use rand::SeedableRng;
use rand::seq::{IndexedRandom, SliceRandom};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::config::TrainConfig;
use crate::data::Dataset;
use crate::files;
use crate::metrics::Metrics;
use crate::prepare::PreparedData;
use crate::split::TrainingSet;

/// How far a training has come; part of the checkpoint.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Progress {
    epoch: usize,
    step: u64,
    best_epoch: usize,
    best_validation_mape: f64,
}

/// A trained model.
pub struct Trained {
    /// Weights of the chosen checkpoint by name.
    pub weights: BTreeMap<String, Tensor>,
    /// Epoch of the checkpoint.
    pub epoch: usize,
    /// Validation MAPE of the checkpoint, percent.
    pub validation_mape: f64,
    /// Number of trainable numbers.
    pub n_parameters: usize,
}

/// One training: what is learned from, how, and where its checkpoint is kept.
pub struct Training<'a> {
    /// The measurements.
    pub data: &'a Dataset,
    /// The same, ready for the model.
    pub prepared: &'a PreparedData,
    /// Which records train and validate.
    pub set: &'a TrainingSet,
    /// The settings.
    pub config: &'a TrainConfig,
    /// Seed of weights and order.
    pub seed: u64,
    /// Folder of the checkpoint.
    pub dir: &'a Path,
    /// Shows the progress.
    pub bar: &'a ProgressBar,
}

/// Trains one model, from its checkpoint if there is one.
pub fn train(training: &Training) -> Result<Trained> {
    let (progress, n_parameters) = train_until(training, usize::MAX)?;
    ensure!(progress.best_epoch > 0, "no epoch had a finite validation error");
    Ok(Trained {
        weights: CheckpointFiles::new(training.dir).load_best()?,
        epoch: progress.best_epoch,
        validation_mape: progress.best_validation_mape,
        n_parameters,
    })
}

/// Trains up to an epoch, from the checkpoint if there is one. Returns the progress and the number of trainable numbers.
fn train_until(training: &Training, until: usize) -> Result<(Progress, usize)> {
    let &Training { data, prepared, set, config, seed, dir, bar } = training;
    let init = SeededInit::new(seed);
    let model = Predictor::load(&prepared.config, init.builder(DType::F32))?;
    let mut optimizer = AdamW::new(init.vars(), config.weight_decay, config.clip_norm, config.ema_decay)?;
    let phases = phases(data, set, config);
    let epochs: usize = phases.iter().map(|phase| phase.epochs).sum();
    let total_steps: u64 = phases.iter().map(Phase::steps).sum();
    let files = CheckpointFiles::new(dir);
    let mut progress = match files.load(&mut optimizer)? {
        Some(progress) => progress,
        None => Progress { epoch: 0, step: 0, best_epoch: 0, best_validation_mape: f64::INFINITY },
    };
    let platforms = PlatformBatch::new(&prepared.platforms, &prepared.config, DType::F32)?;
    bar.set_length(total_steps);
    bar.set_position(progress.step);
    while progress.epoch < until.min(epochs) {
        let (phase, steps_before) = phase_of(&phases, progress.epoch);
        let Phase { by_graph, weights, .. } = phase;
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(1 + progress.epoch as u64);
        let rng = RefCell::new(rng);
        let mut order: Vec<usize> = (0..by_graph.len()).collect();
        order.shuffle(&mut *rng.borrow_mut());
        let mut loss_sum = 0.0;
        for chunk in order.chunks(config.graphs_per_step) {
            let step = Step::draw(chunk, by_graph, weights, data, config.records_per_graph, &rng);
            let loss = step.loss(&model, prepared, &platforms, config, &Mode::Train(&rng))?;
            let steps = optimizer.steps() - steps_before;
            let rate = learning_rate(steps, phase.steps(), config.learning_rate, config.warmup);
            loss_sum += f64::from(loss.to_scalar::<f32>()?);
            optimizer.step(&loss.backward()?, rate)?;
            bar.inc(1);
        }
        progress.epoch += 1;
        progress.step = optimizer.steps();
        let last = progress.epoch == epochs;
        if progress.epoch.is_multiple_of(config.validate_every) || last {
            let averages = optimizer.averages()?;
            let pairs = predict(data, prepared, &averages, &set.validation)?;
            let mape = Metrics::of(&pairs).map_or(f64::INFINITY, |m| m.mape);
            bar.set_message(format!("loss {:.4} val {mape:.2} %", loss_sum / phase.steps_per_epoch as f64));
            if mape < progress.best_validation_mape {
                progress.best_validation_mape = mape;
                progress.best_epoch = progress.epoch;
                files.save_best(&averages)?;
            }
            files.save(&optimizer, &progress)?;
        }
    }
    Ok((progress, optimizer.n_parameters()))
}

/// A part of a training: epochs over some of the graphs, with a course of the learning rate of their own.
struct Phase {
    by_graph: Vec<(usize, Vec<usize>)>,
    weights: Vec<f64>,
    epochs: usize,
    steps_per_epoch: u64,
}

impl Phase {
    fn new(data: &Dataset, records: &[usize], epochs: usize, config: &TrainConfig) -> Self {
        let by_graph = records_by_graph(data, records);
        let weights = family_weights(data, &by_graph, config.family_balance);
        let steps_per_epoch = by_graph.len().div_ceil(config.graphs_per_step) as u64;
        Phase { by_graph, weights, epochs, steps_per_epoch }
    }

    fn steps(&self) -> u64 {
        self.steps_per_epoch * self.epochs as u64
    }
}

/// All graphs together, or one kind of them first.
fn phases(data: &Dataset, set: &TrainingSet, config: &TrainConfig) -> Vec<Phase> {
    let Some(pretrain) = config.pretrain else {
        return vec![Phase::new(data, &set.train, config.epochs, config)];
    };
    let nodes = |r: usize| data.graphs[data.records[r].graph].graph.nodes.len();
    let (first, then): (Vec<usize>, Vec<usize>) = set.train.iter().partition(|&&r| pretrain.on.has(nodes(r)));
    vec![Phase::new(data, &first, pretrain.epochs, config), Phase::new(data, &then, config.epochs, config)]
}

/// The phase of an epoch, which there is, and the steps of those before it.
fn phase_of(phases: &[Phase], mut epoch: usize) -> (&Phase, u64) {
    let mut steps = 0;
    let mut place = 0;
    while epoch >= phases[place].epochs && place + 1 < phases.len() {
        epoch -= phases[place].epochs;
        steps += phases[place].steps();
        place += 1;
    }
    (&phases[place], steps)
}

/// Pairs of ln(predicted), ln(measured) of records, in their order.
pub fn predict(
    data: &Dataset,
    prepared: &PreparedData,
    weights: &BTreeMap<String, Tensor>,
    records: &[usize],
) -> Result<Vec<(f64, f64)>> {
    let tensors = weights.iter().map(|(n, t)| (n.clone(), t.clone())).collect();
    let model = Predictor::load(&prepared.config, VarBuilder::from_tensors(tensors, DType::F32, &Device::Cpu))?;
    let platforms = PlatformBatch::new(&prepared.platforms, &prepared.config, DType::F32)?;
    let mut by_graph: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (place, &record) in records.iter().enumerate() {
        by_graph.entry(data.records[record].graph).or_default().push(place);
    }
    let mut pairs = vec![(f64::NAN, f64::NAN); records.len()];
    for (graph, places) in by_graph {
        let batch = GraphBatch::new(&[&prepared.graphs[graph]], &prepared.config, DType::F32)?;
        let h = model.trunk(&batch, &Mode::Eval)?;
        let query = |&place: &usize| {
            let record = data.records[records[place]];
            Query { graph: 0, platform: record.platform, batch: data.units(&record) }
        };
        let queries: Vec<Query> = places.iter().map(query).collect();
        let out = model.latencies(&h, &batch, &platforms, &queries, &Mode::Eval)?.to_vec1::<f32>()?;
        for (&place, ln) in places.iter().zip(out) {
            pairs[place] = (f64::from(ln), data.records[records[place]].latency_s.ln());
        }
    }
    Ok(pairs)
}

/// Records of each graph that has any, graphs ascending.
fn records_by_graph(data: &Dataset, records: &[usize]) -> Vec<(usize, Vec<usize>)> {
    let mut by_graph: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for &r in records {
        by_graph.entry(data.records[r].graph).or_default().push(r);
    }
    by_graph.into_iter().collect()
}

/// Weight of each graph in the loss, mean 1: a family of n graphs weighs n^(1 - balance) in all.
fn family_weights(data: &Dataset, by_graph: &[(usize, Vec<usize>)], balance: f64) -> Vec<f64> {
    let family = |g: usize| data.graphs[g].family.as_str();
    let mut sizes: BTreeMap<&str, f64> = BTreeMap::new();
    for (g, _) in by_graph {
        *sizes.entry(family(*g)).or_default() += 1.0;
    }
    let weights: Vec<f64> = by_graph.iter().map(|(g, _)| sizes[family(*g)].powf(-balance)).collect();
    let mean = weights.iter().sum::<f64>() / weights.len() as f64;
    weights.iter().map(|w| w / mean).collect()
}

/// The graphs and records of one step.
struct Step {
    graphs: Vec<usize>,
    queries: Vec<Query>,
    targets: Vec<f32>,
    weights: Vec<f32>,
}

impl Step {
    fn draw(
        chunk: &[usize],
        by_graph: &[(usize, Vec<usize>)],
        weights: &[f64],
        data: &Dataset,
        records_per_graph: usize,
        rng: &RefCell<ChaCha8Rng>,
    ) -> Self {
        let mut step = Step { graphs: Vec::new(), queries: Vec::new(), targets: Vec::new(), weights: Vec::new() };
        for (place, &i) in chunk.iter().enumerate() {
            let (graph, records) = &by_graph[i];
            let drawn: Vec<usize> =
                records.choose_multiple(&mut *rng.borrow_mut(), records_per_graph).copied().collect();
            for &r in &drawn {
                let record = data.records[r];
                step.queries.push(Query { graph: place, platform: record.platform, batch: data.units(&record) });
                step.targets.push(record.latency_s.ln() as f32);
                let weight = weights[i] * record.weight();
                step.weights.push((weight / drawn.len() as f64 / chunk.len() as f64) as f32);
            }
            step.graphs.push(*graph);
        }
        step
    }

    /// Weighted smooth-L1 of ln(predicted / measured), square below `huber_delta` and absolute above, and the penalty.
    fn loss(
        &self,
        model: &Predictor,
        prepared: &PreparedData,
        platforms: &PlatformBatch,
        config: &TrainConfig,
        mode: &Mode,
    ) -> Result<Tensor> {
        let delta = config.huber_delta;
        let graphs: Vec<_> = self.graphs.iter().map(|&g| &prepared.graphs[g]).collect();
        let batch = GraphBatch::new(&graphs, &prepared.config, DType::F32)?;
        let h = model.trunk(&batch, mode)?;
        let (predicted, penalty) = model.latencies_and_penalty(&h, &batch, platforms, &self.queries, mode)?;
        let off = (predicted - Tensor::new(&self.targets[..], &Device::Cpu)?)?.abs()?;
        let small = off.clamp(0.0, delta)?;
        let each = ((&small * (off - (&small * 0.5)?)?)? / delta)?;
        let loss = (each * Tensor::new(&self.weights[..], &Device::Cpu)?)?.sum_all()?;
        Ok(match penalty {
            Some(penalty) => (loss + (penalty * config.deviation_penalty)?)?,
            None => loss,
        })
    }
}

/// Metadata key of the progress in a checkpoint.
const PROGRESS: &str = "progress";

/// The checkpoint files of one training.
struct CheckpointFiles {
    state: PathBuf,
    best: PathBuf,
}

impl CheckpointFiles {
    fn new(dir: &Path) -> Self {
        CheckpointFiles { state: dir.join("state.safetensors"), best: dir.join("best.safetensors") }
    }

    fn load(&self, optimizer: &mut AdamW) -> Result<Option<Progress>> {
        if !self.state.exists() {
            return Ok(None);
        }
        let context = || format!("{}", self.state.display());
        let bytes = std::fs::read(&self.state).with_context(context)?;
        let (_, header) = safetensors::SafeTensors::read_metadata(&bytes).with_context(context)?;
        let json = header.metadata().as_ref().and_then(|m| m.get(PROGRESS));
        let progress: Progress = serde_json::from_str(json.context("no progress in its header").with_context(context)?)
            .with_context(context)?;
        let state = candle_core::safetensors::load_buffer(&bytes, &Device::Cpu).with_context(context)?;
        optimizer.restore(&state, progress.step).with_context(context)?;
        Ok(Some(progress))
    }

    /// One file holds both, so that a stop between two writes cannot leave weights of one epoch and the count of another.
    fn save(&self, optimizer: &AdamW, progress: &Progress) -> Result<()> {
        let metadata = std::collections::HashMap::from([(PROGRESS.to_owned(), serde_json::to_string(progress)?)]);
        files::write_tensors(&self.state, &optimizer.state()?, Some(metadata))
    }

    fn save_best(&self, weights: &BTreeMap<String, Tensor>) -> Result<()> {
        files::write_tensors(&self.best, weights, None)
    }

    fn load_best(&self) -> Result<BTreeMap<String, Tensor>> {
        let best = candle_core::safetensors::load(&self.best, &Device::Cpu);
        Ok(best.with_context(|| format!("{}", self.best.display()))?.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Experiment, GraphKind, Pretrain};
    use crate::data::host::alone;
    use crate::data::synthetic;
    use crate::prepare::prepare;

    fn experiment() -> Experiment {
        let mut experiment: Experiment =
            toml::from_str(include_str!("../../../configs/experiments/timm-families.toml")).unwrap();
        experiment.train.epochs = 6;
        experiment.train.graphs_per_step = 2;
        experiment.train.validate_every = 1;
        experiment.model.d_model = 16;
        experiment
    }

    #[test]
    fn a_training_that_was_stopped_goes_on_as_if_it_had_not_been() {
        let experiment = experiment();
        let data = synthetic::dataset();
        let set = synthetic::training_set(&data);
        let prepared = prepare(&data, &set.train, &experiment.model).unwrap();
        let bar = ProgressBar::hidden();
        let (straight, stopped) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let at = |dir| {
            let (data, prepared, set, bar) = (&data, &prepared, &set, &bar);
            Training { data, prepared, set, config: &experiment.train, seed: 5, dir, bar }
        };
        let whole = train(&at(straight.path())).unwrap();
        let (half, _) = train_until(&at(stopped.path()), 3).unwrap();
        assert_eq!(half.epoch, 3);
        let rest = train(&at(stopped.path())).unwrap();
        assert_eq!(whole.epoch, rest.epoch);
        assert_eq!(whole.validation_mape, rest.validation_mape);
        for (name, weight) in &whole.weights {
            let numbers = |t: &Tensor| t.flatten_all().unwrap().to_vec1::<f32>().unwrap();
            assert_eq!(numbers(weight), numbers(&rest.weights[name]), "{name}");
        }
    }

    #[test]
    fn one_kind_of_graphs_is_learned_from_before_the_other() {
        let mut experiment = experiment();
        let mut data = synthetic::dataset();
        let set = synthetic::training_set(&data);
        let operator = data.records[set.train[0]].graph;
        data.graphs[operator].graph = std::sync::Arc::new(alone(&data.graphs[operator].graph, 0));
        experiment.train.pretrain = Some(Pretrain { on: GraphKind::Operators, epochs: 2 });
        let phases = phases(&data, &set, &experiment.train);
        let graphs = |phase: &Phase| phase.by_graph.iter().map(|(g, _)| *g).collect::<Vec<_>>();
        assert_eq!((graphs(&phases[0]), phases[0].epochs, phases[0].steps()), (vec![operator], 2, 2));
        assert!(!graphs(&phases[1]).contains(&operator) && phases[1].epochs == 6);
        let of = |epoch| {
            let (phase, before) = phase_of(&phases, epoch);
            (graphs(phase).contains(&operator), before)
        };
        assert_eq!([0, 1, 2, 7].map(of), [(true, 0), (true, 0), (false, 2), (false, 2)]);

        // Both are gone through, and a training that learned from operators first ends elsewhere than one that did not.
        let prepared = prepare(&data, &set.train, &experiment.model).unwrap();
        let bar = ProgressBar::hidden();
        let mut ends = Vec::new();
        for epochs in [0, 2] {
            experiment.train.pretrain = Some(Pretrain { on: GraphKind::Operators, epochs });
            let dir = tempfile::tempdir().unwrap();
            let (data, prepared, set, bar) = (&data, &prepared, &set, &bar);
            let training = Training { data, prepared, set, config: &experiment.train, seed: 5, dir: dir.path(), bar };
            let (progress, _) = train_until(&training, usize::MAX).unwrap();
            assert_eq!(progress.epoch, epochs + 6);
            ends.push(progress.best_validation_mape);
        }
        assert_ne!(ends[0], ends[1]);
    }

    #[test]
    fn training_learns_a_constant_efficiency() {
        // The synthetic platforms run at a fixed share of the roofline, which the base terms can express.
        let mut experiment = experiment();
        experiment.train.epochs = 60;
        experiment.train.validate_every = 10;
        experiment.train.learning_rate = 0.02;
        let data = synthetic::dataset();
        let set = synthetic::training_set(&data);
        let prepared = prepare(&data, &set.train, &experiment.model).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let (config, bar) = (&experiment.train, &ProgressBar::hidden());
        let training = Training { data: &data, prepared: &prepared, set: &set, config, seed: 1, dir: dir.path(), bar };
        let trained = train(&training).unwrap();
        let untrained = {
            let init = SeededInit::new(1);
            Predictor::load(&prepared.config, init.builder(DType::F32)).unwrap();
            let weights = init.vars().into_iter().map(|(n, v)| (n, v.as_tensor().clone())).collect();
            Metrics::of(&predict(&data, &prepared, &weights, &set.validation).unwrap()).unwrap().mape
        };
        assert!(trained.validation_mape < untrained / 3.0, "{} after, {untrained} before", trained.validation_mape);
    }
}
