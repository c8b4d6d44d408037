//! Predictions in batches, into columns.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use ledg_cost_model::{Estimate, Platform, PredictOptions, PreparedGraph};

use crate::cancel::ledg_cancel;
use crate::error::ledg_error;
use crate::graph::{ledg_graph, nothing_to_cost};
use crate::guard;
use crate::hardware::ledg_hw;
use crate::log::{LEDG_LOG_WARN, say};
use crate::model::ledg_model;
use crate::pointers::{
    bits, bounded, check, check_column, growing, handle, one_or_each, room, sized, sized_or_default, slice,
};
use crate::status::{
    Failure, LEDG_E_INTERNAL, LEDG_E_INTERVAL, LEDG_E_LIMIT, LEDG_E_UNKNOWN_OP, LEDG_OK, Result, fail, ledg_status,
};

/// In `ledg_predict_opts.flags`: estimate operators that no template covers by the sizes of their tensors, and report them in the
/// column `known`, instead of refusing the graph.
pub const LEDG_PREDICT_UNKNOWN: u32 = 1 << 0;

/// In the column `evidence`: the model's training data measured the device. If not in that precision and by that engine, the interval
/// is as wide as on a device that it never measured.
pub const LEDG_EVIDENCE_TRAINING: u8 = 1 << 0;
/// In the column `evidence`: the model was calibrated to records of the platform.
pub const LEDG_EVIDENCE_CALIBRATION: u8 = 1 << 1;

/// Most rows of a batch.
pub(crate) const MAX_ROWS: usize = 1 << 24;
/// Most threads of a call.
const MAX_THREADS: u32 = 1024;
/// Rows of a graph that are answered together: between two looks at the cancellation flag.
const TOGETHER: usize = 64;

/// The questions of a batch: `n` rows, each a graph on a platform at a batch size. Set `struct_size`, zero the rest.
#[allow(non_camel_case_types)]
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ledg_batch {
    /// `sizeof(ledg_batch)`.
    pub struct_size: usize,
    /// Number of rows, at most 16,777,216.
    pub n: usize,
    /// One graph for all rows, or one for each. The same graph in many rows is worked out once.
    pub graphs: *const *const ledg_graph,
    /// 1 or `n`.
    pub n_graphs: usize,
    /// One platform for all rows, or one for each.
    pub hw: *const *const ledg_hw,
    /// 1 or `n`.
    pub n_hw: usize,
    /// One batch size for all rows, or one for each, at least 1; NULL for each graph's own.
    pub batch_sizes: *const u64,
    /// 0, 1 or `n`.
    pub n_batch_sizes: usize,
}
growing!(ledg_batch, n_batch_sizes);

/// How to predict. Set `struct_size`, zero the rest; zero is the default of every field.
#[allow(non_camel_case_types)]
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ledg_predict_opts {
    /// `sizeof(ledg_predict_opts)`.
    pub struct_size: usize,
    /// Coverage of the interval, strictly between 0 and 1; 0 means 0.9.
    pub coverage: f64,
    /// Threads that share the rows' graphs, at most 1024; 0 means 1. They are started for the call and end with it; the
    /// results do not depend on their number.
    pub threads: u32,
    /// `LEDG_PREDICT_*`.
    pub flags: u32,
    /// Ends the call early when set; may be NULL.
    pub cancel: *const ledg_cancel,
}
growing!(ledg_predict_opts, cancel);

/// Where the answers go: each column is NULL, for not wanted, or has room for `len` elements. Set `struct_size`, zero the rest.
#[allow(non_camel_case_types)]
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ledg_columns {
    /// `sizeof(ledg_columns)`.
    pub struct_size: usize,
    /// Elements that every column has room for, at least `n` of the batch.
    pub len: usize,
    /// Expected latency of one execution of the whole batch, seconds.
    pub latency_s: *mut f64,
    /// Lower end of the interval, seconds.
    pub lo_s: *mut f64,
    /// Upper end of the interval, seconds.
    pub hi_s: *mut f64,
    /// Share of the estimate that comes from operators that a template covers, 0 to 1.
    pub known: *mut f64,
    /// How much the models of the ensemble disagree: standard deviation of their ln latencies.
    pub spread: *mut f64,
    /// What the estimate rests on besides the data sheet: `LEDG_EVIDENCE_*`; 0 for a row that failed.
    pub evidence: *mut u8,
    /// How each row went. A row that failed has NaN in the columns of numbers.
    pub status: *mut ledg_status,
}
growing!(ledg_columns, status);

