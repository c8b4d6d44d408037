//! Models.

use std::ffi::CString;
use std::path::Path;
use std::sync::Arc;

use ledg_cost_model::CostModel;
use ledg_cost_model::template::TemplateSet;

use crate::error::ledg_error;
use crate::guard;
use crate::hardware::ledg_registry;
use crate::log::{LEDG_LOG_INFO, say};
use crate::pointers::{check, free, growing, handle, list, make, struct_size, write_sized};
use crate::status::{Result, ledg_status};
use crate::text::ledg_str;

/// Most bytes of a bundle in memory.
const MAX_BUNDLE: usize = 1 << 31;

/// Capability: predictions of whole graphs.
pub const LEDG_CAP_PREDICT: u64 = 1 << 0;
/// Capability: costs by node. A model without a cost by node (another readout) does not have it.
pub const LEDG_CAP_NODES: u64 = 1 << 1;
/// Capability: calibration to measured records.
pub const LEDG_CAP_CALIBRATE: u64 = 1 << 2;
/// Capability: sessions that cost local edits of a graph, since ABI 1.1. A model with another readout than the default's does
/// not have it.
pub const LEDG_CAP_DELTA: u64 = 1 << 3;
/// Capability: training on records as they come, since ABI 1.1: `ledg_model_update`, of schedule models.
pub const LEDG_CAP_UPDATE: u64 = 1 << 4;
/// Capability: ranking schedules, since ABI 1.1. The library has the functions `ledg_schedule_*`, whatever the model.
pub const LEDG_CAP_SCHEDULES: u64 = 1 << 5;

/// A cost model. Immutable: any number of threads may use it at once, without locks. Calibration and plugins give a new
/// one that shares the weights.
#[allow(non_camel_case_types)]
pub struct ledg_model {
    pub(crate) model: Arc<CostModel>,
    /// The model that graphs are prepared by: the same for all that share weights and templates.
    pub(crate) base: Arc<CostModel>,
    date: CString,
}

impl ledg_model {
    pub(crate) fn new(model: Arc<CostModel>, base: Arc<CostModel>) -> Self {
        let date = CString::new(model.header().provenance.date.as_str()).unwrap_or_default();
        ledg_model { model, base, date }
    }

    fn own(model: CostModel) -> Self {
        let model = Arc::new(model);
        Self::new(Arc::clone(&model), model)
    }
}

/// What a model is. Set `struct_size`, zero the rest.
#[allow(non_camel_case_types)]
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ledg_model_info {
    /// `sizeof(ledg_model_info)`.
    pub struct_size: usize,
    /// What the model can do: `LEDG_CAP_*`.
    pub capabilities: u64,
    /// Models in the ensemble.
    pub members: u64,
    /// Graphs in the training data.
    pub graphs: u64,
    /// Measurements in the training data.
    pub records: u64,
    /// Platforms in the training data.
    pub platforms: u64,
    /// Platforms that the model was calibrated to.
    pub calibrated_platforms: u64,
    /// Date of the training, ISO 8601, NUL-terminated. A view that lives as long as the model.
    pub date: ledg_str,
}
growing!(ledg_model_info, date);

/// Gives the model that is compiled into the library. It is loaded once for the process, by the first call; every call gives a
/// handle of its own. The caller owns `*out`; free it with `ledg_model_free`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ledg_model_default(out: *mut *mut ledg_model, err: *mut *mut ledg_error) -> ledg_status {
    // SAFETY: the header's contract of outputs.
    unsafe {
        make(out, err, || {
            let model = CostModel::default_model()?;
            Ok(ledg_model::new(Arc::clone(&model), model))
        })
    }
}

/// Loads a model's bundle from a file. A file that is damaged or was made for other templates, features or another
/// encoder is refused. The caller owns `*out`; free it with `ledg_model_free`.
///
/// Errors: `LEDG_E_IO`, `LEDG_E_MODEL`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ledg_model_load(
    path: ledg_str,
    out: *mut *mut ledg_model,
    err: *mut *mut ledg_error,
) -> ledg_status {
    // SAFETY: the header's contract of strings.
    unsafe { make(out, err, || Ok(loaded(CostModel::load(Path::new(path.name_or_empty("path")?))?))) }
}

