//! Records of every kind: as `measure` writes them, as the library does, and as people do.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, anyhow, bail, ensure};
use ledg_cost_model::graph::{Graph, Limits, OpType};
use ledg_cost_model::{HardwareRegistry, MAX_RECORDS_BYTES, Measurement, Outcome, Platform, Plugins, Records};

use crate::args::CalibrateArgs;
use crate::hardware;
use crate::model_file::read_text;
use crate::tract;

/// Most bytes of a graph's file.
const MAX_GRAPH_BYTES: u64 = 512 << 20;

/// All records that the arguments name; at least one has a time.
pub fn read(args: &CalibrateArgs, plugins: Plugins) -> anyhow::Result<Records> {
    let operators = plugins.operators();
    let registry = plugins.hardware;
    let on = match &args.hardware {
        Some(spec) => Some(Arc::new(hardware::resolve(&registry, spec)?)),
        None => None,
    };
    let unbound = args.dims.iter().map(|(dim, _)| dim.clone()).collect();
    let (platforms, graphs) = (HashMap::new(), HashMap::new());
    let mut reader = Reader { args, registry, operators, on, platforms, graphs, unbound };
    let mut records = Records::new();
    for file in &args.records {
        reader.file(file, &mut records)?;
    }
    ensure!(
        reader.unbound.is_empty(),
        "no graph of a `.csv` file has the dynamic dimension `{}`; leave that `--dim` out",
        reader.unbound.first().map_or("", String::as_str)
    );
    ensure!(
        records.rows().iter().any(|row| row.latency_s().is_some()),
        "{}: there is no record with a time in it",
        args.records[0].display()
    );
    Ok(records)
}

pub(super) struct Reader<'a> {
    pub(super) args: &'a CalibrateArgs,
    registry: HardwareRegistry,
    /// Operators that plugins declare.
    pub(super) operators: BTreeSet<OpType>,
    /// The hardware of all records, if it was given.
    pub(super) on: Option<Arc<Platform>>,
    platforms: HashMap<String, Arc<Platform>>,
    graphs: HashMap<(PathBuf, u64), Arc<Graph>>,
    /// Dimensions given that no graph has had yet.
    pub(super) unbound: BTreeSet<String>,
}

impl Reader<'_> {
    fn file(&mut self, file: &Path, records: &mut Records) -> anyhow::Result<()> {
        if file.extension().is_some_and(|e| e.eq_ignore_ascii_case("csv")) {
            return self.csv(file, records);
        }
        let text = read_text(file, MAX_RECORDS_BYTES)?;
        let name: Arc<str> = file.display().to_string().into();
        let first = text.lines().find(|line| !line.trim().is_empty()).unwrap_or("");
        if first.contains("\"ledg_records\"") {
            let read = Records::from_jsonl(&name, &text, &self.registry, Limits::default())?;
            for (i, row) in read.rows().iter().enumerate() {
                let graph = read.graph(&row.graph).context("a record without its graph")?;
                let on = self.on.as_ref().unwrap_or(&row.hardware);
                records.push_profiled(graph, on, row.batch, row.outcome.clone(), row.nodes_s.clone())?;
                if let Some(line) = read.line(i) {
                    records.read_from(&name, line);
                }
            }
            return Ok(());
        }
        for (line, measured) in Measurement::parse_lines(&name, &text)? {
            let context = || format!("{name}, line {line}");
            let on = self.platform(&measured.hardware, file).with_context(context)?;
            let graph = self.graph(&measured, file).with_context(context)?;
            let outcome = Outcome::Runs(measured.runs_s.clone());
            records.push_profiled(&graph, &on, measured.batch, outcome, measured.nodes_s()).with_context(context)?;
            records.read_from(&name, line);
        }
        Ok(())
    }

    pub(super) fn platform(&mut self, spec: &str, records: &Path) -> anyhow::Result<Arc<Platform>> {
        if let Some(platform) = self.on.as_ref().or(self.platforms.get(spec)) {
            return Ok(Arc::clone(platform));
        }
        // A hardware file may lie beside the records; a runtime may follow its name.
        let file = spec.split_once(".toml").map(|(stem, _)| format!("{stem}.toml"));
        let beside = records.parent().unwrap_or(Path::new("")).join(spec).display().to_string();
        let spec_of = match file {
            Some(file) if !Path::new(&file).exists() => beside,
            _ => spec.to_owned(),
        };
        let platform = Arc::new(hardware::resolve(&self.registry, &spec_of)?);
        self.platforms.insert(spec.to_owned(), Arc::clone(&platform));
        Ok(platform)
    }

    /// The plan's graph that was measured, which its hash proves.
    fn graph(&mut self, measured: &Measurement, records: &Path) -> anyhow::Result<Arc<Graph>> {
        let path = self.find(&measured.graph, records)?;
        let key = (path, measured.batch);
        let graph = match self.graphs.get(&key) {
            Some(graph) => Arc::clone(graph),
            None => {
                let graph = Arc::new(load(&key.0, measured.batch)?);
                self.graphs.insert(key.clone(), Arc::clone(&graph));
                graph
            }
        };
        let (path, hash) = (key.0.display(), graph.content_hash().to_string());
        ensure!(
            hash == measured.graph_hash,
            "{path}: is not the graph that was measured: its hash is {hash}, the record's {}",
            measured.graph_hash
        );
        Ok(graph)
    }

    fn find(&self, graph: &str, records: &Path) -> anyhow::Result<PathBuf> {
        let name = Path::new(graph).file_name().unwrap_or_default();
        let tried: Vec<PathBuf> = match &self.args.graphs {
            Some(folder) => vec![folder.join(graph), folder.join(name)],
            None => vec![records.parent().unwrap_or(Path::new("")).join(graph), PathBuf::from(graph)],
        };
        let found = tried.iter().find(|path| path.is_file()).cloned();
        found.ok_or_else(|| {
            let places: Vec<String> = tried.iter().map(|path| path.display().to_string()).collect();
            anyhow!("the graph `{graph}` is not there: tried {}; `--graphs` names its folder", places.join(" and "))
        })
    }
}

fn load(path: &Path, batch: u64) -> anyhow::Result<Graph> {
    let is = |extension: &str| path.extension().is_some_and(|e| e.eq_ignore_ascii_case(extension));
    if is("json") {
        let text = read_text(path, MAX_GRAPH_BYTES)?;
        return Graph::from_json(&text, Limits::default()).with_context(|| path.display().to_string());
    }
    if is("onnx") {
        // The plan was not kept (`measure --graphs`), so it is made again.
        return tract::plan_graph(path, &[], Limits::default(), Some(batch));
    }
    bail!("{}: a graph is a .json file in ledg's wire format or an .onnx file", path.display())
}
