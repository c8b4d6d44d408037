//! Schedule models: ranking an auto-scheduler's candidates, and learning from what it measured.

use std::path::Path;
use std::sync::Arc;

use ledg_cost_model::ranking::{ScheduleModel, ScheduleRecords, UpdateOptions};
use ledg_cost_model::schedule::Task;

use crate::error::ledg_error;
use crate::guard;
use crate::log::{LEDG_LOG_WARN, say};
use crate::pointers::{check, check_column, free, handle, list, make};
use crate::predict::MAX_ROWS;
use crate::status::{Failure, LEDG_OK, Result, ledg_status};
use crate::text::{MAX_LINES, MAX_TEXT, ledg_str, ledg_string};

/// A model that ranks schedules of one task. Immutable: any number of threads may use it at once. Updates give a new one.
/// A library whose models have `LEDG_CAP_SCHEDULES` has these functions. Since ABI 1.1.
#[allow(non_camel_case_types)]
pub struct ledg_schedule_model {
    model: Arc<ScheduleModel>,
}

/// Makes a model that has learned nothing: it refuses to score until `ledg_model_update` gave it something to learn from.
/// `seed` decides its initial weights. The caller owns `*out`; free it with `ledg_schedule_model_free`. Since ABI 1.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ledg_schedule_model_new(
    seed: u64,
    out: *mut *mut ledg_schedule_model,
    err: *mut *mut ledg_error,
) -> ledg_status {
    // SAFETY: the header's contract of `err`, and of `out` once it is checked.
    unsafe { make(out, err, || Ok(ledg_schedule_model { model: Arc::new(ScheduleModel::untrained(None, seed)?) })) }
}

/// Loads a schedule model from a file. A file that is damaged or was made for other sentences, numbers or another encoder is
/// refused. The caller owns `*out`; free it with `ledg_schedule_model_free`. Since ABI 1.1.
///
/// Errors: `LEDG_E_IO`, `LEDG_E_MODEL`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ledg_schedule_model_load(
    path: ledg_str,
    out: *mut *mut ledg_schedule_model,
    err: *mut *mut ledg_error,
) -> ledg_status {
    // SAFETY: the header's contract of strings; `out` is checked.
    unsafe {
        make(out, err, || {
            let model = ScheduleModel::load(Path::new(path.name_or_empty("path")?))?;
            Ok(ledg_schedule_model { model: Arc::new(model) })
        })
    }
}

/// Saves a schedule model, what it learned by updates included. The file appears complete or not at all. Since ABI 1.1.
///
/// Errors: `LEDG_E_IO`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ledg_schedule_model_save(
    model: *const ledg_schedule_model,
    path: ledg_str,
    err: *mut *mut ledg_error,
) -> ledg_status {
    // SAFETY: the header's contract of handles and strings.
    unsafe { guard::call(err, || Ok(handle(model, "model")?.model.save(Path::new(path.name_or_empty("path")?))?)) }
}

/// Number of measured candidates that a model has learned from, in pretraining and by its update; 0 for one that refuses to score,
/// and for NULL. Since ABI 1.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ledg_schedule_model_records(model: *const ledg_schedule_model) -> u64 {
    guard::value(0, || {
        // SAFETY: NULL or a live model, by the contract of handles.
        unsafe { model.as_ref() }.map_or(0, |m| {
            let provenance = &m.model.header().provenance;
            (provenance.records + provenance.updated_with) as u64
        })
    })
}

/// Frees a schedule model. NULL is fine. Since ABI 1.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ledg_schedule_model_free(model: *mut ledg_schedule_model) {
    // SAFETY: NULL or a model that this library made and the caller frees once, by the contract of handles.
    unsafe { free(model) }
}

