//! The fit: factors by kind of operator that bring predicted sums to measured ones.
//!
//! An equation says that `Σ_j exp(θ·levels(j)) · predicted_j`, the seconds of each kind and size j corrected, was measured.
//! `θ` has one number for the platform and one for each level of each kind (class, operation, depthwise or not), and, where
//! there are profiles, those of each kind that are multiplied by ln of its sizes (rows, columns, contracted length and so
//! on, see [`LnSizes`]). A whole network has one number more for each relative, which the relative's difference is
//! multiplied by (see [`super::relatives`]). Each has a normal prior around no correction. So a kind that no record tells
//! apart follows its class, a class its platform, and few records move what they speak of. The maximum of the posterior is
//! found by Gauss-Newton steps on ln seconds. Residuals are taken to be Student's: the pull of a strange record fades.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::kinds::{LnSizes, N_SHAPE, levels};
use super::linear;
use super::relatives::Relative;

/// Standard deviation of platforms around the model's level that is assumed before there are records, in ln latency. Wide: a few
/// records outweigh it. That of the levels of kinds is the [`Form`]'s.
const PLATFORM_STD: f64 = 0.5;
/// The same of a kind's corrections by ln of a size.
const SLOPE_STD: f64 = 0.1;
/// The same of the weights of all relatives together: one alone, or a mixture that sums to one, is within reach. Between 0.5
/// and 3 it matters little from 10 records on; with 3, less is better (docs/calibration.md).
const RELATIVES_STD: f64 = 1.0;
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
const SMALLEST: f64 = 1e-4;

/// What was measured against what is predicted.
#[derive(Debug, Clone)]
pub(super) struct Equation {
    /// ln of the measured seconds.
    pub ln_measured: f64,
    /// Predicted seconds, by kind and shape.
    pub predicted: Vec<Part>,
    /// The same by kind: shapes are told apart by profiles alone.
    kinds: Vec<Part>,
    /// The share of the network that it is of, if it is of one kind in a profile.
    pub share: Option<f64>,
    /// By relative: the difference in ln latency, see [`super::relatives`]; empty for a kind in a profile.
    pub differences: Vec<f64>,
}

impl Equation {
    /// Of predicted seconds; not of a kind in a profile, and without relatives.
    pub fn of(ln_measured: f64, predicted: Vec<Part>) -> Self {
        let mut kinds: Vec<Part> = Vec::new();
        for part in &predicted {
            match kinds.iter_mut().find(|own| own.kind == part.kind) {
                Some(own) => own.seconds += part.seconds,
                None => kinds.push(Part { shape: [0.0; N_SHAPE], ..part.clone() }),
            }
        }
        Equation { ln_measured, predicted, kinds, share: None, differences: Vec::new() }
    }

    /// Of a kind in a profile, a share of its network.
    pub fn in_profile(self, share: f64) -> Self {
        Equation { share: Some(share), ..self }
    }

    /// Predicted seconds, as far as corrections tell them apart.
    fn parts(&self, by_shape: bool) -> &[Part] {
        if by_shape { &self.predicted } else { &self.kinds }
    }
}

/// Predicted seconds of nodes of one kind and shape.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Part {
    /// Their kind; `""` is of none.
    pub kind: Arc<str>,
    /// Their shape.
    pub shape: LnSizes,
    /// Seconds of all of them.
    pub seconds: f64,
}

/// A correction in ln latency.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Correction {
    /// At usual sizes.
    pub ln: f64,
    /// For each unit of ln of a size above the usual; of the narrowest kind alone.
    pub per_ln: LnSizes,
}

/// Corrections.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Factors {
    pub platform: f64,
    /// By level of kinds, on top of what it belongs to.
    pub levels: BTreeMap<String, Correction>,
    /// Whether shapes of a kind are corrected unlike.
    by_shape: bool,
    /// In the order of the equations' differences.
    pub relatives: Vec<Relative>,
}

/// The sum of a kind's corrections.
pub(crate) fn correction(of: &BTreeMap<String, Correction>, kind: &str, shape: &LnSizes) -> f64 {
    let by_shape = of.get(kind).map_or(0.0, |c| c.per_ln.iter().zip(shape).map(|(slope, ln)| slope * ln).sum());
    by_shape + levels(kind).filter_map(|level| of.get(level)).map(|c| c.ln).sum::<f64>()
}

