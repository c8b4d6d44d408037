//! Which records train, which choose the checkpoint, which test.
//!
//! **Invariant:** [`TestSet`] is a type of its own that the trainer does not take: what is tested on cannot be trained on
//! by mistake, and the checkpoint is chosen on the validation set.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, ensure};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use crate::config::SplitConfig;
use crate::data::Dataset;

/// Indices of records that train and of records on which the checkpoint is chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrainingSet {
    /// Records to learn from.
    pub train: Vec<usize>,
    /// Records on which the checkpoint is chosen.
    pub validation: Vec<usize>,
}

/// Indices of records that nothing but the evaluation may see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestSet(Vec<usize>);

impl TestSet {
    /// The records, for evaluation.
    pub fn records(&self) -> &[usize] {
        &self.0
    }
}

/// Deals the records of a data set.
///
/// # Errors
/// When a part would be empty: a device of that name has no records, or there are fewer families than folds.
pub fn split(data: &Dataset, config: &SplitConfig, fold: usize) -> Result<(TrainingSet, TestSet)> {
    let (SplitConfig::Families { seed, .. } | SplitConfig::Hardware { seed, .. } | SplitConfig::None { seed, .. }) =
        config;
    let families = shuffled_families(data, *seed);
    let (test_families, test_device, share): (BTreeSet<&str>, Option<&str>, f64) = match config {
        SplitConfig::Families { folds, validation, .. } => {
            ensure!(families.len() > *folds, "{} families cannot be dealt into {folds} folds", families.len());
            let test = families.iter().enumerate().filter(|(i, _)| i % folds == fold).map(|(_, f)| *f).collect();
            (test, None, *validation)
        }
        SplitConfig::Hardware { held_out, validation, .. } => (BTreeSet::new(), Some(held_out), *validation),
        SplitConfig::None { validation, .. } => (BTreeSet::new(), None, *validation),
    };
    let validation = validation_graphs(data, config, &families, &test_families, *seed, fold, share);
    let mut training = TrainingSet { train: Vec::new(), validation: Vec::new() };
    let mut test = Vec::new();
    for (i, record) in data.records.iter().enumerate() {
        let family = data.graphs[record.graph].family.as_str();
        let device = data.platforms[record.platform].device.as_str();
        if test_families.contains(family) || test_device == Some(device) {
            test.push(i);
        } else if validation.contains(&record.graph) {
            training.validation.push(i);
        } else {
            training.train.push(i);
        }
    }
    ensure!(!training.train.is_empty(), "no records are left to train on");
    ensure!(!training.validation.is_empty(), "no records are left to choose the checkpoint on");
    if let Some(device) = test_device {
        ensure!(!test.is_empty(), "device `{device}` has no records to test on");
    }
    Ok((training, TestSet(test)))
}

/// Graphs whose records choose the checkpoint: every k-th of the families that are left or, where only the hardware is
/// unseen and every family is to be seen, every k-th graph.
fn validation_graphs(
    data: &Dataset,
    config: &SplitConfig,
    families: &[&str],
    test_families: &BTreeSet<&str>,
    seed: u64,
    fold: usize,
    share: f64,
) -> BTreeSet<usize> {
    let every = (1.0 / share).round() as usize;
    let is_kth = |i: usize| i % every == fold % every;
    if let SplitConfig::Hardware { .. } = config {
        let mut graphs: Vec<usize> = (0..data.graphs.len()).collect();
        graphs.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
        return graphs.into_iter().enumerate().filter(|(i, _)| is_kth(*i)).map(|(_, g)| g).collect();
    }
    // In the order of the bands, so that the validation set too holds large and small families.
    let rest = families.iter().filter(|f| !test_families.contains(*f));
    let chosen: BTreeSet<&str> = rest.enumerate().filter(|(i, _)| is_kth(*i)).map(|(_, f)| *f).collect();
    (0..data.graphs.len()).filter(|&g| chosen.contains(data.graphs[g].family.as_str())).collect()
}

/// Families in an order that mixes large and small ones alike for every fold: shuffled within bands of similar size, so
/// that folds differ in which families they hold, not in how many records.
fn shuffled_families(data: &Dataset, seed: u64) -> Vec<&str> {
    let mut sizes: BTreeMap<&str, usize> = BTreeMap::new();
    for record in &data.records {
        *sizes.entry(data.graphs[record.graph].family.as_str()).or_default() += 1;
    }
    let mut families: Vec<(&str, usize)> = sizes.into_iter().collect();
    families.sort_by_key(|&(family, size)| (std::cmp::Reverse(size), family));
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    for band in families.chunks_mut(5) {
        band.shuffle(&mut rng);
    }
    families.into_iter().map(|(family, _)| family).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::data::synthetic;

    fn families(data: &Dataset, records: &[usize]) -> BTreeSet<String> {
        records.iter().map(|&r| data.graphs[data.records[r].graph].family.clone()).collect()
    }

    #[test]
    fn folds_hold_out_every_family_once_and_share_none() {
        let data = synthetic::dataset();
        let config = SplitConfig::Families { folds: 4, run_folds: 4, seed: 3, validation: 0.3 };
        let mut held_out = Vec::new();
        for fold in 0..4 {
            let (training, test) = split(&data, &config, fold).unwrap();
            let (a, b, c) = (
                families(&data, &training.train),
                families(&data, &training.validation),
                families(&data, test.records()),
            );
            assert!(a.is_disjoint(&b) && a.is_disjoint(&c) && b.is_disjoint(&c), "{a:?} {b:?} {c:?}");
            assert_eq!(training.train.len() + training.validation.len() + test.records().len(), data.records.len());
            held_out.extend(c);
        }
        held_out.sort();
        assert_eq!(held_out, ["alexnet", "mobilenet", "resnet", "squeezenet", "vgg"]);
    }

    #[test]
    fn a_held_out_device_is_in_no_other_part() {
        let data = synthetic::dataset();
        let config = SplitConfig::Hardware { held_out: "rtx4090".into(), seed: 0, validation: 0.3 };
        let (training, test) = split(&data, &config, 0).unwrap();
        let devices = |records: &[usize]| -> BTreeSet<String> {
            records.iter().map(|&r| data.platforms[data.records[r].platform].device.clone()).collect()
        };
        assert_eq!(devices(test.records()), BTreeSet::from(["rtx4090".into()]));
        assert_eq!(devices(&[training.train, training.validation].concat()), BTreeSet::from(["rtx3090".into()]));
        let nobody = SplitConfig::Hardware { held_out: "h100".into(), seed: 0, validation: 0.3 };
        assert!(split(&data, &nobody, 0).unwrap_err().to_string().contains("h100"));
    }
}
