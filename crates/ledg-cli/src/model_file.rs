//! Model files: ONNX, or JSON in ledg's wire format.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};
use ledg_cost_model::graph::{Graph, GraphError};
use ledg_cost_model::onnx::{self, Advice, Imported, OnnxOptions, UnknownPolicy};

use crate::args::{ImportArgs, ViaArg};
use crate::console::Console;
use crate::tract;
use ledg_cost_model::text::tally;

/// Most bytes of a JSON file: 50,000 nodes with their values take about 20 MB.
const MAX_JSON_BYTES: u64 = 512 << 20;

/// What helps against a graph beyond [`ImportArgs::limits`].
const RAISE: &str = "raise `--max-nodes` if this is meant";

/// An importer's advice where its options are flags.
fn flag(advice: &Advice) -> Option<String> {
    match advice {
        Advice::BindDims(names) => {
            let flags = names.iter().map(|name| format!(" --dim {name}=N"));
            Some(format!("give sizes:{}", flags.collect::<String>()))
        }
        Advice::RaiseLimit("limits.max_nodes" | "limits.max_values") => Some(RAISE.to_owned()),
        Advice::ReportUnknown => Some("go on without it: `--unknown report`".to_owned()),
        _ => None,
    }
}

/// A model as it was read.
pub enum Model {
    /// From ONNX, with what the import found.
    Onnx(Box<Imported>),
    /// From JSON.
    Json(Graph),
    /// A plan that an engine made of it.
    Plan(Graph),
}

impl Model {
    /// Reads a file; `.json` is ledg's wire format, everything else ONNX. A plan is made for `batch`, or for the model's own.
    pub fn read(path: &Path, args: &ImportArgs, batch: Option<u64>) -> anyhow::Result<Model> {
        let dims = &args.dims;
        if let Some((name, _)) =
            dims.iter().enumerate().find(|(k, d)| dims[..*k].iter().any(|e| e.0 == d.0)).map(|(_, d)| d)
        {
            bail!("--dim: `{name}` is given more than once");
        }
        if let Some(ViaArg::Tract) = args.via {
            tract::needed_for("--via tract")?;
            return Ok(Model::Plan(tract::plan_graph(path, &args.dims, args.limits(), batch)?));
        }
        if path.extension().is_some_and(|e| e.eq_ignore_ascii_case("json")) {
            if let Some((dim, _)) = args.dims.first() {
                let file = path.display();
                bail!(
                    "{file}: there is no dynamic dimension `{dim}` to bind: sizes in a JSON graph are fixed, leave `--dim` out"
                );
            }
            let text = read_text(path, MAX_JSON_BYTES)?;
            let graph = Graph::from_json(&text, args.limits()).map_err(|error| match error {
                GraphError::Limit { .. } => anyhow!("{}: {error}; {RAISE}", path.display()),
                _ => anyhow!(error).context(path.display().to_string()),
            })?;
            return Ok(Model::Json(graph));
        }
        let policy = if args.reports_unknown() { UnknownPolicy::Report } else { UnknownPolicy::Error };
        let options = OnnxOptions {
            dims: args.dims.iter().cloned().collect(),
            unknown: policy,
            declared: args.declared.clone(),
            limits: args.limits(),
            ..OnnxOptions::default()
        };
        let imported = onnx::import_file(path, &options).map_err(|error| match error.advice() {
            Some(_) => anyhow!("{}", error.told(flag)),
            None => error.into(),
        })?;
        Ok(Model::Onnx(Box::new(imported)))
    }

    /// The graph.
    pub fn graph(&self) -> &Graph {
        match self {
            Model::Onnx(imported) => &imported.graph,
            Model::Json(graph) | Model::Plan(graph) => graph,
        }
    }

    /// The graph alone.
    pub fn into_graph(self) -> Graph {
        match self {
            Model::Onnx(imported) => imported.graph,
            Model::Json(graph) | Model::Plan(graph) => graph,
        }
    }

    /// Which shapes in the file its own operators contradict; the operators' are used.
    pub fn contradictions(&self) -> Option<String> {
        let Model::Onnx(imported) = self else { return None };
        let [first, more @ ..] = &imported.contradictions[..] else { return None };
        let (value, declared, inferred) = (&first.value, &first.declared, &first.inferred);
        let more = if more.is_empty() { String::new() } else { format!("; {} more like it", more.len()) };
        Some(format!(
            "value `{value}` is declared {declared:?}, its operator makes it {inferred:?}, which is used{more}"
        ))
    }

    /// Warns of [`Model::contradictions`].
    pub fn report_contradictions(&self, label: &str, console: &Console) {
        if let Some(which) = self.contradictions() {
            console.warn(&format!("{label}: {which}"));
        }
    }

    /// Warns of operators whose shapes the import does not know.
    pub fn report_unknown(&self, label: &str, console: &Console) {
        if let Model::Onnx(imported) = self
            && !imported.unknown.is_empty()
        {
            let dotted = |domain: &str| if domain.is_empty() { String::new() } else { format!("{domain}.") };
            let ops = imported.unknown.iter().map(|u| format!("{}{}", dotted(&u.domain), u.op));
            console.warn(&format!("{label}: no shape rule for {}; shapes behind them may be missing", tally(ops)));
        }
    }
}

/// A graph's file: the name as it stands, or with its ending.
pub fn find_graph(graphs: &Path, name: &str) -> anyhow::Result<PathBuf> {
    if name.is_empty() {
        bail!("the column `graph` is empty");
    }
    let endings = ["", ".onnx", ".json"];
    let found = endings.iter().map(|ending| graphs.join(format!("{name}{ending}"))).find(|path| path.is_file());
    found.with_context(|| {
        let folder = if graphs.as_os_str().is_empty() { Path::new(".") } else { graphs };
        format!("graph `{name}`: there is no such file in {}, nor with .onnx or .json", folder.display())
    })
}

/// A path of a hardware file as seen from the folder of the file that names it, if it is there; else the text as it is.
pub fn from_folder(folder: &Path, spec: &str) -> String {
    let end = spec.rfind(".toml").map(|at| at + ".toml".len());
    match end.map(|end| (folder.join(&spec[..end]), &spec[end..])) {
        Some((path, rest)) if path.is_file() => format!("{}{rest}", path.display()),
        _ => spec.to_owned(),
    }
}

/// Reads a text file of at most that many bytes.
pub fn read_text(path: &Path, limit: u64) -> anyhow::Result<String> {
    let bytes = read_bytes(path, limit)?;
    String::from_utf8(bytes).map_err(|e| {
        let at = e.utf8_error().valid_up_to();
        anyhow!("{}: not a text file: byte {at} is not UTF-8", path.display())
    })
}

/// Reads a file of at most that many bytes. What the system says of a file's size is not believed: a pipe has none.
pub fn read_bytes(path: &Path, limit: u64) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(limit + 1).read_to_end(&mut bytes));
    read.with_context(|| format!("{}: cannot be read", path.display()))?;
    if bytes.len() as u64 > limit {
        bail!("{}: larger than the limit of {limit} bytes for such a file", path.display());
    }
    Ok(bytes)
}