impl Factors {
    /// ln of the corrected seconds of an equation.
    pub fn ln_predicted(&self, equation: &Equation) -> f64 {
        let corrected = |p: &Part| (self.platform + correction(&self.levels, &p.kind, &p.shape)).exp() * p.seconds;
        let added: f64 = self.relatives.iter().zip(&equation.differences).map(|(own, &d)| own.adds(d)).sum();
        equation.parts(self.by_shape).iter().map(corrected).sum::<f64>().ln() + added
    }
}

/// An equation by number of column and of unknown.
struct Row {
    ln_measured: f64,
    predicted: Vec<(usize, f64)>,
    share: Option<f64>,
    /// Beyond the usual; of unknowns 1 and following.
    differences: Vec<f64>,
}

/// What is to be found: the platform's number is unknown 0.
struct Unknowns {
    /// By column: unknowns and what they are multiplied by.
    paths: Vec<Vec<(usize, f64)>>,
    /// By unknown.
    precision: Vec<f64>,
}

/// What a calibration to these records adds to a platform's ln latencies, from ln(measured / predicted) of each and nothing
/// that tells kinds apart. For evaluations that calibrate other predictions than a model's;
/// [`CostModel::calibrate`](crate::CostModel::calibrate) is the way to calibrate a model. Nothing is added for no records.
pub fn calibrated_level(ln_ratios: &[f64]) -> f64 {
    let none = Part { kind: "".into(), shape: [0.0; N_SHAPE], seconds: 1.0 };
    let equation = |&ln_measured: &f64| Equation::of(ln_measured, vec![none.clone()]);
    let form = Form { level_std: PLATFORM_STD, relatives: false };
    fit(&ln_ratios.iter().map(equation).collect::<Vec<_>>(), form).platform
}

impl Unknowns {
    /// A new unknown, by the standard deviation of its prior.
    fn add(&mut self, std: f64) -> usize {
        self.precision.push(std.powi(-2));
        self.precision.len() - 1
    }
}

/// What is fitted, besides the platform's level.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Form {
    /// Standard deviation of the levels of kinds around what they belong to that is assumed before there are records, in ln latency.
    pub level_std: f64,
    /// Whether relatives are looked at.
    pub relatives: bool,
}

/// The corrections that equations ask for; none for none.
pub(super) fn fit<'a>(equations: impl IntoIterator<Item = &'a Equation>, form: Form) -> Factors {
    let equations: Vec<&Equation> = equations.into_iter().collect();
    // Totals alone do not tell sizes apart.
    let by_shape = equations.iter().any(|e| e.share.is_some());
    let mut unknowns = Unknowns { paths: Vec::new(), precision: vec![PLATFORM_STD.powi(-2)] };
    let mut relatives = if form.relatives { relatives(&equations) } else { Vec::new() };
    relatives.iter().for_each(|_| {
        unknowns.add(RELATIVES_STD / (relatives.len() as f64).sqrt());
    });
    let mut names: BTreeMap<&str, usize> = BTreeMap::new();
    let mut slopes: BTreeMap<&str, [usize; N_SHAPE]> = BTreeMap::new();
    let mut columns: BTreeMap<(&str, [u64; N_SHAPE]), usize> = BTreeMap::new();
    let mut rows = Vec::with_capacity(equations.len());
    for equation in &equations {
        let parts = equation.parts(by_shape);
        let mut predicted = Vec::with_capacity(parts.len());
        for part in parts {
            let column = *columns.entry((&part.kind, part.shape.map(f64::to_bits))).or_insert_with(|| {
                let mut path = vec![(0, 1.0)];
                for level in levels(&part.kind) {
                    path.push((*names.entry(level).or_insert_with(|| unknowns.add(form.level_std)), 1.0));
                }
                if by_shape && !part.kind.is_empty() {
                    let add = || std::array::from_fn(|_| unknowns.add(SLOPE_STD));
                    let own = *slopes.entry(&part.kind).or_insert_with(add);
                    path.extend(own.into_iter().zip(part.shape).filter(|(_, ln)| *ln != 0.0));
                }
                unknowns.paths.push(path);
                unknowns.paths.len() - 1
            });
            predicted.push((column, part.seconds));
        }
        let differences = relatives.iter().zip(&equation.differences).map(|(own, &d)| own.beyond(d)).collect();
        rows.push(Row { ln_measured: equation.ln_measured, predicted, share: equation.share, differences });
    }
    if rows.is_empty() {
        return Factors::default();
    }
    let theta = solve(&rows, &unknowns);
    let per_ln = |kind: &str| slopes.get(kind).map_or([0.0; N_SHAPE], |own| own.map(|slope| theta[slope]));
    let of = |(kind, at): (&str, usize)| (kind.to_owned(), Correction { ln: theta[at], per_ln: per_ln(kind) });
    let levels = names.into_iter().map(of).collect();
    relatives.iter_mut().zip(&theta[1..]).for_each(|(own, &weight)| own.weight = weight);
    Factors { platform: theta[0], levels, by_shape, relatives }
}

