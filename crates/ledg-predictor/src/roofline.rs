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

/// The one that looks at the whole graph: the share of its roofline time.
pub(crate) const SHARE: usize = 8;

/// Vector operations spent on addressing, converting and moving one element: what keeps a kernel that computes next to
/// nothing from running at the memory's full rate on a chip whose memory is fast for its cores. An order of magnitude;
/// the learned correction starts from here.
const ISSUE_FLOPS_PER_ELEMENT: f64 = 8.0;

/// The terms of the prior in seconds: compute, issue, memory, launch.
pub(crate) fn terms_s(per_sample: &Magnitudes, contraction: bool, rates: &PlatformRates, batch: f64) -> [f64; N_TERMS] {
    let m = per_sample.scaled_batch(batch);
    let moved = m.moved_in(rates.execution);
    let vector = m.vector_flops_in(rates.execution);
    let compute = match contraction {
        true if vector > 0.0 => vector / rates.vector_flops,
        true => m.flops / rates.matmul_flops,
        false => m.flops / rates.vector_flops,
    };
    [
        compute,
        moved * ISSUE_FLOPS_PER_ELEMENT / rates.vector_flops,
        moved * rates.bytes_per_element / rates.bandwidth_bytes_s,
        rates.launch_s,
    ]
}

/// The prior of a node in seconds: max(compute, issue, memory) + launch.
pub(crate) fn time_s([compute, issue, memory, launch]: &[f64; N_TERMS]) -> f64 {
    compute.max(*issue).max(*memory) + launch
}

/// The prior of a whole graph in seconds, Σ count · time.
pub(crate) fn graph_time_s(nodes: &[NodeInput], counts: &[f32], rates: &PlatformRates, batch: f64) -> f64 {
    let time = |node: &NodeInput| time_s(&terms_s(&node.magnitudes, node.contraction, rates, batch));
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
        let terms = terms_s(&node.magnitudes, node.contraction, rates, batch);
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
    let moved = m.moved_in(rates.execution);
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

/// Logarithms of a node's magnitudes: [`physical_numbers`] for many platforms at the price of few logarithms.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NodeLogs {
    flops: f64,
    activations: f64,
    written: f64,
    weights: f64,
}

/// Logarithms of a platform's rates.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PlatformLogs {
    matmul: f64,
    vector: f64,
    bandwidth: f64,
    element: f64,
    launch: f64,
    cache: Option<f64>,
    units: Option<f64>,
}

impl PlatformLogs {
    pub fn new(rates: &PlatformRates) -> Self {
        PlatformLogs {
            matmul: rates.matmul_flops.ln(),
            vector: rates.vector_flops.ln(),
            bandwidth: rates.bandwidth_bytes_s.ln(),
            element: rates.bytes_per_element.ln(),
            launch: rates.launch_s.ln(),
            cache: ln_of(rates.cache_bytes),
            units: ln_of(rates.units),
        }
    }
}

/// The logarithm of what is stated. Of a number in any case, and out of the optimiser's sight: it would take the logarithm without
/// looking whether there is a number, which is harmless, but which memcheck reports as a use of memory that was never written.
fn ln_of(figure: Option<f64>) -> Option<f64> {
    let ln = std::hint::black_box(figure.unwrap_or(1.0)).ln();
    figure.map(|_| ln)
}

impl NodeLogs {
    pub fn new(m: &Magnitudes) -> Self {
        NodeLogs {
            flops: m.flops.ln(),
            activations: (m.read_elems + m.write_elems).ln(),
            written: m.write_elems.ln(),
            weights: m.weight_elems.ln(),
        }
    }

