//! What a calibration is worth: errors before, and after on networks that the fit did not see.

use std::collections::BTreeMap;

use serde::Serialize;

use super::fit::median;

/// Errors by platform.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct CalibrationReport {
    /// By the platform's full name.
    pub platforms: BTreeMap<String, PlatformReport>,
}

/// Errors on one platform's records.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PlatformReport {
    /// Records with a time.
    pub records: usize,
    /// Of these, records that also say how long each node took.
    pub profiled: usize,
    /// Distinct graphs.
    pub graphs: usize,
    /// Distinct networks: what cross-validation leaves out together.
    pub networks: usize,
    /// Without the calibration.
    pub before: Errors,
    /// With it, each network predicted by factors fitted to the others; `None` where there is only one network.
    pub after: Option<Errors>,
}

/// How far predictions are from measurements.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Errors {
    /// Mean of `|predicted - measured| / measured`.
    pub mape: f64,
    /// Median of it.
    pub median: f64,
    /// Share of predictions within 10 % of what was measured.
    pub within_10_percent: f64,
}

impl Errors {
    /// From ln(measured / predicted) of each record, at least one.
    pub(super) fn of(ln_ratios: impl IntoIterator<Item = f64>) -> Errors {
        let errors: Vec<f64> = ln_ratios.into_iter().map(|ln| ((-ln).exp() - 1.0).abs()).collect();
        let n = errors.len() as f64;
        Errors {
            mape: errors.iter().sum::<f64>() / n,
            within_10_percent: errors.iter().filter(|&&e| e <= 0.1).count() as f64 / n,
            median: median(errors),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_by_hand() {
        // Predicted 2, 1 and 0.95 of what was measured.
        let errors = Errors::of([0.5f64.ln(), 0.0, (1.0f64 / 0.95).ln()]);
        assert!((errors.mape - 1.05 / 3.0).abs() < 1e-12);
        assert!((errors.median - 0.05).abs() < 1e-12 && (errors.within_10_percent - 2.0 / 3.0).abs() < 1e-12);
    }
}
