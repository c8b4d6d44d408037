//! The evaluation of an experiment: errors, baselines, interval coverage, unseen chips with a few records, by family and
//! device.
//!
//! **Invariant:** every figure comes from the `result.json` of finished runs or is computed here from the data; the table
//! names the command that makes it.

mod compared;
mod few_shot;
mod intervals;
mod table;

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use ledg_cost_model::Comparison;

use crate::baselines::{self, Baseline, Question};
use crate::config::Experiment;
use crate::data::Dataset;
use crate::metrics::Metrics;
use crate::run::{self, RunResult};
use crate::split::split;

pub use few_shot::{FewShot, RECORDS};
pub use intervals::{Coverage, on_unmeasured, scores};

/// An out-of-sample prediction of a whole ensemble: one member a seed.
#[derive(Debug, Clone, Copy)]
pub struct EnsemblePrediction {
    /// Index of the record.
    pub record: usize,
    /// Fold in which it was held out.
    pub fold: usize,
    /// Mean of the members' ln(predicted).
    pub ln_predicted: f64,
    /// Standard deviation of the members' ln(predicted).
    pub spread: f64,
    /// ln(measured).
    pub ln_measured: f64,
}

/// The ensemble's predictions over all folds of the results.
pub fn ensemble(results: &[RunResult]) -> Vec<EnsemblePrediction> {
    let mut by_record: BTreeMap<(usize, usize), (Vec<f64>, f64)> = BTreeMap::new();
    for result in results {
        for p in &result.test {
            let entry = by_record.entry((result.fold, p.record)).or_insert((Vec::new(), p.ln_measured));
            entry.0.push(p.ln_predicted);
        }
    }
    let combine = |((fold, record), (ln, ln_measured)): ((usize, usize), (Vec<f64>, f64))| {
        let n = ln.len() as f64;
        let ln_predicted = ln.iter().sum::<f64>() / n;
        let spread = (ln.iter().map(|x| (x - ln_predicted).powi(2)).sum::<f64>() / n).sqrt();
        EnsemblePrediction { record, fold, ln_predicted, spread, ln_measured }
    };
    by_record.into_iter().map(combine).collect()
}

/// Means of so many members at a time.
fn together(members: &[Vec<f64>], n: usize) -> Vec<Vec<f64>> {
    let mean = |members: &[Vec<f64>]| {
        let of = |i: usize| members.iter().map(|m| m[i]).sum::<f64>() / members.len() as f64;
        (0..members[0].len()).map(of).collect()
    };
    members.chunks(n).map(mean).collect()
}

/// A way to predict, with what it predicted on the held-out records.
pub struct Method {
    /// Name in tables.
    pub name: String,
    /// ln(predicted seconds) of each held-out record, in [`Evaluation::predictions`]'s order; one list a seed, or one.
    pub members: Vec<Vec<f64>>,
}

/// An evaluated experiment.
pub struct Evaluation {
    /// The experiment.
    pub experiment: Experiment,
    /// Its file.
    pub config: PathBuf,
    /// Its data.
    pub data: Dataset,
    /// Its finished runs, those of variants left out.
    pub results: Vec<RunResult>,
    /// What was held out, with the ensemble's predictions; by fold, then record.
    pub predictions: Vec<EnsemblePrediction>,
    /// The baselines, on the same records.
    pub baselines: Vec<Method>,
    /// Variants and their runs.
    pub variants: Vec<(Experiment, Vec<RunResult>)>,
    /// Another experiment that the intervals are calibrated on: its name, and how that was asked for on the command line.
    intervals: Option<(intervals::Other, String)>,
    /// On unseen devices, the held-out records against the model of each seed.
    compared: Vec<Vec<Comparison>>,
    /// [`Evaluation::few_shot`], which takes minutes, once it was asked for.
    few_shot: OnceCell<Option<FewShot>>,
}

impl Evaluation {
    /// Evaluates the finished runs of an experiment. Intervals are calibrated on its other folds, or on the held-out
    /// predictions of `intervals`, an experiment's file.
    ///
    /// # Errors
    /// When a run is not finished, was made with other settings or on other data.
    pub fn new(config: &Path, intervals: Option<&Path>, runs: &Path) -> Result<Self> {
        let experiment = Experiment::load(config)?;
        let mut expanded = experiment.expanded()?.into_iter();
        let own = expanded.next().unwrap_or_else(|| experiment.clone());
        let (results, data) = run::load_results_and_data(runs, &own)?;
        let variants = expanded.map(|variant| {
            let results = run::load_results(runs, &variant)?;
            if serde_json::to_string(&variant.data)? == serde_json::to_string(&own.data)? {
                run::ensure_data(&variant, &results, &data)?;
            }
            Ok((variant, results))
        });
        let variants = variants.collect::<Result<Vec<_>>>()?;
        let predictions = ensemble(&results);
        let other = |file: &Path| {
            let flag = format!(" --intervals {}", file.display());
            anyhow::Ok((intervals::Other::new(file, &own, runs)?, flag))
        };
        let intervals = intervals.map(other).transpose()?;
        let mut evaluation = Evaluation {
            experiment: own,
            config: config.to_owned(),
            data,
            results,
            predictions,
            baselines: Vec::new(),
            variants,
            intervals,
            compared: Vec::new(),
            few_shot: OnceCell::new(),
        };
        if !evaluation.predictions.is_empty() {
            evaluation.baselines = evaluation.baselines()?;
            if evaluation.unseen_devices() {
                evaluation.compared = compared::all(&evaluation, runs)?;
            }
        }
        Ok(evaluation)
    }

