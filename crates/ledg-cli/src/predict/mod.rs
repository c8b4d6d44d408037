//! `ledg-cost predict`: models times hardware, or the rows of a jobs file; both are lists of jobs to one engine.

pub(crate) mod engine;
mod jobs;
mod nodes;
pub(crate) mod platforms;
mod resume;
pub(crate) mod rows;

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use clap::CommandFactory;
use clap::error::ErrorKind;
use ledg_cost_model::{CostModel, PredictOptions};

use crate::Outcome;
use crate::args::{Cli, PredictArgs, RowFormat};
use crate::bundle::cost_model;
use crate::console::Console;
use crate::hardware;
use crate::model_file::read_bytes;
use engine::{Ask, Engine, Job, Summary};
use platforms::Platforms;
use resume::PartialFile;
use rows::RowWriter;

/// Most bytes of a jobs file: a million rows of some length.
const MAX_JOBS_BYTES: u64 = 512 << 20;
/// Most distinct errors that are written to stderr; rows have all.
const MAX_ERRORS: usize = 10;

/// Answers.
pub fn run(args: &PredictArgs, out: &mut dyn Write, console: &Console) -> anyhow::Result<Outcome> {
    if args.per_node && args.format == RowFormat::Csv {
        conflict("--per-node does not fit into the columns of --format csv: use --format json or table");
    }
    if args.output.is_some() && args.format == RowFormat::Table {
        conflict("--output takes rows as they come, a table has none before the end: use --format json or csv");
    }
    let place = |path: &Option<PathBuf>| path.as_ref().and_then(|path| path.canonicalize().ok());
    if place(&args.output).is_some_and(|output| Some(output) == place(&args.jobs)) {
        conflict("--output names the file of --jobs, which it would replace: name another");
    }
    let plugins = hardware::plugins(&args.registry)?;
    let mut platforms = Platforms::new(plugins.hardware.clone());
    // Read once: it may be a pipe.
    let file = match &args.jobs {
        Some(file) => Some((file, read_bytes(file, MAX_JOBS_BYTES)?)),
        None => None,
    };
    let jobs = match (&file, &args.graphs) {
        (Some((file, rows)), Some(graphs)) => jobs::read(file, rows, graphs, &mut platforms, console)?,
        _ => product(&args.models, &args.hardware, args.batch, &mut platforms)?,
    };
    let model = cost_model(args.bundle.as_deref(), &plugins)?;
    let import = args.import.with(&plugins);
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
    let summary = match (&args.output, &file) {
        (Some(output), Some((_, rows))) => {
            let question = question(args, rows, &model)?;
            let mut partial = PartialFile::open(output, args.format, question, args.resume)?;
            let (done, failed) = partial.rows();
            let rest = jobs.get(done..).unwrap_or_default();
            if done > 0 {
                console.note(&format!("{done} of {} rows were there already", jobs.len()));
                console.skip(done);
            }
            let mut summary = engine.answer(rest, |row| partial.push(&row))?;
            partial.finish()?;
            summary.failed += failed;
            summary
        }
        _ => {
            let mut writer = RowWriter::new(args.format, args.interval, out)?;
            let summary = engine.answer(&jobs, |row| console.aside(|| writer.push(row)))?;
            console.finish();
            writer.finish()?;
            summary
        }
    };
    console.finish();
    report_errors(&summary, jobs.len(), console);
    Ok(Outcome::of(summary.failed, jobs.len()))
}

fn conflict(message: &str) -> ! {
    Cli::command().error(ErrorKind::ArgumentConflict, message).exit()
}

fn report_errors(summary: &Summary, n_jobs: usize, console: &Console) {
    for error in summary.errors.iter().take(MAX_ERRORS) {
        console.error(error);
    }
    if summary.errors.len() > MAX_ERRORS {
        console.error(&format!("{} more kinds of errors, see the rows", summary.errors.len() - MAX_ERRORS));
    }
    if summary.failed > 0 && n_jobs > 1 {
        console.note(&format!("{} of {n_jobs} rows failed", summary.failed));
    }
}

/// What the rows of a jobs file depend on, but for the graphs' and hardware files' own content.
fn question(args: &PredictArgs, jobs: &[u8], model: &CostModel) -> anyhow::Result<String> {
    let options = format!(
        "{:?} {:?} {} {:?} {:?} {:?}",
        args.graphs, args.format, args.per_node, args.interval, args.import, args.registry
    );
    let model = serde_json::to_string(model.header())?;
    let version = env!("CARGO_PKG_VERSION");
    Ok(resume::question(&[version.as_bytes(), options.as_bytes(), model.as_bytes(), jobs]))
}

/// Every model on all hardware. Hardware that does not exist fails all of it, at once.
pub(crate) fn product(
    models: &[PathBuf],
    hardware: &[String],
    batch: Option<u64>,
    platforms: &mut Platforms,
) -> anyhow::Result<Vec<Job>> {
    let on = hardware.iter().map(|spec| platforms.resolve(spec)).collect::<anyhow::Result<Vec<_>>>()?;
    let mut jobs = Vec::with_capacity(models.len() * on.len());
    for path in models {
        for (spec, platform) in hardware.iter().zip(&on) {
            jobs.push(Job {
                graph: path.display().to_string(),
                hardware: spec.clone(),
                batch,
                ask: Ok(Ask { path: path.clone(), platform: Arc::clone(platform) }),
            });
        }
    }
    Ok(jobs)
}