impl ledg_columns {
    /// Refuses columns that cannot take `n` rows.
    pub(crate) fn check(&self, n: usize) -> Result<()> {
        room(self.len, n, "columns.len")?;
        let numbers = [
            ("columns.latency_s", self.latency_s),
            ("columns.lo_s", self.lo_s),
            ("columns.hi_s", self.hi_s),
            ("columns.known", self.known),
            ("columns.spread", self.spread),
        ];
        for (what, column) in numbers {
            check_column(column, what)?;
        }
        check_column(self.status, "columns.status")
    }

    /// # Safety
    /// Every column is NULL or has room for the row.
    pub(crate) unsafe fn write(&self, row: usize, answer: &Result<Estimate>) {
        let number = |column: *mut f64, get: fn(&Estimate) -> f64| {
            if !column.is_null() {
                // SAFETY: the caller's promise is ours.
                unsafe { column.add(row).write(answer.as_ref().map_or(f64::NAN, get)) };
            }
        };
        number(self.latency_s, |e| e.latency_s);
        number(self.lo_s, |e| e.lo_s);
        number(self.hi_s, |e| e.hi_s);
        number(self.known, |e| e.known);
        number(self.spread, |e| e.spread);
        if !self.evidence.is_null() {
            let bit = |set: bool, bit: u8| if set { bit } else { 0 };
            let evidence = answer
                .as_ref()
                .map_or(0, |e| bit(e.measured, LEDG_EVIDENCE_TRAINING) | bit(e.calibrated, LEDG_EVIDENCE_CALIBRATION));
            // SAFETY: as above.
            unsafe { self.evidence.add(row).write(evidence) };
        }
        if !self.status.is_null() {
            // SAFETY: as above.
            unsafe { self.status.add(row).write(answer.as_ref().map_or_else(|f| f.code, |_| LEDG_OK)) };
        }
    }
}

/// One row.
pub(crate) struct Question<'a> {
    pub(crate) graph: &'a ledg_graph,
    pub(crate) hw: &'a ledg_hw,
    /// `None`: the graph's own.
    pub(crate) batch: Option<u64>,
}

/// How to answer.
pub(crate) struct Manner<'a> {
    pub(crate) options: PredictOptions,
    pub(crate) unknown: bool,
    pub(crate) threads: usize,
    pub(crate) cancel: Option<&'a ledg_cancel>,
}

impl ledg_predict_opts {
    /// # Safety
    /// The header's contract of handles.
    pub(crate) unsafe fn manner<'a>(&self, per_node: bool) -> Result<Manner<'a>> {
        let coverage = if self.coverage == 0.0 { 0.9 } else { self.coverage };
        if !(coverage > 0.0 && coverage < 1.0) {
            return fail(
                LEDG_E_INTERVAL,
                format!("`opts.coverage` is {coverage}, it must lie strictly between 0 and 1"),
            );
        }
        if self.threads > MAX_THREADS {
            return fail(
                LEDG_E_LIMIT,
                format!("`opts.threads` is {}, at most {MAX_THREADS} can be asked for", self.threads),
            );
        }
        bits(self.flags, LEDG_PREDICT_UNKNOWN, "opts.flags")?;
        let cancel = match self.cancel.is_null() {
            true => None,
            // SAFETY: the caller's promise is ours.
            false => Some(unsafe { handle(self.cancel, "opts.cancel")? }),
        };
        Ok(Manner {
            options: PredictOptions { coverage, per_node },
            unknown: self.flags & LEDG_PREDICT_UNKNOWN != 0,
            threads: self.threads.max(1) as usize,
            cancel,
        })
    }
}

