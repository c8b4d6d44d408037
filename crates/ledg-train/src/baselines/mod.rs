//! What is simpler than the model, on the same records: the figures that it has to be compared with.
//!
//! **Invariant:** a baseline sees the records that the model may see, and the test records' graphs, platforms and batch
//! sizes, never their latencies.

mod linear;
mod operator_pairs;
mod other_chips;
mod roofline;
mod trees;

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};

use crate::config::SplitConfig;
use crate::data::Dataset;
use crate::split::{TestSet, TrainingSet};

/// A baseline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Baseline {
    /// The roofline at the data sheet's rates, times one factor fitted to the records seen.
    Roofline,
    /// Linear in FLOPs.
    Flops,
    /// Linear in FLOPs and memory access.
    FlopsMac,
    /// The same network's time on other chips, as it is.
    OtherChips,
    /// The same network's time on other chips, scaled by the rooflines.
    OtherChipsScaled,
    /// Gradient-boosted trees on totals of the graph.
    Trees,
    /// Linear in how often operators and pairs of them occur.
    OperatorPairs,
}

impl Baseline {
    /// Those that can answer what a split asks: other chips only where the device is unseen and the networks are not, pairs
    /// of operators only in a family of one macro-architecture.
    pub fn of(split: &SplitConfig) -> Vec<Baseline> {
        use Baseline::*;
        let all = [Roofline, Flops, FlopsMac, OtherChips, OtherChipsScaled, Trees, OperatorPairs];
        let can_answer = |baseline: &Baseline| match baseline {
            OtherChips | OtherChipsScaled => split.unseen_devices(),
            OperatorPairs => matches!(split, SplitConfig::Stage { .. }),
            Roofline | Flops | FlopsMac | Trees => true,
        };
        all.into_iter().filter(can_answer).collect()
    }

    /// Name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Baseline::Roofline => "roofline × factor",
            Baseline::Flops => "FLOPs (linear)",
            Baseline::FlopsMac => "FLOPs+MAC (linear)",
            Baseline::OtherChips => "mean of other chips",
            Baseline::OtherChipsScaled => "mean of other chips, scaled",
            Baseline::Trees => "boosted trees on totals",
            Baseline::OperatorPairs => "operators and pairs (linear)",
        }
    }
}

/// What a baseline is asked.
#[derive(Clone, Copy)]
pub struct Question<'a> {
    /// The measurements.
    pub data: &'a Dataset,
    /// What may be seen.
    pub training: &'a TrainingSet,
    /// Indices of the records to predict.
    pub test: &'a [usize],
    /// Whether the test records' devices are unseen.
    pub unseen_device: bool,
}

impl<'a> Question<'a> {
    /// On a split's test records.
    pub fn new(data: &'a Dataset, training: &'a TrainingSet, test: &'a TestSet, unseen_device: bool) -> Self {
        Question { data, training, test: test.records(), unseen_device }
    }

    /// All records that may be seen.
    fn seen(&self) -> impl Iterator<Item = usize> {
        self.training.train.iter().chain(&self.training.validation).copied()
    }
}

/// ln(predicted seconds) of the test records, in their order.
///
/// # Errors
/// When the records that may be seen do not determine the baseline.
pub fn predict(baseline: Baseline, question: &Question) -> Result<Vec<f64>> {
    let predicted = match baseline {
        Baseline::Roofline => roofline::predict(question),
        Baseline::Flops => linear::predict(question, linear::Terms::Flops),
        Baseline::FlopsMac => linear::predict(question, linear::Terms::FlopsMac),
        Baseline::OtherChips => other_chips::predict(question, false),
        Baseline::OtherChipsScaled => other_chips::predict(question, true),
        Baseline::Trees => trees::predict(question),
        Baseline::OperatorPairs => operator_pairs::predict(question),
    };
    predicted.with_context(|| format!("baseline {}", baseline.name()))
}

/// Which platforms are fitted together: each its own, or, where the device is unseen, those of the same kind of chip and
/// compiler; of the same compiler, or all, where no record of that kind is seen.
struct PlatformGroups {
    /// Group of each platform that is tested.
    of_tested: BTreeMap<usize, String>,
    /// Platforms of each group that are seen.
    members: BTreeMap<String, BTreeSet<usize>>,
}

impl PlatformGroups {
    /// The groups of the test records.
    fn of_test(&self) -> impl Iterator<Item = &str> {
        self.members.keys().map(String::as_str)
    }

    /// The group of a platform that is tested.
    fn of(&self, platform: usize) -> &str {
        &self.of_tested[&platform]
    }

    /// Whether the records of a platform that is seen belong to a group.
    fn has(&self, group: &str, platform: usize) -> bool {
        self.members[group].contains(&platform)
    }
}

/// Column `compiled` of a platform's runtime settings.
const COMPILED: usize = 6;

