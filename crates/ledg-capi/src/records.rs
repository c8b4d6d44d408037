//! Measured records, and calibration to them.

use std::path::Path;
use std::sync::Arc;

use ledg_cost_model::{MAX_RUNS, Outcome, Records};

use crate::error::ledg_error;
use crate::graph::{MOST_NODES, ledg_graph, limits};
use crate::guard;
use crate::hardware::{ledg_hw, ledg_registry, or_builtin};
use crate::log::{LEDG_LOG_INFO, say};
use crate::model::ledg_model;
use crate::pointers::{free, handle, handle_mut, list, make};
use crate::status::ledg_status;
use crate::text::{MAX_TEXT, ledg_str};

/// Measured records: what graphs took on platforms. For one thread at a time.
#[allow(non_camel_case_types)]
pub struct ledg_records {
    records: Records,
}

/// Makes an empty list of records. The caller owns `*out`; free it with `ledg_records_free`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ledg_records_new(out: *mut *mut ledg_records, err: *mut *mut ledg_error) -> ledg_status {
    // SAFETY: the header's contract of outputs.
    unsafe { make(out, err, || Ok(ledg_records { records: Records::new() })) }
}

/// Adds a measurement: the seconds of `n_runs` executions of the whole batch, at most 1,048,576, each a finite number above
/// zero. `batch` is at least 1. Graph and platform may be freed afterwards.
///
/// Errors: `LEDG_E_RECORDS` for a batch size or seconds that cannot be.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ledg_records_push(
    records: *mut ledg_records,
    graph: *const ledg_graph,
    hw: *const ledg_hw,
    batch: u64,
    runs_s: *const f64,
    n_runs: usize,
    err: *mut *mut ledg_error,
) -> ledg_status {
    // SAFETY: the header's contract of handles and slices.
    unsafe {
        guard::call(err, || {
            let records = handle_mut(records, "records")?;
            let (graph, hw) = (handle(graph, "graph")?, handle(hw, "hw")?);
            let runs = list(runs_s, n_runs, MAX_RUNS, "runs_s")?.to_vec();
            Ok(records.records.push(&graph.graph, &hw.platform, batch, Outcome::Runs(runs))?)
        })
    }
}

/// Adds a measurement that failed, with the reason. It counts for nothing in calibration and keeps the fact.
///
/// Errors: `LEDG_E_RECORDS` for a batch size that cannot be.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ledg_records_push_failed(
    records: *mut ledg_records,
    graph: *const ledg_graph,
    hw: *const ledg_hw,
    batch: u64,
    why: ledg_str,
    err: *mut *mut ledg_error,
) -> ledg_status {
    // SAFETY: the header's contract of handles and strings.
    unsafe {
        guard::call(err, || {
            let records = handle_mut(records, "records")?;
            let (graph, hw) = (handle(graph, "graph")?, handle(hw, "hw")?);
            let why = why.get("why", MAX_TEXT)?.to_owned();
            Ok(records.records.push(&graph.graph, &hw.platform, batch, Outcome::Failed(why))?)
        })
    }
}

/// Number of records, failed ones counted; 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ledg_records_count(records: *const ledg_records) -> usize {
    // SAFETY: NULL or live records, by the contract of handles.
    guard::value(0, || unsafe { records.as_ref() }.map_or(0, |r| r.records.len()))
}

/// Reads records from a file of JSON lines. Hardware is found in `registry`; NULL means the built-in hardware. The caller owns
/// `*out`; free it with `ledg_records_free`.
///
/// Errors: `LEDG_E_IO`, `LEDG_E_RECORDS` if it is malformed or names hardware that is not known.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ledg_records_load(
    path: ledg_str,
    registry: *const ledg_registry,
    out: *mut *mut ledg_records,
    err: *mut *mut ledg_error,
) -> ledg_status {
    // SAFETY: the header's contract of handles and strings.
    unsafe {
        make(out, err, || {
            let registry = or_builtin(registry)?;
            let records =
                Records::load(Path::new(path.name_or_empty("path")?), &registry, limits(MOST_NODES, MOST_NODES)?)?;
            Ok(ledg_records { records })
        })
    }
}

/// Writes records to a file of JSON lines. The file appears complete or not at all.
///
/// Errors: `LEDG_E_IO`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ledg_records_save(
    records: *const ledg_records,
    path: ledg_str,
    err: *mut *mut ledg_error,
) -> ledg_status {
    // SAFETY: the header's contract of handles and strings.
    unsafe {
        guard::call(err, || Ok(handle(records, "records")?.records.save(Path::new(path.name_or_empty("path")?))?))
    }
}

/// Frees records. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ledg_records_free(records: *mut ledg_records) {
    // SAFETY: NULL or records that this library made and the caller frees once, by the contract of handles.
    unsafe { free(records) }
}

/// Gives a new model that is calibrated to the records: for every platform measured robust factors, one of all its latencies and
/// one of each kind of operator, shrunk towards none where records are few, and, from six networks on, how much it is like each
/// platform that training measured, where cross-validation finds that to help. Where three networks or more have times of their
/// nodes, nodes are told from those in place of all that. Intervals come from the records where there are enough of them; queries
/// of a calibrated platform can take a few times longer. Platforms without records keep their predictions, and no records at all give the same model. Records of the
/// same graph, platform and batch that are further apart than a factor of 1.5 are refused. The caller owns `*out`; free it with
/// `ledg_model_free`; the given model stays as it is. Takes the time of a prediction for each record.
///
/// Errors: `LEDG_E_RECORDS`; what a row of `ledg_predict` can have, for a record that the model cannot answer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ledg_model_calibrate(
    model: *const ledg_model,
    records: *const ledg_records,
    out: *mut *mut ledg_model,
    err: *mut *mut ledg_error,
) -> ledg_status {
    // SAFETY: the header's contract of handles.
    unsafe {
        make(out, err, || {
            let (model, records) = (handle(model, "model")?, handle(records, "records")?);
            let calibrated = Arc::new(model.model.calibrate(&records.records)?);
            say(LEDG_LOG_INFO, || format!("model calibrated, records: {}", records.records.len()));
            Ok(ledg_model::new(calibrated, Arc::clone(&model.base)))
        })
    }
}
