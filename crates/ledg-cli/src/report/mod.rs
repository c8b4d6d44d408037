//! `ledg-cost report`: one self-contained page about models on platforms.
//!
//! The page's data is one JSON object ([`data::Report`]); the template shows the estimates and warnings without a script, the
//! scripts in `assets/report` show the rest. **Invariant:** names from models and hardware files reach the page only
//! through the template's escaping or as JSON whose `<` is escaped.

pub(crate) mod args;
mod blocks;
mod collect;
mod data;
mod layout;
mod page;
mod warnings;

use std::io::Write;

use anyhow::Context;
use ledg_cost_model::write_file;

use crate::Outcome;
use crate::bundle::cost_model;
use crate::console::Console;
use crate::hardware;
use args::ReportArgs;

/// Writes the page.
pub(crate) fn run(args: &ReportArgs, out: &mut dyn Write, console: &Console) -> anyhow::Result<Outcome> {
    let plugins = hardware::plugins(&args.registry)?;
    let model = cost_model(args.bundle.as_deref(), &plugins)?;
    let report = collect::report(args, &plugins, &model, console)?;
    let page = page::render(&report).context("the page cannot be made")?;
    write_file(&args.output, page.as_bytes())?;
    let nodes: usize = report.models.iter().map(|m| m.nodes.len()).sum();
    writeln!(
        out,
        "{}: {} estimates, {nodes} nodes, {} kB; open it in a browser",
        args.output.display(),
        report.estimates.len(),
        page.len().div_ceil(1000)
    )?;
    Ok(Outcome::Done)
}
