//! Measured records, and calibration to them.

use std::path::Path;
use std::sync::Arc;

use ledg_cost_model::graph::Limits;
use ledg_cost_model::{Outcome, Records};

use crate::error::ledg_error;
use crate::graph::ledg_graph;
use crate::guard;
use crate::hardware::{ledg_hw, ledg_registry, or_builtin};
use crate::model::ledg_model;
use crate::pointers::{free, handle, handle_mut, make, slice};
use crate::status::ledg_status;
use crate::text::ledg_str;

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

/// Adds a measurement: the seconds of `n_runs` executions of the whole batch, each a finite number above zero. `batch` is at
/// least 1. Graph and platform may be freed afterwards.
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
            let runs = slice(runs_s, n_runs, "runs_s")?.to_vec();
            Ok(records.records.push(&graph.graph, &hw.platform, batch, Outcome::Runs(runs))?)
        })
    }
}

/// Adds a measurement that failed, with the reason. It counts for nothing in calibration and keeps the fact.
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
            let why = why.get("why")?.to_owned();
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
            let records = Records::load(Path::new(path.get("path")?), &registry, Limits::default())?;
            Ok(ledg_records { records })
        })
    }
}

/// Writes records to a file of JSON lines. The file appears complete or not at all.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ledg_records_save(
    records: *const ledg_records,
    path: ledg_str,
    err: *mut *mut ledg_error,
) -> ledg_status {
    // SAFETY: the header's contract of handles and strings.
    unsafe { guard::call(err, || Ok(handle(records, "records")?.records.save(Path::new(path.get("path")?))?)) }
}

/// Frees records. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ledg_records_free(records: *mut ledg_records) {
    // SAFETY: NULL or records that this library made and the caller frees once, by the contract of handles.
    unsafe { free(records) }
}

/// Gives a new model that is calibrated to the records: for every platform measured robust factors, one of all its latencies and
/// one of each kind of operator, shrunk towards none where records are few, and intervals from the records where there are
/// enough of them. Platforms without records keep their predictions, and no records at all give the same model. Records of the
/// same graph, platform and batch that are further apart than a factor of 1.5 are refused. The caller owns `*out`; free it with
/// `ledg_model_free`; the given model stays as it is. Takes the time of a prediction for each record.
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
            Ok(ledg_model::new(calibrated, Arc::clone(&model.base)))
        })
    }
}
