//! `ledg-cost compare`: one model on several platforms, fastest first, as a table and bars.

pub(crate) mod args;
mod bars;

use std::io::Write;

use indexmap::IndexMap;
use ledg_cost_model::PredictOptions;
use ledg_cost_model::text::{TextTable, units};
use serde::Serialize;

use crate::Outcome;
use crate::args::RowFormat;
use crate::bundle::cost_model;
use crate::console::Console;
use crate::hardware;
use crate::predict::engine::Engine;
use crate::predict::platforms::Platforms;
use crate::predict::product;
use crate::predict::rows::{Row, write_csv};
use args::CompareArgs;
use bars::Bar;

/// The columns of CSV, which are the keys of JSON.
const COLUMNS: [&str; 12] = [
    "graph",
    "hardware",
    "platform",
    "batch",
    "latency_s",
    "lo_s",
    "hi_s",
    "relative",
    "overlaps_fastest",
    "known",
    "measured",
    "error",
];

/// One platform's place in the comparison.
#[derive(Debug, Serialize)]
struct Compared {
    graph: String,
    hardware: String,
    platform: Option<String>,
    batch: Option<u64>,
    latency_s: Option<f64>,
    lo_s: Option<f64>,
    hi_s: Option<f64>,
    /// Latency over the fastest one's.
    relative: Option<f64>,
    /// Whether its interval and the fastest one's have a time in common.
    overlaps_fastest: Option<bool>,
    known: Option<f64>,
    measured: Option<bool>,
    error: Option<String>,
    /// Whether it was measured in that precision by that engine.
    #[serde(skip)]
    measured_as_run: bool,
    /// What the estimate rests on, if training never measured the device, or not so.
    #[serde(skip)]
    note: Option<String>,
}

/// Compares.
pub(crate) fn run(args: &CompareArgs, out: &mut dyn Write, console: &Console) -> anyhow::Result<Outcome> {
    let models = std::slice::from_ref(&args.model);
    let plugins = hardware::plugins(&args.registry)?;
    let jobs = product(models, &args.hardware, args.batch, &mut Platforms::new(plugins.hardware.clone()))?;
    let model = cost_model(args.bundle.as_deref(), &plugins)?;
    let import = args.import.with(&plugins);
    let options = PredictOptions { coverage: args.interval, per_node: false };
    let engine = Engine { model: &model, import: &import, options, console };
    let mut rows = Vec::with_capacity(jobs.len());
    let summary = engine.answer(&jobs, |row| {
        rows.push(row);
        Ok(())
    })?;
    for error in &summary.errors {
        console.error(error);
    }
    let compared = compare(rows);
    match args.format {
        RowFormat::Json => {
            for row in &compared {
                writeln!(out, "{}", serde_json::to_string(row)?)?;
            }
        }
        RowFormat::Csv => {
            write_csv(out, &COLUMNS)?;
            for row in &compared {
                write_csv(out, &row.cells())?;
            }
        }
        RowFormat::Table if summary.failed < jobs.len() => write_text(&compared, args.interval, out)?,
        RowFormat::Table => {}
    }
    Ok(Outcome::of(summary.failed, jobs.len()))
}

/// Sorts rows, fastest first, failures last in the order asked for, and relates them to the fastest.
fn compare(mut rows: Vec<Row>) -> Vec<Compared> {
    // Stable, so that equal latencies keep the order asked for.
    rows.sort_by(|a, b| a.latency_s.unwrap_or(f64::INFINITY).total_cmp(&b.latency_s.unwrap_or(f64::INFINITY)));
    let fastest = rows.first().and_then(|row| row.latency_s.zip(row.hi_s));
    let place = |row: Row| Compared {
        relative: row.latency_s.zip(fastest).map(|(latency, (best, _))| latency / best),
        overlaps_fastest: row.lo_s.zip(fastest).map(|(lo, (_, best_hi))| lo <= best_hi),
        measured: row.error.is_none().then_some(row.measured),
        measured_as_run: row.measured_as_run,
        note: row.unmeasured_note(),
        graph: row.graph,
        hardware: row.hardware,
        platform: row.platform,
        batch: row.batch,
        latency_s: row.latency_s,
        lo_s: row.lo_s,
        hi_s: row.hi_s,
        known: row.known,
        error: row.error,
    };
    rows.into_iter().map(place).collect()
}

