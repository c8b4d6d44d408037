//! NAS-Bench-201: HELP's and HW-NAS-Bench's 22 columns, nn-Meter's four devices, and NNLQP's GTX 1660.

use std::collections::{BTreeMap, HashMap};

use anyhow::{Context, Result, bail, ensure};
use ledg_cost_model::Describer;
use ledg_cost_model::template::hardware::HardwareRegistry;
use ledg_zoo::nasbench201::{Cell, Config, ZeroEdges, build};
use serde::Deserialize;

use super::config::NetworksConfig;
use super::describe::describe_all;
use super::help::{columns, wanted};
use super::source::{Files, Platforms, check_time, draw, group, measurement};
use super::{Dataset, GraphEntry, Record, Stage};

const FAMILY: &str = "nasbench201";

/// Batch sizes of the GPU columns.
const BATCHES: &[u64] = &[1, 32, 256];

/// Graphs of cells by what runtimes make of them: equal networks are described once.
#[derive(Default)]
struct Networks {
    /// What to build, in order of first use.
    wanted: Vec<(Cell, ZeroEdges, Option<Stage>)>,
    places: HashMap<(Cell, ZeroEdges), usize>,
}

impl Networks {
    fn place(&mut self, cell: Cell, zeros: ZeroEdges, stage: Option<Stage>) -> usize {
        // Without `none` edges nothing is cut off, and all runtimes run the same.
        let has_none = cell.0.contains(&ledg_zoo::nasbench201::EdgeOp::None);
        let zeros = if has_none { zeros } else { ZeroEdges::Run };
        *self.places.entry((cell, zeros)).or_insert_with(|| {
            self.wanted.push((cell, zeros, stage));
            self.wanted.len() - 1
        })
    }

    fn described(self, describer: &Describer) -> Result<Vec<GraphEntry>> {
        let build = |(cell, zeros, _): &(Cell, ZeroEdges, Option<Stage>)| {
            Ok(build(cell, &Config { zeros: *zeros, ..Config::default() })?)
        };
        let graphs = describe_all("NAS-Bench-201", &self.wanted, describer, build)?;
        let entry = |((cell, _, stage), graph): (&(Cell, ZeroEdges, Option<Stage>), _)| GraphEntry {
            family: FAMILY.to_owned(),
            group: group(FAMILY, &cell.to_string()),
            stage: *stage,
            graph,
        };
        Ok(self.wanted.iter().zip(graphs).map(entry).collect())
    }
}

/// The table of 22 columns, milliseconds a batch.
pub fn load_table(config: &NetworksConfig, describer: &Describer, registry: &HardwareRegistry) -> Result<Dataset> {
    let (mut files, mut platforms) = (Files::default(), Platforms::new(registry));
    let path = config.file("latency_ms.csv");
    let rows: Vec<BTreeMap<String, String>> = files.rows(&path)?;
    let columns = wanted(columns(BATCHES), &config.columns, &[], &platforms)?;
    let (mut networks, mut records) = (Networks::default(), Vec::new());
    for i in draw(rows.len(), config.networks, config.seed) {
        let context = || format!("{}, row {}", path.display(), i + 1);
        let text = rows[i].get("arch_str").context("no column `arch_str`").with_context(context)?;
        let cell: Cell = text.parse().with_context(context)?;
        for column in &columns {
            let latency_ms = measurement(&rows[i], &column.name).with_context(context)?;
            records.push(Record {
                graph: networks.place(cell, column.zeros, None),
                platform: platforms.place(column.platform)?,
                batch: column.batch,
                latency_s: latency_ms * 1e-3,
                resolution_s: column.resolution_s,
            });
        }
    }
    let graphs = networks.described(describer)?;
    Ok(Dataset { graphs, platforms: platforms.entries, records, hash: files.hash() })
}

