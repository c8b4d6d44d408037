//! A Gaussian process over what cells are made of: another kind of learner, whose errors are not the transformer's.
//!
//! `k(a, b) = σ² exp(-½ Σ_g d_g(a, b)² / (m_g ℓ_g²)) + λ² (1 + s_a · s_b / 10)`, noise `τ²` on the diagonal. Six groups g describe a
//! cell: its summary numbers s; its neighbourhoods (Weisfeiler-Lehman labels, one and two steps towards the input and towards the
//! output; Shervashidze et al. 2011, and Ru et al. 2021 for cells), as they are, with convolutions alike, and with all operators
//! alike; the operators along its ways from input to output, singly and in pairs, as they are and with convolutions alike. `m_g` is
//! the median of the training samples' squared distances. The nine constants are those of the largest posterior density given the
//! first 600 training samples; nothing else is chosen.
//!
//! **Invariant:** the order of cells does not matter, nor what else is ranked with them.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use argmin::core::{CostFunction, Executor, State};
use argmin::solver::neldermead::NelderMead;
use ledg_zoo::cell::{CellGraph, CellOp};
use nalgebra::{Cholesky, DMatrix, DVector, Dyn};
use statrs::distribution::{ContinuousCDF, Normal};

use super::config::Merit;
use super::train::{merits, standardised};

/// Names this form of the process in the settings' hash: to be changed with what it computes.
pub const FORM: &str = "gaussian_process, six groups";

/// Summary numbers of a cell.
const N_SUMMARY: usize = 20;

/// Samples from which the constants are fitted; all are used to rank.
const FITTED_ON: usize = 600;

/// Groups of counts that describe a cell, beside its summary.
const N_COUNTED: usize = 5;

/// All groups.
const N_GROUPS: usize = 1 + N_COUNTED;

/// Steps of the search for the constants.
const SEARCH_STEPS: u64 = 225;

/// Constants, as logarithms: σ², λ², the lengths ℓ by group, τ².
const N_CONSTANTS: usize = N_GROUPS + 3;

/// Where the search starts, and the mean of the prior of the constants.
const START: [f64; N_CONSTANTS] = [0.0, -2.0, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, -3.0];

/// Standard deviation of that prior: a constant that the samples say nothing of stays within a factor of some ten.
const PRIOR_STD: f64 = 2.0;

/// Below this share of the signal's variance noise is not believed, and the matrix would lose its definiteness.
const LEAST_NOISE: f64 = 1e-4;

/// Counts of features, by feature.
type Counts = Vec<(usize, f64)>;

/// What a cell is made of.
struct Description {
    summary: [f64; N_SUMMARY],
    counted: [Counts; N_COUNTED],
}

/// Numbers of the texts that features are called.
#[derive(Default)]
struct Vocabulary(BTreeMap<String, usize>);

impl Vocabulary {
    fn place(&mut self, text: String) -> usize {
        let next = self.0.len();
        *self.0.entry(text).or_insert(next)
    }
}

/// Scores of all cells after learning from `learned`, places in `cells` with their accuracies.
///
/// # Errors
/// A covariance that is not positive definite.
pub fn rank(cells: &[&CellGraph], learned: &[(usize, f64)]) -> Result<Vec<f64>> {
    let mut vocabulary = Vocabulary::default();
    let mut described: Vec<Description> = cells.iter().map(|cell| describe(cell, &mut vocabulary)).collect();
    standardise(&mut described, learned);
    let samples: Vec<&Description> = learned.iter().map(|&(cell, _)| &described[cell]).collect();
    let accuracies: Vec<f64> = learned.iter().map(|&(_, accuracy)| accuracy).collect();
    let merits = DVector::from_vec(wanted(&accuracies));

    let fitted_on = samples.len().min(FITTED_ON);
    let evidence = Evidence::new(&samples[..fitted_on], merits.rows(0, fitted_on).into_owned());
    let constants = evidence.best()?;
    let kernel = Kernel::new(&constants, evidence.medians);

    let n = samples.len();
    let covariance = DMatrix::from_fn(n, n, |i, j| match i >= j {
        true => kernel.between(samples[i], samples[j]) + f64::from(u8::from(i == j)) * kernel.noise,
        // The decomposition reads the lower triangle alone.
        false => 0.0,
    });
    let weights = decomposed(covariance)?.solve(&merits);
    let score = |cell: &Description| samples.iter().zip(&weights).map(|(s, w)| w * kernel.between(cell, s)).sum();
    Ok(described.iter().map(score).collect())
}