impl ledg_batch {
    /// # Safety
    /// The header's contract of slices and handles.
    unsafe fn questions<'a>(&self) -> Result<Vec<Question<'a>>> {
        let n = self.n;
        bounded(n, MAX_ROWS, "batch.n")?;
        one_or_each(self.n_graphs, n, false, "batch.n_graphs")?;
        one_or_each(self.n_hw, n, false, "batch.n_hw")?;
        one_or_each(self.n_batch_sizes, n, true, "batch.n_batch_sizes")?;
        if n == 0 {
            return Ok(Vec::new());
        }
        // SAFETY: the caller's promise is ours.
        let (graphs, hw, sizes) = unsafe {
            (
                slice(self.graphs, self.n_graphs, "batch.graphs")?,
                slice(self.hw, self.n_hw, "batch.hw")?,
                slice(self.batch_sizes, self.n_batch_sizes, "batch.batch_sizes")?,
            )
        };
        let at = |len: usize, row: usize| if len == 1 { 0 } else { row };
        let question = |row: usize| {
            // SAFETY: as above.
            let (graph, hw) = unsafe {
                (handle(graphs[at(graphs.len(), row)], "batch.graphs")?, handle(hw[at(hw.len(), row)], "batch.hw")?)
            };
            let batch = if sizes.is_empty() { None } else { Some(sizes[at(sizes.len(), row)]) };
            Ok(Question { graph, hw, batch })
        };
        (0..n).map(question).collect()
    }
}

/// Answers questions, in order. Rows of the same graph share its preparation.
pub(crate) fn answer(model: &ledg_model, questions: &[Question], manner: &Manner) -> Result<Vec<Result<Estimate>>> {
    let mut groups: Vec<Vec<usize>> = Vec::new();
    let mut of_graph: HashMap<*const ledg_graph, usize> = HashMap::new();
    for (row, question) in questions.iter().enumerate() {
        let group = *of_graph.entry(std::ptr::from_ref(question.graph)).or_insert_with(|| {
            groups.push(Vec::new());
            groups.len() - 1
        });
        groups[group].push(row);
    }
    let parts: Vec<&[usize]> = groups.iter().flat_map(|rows| rows.chunks(TOGETHER)).collect();
    let next = AtomicUsize::new(0);
    let work = || -> Result<Vec<(usize, Result<Estimate>)>> {
        let mut done = Vec::new();
        while let Some(rows) = parts.get(next.fetch_add(1, Ordering::Relaxed)) {
            if let Some(cancel) = manner.cancel {
                cancel.check()?;
            }
            done.extend(rows.iter().copied().zip(answer_part(model, questions, rows, manner)));
        }
        Ok(done)
    };
    let mut answers: Vec<Option<Result<Estimate>>> = questions.iter().map(|_| None).collect();
    let mut place = |done: Vec<(usize, Result<Estimate>)>| done.into_iter().for_each(|(row, a)| answers[row] = Some(a));
    let threads = manner.threads.min(parts.len());
    if threads <= 1 {
        place(work()?);
    } else {
        std::thread::scope(|scope| -> Result<()> {
            let started: Vec<_> = (1..threads)
                .map(|_| std::thread::Builder::new().name("ledg".into()).spawn_scoped(scope, work))
                .collect();
            place(work()?);
            // A thread that the system refuses is no error: the others do its part.
            for thread in started.into_iter().flatten() {
                match thread.join() {
                    Ok(done) => place(done?),
                    Err(payload) => std::panic::resume_unwind(payload),
                }
            }
            Ok(())
        })?;
    }
    let missing = || Failure { code: LEDG_E_INTERNAL, message: "a row was left out".into() };
    Ok(answers.into_iter().map(|a| a.unwrap_or_else(|| Err(missing()))).collect())
}

/// Answers rows of one graph.
fn answer_part(model: &ledg_model, questions: &[Question], rows: &[usize], manner: &Manner) -> Vec<Result<Estimate>> {
    let graph = questions[rows[0]].graph;
    let prepared = match prepare(model, graph, manner.unknown) {
        Ok(prepared) => prepared,
        Err(failure) => {
            return rows.iter().map(|_| Err(failure.again())).collect();
        }
    };
    let own = prepared.described().batch;
    let on: Vec<(Platform, u64)> = rows
        .iter()
        .map(|&row| (Platform::clone(&questions[row].hw.platform), questions[row].batch.unwrap_or(own)))
        .collect();
    match model.model.predict(&prepared, &on, &manner.options) {
        Ok(estimates) => estimates.into_iter().map(Ok).collect(),
        // One question that cannot be answered fails them all, so each is asked alone.
        Err(_) => {
            on.chunks(1).map(|one| Ok(model.model.predict(&prepared, one, &manner.options)?.swap_remove(0))).collect()
        }
    }
}