/// Loads a model's bundle from memory, which may be freed afterwards. Else as `ledg_model_load`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ledg_model_load_bytes(
    data: *const u8,
    len: usize,
    out: *mut *mut ledg_model,
    err: *mut *mut ledg_error,
) -> ledg_status {
    // SAFETY: the header's contract of slices.
    unsafe {
        make(out, err, || {
            check(data, "data")?;
            let bytes = list(data, len, MAX_BUNDLE, "data")?;
            Ok(loaded(CostModel::from_bytes(bytes, "(bytes)", TemplateSet::builtin()?)?))
        })
    }
}

/// A model that was loaded, after telling the log.
fn loaded(model: CostModel) -> ledg_model {
    let header = model.header();
    say(LEDG_LOG_INFO, || format!("model of {} loaded, members: {}", header.provenance.date, header.members));
    ledg_model::own(model)
}

/// Saves a model as a bundle, its calibration included and plugins' templates not. The file appears complete or not at all.
///
/// Errors: `LEDG_E_IO`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ledg_model_save(
    model: *const ledg_model,
    path: ledg_str,
    err: *mut *mut ledg_error,
) -> ledg_status {
    // SAFETY: the header's contract of handles and strings.
    unsafe { guard::call(err, || Ok(handle(model, "model")?.model.save(Path::new(path.name_or_empty("path")?))?)) }
}

/// Gives a new model that also knows the operators of the registry's plugins. The caller owns `*out`; free it with
/// `ledg_model_free`; the given model stays as it is.
///
/// Errors: `LEDG_E_TEMPLATE` for templates that contradict those of the model.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ledg_model_with_plugins(
    model: *const ledg_model,
    registry: *const ledg_registry,
    out: *mut *mut ledg_model,
    err: *mut *mut ledg_error,
) -> ledg_status {
    // SAFETY: the header's contract of handles.
    unsafe {
        make(out, err, || {
            let (model, registry) = (handle(model, "model")?, handle(registry, "registry")?);
            Ok(ledg_model::own(registry.plugins.extend(&model.model)?))
        })
    }
}

/// Says what a model is. `info->struct_size` must be set; what an older library does not know stays zero.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ledg_model_get_info(
    model: *const ledg_model,
    info: *mut ledg_model_info,
    err: *mut *mut ledg_error,
) -> ledg_status {
    // SAFETY: the header's contract of handles and structs.
    unsafe {
        guard::call(err, || {
            let model = handle(model, "model")?;
            let size = struct_size(info, "info")?;
            write_sized(info, &describe(model)?, size);
            Ok(())
        })
    }
}

fn describe(model: &ledg_model) -> Result<ledg_model_info> {
    let header = model.model.header();
    let by_readout = match header.predictor.readout {
        ledg_cost_model::predictor::Readout::Sum => LEDG_CAP_NODES | LEDG_CAP_DELTA,
        ledg_cost_model::predictor::Readout::Paper => 0,
    };
    Ok(ledg_model_info {
        struct_size: size_of::<ledg_model_info>(),
        capabilities: LEDG_CAP_PREDICT | LEDG_CAP_CALIBRATE | LEDG_CAP_UPDATE | LEDG_CAP_SCHEDULES | by_readout,
        members: header.members as u64,
        graphs: header.provenance.graphs as u64,
        records: header.provenance.records as u64,
        platforms: header.provenance.platforms.len() as u64,
        calibrated_platforms: model.model.calibration().map_or(0, |c| c.platforms.len() as u64),
        date: ledg_str::of_terminated(&model.date),
    })
}

/// Frees a model. NULL is fine. Graphs that were used with it stay valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ledg_model_free(model: *mut ledg_model) {
    // SAFETY: NULL or a model that this library made and the caller frees once, by the contract of handles.
    unsafe { free(model) }
}
