//! Our own records: one JSON object a line, `{"graph": "net.onnx", "hardware": "rtx4090:fp16", "batch": 8, "runs": [0.011]}`.
//!
//! `graph` is an ONNX file or a graph in ledg's JSON, relative to the list; `runs` are seconds for the whole batch, of
//! which the median counts. `family` and `stage` (`train`, `test`) may be given.

use std::collections::HashMap;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use ledg_cost_model::Describer;
use ledg_cost_model::graph::{Graph, Limits};
use ledg_cost_model::onnx::{OnnxOptions, import_file};
use ledg_cost_model::template::hardware::HardwareRegistry;
use serde::Deserialize;

use super::config::RecordsConfig;
use super::describe::describe_all;
use super::source::{Files, Platforms, check_time};
use super::{Dataset, GraphEntry, Record, Stage};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    graph: String,
    hardware: String,
    #[serde(default = "one")]
    batch: u64,
    runs: Vec<f64>,
    family: Option<String>,
    stage: Option<LineStage>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum LineStage {
    Train,
    Test,
}

fn one() -> u64 {
    1
}

/// The records of a list.
pub fn load(config: &RecordsConfig, describer: &Describer, registry: &HardwareRegistry) -> Result<Dataset> {
    let (mut files, mut platforms) = (Files::default(), Platforms::new(registry));
    let path = &config.path;
    let text = String::from_utf8(files.read(path)?).with_context(|| path.display().to_string())?;
    let folder = path.parent().unwrap_or(Path::new("."));
    let (mut graphs, mut places, mut records) = (Vec::new(), HashMap::new(), Vec::new());
    for (i, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let context = || format!("{}, line {}", path.display(), i + 1);
        let line: Line = serde_json::from_str(line).with_context(context)?;
        ensure!(line.batch > 0 && !line.runs.is_empty(), "{}: no batch or no runs", context());
        let runs: Vec<f64> = line.runs.into_iter().map(check_time).collect::<Result<_>>().with_context(context)?;
        let platform = platforms.place(&line.hardware).with_context(context)?;
        let stage = line.stage.map(|s| if let LineStage::Test = s { Stage::Test } else { Stage::Train });
        let stem = Path::new(&line.graph).file_stem().map_or_else(String::new, |s| s.to_string_lossy().into_owned());
        let entry = (line.graph.clone(), line.family.unwrap_or(stem), stage);
        let graph = *places.entry(line.graph).or_insert(graphs.len());
        if graph == graphs.len() {
            graphs.push(entry);
        } else {
            ensure!(graphs[graph] == entry, "{}: {} has another family or stage before", context(), entry.0);
        }
        records.push(Record { graph, platform, batch: line.batch, latency_s: median(runs), resolution_s: 0.0 });
    }
    for (graph, ..) in &graphs {
        files.read(&folder.join(graph))?;
    }
    let described = describe_all("records", &graphs, describer, |(graph, ..)| read(&folder.join(graph)))?;
    let entry = |((_, family, stage), graph): (&(String, String, Option<Stage>), _)| GraphEntry {
        family: family.clone(),
        group: family.clone(),
        stage: *stage,
        graph,
    };
    let graphs = graphs.iter().zip(described).map(entry).collect();
    Ok(Dataset { graphs, platforms: platforms.entries, records, hash: files.hash() })
}

fn read(path: &Path) -> Result<Graph> {
    if path.extension().is_some_and(|e| e == "json") {
        let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
        return Graph::from_json(&text, Limits::default()).with_context(|| path.display().to_string());
    }
    Ok(import_file(path, &OnnxOptions::default())?.graph)
}

fn median(mut runs: Vec<f64>) -> f64 {
    runs.sort_by(f64::total_cmp);
    let n = runs.len();
    (runs[(n - 1) / 2] + runs[n / 2]) / 2.0
}

#[cfg(test)]
mod tests {
    use ledg_cost_model::onnx::WriteOptions;
    use ledg_zoo::ZooConfig;

    use super::*;

    fn check(list: &str) -> Result<Dataset> {
        let dir = tempfile::tempdir().unwrap();
        let onnx = ledg_zoo::onnx("alexnet", &ZooConfig::default(), &WriteOptions::default()).unwrap();
        std::fs::write(dir.path().join("a.onnx"), onnx).unwrap();
        let json = ledg_zoo::build("squeezenet1_1", &ZooConfig::default()).unwrap().to_json().unwrap();
        std::fs::write(dir.path().join("b.json"), json).unwrap();
        let path = dir.path().join("records.jsonl");
        std::fs::write(&path, list).unwrap();
        load(&RecordsConfig { path }, &Describer::builtin().unwrap(), &HardwareRegistry::builtin())
    }

    #[test]
    fn the_median_of_the_runs_counts() {
        let data = check(
            r#"{"graph": "a.onnx", "hardware": "t4:fp16", "batch": 8, "runs": [0.3, 0.1, 0.2]}
{"graph": "b.json", "hardware": "t4:fp16", "runs": [0.1, 0.3], "family": "small", "stage": "test"}
{"graph": "a.onnx", "hardware": "a100", "batch": 1, "runs": [0.05]}
"#,
        )
        .unwrap();
        let seconds: Vec<f64> = data.records.iter().map(|r| r.latency_s).collect();
        assert_eq!(seconds, [0.2, 0.2, 0.05]);
        assert_eq!((data.graphs.len(), data.platforms.len()), (2, 2));
        assert_eq!((data.graphs[0].family.as_str(), data.graphs[1].family.as_str()), ("a", "small"));
        assert_eq!(data.graphs[1].stage, Some(Stage::Test));
        assert_eq!((data.records[0].batch, data.records[1].batch), (8, 1));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let error = |list: &str| format!("{:#}", check(list).err().unwrap());
        let unknown = error(r#"{"graph": "a.onnx", "hardware": "t4", "runs": [1], "note": 1}"#);
        assert!(unknown.contains("line 1") && unknown.contains("note"), "{unknown}");
        assert!(error(r#"{"graph": "a.onnx", "hardware": "t4", "runs": []}"#).contains("no runs"));
        assert!(error(r#"{"graph": "a.onnx", "hardware": "t4", "runs": [-1]}"#).contains("-1 s"));
        assert!(error(r#"{"graph": "c.onnx", "hardware": "t4", "runs": [1]}"#).contains("c.onnx"));
        assert!(error(r#"{"graph": "a.onnx", "hardware": "t5000", "runs": [1]}"#).contains("t5000"));
    }
}
