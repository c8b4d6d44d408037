//! Jobs to rows: each graph is read and prepared once, all its jobs are answered together, rows keep the jobs' order.
//!
//! **Invariant:** a job that fails costs its own row only.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};
use indexmap::{IndexMap, IndexSet};
use ledg_cost_model::{BatchScaling, CostModel, Estimate, Platform, PredictOptions, PreparedGraph};

use super::nodes::node_rows;
use super::rows::Row;
use crate::args::ImportArgs;
use crate::console::{Console, message};
use crate::model_file::Model;
use ledg_cost_model::text::tally;
use ledg_cost_model::text::units;

/// Queries that are answered together: enough to share the graph's part, few enough to bound memory.
const TOGETHER: usize = 256;
/// Jobs that are grouped by their graph: rows that wait for others before them are held in memory.
const WINDOW: usize = 1 << 16;
/// The same where each row has all its nodes.
const WINDOW_PER_NODE: usize = 128;

/// One question.
pub struct Job {
    /// The graph as it was asked for.
    pub graph: String,
    /// The hardware as it was asked for.
    pub hardware: String,
    /// Batch size; `None`: the graph's own.
    pub batch: Option<u64>,
    /// What to ask, or why it cannot be asked.
    pub ask: Result<Ask, String>,
}

/// What a job refers to.
pub struct Ask {
    /// The model's file.
    pub path: PathBuf,
    /// Where it is to run.
    pub platform: Arc<Platform>,
}

/// How it went.
#[derive(Default)]
pub struct Summary {
    /// Rows that failed.
    pub failed: usize,
    /// Their distinct errors, in order.
    pub errors: IndexSet<String>,
}

/// Answers jobs.
pub struct Engine<'a> {
    /// The cost model.
    pub model: &'a CostModel,
    /// How to read models.
    pub import: &'a ImportArgs,
    /// What to predict.
    pub options: PredictOptions,
    /// Where warnings go.
    pub console: &'a Console,
}

/// A model that was read.
pub(crate) struct Readied {
    /// Its graph.
    pub graph: PreparedGraph,
    /// Which shapes in its file its operators contradict.
    pub contradictions: Option<String>,
}

