//! The field's baselines: latency as a linear function of FLOPs, or of FLOPs and memory access.
//!
//! On platforms that are measured, one fit a platform: `t = a·FLOPs [+ b·bytes] + c`. On a device that is not, one fit
//! over the measured ones of its kind on times at the data sheet's rates: `t = a·FLOPs/peak [+ b·bytes/bandwidth] + c`, by
//! compiler, so that the device's peaks carry over. Fits minimise relative error (least squares of rows divided by the
//! measurement).

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
        let rows: Vec<(Vec<f64>, f64)> = question
            .seen()
            .filter(|&r| groups.has(group, data.records[r].platform))
            .map(|r| (features(data, r, terms), data.records[r].latency_s))
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
    let m = data.graphs[record.graph].graph.magnitudes().scaled_batch(record.batch as f64);
    let rates = &data.platforms[record.platform].platform.rates;
    let mut x = vec![1e-3, m.flops / rates.matmul_flops];
    if terms == Terms::FlopsMac {
        x.push(m.moved_elems() * rates.bytes_per_element / rates.bandwidth_bytes_s);
    }
    x
}

/// Coefficients that minimise Σ ((x·c - y) / y)², by the normal equations. A ridge is a share of their mean diagonal, on all
/// coefficients but the first.
///
/// # Errors
/// Fewer rows than determine the coefficients.
pub(super) fn relative_least_squares(rows: &[(Vec<f64>, f64)], ridge: f64) -> Result<Vec<f64>> {
    let Some((first, _)) = rows.first() else { bail!("no record to fit a line to") };
    let d = first.len();
    let mut a = vec![vec![0.0; d + 1]; d];
    for (x, y) in rows {
        for i in 0..d {
            for j in 0..d {
                a[i][j] += x[i] / y * x[j] / y;
            }
            a[i][d] += x[i] / y;
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
        let rows: Vec<(Vec<f64>, f64)> = (1..6).map(|i| (vec![1.0, f64::from(i)], 2.0 + 3.0 * f64::from(i))).collect();
        let c = relative_least_squares(&rows, 0.0).unwrap();
        assert!((c[0] - 2.0).abs() < 1e-9 && (c[1] - 3.0).abs() < 1e-9, "{c:?}");
        assert!(relative_least_squares(&[(vec![1.0, 1.0], 1.0)], 0.0).is_err());
        assert!(relative_least_squares(&[], 0.0).is_err());
    }
}
