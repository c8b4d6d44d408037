//! `ledg-cost predict`: models times hardware, or the rows of a jobs file; both are lists of jobs to one engine.

mod engine;
mod jobs;
mod nodes;
mod platforms;
mod rows;

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use clap::CommandFactory;
use clap::error::ErrorKind;
use ledg_cost_model::template::TemplateSet;
use ledg_cost_model::{CostModel, PredictOptions};

use crate::Outcome;
use crate::args::{Cli, ImportArgs, PredictArgs, RowFormat};
use crate::console::Console;
use crate::hardware;
use crate::model_file::read_bytes;
use engine::{Ask, Engine, Job};
use platforms::Platforms;
use rows::RowWriter;

/// Most bytes of a bundle.
const MAX_BUNDLE_BYTES: u64 = 1 << 30;
/// Most distinct errors that are written to stderr; rows have all.
const MAX_ERRORS: usize = 10;

/// Answers.
pub fn run(args: &PredictArgs, out: &mut dyn Write, console: &Console) -> anyhow::Result<Outcome> {
    if args.per_node && args.format == RowFormat::Csv {
        let message = "--per-node does not fit into the columns of --format csv: use --format json or table";
        Cli::command().error(ErrorKind::ArgumentConflict, message).exit();
    }
    let plugins = hardware::plugins(&args.registry)?;
    let mut platforms = Platforms::new(plugins.hardware.clone());
    let jobs = match (&args.jobs, &args.graphs) {
        (Some(file), Some(graphs)) => jobs::read(file, graphs, &mut platforms, console)?,
        _ => product(args, &mut platforms)?,
    };
    let model = match &args.bundle {
        Some(file) => load(file)?,
        None => CostModel::default_model()?,
    };
    let model = if plugins.templates.is_empty() { model } else { Arc::new(plugins.extend(&model)?) };
    let import = ImportArgs { declared: plugins.operators(), ..args.import.clone() };
    let with_bar;
    let console = if args.jobs.is_some() {
        with_bar = Console::with_bar(jobs.len(), "rows");
        &with_bar
    } else {
        console
    };
    let engine = Engine {
        model: &model,
        import: &import,
        options: PredictOptions { coverage: args.interval, per_node: args.per_node },
        console,
    };
    let mut writer = RowWriter::new(args.format, args.interval, out)?;
    let summary = engine.answer(&jobs, |row| console.aside(|| writer.push(row)))?;
    console.finish();
    writer.finish()?;
    for error in summary.errors.iter().take(MAX_ERRORS) {
        console.error(error);
    }
    if summary.errors.len() > MAX_ERRORS {
        console.error(&format!("{} more kinds of errors, see the rows", summary.errors.len() - MAX_ERRORS));
    }
    if summary.failed > 0 && jobs.len() > 1 {
        console.note(&format!("{} of {} rows failed", summary.failed, jobs.len()));
    }
    Ok(match summary.failed {
        0 => Outcome::Done,
        n if n == jobs.len() => Outcome::Failed,
        _ => Outcome::Partly,
    })
}

/// Every model on all hardware. Hardware that does not exist fails all of it, at once.
fn product(args: &PredictArgs, platforms: &mut Platforms) -> anyhow::Result<Vec<Job>> {
    let on = args.hardware.iter().map(|spec| platforms.resolve(spec)).collect::<anyhow::Result<Vec<_>>>()?;
    let mut jobs = Vec::with_capacity(args.models.len() * on.len());
    for path in &args.models {
        for (spec, platform) in args.hardware.iter().zip(&on) {
            jobs.push(Job {
                graph: path.display().to_string(),
                hardware: spec.clone(),
                batch: args.batch,
                ask: Ok(Ask { path: path.clone(), platform: Arc::clone(platform) }),
            });
        }
    }
    Ok(jobs)
}

fn load(file: &Path) -> anyhow::Result<Arc<CostModel>> {
    let bytes = read_bytes(file, MAX_BUNDLE_BYTES)?;
    Ok(Arc::new(CostModel::from_bytes(&bytes, &file.display().to_string(), TemplateSet::builtin()?)?))
}