impl Engine<'_> {
    /// Answers all jobs; `emit` gets the rows in the jobs' order, each as soon as those before it are answered.
    ///
    /// Jobs of the same graph are answered together if they are in the same window, so that memory stays bounded in
    /// whatever order they come.
    pub fn answer(&self, jobs: &[Job], mut emit: impl FnMut(Row) -> anyhow::Result<()>) -> anyhow::Result<Summary> {
        let mut summary = Summary::default();
        let mut emit = |row: Row| {
            if let Some(error) = &row.error {
                summary.failed += 1;
                summary.errors.insert(error.clone());
            }
            emit(row)?;
            self.console.step();
            Ok(())
        };
        for window in jobs.chunks(if self.options.per_node { WINDOW_PER_NODE } else { WINDOW }) {
            self.answer_window(window, &mut emit)?;
        }
        Ok(summary)
    }

    fn answer_window(&self, jobs: &[Job], emit: &mut dyn FnMut(Row) -> anyhow::Result<()>) -> anyhow::Result<()> {
        // A plan is made for one batch size, so each has its own.
        let planned = self.import.via.is_some();
        let mut groups: IndexMap<(&Path, Option<u64>), Vec<usize>> = IndexMap::new();
        let mut rows: Vec<Option<Row>> = Vec::with_capacity(jobs.len());
        for (i, job) in jobs.iter().enumerate() {
            rows.push(match &job.ask {
                Ok(ask) => {
                    groups.entry((&ask.path, job.batch.filter(|_| planned))).or_default().push(i);
                    None
                }
                Err(why) => Some(Row::failed(job, why.clone())),
            });
        }
        let mut next = 0;
        let mut emit_ready = |rows: &mut Vec<Option<Row>>| -> anyhow::Result<()> {
            while let Some(row) = rows.get_mut(next).and_then(Option::take) {
                emit(row)?;
                next += 1;
            }
            Ok(())
        };
        emit_ready(&mut rows)?;
        for ((path, batch), places) in groups {
            let asked: Vec<&Job> = places.iter().map(|&i| &jobs[i]).collect();
            for (&i, row) in places.iter().zip(self.answer_graph(path, batch, &asked)) {
                rows[i] = Some(row);
            }
            emit_ready(&mut rows)?;
        }
        Ok(())
    }

    /// Answers the jobs of one graph; a plan is made for `batch`.
    fn answer_graph(&self, path: &Path, batch: Option<u64>, jobs: &[&Job]) -> Vec<Row> {
        let prepared = match self.prepare(path, batch, &jobs[0].graph) {
            Ok(readied) => readied.graph,
            Err(error) => {
                let why = message(&error);
                return jobs.iter().map(|job| Row::failed(job, why.clone())).collect();
            }
        };
        let mut rows = Vec::with_capacity(jobs.len());
        for jobs in jobs.chunks(TOGETHER) {
            let own = prepared.described().batch;
            let on: Vec<(Platform, u64)> = jobs
                .iter()
                .filter_map(|job| Some((job.ask.as_ref().ok()?.platform.as_ref().clone(), job.batch.unwrap_or(own))))
                .collect();
            match self.model.predict(&prepared, &on, &self.options) {
                Ok(estimates) => {
                    rows.extend(
                        jobs.iter().zip(on).zip(estimates).map(|((job, on), e)| self.row(job, &on, &prepared, e)),
                    );
                }
                // One query that cannot be answered fails the call, so each is asked alone.
                Err(_) => rows.extend(jobs.iter().zip(on).map(|(job, on)| self.answer_one(job, on, &prepared))),
            }
        }
        let own = prepared.described().batch;
        let meaning = match &prepared.described().scaling {
            BatchScaling::Followed => None,
            BatchScaling::Proportional { why } => {
                Some(("its work is taken to be in proportion to the batch".to_owned(), why))
            }
            // A plan was made for the batch that was asked for.
            BatchScaling::Fixed { .. } if self.import.via.is_some() => None,
            BatchScaling::Fixed { why } => Some((format!("batch {own} is the model as it is"), why)),
        };
        if let Some((meaning, why)) = meaning {
            let label = &jobs[0].graph;
            self.console.warn(&format!("{label}: its batch dimension cannot be followed, so that {meaning}: {why}"));
        }
        self.warn_of_unknown(&prepared, &rows);
        rows
    }

    fn answer_one(&self, job: &Job, on: (Platform, u64), prepared: &PreparedGraph) -> Row {
        match self.model.predict(prepared, std::slice::from_ref(&on), &self.options) {
            Ok(mut estimates) if estimates.len() == 1 => self.row(job, &on, prepared, estimates.remove(0)),
            Ok(_) => Row::failed(job, format!("{}: the model gave no answer", job.graph)),
            Err(error) => {
                let why = message(&error.into());
                // The model names graphs by what they call themselves, which for JSON is not the file.
                Row::failed(job, if why.contains(&job.graph) { why } else { format!("{}: {why}", job.graph) })
            }
        }
    }

    fn row(&self, job: &Job, (platform, batch): &(Platform, u64), prepared: &PreparedGraph, estimate: Estimate) -> Row {
        Row {
            graph: job.graph.clone(),
            hardware: job.hardware.clone(),
            batch: Some(*batch),
            latency_s: Some(estimate.latency_s),
            lo_s: Some(estimate.lo_s),
            hi_s: Some(estimate.hi_s),
            known: Some(estimate.known),
            error: None,
            nodes: self.options.per_node.then(|| node_rows(prepared.described(), &estimate)),
            platform: Some(platform.to_string()),
            measured: estimate.measured,
            measured_as_run: estimate.measured_as_run,
            calibrated: estimate.calibrated,
        }
    }

    /// Reads a model and readies it; operators that no template covers are refused unless they may be reported.
    pub(crate) fn prepare(&self, path: &Path, batch: Option<u64>, label: &str) -> anyhow::Result<Readied> {
        let model = Model::read(path, self.import, batch)?;
        model.report_contradictions(label, self.console);
        model.report_unknown(label, self.console);
        let prepared = self.model.prepare(model.graph()).with_context(|| path.display().to_string())?;
        let unknown = prepared.described().nodes.iter().find(|n| !n.known);
        if let (Some(node), false) = (unknown, self.import.reports_unknown()) {
            let what = if node.shape_known { "no template covers it" } else { "the shape of its output is not known" };
            let file = path.display();
            bail!(
                "{file}: node `{}` ({}): {what}; `--unknown report` estimates it by the sizes of its tensors",
                node.name,
                node.op
            );
        }
        Ok(Readied { graph: prepared, contradictions: model.contradictions() })
    }

    fn warn_of_unknown(&self, prepared: &PreparedGraph, rows: &[Row]) {
        let unknown: Vec<String> =
            prepared.described().nodes.iter().filter(|n| !n.known).map(|n| n.op.to_string()).collect();
        let least = rows.iter().filter_map(|r| r.known).min_by(f64::total_cmp);
        if let (false, Some(known)) = (unknown.is_empty(), least) {
            let message = format!(
                "{}: the model does not know {} of {} nodes ({}); {} of the estimate comes from nodes it knows, and how far \
                 off it may be on the others, the interval does not say",
                rows[0].graph,
                unknown.len(),
                prepared.described().nodes.len(),
                tally(unknown.iter().cloned()),
                units::share(known),
            );
            self.console.warn(&message);
        }
    }
}
