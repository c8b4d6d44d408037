//! Calibrates the built-in model to measurements in a CSV file, and saves it.
//!
//! ```sh
//! cargo run --release -p ledg-cost-model --example calibrate -- records.csv --graphs models --output mine.ledg
//! ```
//!
//! The file has the columns graph, hardware, batch and latency_s (seconds for the whole batch). `graph` is an ONNX file
//! under `--graphs`, with or without its ending.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use clap::Parser;
use ledg_cost_model::graph::Graph;
use ledg_cost_model::{CostModel, Outcome, Plugins, Records, onnx};

/// Calibrates the built-in model to measurements.
#[derive(Debug, Parser)]
pub struct Args {
    /// Measurements: a CSV file with the columns graph, hardware, batch and latency_s.
    pub records: PathBuf,
    /// Folder of the graphs.
    #[arg(long)]
    pub graphs: PathBuf,
    /// Plugin whose devices the measurements are of; may be repeated.
    #[arg(long)]
    pub plugin: Vec<PathBuf>,
    /// The bundle to write.
    #[arg(long)]
    pub output: PathBuf,
}

#[derive(serde::Deserialize)]
struct Row {
    graph: String,
    hardware: String,
    batch: u64,
    latency_s: f64,
}

/// Calibrates; gives the corrections by platform, in order: name, factor and number of records.
pub fn calibrate(args: &Args) -> anyhow::Result<Vec<(String, f64, usize)>> {
    let mut plugins = Plugins::new();
    for dir in &args.plugin {
        plugins.add_dir(dir)?;
    }
    let mut graphs: BTreeMap<String, Arc<Graph>> = BTreeMap::new();
    let mut records = Records::new();
    let file = args.records.display().to_string();
    for row in csv::Reader::from_path(&args.records).with_context(|| file.clone())?.deserialize() {
        let row: Row = row.with_context(|| file.clone())?;
        if !graphs.contains_key(&row.graph) {
            let path = model_path(&args.graphs, &row.graph);
            let options = onnx::OnnxOptions { declared: plugins.operators(), ..onnx::OnnxOptions::default() };
            graphs.insert(row.graph.clone(), Arc::new(onnx::import_file(&path, &options)?.graph));
        }
        let platform = Arc::new(plugins.hardware.resolve(&row.hardware)?);
        records.push(&graphs[&row.graph], &platform, row.batch, Outcome::Runs(vec![row.latency_s]))?;
    }
    let model = CostModel::default_model()?;
    let model = plugins.extend(&model)?.calibrate(&records)?;
    model.save(&args.output)?;
    let platforms = model.calibration().map(|c| c.platforms.clone()).unwrap_or_default();
    Ok(platforms.into_iter().map(|(name, scale)| (name, scale.ln_scale.exp(), scale.records)).collect())
}

fn model_path(folder: &Path, name: &str) -> PathBuf {
    let path = folder.join(name);
    if path.is_file() { path } else { folder.join(format!("{name}.onnx")) }
}

#[allow(dead_code)] // the test that runs the guide takes `calibrate` alone
fn main() -> anyhow::Result<()> {
    for (platform, factor, records) in calibrate(&Args::parse())? {
        println!("{platform}: {factor:.3} times what was predicted, by {records} records");
    }
    Ok(())
}
