//! tract's models and plans as graphs, what they cost, and how long they take on this host.
//!
//! ```no_run
//! use tract_onnx::prelude::*;
//! let hardware = ledg_cost_model::HardwareRegistry::builtin().resolve("i9-10940x")?;
//! let plan = tract_onnx::onnx().model_for_path("model.onnx")?.into_optimized()?.into_runnable()?;
//! let estimate = ledg_tract::estimate(&plan, &hardware)?;
//! println!("{} s", estimate.latency_s);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A graph made from an *optimised* plan has what will run: products with their packing and what is fused into them,
//! windows gathered lazily or ahead, chains of arithmetic. Each node is an operator of `configs/templates/tract.toml`.
//!
//! **Invariant:** every node of a plan is accounted for by its name, as a node, an input or a constant of the graph; an
//! operator that no template covers is reported as unknown, a symbol without a value is an error.

mod convert;
mod error;
mod facts;
mod fill;
mod host;
mod load;
mod measure;
mod operator;
mod origin;
mod product;

pub use convert::{DOMAIN, GraphOptions, model_graph, plan_graph};
pub use error::{Result, TractAdapterError};
pub use facts::Unbound;
pub use host::{Host, busy_share, check_idle, cpu_name};
pub use load::{LoadOptions, TractModel};
pub use measure::{MeasureOptions, Timing, measure, profile};

use ledg_cost_model::{CostModel, Estimate, Platform, PredictOptions};
use tract_core::internal::TypedSimplePlan;

/// Version of tract that plans are made and run with.
pub const RUNTIME: &str = "tract 0.23.9";

/// What a plan costs on hardware, with costs by node, by the model that comes with the library.
///
/// # Errors
/// As [`plan_graph`], and what the cost model refuses.
pub fn estimate(plan: &TypedSimplePlan, hardware: &Platform) -> Result<Estimate> {
    let graph = plan_graph(plan, &GraphOptions::default())?;
    let model = CostModel::default_model()?;
    let prepared = model.prepare(&graph)?;
    let on = [(hardware.clone(), prepared.described().batch)];
    let options = PredictOptions { per_node: true, ..PredictOptions::default() };
    Ok(model.predict(&prepared, &on, &options)?.remove(0))
}