/// Scores `n` candidates of one task, at most 16,777,216; larger is better; scores of different tasks do not compare. `task` is JSON (see
/// `plugins/tvm`), each of `traces` is a trace as TVM prints it. A candidate whose trace is none fails alone: its score is NaN and
/// its status, in `status` unless that is NULL, says why. `scores` has room for `n` numbers. Nothing is written if the call fails.
/// Since ABI 1.1.
///
/// Errors: of the call `LEDG_E_MODEL` for a model that has learned nothing, `LEDG_E_PARSE` for a task; of a candidate
/// `LEDG_E_PARSE`, `LEDG_E_UNKNOWN_OP` for a primitive that is not known, `LEDG_E_LIMIT`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ledg_schedule_score(
    model: *const ledg_schedule_model,
    task: ledg_str,
    traces: *const ledg_str,
    n: usize,
    scores: *mut f64,
    status: *mut ledg_status,
    err: *mut *mut ledg_error,
) -> ledg_status {
    // SAFETY: the header's contract of handles, strings and slices; the columns are checked and hold `n` elements.
    unsafe {
        guard::call(err, || {
            let model = handle(model, "model")?;
            let task = task_of(task)?;
            let traces = list(traces, n, MAX_ROWS, "traces")?;
            if n > 0 {
                check(scores, "scores")?;
                check_column(status, "status")?;
            }
            let texts = traces.iter().map(|t| t.get("traces", MAX_TEXT)).collect::<Result<Vec<_>>>()?;
            let results = model.model.score(&task, &texts)?;
            for (i, result) in results.into_iter().enumerate() {
                let (score, code) = match result {
                    Ok(score) => (score, LEDG_OK),
                    Err(error) => {
                        let failure = Failure::from(error);
                        say(LEDG_LOG_WARN, || format!("candidate {i}: {}", failure.message));
                        (f64::NAN, failure.code)
                    }
                };
                scores.add(i).write(score);
                if !status.is_null() {
                    status.add(i).write(code);
                }
            }
            Ok(())
        })
    }
}

/// Gives a candidate as a graph, as JSON: its nodes with sentences and numbers, and its edges. The caller owns `*out`; free it
/// with `ledg_string_free`. Since ABI 1.1.
///
/// Errors: `LEDG_E_PARSE`, `LEDG_E_UNKNOWN_OP` for a primitive that is not known.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ledg_schedule_graph(
    model: *const ledg_schedule_model,
    task: ledg_str,
    trace: ledg_str,
    out: *mut *mut ledg_string,
    err: *mut *mut ledg_error,
) -> ledg_status {
    // SAFETY: the header's contract of handles and strings; `out` is checked.
    unsafe {
        make(out, err, || {
            let model = handle(model, "model")?;
            let graph = model.model.graph(&task_of(task)?, trace.get("trace", MAX_TEXT)?)?;
            ledg_string::new(graph.to_json())
        })
    }
}

/// Gives a new model that has also learned from measured candidates: JSON lines (see `plugins/tvm`), failed ones included. Give the
/// records of all tasks so far together. No candidates give the same model; candidates of which no two differ are an error, and so
/// is a candidate whose trace cannot be read, which `ledg_schedule_score` tells. Takes seconds for some hundred candidates, on one
/// thread that ends with the call. The caller owns `*out`; free it with `ledg_schedule_model_free`; the given model stays as it
/// is. Since ABI 1.1.
///
/// Errors: `LEDG_E_RECORDS`, which names task and candidate.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ledg_model_update(
    model: *const ledg_schedule_model,
    records: ledg_str,
    out: *mut *mut ledg_schedule_model,
    err: *mut *mut ledg_error,
) -> ledg_status {
    // SAFETY: the header's contract of handles and strings; `out` is checked.
    unsafe {
        make(out, err, || {
            let model = handle(model, "model")?;
            let records = ScheduleRecords::from_jsonl(records.get("records", MAX_LINES)?, "(records)")?;
            let updated = model.model.update(&records, &UpdateOptions::default())?;
            Ok(ledg_schedule_model { model: Arc::new(updated) })
        })
    }
}

/// # Safety
/// As [`ledg_str::get`].
unsafe fn task_of(task: ledg_str) -> Result<Task> {
    // SAFETY: the caller's promise is ours.
    let text = unsafe { task.get("task", MAX_TEXT)? };
    Ok(Task::from_json(text).map_err(ledg_cost_model::CostModelError::from)?)
}
