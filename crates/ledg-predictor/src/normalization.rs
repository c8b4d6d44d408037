//! Standardising inputs with statistics of the training set.

use serde::{Deserialize, Serialize};

/// Standardised numbers are clipped to ±this, so that an outlier cannot drive the model where it was never trained.
const CLIP: f32 = 6.0;

/// The standard deviation of a column that is constant in training: whatever stands there later, no weight has learned what it means.
const CONSTANT: f32 = f32::MAX;

/// Mean and standard deviation by column.
///
/// ```
/// use ledg_predictor::Standardizer;
///
/// let rows: [&[f32]; 2] = [&[1.0, 7.0], &[3.0, 7.0]];
/// let fitted = Standardizer::fit(2, rows.into_iter().map(|row| (row, 1.0)));
/// assert_eq!(fitted.apply(&[3.0, 7.0]), [1.0, 0.0]);
/// // What training never saw to vary says nothing.
/// assert_eq!(fitted.apply(&[3.0, 9.0]), [1.0, 0.0]);
/// // What is not known stands at the mean, and an outlier is clipped at 6.
/// assert_eq!(fitted.apply_known(&[Some(1e9), None]), [6.0, 0.0]);
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Standardizer {
    /// Mean of each column.
    pub mean: Vec<f32>,
    /// Standard deviation of each column; the largest number where a column is constant.
    pub std: Vec<f32>,
}

impl Standardizer {
    /// Statistics of weighted rows, each of width `width`.
    ///
    /// # Panics
    /// If a row is wider.
    pub fn fit<R: AsRef<[f32]>>(width: usize, rows: impl Iterator<Item = (R, f64)>) -> Self {
        let (mut total, mut sum, mut squares) = (0.0, vec![0.0; width], vec![0.0; width]);
        for (row, weight) in rows {
            total += weight;
            for (k, &x) in row.as_ref().iter().enumerate() {
                sum[k] += weight * f64::from(x);
                squares[k] += weight * f64::from(x) * f64::from(x);
            }
        }
        let total = if total > 0.0 { total } else { 1.0 };
        let mean: Vec<f64> = sum.iter().map(|s| s / total).collect();
        let std = squares.iter().zip(&mean).map(|(q, m)| (q / total - m * m).max(0.0).sqrt());
        Standardizer {
            std: std.map(|s| if s > 1e-6 { s as f32 } else { CONSTANT }).collect(),
            mean: mean.iter().map(|&m| m as f32).collect(),
        }
    }

    /// The identity for that width.
    pub fn identity(width: usize) -> Self {
        Standardizer { mean: vec![0.0; width], std: vec![1.0; width] }
    }

    /// Number of columns.
    pub fn width(&self) -> usize {
        self.mean.len()
    }

    /// A standardised and clipped row; what is not known stands at the mean.
    pub fn apply_known(&self, row: &[Option<f32>]) -> Vec<f32> {
        let filled: Vec<f32> = row.iter().zip(&self.mean).map(|(x, m)| x.unwrap_or(*m)).collect();
        self.apply(&filled)
    }

    /// A standardised and clipped row.
    pub fn apply(&self, row: &[f32]) -> Vec<f32> {
        let columns = self.mean.iter().zip(&self.std);
        let standard = |x: f32, m: f32, s: f32| if s == CONSTANT { 0.0 } else { ((x - m) / s).clamp(-CLIP, CLIP) };
        row.iter().zip(columns).map(|(&x, (&m, &s))| standard(x, m, s)).collect()
    }
}

/// The standardisers of all inputs of a predictor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Normalization {
    /// Node sentence vectors.
    pub sentence: Standardizer,
    /// Node numbers.
    pub features: Standardizer,
    /// Platform sentence vectors.
    pub platform: Standardizer,
    /// Runtime settings.
    pub runtime: Standardizer,
    /// Data-sheet numbers.
    pub sheet: Standardizer,
}