/// What is learned of samples: half their place among them, half the normal score of that place, as the accuracies of the best and of
/// the worst lie further apart than their places do; mean 0, standard deviation 1.
fn wanted(accuracies: &[f64]) -> Vec<f64> {
    let normal = Normal::standard();
    let n = accuracies.len() as f64;
    let places = merits(Merit::Rank, accuracies);
    let below = |a: f64| accuracies.iter().filter(|&&b| b < a).count() as f64;
    let same = |a: f64| accuracies.iter().filter(|&&b| b == a).count() as f64;
    let scores: Vec<f64> = accuracies.iter().map(|&a| normal.inverse_cdf((below(a) + 0.5 * same(a)) / n)).collect();
    let both: Vec<f64> = places.iter().zip(standardised(&scores)).map(|(place, score)| place + score).collect();
    standardised(&both)
}

fn decomposed(covariance: DMatrix<f64>) -> Result<Cholesky<f64, Dyn>> {
    Cholesky::new(covariance).context("the covariance of the training samples is not positive definite")
}

/// The kernel with its constants.
struct Kernel {
    signal: f64,
    linear: f64,
    /// 1 / (m ℓ²) by group.
    scales: [f64; N_GROUPS],
    noise: f64,
}

impl Kernel {
    fn new(constants: &[f64], medians: [f64; N_GROUPS]) -> Self {
        let signal = constants[0].exp();
        Kernel {
            signal,
            linear: constants[1].exp(),
            scales: std::array::from_fn(|g| (-2.0 * constants[2 + g]).exp() / medians[g]),
            noise: constants[N_CONSTANTS - 1].exp() + LEAST_NOISE * signal,
        }
    }

    fn between(&self, a: &Description, b: &Description) -> f64 {
        self.of(distances(a, b), dot(&a.summary, &b.summary))
    }

    fn of(&self, distances: [f64; N_GROUPS], dot: f64) -> f64 {
        let sum: f64 = distances.iter().zip(self.scales).map(|(d, scale)| d * scale).sum();
        self.signal * (-0.5 * sum).exp() + self.linear * (1.0 + dot / 10.0)
    }
}

/// What the training samples say of the constants.
struct Evidence {
    /// Of the samples, row by row: squared distances by group, product of the summaries.
    pairs: Vec<([f64; N_GROUPS], f64)>,
    medians: [f64; N_GROUPS],
    merits: DVector<f64>,
}

impl Evidence {
    fn new(samples: &[&Description], merits: DVector<f64>) -> Self {
        let row = |a: &&Description| samples.iter().map(|b| (distances(a, b), dot(&a.summary, &b.summary))).collect();
        let pairs: Vec<([f64; N_GROUPS], f64)> = samples.iter().flat_map(|a| -> Vec<_> { row(a) }).collect();
        let medians = std::array::from_fn(|g| {
            let mut all: Vec<f64> = pairs.iter().map(|(d, _)| d[g]).collect();
            all.sort_unstable_by(f64::total_cmp);
            // Samples that do not differ in a group leave it without weight.
            all[all.len() / 2].max(1e-9)
        });
        Evidence { pairs, medians, merits }
    }

    /// -ln of the posterior density of the constants, but for what does not depend on them; infinite where it cannot be had.
    fn cost(&self, constants: &[f64]) -> f64 {
        let kernel = Kernel::new(constants, self.medians);
        let n = self.merits.len();
        let covariance = DMatrix::from_fn(n, n, |i, j| match i >= j {
            true => {
                let (distances, dot) = self.pairs[i * n + j];
                kernel.of(distances, dot) + f64::from(u8::from(i == j)) * kernel.noise
            }
            false => 0.0,
        });
        let Some(factor) = Cholesky::new(covariance) else { return f64::INFINITY };
        let fit = 0.5 * self.merits.dot(&factor.solve(&self.merits));
        let volume: f64 = factor.l_dirty().diagonal().iter().map(|x| x.ln()).sum();
        let prior: f64 = constants.iter().zip(START).map(|(x, start)| ((x - start) / PRIOR_STD).powi(2) / 2.0).sum();
        fit + volume + prior
    }

