//! What a graph is predicted to take on the platforms that training measured, against what it is predicted to take on a platform
//! that is being calibrated.
//!
//! Platforms differ over networks in ways that a level and kinds of operators do not say. Each measured platform is one
//! sample of how: a new one is taken to differ from its prediction by `Σ_k w_k · (ln t_k - ln t)`, the weights drawn from
//! one normal distribution around none. That is a Gaussian process over graphs whose covariance is that of the known
//! platforms' own differences.

use std::collections::BTreeMap;
use std::sync::Arc;

use ledg_template::hardware::{HardwareRegistry, Platform};
use serde::{Deserialize, Serialize};

use crate::engine::{Platforms, Rows};
use crate::error::Result;
use crate::model::{CostModel, Mean};

/// Differences in ln latency further than this from the usual one say no more: a network or a batch size unlike those of the
/// records must not be carried away by platforms unlike this one. Of 0.4, 0.8 and 1.5, 0.8 was best with 3 records and as good
/// as any with 10 (docs/calibration.md).
const FARTHEST: f64 = 0.8;

/// How much the difference of one platform from the model's own prediction counts.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Relative {
    /// Added to the ln latency for each unit of the difference beyond the usual.
    pub weight: f64,
    /// The difference in ln latency that is usual: the mean of the records.
    pub usual: f64,
    /// How far from it the records' differences are at most; further ones say no more.
    pub farthest: f64,
}

impl Relative {
    /// What it adds to the ln latency.
    pub(crate) fn adds(&self, difference: f64) -> f64 {
        self.weight * self.beyond(difference)
    }

    /// How far a difference is from the usual one, within bounds.
    pub(super) fn beyond(&self, difference: f64) -> f64 {
        (difference - self.usual).clamp(-self.farthest, self.farthest)
    }

    /// From the differences of the records, at least one; without a weight.
    pub(super) fn of(differences: &[f64]) -> Self {
        let usual = differences.iter().sum::<f64>() / differences.len() as f64;
        let farthest = differences.iter().fold(0.0, |m: f64, d| m.max((d - usual).abs())).min(FARTHEST);
        Relative { weight: 0.0, usual, farthest }
    }
}

/// The platforms that training measured, ready for many graphs.
pub(crate) struct Relatives {
    /// Their names, ascending.
    pub names: Vec<String>,
    platforms: Platforms,
}

impl Relatives {
    /// Those that the built-in data sheets know; others cannot be predicted on from a bundle alone.
    pub fn new(model: &CostModel) -> Result<Self> {
        let registry = HardwareRegistry::builtin();
        let names = &model.header().provenance.platforms;
        let mut known: BTreeMap<&str, (Platform, u64)> = BTreeMap::new();
        for name in names {
            if let Ok(platform) = registry.resolve(name) {
                known.insert(name, (platform, 1));
            }
        }
        let on: Vec<(Platform, u64)> = known.values().cloned().collect();
        let targets = model.targets(&on)?;
        Ok(Relatives { names: known.into_keys().map(str::to_owned).collect(), platforms: targets.platforms })
    }

    /// The place of a name.
    pub fn place(&self, name: &str) -> Option<usize> {
        self.names.binary_search_by(|own| own.as_str().cmp(name)).ok()
    }

    /// ln seconds of a graph on those at `places`, at a batch.
    pub fn ln_s(&self, model: &CostModel, graph: &Rows, places: &[usize], batch: f64) -> Result<Vec<f64>> {
        let queries: Vec<(usize, f64)> = places.iter().map(|&place| (place, batch)).collect();
        let answers = model.engine().answer(graph, &self.platforms, &queries)?;
        Ok(answers.iter().map(|answer| Mean::of(&answer.ln_s).ln_s).collect())
    }
}

/// Relatives as clones of a model share them.
pub(crate) type SharedRelatives = Arc<Relatives>;