/// The graph as the model takes it, if the model may answer for it.
pub(crate) fn prepare(model: &ledg_model, graph: &ledg_graph, unknown: bool) -> Result<std::sync::Arc<PreparedGraph>> {
    let prepared = graph.prepared(model)?;
    let nodes = &prepared.described().nodes;
    if nodes.is_empty() {
        return Err(nothing_to_cost(graph));
    }
    if let (Some(node), false) = (nodes.iter().find(|n| !n.known), unknown) {
        let why = if node.shape_known { "no template covers it" } else { "the shape of its output is not known" };
        return Err(unknown_operator(graph.graph.name(), &format!("node `{}` ({}): {why}", node.name, node.op)));
    }
    Ok(prepared)
}

/// Predicts latencies. `opts` may be NULL.
///
/// A row that cannot be answered fails alone: the call returns `LEDG_OK`, the row's `status` says why not, its numbers are NaN,
/// and the log callback gets the message. When the call as a whole fails, which it does for arguments it cannot use and
/// when cancelled, no column is touched. The answers do not depend on what else is in the batch: a row has the bits that it
/// has alone.
///
/// Errors: of the call `LEDG_E_INTERVAL` for a coverage that is none, and `LEDG_E_CANCELLED`; of a row `LEDG_E_UNKNOWN_OP`,
/// `LEDG_E_GRAPH` and `LEDG_E_TEMPLATE` for what the model cannot describe or a batch size that cannot be, `LEDG_E_HARDWARE` for a
/// figure that the data sheet lacks, `LEDG_E_INTERVAL` for a coverage closer to 1 than the model's calibration reaches.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ledg_predict(
    model: *const ledg_model,
    batch: *const ledg_batch,
    opts: *const ledg_predict_opts,
    columns: *const ledg_columns,
    err: *mut *mut ledg_error,
) -> ledg_status {
    // SAFETY: the header's contract of handles, slices and structs.
    unsafe {
        guard::call(err, || {
            let model = handle(model, "model")?;
            let batch = sized(batch, "batch")?;
            let manner = sized_or_default(opts, "opts")?.manner(false)?;
            let columns = sized(columns, "columns")?;
            let questions = batch.questions()?;
            columns.check(questions.len())?;
            if let Some(cancel) = manner.cancel {
                cancel.check()?;
            }
            let answers = answer(model, &questions, &manner)?;
            for (row, answer) in answers.iter().enumerate() {
                columns.write(row, answer);
            }
            tell(&answers);
            Ok(())
        })
    }
}

/// Scores candidates: larger is better, -ln of the latency in seconds; NaN for a row that failed. `scores` has room for `len`
/// elements, at least as many as the batch has rows; `status` too, or is NULL. Else as `ledg_predict`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ledg_rank_scores(
    model: *const ledg_model,
    batch: *const ledg_batch,
    opts: *const ledg_predict_opts,
    scores: *mut f64,
    status: *mut ledg_status,
    len: usize,
    err: *mut *mut ledg_error,
) -> ledg_status {
    // SAFETY: the header's contract of handles, slices and structs.
    unsafe {
        guard::call(err, || {
            let model = handle(model, "model")?;
            let batch = sized(batch, "batch")?;
            let manner = sized_or_default(opts, "opts")?.manner(false)?;
            let questions = batch.questions()?;
            if !questions.is_empty() {
                check(scores, "scores")?;
            }
            check_column(status, "status")?;
            room(len, questions.len(), "len")?;
            let answers = answer(model, &questions, &manner)?;
            for (row, answer) in answers.iter().enumerate() {
                scores.add(row).write(answer.as_ref().map_or(f64::NAN, |e| -e.latency_s.ln()));
                if !status.is_null() {
                    status.add(row).write(answer.as_ref().map_or_else(|f| f.code, |_| LEDG_OK));
                }
            }
            tell(&answers);
            Ok(())
        })
    }
}

/// A graph that the model may answer for only if the caller allows it.
pub(crate) fn unknown_operator(graph: &str, why: &str) -> Failure {
    let message = format!("graph `{graph}`: {why}; LEDG_PREDICT_UNKNOWN estimates it by the sizes of its tensors");
    Failure { code: LEDG_E_UNKNOWN_OP, message }
}

/// Tells the log which rows failed, and why.
pub(crate) fn tell(answers: &[Result<Estimate>]) {
    for (row, answer) in answers.iter().enumerate() {
        if let Err(failure) = answer {
            say(LEDG_LOG_WARN, || format!("row {row}: {}", failure.message));
        }
    }
}
