//! Which plots an experiment's page has.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;

use super::plots::{self, Bar, Series};
use crate::config::TrainConfig;
use crate::evaluate::{Evaluation, FewShot, RECORDS};
use crate::metrics::mean_std;
use crate::run::RunResult;
use crate::split::split;

/// A plot of a page.
pub struct Plot {
    /// End of the file's name.
    pub name: &'static str,
    /// What it shows.
    pub title: String,
    /// The picture.
    pub svg: String,
}

/// Points of a scatter plot at most: more hide each other and make the file large.
const POINTS: usize = 900;
/// Nominal coverages of the calibration plot: 5 %, 10 %, … 95 %.
const COVERAGE_STEPS: usize = 19;

/// The plots of an evaluation; none where nothing is held out.
pub fn plots(evaluation: &Evaluation) -> Result<Vec<Plot>> {
    let mut all = Vec::new();
    if evaluation.predictions.is_empty() {
        return Ok(all);
    }
    let title = "Predicted against measured, ms (ensemble of the seeds)";
    all.push(Plot { name: "scatter", title: title.into(), svg: plots::scatter(title, "ms", &scatter(evaluation))? });
    let platforms = bars(evaluation, |e, p| e.platform(p).to_owned());
    let title = "MAPE by platform, % (ensemble of the seeds)";
    all.push(Plot { name: "platforms", title: title.into(), svg: plots::bars(title, &platforms)? });
    let families = bars(evaluation, |e, p| e.family(p).to_owned());
    if families.len() > 1 {
        let title = "MAPE by family, % (ensemble of the seeds)";
        all.push(Plot { name: "families", title: title.into(), svg: plots::bars(title, &families)? });
    }
    let nominal: Vec<f64> = (1..=COVERAGE_STEPS).map(|i| i as f64 / (COVERAGE_STEPS + 1) as f64).collect();
    let coverages = evaluation.coverages(&nominal)?;
    if !coverages.is_empty() {
        let point = |nominal: f64, share: f64| (100.0 * nominal, 100.0 * share);
        let mut series = vec![
            Series { name: "as promised".into(), points: vec![(0.0, 0.0), (100.0, 100.0)] },
            Series { name: "all".into(), points: coverages.iter().map(|c| point(c.nominal, c.covered)).collect() },
        ];
        let folds = coverages[0].by_fold.len();
        if folds > 1 {
            let fold = |extreme: fn(f64, f64) -> f64, start: f64| {
                coverages.iter().map(|c| point(c.nominal, c.by_fold.iter().copied().fold(start, extreme))).collect()
            };
            series.push(Series { name: "worst fold".into(), points: fold(f64::min, 1.0) });
            series.push(Series { name: "best fold".into(), points: fold(f64::max, 0.0) });
        }
        let title = "Intervals: share covered against nominal coverage, %";
        all.push(Plot {
            name: "intervals",
            title: title.into(),
            svg: plots::lines(title, "nominal %", "covered %", false, &series)?,
        });
    }
    if let Some(few) = evaluation.few_shot() {
        let title = "Unseen chips: median MAPE over chips, %, against records of the chip";
        let svg = plots::lines(title, "records of the chip", "median MAPE %", false, &few_shot(few))?;
        all.push(Plot { name: "few-shot", title: title.into(), svg });
    }
    for (name, what) in [("learning-curve", Limited::Graphs), ("learning-curve-devices", Limited::Devices)] {
        let curve = learning_curve(evaluation, what);
        if curve[0].points.len() > 1 {
            let axis = format!("training {}", what.name());
            let title =
                format!("Learning curve: MAPE, %, against {axis} (mean of the seeds, and one standard deviation)");
            let svg = plots::lines(&title, &axis, "MAPE %", true, &curve)?;
            all.push(Plot { name, title, svg });
        }
    }
    Ok(all)
}

/// Every k-th prediction, by kind of chip.
fn scatter(evaluation: &Evaluation) -> Vec<Series> {
    let every = evaluation.predictions.len().div_ceil(POINTS);
    let mut kinds: BTreeMap<&str, Vec<(f64, f64)>> = BTreeMap::new();
    for p in evaluation.predictions.iter().step_by(every) {
        let record = &evaluation.data.records[p.record];
        let kind = evaluation.data.platforms[record.platform].platform.kind.name();
        kinds.entry(kind).or_default().push((1e3 * p.ln_measured.exp(), 1e3 * p.ln_predicted.exp()));
    }
    kinds.into_iter().map(|(name, points)| Series { name: name.into(), points }).collect()
}

