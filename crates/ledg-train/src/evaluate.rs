//! The table of an experiment: errors, baselines, interval coverage, by family and device.
//!
//! **Invariant:** every figure comes from the `result.json` of finished runs or is computed here from the data; the table
//! names the command that makes it.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use anyhow::{Result, ensure};
use ledg_cost_model::ConformalTable;

use crate::baselines::{self, Terms};
use crate::config::{Experiment, SplitConfig};
use crate::data::Dataset;
use crate::metrics::{Metrics, mean_std};
use crate::operator_pairs;
use crate::run::{self, RunResult};
use crate::split::split;

/// Nominal coverages that the table checks.
const COVERAGES: [f64; 3] = [0.5, 0.8, 0.9];

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

/// The Markdown report of an experiment. Intervals are calibrated on its other folds, or on the held-out predictions of
/// `intervals`, an experiment with its file.
pub fn report(
    experiment: &Experiment,
    config: &Path,
    intervals: Option<(&Experiment, &Path)>,
    runs: &Path,
) -> Result<String> {
    let results = run::load_results(runs, experiment)?;
    let data = run::load_data(experiment)?;
    let mut out = String::new();
    writeln!(out, "# {}\n\n{}\n", experiment.name, experiment.about)?;
    let of = intervals.map(|(_, file)| format!(" --intervals {}", file.display())).unwrap_or_default();
    let command = format!("ledg-train fit {0} && ledg-train eval {0}{of}", config.display());
    writeln!(out, "Made by `{command}`; seeds {:?}, {} runs.", experiment.seeds, results.len())?;
    provenance(&mut out, experiment, &results)?;
    errors(&mut out, experiment, &data, &results)?;
    let predictions = ensemble(&results);
    if predictions.is_empty() {
        return Ok(out);
    }
    match intervals {
        Some((other, file)) => {
            ensure!(
                other.seeds.len() == experiment.seeds.len(),
                "{}: {} seeds, where `{}` has {}: the spread of an ensemble depends on its size",
                file.display(),
                other.seeds.len(),
                experiment.name,
                experiment.seeds.len()
            );
            coverage_by(&mut out, &data, &predictions, other, runs)?
        }
        None => coverage(&mut out, &data, &predictions)?,
    }
    let label = |p: &EnsemblePrediction| data.platforms[data.records[p.record].platform].platform.name.clone();
    grouped(&mut out, "By platform (ensemble of the seeds)", &predictions, label)?;
    let label = |p: &EnsemblePrediction| data.graphs[data.records[p.record].graph].family.clone();
    grouped(&mut out, "By family (ensemble of the seeds)", &predictions, label)?;
    Ok(out)
}

fn provenance(out: &mut String, experiment: &Experiment, results: &[RunResult]) -> Result<()> {
    let Some(first) = results.first() else { return Ok(()) };
    let minutes = results.iter().map(|r| r.train_s).sum::<f64>() / 60.0;
    let validation: Vec<f64> = results.iter().map(|r| r.validation_mape).collect();
    let chosen_on = match experiment.split {
        SplitConfig::Hardware { .. } | SplitConfig::HardwareGroups { .. } => "graphs",
        SplitConfig::Families { .. } => "families",
        SplitConfig::Operator { .. } | SplitConfig::Stage { .. } | SplitConfig::None { .. } => "groups",
    };
    writeln!(
        out,
        "Trained on {}, {minutes:.0} thread-minutes in all, revision {}; {} parameters; data {}, settings {}. \
         Checkpoints chosen on validation {chosen_on} (MAPE {:.1} %).\n",
        first.machine,
        first.git,
        first.n_parameters,
        &first.data_hash[..12],
        &first.config_hash[..12],
        mean_std(&validation).0,
    )?;
    Ok(())
}

/// Errors by seed, averaged, beside the baselines'.
fn errors(out: &mut String, experiment: &Experiment, data: &Dataset, results: &[RunResult]) -> Result<()> {
    writeln!(out, "| method | MAPE % | Acc(10%) % | median APE % | bias % | predictions |\n|---|---|---|---|---|---|")?;
    let mut by_seed: BTreeMap<u64, Vec<(f64, f64)>> = BTreeMap::new();
    for r in results {
        by_seed.entry(r.seed).or_default().extend(r.test.iter().map(|p| (p.ln_predicted, p.ln_measured)));
    }
    let metrics: Vec<Metrics> = by_seed.values().filter_map(|pairs| Metrics::of(pairs)).collect();
    if metrics.is_empty() {
        writeln!(out, "| (nothing is held out) | | | | | |\n")?;
        return Ok(());
    }
    let column = |f: fn(&Metrics) -> f64| mean_std(&metrics.iter().map(f).collect::<Vec<_>>());
    let ((mape, mape_sd), (acc, acc_sd)) = (column(|m| m.mape), column(|m| m.acc10));
    let (median, bias) = (column(|m| m.median_ape).0, column(|m| m.bias).0);
    let n = metrics[0].n;
    let seeds = metrics.len();
    writeln!(
        out,
        "| **ledg**, mean ± sd of {seeds} seeds | {mape:.2} ± {mape_sd:.2} | {acc:.1} ± {acc_sd:.1} | {median:.2} | {:+.1} | {n} |",
        100.0 * bias
    )?;
    let together: Vec<(f64, f64)> = ensemble(results).iter().map(|p| (p.ln_predicted, p.ln_measured)).collect();
    row(out, &format!("ledg, ensemble of the {seeds} seeds"), &together)?;
    let unseen = matches!(experiment.split, SplitConfig::Hardware { .. } | SplitConfig::HardwareGroups { .. });
    let folds: std::collections::BTreeSet<usize> = results.iter().map(|r| r.fold).collect();
    for terms in [Terms::Flops, Terms::FlopsMac] {
        let mut pairs = Vec::new();
        for &fold in &folds {
            let (training, test) = split(data, &experiment.split, fold)?;
            let seen = [training.train, training.validation].concat();
            pairs.extend(baselines::predict(data, &seen, test.records(), terms, unseen)?);
        }
        row(out, terms.name(), &pairs)?;
    }
    if let SplitConfig::Stage { .. } = experiment.split {
        let (training, test) = split(data, &experiment.split, 0)?;
        row(out, "operators and pairs (linear)", &operator_pairs::predict(data, &training, test.records())?)?;
    }
    writeln!(out)?;
    Ok(())
}

