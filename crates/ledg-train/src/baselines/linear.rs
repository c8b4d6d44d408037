//! The field's baselines: latency as a linear function of FLOPs, or of FLOPs and memory access.
//!
//! On platforms that are measured, one fit a platform: `t = a·FLOPs [+ b·bytes] + c`. On a device that is not, one fit
//! over the measured ones of its kind on times at the data sheet's rates: `t = a·FLOPs/peak [+ b·bytes/bandwidth] + c`, by
//! compiler, so that the device's peaks carry over. Fits minimise relative error (least squares of rows divided by the
//! measurement), each row by [`crate::data::Record::weight`].

use std::collections::BTreeMap;

use anyhow::{Result, bail};

use super::{Question, platform_groups};
use crate::data::Dataset;

/// Which terms a fit has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Terms {
    /// FLOPs alone.
    Flops,
    /// FLOPs and memory access cost.
    FlopsMac,
}

/// ln(predicted seconds) of the test records.
pub fn predict(question: &Question, terms: Terms) -> Result<Vec<f64>> {
    let data = question.data;
    let groups = platform_groups(question)?;
    let mut fits: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for group in groups.of_test() {
        let rows: Vec<Row> = question
            .seen()
            .filter(|&r| groups.has(group, data.records[r].platform))
            .map(|r| Row {
                x: features(data, r, terms),
                y: data.records[r].latency_s,
                weight: data.records[r].weight(),
            })
            .collect();
        fits.insert(group, relative_least_squares(&rows, 0.0)?);
    }
    let predicted = |&r: &usize| {
        let fit = &fits[groups.of(data.records[r].platform)];
        let seconds: f64 = features(data, r, terms).iter().zip(fit).map(|(x, c)| x * c).sum();
        // A linear fit can fall below zero, where no logarithm is; a nanosecond stands for "nothing".
        seconds.max(1e-9).ln()
    };
    Ok(question.test.iter().map(predicted).collect())
}

fn features(data: &Dataset, r: usize, terms: Terms) -> Vec<f64> {
    let record = data.records[r];
    let m = data.graphs[record.graph].graph.magnitudes().scaled_batch(data.units(&record));
    let rates = &data.platforms[record.platform].platform.rates;
    let mut x = vec![1e-3, m.flops / rates.matmul_flops];
    if terms == Terms::FlopsMac {
        x.push(m.moved_elems() * rates.bytes_per_element / rates.bandwidth_bytes_s);
    }
    x
}

/// A row of a fit.
pub(super) struct Row {
    /// What the line is a function of.
    pub x: Vec<f64>,
    /// What was measured.
    pub y: f64,
    /// What its relative error counts: little where the source's resolution is coarse beside it.
    pub weight: f64,
}

/// Coefficients that minimise Σ weight · ((x·c - y) / y)², by the normal equations. A ridge is a share of their mean diagonal, on all
/// coefficients but the first.
///
/// # Errors
/// Fewer rows than determine the coefficients.
pub(super) fn relative_least_squares(rows: &[Row], ridge: f64) -> Result<Vec<f64>> {
    let Some(first) = rows.first() else { bail!("no record to fit a line to") };
    let d = first.x.len();
    let mut a = vec![vec![0.0; d + 1]; d];
    for Row { x, y, weight } in rows {
        for i in 0..d {
            for j in 0..d {
                a[i][j] += weight * x[i] / y * x[j] / y;
            }
            a[i][d] += weight * x[i] / y;
        }
    }
    let ridge = ridge * (0..d).map(|i| a[i][i]).sum::<f64>() / d as f64;
    (1..d).for_each(|i| a[i][i] += ridge);
    for pivot in 0..d {
        let best = (pivot..d).max_by(|&i, &j| a[i][pivot].abs().total_cmp(&a[j][pivot].abs())).unwrap_or(pivot);
        a.swap(pivot, best);
        if a[pivot][pivot].abs() < 1e-300 {
            bail!("{} records do not determine a linear fit with {d} terms", rows.len());
        }
        let row = a[pivot].clone();
        for (_, other) in a.iter_mut().enumerate().filter(|(i, _)| *i != pivot) {
            let factor = other[pivot] / row[pivot];
            other.iter_mut().zip(&row).for_each(|(o, r)| *o -= factor * r);
        }
    }
    Ok((0..d).map(|i| a[i][d] / a[i][i]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exact_line_is_found() {
        let row = |x: f64, y: f64, weight: f64| Row { x: vec![1.0, x], y, weight };
        let mut rows: Vec<Row> = (1..6).map(f64::from).map(|x| row(x, 2.0 + 3.0 * x, 1.0)).collect();
        let near = |c: &[f64]| (c[0] - 2.0).abs() < 1e-3 && (c[1] - 3.0).abs() < 1e-3;
        let c = relative_least_squares(&rows, 0.0).unwrap();
        assert!(near(&c), "{c:?}");
        assert!(relative_least_squares(&[row(1.0, 1.0, 1.0)], 0.0).is_err());
        assert!(relative_least_squares(&[], 0.0).is_err());
        // A measurement of next to nothing decides over all others by its relative error, unless it counts for as little as it says.
        rows.push(row(6.0, 1e-3, 1.0));
        let c = relative_least_squares(&rows, 0.0).unwrap();
        assert!(!near(&c), "{c:?}");
        rows.last_mut().unwrap().weight = 1e-18;
        let c = relative_least_squares(&rows, 0.0).unwrap();
        assert!(near(&c), "{c:?}");
    }
}