impl Compared {
    fn cells(&self) -> [String; 12] {
        fn cell<T: ToString>(x: Option<&T>) -> String {
            x.map(T::to_string).unwrap_or_default()
        }
        [
            self.graph.clone(),
            self.hardware.clone(),
            cell(self.platform.as_ref()),
            cell(self.batch.as_ref()),
            cell(self.latency_s.as_ref()),
            cell(self.lo_s.as_ref()),
            cell(self.hi_s.as_ref()),
            cell(self.relative.as_ref()),
            cell(self.overlaps_fastest.as_ref()),
            cell(self.known.as_ref()),
            cell(self.measured.as_ref()),
            cell(self.error.as_ref()),
        ]
    }
}

/// The precision in a platform's full name, `device:precision/layout/compiler/…`.
fn precision(platform: &str) -> Option<&str> {
    platform.split_once(':')?.1.split('/').next()
}

/// The compiler in a platform's full name, which tells engines apart.
fn compiler(platform: &str) -> Option<&str> {
    platform.split_once(':')?.1.split('/').nth(2)
}

/// Names of hardware by what is said of their platforms, in order: `amp on rtx3090; fp32 on t4, v100`; nothing if all have the same.
fn differing(rows: &[Compared], of: fn(&str) -> Option<&str>) -> Option<String> {
    let mut by: IndexMap<&str, Vec<&str>> = IndexMap::new();
    for row in rows {
        if let Some(said) = row.platform.as_deref().and_then(of) {
            by.entry(said).or_default().push(&row.hardware);
        }
    }
    let named: Vec<String> = by.iter().map(|(said, on)| format!("{said} on {}", on.join(", "))).collect();
    (by.len() > 1).then(|| named.join("; "))
}

fn write_text(rows: &[Compared], coverage: f64, out: &mut dyn Write) -> anyhow::Result<()> {
    let interval = format!(">interval ({})", units::share(coverage + 1e-9));
    let mut table = TextTable::new(&["hardware", ">latency", &interval, ">relative", ">known", "measured"]);
    let dash = || "-".to_owned();
    for row in rows {
        let span = row.lo_s.zip(row.hi_s).map(|(lo, hi)| units::duration_span(lo, hi));
        table.row(&[
            row.hardware.clone(),
            row.latency_s.map_or_else(|| "failed".to_owned(), units::duration),
            span.unwrap_or_else(dash),
            row.relative.map_or_else(dash, |x| format!("{x:.2}x")),
            row.known.map_or_else(dash, units::share),
            row.measured.map_or_else(dash, |measured| {
                let how = match (measured, row.measured_as_run) {
                    (true, true) => "yes",
                    (true, false) => "in other ways",
                    (false, _) => "no",
                };
                how.to_owned()
            }),
        ]);
    }
    if let Some((graph, batch)) = rows.iter().find_map(|r| Some((&r.graph, r.batch?))) {
        writeln!(out, "{graph}, batch {batch}\n")?;
    }
    writeln!(out, "{table}")?;
    let answered = rows.iter().filter_map(|r| {
        let (latency_s, lo_s, hi_s) = (r.latency_s?, r.lo_s?, r.hi_s?);
        Some(Bar { label: &r.hardware, latency_s, lo_s, hi_s })
    });
    write!(out, "{}", bars::chart(&answered.collect::<Vec<_>>(), bars::terminal_columns()))?;
    let close = rows.iter().skip(1).filter(|r| r.overlaps_fastest == Some(true)).count();
    if close > 0 {
        writeln!(out, "\n{close} more could be the fastest: the intervals overlap.")?;
    }
    let mut named = rows.iter().filter(|r| r.platform.as_ref().is_some_and(|p| *p != r.hardware)).peekable();
    if named.peek().is_some() {
        writeln!(out)?;
    }
    for row in named {
        writeln!(out, "{} is {}", row.hardware, row.platform.as_deref().unwrap_or_default())?;
    }
    if let Some(named) = differing(rows, precision) {
        writeln!(out, "Precisions differ ({named}): `DEVICE:PRECISION` asks for one")?;
    }
    if let Some(named) = differing(rows, compiler) {
        writeln!(out, "Runtimes differ ({named}): `ledg-cost hardware show DEVICE` lists what can be asked for")?;
    }
    for note in rows.iter().filter_map(|row| row.note.as_ref()) {
        writeln!(out, "{note}")?;
    }
    Ok(())
}
