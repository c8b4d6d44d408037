//! NNLQP's own layout: a list of labels and a folder of weightless ONNX files, whose initializers are empty.
//!
//! A line of the list is `id path batch milliseconds`, and then, in any number and order, a platform's number, a family's
//! name, and a stage (`train`, `test`).

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use ledg_cost_model::Describer;
use ledg_cost_model::onnx::{OnnxOptions, import_file};
use ledg_cost_model::template::hardware::HardwareRegistry;

use super::config::NnlqpConfig;
use super::describe::describe_all;
use super::source::{Files, Platforms, check_time, draw, group};
use super::{Dataset, GraphEntry, Record, Stage};

/// A line of the list.
#[derive(Debug, Clone, PartialEq)]
struct Label {
    path: String,
    batch: u64,
    latency_s: f64,
    platform: String,
    family: String,
    stage: Option<Stage>,
}

/// The records of the list whose family and platform are wanted.
pub fn load(config: &NnlqpConfig, describer: &Describer, registry: &HardwareRegistry) -> Result<Dataset> {
    let (mut files, mut platforms) = (Files::default(), Platforms::new(registry));
    let list = config.path.join(&config.labels);
    let text = String::from_utf8(files.read(&list)?).with_context(|| list.display().to_string())?;
    let labels = labels(&text).with_context(|| list.display().to_string())?;
    let mut by_family: BTreeMap<&str, Vec<&Label>> = BTreeMap::new();
    for label in &labels {
        if config.families.is_empty() || config.families.contains(&label.family) {
            by_family.entry(&label.family).or_default().push(label);
        }
    }
    if let Some(missing) = config.families.iter().find(|f| !by_family.contains_key(f.as_str())) {
        bail!("{}: no label of family `{missing}`", list.display());
    }
    let (mut networks, mut records): (Vec<&Label>, Vec<Record>) = (Vec::new(), Vec::new());
    for labels in by_family.values() {
        let mut paths: Vec<&str> = labels.iter().map(|l| l.path.as_str()).collect();
        paths.sort_unstable();
        paths.dedup();
        let drawn = draw(paths.len(), config.graphs_per_family, config.seed);
        let first = networks.len();
        let places: BTreeMap<&str, usize> = drawn.into_iter().enumerate().map(|(k, i)| (paths[i], first + k)).collect();
        let mut of_path: BTreeMap<&str, &Label> = BTreeMap::new();
        for &label in labels {
            let first = *of_path.entry(&label.path).or_insert(label);
            ensure!(
                first.stage == label.stage,
                "{}: {} has one stage on platform {} and another on {}",
                list.display(),
                label.path,
                first.platform,
                label.platform
            );
        }
        networks.extend(places.keys().map(|path| of_path[path]));
        for label in labels {
            let Some(&graph) = places.get(label.path.as_str()) else { continue };
            let name = config.platforms.get(&label.platform);
            let name = name.with_context(|| format!("`platforms` does not name platform {}", label.platform))?;
            let (batch, latency_s) = (label.batch, label.latency_s);
            records.push(Record { graph, platform: platforms.place(name)?, batch, latency_s, resolution_s: 0.0 });
        }
    }
    for label in &networks {
        files.read(&config.path.join(&label.path))?;
    }
    let described = describe_all("NNLQP", &networks, describer, |label| {
        Ok(import_file(&config.path.join(&label.path), &OnnxOptions::default())?.graph)
    })?;
    let entry = |(label, graph): (&&Label, _)| GraphEntry {
        family: label.family.clone(),
        group: group(&label.family, &label.path),
        stage: label.stage,
        graph,
    };
    let graphs = networks.iter().zip(described).map(entry).collect();
    Ok(Dataset { graphs, platforms: platforms.entries, records, hash: files.hash() })
}

fn labels(text: &str) -> Result<Vec<Label>> {
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines.map(|(i, line)| label(line).with_context(|| format!("line {}", i + 1))).collect()
}

