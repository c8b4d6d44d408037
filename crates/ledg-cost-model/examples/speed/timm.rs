//! Import times over the weightless ONNX files of pytorch-image-models.

use std::fmt::Write;
use std::io::Read;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, ensure};
use ledg_cost_model::onnx::{OnnxOptions, import_bytes};

/// Imports every model of `onnx.tar.xz` and describes how long it took.
pub fn section(folder: &Path) -> anyhow::Result<String> {
    let path = folder.join("onnx.tar.xz");
    let file = std::fs::File::open(&path).with_context(|| path.display().to_string())?;
    let mut archive = tar::Archive::new(lzma_rust2::XzReader::new(std::io::BufReader::new(file), false));
    let mut times: Vec<(f64, String, usize)> = Vec::new();
    for entry in archive.entries()? {
        let mut entry = entry?;
        let name = entry.path()?.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        let Some(name) = name.strip_suffix(".onnx").map(str::to_owned) else { continue };
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes)?;
        let start = Instant::now();
        let imported = import_bytes(&name, bytes.into(), &OnnxOptions::default())?;
        times.push((start.elapsed().as_secs_f64(), name, imported.graph.nodes().len()));
    }
    ensure!(!times.is_empty(), "{} holds no ONNX file", path.display());
    times.sort_by(|a, b| a.0.total_cmp(&b.0));
    let at = |share: f64| &times[((times.len() - 1) as f64 * share) as usize];
    let mut text = String::new();
    writeln!(text, "\n## Import of {} timm models (weightless ONNX, in memory)\n", times.len())?;
    writeln!(text, "| | budget | measured | model | nodes |\n|---|---|---|---|---|")?;
    for (what, budget, share) in [("median", "20 ms", 0.5), ("95 %", "", 0.95), ("worst", "1,000 ms", 1.0)] {
        let (seconds, name, nodes) = at(share);
        writeln!(text, "| {what} | {budget} | {:.2} ms | {name} | {nodes} |", seconds * 1e3)?;
    }
    Ok(text)
}
