//! From finished runs to the bundle that ships.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use candle_core::Device;
use ledg_cost_model::encoder::{Encoder, SentenceTable};
use ledg_cost_model::template::hardware::HardwareRegistry;
use ledg_cost_model::template::{FEATURE_SCHEMA, TemplateSet};
use ledg_cost_model::{
    BUNDLE_VERSION, Bundle, BundleHeader, ConformalTable, Describer, Member, PRIOR_VERSION, Provenance, RawPlatform,
};

use crate::config::{DataConfig, Experiment};
use crate::data::Dataset;
use crate::evaluate::{EnsemblePrediction, ensemble, on_unmeasured, scores};
use crate::files;
use crate::metrics::{Metrics, mean_std};
use crate::run::{self, RunResult};
use crate::split::split;

/// What the encoder may be used under.
const ENCODER_LICENCE: &str = "encoder: all-MiniLM-L6-v2 (Apache-2.0)";

/// What the weights were made from and may be used under.
fn licences(data: &DataConfig) -> Vec<String> {
    let sources = data.sources().into_iter().map(|source| format!("training data: {source}"));
    sources.chain([ENCODER_LICENCE.to_owned()]).collect()
}

/// Makes a bundle: one member a seed of `experiment`, intervals from the held-out predictions of two others: families
/// held out, and devices held out.
pub fn make(experiment: &Experiment, held_out: &[Experiment; 2], runs: &Path, output: &Path) -> Result<()> {
    for other in held_out {
        ensure_members(&experiment.name, experiment.seeds.len(), other)?;
    }
    let (mut bundle, results) = of_runs(experiment, runs)?;
    let [families, devices] = held_out;
    let (families_results, families_data) = run::load_results_and_data(runs, families)?;
    let (devices_results, devices_data) = run::load_results_and_data(runs, devices)?;
    let (unseen_families, unseen_devices) = (ensemble(&families_results), ensemble(&devices_results));
    let conformal =
        scores(&families_data, &unseen_families).with_unmeasured(on_unmeasured(&devices_data, &unseen_devices));
    let (by_family, by_devices) = (metrics(&unseen_families)?, metrics(&unseen_devices)?);
    let own: Vec<f64> = results.iter().map(|r| r.validation_mape).collect();
    let header = &mut bundle.header;
    header.conformal = conformal;
    header.provenance.validation = BTreeMap::from([("validation groups, MAPE %".to_owned(), mean_std(&own).0)]);
    header.provenance.validation.extend(named(families, by_family));
    header.provenance.validation.extend(named(devices, by_devices));
    let bytes = bundle.to_bytes()?;
    files::write(output, &bytes)?;
    eprintln!(
        "{}: {} bytes, {} members, {} sentences, {} {:.2} % MAPE",
        output.display(),
        bytes.len(),
        bundle.members.len(),
        bundle.sentences.len(),
        families.name,
        by_family.mape
    );
    Ok(())
}

/// The bundle of the finished runs of an experiment, one member a seed, without intervals; the runs.
pub fn of_runs(experiment: &Experiment, runs: &Path) -> Result<(Bundle, Vec<RunResult>)> {
    let (results, data) = run::load_results_and_data(runs, experiment)?;
    let rules = run::rules()?;
    if let Some(r) = results.iter().find(|r| r.rules.as_ref() != Some(&rules)) {
        let found = r.rules.as_deref().unwrap_or("none on record");
        bail!(
            "{}: the run of seed {} was trained by other rules ({found}) than a bundle made now would name ({rules}); remove its \
             folder to train it again",
            experiment.name,
            r.seed
        );
    }
    ensure!(
        results.iter().all(|r| r.fold == 0),
        "`{}` has several folds; a bundle's members differ in seed only",
        experiment.name
    );
    ensure!(
        results.iter().all(|r| r.predictor == results[0].predictor && r.normalization == results[0].normalization),
        "the runs of `{}` disagree in architecture or statistics",
        experiment.name
    );
    let members = results.iter().map(|r| member(runs, experiment, r)).collect::<Result<Vec<_>>>()?;
    let sentences = SentenceTable::build(&Encoder::pretrained()?, &known_sentences(&data)?)?;
    // What a split or a limit kept from training was not measured, as far as the model knows.
    let (training, _) = split(&data, &experiment.split, 0)?;
    let training = run::limited(training, &data, &experiment.train, experiment.seeds[0])?;
    let seen = training.train.iter().chain(&training.validation);
    let seen: BTreeSet<usize> = seen.map(|&r| data.records[r].platform).collect();
    let platforms = seen.into_iter().map(|p| data.platforms[p].platform.name.clone()).collect();
    let header = header(experiment, &results, &data, platforms)?;
    Ok((Bundle { header, members, sentences }, results))
}

