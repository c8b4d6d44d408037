//! Records of anybody's, written by hand: a CSV file of graph, hardware, batch and seconds.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, anyhow, ensure};
use csv::Trim;
use ledg_cost_model::graph::Graph;
use ledg_cost_model::onnx::OnnxError;
use ledg_cost_model::{Outcome, Records};
use serde::Deserialize;

use super::records::Reader;
use crate::args::ImportArgs;
use crate::model_file::{Model, find_graph, from_folder};

/// A row. What else a file says of its measurements is left to it.
#[derive(Deserialize)]
struct Row {
    graph: String,
    hardware: Option<String>,
    batch: u64,
    latency_s: f64,
}

/// An error of a row that names the column instead of its number.
fn of_column(error: csv::Error, header: &csv::StringRecord) -> anyhow::Error {
    let csv::ErrorKind::Deserialize { err, .. } = error.kind() else { return error.into() };
    match err.field().and_then(|field| header.get(field as usize)) {
        Some(column) => anyhow!("column `{column}`: {}", err.kind()),
        None => error.into(),
    }
}

impl Reader<'_> {
    /// Adds the rows of a file. Graphs are models as they are, not plans of an engine.
    pub(super) fn csv(&mut self, file: &Path, records: &mut Records) -> anyhow::Result<()> {
        let name: Arc<str> = file.display().to_string().into();
        let folder = file.parent().unwrap_or(Path::new(""));
        let graphs = self.args.graphs.as_deref().unwrap_or(folder);
        let mut read: HashMap<PathBuf, Arc<Graph>> = HashMap::new();
        let reader = csv::ReaderBuilder::new().trim(Trim::All).from_path(file);
        let mut reader = reader.with_context(|| format!("{name}: cannot be read"))?;
        let header = reader.headers().with_context(|| format!("{name}: no CSV"))?.clone();
        let has = |column: &str| header.iter().any(|c| c == column);
        let missing = ["graph", "hardware", "batch", "latency_s"]
            .into_iter()
            .find(|&column| !(has(column) || column == "hardware" && self.on.is_some()));
        ensure!(
            missing.is_none(),
            "{name}: column `{}` is missing: the first line must name the columns graph, hardware, batch and latency_s",
            missing.unwrap_or_default()
        );
        let mut fields = csv::StringRecord::new();
        while reader.read_record(&mut fields).with_context(|| format!("{name}: no CSV"))? {
            let line = fields.position().map_or(0, csv::Position::line) as usize;
            let context = || format!("{name}, line {line}");
            let row: Row =
                fields.deserialize(Some(&header)).map_err(|e| of_column(e, &header)).with_context(context)?;
            let on = from_folder(folder, row.hardware.as_deref().unwrap_or_default());
            let on = self.platform(&on, file).with_context(context)?;
            let path = find_graph(graphs, &row.graph).with_context(context)?;
            let graph = match read.get(&path) {
                Some(graph) => Arc::clone(graph),
                None => {
                    let graph = Arc::new(self.model(&path).with_context(context)?);
                    read.insert(path, Arc::clone(&graph));
                    graph
                }
            };
            records.push(&graph, &on, row.batch, Outcome::Runs(vec![row.latency_s])).with_context(context)?;
            records.read_from(&name, line);
        }
        Ok(())
    }

    /// A model, with those of the given dimensions bound that it has: records are of several networks, not all of them
    /// dynamic. That each is bound somewhere is checked when all is read.
    fn model(&mut self, path: &Path) -> anyhow::Result<Graph> {
        let mut import = ImportArgs { dims: self.args.dims.clone(), ..ImportArgs::plain(self.operators.clone()) };
        if path.extension().is_some_and(|e| e.eq_ignore_ascii_case("json")) {
            // Sizes in ledg's wire format are fixed.
            import.dims.clear();
        }
        loop {
            let error = match Model::read(path, &import, None) {
                Ok(model) => {
                    self.unbound.retain(|dim| import.dims.iter().all(|(bound, _)| bound != dim));
                    return Ok(model.into_graph());
                }
                Err(error) => error,
            };
            let Some(OnnxError::NoSuchDim { dim, .. }) = error.downcast_ref() else { return Err(error) };
            let Some(at) = import.dims.iter().position(|(given, _)| given == dim) else { return Err(error) };
            import.dims.remove(at);
        }
    }
}
