//! How often intervals hold on what was held out.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Result, ensure};
use ledg_cost_model::ConformalTable;

use super::{EnsemblePrediction, ensemble};
use crate::config::Experiment;
use crate::data::Dataset;
use crate::run;

/// Another experiment that intervals are calibrated on.
pub struct Other {
    /// Its name.
    pub name: String,
    table: ConformalTable,
}

impl Other {
    /// The scores of another experiment's held-out predictions, for the intervals of `of`.
    pub fn new(file: &Path, of: &Experiment, runs: &Path) -> Result<Self> {
        let other = Experiment::load(file)?;
        ensure!(
            other.seeds.len() == of.seeds.len(),
            "{}: {} seeds, where `{}` has {}: the spread of an ensemble depends on its size",
            file.display(),
            other.seeds.len(),
            of.name,
            of.seeds.len()
        );
        let results = run::load_results(runs, &other)?;
        Ok(Other { table: scores(&run::load_data(&other)?, &ensemble(&results)), name: other.name })
    }
}

/// How often the interval of one nominal coverage holds.
pub struct Coverage {
    /// Nominal coverage, a share.
    pub nominal: f64,
    /// Share of the held-out records inside.
    pub covered: f64,
    /// The same by fold.
    pub by_fold: Vec<f64>,
    /// Median half-width, as a share of the prediction.
    pub median_half_width: f64,
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

/// Coverage of each fold by intervals that the other folds' held-out predictions calibrate, or another experiment's.
/// Nothing where there is one fold only and no other experiment.
pub fn coverages(
    data: &Dataset,
    predictions: &[EnsemblePrediction],
    other: Option<&Other>,
    nominal: &[f64],
) -> Result<Vec<Coverage>> {
    let folds: BTreeSet<usize> = predictions.iter().map(|p| p.fold).collect();
    let parts: Vec<(ConformalTable, Vec<EnsemblePrediction>)> = match other {
        Some(other) => vec![(other.table.clone(), predictions.to_vec())],
        None if folds.len() < 2 => return Ok(Vec::new()),
        None => folds
            .iter()
            .map(|&fold| {
                let (own, others): (Vec<_>, Vec<_>) = predictions.iter().copied().partition(|p| p.fold == fold);
                (scores(data, &others), own)
            })
            .collect(),
    };
    nominal.iter().map(|&nominal| coverage(data, &parts, nominal)).collect()
}

/// Coverage of parts, each with the table that its intervals come from.
fn coverage(data: &Dataset, parts: &[(ConformalTable, Vec<EnsemblePrediction>)], nominal: f64) -> Result<Coverage> {
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
        by_fold.push(inside as f64 / own.len() as f64);
    }
    widths.sort_by(f64::total_cmp);
    Ok(Coverage { nominal, covered: hits as f64 / n as f64, by_fold, median_half_width: widths[widths.len() / 2] })
}
