//! Schedules as graphs: all candidates of an auto-scheduler's round are schedules of *one* operator, so the schedule itself
//! is what a model has to read.
//!
//! A [`Task`] says what is computed: blocks, loops, accesses. A trace, as TVM prints it, says how: its primitives are replayed on
//! the task's loops ([`ScheduleGraph::new`]), and what comes out is a DAG of
//!
//! - the operators (blocks of the task) with their magnitudes,
//! - one node a primitive, whose fathers are the nodes that last touched the loops and blocks it names,
//! - the loops of the final program with extents, footprints and trip counts, each below its enclosing loop,
//! - the final blocks, below their innermost loops and the blocks they read.
//!
//! Each node is a sentence, by `configs/templates/schedule.toml`, and a row of numbers ([`NUMBER_NAMES`]).
//!
//! **Invariant:** pure: no files, no tensors, no text models. What cannot be derived from task and trace is marked as unknown in
//! the numbers and counted ([`ScheduleGraph::unknown`]), never guessed. Sentences print no sizes, so they stay few.

mod error;
mod graph;
mod levels;
mod nest;
mod numbers;
mod replay;
mod task;
mod trace;
mod words;

pub use error::ScheduleError;
pub use graph::{SCHEDULE_WIRE_VERSION, ScheduleGraph, ScheduleNode};
pub use numbers::{N_NUMBERS, NUMBER_NAMES, SCHEDULE_SCHEMA};
pub use task::{Access, Axis, Block, Task};
pub use words::ScheduleWords;
