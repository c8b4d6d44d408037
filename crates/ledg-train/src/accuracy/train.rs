//! Training one scorer of cells, and ranking with it.
//!
//! **Invariant:** the same samples, settings and seed give the same weights.

use std::cell::RefCell;
use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use indicatif::ProgressBar;
use ledg_cost_model::predictor::{
    AdamW, GraphBatch, Mode, QuotientGraph, ScoreConfig, Scorer, SeededInit, learning_rate, ranking_loss,
};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::config::{Merit, Training};

/// Cells ranked at once.
const RANKED_AT_ONCE: usize = 512;

/// Weights by name.
pub type Weights = BTreeMap<String, Tensor>;

/// A training sample.
pub struct Sample<'a> {
    /// The cell.
    pub graph: &'a QuotientGraph,
    /// Its accuracy, 0 to 1.
    pub accuracy: f64,
}

/// Trains one scorer and returns the running average of its weights.
///
/// # Errors
/// Samples of which no two differ; a training that diverges.
pub fn train(
    config: &ScoreConfig,
    samples: &[Sample],
    settings: &Training,
    seed: u64,
    bar: &ProgressBar,
) -> Result<Weights> {
    let merits = merits(settings.merit, &samples.iter().map(|s| s.accuracy).collect::<Vec<_>>());
    ensure!(merits.iter().any(|m| *m != merits[0]), "no two training samples differ");
    let init = SeededInit::new(seed);
    let scorer = Scorer::load(config, init.builder(DType::F32))?;
    let mut optimizer = AdamW::new(init.vars(), settings.weight_decay, settings.clip_norm, settings.ema_decay)?;
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(1);
    let rng = RefCell::new(rng);
    let mut order: Vec<usize> = Vec::new();
    let size = settings.samples_per_step.min(samples.len());
    for step in 0..settings.steps {
        if order.len() < size {
            let mut next: Vec<usize> = (0..samples.len()).collect();
            next.shuffle(&mut *rng.borrow_mut());
            order.extend(next);
        }
        let drawn: Vec<usize> = order.drain(..size).collect();
        let graphs: Vec<&QuotientGraph> = drawn.iter().map(|&i| samples[i].graph).collect();
        let wanted: Vec<f64> = drawn.iter().map(|&i| merits[i]).collect();
        let batch = GraphBatch::new(&graphs, scorer.trunk_config(), DType::F32)?;
        let scores = scorer.scores(&batch, &Mode::Train(&rng))?;
        let Some(loss) = loss(&scores, &wanted, settings)? else { continue };
        let rate = learning_rate(step as u64, settings.steps as u64, settings.learning_rate, settings.warmup);
        optimizer.step(&loss.backward()?, rate)?;
        bar.inc(1);
    }
    Ok(optimizer.averages()?)
}

/// `None` where only a ranking is asked for and no two samples differ.
fn loss(scores: &Tensor, merits: &[f64], settings: &Training) -> Result<Option<Tensor>> {
    let mut parts = Vec::new();
    if settings.ranking > 0.0 {
        parts.extend(ranking_loss(scores, merits)?.map(|loss| loss * settings.ranking).transpose()?);
    }
    if settings.regression > 0.0 {
        let wanted: Vec<f32> = merits.iter().map(|&m| m as f32).collect();
        let error = (scores - Tensor::from_vec(wanted, merits.len(), &Device::Cpu)?)?.sqr()?.mean_all()?;
        parts.push((error * settings.regression)?);
    }
    let sum = parts.into_iter().map(Ok).reduce(|a: candle_core::Result<Tensor>, b| a? + b?);
    Ok(sum.transpose()?)
}

/// Merits of samples, standardised.
pub fn merits(merit: Merit, accuracies: &[f64]) -> Vec<f64> {
    // An accuracy of 1 has no log-error; a tenth of what one of 10,000 images is worth stands for none.
    const LEAST_ERROR: f64 = 1e-5;
    let raw: Vec<f64> = match merit {
        Merit::Accuracy => accuracies.to_vec(),
        Merit::LogError => accuracies.iter().map(|a| -(1.0 - a).max(LEAST_ERROR).ln()).collect(),
        Merit::Rank => {
            let below = |a: f64| accuracies.iter().filter(|&&b| b < a).count() as f64;
            let same = |a: f64| accuracies.iter().filter(|&&b| b == a).count() as f64;
            accuracies.iter().map(|&a| below(a) + 0.5 * same(a)).collect()
        }
    };
    let n = raw.len() as f64;
    let mean = raw.iter().sum::<f64>() / n;
    let std = (raw.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n).sqrt().max(1e-12);
    raw.iter().map(|x| (x - mean) / std).collect()
}

/// Scores of cells, in their order.
///
/// # Errors
/// Weights that do not fit the configuration.
pub fn score(config: &ScoreConfig, weights: &Weights, graphs: &[&QuotientGraph]) -> Result<Vec<f64>> {
    let tensors = weights.iter().map(|(n, t)| (n.clone(), t.clone())).collect();
    let scorer = Scorer::load(config, VarBuilder::from_tensors(tensors, DType::F32, &Device::Cpu))?;
    let mut scores = Vec::with_capacity(graphs.len());
    for chunk in graphs.chunks(RANKED_AT_ONCE) {
        let batch = GraphBatch::new(chunk, scorer.trunk_config(), DType::F32)?;
        let own = scorer.scores(&batch, &Mode::Eval)?.to_vec1::<f32>()?;
        scores.extend(own.into_iter().map(f64::from));
    }
    Ok(scores)
}

/// Scores with mean 0 and standard deviation 1, so that members of an ensemble can be averaged: a ranking loss does not fix the
/// scale.
pub fn standardised(scores: &[f64]) -> Vec<f64> {
    merits(Merit::Accuracy, scores)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merits_are_standardised_and_in_order() {
        let accuracies = [0.1, 0.9, 0.94, 0.94];
        for merit in [Merit::Accuracy, Merit::LogError, Merit::Rank] {
            let m = merits(merit, &accuracies);
            assert!(m.iter().sum::<f64>().abs() < 1e-9 && (m.iter().map(|x| x * x).sum::<f64>() - 4.0).abs() < 1e-9);
            assert!(m[0] < m[1] && m[1] < m[2] && m[2] == m[3], "{m:?}");
        }
        // Halving the error from 0.4 to 0.2 is worth as much as from 0.2 to 0.1.
        let m = merits(Merit::LogError, &[0.6, 0.8, 0.9]);
        assert!((m[1] - m[0] - (m[2] - m[1])).abs() < 1e-9, "{m:?}");
    }
}
