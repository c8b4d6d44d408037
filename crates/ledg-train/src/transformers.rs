//! Transformers end to end by a model of single operators: a table to compare with measurements later.
//!
//! **Invariant:** the table is what bundles say; nothing in it was fitted to a measured transformer.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use ledg_cost_model::CostModel;
use ledg_cost_model::template::TemplateSet;
use ledg_cost_model::template::hardware::{HardwareRegistry, Platform};
use ledg_cost_model::text::TextTable;
use ledg_zoo::ZooConfig;

use crate::bundle;
use crate::config::Experiment;

/// Networks of the zoo, and the tokens of a sequence: as many as the network has positions.
const NETWORKS: [(&str, u64); 4] = [("bert_large", 512), ("gpt2_large", 1024), ("opt_1_3b", 2048), ("gpt3_xl", 2048)];

/// Devices. A framework sees each of an MI250's two dies as a device.
const DEVICES: [&str; 6] =
    ["nvidia-a100-pcie-40gb", "nvidia-v100-pcie-32gb", "nvidia-t4", "nvidia-h100-sxm", "nvidia-l4", "amd-mi250-gcd"];

/// How the operators were measured that the model learnt from.
const RUNTIME: &str = "fp32/nchw/eager/pt2.1.0";

const BATCHES: [u64; 5] = [1, 2, 4, 8, 16];

/// The table, as Markdown: a column for every model, a bundle or an experiment whose runs are finished.
pub fn report(files: &[PathBuf], runs: &Path, output: Option<&Path>) -> Result<String> {
    ensure!(!files.is_empty(), "no model is given");
    let models = files.iter().map(|file| Ok((file.as_path(), model(file, runs)?))).collect::<Result<Vec<_>>>()?;
    let registry = HardwareRegistry::builtin();
    let mut text = header(&models, output)?;
    for (name, sequence) in NETWORKS {
        writeln!(text, "## {name}, {sequence} tokens\n")?;
        writeln!(text, "{}", table(&models, &registry, name, sequence, &BATCHES)?)?;
    }
    Ok(text)
}

fn model(file: &Path, runs: &Path) -> Result<CostModel> {
    if file.extension().is_none_or(|e| e != "toml") {
        return Ok(CostModel::load(file)?);
    }
    let (bundle, _) = bundle::of_runs(&Experiment::load(file)?, runs)?;
    Ok(CostModel::from_bytes(&bundle.to_bytes()?, &file.display().to_string(), TemplateSet::builtin()?)?)
}

fn header(models: &[(&Path, CostModel)], output: Option<&Path>) -> Result<String> {
    let files: Vec<String> = models.iter().map(|(file, _)| file.display().to_string()).collect();
    let output = output.map_or(String::new(), |file| format!(" --output {}", file.display()));
    let mut text = format!(
        "# Transformers end to end\n\nMade by `ledg-train transformers {}{output}`.\n\nMilliseconds that one pass over whole \
         sequences takes (prefill), runtime `{RUNTIME}`: predictions, in no way fitted to\nmeasured transformers.\n\n",
        files.join(" ")
    );
    for (file, model) in models {
        let made = &model.header().provenance;
        let experiment: toml::Table = made.experiment.parse().context("a bundle's experiment is not TOML")?;
        let name = experiment.get("name").and_then(toml::Value::as_str).unwrap_or("unnamed");
        writeln!(
            text,
            "- `{}`: experiment `{name}`, {} graphs, {} records of {} platforms, {}",
            column(file),
            made.graphs,
            made.records,
            made.platforms.len(),
            made.date
        )?;
    }
    text.push('\n');
    Ok(text)
}

/// A model's name in the table.
fn column(file: &Path) -> String {
    file.file_stem().map_or_else(|| file.display().to_string(), |stem| stem.to_string_lossy().into_owned())
}

fn table(
    models: &[(&Path, CostModel)],
    registry: &HardwareRegistry,
    name: &'static str,
    sequence: u64,
    batches: &[u64],
) -> Result<TextTable> {
    let graph = ledg_zoo::build(name, &ZooConfig { sequence, ..ZooConfig::default() })?;
    let queries: Vec<(Platform, u64)> = DEVICES
        .iter()
        .flat_map(|device| batches.iter().map(move |&batch| (device, batch)))
        .map(|(device, batch)| Ok((registry.resolve(&format!("{device}:{RUNTIME}"))?, batch)))
        .collect::<Result<_>>()?;
    let mut columns = Vec::new();
    for (_, model) in models {
        let latencies_s = model.expected_s(&model.prepare(&graph)?, &queries)?;
        columns.push(latencies_s.into_iter().map(|s| s * 1e3).collect::<Vec<_>>());
    }
    let names: Vec<String> = models.iter().map(|(file, _)| format!(">{} ms", column(file))).collect();
    let mut heads = vec!["device", ">batch"];
    heads.extend(names.iter().map(String::as_str));
    let mut table = TextTable::new(&heads);
    for (i, (platform, batch)) in queries.iter().enumerate() {
        let mut row = vec![platform.device.name.clone(), batch.to_string()];
        row.extend(columns.iter().map(|ms| format!("{:.1}", ms[i])));
        table.row(&row);
    }
    Ok(table)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_network_and_device_is_known_and_work_takes_time() {
        let models = [(Path::new("a/default.ledg"), (*CostModel::default_model().unwrap()).clone())];
        let registry = HardwareRegistry::builtin();
        let text = table(&models, &registry, "bert_large", 128, &[1, 16]).unwrap().to_string();
        let rows: Vec<Vec<&str>> =
            text.lines().skip(2).map(|l| l.split('|').map(str::trim).filter(|c| !c.is_empty()).collect()).collect();
        assert_eq!(rows.len(), 2 * DEVICES.len(), "{text}");
        for pair in rows.chunks(2) {
            assert_eq!((pair[0][0], pair[0][1], pair[1][1]), (pair[1][0], "1", "16"), "{text}");
            let ms = |row: &[&str]| row[2].parse::<f64>().unwrap();
            assert!(ms(&pair[1]) > 2.0 * ms(&pair[0]), "sixteen times the work: {text}");
        }
        assert!(NETWORKS.iter().all(|(name, _)| ledg_zoo::names().any(|known| known == *name)));
        assert!(report(&[], Path::new("runs"), None).unwrap_err().to_string().contains("no model"));
    }
}
