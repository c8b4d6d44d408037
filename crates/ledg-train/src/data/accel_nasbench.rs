//! Accel-NASBench: throughput of GPUs and TPUs, latency of FPGAs.

use std::collections::{BTreeMap, HashMap};

use anyhow::{Context, Result, bail};
use ledg_cost_model::Describer;
use ledg_cost_model::template::hardware::HardwareRegistry;
use ledg_zoo::accel_nasbench::{Activation, Stage, build};

use super::config::NetworksConfig;
use super::describe::describe_all;
use super::source::{Files, Platforms, draw, group, measurement};
use super::{Dataset, GraphEntry, Record};

const FAMILY: &str = "accel_nasbench";

/// Batch that a throughput is taken to be of. The source states none; a throughput is that of a batch large enough not to
/// matter, and 256 images are.
const THROUGHPUT_BATCH: u64 = 256;

/// What a column holds.
enum Quantity {
    /// Images a second.
    Throughput,
    /// Milliseconds of one image.
    LatencyMs,
}

struct Column {
    name: &'static str,
    platform: &'static str,
    quantity: Quantity,
    activation: Activation,
}

const fn gpu(name: &'static str, platform: &'static str) -> Column {
    Column { name, platform, quantity: Quantity::Throughput, activation: Activation::Silu }
}

const fn fpga(name: &'static str, platform: &'static str) -> Column {
    Column { name, platform, quantity: Quantity::LatencyMs, activation: Activation::Relu }
}

/// The source states neither precision nor framework version of the GPUs. Mixed precision is an assumption: its RTX 3090
/// runs such networks at 0.55 to 0.95 of the rate that pytorch-image-models publishes for EfficientNet-B0 under it. The
/// versions are the devices' defaults. The FPGAs' throughputs are left out: they are of several cores at once.
const COLUMNS: [Column; 6] = [
    gpu("throughput_a100", "a100:amp/nchw/eager"),
    gpu("throughput_3090", "rtx3090:amp/nchw/eager"),
    gpu("throughput_tpuv2", "tpuv2"),
    gpu("throughput_tpuv3", "tpuv3"),
    fpga("latency_zcu102", "zcu102"),
    fpga("latency_vck190", "vck190"),
];

/// The table.
pub fn load(config: &NetworksConfig, describer: &Describer, registry: &HardwareRegistry) -> Result<Dataset> {
    let (mut files, mut platforms) = (Files::default(), Platforms::new(registry));
    let path = config.file("perf.csv");
    let rows: Vec<BTreeMap<String, String>> = files.rows(&path)?;
    if let Some(unknown) = config.columns.iter().find(|n| !COLUMNS.iter().any(|c| c.name == **n)) {
        bail!("there is no column `{unknown}`; there are {}", COLUMNS.map(|c| c.name).join(", "));
    }
    let is_wanted = |c: &&Column| config.columns.is_empty() || config.columns.iter().any(|n| n == c.name);
    let columns: Vec<&Column> = COLUMNS.iter().filter(is_wanted).collect();
    let (mut networks, mut places, mut records) = (Vec::new(), HashMap::new(), Vec::new());
    for i in draw(rows.len(), config.networks, config.seed) {
        let context = || format!("{}, row {}", path.display(), i + 1);
        let stages = stages(&rows[i]).with_context(context)?;
        for column in &columns {
            // Not every network was measured everywhere.
            if rows[i].get(column.name).is_some_and(String::is_empty) {
                continue;
            }
            let value = measurement(&rows[i], column.name).with_context(context)?;
            let (batch, latency_s) = match column.quantity {
                Quantity::Throughput => (THROUGHPUT_BATCH, THROUGHPUT_BATCH as f64 / value),
                Quantity::LatencyMs => (1, value * 1e-3),
            };
            let graph = *places.entry((stages, column.activation)).or_insert_with(|| {
                networks.push((stages, column.activation));
                networks.len() - 1
            });
            records.push(Record {
                graph,
                platform: platforms.place(column.platform)?,
                batch,
                latency_s,
                resolution_s: 0.0,
            });
        }
    }
    let described = describe_all("Accel-NASBench", &networks, describer, |(s, a)| Ok(build(s, *a, 1)?))?;
    let entry = |((stages, _), graph): (&([Stage; 7], Activation), _)| GraphEntry {
        family: FAMILY.to_owned(),
        group: group(FAMILY, &format!("{stages:?}")),
        stage: None,
        graph,
    };
    let graphs = networks.iter().zip(described).map(entry).collect();
    Ok(Dataset { graphs, platforms: platforms.entries, records, hash: files.hash() })
}

fn stages(row: &BTreeMap<String, String>) -> Result<[Stage; 7]> {
    let mut stages = [Stage { expansion: 1, kernel: 3, layers: 1, squeeze: false }; 7];
    for (i, stage) in stages.iter_mut().enumerate() {
        let field = |part: &str| {
            let name = format!("block{i}_{part}");
            row.get(&name).with_context(|| format!("no column `{name}`"))
        };
        let number = |part: &str| field(part)?.parse::<u64>().with_context(|| format!("column `block{i}_{part}`"));
        let squeeze = match field("se")?.as_str() {
            "True" => true,
            "False" => false,
            other => bail!("column `block{i}_se` is `{other}`"),
        };
        *stage = Stage { expansion: number("e")?, kernel: number("k")?, layers: number("l")? as usize, squeeze };
    }
    Ok(stages)
}