fn row(out: &mut String, name: &str, pairs: &[(f64, f64)]) -> Result<()> {
    if let Some(m) = Metrics::of(pairs) {
        let bias = 100.0 * m.bias;
        writeln!(out, "| {name} | {:.2} | {:.1} | {:.2} | {bias:+.1} | {} |", m.mape, m.acc10, m.median_ape, m.n)?;
    }
    Ok(())
}

/// How often the interval holds on a fold when it is calibrated on the others.
fn coverage(out: &mut String, data: &Dataset, predictions: &[EnsemblePrediction]) -> Result<()> {
    let folds: std::collections::BTreeSet<usize> = predictions.iter().map(|p| p.fold).collect();
    if folds.len() < 2 {
        return Ok(());
    }
    let parts: Vec<(ConformalTable, Vec<EnsemblePrediction>)> = folds
        .iter()
        .map(|&fold| {
            let (own, others): (Vec<_>, Vec<_>) = predictions.iter().copied().partition(|p| p.fold == fold);
            (scores(data, &others), own)
        })
        .collect();
    let about = "Each fold's families, intervals calibrated on the other folds' held-out predictions.";
    coverage_table(out, about, data, &parts)
}

/// How often the interval holds when it is calibrated on another experiment's held-out predictions.
fn coverage_by(
    out: &mut String,
    data: &Dataset,
    predictions: &[EnsemblePrediction],
    other: &Experiment,
    runs: &Path,
) -> Result<()> {
    let results = run::load_results(runs, other)?;
    let table = scores(&run::load_data(other)?, &ensemble(&results));
    let about = format!("Intervals calibrated on the held-out predictions of `{}`.", other.name);
    coverage_table(out, &about, data, &[(table, predictions.to_vec())])
}

/// Scores of held-out predictions by kind of chip.
pub fn scores(data: &Dataset, predictions: &[EnsemblePrediction]) -> ConformalTable {
    ConformalTable::calibrate(predictions.iter().map(|p| score(data, p)))
}

/// What a score is made of: kind of chip, ln predicted, ln measured, spread of the members.
pub fn score<'a>(data: &'a Dataset, p: &EnsemblePrediction) -> (&'a str, f64, f64, f64) {
    let kind = data.platforms[data.records[p.record].platform].platform.kind.name();
    (kind, p.ln_predicted, p.ln_measured, p.spread)
}

/// Coverage of parts, each with the table that its intervals come from.
fn coverage_table(
    out: &mut String,
    about: &str,
    data: &Dataset,
    parts: &[(ConformalTable, Vec<EnsemblePrediction>)],
) -> Result<()> {
    writeln!(out, "## Intervals\n\n{about}\n")?;
    writeln!(out, "| nominal % | covered % | by fold % | median half-width % |\n|---|---|---|---|")?;
    for nominal in COVERAGES {
        let (mut by_fold, mut hits, mut n, mut widths) = (Vec::new(), 0usize, 0usize, Vec::new());
        for (table, own) in parts {
            let mut inside = 0usize;
            for p in own {
                let half = table.half_width(score(data, p).0, true, nominal, p.spread)?;
                inside += usize::from((p.ln_measured - p.ln_predicted).abs() <= half);
                widths.push(half.exp() - 1.0);
            }
            hits += inside;
            n += own.len();
            by_fold.push(format!("{:.1}", 100.0 * inside as f64 / own.len() as f64));
        }
        widths.sort_by(f64::total_cmp);
        writeln!(
            out,
            "| {:.0} | {:.1} | {} | {:.0} |",
            100.0 * nominal,
            100.0 * hits as f64 / n as f64,
            by_fold.join(", "),
            100.0 * widths[widths.len() / 2]
        )?;
    }
    writeln!(out)?;
    Ok(())
}

fn grouped(
    out: &mut String,
    title: &str,
    predictions: &[EnsemblePrediction],
    label: impl Fn(&EnsemblePrediction) -> String,
) -> Result<()> {
    let mut groups: BTreeMap<String, Vec<(f64, f64)>> = BTreeMap::new();
    for p in predictions {
        groups.entry(label(p)).or_default().push((p.ln_predicted, p.ln_measured));
    }
    writeln!(
        out,
        "## {title}\n\n| | MAPE % | Acc(10%) % | median APE % | bias % | predictions |\n|---|---|---|---|---|---|"
    )?;
    for (name, pairs) in groups {
        row(out, &name, &pairs)?;
    }
    writeln!(out)?;
    Ok(())
}