/// Gives a bundle the intervals on devices never measured that an experiment's devices needed, held out of training by the same
/// settings. Its members and its other intervals stay what they are.
pub fn set_unmeasured_intervals(bundle: &Path, devices: &Experiment, runs: &Path, output: &Path) -> Result<()> {
    let bytes = std::fs::read(bundle).with_context(|| bundle.display().to_string())?;
    let origin = bundle.display().to_string();
    let mut bundle = Bundle::from_bytes(&bytes, &origin, &TemplateSet::builtin()?, &Encoder::pretrained()?)?;
    ensure_members(&origin, bundle.members.len(), devices)?;
    let (results, data) = run::load_results_and_data(runs, devices)?;
    ensure!(
        results.iter().all(|r| r.predictor == bundle.header.predictor),
        "`{}` has models of another architecture than {origin}",
        devices.name
    );
    let predictions = ensemble(&results);
    let header = &mut bundle.header;
    header.conformal = std::mem::take(&mut header.conformal).with_unmeasured(on_unmeasured(&data, &predictions));
    header.provenance.validation.extend(named(devices, metrics(&predictions)?));
    files::write(output, &bundle.to_bytes()?)
}

/// Errors of held-out predictions by the experiment that they were measured in: its models need not be the bundle's.
fn named(experiment: &Experiment, metrics: Metrics) -> [(String, f64); 2] {
    let name = &experiment.name;
    [(format!("{name}, MAPE %"), metrics.mape), (format!("{name}, Acc(10%) %"), metrics.acc10)]
}

fn metrics(predictions: &[EnsemblePrediction]) -> Result<Metrics> {
    let pairs: Vec<(f64, f64)> = predictions.iter().map(|p| (p.ln_predicted, p.ln_measured)).collect();
    Metrics::of(&pairs).context("an interval experiment has no held-out predictions")
}

/// Fails unless the ensembles of an experiment are as large as a bundle's.
fn ensure_members(name: &str, members: usize, other: &Experiment) -> Result<()> {
    ensure!(
        other.seeds.len() == members,
        "`{name}` has {members} members, `{}` calibrates intervals of {}: the spread of an ensemble depends on its size",
        other.name,
        other.seeds.len()
    );
    Ok(())
}

/// The header of a bundle of runs that were trained on these platforms, without intervals and validation figures.
pub fn header(
    experiment: &Experiment,
    results: &[RunResult],
    data: &Dataset,
    platforms: Vec<String>,
) -> Result<BundleHeader> {
    let first = results.first().context("a bundle has at least one run")?;
    Ok(BundleHeader {
        version: BUNDLE_VERSION,
        unit: "s".into(),
        predictor: first.predictor.clone(),
        members: results.len(),
        normalization: first.normalization.clone(),
        template_fingerprint: TemplateSet::builtin()?.fingerprint().to_string(),
        feature_schema: FEATURE_SCHEMA,
        prior: PRIOR_VERSION,
        encoder_fingerprint: Encoder::pretrained()?.fingerprint(),
        conformal: ConformalTable::default(),
        calibration: None,
        provenance: Provenance {
            experiment: toml::to_string(experiment)?,
            data_hash: data.hash.clone(),
            platforms,
            graphs: data.graphs.len(),
            records: data.records.len(),
            date: today(),
            validation: BTreeMap::new(),
            licences: licences(&experiment.data),
        },
    })
}

/// The weights of a finished run.
pub fn member(runs: &Path, experiment: &Experiment, run: &RunResult) -> Result<Member> {
    let path = run::dir(runs, experiment, run.seed, run.fold).join("best.safetensors");
    let tensors = candle_core::safetensors::load(&path, &Device::Cpu);
    Ok(tensors.with_context(|| format!("{}", path.display()))?.into_iter().collect())
}

/// Sentences worth embedding ahead of time: those of the training graphs, of the zoo's networks, of every operator that
/// templates cover at ordinary sizes, and of every built-in device with its default runtime and with the runtimes of the data.
fn known_sentences(data: &Dataset) -> Result<Vec<String>> {
    let describer = Describer::builtin()?;
    let mut sentences: BTreeSet<String> = BTreeSet::new();
    for graph in &data.graphs {
        sentences.extend(graph.graph.sentences().into_iter().map(str::to_owned));
    }
    for name in ledg_zoo::names() {
        let described = describer.describe(&ledg_zoo::build(name, &ledg_zoo::ZooConfig::default())?)?;
        sentences.extend(described.sentences().into_iter().map(str::to_owned));
    }
    let templates = describer.templates();
    for op in templates.operator_names() {
        sentences.extend(templates.samples(op)?.into_iter().map(|(_, described)| described.sentence));
    }
    sentences.extend(data.platforms.iter().map(|p| p.platform.sentence.clone()));
    let registry = HardwareRegistry::builtin();
    for device in registry.devices() {
        // A device without a stated bandwidth is in no estimate, so its sentence is never asked for.
        if let Ok(raw) = RawPlatform::new(&registry.resolve(&device.name)?) {
            sentences.insert(raw.sentence);
        }
    }
    Ok(sentences.into_iter().collect())
}

/// The date, ISO 8601.
pub fn today() -> String {
    jiff::ZonedDateTime::now().date().to_string()
}