/// The relatives of the equations that have any, without weights.
fn relatives(equations: &[&Equation]) -> Vec<Relative> {
    let of: Vec<&[f64]> = equations.iter().map(|e| &e.differences[..]).filter(|d| !d.is_empty()).collect();
    let one = |k: usize| Relative::of(&of.iter().map(|d| d[k]).collect::<Vec<_>>());
    (0..of.first().map_or(0, |d| d.len())).map(one).collect()
}

fn solve(rows: &[Row], unknowns: &Unknowns) -> Vec<f64> {
    let (paths, n) = (&unknowns.paths, unknowns.precision.len());
    let mut theta = vec![0.0; n];
    let first: Vec<f64> = rows.iter().map(|row| residual(row, paths, &theta).0).collect();
    theta[0] = median(first);
    for step in 0..STEPS {
        let found: Vec<(f64, Vec<f64>)> = rows.iter().map(|row| residual(row, paths, &theta)).collect();
        let scatter = scatter(rows.iter().zip(&found).filter(|(row, _)| row.share.is_none()).map(|(_, (r, _))| *r));
        let mut normal = vec![vec![0.0; n]; n];
        let mut right = vec![0.0; n];
        for (unknown, (right, &precision)) in right.iter_mut().zip(&unknowns.precision).enumerate() {
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
        let delta = linear::solve(normal, right);
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
fn residual(row: &Row, paths: &[Vec<(usize, f64)>], theta: &[f64]) -> (f64, Vec<f64>) {
    let corrected = |&(column, seconds): &(usize, f64)| -> f64 {
        paths[column].iter().map(|&(unknown, by)| theta[unknown] * by).sum::<f64>().exp() * seconds
    };
    let total: f64 = row.predicted.iter().map(corrected).sum();
    let mut gradient = vec![0.0; theta.len()];
    gradient[1..=row.differences.len()].copy_from_slice(&row.differences);
    let added: f64 = row.differences.iter().zip(&theta[1..]).map(|(d, weight)| d * weight).sum();
    for part in &row.predicted {
        let share = corrected(part) / total;
        paths[part.0].iter().for_each(|&(unknown, by)| gradient[unknown] += share * by);
    }
    (row.ln_measured - total.ln() - added, gradient)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn fit(equations: &[Equation]) -> Factors {
        super::fit(equations, Form { level_std: 0.5, relatives: true })
    }

    fn part(kind: &str, seconds: f64) -> Part {
        Part { kind: kind.into(), shape: [0.0; N_SHAPE], seconds }
    }

    fn of(factors: &Factors, kind: &str) -> f64 {
        (factors.platform + correction(&factors.levels, kind, &[0.0; N_SHAPE])).exp()
    }

    fn whole(ln_ratio: f64) -> Equation {
        Equation::of(ln_ratio, vec![part("", 1.0)])
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
        assert_eq!((calibrated_level(&[1.0]), calibrated_level(&[])), (theta, 0.0));
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
        let network = |conv: f64, softmax: f64| {
            let predicted = vec![part("ParamL Conv", conv), part("Norm Softmax", softmax)];
            Equation::of((conv + 4.0 * softmax).ln(), predicted)
        };
        let shares = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8];
        let factors = fit(&shares.map(|share| network(1.0 - share, share)));
        assert!((of(&factors, "Norm Softmax") - 4.0).abs() < 0.4, "{factors:?}");
        assert!((of(&factors, "ParamL Conv") - 1.0).abs() < 0.15, "{factors:?}");
        let sibling = of(&factors, "Norm RmsNorm");
        assert!(sibling > 1.5 && sibling < 4.0, "a kind never seen follows its class: {sibling}");
    }

    #[test]
    fn profiles_tell_sizes_of_a_kind_apart() {
        // The more rows a depthwise convolution has, the faster: e^-0.3 for each unit of ln rows.
        let at = |rows: f64| -> LnSizes { [rows, 1.0, 0.0, 0.0, 0.0, 0.0] };
        let profile = |rows: f64| {
            let part = Part { kind: "ParamL Conv depthwise".into(), shape: at(rows), seconds: 1.0 };
            Equation::of(-0.3 * rows, vec![part]).in_profile(1.0)
        };
        let mut equations: Vec<Equation> = (-10..=10).map(|i| profile(f64::from(i) / 2.0)).collect();
        equations.push(whole(0.0));
        let slope = |factors: &Factors| {
            correction(&factors.levels, "ParamL Conv depthwise", &at(1.0))
                - correction(&factors.levels, "ParamL Conv depthwise", &at(0.0))
        };
        let found = slope(&fit(&equations));
        assert!((found + 0.3).abs() < 0.05, "{found}");
        // Totals alone say nothing of sizes.
        equations.iter_mut().for_each(|e| e.share = None);
        assert_eq!(slope(&fit(&equations)), 0.0);
    }

    /// A network that four platforms differ on, the second by `offset` throughout. Measured is a mixture of two of them, times
    /// `factor`.
    fn among_relatives(i: u32, factor: f64, offset: f64) -> Equation {
        let wave = |by: f64| 0.4 * (f64::from(i) * by).sin();
        let differences = vec![wave(0.7), wave(1.3) + offset, wave(2.1), wave(2.9)];
        let mixture = 0.5 * wave(0.7) + 0.5 * wave(2.1);
        Equation { differences, ..whole(mixture + factor.ln()) }
    }

    #[test]
    fn a_mixture_of_platforms_is_found_and_scale_is_a_matter_of_the_level() {
        let off = |records: &[Equation], factor: f64, offset: f64| {
            let fit = fit(records);
            let far = |i| {
                let held_out = among_relatives(i, factor, offset);
                (fit.ln_predicted(&held_out) - held_out.ln_measured).abs()
            };
            (100..140).map(far).sum::<f64>() / 40.0
        };
        let records = |n: u32, factor, offset| (0..n).map(|i| among_relatives(i, factor, offset)).collect::<Vec<_>>();
        let level_alone = |mut records: Vec<Equation>| {
            records.iter_mut().for_each(|e| e.differences.clear());
            records
        };
        for factor in [1.0, 1.7] {
            let by_level = off(&level_alone(records(12, factor, 0.0)), factor, 0.0);
            assert!(by_level > 0.15, "no constant passes: {by_level}");
            let found = off(&records(12, factor, 0.0), factor, 0.0);
            assert!(found < by_level / 3.0, "{found} of {by_level}");
        }
        // A relative that is slower throughout says the same.
        let plain = fit(&records(12, 1.3, 0.0));
        let slower = fit(&records(12, 1.3, 2.5));
        for (a, b) in plain.relatives.iter().zip(&slower.relatives) {
            assert!((a.weight - b.weight).abs() < 1e-9, "{plain:?} {slower:?}");
        }
    }

    #[test]
    fn relatives_that_are_all_the_platform_itself_leave_the_level() {
        let own = |ln: f64| Equation { differences: vec![0.0, 0.0], ..whole(ln) };
        let ln = [0.3, 0.5, 0.1, 0.4];
        let with = fit(&ln.map(own));
        assert_eq!(with.platform, fit(&ln.map(whole)).platform);
        assert!(with.relatives.iter().all(|r| r.weight == 0.0), "{with:?}");
    }

    #[test]
    fn a_network_unlike_the_records_is_not_carried_away() {
        let fit = fit(&(0..12).map(|i| among_relatives(i, 1.0, 0.0)).collect::<Vec<_>>());
        let far = |difference: f64| fit.ln_predicted(&Equation { differences: vec![difference; 4], ..whole(0.0) });
        assert!((far(50.0) - far(5.0)).abs() < 1e-12 && far(50.0).abs() < 3.0, "{}", far(50.0));
    }
}
