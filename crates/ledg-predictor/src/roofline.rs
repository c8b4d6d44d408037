//! The physical prior: how long a node takes if the hardware does what its data sheet says, and dimensionless numbers
//! that say in which regime it runs.
//!
//! The numbers are ratios (work to launch cost, bytes to cache, elements to units), so a correction learned on one
//! device has a meaning on another.

use ledg_graph::Magnitudes;

use crate::input::{NodeInput, PlatformRates};
use crate::ops::{N_TERMS, RowTimes};

/// Names of the dimensionless numbers of a node on a platform.
pub const PHYSICAL_NAMES: [&str; N_PHYSICAL] = [
    "ln(compute time / memory time)",
    "ln(issue time / memory time)",
    "ln(roofline time / launch time)",
    "ln(batch)",
    "ln(activation bytes / cache)",
    "cache known",
    "ln(output elements per unit)",
    "ln(flops per unit)",
    "ln(share of the graph's roofline time)",
    "share of weights in the bytes moved",
    "ln(weight bytes / cache)",
];

/// Number of dimensionless numbers of a node on a platform.
pub const N_PHYSICAL: usize = 11;

/// Vector operations spent on addressing, converting and moving one element: what keeps a kernel that computes next to
/// nothing from running at the memory's full rate on a chip whose memory is fast for its cores. An order of magnitude;
/// the learned correction starts from here.
const ISSUE_FLOPS_PER_ELEMENT: f64 = 8.0;

/// The terms of the prior in seconds: compute, issue, memory, launch.
pub(crate) fn terms_s(node: &NodeInput, rates: &PlatformRates, batch: f64) -> [f64; N_TERMS] {
    let m = node.magnitudes.scaled_batch(batch);
    let peak = if node.contraction { rates.matmul_flops } else { rates.vector_flops };
    [
        m.flops / peak,
        m.moved_elems() * ISSUE_FLOPS_PER_ELEMENT / rates.vector_flops,
        m.moved_elems() * rates.bytes_per_element / rates.bandwidth_bytes_s,
        rates.launch_s,
    ]
}

/// The prior of a whole graph in seconds: Σ count · (max(compute, issue, memory) + launch).
pub(crate) fn graph_time_s(nodes: &[NodeInput], counts: &[f32], rates: &PlatformRates, batch: f64) -> f64 {
    let time = |node| {
        let [compute, issue, memory, launch] = terms_s(node, rates, batch);
        compute.max(issue).max(memory) + launch
    };
    nodes.iter().zip(counts).map(|(node, &count)| f64::from(count) * time(node)).sum()
}

/// Appends one query's rows: the prior's terms to `times`, the dimensionless numbers to `numbers` (rows, N_PHYSICAL).
pub(crate) fn push_rows(
    nodes: &[NodeInput],
    counts: &[f32],
    rates: &PlatformRates,
    batch: f64,
    times: &mut RowTimes,
    numbers: &mut Vec<f32>,
) {
    let total = graph_time_s(nodes, counts, rates, batch);
    for (node, &count) in nodes.iter().zip(counts) {
        let terms = terms_s(node, rates, batch);
        numbers.extend(physical_numbers(&node.magnitudes, terms, rates, batch, total));
        times.terms_s.push(terms);
        times.counts.push(f64::from(count));
    }
    times.offsets.push(times.terms_s.len());
}

fn physical_numbers(
    per_sample: &Magnitudes,
    terms: [f64; N_TERMS],
    rates: &PlatformRates,
    batch: f64,
    total_s: f64,
) -> [f32; N_PHYSICAL] {
    let [compute, issue, memory, launch] = terms;
    let m = per_sample.scaled_batch(batch);
    let roofline = compute.max(issue).max(memory);
    let element = rates.bytes_per_element;
    let cache = rates.cache_bytes.unwrap_or(1.0);
    let cached = |bytes: f64| if rates.cache_bytes.is_some() { log_ratio(bytes, cache) } else { 0.0 };
    let per_unit = |work: f64, scale: f64| rates.units.map_or(0.0, |units| log_ratio(work, units * scale));
    let moved = m.moved_elems();
    let numbers = [
        log_ratio(compute, memory),
        log_ratio(issue, memory),
        log_ratio(roofline, launch),
        batch.ln() / 4.0,
        cached((m.read_elems + m.write_elems) * element),
        if rates.cache_bytes.is_some() { 1.0 } else { 0.0 },
        per_unit(m.write_elems, 2048.0),
        per_unit(m.flops, 1e6),
        log_ratio(roofline + launch, total_s),
        if moved > 0.0 { m.weight_elems / moved } else { 0.0 },
        cached(m.weight_elems * element),
    ];
    numbers.map(|x| x as f32)
}

/// ln(a / b) / 4, kept within ±2.5 (a factor of e^10): beyond that a ratio says no more than "negligible".
fn log_ratio(a: f64, b: f64) -> f64 {
    ((a / b).max(1e-9).ln() / 4.0).clamp(-2.5, 2.5)
}
