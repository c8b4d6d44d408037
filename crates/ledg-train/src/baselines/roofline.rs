//! The roofline alone: Σ over nodes of the longer of compute and memory time, times one factor a group of platforms.

use std::collections::BTreeMap;

use anyhow::Result;

use super::{Question, platform_groups};
use crate::data::{Dataset, Record};

/// Seconds of a graph that does and moves nothing, such as a single node that only renames: a logarithm needs some.
const NOTHING_S: f64 = 1e-9;

/// Seconds of a record's graph on its platform at the data sheet's rates.
pub fn seconds(data: &Dataset, record: &Record) -> f64 {
    let rates = &data.platforms[record.platform].platform.rates;
    let units = data.units(record);
    let node = |m: &ledg_cost_model::graph::Magnitudes, contraction: bool| {
        let m = m.scaled_batch(units);
        let peak = if contraction { rates.matmul_flops } else { rates.vector_flops };
        (m.flops / peak).max(m.moved_elems() * rates.bytes_per_element / rates.bandwidth_bytes_s)
    };
    let all: f64 = data.graphs[record.graph].graph.nodes.iter().map(|n| node(&n.magnitudes, n.macs > 0.0)).sum();
    all.max(NOTHING_S)
}

/// ln(predicted seconds) of the test records: the roofline times the geometric mean of measured over roofline, records weighted by
/// [`Record::weight`].
pub fn predict(question: &Question) -> Result<Vec<f64>> {
    let data = question.data;
    let groups = platform_groups(question)?;
    let seen: Vec<(&Record, f64)> = question
        .seen()
        .map(|r| &data.records[r])
        .map(|r| (r, seconds(data, r)))
        .filter(|&(_, seconds)| seconds > NOTHING_S)
        .map(|(r, seconds)| (r, r.latency_s.ln() - seconds.ln()))
        .collect();
    let mut factors: BTreeMap<&str, f64> = BTreeMap::new();
    for group in groups.of_test() {
        let own = seen.iter().filter(|(r, _)| groups.has(group, r.platform));
        let (sum, weights) =
            own.fold((0.0, 0.0), |(sum, weights), (r, ln)| (sum + r.weight() * ln, weights + r.weight()));
        factors.insert(group, sum / weights);
    }
    let predicted = |&r: &usize| {
        let record = &data.records[r];
        seconds(data, record).ln() + factors[groups.of(record.platform)]
    };
    Ok(question.test.iter().map(predicted).collect())
}