/// MAPE by label, the largest first.
fn bars(
    evaluation: &Evaluation,
    label: impl Fn(&Evaluation, &crate::evaluate::EnsemblePrediction) -> String,
) -> Vec<Bar> {
    let groups = evaluation.grouped(|p| label(evaluation, p));
    let mut bars: Vec<Bar> = groups
        .into_iter()
        .map(|(name, metrics)| Bar { name, value: metrics.mape, note: format!("{}", metrics.n) })
        .collect();
    bars.sort_by(|a, b| b.value.total_cmp(&a.value));
    bars
}

fn few_shot(few: &FewShot) -> Vec<Series> {
    let of = |(method, name): (usize, &String)| {
        let median = |n| mean_std(&few.over_devices(method, n).iter().map(|(median, _)| *median).collect::<Vec<_>>()).0;
        let points = RECORDS.iter().enumerate().map(|(n, &records)| (records as f64, median(n)));
        Series { name: name.replace('*', ""), points: points.collect() }
    };
    few.methods.iter().enumerate().map(of).collect()
}

/// What a learning curve is over.
#[derive(Clone, Copy)]
enum Limited {
    Graphs,
    Devices,
}

impl Limited {
    fn name(self) -> &'static str {
        match self {
            Limited::Graphs => "graphs",
            Limited::Devices => "devices",
        }
    }

    /// How many a training is limited to, which then no longer is.
    fn taken(self, train: &mut TrainConfig) -> Option<usize> {
        match self {
            Limited::Graphs => train.graphs.take(),
            Limited::Devices => train.devices.take(),
        }
    }

    /// How many an experiment has that is not limited, on the mean over its folds.
    fn all(self, evaluation: &Evaluation) -> usize {
        let (data, experiment) = (&evaluation.data, &evaluation.experiment);
        let folds: BTreeSet<usize> = evaluation.results.iter().map(|r| r.fold).collect();
        let of_fold = |&fold: &usize| -> Option<usize> {
            let (training, _) = split(data, &experiment.split, fold).ok()?;
            let records = training.train.iter().map(|&r| &data.records[r]);
            Some(match self {
                Limited::Graphs => records.map(|r| r.graph).collect::<BTreeSet<_>>().len(),
                Limited::Devices => records.map(|r| &data.platforms[r.platform].device).collect::<BTreeSet<_>>().len(),
            })
        };
        let counts: Vec<usize> = folds.iter().filter_map(of_fold).collect();
        counts.iter().sum::<usize>() / counts.len().max(1)
    }
}

/// Variants that differ in the number of training graphs or devices alone, the number of epochs aside, the experiment itself last:
/// mean, and mean plus and minus the standard deviation of the seeds.
fn learning_curve(evaluation: &Evaluation, what: Limited) -> Vec<Series> {
    let mut sizes: BTreeMap<usize, (f64, f64)> = BTreeMap::new();
    let mape = |results: &[RunResult]| {
        let mut by_seed: BTreeMap<u64, Vec<(f64, f64)>> = BTreeMap::new();
        for r in results {
            by_seed.entry(r.seed).or_default().extend(r.test.iter().map(|p| (p.ln_predicted, p.ln_measured)));
        }
        let all: Vec<f64> =
            by_seed.values().filter_map(|pairs| Some(crate::metrics::Metrics::of(pairs)?.mape)).collect();
        mean_std(&all)
    };
    for (variant, results) in &evaluation.variants {
        let (mut own, same) = (variant.clone(), &evaluation.experiment);
        let Some(size) = what.taken(&mut own.train) else { continue };
        own.name.clone_from(&same.name);
        own.train.epochs = same.train.epochs;
        let is_same =
            matches!((crate::run::config_hash(&own), crate::run::config_hash(same)), (Ok(a), Ok(b)) if a == b);
        if is_same {
            sizes.insert(size, mape(results));
        }
    }
    if !sizes.is_empty() {
        sizes.insert(what.all(evaluation), mape(&evaluation.results));
    }
    let series = |name: &str, of: fn((f64, f64)) -> f64| Series {
        name: name.into(),
        points: sizes.iter().map(|(&n, &spread)| (n as f64, of(spread))).collect(),
    };
    vec![
        series("mean", |(mean, _)| mean),
        series("+ sd", |(mean, sd)| mean + sd),
        series("- sd", |(mean, sd)| mean - sd),
    ]
}
