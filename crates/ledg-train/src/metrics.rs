//! The field's measures of error.

use serde::{Deserialize, Serialize};

/// Errors of a set of predictions.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Metrics {
    /// Number of predictions.
    pub n: usize,
    /// Mean absolute percentage error, in percent.
    pub mape: f64,
    /// Share of predictions within 10 % of the measurement, in percent.
    pub acc10: f64,
    /// Median absolute percentage error, in percent.
    pub median_ape: f64,
    /// Mean of ln(predicted / measured): below 0 where predictions are too low.
    pub bias: f64,
}

impl Metrics {
    /// From pairs of ln(predicted), ln(measured).
    ///
    /// Returns `None` for no pairs.
    pub fn of(pairs: &[(f64, f64)]) -> Option<Self> {
        if pairs.is_empty() {
            return None;
        }
        let n = pairs.len() as f64;
        let mut errors: Vec<f64> = pairs.iter().map(|(p, y)| ((p - y).exp() - 1.0).abs()).collect();
        errors.sort_by(f64::total_cmp);
        let middle = errors.len() / 2;
        let median = if errors.len() % 2 == 1 { errors[middle] } else { (errors[middle - 1] + errors[middle]) / 2.0 };
        Some(Metrics {
            n: pairs.len(),
            mape: 100.0 * errors.iter().sum::<f64>() / n,
            acc10: 100.0 * errors.iter().filter(|&&e| e <= 0.1).count() as f64 / n,
            median_ape: 100.0 * median,
            bias: pairs.iter().map(|(p, y)| p - y).sum::<f64>() / n,
        })
    }
}

/// Mean and sample standard deviation.
pub fn mean_std(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0).max(1.0);
    (mean, variance.sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_hand() {
        // Measured 100 each; predicted 105, 80, 150: errors 5, 20, 50 percent.
        let pairs = [105.0_f64, 80.0, 150.0].map(|p| (p.ln(), 100.0_f64.ln()));
        let m = Metrics::of(&pairs).unwrap();
        assert!((m.mape - 25.0).abs() < 1e-9);
        assert!((m.acc10 - 100.0 / 3.0).abs() < 1e-9);
        assert!((m.median_ape - 20.0).abs() < 1e-9);
        assert!(Metrics::of(&[]).is_none());
    }

    #[test]
    fn spread() {
        let (mean, std) = mean_std(&[1.0, 2.0, 3.0]);
        assert_eq!((mean, std), (2.0, 1.0));
        assert_eq!(mean_std(&[4.0]), (4.0, 0.0));
    }
}
