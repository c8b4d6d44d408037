//! Which records train, which choose the checkpoint, which test.
//!
//! **Invariant:** [`TestSet`] is a type of its own that the trainer does not take: what is tested on cannot be trained on
//! by mistake, and the checkpoint is chosen on the validation set.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, bail, ensure};
use ledg_cost_model::HardwareRegistry;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use crate::config::SplitConfig;
use crate::data::{Dataset, GraphEntry, Record, Stage};

/// Indices of records that train and of records on which the checkpoint is chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrainingSet {
    /// Records to learn from.
    pub train: Vec<usize>,
    /// Records on which the checkpoint is chosen.
    pub validation: Vec<usize>,
}

impl TrainingSet {
    /// Of the training graphs that count learns from the records of `n`, drawn by `seed`, and from those of all others. Of two numbers
    /// the larger draw holds the smaller; what validates stays.
    pub fn limited(self, data: &Dataset, n: usize, seed: u64, counts: impl Fn(&usize) -> bool) -> Self {
        let graph = |r: usize| data.records[r].graph;
        let kept = drawn(self.train.iter().map(|&r| graph(r)).filter(&counts), n, seed);
        let train = self.train.into_iter().filter(|&r| kept.contains(&graph(r)) || !counts(&graph(r))).collect();
        TrainingSet { train, ..self }
    }

    /// Learns from, and chooses the checkpoint on, the records of `n` of the training devices, drawn by `seed`; of two numbers the
    /// larger draw holds the smaller.
    ///
    /// # Errors
    /// When nothing is left to choose the checkpoint on.
    pub fn on_devices(self, data: &Dataset, n: usize, seed: u64) -> Result<Self> {
        let device = |r: usize| data.platforms[data.records[r].platform].device.as_str();
        let kept = drawn(self.train.iter().map(|&r| device(r)), n, seed);
        let only = |records: Vec<usize>| records.into_iter().filter(|&r| kept.contains(device(r))).collect::<Vec<_>>();
        let set = TrainingSet { train: only(self.train), validation: only(self.validation) };
        ensure!(!set.validation.is_empty(), "{n} devices leave nothing to validate on");
        Ok(set)
    }
}

