//! How often intervals hold on what was held out.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Result, ensure};
use ledg_cost_model::{ConformalTable, CostModelError, OnUnmeasured};

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
        let (results, data) = run::load_results_and_data(runs, &other)?;
        let predictions = ensemble(&results);
        Ok(Other { table: table(&data, &predictions, other.split.unseen_devices()), name: other.name })
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
    /// The same, mean over devices, where devices are unseen.
    pub by_device: Option<f64>,
    /// Median half-width, as a share of the prediction.
    pub median_half_width: f64,
}

/// Scores of held-out predictions by kind of chip.
pub fn scores(data: &Dataset, predictions: &[EnsemblePrediction]) -> ConformalTable {
    let score = |p: &EnsemblePrediction| (kind(data, p), p.ln_predicted, p.ln_measured, p.spread);
    ConformalTable::calibrate(predictions.iter().map(score))
}

/// Predictions on devices that were held out of training, as a table takes them.
pub fn on_unmeasured<'a>(
    data: &'a Dataset,
    predictions: &'a [EnsemblePrediction],
) -> impl Iterator<Item = OnUnmeasured<'a>> {
    predictions.iter().map(|p| OnUnmeasured {
        device: device(data, p),
        kind: kind(data, p),
        ln_predicted: p.ln_predicted,
        ln_measured: p.ln_measured,
        spread: p.spread,
    })
}

fn table(data: &Dataset, predictions: &[EnsemblePrediction], unmeasured: bool) -> ConformalTable {
    match unmeasured {
        true => ConformalTable::default().with_unmeasured(on_unmeasured(data, predictions)),
        false => scores(data, predictions),
    }
}

fn kind(data: &Dataset, p: &EnsemblePrediction) -> &'static str {
    data.platforms[data.records[p.record].platform].platform.kind.name()
}

fn device<'a>(data: &'a Dataset, p: &EnsemblePrediction) -> &'a str {
    &data.platforms[data.records[p.record].platform].device
}

/// Coverage of each fold by intervals that the other folds' held-out predictions calibrate, or another experiment's.
/// Nothing without another experiment where there is one fold only, or where unseen devices are the same in several: intervals on
/// a device that was never measured are not calibrated on its own measurements. A nominal coverage that the records or devices are too
/// few for is left out.
pub fn coverages(
    data: &Dataset,
    predictions: &[EnsemblePrediction],
    unseen_devices: bool,
    other: Option<&Other>,
    nominal: &[f64],
) -> Result<Vec<Coverage>> {
    let folds: BTreeSet<usize> = predictions.iter().map(|p| p.fold).collect();
    let parts: Vec<(ConformalTable, Vec<EnsemblePrediction>)> = match other {
        Some(other) => vec![(other.table.clone(), predictions.to_vec())],
        None if folds.len() < 2 || unseen_devices && !apart(data, predictions) => return Ok(Vec::new()),
        None => folds
            .iter()
            .map(|&fold| {
                let (own, others): (Vec<_>, Vec<_>) = predictions.iter().copied().partition(|p| p.fold == fold);
                (table(data, &others, unseen_devices), own)
            })
            .collect(),
    };
    // What the calibration sets are too small for is left out.
    let is_another = |error: &anyhow::Error| !matches!(error.downcast_ref(), Some(CostModelError::Interval { .. }));
    let all = nominal.iter().map(|&nominal| coverage(data, &parts, unseen_devices, nominal));
    all.filter(|coverage| coverage.as_ref().err().is_none_or(is_another)).collect()
}

/// Whether no device is held out in more than one fold.
fn apart(data: &Dataset, predictions: &[EnsemblePrediction]) -> bool {
    let mut fold_of = BTreeMap::new();
    predictions.iter().all(|p| *fold_of.entry(device(data, p)).or_insert(p.fold) == p.fold)
}

/// Coverage of parts, each with the table that its intervals come from.
fn coverage(
    data: &Dataset,
    parts: &[(ConformalTable, Vec<EnsemblePrediction>)],
    unseen_devices: bool,
    nominal: f64,
) -> Result<Coverage> {
    let (mut by_fold, mut hits, mut n, mut widths) = (Vec::new(), 0usize, 0usize, Vec::new());
    let mut devices: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for (table, own) in parts {
        let mut inside = 0usize;
        for p in own {
            let half = table.half_width(kind(data, p), !unseen_devices, nominal, p.spread)?;
            let holds = usize::from((p.ln_measured - p.ln_predicted).abs() <= half);
            let of_device = devices.entry(device(data, p)).or_default();
            *of_device = (of_device.0 + holds, of_device.1 + 1);
            inside += holds;
            widths.push(half.exp() - 1.0);
        }
        hits += inside;
        n += own.len();
        by_fold.push(inside as f64 / own.len() as f64);
    }
    widths.sort_by(f64::total_cmp);
    let shares = devices.values().map(|&(inside, n)| inside as f64 / n as f64);
    let by_device = unseen_devices.then(|| shares.sum::<f64>() / devices.len() as f64);
    let median_half_width = widths[widths.len() / 2];
    Ok(Coverage { nominal, covered: hits as f64 / n as f64, by_fold, by_device, median_half_width })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::synthetic;

    /// Predictions of every record, a tenth too slow.
    fn predictions(data: &Dataset, fold_of: &dyn Fn(usize) -> usize) -> Vec<EnsemblePrediction> {
        let of = |record: usize| {
            let ln_measured = data.records[record].latency_s.ln();
            EnsemblePrediction {
                record,
                fold: fold_of(record),
                ln_predicted: ln_measured + 0.1,
                spread: 0.0,
                ln_measured,
            }
        };
        (0..data.records.len()).map(of).collect()
    }

    #[test]
    fn a_devices_own_measurements_do_not_stand_for_an_unseen_one() {
        let data = synthetic::dataset();
        let covered = |fold_of: &dyn Fn(usize) -> usize| {
            let predictions = predictions(&data, fold_of);
            [true, false].map(|unseen| coverages(&data, &predictions, unseen, None, &[0.4]).unwrap().len())
        };
        assert_eq!(covered(&|record| data.records[record].platform), [1, 1], "each device in one fold");
        assert_eq!(covered(&|record| record % 2), [0, 1], "each device in both");
        // One other device bears half of what is asked for.
        let fold_of = |record: usize| data.records[record].platform;
        let predictions = predictions(&data, &fold_of);
        let nominal: Vec<f64> = coverages(&data, &predictions, true, None, &[0.4, 0.5, 0.9])
            .unwrap()
            .iter()
            .map(|coverage| coverage.nominal)
            .collect();
        assert_eq!(nominal, [0.4, 0.5]);
    }
}
