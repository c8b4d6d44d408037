//! Held-out records against the models of the runs, made into cost models: what a calibration is fitted to.
//!
//! **Invariant:** a model of a run knows the platforms that it was trained on and no others.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context, Result};
use ledg_cost_model::encoder::{Encoder, SentenceTable};
use ledg_cost_model::template::TemplateSet;
use ledg_cost_model::{Bundle, Comparison, CostModel, Platform};

use super::Evaluation;
use crate::bundle;
use crate::config::{Embedding, Experiment};
use crate::data::{self, Dataset};
use crate::run::{self, RunResult};
use crate::split::split;

/// The evaluation's held-out records in the order of its predictions, one list a seed.
pub fn all(evaluation: &Evaluation, runs: &Path) -> Result<Vec<Vec<Comparison>>> {
    let (experiment, data) = (&evaluation.experiment, &evaluation.data);
    if experiment.model.embedding != Embedding::Bert {
        // A cost model reads sentences; without it there is a level to fit and nothing else.
        return Ok(Vec::new());
    }
    let registry = data::registry(&experiment.data)?;
    let platforms: Vec<Platform> =
        data.platforms.iter().map(|p| Ok(registry.resolve(&p.platform.name)?)).collect::<Result<_>>()?;
    let sentences: BTreeSet<&str> = data
        .graphs
        .iter()
        .flat_map(|g| g.graph.sentences())
        .chain(data.platforms.iter().map(|p| p.platform.sentence.as_str()))
        .collect();
    let sentences: Vec<String> = sentences.into_iter().map(str::to_owned).collect();
    let table = SentenceTable::build(&Encoder::pretrained()?, &sentences)?.to_bytes()?;
    let places: BTreeMap<(usize, usize), usize> =
        evaluation.predictions.iter().enumerate().map(|(i, p)| ((p.fold, p.record), i)).collect();
    let mut members: BTreeMap<u64, Vec<Option<Comparison>>> = BTreeMap::new();
    for result in &evaluation.results {
        let model = model(experiment, data, result, runs, SentenceTable::from_bytes(&table)?)?;
        let own = members.entry(result.seed).or_insert_with(|| vec![None; places.len()]);
        let mut by_graph: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for p in &result.test {
            by_graph.entry(data.records[p.record].graph).or_default().push(p.record);
        }
        for (graph, records) in by_graph {
            let prepared = model.prepare_described((*data.graphs[graph].graph).clone())?;
            let on = records.iter().map(|&r| {
                let record = &data.records[r];
                (platforms[record.platform].clone(), record.batch, record.latency_s)
            });
            let compared = model.compare(&prepared, &on.collect::<Vec<_>>())?;
            for (record, comparison) in records.iter().zip(compared) {
                own[places[&(result.fold, *record)]] = Some(comparison);
            }
        }
    }
    let whole = |(seed, own): (u64, Vec<Option<Comparison>>)| {
        own.into_iter().collect::<Option<Vec<_>>>().with_context(|| format!("seed {seed} lacks held-out records"))
    };
    members.into_iter().map(whole).collect()
}

/// A run as a cost model.
fn model(
    experiment: &Experiment,
    data: &Dataset,
    result: &RunResult,
    runs: &Path,
    sentences: SentenceTable,
) -> Result<CostModel> {
    let (training, _) = split(data, &experiment.split, result.fold)?;
    let training = run::limited(training, data, &experiment.train, result.seed)?;
    let seen: BTreeSet<usize> =
        training.train.iter().chain(&training.validation).map(|&r| data.records[r].platform).collect();
    let names = seen.into_iter().map(|p| data.platforms[p].platform.name.clone()).collect();
    let header = bundle::header(experiment, std::slice::from_ref(result), data, names)?;
    let members = vec![bundle::member(runs, experiment, result)?];
    let bytes = Bundle { header, members, sentences }.to_bytes()?;
    let origin = format!("{} seed {} fold {}", experiment.name, result.seed, result.fold);
    Ok(CostModel::from_bytes(&bytes, &origin, TemplateSet::builtin()?)?)
}
