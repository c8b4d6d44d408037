//! Accuracy prediction: `ledg-train fit` and `eval` of a configuration with a `[sampling]` table.
//!
//! A few cells with their accuracies are learned from, all other cells are ranked; the figure is Kendall's tau.
//!
//! **Invariant:** the trainer is handed training samples only. The rest of the table is ranked once, when the members are trained.

mod config;
mod inputs;
mod process;
mod report;
mod run;
mod sample;
mod tau;
mod train;

pub use config::{AccuracyExperiment, is_config};
pub use report::report;
pub use run::fit;
