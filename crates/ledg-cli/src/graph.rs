//! `ledg-cost graph`: a model in ledg's wire format.

use std::io::Write;

use anyhow::Context;
use ledg_cost_model::template::LowerOptions;

use crate::Outcome;
use crate::args::GraphArgs;
use crate::console::Console;
use crate::model_file::Model;

/// Writes the graph as one line of JSON.
pub fn run(args: &GraphArgs, out: &mut dyn Write, console: &Console) -> anyhow::Result<Outcome> {
    let plugins = crate::plugin::load(&args.plugins)?;
    let model = Model::read(&args.model, &args.import.with(&plugins), args.batch)?;
    let label = args.model.display().to_string();
    model.report_contradictions(&label, console);
    model.report_unknown(&label, console);
    let mut graph = model.into_graph();
    if let (Some(batch), None) = (args.batch, args.import.via) {
        graph = graph.rescale_batch(batch).with_context(|| args.model.display().to_string())?;
    }
    if args.lowered {
        let lowered = plugins.template_set()?.lower(&graph, &LowerOptions::default());
        graph = lowered.with_context(|| args.model.display().to_string())?.graph;
    }
    writeln!(out, "{}", graph.to_json()?)?;
    Ok(Outcome::Done)
}
