//! The timm data set: weightless ONNX graphs of pytorch-image-models and its published inference benchmarks.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use indicatif::{ProgressBar, ProgressStyle};
use ledg_cost_model::onnx::OnnxOptions;
use ledg_cost_model::template::hardware::HardwareRegistry;
use ledg_cost_model::{BatchScaling, DescribedGraph, Describer, RawPlatform};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::{Dataset, GraphEntry, PlatformEntry, Record};

#[derive(Deserialize)]
struct GraphRow {
    graph: String,
    family: String,
}

#[derive(Deserialize)]
struct LatencyRow {
    hardware: String,
    config: String,
    framework_version: String,
    batch_size: u64,
    latency_ms_per_batch: f64,
    graph: String,
}

/// Loads the measurements of the named devices (all, if none is named) and the graphs they measure.
///
/// # Errors
/// Names the file, and the row or graph, that cannot be read. Rows without a graph are left out: the source has none
/// whose parameter count is the measured one.
pub fn load_timm(
    dir: &Path,
    hardware: &[String],
    describer: &Describer,
    registry: &HardwareRegistry,
) -> Result<Dataset> {
    let mut hasher = Sha256::new();
    let mut read = |name: &str| -> Result<Vec<u8>> {
        let path = dir.join(name);
        let bytes = std::fs::read(&path).with_context(|| format!("{}: cannot be read", path.display()))?;
        hasher.update(&bytes);
        Ok(bytes)
    };
    let families = families(&read("graphs.csv")?).context("graphs.csv")?;
    let latency = read("latency.csv")?;
    let archive = read("onnx.tar.xz")?;
    let named = hardware.iter().map(|name| Ok(registry.device(name)?.name.clone()));
    let named: BTreeSet<String> = named.collect::<Result<_>>().context("`hardware`")?;
    let mut is_wanted: HashMap<String, bool> = HashMap::new();
    let mut wanted: BTreeMap<String, usize> = BTreeMap::new();
    let mut platforms: Vec<PlatformEntry> = Vec::new();
    let mut platform_index: HashMap<String, usize> = HashMap::new();
    let mut records = Vec::new();
    for (i, row) in csv::Reader::from_reader(latency.as_slice()).deserialize().enumerate() {
        let row: LatencyRow = row.with_context(|| format!("latency.csv, row {}", i + 1))?;
        // Devices that nobody asked for need not be known.
        let asked = *is_wanted.entry(row.hardware.clone()).or_insert_with(|| {
            named.is_empty() || registry.device(&row.hardware).is_ok_and(|device| named.contains(&device.name))
        });
        if row.graph.is_empty() || !asked {
            continue;
        }
        ensure!(
            row.latency_ms_per_batch.is_finite() && row.latency_ms_per_batch > 0.0 && row.batch_size > 0,
            "latency.csv, row {}: `latency_ms_per_batch` {} of a batch of {} is no measurement",
            i + 1,
            row.latency_ms_per_batch,
            row.batch_size
        );
        let name = format!("{}:{}/{}", row.hardware, row.config, row.framework_version);
        let platform = match platform_index.get(&name) {
            Some(&index) => index,
            None => {
                let platform = registry.resolve(&name).with_context(|| format!("latency.csv, row {}", i + 1))?;
                let device = platform.device.name.clone();
                platforms.push(PlatformEntry { device, platform: RawPlatform::new(&platform)? });
                platform_index.insert(name, platforms.len() - 1);
                platforms.len() - 1
            }
        };
        let next = wanted.len();
        let graph = *wanted.entry(row.graph).or_insert(next);
        let latency_s = row.latency_ms_per_batch * 1e-3;
        records.push(Record { graph, platform, batch: row.batch_size, latency_s, resolution_s: 0.0 });
    }
    let graphs = load_graphs(&archive, &wanted, &families, describer).context("onnx.tar.xz")?;
    Ok(Dataset { graphs, platforms, records, hash: format!("{:x}", hasher.finalize()) })
}

fn families(csv: &[u8]) -> Result<HashMap<String, String>> {
    let rows = csv::Reader::from_reader(csv).into_deserialize::<GraphRow>();
    rows.map(|row| row.map(|r| (r.graph, r.family)).map_err(Into::into)).collect()
}

/// Unpacks the archive and describes the wanted graphs, on two threads: one reads, one imports.
fn load_graphs(
    archive: &[u8],
    wanted: &BTreeMap<String, usize>,
    families: &HashMap<String, String>,
    describer: &Describer,
) -> Result<Vec<GraphEntry>> {
    let bar = ProgressBar::new(wanted.len() as u64)
        .with_style(ProgressStyle::with_template("graphs  {bar:30} {pos}/{len} {elapsed}")?);
    let mut tar = tar::Archive::new(lzma_rust2::XzReader::new(archive, true));
    let mut slots: Vec<Option<GraphEntry>> = wanted.iter().map(|_| None).collect();
    std::thread::scope(|scope| -> Result<()> {
        let (sender, receiver) = std::sync::mpsc::sync_channel::<(String, Vec<u8>)>(16);
        let worker = scope.spawn(|| -> Result<Vec<(usize, GraphEntry)>> {
            let mut done = Vec::new();
            for (name, bytes) in receiver {
                let graph = describe(&name, bytes, describer).with_context(|| name.clone())?;
                let family = families.get(&name).with_context(|| format!("{name} is not in graphs.csv"))?;
                let (family, group) = (family.clone(), family.clone());
                done.push((wanted[&name], GraphEntry { family, group, stage: None, graph: Arc::new(graph) }));
                bar.inc(1);
            }
            Ok(done)
        });
        for entry in tar.entries()? {
            let mut entry = entry?;
            let name = entry.path()?.to_string_lossy().into_owned();
            if !wanted.contains_key(&name) {
                continue;
            }
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes)?;
            if sender.send((name, bytes)).is_err() {
                break;
            }
        }
        drop(sender);
        let done = worker.join().map_err(|_| anyhow::anyhow!("the importing thread panicked"))??;
        for (index, entry) in done {
            slots[index] = Some(entry);
        }
        Ok(())
    })?;
    bar.finish_and_clear();
    if let Some((name, _)) = wanted.iter().find(|(_, index)| slots[**index].is_none()) {
        bail!("{name} is named by latency.csv but missing");
    }
    Ok(slots.into_iter().flatten().collect())
}

fn describe(name: &str, bytes: Vec<u8>, describer: &Describer) -> Result<DescribedGraph> {
    let imported = ledg_cost_model::onnx::import_bytes(name, bytes.into(), &OnnxOptions::default())?;
    let described = describer.describe(&imported.graph)?;
    if let BatchScaling::Fixed { why } = &described.scaling {
        bail!("{name}: is known at its own batch only: {why}");
    }
    Ok(described)
}