    /// The constants of the largest density.
    fn best(&self) -> Result<Vec<f64>> {
        let mut corners = vec![START.to_vec()];
        corners.extend((0..N_CONSTANTS).map(|k| {
            let mut corner = START.to_vec();
            corner[k] += 0.7;
            corner
        }));
        let search = NelderMead::new(corners).with_sd_tolerance(1e-2)?;
        let found = Executor::new(Search(self), search).configure(|state| state.max_iters(SEARCH_STEPS)).run()?;
        found.state().get_best_param().cloned().context("no constants of the Gaussian process were found")
    }
}

struct Search<'a>(&'a Evidence);

impl CostFunction for Search<'_> {
    type Param = Vec<f64>;
    type Output = f64;

    fn cost(&self, constants: &Vec<f64>) -> Result<f64, argmin::core::Error> {
        Ok(self.0.cost(constants))
    }
}

/// Squared distances by group.
fn distances(a: &Description, b: &Description) -> [f64; N_GROUPS] {
    std::array::from_fn(|g| match g.checked_sub(1) {
        None => a.summary.iter().zip(b.summary).map(|(x, y)| (x - y).powi(2)).sum(),
        Some(counted) => squared_distance(&a.counted[counted], &b.counted[counted]),
    })
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

/// Of counts sorted by feature.
fn squared_distance(a: &Counts, b: &Counts) -> f64 {
    let (mut i, mut j, mut sum) = (0, 0, 0.0);
    loop {
        let (left, right) = (a.get(i), b.get(j));
        let difference = match (left, right) {
            (None, None) => return sum,
            (Some(x), Some(y)) if x.0 == y.0 => x.1 - y.1,
            (Some(x), Some(y)) if x.0 < y.0 => x.1,
            (Some(x), None) => x.1,
            (_, Some(y)) => y.1,
        };
        i += usize::from(left.is_some_and(|x| right.is_none_or(|y| x.0 <= y.0)));
        j += usize::from(right.is_some_and(|y| left.is_none_or(|x| y.0 <= x.0)));
        sum += difference * difference;
    }
}

/// Summary numbers to mean 0 and standard deviation 1 over the training samples.
fn standardise(described: &mut [Description], learned: &[(usize, f64)]) {
    let n = learned.len() as f64;
    for k in 0..N_SUMMARY {
        let mean = learned.iter().map(|&(i, _)| described[i].summary[k]).sum::<f64>() / n;
        let variance = learned.iter().map(|&(i, _)| (described[i].summary[k] - mean).powi(2)).sum::<f64>() / n;
        // What does not vary among the samples says nothing.
        let scale = if variance > 1e-12 { variance.sqrt().recip() } else { 0.0 };
        described.iter_mut().for_each(|d| d.summary[k] = (d.summary[k] - mean) * scale);
    }
}

/// Which operators go by one name.
#[derive(Debug, Clone, Copy)]
enum Names {
    /// None but the same.
    Own,
    /// Convolutions.
    ConvolutionsAlike,
    /// All; input and output stay what they are.
    AllAlike,
}

impl Names {
    fn of(self, op: CellOp) -> CellOp {
        match (self, op) {
            (_, CellOp::Input | CellOp::Output) | (Names::Own, _) => op,
            (Names::ConvolutionsAlike, CellOp::AvgPool3x3 | CellOp::MaxPool3x3) => op,
            (Names::ConvolutionsAlike, CellOp::Conv3x3 | CellOp::Conv1x1) | (Names::AllAlike, _) => CellOp::Conv3x3,
        }
    }
}

fn describe(cell: &CellGraph, vocabulary: &mut Vocabulary) -> Description {
    let readers = cell.readers();
    let ways = ways(cell);
    Description {
        summary: summary(cell, &ways, &readers),
        counted: [
            neighbourhoods(cell, &readers, Names::Own, vocabulary),
            neighbourhoods(cell, &readers, Names::ConvolutionsAlike, vocabulary),
            neighbourhoods(cell, &readers, Names::AllAlike, vocabulary),
            steps(&ways, Names::Own, vocabulary),
            steps(&ways, Names::ConvolutionsAlike, vocabulary),
        ],
    }
}

/// How often each label of one and of two steps is there, towards the input and towards the output.
fn neighbourhoods(
    cell: &CellGraph,
    readers: &[Vec<(usize, u32)>],
    names: Names,
    vocabulary: &mut Vocabulary,
) -> Counts {
    let nodes = cell.nodes();
    let sources: Vec<Vec<(usize, u32)>> = nodes.iter().map(|n| n.sources.clone()).collect();
    let mut counts: BTreeMap<usize, f64> = BTreeMap::new();
    for (towards, edges) in [("input", &sources[..]), ("output", readers)] {
        let mut labels: Vec<String> = nodes.iter().map(|n| format!("{:?}", names.of(n.op))).collect();
        for _ in 0..2 {
            labels = edges.iter().zip(&labels).map(|(edges, own)| neighbourhood(own, edges, &labels)).collect();
            for label in &labels {
                *counts.entry(vocabulary.place(format!("{names:?} {towards} {label}"))).or_default() += 1.0;
            }
        }
    }
    counts.into_iter().collect()
}

/// How often each operator and each pair of neighbours is there along the ways, ends included: ln(1 + times).
fn steps(ways: &BTreeMap<Vec<CellOp>, f64>, names: Names, vocabulary: &mut Vocabulary) -> Counts {
    let mut counts: BTreeMap<usize, f64> = BTreeMap::new();
    for (way, times) in ways {
        let ends = ([CellOp::Input], [CellOp::Output]);
        let along: Vec<CellOp> = ends.0.iter().chain(way).chain(&ends.1).map(|&op| names.of(op)).collect();
        for step in along.windows(1).chain(along.windows(2)) {
            *counts.entry(vocabulary.place(format!("{names:?} {step:?}"))).or_default() += times;
        }
    }
    counts.into_iter().map(|(step, times)| (step, times.ln_1p())).collect()
}

/// A node's label one step further: its own, and those of its neighbours, sorted.
fn neighbourhood(own: &str, edges: &[(usize, u32)], labels: &[String]) -> String {
    let mut around: Vec<String> = edges.iter().map(|&(j, times)| format!("{times} {}", labels[j])).collect();
    around.sort_unstable();
    format!("({own} < {})", around.join(", "))
}

/// The ways from the input to the output: the operators along each, and how often it is there.
fn ways(cell: &CellGraph) -> BTreeMap<Vec<CellOp>, f64> {
    let nodes = cell.nodes();
    let mut reach: Vec<BTreeMap<Vec<CellOp>, f64>> = vec![BTreeMap::new(); nodes.len()];
    reach[0].insert(Vec::new(), 1.0);
    for (i, node) in nodes.iter().enumerate().skip(1) {
        let mut own = BTreeMap::new();
        for &(source, times) in &node.sources {
            for (way, n) in &reach[source] {
                let mut way = way.clone();
                way.extend((node.op != CellOp::Output).then_some(node.op));
                *own.entry(way).or_insert(0.0) += n * f64::from(times);
            }
        }
        reach[i] = own;
    }
    reach.pop().unwrap_or_default()
}

fn summary(cell: &CellGraph, ways: &BTreeMap<Vec<CellOp>, f64>, readers: &[Vec<(usize, u32)>]) -> [f64; N_SUMMARY] {
    let nodes = cell.nodes();
    let number = |way: &[CellOp], wanted: &[CellOp]| way.iter().filter(|op| wanted.contains(op)).count() as f64;
    let conv = [CellOp::Conv3x3, CellOp::Conv1x1];
    let pool = [CellOp::AvgPool3x3, CellOp::MaxPool3x3];
    let all = [conv, pool].concat();
    let total: f64 = ways.values().sum();
    let most = |wanted: &[CellOp]| ways.keys().map(|w| number(w, wanted)).fold(0.0, f64::max);
    let least = |wanted: &[CellOp]| ways.keys().map(|w| number(w, wanted)).reduce(f64::min).unwrap_or(0.0);
    let mean = |wanted: &[CellOp]| ways.iter().map(|(w, n)| n * number(w, wanted)).sum::<f64>() / total.max(1.0);
    let nodes_of = |wanted: &[CellOp]| nodes.iter().filter(|n| wanted.contains(&n.op)).count() as f64;
    let times = |edges: &[(usize, u32)]| edges.iter().map(|&(_, n)| f64::from(n)).sum::<f64>();
    let any = |wanted: &[CellOp]| f64::from(u8::from(nodes_of(wanted) > 0.0));
    [
        most(&all),
        least(&all),
        most(&conv[..1]),
        least(&conv[..1]),
        most(&conv),
        least(&conv),
        total.ln_1p(),
        mean(&all),
        mean(&conv[..1]),
        mean(&conv[1..]),
        ways.get(&Vec::new()).copied().unwrap_or(0.0) / total.max(1.0),
        nodes_of(&conv[..1]),
        nodes_of(&conv[1..]),
        nodes_of(&pool),
        nodes.iter().map(|n| times(&n.sources)).sum(),
        readers.first().map_or(0.0, |r| times(r)),
        nodes.last().map_or(0.0, |n| times(&n.sources)),
        any(&conv[..1]),
        any(&conv[1..]),
        any(&pool),
    ]
}

#[cfg(test)]
mod tests {
    use ledg_zoo::nasbench201::Cell;

    use super::*;

    fn cell(text: &str) -> CellGraph {
        text.parse::<Cell>().unwrap().graph()
    }

    /// Cells whose six edges are the digits of `code` to the base 5.
    fn coded(code: usize) -> CellGraph {
        let operators = ["none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3"];
        let op = |edge: u32| operators[code / 5_usize.pow(edge) % 5];
        cell(&format!("|{}~0|+|{}~0|{}~1|+|{}~0|{}~1|{}~2|", op(0), op(1), op(2), op(3), op(4), op(5)))
    }

    #[test]
    fn ways_and_summary_by_hand() {
        // input → conv a → pool b → output, input → output, and a → output twice
        let cell = cell("|nor_conv_3x3~0|+|skip_connect~0|avg_pool_3x3~1|+|none~0|skip_connect~1|skip_connect~2|");
        assert_eq!(cell.key(), "Input[] Conv3x3[(0, 1)] AvgPool3x3[(1, 1)] Output[(0, 1), (1, 1), (2, 1)]");
        let found = ways(&cell);
        let expected = [(vec![], 1.0), (vec![CellOp::Conv3x3], 1.0), (vec![CellOp::Conv3x3, CellOp::AvgPool3x3], 1.0)];
        assert_eq!(found, expected.into());
        let summary = describe(&cell, &mut Vocabulary::default()).summary;
        let third = 1.0 / 3.0;
        // operators on ways: most, least; 3x3 convolutions; convolutions; ways; means; share of the bare input; nodes; edges
        let by_hand =
            [2.0, 0.0, 1.0, 0.0, 1.0, 0.0, 4.0_f64.ln(), 1.0, 2.0 * third, 0.0, third, 1.0, 0.0, 1.0, 5.0, 2.0, 3.0];
        summary.iter().zip(by_hand).for_each(|(x, y)| assert!((x - y).abs() < 1e-12, "{summary:?}"));
        // whether there are 3x3 convolutions, 1x1 convolutions, pools
        assert_eq!(summary[17..], [1.0, 0.0, 1.0]);
    }

    #[test]
    fn steps_by_hand() {
        // input → 1x1 a → 3x3 b → output, and input → output, twice
        let ways: BTreeMap<_, _> = [(vec![], 2.0), (vec![CellOp::Conv1x1, CellOp::Conv3x3], 1.0)].into();
        let counts = |names: Names| {
            let mut vocabulary = Vocabulary::default();
            let counts = steps(&ways, names, &mut vocabulary);
            let times: Vec<f64> = counts.iter().map(|&(_, ln_times)| ln_times.exp_m1().round()).collect();
            let mut texts: Vec<(usize, String)> = vocabulary.0.into_iter().map(|(text, place)| (place, text)).collect();
            texts.sort_unstable();
            texts.into_iter().map(|(_, text)| text).zip(times).collect::<BTreeMap<String, f64>>()
        };
        let own = counts(Names::Own);
        assert_eq!((own["Own [Input]"], own["Own [Input, Output]"], own["Own [Conv1x1, Conv3x3]"]), (3.0, 2.0, 1.0));
        assert_eq!(own.len(), 4 + 4);
        let alike = counts(Names::ConvolutionsAlike);
        assert_eq!((alike["ConvolutionsAlike [Conv3x3]"], alike.len()), (2.0, 3 + 4));
    }

    #[test]
    fn neighbourhoods_by_names() {
        let labels = |text: &str, names: Names| {
            let (cell, mut vocabulary) = (cell(text), Vocabulary::default());
            neighbourhoods(&cell, &cell.readers(), names, &mut vocabulary);
            vocabulary.0.into_keys().collect::<Vec<_>>()
        };
        let (big, small, pool) = ("nor_conv_3x3", "nor_conv_1x1", "avg_pool_3x3");
        let with = |op: &str| format!("|{op}~0|+|none~0|{op}~1|+|skip_connect~0|none~1|skip_connect~2|");
        for (names, like_small, like_pool) in
            [(Names::Own, false, false), (Names::ConvolutionsAlike, true, false), (Names::AllAlike, true, true)]
        {
            let own = labels(&with(big), names);
            assert_eq!(own == labels(&with(small), names), like_small, "{names:?}");
            assert_eq!(own == labels(&with(pool), names), like_pool, "{names:?}");
        }
        // Ends are not operators.
        assert!(labels(&with(pool), Names::AllAlike).iter().any(|label| label.contains("Output")));
    }

    #[test]
    fn what_is_wanted_is_in_order_and_spreads_at_the_ends() {
        let wanted = wanted(&[0.1, 0.9, 0.91, 0.92, 0.92, 0.93, 0.94, 0.95, 0.96]);
        assert!(wanted.windows(2).all(|pair| pair[0] <= pair[1]) && wanted[3] == wanted[4], "{wanted:?}");
        assert!(wanted[1] - wanted[0] > 1.2 * (wanted[2] - wanted[1]), "{wanted:?}");
        assert!((wanted.iter().map(|x| x * x).sum::<f64>() - 9.0).abs() < 1e-9);
    }

    #[test]
    fn distances_count_what_only_one_has() {
        let (a, b) = (vec![(0, 1.0), (2, 3.0), (5, 1.0)], vec![(1, 2.0), (2, 1.0), (5, 1.0), (7, 1.0)]);
        assert_eq!(squared_distance(&a, &b), 1.0 + 4.0 + 4.0 + 1.0);
        assert_eq!(squared_distance(&b, &a), 10.0);
        assert_eq!(squared_distance(&a, &a), 0.0);
        assert_eq!(squared_distance(&a, &Vec::new()), 11.0);
    }

    #[test]
    fn what_is_learned_carries_over_to_cells_never_seen() {
        // The worth of a cell: its longest way in 3x3 convolutions, and a little for each way.
        let cells: Vec<CellGraph> = (0..300).map(|i| coded(i * 37 % 15_625)).collect();
        let worth = |cell: &CellGraph| {
            let ways = ways(cell);
            let conv = |way: &Vec<CellOp>| way.iter().filter(|op| **op == CellOp::Conv3x3).count();
            ways.keys().map(conv).max().unwrap_or(0) as f64 + 0.1 * ways.len() as f64
        };
        let worths: Vec<f64> = cells.iter().map(worth).collect();
        let learned: Vec<(usize, f64)> = worths[..50].iter().copied().enumerate().collect();
        let scores = rank(&cells.iter().collect::<Vec<_>>(), &learned).unwrap();
        let count = |cell: &CellGraph| cell.nodes().iter().filter(|n| n.op == CellOp::Conv3x3).count() as f64;
        let counts: Vec<f64> = cells.iter().map(count).collect();
        let tau = |scores: &[f64]| super::super::tau::tau(&scores[50..], &worths[50..]).unwrap();
        let (learned_tau, counted_tau) = (tau(&scores), tau(&counts));
        assert!(learned_tau > counted_tau && counted_tau > 0.0, "{learned_tau} {counted_tau}");

        // Other cells, and another order, change no score.
        let fewer: Vec<&CellGraph> = cells[..60].iter().collect();
        let again = rank(&fewer, &learned).unwrap();
        again.iter().zip(&scores).for_each(|(x, y)| assert!((x - y).abs() < 1e-9, "{x} {y}"));
    }
}
