//! Which form of factors a platform's records ask for: how far kinds of operators may lie apart, and whether relatives are
//! looked at.

use std::collections::{BTreeMap, BTreeSet};

use super::fit::{self, Factors, Form};
use super::{Comparison, networks, profiled};

/// Parts that networks are divided into for cross-validation; fewer networks are left out one by one.
const FOLDS: usize = 20;

/// Cross-validation chooses from so many networks on. Fewer, often of one family, do not say what a form is worth for others.
const NETWORKS: usize = 6;

/// Relatives are looked at where they leave no more than this share of the error, and no nodes were measured, which tell kinds
/// apart better (docs/calibration.md).
const ENOUGH: f64 = 0.9;

/// How far the levels of kinds are taken to lie from what they belong to before there are records, standard deviations in ln latency.
/// A GPU like those that were measured is slow at a kind by a tenth, a chip of another make by a factor. From [`NETWORKS`] on,
/// cross-validation chooses; of fewer, what the records are off as a whole, between the first two. Where nodes were measured, they
/// say it themselves.
pub(super) const LEVEL_STDS: [f64; 3] = [0.1, 0.5, 1.0];
const PROFILED_LEVEL_STD: f64 = 0.5;

/// Factors of the form that predicts those networks best that it was not fitted to.
pub(super) struct Chosen {
    pub factors: Factors,
    /// ln(measured / predicted) of each record by factors of that form, fitted without its network; `None` if there is only
    /// one network, which says nothing of relatives.
    pub held_out: Option<Vec<f64>>,
}

impl Chosen {
    pub fn for_records(records: &[&Comparison]) -> Self {
        let (form, held_out) = choose(records);
        Chosen { factors: fit::fit(records.iter().flat_map(|r| r.equations()), form), held_out }
    }
}

/// The form of the factors that records of a platform ask for, and [`Chosen::held_out`].
pub(super) fn choose(records: &[&Comparison]) -> (Form, Option<Vec<f64>>) {
    let networks = networks(records);
    let enough = networks.iter().collect::<BTreeSet<_>>().len() >= NETWORKS;
    let timed = profiled(records) > 0;
    let level_stds = match (timed, enough) {
        (true, _) => vec![PROFILED_LEVEL_STD],
        (false, true) => LEVEL_STDS.to_vec(),
        (false, false) => vec![off_by(records).clamp(LEVEL_STDS[0], LEVEL_STDS[1])],
    };
    let tried = |level_std: f64, relatives: bool| {
        let form = Form { level_std, relatives };
        let held_out = cross_validate(records, &networks, form);
        let error: f64 = held_out.iter().flatten().map(|off| off.abs()).sum();
        (error, form, held_out)
    };
    let mut best = tried(level_stds[0], false);
    for &level_std in &level_stds[1..] {
        let other = tried(level_std, false);
        if other.0 < best.0 {
            best = other;
        }
    }
    let (error, form, held_out) = best;
    if enough && !timed {
        let (with_error, with, with_held_out) = tried(form.level_std, true);
        if with_error < ENOUGH * error {
            return (with, with_held_out);
        }
    }
    (form, held_out)
}

/// Root mean square of ln(measured / predicted), uncalibrated; 0 for no records.
fn off_by(records: &[&Comparison]) -> f64 {
    let squares = records.iter().map(|r| (r.whole.ln_measured - Factors::default().ln_predicted(&r.whole)).powi(2));
    (squares.sum::<f64>() / records.len().max(1) as f64).sqrt()
}

/// ln(measured / predicted) of each record by factors that were fitted without its network; `None` if there is only one.
fn cross_validate(records: &[&Comparison], networks: &[&str], form: Form) -> Option<Vec<f64>> {
    let mut numbers: BTreeMap<&str, usize> = BTreeMap::new();
    for network in networks {
        let next = numbers.len();
        numbers.entry(network).or_insert(next);
    }
    let n_folds = numbers.len().min(FOLDS);
    if n_folds < 2 {
        return None;
    }
    let folds: Vec<usize> = networks.iter().map(|network| numbers[network] % n_folds).collect();
    let mut off = vec![0.0; records.len()];
    for left_out in 0..n_folds {
        let others = records.iter().zip(&folds).filter(|(_, fold)| **fold != left_out);
        let factors = fit::fit(others.flat_map(|(record, _)| record.equations()), form);
        for ((record, off), _) in records.iter().zip(&mut off).zip(&folds).filter(|(_, fold)| **fold == left_out) {
            *off = record.whole.ln_measured - factors.ln_predicted(&record.whole);
        }
    }
    Some(off)
}