/// `n` of the distinct items, drawn by a seed.
fn drawn<T: Ord>(items: impl Iterator<Item = T>, n: usize, seed: u64) -> BTreeSet<T> {
    let distinct: BTreeSet<T> = items.collect();
    let mut all: Vec<T> = distinct.into_iter().collect();
    all.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
    all.truncate(n);
    all.into_iter().collect()
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

/// What a configuration holds out for testing.
enum HeldOut {
    Families(BTreeSet<String>),
    Devices(BTreeSet<String>),
    /// Graphs, of families that are seen.
    Graphs(BTreeSet<usize>),
    /// What the devices take for the families.
    DevicesAndFamilies(BTreeSet<String>, BTreeSet<String>),
    TestStage,
    Nothing,
}

impl HeldOut {
    fn has(&self, data: &Dataset, record: &Record) -> bool {
        let graph = &data.graphs[record.graph];
        let device = data.platforms[record.platform].platform.device();
        match self {
            HeldOut::Families(families) => families.contains(&graph.family),
            HeldOut::Devices(devices) => devices.contains(device),
            HeldOut::Graphs(graphs) => graphs.contains(&record.graph),
            HeldOut::DevicesAndFamilies(devices, families) => {
                devices.contains(device) && families.contains(&graph.family)
            }
            HeldOut::TestStage => graph.stage == Some(Stage::Test),
            HeldOut::Nothing => false,
        }
    }

    /// Whether a record that is not tested may not be learned from either.
    fn leaves_out(&self, data: &Dataset, record: &Record) -> bool {
        match self {
            HeldOut::DevicesAndFamilies(devices, families) => {
                let device = data.platforms[record.platform].platform.device();
                devices.contains(device) || families.contains(&data.graphs[record.graph].family)
            }
            _ => false,
        }
    }
}

/// Deals the records of a data set. Records below the resolution of their source train, by their small weight, but neither
/// validate nor test: a relative error of them means nothing.
///
/// # Errors
/// When a part would be empty: a device of that name has no records, or there are fewer families than folds.
pub fn split(data: &Dataset, config: &SplitConfig, fold: usize) -> Result<(TrainingSet, TestSet)> {
    let (held_out, seed, share) = match config {
        SplitConfig::Families { folds, seed, validation, .. } => {
            let families = part(data, (*folds, fold), *seed, "families", |g| &g.family)?;
            (HeldOut::Families(families), *seed, *validation)
        }
        SplitConfig::Models { folds, seed, validation, .. } => {
            let models = part(data, (*folds, fold), *seed, "models", model_of)?;
            let graphs = (0..data.graphs.len()).filter(|&g| models.contains(model_of(&data.graphs[g])));
            (HeldOut::Graphs(graphs.collect()), *seed, *validation)
        }
        SplitConfig::HardwareAndFamilies { held_out, folds, seed, validation, .. } => {
            let families = part(data, (*folds, fold), *seed, "families", |g| &g.family)?;
            (HeldOut::DevicesAndFamilies(devices(data, held_out.names())?, families), *seed, *validation)
        }
        SplitConfig::Hardware { held_out, seed, validation } => {
            (HeldOut::Devices(devices(data, held_out.names())?), *seed, *validation)
        }
        SplitConfig::HardwareGroups { groups, seed, validation } => {
            let group = groups.get(fold).with_context(|| format!("there is no group {fold} of devices"))?;
            (HeldOut::Devices(devices(data, group)?), *seed, *validation)
        }
        SplitConfig::Operator { held_out, seed, validation } => {
            (HeldOut::Families(families(data, held_out.names())?), *seed, *validation)
        }
        SplitConfig::OperatorGroups { groups, seed, validation } => {
            let group = groups.get(fold).with_context(|| format!("there is no group {fold} of operators"))?;
            (HeldOut::Families(families(data, group)?), *seed, *validation)
        }
        SplitConfig::GraphOperators { groups, seed, validation } => {
            let group = groups.get(fold).with_context(|| format!("there is no group {fold} of operators"))?;
            (HeldOut::Graphs(graphs_with(data, group)?), *seed, *validation)
        }
        SplitConfig::Stage { seed, validation } => (HeldOut::TestStage, *seed, *validation),
        SplitConfig::None { seed, validation } => (HeldOut::Nothing, *seed, *validation),
    };
    let validation = validation_graphs(data, &held_out, seed, fold, share);
    let mut training = TrainingSet { train: Vec::new(), validation: Vec::new() };
    let mut test = Vec::new();
    for (i, record) in data.records.iter().enumerate() {
        if held_out.has(data, record) {
            test.extend(record.is_resolved().then_some(i));
        } else if held_out.leaves_out(data, record) {
            continue;
        } else if validation.contains(&record.graph) {
            training.validation.extend(record.is_resolved().then_some(i));
        } else {
            training.train.push(i);
        }
    }
    ensure!(!training.train.is_empty(), "no records are left to train on");
    ensure!(!training.validation.is_empty(), "no records are left to choose the checkpoint on");
    ensure!(!test.is_empty() || matches!(held_out, HeldOut::Nothing), "no records are held out to test on");
    Ok((training, TestSet(test)))
}

/// Graphs whose records choose the checkpoint: those of every k-th group that is left or, where only the hardware is
/// unseen and every group is to be seen, every k-th graph.
fn validation_graphs(data: &Dataset, held_out: &HeldOut, seed: u64, fold: usize, share: f64) -> BTreeSet<usize> {
    let every = (1.0 / share).round() as usize;
    let is_kth = |i: usize| i % every == fold % every;
    if let HeldOut::Graphs(test) = held_out {
        // In another order than that which dealt the parts: every k-th of the same order could lie in the tested part alone.
        let rest = shuffled(data, seed ^ 1, model_of).into_iter().enumerate().filter(|(i, _)| is_kth(*i));
        let chosen: BTreeSet<&str> = rest.map(|(_, model)| model).collect();
        let is_chosen = |g: &usize| !test.contains(g) && chosen.contains(model_of(&data.graphs[*g]));
        return (0..data.graphs.len()).filter(is_chosen).collect();
    }
    if let HeldOut::Devices(_) = held_out {
        let mut graphs: Vec<usize> = (0..data.graphs.len()).collect();
        graphs.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
        return graphs.into_iter().enumerate().filter(|(i, _)| is_kth(*i)).map(|(_, g)| g).collect();
    }
    let untouched = |group: &&str| match held_out {
        HeldOut::Families(test) | HeldOut::DevicesAndFamilies(_, test) => {
            data.graphs.iter().any(|g| g.group == **group && !test.contains(&g.family))
        }
        _ => true,
    };
    // In the order of the bands, so that the validation set too holds large and small groups.
    let rest = shuffled(data, seed, |g| &g.group).into_iter().filter(untouched);
    let chosen: BTreeSet<&str> = rest.enumerate().filter(|(i, _)| is_kth(*i)).map(|(_, g)| g).collect();
    (0..data.graphs.len()).filter(|&g| chosen.contains(data.graphs[g].group.as_str())).collect()
}

/// The labels of part `fold` of `folds`, dealt in the order of [`shuffled`].
fn part(
    data: &Dataset,
    (folds, fold): (usize, usize),
    seed: u64,
    what: &str,
    label: impl Fn(&GraphEntry) -> &str,
) -> Result<BTreeSet<String>> {
    let labels = shuffled(data, seed, label);
    ensure!(labels.len() > folds, "{} {what} cannot be dealt into {folds} folds", labels.len());
    Ok(labels.iter().enumerate().filter(|(i, _)| i % folds == fold).map(|(_, label)| (*label).to_owned()).collect())
}

/// The model that a graph is of: its name without what the image size adds (`resnet50@224` is of `resnet50`).
fn model_of(graph: &GraphEntry) -> &str {
    let name = graph.graph.name.as_str();
    name.split_once('@').map_or(name, |(model, _)| model)
}

/// Families that the data set has.
fn families(data: &Dataset, names: &[String]) -> Result<BTreeSet<String>> {
    let families: BTreeSet<&str> = data.graphs.iter().map(|g| g.family.as_str()).collect();
    if let Some(unknown) = names.iter().find(|n| !families.contains(n.as_str())) {
        let known: Vec<&str> = families.into_iter().collect();
        bail!("`{unknown}` has no records to test on; there are {}", known.join(", "));
    }
    Ok(names.iter().cloned().collect())
}

/// The graphs in which one of the operators occurs.
fn graphs_with(data: &Dataset, operators: &[String]) -> Result<BTreeSet<usize>> {
    let of = |g: usize| data.graphs[g].graph.nodes.iter().map(|n| n.op.to_string());
    for wanted in operators {
        if !(0..data.graphs.len()).any(|g| of(g).any(|op| op == *wanted)) {
            let known: BTreeSet<String> = (0..data.graphs.len()).flat_map(of).collect();
            let known: Vec<String> = known.into_iter().collect();
            bail!("`{wanted}` is in no graph; there are {}", known.join(", "));
        }
    }
    Ok((0..data.graphs.len()).filter(|&g| of(g).any(|op| operators.contains(&op))).collect())
}

/// The ids of devices by any of their names.
fn devices(data: &Dataset, names: &[String]) -> Result<BTreeSet<String>> {
    let registry = HardwareRegistry::builtin();
    let measured: BTreeSet<&str> = data.platforms.iter().map(|p| p.platform.device()).collect();
    let device = |name: &String| {
        // A data set may bring devices of its own, which the registry does not know.
        if measured.contains(name.as_str()) {
            return Ok(name.clone());
        }
        let device = registry.device(name).with_context(|| format!("device `{name}` cannot be held out"))?;
        ensure!(measured.contains(device.name.as_str()), "device `{name}` has no records to test on");
        Ok(device.name.clone())
    };
    names.iter().map(device).collect()
}

/// Labels in an order that mixes large and small ones alike for every fold: shuffled within bands of similar size, so that
/// folds differ in which families they hold, not in how many records.
fn shuffled(data: &Dataset, seed: u64, label: impl Fn(&GraphEntry) -> &str) -> Vec<&str> {
    let mut sizes: BTreeMap<&str, usize> = BTreeMap::new();
    for record in &data.records {
        *sizes.entry(label(&data.graphs[record.graph])).or_default() += 1;
    }
    let mut labels: Vec<(&str, usize)> = sizes.into_iter().collect();
    labels.sort_by_key(|&(label, size)| (std::cmp::Reverse(size), label));
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    for band in labels.chunks_mut(5) {
        band.shuffle(&mut rng);
    }
    labels.into_iter().map(|(label, _)| label).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::config::OneOrMore;
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
        let config = SplitConfig::Hardware { held_out: OneOrMore::One("RTX 4090".into()), seed: 0, validation: 0.3 };
        let (training, test) = split(&data, &config, 0).unwrap();
        let devices = |records: &[usize]| -> BTreeSet<String> {
            records.iter().map(|&r| data.platforms[data.records[r].platform].device.clone()).collect()
        };
        assert_eq!(devices(test.records()), BTreeSet::from(["rtx4090".into()]));
        assert_eq!(devices(&[training.train, training.validation].concat()), BTreeSet::from(["rtx3090".into()]));
        let nobody = SplitConfig::Hardware { held_out: OneOrMore::One("h100".into()), seed: 0, validation: 0.3 };
        assert!(split(&data, &nobody, 0).unwrap_err().to_string().contains("h100"));
    }

    #[test]
    fn models_are_held_out_with_all_their_sizes_and_their_families_seen() {
        let mut data = synthetic::dataset();
        // Every model at two sizes.
        let n = data.graphs.len();
        data.graphs.extend(data.graphs.clone());
        let again: Vec<Record> = data.records.iter().map(|r| Record { graph: r.graph + n, ..*r }).collect();
        data.records.extend(again);
        for (i, graph) in data.graphs.iter_mut().enumerate() {
            let mut described = (*graph.graph).clone();
            described.name = format!("m{}@{}", i % n, 224 + 32 * (i / n));
            graph.graph = described.into();
        }
        let config = SplitConfig::Models { folds: 2, run_folds: 2, seed: 3, validation: 0.5 };
        let mut tested = BTreeSet::new();
        for fold in 0..2 {
            let (training, test) = split(&data, &config, fold).unwrap();
            let models = |records: &[usize]| -> BTreeSet<&str> {
                records.iter().map(|&r| model_of(&data.graphs[data.records[r].graph])).collect()
            };
            let parts = [&training.train[..], &training.validation, test.records()].map(models);
            assert!((0..3).all(|i| !parts[i].is_empty() && parts[i].is_disjoint(&parts[(i + 1) % 3])), "{parts:?}");
            tested.extend(parts[2].iter().map(|m| (*m).to_owned()));
        }
        assert_eq!(tested, data.graphs.iter().map(|g| model_of(g).to_owned()).collect());
    }

    #[test]
    fn devices_and_families_are_unseen_at_once() {
        let data = synthetic::dataset();
        let held_out = OneOrMore::One("rtx4090".into());
        let config = SplitConfig::HardwareAndFamilies { held_out, folds: 4, run_folds: 4, seed: 3, validation: 0.3 };
        let (training, test) = split(&data, &config, 1).unwrap();
        let unseen = families(&data, test.records());
        let learned = [training.train, training.validation].concat();
        assert!(families(&data, &learned).is_disjoint(&unseen));
        let device = |r: &usize| data.platforms[data.records[*r].platform].device.as_str();
        assert!(
            test.records().iter().all(|r| device(r) == "rtx4090") && learned.iter().all(|r| device(r) == "rtx3090")
        );
    }

    #[test]
    fn groups_of_devices_are_held_out_in_turn() {
        let data = synthetic::dataset();
        let groups = vec![vec!["RTX 4090".into()], vec!["rtx3090".into()]];
        let config = SplitConfig::HardwareGroups { groups, seed: 0, validation: 0.3 };
        for (fold, device) in ["rtx4090", "rtx3090"].into_iter().enumerate() {
            let (training, test) = split(&data, &config, fold).unwrap();
            let of = |r: &usize| data.platforms[data.records[*r].platform].device.as_str();
            assert!(test.records().iter().all(|r| of(r) == device));
            assert!([training.train, training.validation].concat().iter().all(|r| of(r) != device));
        }
        assert!(split(&data, &config, 2).is_err());
    }

    #[test]
    fn no_device_of_a_group_is_seen() {
        let data = synthetic::dataset();
        let both = OneOrMore::More(vec!["rtx3090".into(), "rtx4090".into()]);
        let config = SplitConfig::Hardware { held_out: both, seed: 0, validation: 0.3 };
        assert!(split(&data, &config, 0).unwrap_err().to_string().contains("left to train on"));
    }

    #[test]
    fn a_held_out_operator_is_in_no_other_part() {
        let data = synthetic::dataset();
        let config =
            |name: &str| SplitConfig::Operator { held_out: OneOrMore::One(name.into()), seed: 0, validation: 0.3 };
        let (training, test) = split(&data, &config("resnet"), 0).unwrap();
        assert_eq!(families(&data, test.records()), BTreeSet::from(["resnet".into()]));
        assert!(!families(&data, &[training.train, training.validation].concat()).contains("resnet"));
        let unknown = split(&data, &config("softmax"), 0).unwrap_err().to_string();
        assert!(unknown.contains("`softmax`") && unknown.contains("mobilenet"), "{unknown}");
    }

    #[test]
    fn groups_of_operators_are_held_out_in_turn() {
        let data = synthetic::dataset();
        let groups = vec![vec!["resnet".into(), "vgg".into()], vec!["alexnet".into()]];
        let config = SplitConfig::OperatorGroups { groups, seed: 0, validation: 0.3 };
        for (fold, held_out) in [vec!["resnet", "vgg"], vec!["alexnet"]].into_iter().enumerate() {
            let (training, test) = split(&data, &config, fold).unwrap();
            let held_out: BTreeSet<String> = held_out.into_iter().map(str::to_owned).collect();
            assert_eq!(families(&data, test.records()), held_out);
            assert!(families(&data, &[training.train, training.validation].concat()).is_disjoint(&held_out));
        }
        assert!(split(&data, &config, 2).is_err());
    }

    #[test]
    fn an_operator_of_held_out_graphs_is_in_no_other() {
        let data = synthetic::dataset();
        let has = |r: usize, op: &str| data.graphs[data.records[r].graph].graph.nodes.iter().any(|n| n.op.name == op);
        let config = |op: &str| SplitConfig::GraphOperators { groups: vec![vec![op.into()]], seed: 0, validation: 0.3 };
        let (training, test) = split(&data, &config("Concat"), 0).unwrap();
        assert!(!test.records().is_empty() && test.records().iter().all(|&r| has(r, "Concat")));
        assert!(!training.train.iter().chain(&training.validation).any(|&r| has(r, "Concat")));
        let unknown = split(&data, &config("Softmax2"), 0).unwrap_err().to_string();
        assert!(unknown.contains("`Softmax2`") && unknown.contains("Concat"), "{unknown}");
    }

    #[test]
    fn a_larger_draw_of_training_graphs_holds_the_smaller() {
        let data = synthetic::dataset();
        let config = SplitConfig::None { seed: 0, validation: 0.3 };
        let (whole, _) = split(&data, &config, 0).unwrap();
        let graphs =
            |set: &TrainingSet| -> BTreeSet<usize> { set.train.iter().map(|&r| data.records[r].graph).collect() };
        let draw = |n, seed| whole.clone().limited(&data, n, seed, |_| true);
        let (two, three) = (draw(2, 5), draw(3, 5));
        assert_eq!((graphs(&two).len(), graphs(&three).len()), (2, 3));
        assert!(graphs(&two).is_subset(&graphs(&three)) && two.validation == whole.validation);
        assert!((0..20).any(|seed| graphs(&draw(2, seed)) != graphs(&two)));
        assert_eq!(draw(100, 5), whole);
    }

    #[test]
    fn the_sources_own_test_stage_is_held_out() {
        let mut data = synthetic::dataset();
        let config = SplitConfig::Stage { seed: 0, validation: 0.3 };
        assert!(split(&data, &config, 0).unwrap_err().to_string().contains("held out"));
        data.graphs[2].stage = Some(Stage::Test);
        let (_, test) = split(&data, &config, 0).unwrap();
        assert!(test.records().iter().all(|&r| data.records[r].graph == 2) && test.records().len() == 4);
    }

    #[test]
    fn records_below_their_resolution_only_train() {
        let mut data = synthetic::dataset();
        data.records.iter_mut().filter(|r| r.batch == 16).for_each(|r| r.resolution_s = 2.0 * r.latency_s);
        let config = SplitConfig::Families { folds: 2, run_folds: 2, seed: 3, validation: 0.3 };
        let (training, test) = split(&data, &config, 0).unwrap();
        let resolved = |records: &[usize]| records.iter().all(|&r| data.records[r].is_resolved());
        assert!(resolved(&training.validation) && resolved(test.records()) && !resolved(&training.train));
    }

    /// Networks of one family are dealt by group.
    #[test]
    fn groups_are_not_torn_apart() {
        let mut data = synthetic::dataset();
        for (i, graph) in data.graphs.iter_mut().enumerate() {
            graph.family = "nas".into();
            graph.group = format!("nas/{}", i % 3);
        }
        let (training, _) = split(&data, &SplitConfig::None { seed: 0, validation: 0.3 }, 0).unwrap();
        let groups = |records: &[usize]| -> BTreeSet<String> {
            records.iter().map(|&r| data.graphs[data.records[r].graph].group.clone()).collect()
        };
        assert!(groups(&training.train).is_disjoint(&groups(&training.validation)));
    }
}
