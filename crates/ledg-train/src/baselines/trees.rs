//! Gradient-boosted trees on totals of the graph, its platform's settings and data sheet: what a library makes of a row of
//! numbers a record. They learn how far the measurement lies from the roofline, so that a device's rates carry over.

use anyhow::{Context, Result};
use forust_ml::gradientbooster::EvaluationData;
use forust_ml::objective::ObjectiveType;
use forust_ml::sampler::SampleMethod;
use forust_ml::{GradientBooster, Matrix};

use super::{Question, roofline};
use crate::data::{Dataset, Record};

/// Trees at most; the number is chosen on the validation records.
const TREES: usize = 600;
/// Trees without a gain after which no more are grown.
const PATIENCE: usize = 40;
/// Share of a tree's values that is added.
const RATE: f32 = 0.05;
/// Leaves of a tree at most, and its depth.
const LEAVES: usize = 32;
const DEPTH: usize = 6;
/// Share of the rows that each tree is grown on.
const ROWS: f32 = 0.8;

/// ln(predicted seconds) of the test records.
pub fn predict(question: &Question) -> Result<Vec<f64>> {
    let Question { data, training, test, .. } = *question;
    let (train, train_target) = table(data, &training.train);
    let (validation, validation_target) = table(data, &training.validation);
    let weights = |records: &[usize]| records.iter().map(|&r| data.records[r].weight()).collect::<Vec<f64>>();
    let (train_weights, validation_weights) = (weights(&training.train), weights(&training.validation));
    let mut booster = GradientBooster::default()
        .set_objective_type(ObjectiveType::SquaredLoss)
        .set_iterations(TREES)
        .set_early_stopping_rounds(Some(PATIENCE))
        .set_learning_rate(RATE)
        .set_max_leaves(LEAVES)
        .set_max_depth(DEPTH)
        .set_sample_method(SampleMethod::Random)
        .set_subsample(ROWS)
        .set_seed(0)
        .set_parallel(false);
    let columns = |rows: &[f64]| rows.len() / N_COLUMNS;
    let matrix = |values| Matrix::new(values, columns(values), N_COLUMNS);
    let validation = (matrix(&validation), &validation_target[..], &validation_weights[..]);
    let evaluation: Vec<EvaluationData> = vec![validation];
    booster
        .fit(&matrix(&train), &train_target, &train_weights, Some(evaluation))
        .context("boosted trees cannot be grown")?;
    let (rows, _) = table(data, test);
    let above = booster.predict(&matrix(&rows), false);
    Ok(test.iter().zip(above).map(|(&r, above)| above + roofline::seconds(data, &data.records[r]).ln()).collect())
}

/// Numbers of a graph, before those of its platform.
const N_GRAPH: usize = 11;
/// Numbers of a record.
const N_COLUMNS: usize = N_GRAPH + ledg_cost_model::N_RUNTIME + ledg_cost_model::N_SHEET;

/// Rows of numbers, column by column, and what is learned: ln(measured / roofline).
fn table(data: &Dataset, records: &[usize]) -> (Vec<f64>, Vec<f64>) {
    let rows: Vec<[f64; N_COLUMNS]> = records.iter().map(|&r| row(data, &data.records[r])).collect();
    let columns = (0..N_COLUMNS).flat_map(|c| rows.iter().map(move |row| row[c])).collect();
    let target = |&r: &usize| data.records[r].latency_s.ln() - roofline::seconds(data, &data.records[r]).ln();
    (columns, records.iter().map(target).collect())
}

fn row(data: &Dataset, record: &Record) -> [f64; N_COLUMNS] {
    let graph = &data.graphs[record.graph].graph;
    let platform = &data.platforms[record.platform].platform;
    let m = graph.magnitudes().scaled_batch(data.units(record));
    let contractions = graph.nodes.iter().filter(|n| n.macs > 0.0);
    let (n_contractions, contraction_flops) =
        contractions.fold((0.0, 0.0), |(n, flops), node| (n + 1.0, flops + node.magnitudes.flops));
    let compute_s = m.flops / platform.rates.matmul_flops;
    let memory_s = m.moved_elems() * platform.rates.bytes_per_element / platform.rates.bandwidth_bytes_s;
    // A total may be 0: an operator that only moves, a network without weights.
    let ln = |x: f64| x.max(1.0).ln();
    let totals: [f64; N_GRAPH] = [
        ln(m.flops),
        ln(m.moved_elems()),
        ln(m.weight_elems),
        ln(graph.nodes.len() as f64),
        ln(n_contractions),
        contraction_flops / graph.magnitudes().flops.max(1.0),
        (record.batch as f64).ln(),
        (compute_s.max(1e-12) / memory_s.max(1e-12)).ln(),
        ln(m.flops / graph.nodes.len() as f64),
        roofline::seconds(data, record).ln(),
        platform.rates.bytes_per_element,
    ];
    let mut row = [f64::NAN; N_COLUMNS];
    let runtime = platform.runtime.iter().map(|&x| Some(f64::from(x)));
    // A figure that the data sheet does not state is missing, which the trees take.
    let sheet = platform.sheet.iter().map(|x| x.map(f64::from));
    let all = totals.into_iter().map(Some).chain(runtime).chain(sheet);
    row.iter_mut().zip(all).for_each(|(place, x)| *place = x.unwrap_or(f64::NAN));
    row
}
