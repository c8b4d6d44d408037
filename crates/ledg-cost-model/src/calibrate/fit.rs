//! The fit: factors by kind of operator that bring predicted sums to measured ones.
//!
//! An equation says that `Σ_j exp(θ·levels(j)) · predicted_j`, the seconds of each kind j corrected, was measured. `θ` has
//! one number for the platform and one for each level of each kind (class, operation, depthwise or not), each with a normal
//! prior around no correction; so a kind that no record tells apart follows its class, a class its platform, and few
//! records move what they speak of. The maximum of the posterior is found by Gauss-Newton steps on ln seconds. Residuals
//! are taken to be Student's: the pull of a strange record fades.

use std::collections::BTreeMap;

use super::kinds::levels;

/// Standard deviations that are assumed before there are records, in ln latency: of platforms around the model's level,
/// and of the levels of kinds around what they belong to. Wide: a few records outweigh them.
const PLATFORM_STD: f64 = 0.5;
const LEVEL_STD: f64 = 0.5;
/// Scatter of networks around what is predicted that is assumed before there are any, and the weight of that assumption
/// in networks.
const PRIOR_STD: f64 = 0.15;
const PRIOR_RECORDS: f64 = 4.0;
/// The most that networks are taken to scatter: what they took decides, whatever a profile says of their kinds.
const LARGEST_STD: f64 = 0.3;
/// Scatter of the seconds of a kind that is all of a profiled network. Wide: profiles disturb what they measure, and the
/// sizes of a kind differ. Kinds of which there is little are hardly measured: the weight is in proportion to the root
/// of the share.
const PROFILE_STD: f64 = 0.3;
/// Degrees of freedom of the residuals' distribution.
const STUDENT: f64 = 4.0;
/// Steps with all records at full weight, so that a kind that is far off is not taken for strange records; then others.
const PLAIN_STEPS: usize = 12;
const STEPS: usize = 60;
/// Longest step and smallest step, in ln latency.
const LONGEST: f64 = 1.0;
const SMALLEST: f64 = 1e-10;

/// What was measured against what is predicted.
#[derive(Debug, Clone)]
pub(super) struct Equation {
    /// ln of the measured seconds.
    pub ln_measured: f64,
    /// Predicted seconds by kind; the kind `""` is of none.
    pub predicted: Vec<(String, f64)>,
    /// The share of the network that it is of, if it is of one kind in a profile.
    pub share: Option<f64>,
}

/// Corrections in ln latency.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Factors {
    pub platform: f64,
    /// By level of kinds, on top of what it belongs to.
    pub levels: BTreeMap<String, f64>,
}

impl Factors {
    /// The correction of a kind.
    pub fn of(&self, kind: &str) -> f64 {
        self.platform + levels(kind).filter_map(|level| self.levels.get(level)).sum::<f64>()
    }

    /// ln of the corrected seconds of an equation.
    pub fn ln_predicted(&self, equation: &Equation) -> f64 {
        equation.predicted.iter().map(|(kind, s)| self.of(kind).exp() * s).sum::<f64>().ln()
    }
}

/// An equation by number of column and of unknown.
struct Row {
    ln_measured: f64,
    predicted: Vec<(usize, f64)>,
    share: Option<f64>,
}

/// The corrections that equations ask for; none for none.
pub(super) fn fit<'a>(equations: impl IntoIterator<Item = &'a Equation>) -> Factors {
    let mut names: BTreeMap<&str, usize> = BTreeMap::new();
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    let mut paths: Vec<Vec<usize>> = Vec::new();
    let mut rows = Vec::new();
    for equation in equations {
        let mut predicted = Vec::with_capacity(equation.predicted.len());
        for (kind, seconds) in &equation.predicted {
            let column = *kinds.entry(kind).or_insert_with(|| {
                let unknowns = levels(kind).map(|level| {
                    let next = names.len() + 1;
                    *names.entry(level).or_insert(next)
                });
                paths.push([0].into_iter().chain(unknowns).collect());
                paths.len() - 1
            });
            predicted.push((column, *seconds));
        }
        rows.push(Row { ln_measured: equation.ln_measured, predicted, share: equation.share });
    }
    if rows.is_empty() {
        return Factors::default();
    }
    let theta = solve(&rows, &paths, names.len() + 1);
    let levels = names.into_iter().map(|(name, unknown)| (name.to_owned(), theta[unknown])).collect();
    Factors { platform: theta[0], levels }
}

fn solve(rows: &[Row], paths: &[Vec<usize>], n: usize) -> Vec<f64> {
    let mut theta = vec![0.0; n];
    let first: Vec<f64> = rows.iter().map(|row| residual(row, paths, &theta).0).collect();
    theta[0] = median(first);
    for step in 0..STEPS {
        let found: Vec<(f64, Vec<f64>)> = rows.iter().map(|row| residual(row, paths, &theta)).collect();
        let scatter = scatter(rows.iter().zip(&found).filter(|(row, _)| row.share.is_none()).map(|(_, (r, _))| *r));
        let mut normal = vec![vec![0.0; n]; n];
        let mut right = vec![0.0; n];
        for (unknown, right) in right.iter_mut().enumerate() {
            let precision = if unknown == 0 { PLATFORM_STD } else { LEVEL_STD }.powi(-2);
            normal[unknown][unknown] = precision;
            *right = -precision * theta[unknown];
        }
        for (row, (off, gradient)) in rows.iter().zip(&found) {
            let std = row.share.map_or(scatter, |share| PROFILE_STD / share.powf(0.25));
            let student = (STUDENT + 1.0) / (STUDENT + (off / std).powi(2));
            let weight = if step < PLAIN_STEPS { 1.0 } else { student } / std.powi(2);
            let touched: Vec<usize> = (0..n).filter(|&i| gradient[i] != 0.0).collect();
            for &i in &touched {
                right[i] += weight * gradient[i] * off;
                for &j in &touched {
                    normal[i][j] += weight * gradient[i] * gradient[j];
                }
            }
        }
        let delta = cholesky_solve(normal, right);
        let longest = delta.iter().fold(0.0f64, |m, d| m.max(d.abs()));
        let damping = (LONGEST / longest.max(LONGEST)).min(1.0);
        theta.iter_mut().zip(&delta).for_each(|(t, d)| *t += damping * d);
        if step > PLAIN_STEPS && longest < SMALLEST {
            break;
        }
    }
    theta
}

