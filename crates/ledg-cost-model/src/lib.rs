//! The façade: from a graph and a platform to an estimate with an interval. All that outsiders need.
//!
//! ```no_run
//! use ledg_cost_model::{CostModel, HardwareRegistry, PredictOptions, onnx};
//! let model = CostModel::default_model()?;
//! let hardware = HardwareRegistry::builtin().resolve("rtx4090:amp")?;
//! let graph = onnx::import_file("model.onnx".as_ref(), &onnx::OnnxOptions::default())?.graph;
//! let prepared = model.prepare(&graph)?;
//! let estimate = &model.predict(&prepared, &[(hardware, 64)], &PredictOptions::default())?[0];
//! println!("{} s, between {} and {}", estimate.latency_s, estimate.lo_s, estimate.hi_s);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! **Invariant:** models, prepared graphs and hardware are immutable and shared by threads without locks; a bundle whose
//! schemas do not match this library is refused, never adapted.

mod bundle;
mod calibrate;
mod conformal;
mod describe;
mod edit;
mod engine;
mod error;
mod estimate;
mod explain;
mod files;
mod measured;
mod measurement;
mod model;
mod parallel;
mod platform;
pub mod plugin;
pub mod ranking;
mod records;
mod session;
pub mod text;
mod weights;

pub use bundle::{BUNDLE_VERSION, Bundle, BundleHeader, Member, PRIOR_VERSION, Provenance};
pub use calibrate::{
    Calibration, CalibrationReport, Comparison, Correction, Errors, Fit, LnSizes, PlatformReport, PlatformScale,
    Relative, calibrated_level,
};
pub use conformal::{Conformal, ConformalTable, OnUnmeasured};
pub use describe::{BatchScaling, DescribedGraph, Describer, N_ORDERED_FEATURES};
pub use edit::Edit;
pub use error::{CostModelError, Result};
pub use estimate::{Estimate, NodeEstimate, PredictOptions};
pub use explain::{ExplainedNode, Explanation};
pub use files::write as write_file;
pub use ledg_template::hardware::{HardwareRegistry, Platform};
pub use measurement::{Measurement, NodeTime};
pub use model::{CostModel, MAX_BUNDLE_BYTES, PreparedGraph};
pub use platform::{N_RUNTIME, N_SHEET, RUNTIME_NAMES, RawPlatform, SHEET_NAMES};
pub use plugin::Plugins;
pub use records::{MAX_RECORDS_BYTES, MAX_RUNS, Outcome, RECORDS_VERSION, Record, Records};
pub use session::Session;

pub use ledg_encoder as encoder;
pub use ledg_graph as graph;
pub use ledg_onnx as onnx;
pub use ledg_predictor as predictor;
pub use ledg_schedule as schedule;
pub use ledg_template as template;
