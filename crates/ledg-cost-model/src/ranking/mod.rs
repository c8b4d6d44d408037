//! Ranking schedules of one operator, for auto-schedulers: traces in, scores out, and learning from what was measured.
//!
//! ```no_run
//! use ledg_cost_model::ranking::{ScheduleModel, ScheduleRecords, UpdateOptions};
//! let model = ScheduleModel::load("schedules.ledg".as_ref())?;
//! let measured = ScheduleRecords::load("measured.jsonl".as_ref())?;
//! let updated = model.update(&measured, &UpdateOptions::default())?;
//! for (name, task) in measured.tasks() {
//!     let traces: Vec<&str> = task.candidates.iter().map(|c| c.trace.as_str()).collect();
//!     println!("{name}: {:?}", updated.score(&task.task, &traces)?);
//! }
//! # Ok::<(), ledg_cost_model::CostModelError>(())
//! ```
//!
//! **Invariant:** scores compare candidates of one task and are no latencies. Models are immutable: an update gives another one.
//! An untrained model refuses to score.

mod bundle;
mod fit;
mod model;
mod records;

pub use bundle::{SCHEDULE_BUNDLE_VERSION, ScheduleHeader, ScheduleProvenance};
pub use fit::{Example, FitOptions, TaskExamples, fit};
pub use model::{Prepared, ScheduleModel, UpdateOptions, default_config};
pub use records::{Candidate, SCHEDULE_RECORDS_VERSION, ScheduleRecords, TaskRecords, merits};
