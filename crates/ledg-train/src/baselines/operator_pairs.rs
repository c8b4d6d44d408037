//! A baseline for families of one macro-architecture: latency as a linear function of how often each operator, each pair of operators
//! that feed each other, and each pair that share a source or a reader occur.
//!
//! One fit a platform and batch size, by relative error with a ridge, whose strength is chosen on the validation records.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use ledg_cost_model::DescribedGraph;

use super::Question;
use super::linear::{Row, relative_least_squares};
use crate::data::Dataset;
use crate::metrics::Metrics;

/// Strengths of the ridge that are tried, as shares of the mean diagonal.
const RIDGES: [f64; 5] = [1e-6, 1e-5, 1e-4, 1e-3, 1e-2];

/// Occurrences by name: `a`, `a > b` (a feeds b), `a < b` (both read one node), `a & b` (one node reads both).
type Counts = BTreeMap<String, f64>;

/// ln(predicted seconds) of the test records, in their order.
///
/// # Errors
/// A platform and batch size that nothing was trained on.
pub(super) fn predict(question: &Question) -> Result<Vec<f64>> {
    let Question { data, training: set, test, .. } = *question;
    let used: BTreeSet<usize> = set.train.iter().chain(&set.validation).chain(test).copied().collect();
    let counts: BTreeMap<usize, Counts> =
        used.iter().map(|&r| data.records[r].graph).map(|g| (g, count(&data.graphs[g].graph))).collect();
    let group = |r: usize| (data.records[r].platform, data.records[r].batch);
    let mut ln_seconds = vec![f64::NAN; test.len()];
    for wanted in test.iter().map(|&r| group(r)).collect::<BTreeSet<_>>() {
        let of = |records: &[usize]| records.iter().copied().filter(|&r| group(r) == wanted).collect::<Vec<_>>();
        let (train, validation) = (of(&set.train), of(&set.validation));
        let error = |ridge: f64| -> Result<f64> {
            let fit = Fit::new(data, &counts, &train, ridge)?;
            let measured = |r: usize| data.records[r].latency_s.ln();
            let pairs: Vec<(f64, f64)> =
                validation.iter().map(|&r| (fit.ln_seconds(data, &counts, r), measured(r))).collect();
            Ok(Metrics::of(&pairs).map_or(f64::INFINITY, |m| m.mape))
        };
        let errors = RIDGES.iter().map(|&ridge| Ok((error(ridge)?, ridge))).collect::<Result<Vec<_>>>()?;
        let best = errors.into_iter().min_by(|a, b| a.0.total_cmp(&b.0)).map_or(RIDGES[0], |(_, ridge)| ridge);
        let fit = Fit::new(data, &counts, &[train, validation].concat(), best)
            .with_context(|| format!("{} at batch {}", data.platforms[wanted.0].platform.name, wanted.1))?;
        for (place, &r) in test.iter().enumerate().filter(|(_, r)| group(**r) == wanted) {
            ln_seconds[place] = fit.ln_seconds(data, &counts, r);
        }
    }
    Ok(ln_seconds)
}

/// Occurrences in a graph.
fn count(graph: &DescribedGraph) -> Counts {
    let mut counts = Counts::new();
    let word = |i: usize| graph.nodes[i].sentence.as_str();
    let mut add = |name: String| *counts.entry(name).or_default() += 1.0;
    for i in 0..graph.nodes.len() {
        add(word(i).to_owned());
        let sons = graph.relations.sons.row(i);
        sons.iter().for_each(|&son| add(format!("{} > {}", word(i), word(son as usize))));
        for (sign, neighbours) in [('<', sons), ('&', graph.relations.fathers.row(i))] {
            for (k, &a) in neighbours.iter().enumerate() {
                for &b in &neighbours[k + 1..] {
                    let mut both = [word(a as usize), word(b as usize)];
                    both.sort_unstable();
                    add(format!("{} {sign} {}", both[0], both[1]));
                }
            }
        }
    }
    counts
}

/// A linear function of occurrences, in seconds.
struct Fit {
    names: Vec<String>,
    coefficients: Vec<f64>,
}

impl Fit {
    fn new(data: &Dataset, counts: &BTreeMap<usize, Counts>, records: &[usize], ridge: f64) -> Result<Self> {
        let mut largest: BTreeMap<&str, f64> = BTreeMap::new();
        for &r in records {
            for (name, &n) in &counts[&data.records[r].graph] {
                let entry = largest.entry(name.as_str()).or_default();
                *entry = entry.max(n);
            }
        }
        let names: Vec<String> = largest.keys().map(|&name| name.to_owned()).collect();
        let scale: Vec<f64> = largest.values().map(|n| 1.0 / n).collect();
        let row = |&r: &usize| {
            let own = &counts[&data.records[r].graph];
            let x = names.iter().zip(&scale).map(|(name, s)| own.get(name).copied().unwrap_or_default() * s);
            let record = &data.records[r];
            Row { x: std::iter::once(1.0).chain(x).collect(), y: record.latency_s, weight: record.weight() }
        };
        let rows: Vec<Row> = records.iter().map(row).collect();
        let mut coefficients = relative_least_squares(&rows, ridge)?;
        coefficients[1..].iter_mut().zip(&scale).for_each(|(c, s)| *c *= s);
        Ok(Fit { names, coefficients })
    }

    fn ln_seconds(&self, data: &Dataset, counts: &BTreeMap<usize, Counts>, record: usize) -> f64 {
        let own = &counts[&data.records[record].graph];
        let terms = self.names.iter().zip(&self.coefficients[1..]);
        let sum: f64 = terms.map(|(name, c)| own.get(name).copied().unwrap_or_default() * c).sum();
        // A linear fit can fall below zero, where no logarithm is; a nanosecond stands for "nothing".
        (self.coefficients[0] + sum).max(1e-9).ln()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::data::synthetic;
    use crate::split::TrainingSet;

    #[test]
    fn a_linear_function_of_occurrences_is_found() {
        let mut data = synthetic::dataset();
        let seconds = |graph: &Arc<DescribedGraph>| 1e-4 + count(graph).values().sum::<f64>() * 1e-5;
        data.records.retain(|r| r.platform == 0 && r.batch == 16);
        for record in &mut data.records {
            record.latency_s = seconds(&data.graphs[record.graph].graph);
        }
        let all: Vec<usize> = (0..data.records.len()).collect();
        let set = TrainingSet { train: all.clone(), validation: all.clone() };
        let question = Question { data: &data, training: &set, test: &all, unseen_device: false };
        for (predicted, record) in predict(&question).unwrap().into_iter().zip(&data.records) {
            let measured = record.latency_s.ln();
            assert!((predicted - measured).abs() < 1e-2, "{predicted} for {measured}");
        }
        let names = count(&data.graphs[0].graph);
        assert!(names.keys().any(|n| n.contains(" > ")), "{names:?}");
    }
}
