//! `ledg-cost explain`: what the cost model is told of a model.
//!
//! The printers take a described graph, so that snapshots of sentences and masks render exactly what the command does.

use std::fmt::Write as _;
use std::io::Write;

use anyhow::Context;
use clap::CommandFactory;
use clap::error::ErrorKind;
use ledg_cost_model::graph::EdgeList;
use ledg_cost_model::onnx::Imported;
use ledg_cost_model::{BatchScaling, DescribedGraph, Describer};

use crate::Outcome;
use crate::args::{Cli, ExplainArgs, TextFormat};
use crate::console::Console;
use crate::model_file::{Model, tally};
use crate::table::TextTable;
use crate::units::{count, share};

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
    let model = Model::read(&args.model, &args.import, None)?;
    model.report_unknown(&label, console);
    let described = Describer::builtin()?.describe(model.graph()).with_context(|| label.clone())?;
    if args.format == TextFormat::Json {
        writeln!(out, "{}", serde_json::to_string_pretty(&described.explain())?)?;
        return Ok(Outcome::Done);
    }
    write!(out, "{}", summary(&label, &model, &described))?;
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

/// The graph as a whole.
fn summary(label: &str, model: &Model, described: &DescribedGraph) -> String {
    let mut lines: Vec<(&str, String)> = Vec::new();
    let n = described.nodes.len();
    lines.push(("graph", label.to_owned()));
    if let Model::Onnx(imported) = model {
        lines.extend(import_lines(imported));
    }
    lines.push(("batch", batch_note(described)));
    let fused = described.origins.iter().filter(|o| o.len() > 1).count();
    let stood_for: usize = described.origins.iter().map(Vec::len).sum();
    let all = model.graph().nodes().len();
    let left_out = all.saturating_sub(stood_for);
    lines.push((
        "nodes",
        format!("{all} in the graph; {left_out} are views or fixed, the others make {n} that cost something, {fused} of these fused"),
    ));
    lines.push(("coverage", coverage_note(described)));
    let total = described.magnitudes();
    lines.push((
        "one sample",
        format!(
            "{}FLOP, of these {}MAC in contractions; {} activation elements read, {} written; {} parameters",
            spaced(total.flops),
            spaced(described.macs()),
            count(total.read_elems),
            count(total.write_elems),
            count(total.params)
        ),
    ));
    let mut text = String::new();
    for (key, value) in lines {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{key:<11} {value}");
    }
    text
}

/// A count before a unit: `3.64 G`FLOP, `512 `FLOP.
fn spaced(n: f64) -> String {
    let text = count(n);
    if text.contains(' ') { text } else { text + " " }
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

/// What batch sizes can be asked for.
fn batch_note(described: &DescribedGraph) -> String {
    let own = described.batch;
    match &described.scaling {
        BatchScaling::Followed => format!("{own}; any other can be asked for"),
        BatchScaling::Proportional { why } => {
            format!(
                "{own}; for others its work is taken to be in proportion, as its batch dimension cannot be followed: {why}"
            )
        }
        BatchScaling::Fixed { why } => {
            format!("only as it is, as its batch dimension cannot be followed: {why}")
        }
    }
}

fn coverage_note(described: &DescribedGraph) -> String {
    let unknown: Vec<String> = described.nodes.iter().filter(|n| !n.known).map(|n| n.op.to_string()).collect();
    if unknown.is_empty() {
        return "100 %: a template covers every node".to_owned();
    }
    let n = described.nodes.len();
    format!("{} of the nodes; not known: {}", share(1.0 - unknown.len() as f64 / n as f64), tally(unknown.into_iter()))
}

/// The first nodes with their sentences and magnitudes.
fn nodes(described: &DescribedGraph, limit: usize) -> String {
    let headers = [">#", "node", "sentence", ">FLOP", ">read", ">written", ">parameters", "fused from"];
    let mut table = TextTable::new(&headers);
    for (i, (node, origins)) in described.nodes.iter().zip(&described.origins).enumerate().take(limit) {
        let sentence = if node.known { node.sentence.clone() } else { format!("{} (not known)", node.sentence) };
        table.row(&[
            i.to_string(),
            node.name.clone(),
            sentence,
            count(node.magnitudes.flops),
            count(node.magnitudes.read_elems),
            count(node.magnitudes.write_elems),
            count(node.magnitudes.params),
            fused_from(origins),
        ]);
    }
    let mut text = table.to_string();
    if let Some(more) = described.nodes.len().checked_sub(limit).filter(|&more| more > 0) {
        let _ = writeln!(text, "{more} more nodes");
    }
    text
}

fn fused_from(origins: &[String]) -> String {
    if origins.len() < 2 {
        return String::new();
    }
    let shown = origins.iter().take(NAMES).map(String::as_str).collect::<Vec<_>>().join(", ");
    if origins.len() > NAMES { format!("{shown} and {} more", origins.len() - NAMES) } else { shown }
}

/// The distinct sentences in order of first appearance, each with the number of its nodes.
pub fn sentences(described: &DescribedGraph) -> String {
    let mut table = TextTable::new(&[">nodes", "sentence"]);
    for sentence in described.sentences() {
        let same = described.nodes.iter().filter(|n| n.sentence == sentence);
        let note = if same.clone().all(|n| n.known) { "" } else { " (not known)" };
        table.row(&[same.count().to_string(), format!("{sentence}{note}")]);
    }
    table.to_string()
}

/// The attention masks as grids, each row with its node's name.
pub fn masks(described: &DescribedGraph) -> String {
    let relations = &described.relations;
    let grids = [("father", &relations.fathers), ("son", &relations.sons), ("grandfather", &relations.grandfathers)];
    grids.map(|(name, edges)| mask(name, edges, described)).join("\n")
}

fn mask(name: &str, edges: &EdgeList, described: &DescribedGraph) -> String {
    let mut text = format!("{name} + identity\n");
    for (line, node) in edges.to_grid().lines().zip(&described.nodes) {
        let _ = writeln!(text, "{line}  {}", node.name);
    }
    text
}
