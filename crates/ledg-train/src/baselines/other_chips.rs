//! The same network's measured time on the chips that are seen: what a table of latencies knows of a new chip.

use std::collections::BTreeMap;

use anyhow::Result;

use super::{Question, roofline};
use crate::data::Record;

/// ln(predicted seconds) of the test records: the mean over other devices of ln(seconds) of the same network at the nearest
/// batch size, carried to the record's batch size in proportion; if `scaled`, carried to its device and batch size by the
/// ratio of the rooflines instead. Devices of the same kind of chip alone, where one of them ran the network; where no
/// device did, the scaled roofline stands in.
pub fn predict(question: &Question, scaled: bool) -> Result<Vec<f64>> {
    let data = question.data;
    // Runtimes that cut a network differently have graphs of their own, of the same name.
    let network = |r: &Record| (data.graphs[r.graph].family.as_str(), data.graphs[r.graph].graph.name.as_str());
    let mut measured: BTreeMap<(&str, &str), Vec<&Record>> = BTreeMap::new();
    for r in question.seen() {
        let record = &data.records[r];
        // What a source cannot tell from nothing says nothing of another chip.
        if record.is_resolved() {
            measured.entry(network(record)).or_default().push(record);
        }
    }
    let stand_in = roofline::predict(question)?;
    let mut out = Vec::with_capacity(question.test.len());
    for (&r, stand_in) in question.test.iter().zip(stand_in) {
        let record = &data.records[r];
        let kind = data.platforms[record.platform].platform.kind;
        let all = measured.get(&network(record)).map(Vec::as_slice).unwrap_or_default();
        let same: Vec<&Record> =
            all.iter().copied().filter(|o| data.platforms[o.platform].platform.kind == kind).collect();
        let others = if same.is_empty() { all } else { &same };
        let mut devices: BTreeMap<&str, Vec<&Record>> = BTreeMap::new();
        for other in others {
            devices.entry(data.platforms[other.platform].device.as_str()).or_default().push(other);
        }
        let apart = |o: &Record| (o.batch as f64 / record.batch as f64).ln().abs();
        let carried = |o: &Record| {
            let ratio = if scaled {
                roofline::seconds(data, record) / roofline::seconds(data, o)
            } else {
                record.batch as f64 / o.batch as f64
            };
            o.latency_s.ln() + ratio.ln()
        };
        let by_device: Vec<f64> = devices
            .values()
            .map(|own| {
                let nearest = own.iter().map(|o| apart(o)).fold(f64::INFINITY, f64::min);
                mean(own.iter().filter(|o| apart(o) <= nearest).map(|o| carried(o)))
            })
            .collect();
        out.push(if by_device.is_empty() { stand_in } else { mean(by_device.into_iter()) });
    }
    Ok(out)
}

/// Mean of values of which there is at least one.
fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, n) = values.fold((0.0, 0.0), |(s, n), v| (s + v, n + 1.0));
    sum / n
}