    /// [`physical_numbers`], from logarithms; without [`SHARE`], which is 0.
    pub fn physical(
        &self,
        per_sample: &Magnitudes,
        contraction: bool,
        (rates, logs): (&PlatformRates, &PlatformLogs),
        batch: f64,
    ) -> [f32; N_PHYSICAL] {
        let ln_batch = batch.ln();
        let moved = per_sample.scaled_batch(batch).moved_in(rates.execution);
        let ln_moved = moved.ln();
        let vector = per_sample.vector_flops_in(rates.execution);
        let compute = ln_batch
            + match contraction {
                true if vector > 0.0 => vector.ln() - logs.vector,
                true => self.flops - logs.matmul,
                false => self.flops - logs.vector,
            };
        let issue = ln_moved + ISSUE_FLOPS_PER_ELEMENT.ln() - logs.vector;
        let memory = ln_moved + logs.element - logs.bandwidth;
        let cached = |ln_bytes: f64| logs.cache.map_or(0.0, |cache| scaled(ln_bytes - cache));
        let per_unit = |ln_work: f64, scale: f64| logs.units.map_or(0.0, |units| scaled(ln_work - units - scale.ln()));
        let numbers = [
            scaled(compute - memory),
            scaled(issue - memory),
            scaled(compute.max(issue).max(memory) - logs.launch),
            ln_batch / 4.0,
            cached(self.activations + ln_batch + logs.element),
            if rates.cache_bytes.is_some() { 1.0 } else { 0.0 },
            per_unit(self.written + ln_batch, 2048.0),
            per_unit(self.flops + ln_batch, 1e6),
            0.0,
            if moved > 0.0 { per_sample.weight_elems / moved } else { 0.0 },
            cached(self.weights + logs.element),
        ];
        numbers.map(|x| x as f32)
    }
}

/// The number [`SHARE`] of a node, from the logarithms of its time and the graph's.
pub(crate) fn share(ln_time: f64, ln_total: f64) -> f32 {
    scaled(ln_time - ln_total) as f32
}

/// [`log_ratio`] of a ratio whose logarithm is known.
fn scaled(ln_ratio: f64) -> f64 {
    (ln_ratio.max(-20.723_265_836_946_41) / 4.0).clamp(-2.5, 2.5)
}

#[cfg(test)]
mod tests {
    use ledg_graph::{Execution, Traffic};

    use super::*;

    fn rates(execution: Execution) -> PlatformRates {
        PlatformRates {
            matmul_flops: 4e13,
            vector_flops: 1e13,
            bandwidth_bytes_s: 1e12,
            cache_bytes: Some(4e7),
            units: Some(80.0),
            bytes_per_element: 2.0,
            launch_s: 3e-6,
            execution,
        }
    }

    fn compiled(gpu: bool) -> Execution {
        Execution::Compiled { gpu, mixed: true, half: true, wide_attention: true }
    }

    /// A depthwise convolution of two million operations whose kernel takes eight million of vector units.
    fn depthwise() -> Magnitudes {
        let traffic = Traffic { compiled_vector_flops: 8e6, ..Traffic::of_elements(2e5) };
        Magnitudes { flops: 2e6, read_elems: 1e5, write_elems: 1e5, weight_elems: 900.0, params: 900.0, traffic }
    }

    #[test]
    fn what_matrix_units_do_not_run_takes_vector_units() {
        let compute = |contraction, execution| terms_s(&depthwise(), contraction, &rates(execution), 3.0)[0];
        assert_eq!(compute(true, compiled(true)), 3.0 * 8e6 / 1e13);
        assert_eq!(compute(true, compiled(false)), 3.0 * 2e6 / 4e13, "no GPU's kernels");
        assert_eq!(compute(true, Execution::AsStated), 3.0 * 2e6 / 4e13);
        assert_eq!(compute(false, compiled(true)), 3.0 * 2e6 / 1e13, "no product");
    }

    #[test]
    fn logarithms_say_the_same_as_quotients() {
        let node = depthwise();
        for contraction in [false, true] {
            for rates in [compiled(true), compiled(false), Execution::AsStated].map(rates) {
                let terms = terms_s(&node, contraction, &rates, 3.0);
                let mut expected = physical_numbers(&node, terms, &rates, 3.0, 1.0);
                expected[SHARE] = 0.0;
                let on = (&rates, &PlatformLogs::new(&rates));
                let numbers = NodeLogs::new(&node).physical(&node, contraction, on, 3.0);
                for ((name, a), b) in PHYSICAL_NAMES.iter().zip(numbers).zip(expected) {
                    assert!((a - b).abs() < 1e-6, "{name}: {a} {b}");
                }
            }
        }
    }
}