fn platform_groups(question: &Question) -> Result<PlatformGroups> {
    let data = question.data;
    let of = |p: usize| &data.platforms[p].platform;
    let seen: BTreeSet<usize> = question.seen().map(|r| data.records[r].platform).collect();
    let tested: BTreeSet<usize> = question.test.iter().map(|&r| data.records[r].platform).collect();
    let mut groups = PlatformGroups { of_tested: BTreeMap::new(), members: BTreeMap::new() };
    for platform in tested {
        let compiled = of(platform).runtime[COMPILED];
        let own = (of(platform).name.clone(), seen.iter().copied().filter(|&p| p == platform).collect());
        let same_compiler = |p: &usize| of(*p).runtime[COMPILED] == compiled;
        let same_kind = |p: &usize| same_compiler(p) && of(*p).kind == of(platform).kind;
        let kind: BTreeSet<usize> = seen.iter().copied().filter(same_kind).collect();
        let compiler: BTreeSet<usize> = seen.iter().copied().filter(same_compiler).collect();
        let wider = [
            (format!("{} compiled {compiled}", of(platform).kind.name()), kind),
            (format!("compiled {compiled}"), compiler),
            ("all".to_owned(), seen.clone()),
        ];
        let choices: Vec<(String, BTreeSet<usize>)> = if question.unseen_device { wider.into() } else { vec![own] };
        let (name, members) = choices
            .into_iter()
            .find(|(_, members)| !members.is_empty())
            .with_context(|| format!("no training record is like those of {}", of(platform).name))?;
        groups.members.insert(name.clone(), members);
        groups.of_tested.insert(platform, name);
    }
    Ok(groups)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::OneOrMore;
    use crate::data::synthetic;
    use crate::metrics::Metrics;
    use crate::split::split;

    /// MAPE of a baseline on the synthetic data, percent.
    fn mape(baseline: Baseline, config: &SplitConfig, unseen_device: bool) -> f64 {
        let data = synthetic::dataset();
        let (training, test) = split(&data, config, 0).unwrap();
        let predicted = predict(baseline, &Question::new(&data, &training, &test, unseen_device)).unwrap();
        let measured = test.records().iter().map(|&r| data.records[r].latency_s.ln());
        Metrics::of(&predicted.into_iter().zip(measured).collect::<Vec<_>>()).unwrap().mape
    }

    /// The synthetic platforms take FLOPs / peak / 0.3 + bytes / bandwidth / 0.5, which two terms are.
    #[test]
    fn two_terms_find_what_is_two_terms() {
        let families = SplitConfig::Families { folds: 3, run_folds: 3, seed: 3, validation: 0.3 };
        assert!(mape(Baseline::FlopsMac, &families, false) < 1e-6);
        assert!(mape(Baseline::Flops, &families, false) > 1.0);
        let device = SplitConfig::Hardware { held_out: OneOrMore::One("rtx4090".into()), seed: 0, validation: 0.3 };
        assert!(mape(Baseline::FlopsMac, &device, true) < 1e-6);
    }

    /// A test latency that changes must not change any prediction.
    #[test]
    fn no_baseline_reads_the_answer() {
        let config = SplitConfig::Hardware { held_out: OneOrMore::One("rtx4090".into()), seed: 0, validation: 0.3 };
        let (mut data, answers) = (synthetic::dataset(), synthetic::dataset());
        let (training, test) = split(&answers, &config, 0).unwrap();
        for &r in test.records() {
            data.records[r].latency_s *= 7.0;
        }
        for baseline in Baseline::of(&config) {
            let of = |data| predict(baseline, &Question::new(data, &training, &test, true)).unwrap();
            assert_eq!(of(&data), of(&answers), "{}", baseline.name());
            assert!(of(&data).iter().all(|x| x.is_finite()), "{}", baseline.name());
        }
    }

    #[test]
    fn other_chips_are_scaled_by_their_rooflines() {
        let device = SplitConfig::Hardware { held_out: OneOrMore::One("rtx4090".into()), seed: 0, validation: 0.3 };
        let (plain, scaled) =
            (mape(Baseline::OtherChips, &device, true), mape(Baseline::OtherChipsScaled, &device, true));
        assert!(scaled < plain / 2.0, "{scaled} scaled, {plain} as it is");
    }

    #[test]
    fn trees_and_the_level_carry_over_to_a_device_of_the_same_kind() {
        let device = SplitConfig::Hardware { held_out: OneOrMore::One("rtx4090".into()), seed: 0, validation: 0.3 };
        let (trees, roofline) = (mape(Baseline::Trees, &device, true), mape(Baseline::Roofline, &device, true));
        assert!(trees < 60.0 && roofline < 60.0, "trees {trees}, roofline {roofline}");
    }
}