#[derive(Deserialize)]
struct CellRow {
    idx: u32,
    arch_str: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NnMeterRow {
    device: String,
    runtime: String,
    idx: u32,
    latency_ms: f64,
    #[serde(rename = "std_ms")]
    _std_ms: f64,
}

/// nn-Meter's devices and runtimes. TFLite and OpenVINO fold what is computed from zeros: operator counts without it
/// explain 0.93 to 0.99 of the variance, with it 0.75 to 0.89.
const NN_METER: [(&str, &str, &str); 4] = [
    ("cortex-a76-cpu", "tflite-2.1", "cortex-a76-cpu:fp32/nhwc/tflite/tfl2.1"),
    ("adreno-640-gpu", "tflite-2.1", "adreno-640-gpu:fp16/nhwc/tflite/tfl2.1"),
    ("adreno-630-gpu", "tflite-2.1", "adreno-630-gpu:fp16/nhwc/tflite/tfl2.1"),
    ("myriad-vpu", "openvino-2019r2", "myriad-vpu:fp16/nchw/openvino/ov2019r2"),
];

/// nn-Meter's rows, batch 1; columns are devices.
pub fn load_nn_meter(config: &NetworksConfig, describer: &Describer, registry: &HardwareRegistry) -> Result<Dataset> {
    let (mut files, mut platforms) = (Files::default(), Platforms::new(registry));
    let cells: Vec<CellRow> = files.rows(&config.file("latency_ms.csv"))?;
    let cells: HashMap<u32, String> = cells.into_iter().map(|r| (r.idx, r.arch_str)).collect();
    let path = config.file("nn_meter_latency_ms.csv");
    let rows: Vec<NnMeterRow> = files.rows(&path)?;
    if let Some(unknown) = config.columns.iter().find(|c| !NN_METER.iter().any(|(device, ..)| device == c)) {
        bail!("nn-Meter has no device `{unknown}`; it has {}", NN_METER.map(|(device, ..)| device).join(", "));
    }
    let mut indices: Vec<u32> = rows.iter().map(|r| r.idx).collect();
    indices.sort_unstable();
    indices.dedup();
    let drawn = draw(indices.len(), config.networks, config.seed);
    let drawn: std::collections::HashSet<u32> = drawn.into_iter().map(|i| indices[i]).collect();
    let (mut networks, mut records) = (Networks::default(), Vec::new());
    for (i, row) in rows.iter().enumerate() {
        let context = || format!("{}, row {}", path.display(), i + 1);
        if !drawn.contains(&row.idx) || !(config.columns.is_empty() || config.columns.contains(&row.device)) {
            continue;
        }
        let known = NN_METER.iter().find(|(device, runtime, _)| *device == row.device && *runtime == row.runtime);
        let Some((.., platform)) = known else { bail!("{}: unknown `{}` `{}`", context(), row.device, row.runtime) };
        let text = cells.get(&row.idx).with_context(|| format!("no cell {}", row.idx)).with_context(context)?;
        records.push(Record {
            graph: networks.place(text.parse().with_context(context)?, ZeroEdges::Fold, None),
            platform: platforms.place(platform)?,
            batch: 1,
            latency_s: check_time(row.latency_ms * 1e-3).with_context(context)?,
            resolution_s: 0.0,
        });
    }
    let graphs = networks.described(describer)?;
    Ok(Dataset { graphs, platforms: platforms.entries, records, hash: files.hash() })
}

#[derive(Deserialize)]
struct NnlqpRow {
    nnlqp_code: u32,
    arch_str: String,
    latency_ms_gtx1660_trt71_fp32_bs1: f64,
    stage: String,
}

/// NNLQP's cells on a GTX 1660 with TensorRT 7.1, fp32, batch 1, with the paper's train and test stages.
pub fn load_nnlqp(config: &NetworksConfig, describer: &Describer, registry: &HardwareRegistry) -> Result<Dataset> {
    ensure!(config.columns.is_empty(), "`data.nnlqp_nasbench201.columns`: there is one platform only");
    let (mut files, mut platforms) = (Files::default(), Platforms::new(registry));
    let path = config.file("nasbench201_decoded.csv");
    let rows: Vec<NnlqpRow> = files.rows(&path)?;
    let (mut networks, mut records) = (Networks::default(), Vec::new());
    for i in draw(rows.len(), config.networks, config.seed) {
        let row = &rows[i];
        let context = || format!("{}, row {}", path.display(), i + 1);
        let cell: Cell = row.arch_str.parse().with_context(context)?;
        ensure!(cell.code() == row.nnlqp_code, "{}: code {} is not {}", context(), row.nnlqp_code, row.arch_str);
        let stage = match row.stage.as_str() {
            "train" => Stage::Train,
            "test" => Stage::Test,
            other => bail!("{}: stage `{other}`", context()),
        };
        records.push(Record {
            graph: networks.place(cell, ZeroEdges::Fold, Some(stage)),
            platform: platforms.place("gtx1660:fp32/nchw/tensorrt/trt7.1")?,
            batch: 1,
            latency_s: check_time(row.latency_ms_gtx1660_trt71_fp32_bs1 * 1e-3).with_context(context)?,
            resolution_s: 0.0,
        });
    }
    let graphs = networks.described(describer)?;
    Ok(Dataset { graphs, platforms: platforms.entries, records, hash: files.hash() })
}