/// ln(measured / predicted), and the gradient of ln predicted.
fn residual(row: &Row, paths: &[Vec<usize>], theta: &[f64]) -> (f64, Vec<f64>) {
    let corrected = |&(column, seconds): &(usize, f64)| -> f64 {
        paths[column].iter().map(|&unknown| theta[unknown]).sum::<f64>().exp() * seconds
    };
    let total: f64 = row.predicted.iter().map(corrected).sum();
    let mut gradient = vec![0.0; theta.len()];
    for part in &row.predicted {
        let share = corrected(part) / total;
        paths[part.0].iter().for_each(|&unknown| gradient[unknown] += share);
    }
    (row.ln_measured - total.ln(), gradient)
}

/// How far networks scatter around what is predicted: of those seen, and of those assumed.
fn scatter(off: impl Iterator<Item = f64>) -> f64 {
    let off: Vec<f64> = off.map(f64::abs).collect();
    let n = off.len() as f64;
    let seen = if off.is_empty() { 0.0 } else { 1.4826 * median(off) };
    ((PRIOR_RECORDS * PRIOR_STD.powi(2) + n * seen.powi(2)) / (PRIOR_RECORDS + n)).sqrt().min(LARGEST_STD)
}

pub(super) fn median(mut x: Vec<f64>) -> f64 {
    x.sort_by(f64::total_cmp);
    let middle = x.len() / 2;
    if x.len() % 2 == 1 { x[middle] } else { (x[middle - 1] + x[middle]) / 2.0 }
}

/// The solution of a symmetric positive definite system.
///
/// # Shapes
/// a (n, n), b (n) → (n)
fn cholesky_solve(mut a: Vec<Vec<f64>>, mut b: Vec<f64>) -> Vec<f64> {
    let n = b.len();
    for j in 0..n {
        for k in 0..j {
            let factor = a[j][k];
            for i in j..n {
                a[i][j] -= a[i][k] * factor;
            }
        }
        // The priors keep every pivot above zero.
        let pivot = a[j][j].sqrt();
        a[j..].iter_mut().for_each(|row| row[j] /= pivot);
    }
    for i in 0..n {
        for k in 0..i {
            b[i] -= a[i][k] * b[k];
        }
        b[i] /= a[i][i];
    }
    for i in (0..n).rev() {
        for k in i + 1..n {
            b[i] -= a[k][i] * b[k];
        }
        b[i] /= a[i][i];
    }
    b
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(ln_ratio: f64) -> Equation {
        Equation { ln_measured: ln_ratio, predicted: vec![(String::new(), 1.0)], share: None }
    }

    #[test]
    fn shrinkage_by_hand() {
        // One record: its residual is next to none, so the scatter is the prior's, 4/5 of 0.15². Without kinds, θ·(1/0.25 +
        // 1/σ²) = 1/σ² for a record that is off by 1, but for the Student weight of what is left.
        let theta = fit(&[whole(1.0)]).platform;
        let shrunk = 1.0 / (1.0 + 0.8 * 0.0225 / 0.25);
        assert!((theta - shrunk).abs() < 0.02, "{theta} {shrunk}");
        let ten: Vec<Equation> = (0..10).map(|_| whole(1.0)).collect();
        assert!((fit(&ten).platform - 1.0).abs() < 0.01);
        assert_eq!(fit(&[]), Factors::default());
    }

    #[test]
    fn one_strange_record_does_not_decide() {
        let mut records: Vec<Equation> = (0..9).map(|_| whole(0.5)).collect();
        records.push(whole(6.0));
        let theta = fit(&records).platform;
        assert!((theta - 0.5).abs() < 0.02, "{theta}");
    }

    #[test]
    fn a_kind_that_is_slow_is_found_from_sums() {
        // Everything is as predicted but softmax, which takes four times as long.
        let network = |conv: f64, softmax: f64| Equation {
            ln_measured: (conv + 4.0 * softmax).ln(),
            predicted: vec![("ParamL Conv".into(), conv), ("Norm Softmax".into(), softmax)],
            share: None,
        };
        let shares = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8];
        let factors = fit(&shares.map(|share| network(1.0 - share, share)));
        assert!((factors.of("Norm Softmax").exp() - 4.0).abs() < 0.4, "{factors:?}");
        assert!((factors.of("ParamL Conv").exp() - 1.0).abs() < 0.15, "{factors:?}");
        let sibling = factors.of("Norm RmsNorm").exp();
        assert!(sibling > 1.5 && sibling < 4.0, "a kind never seen follows its class: {sibling}");
    }

    #[test]
    fn a_system_of_two_by_hand() {
        // 4x + 2y = 10, 2x + 3y = 9 → x = 1.5, y = 2.
        let x = cholesky_solve(vec![vec![4.0, 2.0], vec![2.0, 3.0]], vec![10.0, 9.0]);
        assert!((x[0] - 1.5).abs() < 1e-12 && (x[1] - 2.0).abs() < 1e-12);
    }
}
