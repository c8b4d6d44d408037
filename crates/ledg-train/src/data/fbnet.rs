//! FBNet for CIFAR-100 on HELP's and HW-NAS-Bench's devices.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use ledg_cost_model::Describer;
use ledg_cost_model::template::hardware::HardwareRegistry;
use ledg_zoo::fbnet::{Architecture, Target, build};

use super::config::NetworksConfig;
use super::describe::describe_all;
use super::help::{columns, wanted};
use super::source::{Files, Platforms, draw, group, measurement};
use super::{Dataset, GraphEntry, Record};

const FAMILY: &str = "fbnet";

/// Batch sizes of the GPU columns.
const BATCHES: &[u64] = &[1, 32, 64];

/// Columns that take part only when they are named: the Xeon Gold 6226 is several times slower than its peers.
const DOUBTFUL: &[&str] = &["gold_6226"];

/// The table of 22 columns, milliseconds a batch.
pub fn load(config: &NetworksConfig, describer: &Describer, registry: &HardwareRegistry) -> Result<Dataset> {
    let (mut files, mut platforms) = (Files::default(), Platforms::new(registry));
    let path = config.file("latency_ms.csv");
    let rows: Vec<BTreeMap<String, String>> = files.rows(&path)?;
    let columns = wanted(columns(BATCHES), &config.columns, DOUBTFUL, &platforms)?;
    let (mut networks, mut records) = (Vec::new(), Vec::new());
    for i in draw(rows.len(), config.networks, config.seed) {
        let context = || format!("{}, row {}", path.display(), i + 1);
        let field = |name: &str| rows[i].get(name).with_context(|| format!("no column `{name}`")).with_context(context);
        let text = field("op_idx_list")?;
        networks.push((Architecture::parse(text).with_context(context)?, text));
        for column in &columns {
            let latency_ms = measurement(&rows[i], &column.name).with_context(context)?;
            records.push(Record {
                graph: networks.len() - 1,
                platform: platforms.place(column.platform)?,
                batch: column.batch,
                latency_s: latency_ms * 1e-3,
                resolution_s: column.resolution_s,
            });
        }
    }
    let described = describe_all("FBNet", &networks, describer, |(a, _)| Ok(build(a, Target::Cifar100, 1)?))?;
    let entry = |((_, text), graph): (&(Architecture, &String), _)| GraphEntry {
        family: FAMILY.to_owned(),
        group: group(FAMILY, text),
        stage: None,
        graph,
    };
    let graphs = networks.iter().zip(described).map(entry).collect();
    Ok(Dataset { graphs, platforms: platforms.entries, records, hash: files.hash() })
}
