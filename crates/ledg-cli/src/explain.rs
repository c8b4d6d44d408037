//! `ledg-cost explain`: what the cost model is told of a model.
//!
//! The printers take a described graph, so that snapshots of sentences and masks render exactly what the command does.

use std::io::Write;
use std::path::Path;

use anyhow::Context;
use clap::CommandFactory;
use clap::error::ErrorKind;
use ledg_cost_model::onnx::Imported;
use ledg_cost_model::template::LowerOptions;
use ledg_cost_model::text::{nodes, summary};
use ledg_cost_model::{CostModel, Describer};

use crate::Outcome;
use crate::args::{Cli, ExplainArgs, TextFormat};
use crate::bundle::cost_model;
use crate::console::Console;
use crate::model_file::Model;

pub use ledg_cost_model::text::{masks, sentences};

/// Grids beyond this many nodes no longer fit on a screen.
const GRID_NODES: usize = 64;
/// Most names that a cell or a note spells out.
const NAMES: usize = 3;

/// Explains.
pub(crate) fn run(args: &ExplainArgs, out: &mut dyn Write, console: &Console) -> anyhow::Result<Outcome> {
    if args.format == TextFormat::Json && (args.masks || args.limit_nodes.is_some()) {
        let message = "--masks and --limit-nodes shape the text; --format json always has all nodes and neighbours";
        Cli::command().error(ErrorKind::ArgumentConflict, message).exit();
    }
    let label = args.model.display().to_string();
    let plugins = crate::plugin::load(&args.plugins)?;
    let model = Model::read(&args.model, &args.import.with(&plugins), None)?;
    model.report_unknown(&label, console);
    let mut more = Vec::new();
    let describer = match &args.bundle {
        Some(file) => {
            let model = cost_model(Some(file), &plugins)?;
            more.push(("model", provenance(file, &model)));
            model.describer().clone()
        }
        None => Describer::new(plugins.template_set()?, LowerOptions::default()),
    };
    let described = describer.describe(model.graph()).with_context(|| label.clone())?;
    if args.format == TextFormat::Json {
        writeln!(out, "{}", serde_json::to_string_pretty(&described.explain())?)?;
        return Ok(Outcome::Done);
    }
    if let Model::Onnx(imported) = &model {
        more.splice(0..0, import_lines(imported));
    }
    write!(out, "{}", summary(&label, model.graph().nodes().len(), &more, &described))?;
    write!(out, "\n{}", sentences(&described))?;
    let shown = args.limit_nodes.unwrap_or(usize::MAX);
    write!(out, "\n{}", nodes(&described, shown))?;
    if args.masks {
        let limit = args.limit_nodes.unwrap_or(GRID_NODES);
        let n = described.nodes.len();
        if n <= limit {
            write!(out, "\n{}", masks(&described))?;
        } else {
            writeln!(
                out,
                "\nThe masks are {n} x {n}, more than {limit}: `--limit-nodes {n}` prints them nevertheless."
            )?;
        }
    }
    Ok(Outcome::Done)
}

/// Where a bundle's model comes from, and what it was calibrated to.
fn provenance(file: &Path, model: &CostModel) -> String {
    let training = &model.header().provenance;
    let mut text = format!("{}: trained on {} records, {}", file.display(), training.records, training.date);
    for (platform, scale) in model.calibration().iter().flat_map(|c| &c.platforms) {
        let n = scale.records;
        text.push_str(&format!("; calibrated to {n} {} of {platform}", if n == 1 { "record" } else { "records" }));
    }
    text
}

fn import_lines(imported: &Imported) -> Vec<(&'static str, String)> {
    let mut lines = Vec::new();
    let opsets = imported.opsets.iter().map(|(domain, version)| match domain.as_str() {
        "" => format!("operator set {version}"),
        domain => format!("{domain} {version}"),
    });
    let by = if imported.producer.is_empty() { String::new() } else { format!(", written by {}", imported.producer) };
    lines.push(("file", format!("ONNX, {}{by}", opsets.collect::<Vec<_>>().join(", "))));
    if imported.folded_nodes + imported.unused_nodes > 0 {
        let (folded, unused) = (imported.folded_nodes, imported.unused_nodes);
        lines.push(("left out", format!("{folded} nodes computed from constants, {unused} that no output depends on")));
    }
    for c in imported.contradictions.iter().take(NAMES) {
        let note = format!(
            "value `{}` is declared {:?}, its operator makes it {:?}, which is used",
            c.value, c.declared, c.inferred
        );
        lines.push(("shapes", note));
    }
    if let Some(more) = imported.contradictions.len().checked_sub(NAMES).filter(|&more| more > 0) {
        lines.push(("shapes", format!("{more} more values are declared otherwise than their operators make them")));
    }
    lines
}