    /// Whether the held-out devices were never measured.
    pub fn unseen_devices(&self) -> bool {
        self.experiment.split.unseen_devices()
    }

    fn baselines(&self) -> Result<Vec<Method>> {
        let unseen = self.unseen_devices();
        let mut methods: Vec<Method> = Vec::new();
        for baseline in Baseline::of(&self.experiment.split) {
            methods.push(Method { name: baseline.name().into(), members: vec![Vec::new()] });
        }
        let folds: std::collections::BTreeSet<usize> = self.results.iter().map(|r| r.fold).collect();
        for fold in folds {
            let (training, test) = split(&self.data, &self.experiment.split, fold)?;
            // What the runs of the first seed learned from.
            let training = run::limited(training, &self.data, &self.experiment.train, self.experiment.seeds[0])?;
            let own: Vec<usize> = self.predictions.iter().filter(|p| p.fold == fold).map(|p| p.record).collect();
            ensure!(own == test.records(), "fold {fold}: the runs tested other records than the split holds out");
            let question = Question::new(&self.data, &training, &test, unseen);
            for (method, baseline) in methods.iter_mut().zip(Baseline::of(&self.experiment.split)) {
                method.members[0].extend(baselines::predict(baseline, &question)?);
            }
        }
        Ok(methods)
    }

    /// The model's own runs as a method: one member a seed.
    pub fn model(&self) -> Method {
        let place: BTreeMap<(usize, usize), usize> =
            self.predictions.iter().enumerate().map(|(i, p)| ((p.fold, p.record), i)).collect();
        let mut members: BTreeMap<u64, Vec<f64>> = BTreeMap::new();
        for result in &self.results {
            let own = members.entry(result.seed).or_insert_with(|| vec![f64::NAN; self.predictions.len()]);
            result.test.iter().for_each(|p| own[place[&(result.fold, p.record)]] = p.ln_predicted);
        }
        Method { name: "**ledg**".into(), members: members.into_values().collect() }
    }

    /// The runs of so many seeds together as [`Experiment::ensembles_of`] says: one member an ensemble. Nothing where it does not.
    pub fn ensembles(&self) -> Option<Vec<Vec<f64>>> {
        Some(together(&self.model().members, self.experiment.ensembles_of?))
    }

    /// Errors of a member of a method.
    pub fn metrics(&self, member: &[f64]) -> Option<Metrics> {
        let pairs: Vec<(f64, f64)> = member.iter().zip(&self.predictions).map(|(&ln, p)| (ln, p.ln_measured)).collect();
        Metrics::of(&pairs)
    }

    /// Errors on unseen chips with a few of their records; nothing if no chip is unseen.
    pub fn few_shot(&self) -> Option<&FewShot> {
        let make = || {
            let methods = std::iter::once(self.model())
                .chain(self.baselines.iter().map(|m| Method { name: m.name.clone(), members: m.members.clone() }));
            (self.unseen_devices() && !self.predictions.is_empty())
                .then(|| FewShot::new(&self.data, &self.predictions, &methods.collect::<Vec<_>>(), &self.compared))
        };
        self.few_shot.get_or_init(make).as_ref()
    }

    /// How often intervals hold, at each of the nominal coverages; nothing where there is nothing to calibrate them on.
    pub fn coverages(&self, nominal: &[f64]) -> Result<Vec<Coverage>> {
        let other = self.intervals.as_ref().map(|(other, _)| other);
        intervals::coverages(&self.data, &self.predictions, self.unseen_devices(), other, nominal)
    }

    /// Errors by a label of the record: ensemble of the seeds.
    pub fn grouped(&self, label: impl Fn(&EnsemblePrediction) -> String) -> BTreeMap<String, Metrics> {
        let mut groups: BTreeMap<String, Vec<(f64, f64)>> = BTreeMap::new();
        for p in &self.predictions {
            groups.entry(label(p)).or_default().push((p.ln_predicted, p.ln_measured));
        }
        groups.into_iter().filter_map(|(name, pairs)| Some((name, Metrics::of(&pairs)?))).collect()
    }

    /// Name of a prediction's platform.
    pub fn platform(&self, p: &EnsemblePrediction) -> &str {
        &self.data.platforms[self.data.records[p.record].platform].platform.name
    }

    /// Family of a prediction's graph.
    pub fn family(&self, p: &EnsemblePrediction) -> &str {
        &self.data.graphs[self.data.records[p.record].graph].family
    }
}

#[cfg(test)]
mod tests {
    use super::together;

    #[test]
    fn seeds_are_taken_so_many_at_a_time() {
        let seeds = [vec![1.0, 10.0], vec![3.0, 30.0], vec![5.0, 50.0], vec![9.0, 90.0]];
        assert_eq!(together(&seeds, 2), [[2.0, 20.0], [7.0, 70.0]]);
        assert_eq!(together(&seeds, 1), seeds);
    }
}
