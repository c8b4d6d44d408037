//! Kendall's tau.

use anyhow::{Context, Result, ensure};

/// Kendall's tau-b of two rankings of the same things: -1 to 1, ties corrected for.
///
/// # Errors
/// Nothing to rank, or values that are no numbers.
pub fn tau(scores: &[f64], truth: &[f64]) -> Result<f64> {
    ensure!(scores.iter().chain(truth).all(|x| x.is_finite()), "a score or an accuracy is no number");
    let (tau, _significance) =
        kendalls::tau_b_with_comparator(scores, truth, f64::total_cmp).context("there is nothing to rank")?;
    Ok(tau)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_are_corrected_for() {
        // Pairs: 3 in order, 1 reversed, 1 tied in the first alone, 1 in the second alone: (3 - 1) / sqrt(5 · 5).
        let value = tau(&[1.0, 2.0, 2.0, 3.0], &[1.0, 3.0, 2.0, 2.0]).unwrap();
        assert!((value - 0.4).abs() < 1e-12, "{value}");
        assert_eq!(tau(&[1.0, 2.0, 3.0], &[-3.0, -2.0, -1.0]).unwrap(), 1.0);
        assert!(tau(&[f64::NAN], &[1.0]).is_err());
    }

    #[test]
    fn as_counted_pair_by_pair() {
        let x = |i: u64| ((i * 7919) % 101) as f64;
        let y = |i: u64| x(i) + ((i * 104_729) % 37) as f64;
        let (a, b): (Vec<f64>, Vec<f64>) = (0..400).map(|i| (x(i), y(i))).unzip();
        let (mut order, mut ties_a, mut ties_b, mut pairs) = (0.0, 0.0, 0.0, 0.0);
        for i in 0..a.len() {
            for j in 0..i {
                let product = (a[i] - a[j]) * (b[i] - b[j]);
                order += if product == 0.0 { 0.0 } else { product.signum() };
                ties_a += f64::from(a[i] == a[j]);
                ties_b += f64::from(b[i] == b[j]);
                pairs += 1.0;
            }
        }
        let expected = order / f64::sqrt((pairs - ties_a) * (pairs - ties_b));
        assert!((tau(&a, &b).unwrap() - expected).abs() < 1e-12);
    }
}
