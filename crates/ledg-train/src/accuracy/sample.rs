//! Which cells are learned from, and which are ranked.

use std::collections::HashSet;

use anyhow::{Result, ensure};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

/// Training samples, all that a trainer is given.
pub struct TrainingSamples {
    /// Cells that are learned from.
    pub train: Vec<usize>,
    /// Cells that settings are chosen on.
    pub validation: Vec<usize>,
}

/// All other cells.
pub struct RestSamples {
    rest: Vec<usize>,
    /// Of these, the ones that are no isomorphic copy of a training sample.
    unlike: Vec<usize>,
}

impl RestSamples {
    /// The cells.
    pub fn all(&self) -> &[usize] {
        &self.rest
    }

    /// The cells that are no isomorphic copies of training samples.
    pub fn without_copies(&self) -> &[usize] {
        &self.unlike
    }
}

/// Draws `samples` cells of those with the keys, and of these the share `validation`.
///
/// # Errors
/// Fewer cells than are wanted and one to rank.
pub fn sample(keys: &[String], samples: usize, validation: f64, seed: u64) -> Result<(TrainingSamples, RestSamples)> {
    ensure!(samples < keys.len(), "`sampling.samples` has {samples}, the data {}", keys.len());
    let mut order: Vec<usize> = (0..keys.len()).collect();
    order.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
    let mut rest = order.split_off(samples);
    rest.sort_unstable();
    let seen: HashSet<&str> = order.iter().map(|&i| keys[i].as_str()).collect();
    let unlike = rest.iter().copied().filter(|&i| !seen.contains(keys[i].as_str())).collect();
    let mut train = order;
    let validation = train.split_off(samples - (samples as f64 * validation).round() as usize);
    Ok((TrainingSamples { train, validation }, RestSamples { rest, unlike }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_disjoint_and_copies_are_named() {
        let keys: Vec<String> = (0..100).map(|i| format!("{}", i % 60)).collect();
        let (training, rest) = sample(&keys, 20, 0.25, 1).unwrap();
        assert_eq!((training.train.len(), training.validation.len(), rest.all().len()), (15, 5, 80));
        let mut all = [training.train.clone(), training.validation.clone(), rest.all().to_vec()].concat();
        all.sort_unstable();
        assert_eq!(all, (0..100).collect::<Vec<_>>());
        let drawn = [training.train, training.validation].concat();
        let is_copy = |&i: &usize| drawn.iter().any(|&d| keys[d] == keys[i]);
        let expected: Vec<usize> = rest.all().iter().copied().filter(|i| !is_copy(i)).collect();
        assert!(rest.without_copies() == expected && expected.len() < 80);
        assert!(sample(&keys, 100, 0.0, 1).is_err());
        assert_ne!(sample(&keys, 20, 0.0, 2).unwrap().1.all(), rest.all());
    }
}
