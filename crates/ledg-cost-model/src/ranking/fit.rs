//! Learning to rank: pairs within a task. Pretraining and updates are the same steps from other weights.
//!
//! **Invariant:** the same examples, options and initial weights give the same weights.

use std::cell::RefCell;
use std::collections::BTreeMap;

use candle_core::{DType, Tensor};
use ledg_predictor::{
    AdamW, GraphBatch, Mode, QuotientGraph, ScoreConfig, Scorer, SeededInit, learning_rate, ranking_loss, top_loss,
};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use crate::bundle::Member;
use crate::error::{CostModelError, Result};

/// A measured candidate, ready to learn from.
pub struct Example {
    /// Its graph.
    pub graph: QuotientGraph,
    /// The best latency of the task over its own; 0 for one that failed.
    pub merit: f64,
}

/// The measured candidates of one task.
pub type TaskExamples = Vec<Example>;

/// How to learn.
#[derive(Debug, Clone, PartialEq)]
pub struct FitOptions {
    /// Passes over the candidates.
    pub epochs: usize,
    /// Candidates of one task that a step compares, at least 2.
    pub candidates_per_step: usize,
    /// Peak learning rate.
    pub learning_rate: f64,
    /// Share of the steps in which the learning rate rises.
    pub warmup: f64,
    /// AdamW's decoupled weight decay.
    pub weight_decay: f64,
    /// Largest norm of a step's gradient.
    pub clip_norm: f64,
    /// Decay of the running average of weights that is kept.
    pub ema_decay: f64,
    /// Weight of the part of the loss that looks at the best candidates only ([`top_loss`]).
    pub top: f64,
    /// Seed of initial weights, order and dropout.
    pub seed: u64,
}

/// Learns from the candidates of several tasks, from given weights or from random ones. `watch` is called after each epoch
/// with its number (from 1), the mean loss and the averaged weights.
///
/// # Errors
/// Options out of range; candidates of which no two differ; a training that diverges; whatever `watch` returns.
pub fn fit(
    config: &ScoreConfig,
    tasks: &[TaskExamples],
    initial: Option<&Member>,
    options: &FitOptions,
    watch: &mut dyn FnMut(usize, f64, &Member) -> Result<()>,
) -> Result<Member> {
    let bad = |why: &str| CostModelError::Record { origin: "(schedules)".into(), line: None, why: why.into() };
    if options.epochs == 0 || options.candidates_per_step < 2 {
        return Err(bad("`epochs` must be at least 1 and `candidates_per_step` at least 2"));
    }
    let init = SeededInit::new(options.seed);
    let scorer = Scorer::load(config, init.builder(DType::F32))?;
    let vars = init.vars();
    if let Some(initial) = initial {
        for (name, var) in &vars {
            let given = initial.get(name).ok_or_else(|| bad(&format!("the weights lack `{name}`")))?;
            var.set(given)?;
        }
    }
    let mut optimizer = AdamW::new(vars, options.weight_decay, options.clip_norm, options.ema_decay)?;
    let steps_per_epoch: usize = tasks.iter().map(|t| t.len().div_ceil(options.candidates_per_step)).sum();
    let total = (steps_per_epoch * options.epochs) as u64;
    for epoch in 0..options.epochs {
        let mut rng = ChaCha8Rng::seed_from_u64(options.seed);
        rng.set_stream(1 + epoch as u64);
        let rng = RefCell::new(rng);
        let steps = steps(tasks, options.candidates_per_step, &mut rng.borrow_mut());
        let (mut sum, mut n) = (0.0, 0usize);
        for step in &steps {
            let graphs: Vec<&QuotientGraph> = step.iter().map(|&(t, e)| &tasks[t][e].graph).collect();
            let merits: Vec<f64> = step.iter().map(|&(t, e)| tasks[t][e].merit).collect();
            let batch = GraphBatch::new(&graphs, scorer.trunk_config(), DType::F32)?;
            let scores = scorer.scores(&batch, &Mode::Train(&rng))?;
            let Some(mut loss) = ranking_loss(&scores, &merits)? else { continue };
            if options.top > 0.0 {
                loss = (loss + (top_loss(&scores, &merits)? * options.top)?)?;
            }
            let rate = learning_rate(optimizer.steps(), total, options.learning_rate, options.warmup);
            sum += f64::from(loss.to_scalar::<f32>()?);
            n += 1;
            optimizer.step(&loss.backward()?, rate)?;
        }
        if n == 0 {
            return Err(bad("no two candidates of a task differ, so there is nothing to learn from"));
        }
        watch(epoch + 1, sum / n as f64, &optimizer.averages()?)?;
    }
    Ok(optimizer.averages()?)
}

/// The steps of an epoch: candidates of one task each, in random order.
fn steps(tasks: &[TaskExamples], size: usize, rng: &mut ChaCha8Rng) -> Vec<Vec<(usize, usize)>> {
    let mut steps = Vec::new();
    for (t, task) in tasks.iter().enumerate() {
        let mut order: Vec<(usize, usize)> = (0..task.len()).map(|e| (t, e)).collect();
        order.shuffle(rng);
        steps.extend(order.chunks(size).filter(|c| c.len() > 1).map(<[_]>::to_vec));
    }
    steps.shuffle(rng);
    steps
}

/// Names and shapes that a member's weights must have.
pub(super) fn check_member(config: &ScoreConfig, member: &Member) -> std::result::Result<(), String> {
    let init = SeededInit::new(0);
    Scorer::load(config, init.builder(DType::F32)).map_err(|e| e.to_string())?;
    let wanted: BTreeMap<String, Tensor> = init.vars().into_iter().map(|(n, v)| (n, v.as_tensor().clone())).collect();
    for (name, tensor) in &wanted {
        match member.get(name) {
            None => return Err(format!("tensor `{name}` is missing")),
            Some(found) if found.dims() != tensor.dims() => {
                return Err(format!("tensor `{name}` is {:?}, must be {:?}", found.dims(), tensor.dims()));
            }
            Some(_) => {}
        }
    }
    match member.keys().find(|name| !wanted.contains_key(*name)) {
        Some(name) => Err(format!("it holds an unexpected tensor `{name}`")),
        None => Ok(()),
    }
}