fn label(line: &str) -> Result<Label> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let [_, path, batch, latency_ms, rest @ ..] = &fields[..] else {
        bail!("`{line}` is not id, path, batch and milliseconds");
    };
    let batch: u64 = batch.parse().with_context(|| format!("batch `{batch}`"))?;
    ensure!(batch > 0, "batch 0");
    let latency_ms: f64 = latency_ms.parse().with_context(|| format!("milliseconds `{latency_ms}`"))?;
    let folder = Path::new(path).parent().and_then(Path::file_name).and_then(|f| f.to_str()).unwrap_or("nnlqp");
    let mut label = Label {
        path: (*path).to_owned(),
        batch,
        latency_s: check_time(latency_ms * 1e-3)?,
        platform: "1".to_owned(),
        family: folder.to_owned(),
        stage: None,
    };
    // What a field is, says its content; two of a kind, or nearly a stage, would be taken for something else.
    let mut told: BTreeMap<&str, &str> = BTreeMap::new();
    for &field in rest {
        let is_stage = |start: &str| field.to_lowercase().starts_with(start);
        let what = match field {
            "train" | "test" => {
                label.stage = Some(if field == "train" { Stage::Train } else { Stage::Test });
                "stage"
            }
            _ if field.parse::<u64>().is_ok() => {
                label.platform = field.to_owned();
                "platform"
            }
            _ if is_stage("train") || is_stage("test") => bail!("`{field}` is neither `train` nor `test`"),
            _ => {
                label.family = field.to_owned();
                "family"
            }
        };
        if let Some(other) = told.insert(what, field) {
            bail!("`{other}` and `{field}` are both a {what}");
        }
    }
    Ok(label)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use ledg_cost_model::onnx::{WeightStyle, WriteOptions, to_onnx};
    use ledg_zoo::families::{self, Family};

    use super::*;

    #[test]
    fn lines_of_both_lists_are_read() {
        let short = label("00001 onnx/nnmeter_alexnet/a.onnx 8 2.5").unwrap();
        assert_eq!((short.batch, short.family.as_str(), short.stage), (8, "nnmeter_alexnet", None));
        assert_eq!(short.latency_s, 2.5e-3);
        let long = label("00001 onnx/nnmeter_alexnet/a.onnx 1 2.06137 alexnet 3 test").unwrap();
        assert_eq!((long.family.as_str(), long.platform.as_str(), long.stage), ("alexnet", "3", Some(Stage::Test)));
        for (fields, why) in
            [("alexnet 1 Test", "neither"), ("alexnet vgg", "both a family"), ("1 train test", "both a stage")]
        {
            let error = label(&format!("1 a.onnx 1 2.0 {fields}")).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
        assert!(labels("x y 1").unwrap_err().to_string().contains("line 1"));
        assert!(labels("1 a.onnx 1 -2").is_err() && labels("1 a.onnx 0 2").is_err());
    }

    /// A data set in that layout, two networks a family, as a user of the published one has it.
    #[test]
    fn a_folder_of_weightless_files_loads() {
        let dir = tempfile::tempdir().unwrap();
        let options = WriteOptions { weights: WeightStyle::EmptyInitializers, ..WriteOptions::default() };
        let mut list = String::new();
        for family in Family::ALL {
            std::fs::create_dir_all(dir.path().join("onnx").join(family.name())).unwrap();
            for (seed, stage) in [(0, "train"), (1, "test")] {
                let bytes = to_onnx(&families::build(family, seed, 1).unwrap(), &options).unwrap();
                let path = format!("onnx/{}/{seed}.onnx", family.name());
                std::fs::write(dir.path().join(&path), bytes).unwrap();
                list += &format!("{seed} {path} 1 {}.5 {} 1 {stage}\n", seed + 1, family.name());
            }
        }
        let mut file = std::fs::File::create(dir.path().join("gt_stage.txt")).unwrap();
        file.write_all(list.as_bytes()).unwrap();
        let mut config: NnlqpConfig = toml::from_str(&format!("path = {:?}", dir.path())).unwrap();
        let load = |config: &NnlqpConfig| load(config, &Describer::builtin().unwrap(), &HardwareRegistry::builtin());
        let data = load(&config).unwrap();
        assert_eq!((data.graphs.len(), data.records.len(), data.platforms.len()), (20, 20, 1));
        assert_eq!(data.platforms[0].device, "nvidia-gtx-1660");
        assert!(data.records.iter().all(|r| {
            let is_test = data.graphs[r.graph].stage == Some(Stage::Test);
            r.latency_s == if is_test { 2.5e-3 } else { 1.5e-3 }
        }));
        config.families = vec!["vgg16".into()];
        config.graphs_per_family = Some(1);
        let one = load(&config).unwrap();
        assert!(one.graphs.len() == 1 && one.graphs[0].family == "vgg16" && one.records.len() == 1);
        config.families = vec!["vgg19".into()];
        assert!(load(&config).err().unwrap().to_string().contains("vgg19"));
    }

    #[test]
    fn the_published_list_is_read() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/nnlqp/gt_stage.txt");
        let Ok(text) = std::fs::read_to_string(path) else {
            writeln!(std::io::stderr(), "skipped: ../shared/data/nnlqp is not there").unwrap();
            return;
        };
        let labels = labels(&text).unwrap();
        let test = labels.iter().filter(|l| l.stage == Some(Stage::Test)).count();
        let families: std::collections::BTreeSet<&str> = labels.iter().map(|l| l.family.as_str()).collect();
        assert_eq!((labels.len(), test, families.len()), (20_000, 2_000, 10));
        assert!(families.into_iter().all(|f| Family::from_name(f).is_some()));
    }
}
