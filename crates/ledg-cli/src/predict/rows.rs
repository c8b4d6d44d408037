//! Rows of answers as JSON lines, CSV or a table.

use std::io::{self, Write};

use indexmap::{IndexMap, IndexSet};
use serde::Serialize;

use super::engine::Job;
use super::nodes::{NodeRow, node_table};
use crate::args::RowFormat;
use ledg_cost_model::text::TextTable;
use ledg_cost_model::text::units;

/// The columns of CSV, which are the keys of JSON.
const COLUMNS: [&str; 8] = ["graph", "hardware", "batch", "latency_s", "lo_s", "hi_s", "known", "error"];

/// An answer, or why there is none.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// The graph as it was asked for.
    pub graph: String,
    /// The hardware as it was asked for.
    pub hardware: String,
    /// Batch size; `None` only where the row failed before it was known.
    pub batch: Option<u64>,
    /// Expected latency of the whole batch, seconds.
    pub latency_s: Option<f64>,
    /// Lower end of the interval, seconds.
    pub lo_s: Option<f64>,
    /// Upper end of the interval, seconds.
    pub hi_s: Option<f64>,
    /// Share of the estimate that comes from operators the model knows.
    pub known: Option<f64>,
    /// Why there is no answer.
    pub error: Option<String>,
    /// Costs by node, if asked for, in the graph's order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nodes: Option<Vec<NodeRow>>,
    /// The full name of the platform that was meant.
    #[serde(skip)]
    pub platform: Option<String>,
    /// Whether the model's training data measured the device.
    #[serde(skip)]
    pub measured: bool,
    /// Whether it did so at that width of numbers and by that engine.
    #[serde(skip)]
    pub measured_as_run: bool,
    /// Whether the bundle was calibrated to records of the platform.
    #[serde(skip)]
    pub calibrated: bool,
}

impl Row {
    /// A job without an answer.
    pub fn failed(job: &Job, why: String) -> Row {
        Row {
            graph: job.graph.clone(),
            hardware: job.hardware.clone(),
            batch: job.batch,
            latency_s: None,
            lo_s: None,
            hi_s: None,
            known: None,
            error: Some(why),
            nodes: None,
            platform: None,
            measured: false,
            measured_as_run: false,
            calibrated: false,
        }
    }

    /// What the answer rests on, if training never measured the device, or not as it is asked for.
    pub fn unmeasured_note(&self) -> Option<String> {
        if self.error.is_some() || self.measured_as_run {
            return None;
        }
        let rests_on = if self.calibrated { "the records that the bundle was calibrated to" } else { "its data sheet" };
        let hardware = &self.hardware;
        Some(match self.measured {
            false => format!("{hardware} was never measured in training: its estimate rests on {rests_on}"),
            true if self.calibrated => return None,
            true => format!(
                "{hardware} was measured in training, but not in that precision by that engine: its interval is that of \
                 hardware never measured"
            ),
        })
    }

    fn csv_cells(&self) -> [String; 8] {
        let number = |x: Option<f64>| x.map(|x| x.to_string()).unwrap_or_default();
        [
            self.graph.clone(),
            self.hardware.clone(),
            self.batch.map(|n| n.to_string()).unwrap_or_default(),
            number(self.latency_s),
            number(self.lo_s),
            number(self.hi_s),
            number(self.known),
            self.error.clone().unwrap_or_default(),
        ]
    }
}

/// Writes rows: JSON and CSV as they come, a table when all are there.
pub struct RowWriter<'a> {
    format: RowFormat,
    coverage: f64,
    out: &'a mut dyn Write,
    rows: Vec<Row>,
}

impl<'a> RowWriter<'a> {
    /// Writes the header, if the format has one.
    pub fn new(format: RowFormat, coverage: f64, out: &'a mut dyn Write) -> anyhow::Result<Self> {
        write_header(format, out)?;
        Ok(RowWriter { format, coverage, out, rows: Vec::new() })
    }

    /// Takes a row.
    pub fn push(&mut self, row: Row) -> anyhow::Result<()> {
        match self.format {
            RowFormat::Table => self.rows.push(row),
            format => write_row(format, &row, self.out)?,
        }
        Ok(())
    }

    /// Writes what is left: the table, the full names of hardware, and a table of nodes a row.
    pub fn finish(self) -> anyhow::Result<()> {
        // Errors are on stderr; a table of nothing else would only repeat them.
        if self.rows.iter().all(|r| r.error.is_some()) {
            return Ok(());
        }
        let interval = format!(">interval ({})", units::share(self.coverage + 1e-9));
        let mut table = TextTable::new(&["graph", "hardware", ">batch", ">latency", &interval, ">known"]);
        let mut names: IndexMap<&str, &str> = IndexMap::new();
        for row in &self.rows {
            let dash = || "-".to_owned();
            let span = row.lo_s.zip(row.hi_s).map(|(lo, hi)| units::duration_span(lo, hi));
            table.row(&[
                row.graph.clone(),
                row.hardware.clone(),
                row.batch.map_or_else(dash, |n| n.to_string()),
                row.latency_s.map_or_else(|| "failed".to_owned(), units::duration),
                span.unwrap_or_else(dash),
                row.known.map_or_else(dash, units::share),
            ]);
            if let Some(platform) = row.platform.as_deref().filter(|p| *p != row.hardware) {
                names.insert(&row.hardware, platform);
            }
        }
        write!(self.out, "{table}")?;
        if !names.is_empty() {
            writeln!(self.out)?;
        }
        for (asked, meant) in names {
            writeln!(self.out, "{asked} is {meant}")?;
        }
        let notes: IndexSet<String> = self.rows.iter().filter_map(Row::unmeasured_note).collect();
        for note in notes {
            writeln!(self.out, "{note}")?;
        }
        for row in &self.rows {
            if let (Some(nodes), Some(batch)) = (&row.nodes, row.batch) {
                writeln!(self.out, "\n{} on {}, batch {batch}: {} nodes", row.graph, row.hardware, nodes.len())?;
                write!(self.out, "{}", node_table(nodes))?;
            }
        }
        Ok(())
    }
}

/// Writes what comes before the first row.
pub fn write_header(format: RowFormat, out: &mut dyn Write) -> anyhow::Result<()> {
    if format == RowFormat::Csv {
        write_csv(out, &COLUMNS)?;
    }
    Ok(())
}

/// Writes a row as a line of its own; a table has none.
pub fn write_row(format: RowFormat, row: &Row, out: &mut dyn Write) -> anyhow::Result<()> {
    match format {
        RowFormat::Json => writeln!(out, "{}", serde_json::to_string(row)?)?,
        RowFormat::Csv => write_csv(out, &row.csv_cells())?,
        RowFormat::Table => {}
    }
    Ok(())
}

/// Writes a record of CSV, through to whoever reads.
pub fn write_csv<S: AsRef<[u8]>>(out: &mut dyn Write, cells: &[S]) -> io::Result<()> {
    // A writer of its own for each record: rows come far apart, and each has to reach a reader that waits for it.
    let mut csv = csv::WriterBuilder::new().from_writer(out);
    csv.write_record(cells).map_err(io::Error::from)?;
    csv.flush()
}
