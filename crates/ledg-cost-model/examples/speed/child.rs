//! From an ONNX file to the first answer: in this process, and in one that starts for it.

use std::hint::black_box;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, ensure};
use ledg_cost_model::onnx::{OnnxOptions, WriteOptions, import_bytes, import_file};
use ledg_cost_model::{CostModel, PredictOptions};
use ledg_zoo::ZooConfig;

use crate::cases;
use crate::measure::{Row, median};

fn resnet50() -> anyhow::Result<Vec<u8>> {
    Ok(ledg_zoo::onnx("resnet50", &ZooConfig::default(), &WriteOptions::default())?)
}

/// Import and first query, the model loaded.
pub fn first_query(model: &CostModel) -> anyhow::Result<Row> {
    let bytes = resnet50()?;
    let on = cases::platforms(1);
    let seconds = median(51, || {
        let imported = import_bytes("resnet50", bytes.clone().into(), &OnnxOptions::default()).expect("a valid file");
        let prepared = model.prepare(&imported.graph).expect("a graph");
        black_box(model.predict(&prepared, &on, &PredictOptions::default()).expect("an estimate"));
    });
    Ok(Row::time("ResNet-50 from a weightless ONNX file's bytes to the first estimate", 10e-3, seconds))
}

/// One query in a new process.
pub fn cold_process() -> anyhow::Result<Row> {
    let mut failed = None;
    let seconds = start_with_file(|file| {
        Ok(median(11, || {
            if let Err(error) = start(file) {
                failed.get_or_insert(error);
            }
        }))
    })?;
    match failed {
        Some(error) => Err(error),
        None => Ok(Row::time("the same in a cold process: start, load, import, answer", 100e-3, seconds)),
    }
}

/// The largest resident size of that process.
pub fn resident() -> anyhow::Result<Row> {
    let kib = start_with_file(start)?;
    let mb = kib * 1024.0 / 1e6;
    let row = Row::time("its largest resident size", 1.0, 1.0);
    Ok(Row { budget: "100 MB".into(), measured: format!("{mb:.0} MB"), ratio: format!("{:.2}", mb / 100.0), ..row })
}

fn start_with_file<T>(f: impl FnOnce(&Path) -> anyhow::Result<T>) -> anyhow::Result<T> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("resnet50.onnx");
    std::fs::write(&file, resnet50()?)?;
    f(&file)
}

/// Starts the process; its largest resident size in KiB.
fn start(file: &Path) -> anyhow::Result<f64> {
    let output = Command::new(std::env::current_exe()?).arg("--cold").arg(file).output()?;
    ensure!(output.status.success(), "the cold process failed: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout)?;
    text.trim().parse().with_context(|| format!("no resident size: {text:?}"))
}

/// What the cold process does.
pub fn cold(file: &Path) -> anyhow::Result<()> {
    let model = CostModel::default_model()?;
    let graph = import_file(file, &OnnxOptions::default())?.graph;
    let on = cases::platforms(1);
    black_box(model.predict(&model.prepare(&graph)?, &on, &PredictOptions::default())?);
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|l| l.strip_prefix("VmHWM:"));
    println!("{}", peak.map_or("NaN", |p| p.trim().trim_end_matches(" kB")));
    Ok(())
}
