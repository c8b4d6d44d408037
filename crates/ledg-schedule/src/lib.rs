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
//! ```
//! use ledg_schedule::{NUMBER_NAMES, ScheduleGraph, ScheduleWords, Task};
//!
//! // y[i] = 2 * x[i], 1024 floats.
//! let task = Task::from_json(
//!     r#"{"name": "double", "blocks": [{
//!         "name": "Y", "axes": [{"extent": 1024, "reduce": false}], "flops": 1.0,
//!         "accesses": [
//!             {"buffer": "X", "element_bytes": 4, "write": false, "dims": [[[0, 1]]]},
//!             {"buffer": "Y", "element_bytes": 4, "write": true, "dims": [[[0, 1]]]}
//!         ]}]}"#,
//! )?;
//! let trace = r#"
//!     b0 = sch.get_sblock(name="Y", func_name="main")
//!     l1, = sch.get_loops(block=b0)
//!     l2, l3 = sch.split(loop=l1, factors=[128, 8])
//!     sch.parallel(loop=l2)
//!     sch.vectorize(loop=l3)"#;
//! let graph = ScheduleGraph::new(&task, trace, ScheduleWords::builtin()?)?;
//!
//! let sentences: Vec<&str> = graph.nodes.iter().map(|node| node.sentence.as_str()).collect();
//! assert_eq!(
//!     sentences,
//!     [
//!         "Operator Y",
//!         "Sched split 2 spatial",
//!         "Sched parallel spatial",
//!         "Sched vectorize spatial",
//!         "Loop spatial parallel",
//!         "Loop spatial vectorized",
//!         "Block compute",
//!     ]
//! );
//!
//! // The loops of the final program: 128 iterations on all cores, each of 8 in the lanes of vectors.
//! let extent = NUMBER_NAMES.iter().position(|&name| name == "log2 extent").unwrap();
//! let loops = graph.nodes.iter().filter(|node| node.primitive == "loop");
//! let extents: Vec<f32> = loops.map(|node| node.numbers[extent].exp2() - 1.0).collect();
//! assert!((extents[0] - 128.0).abs() < 1e-3 && (extents[1] - 8.0).abs() < 1e-3, "{extents:?}");
//! assert_eq!(graph.unknown, 0);
//! # Ok::<(), ledg_schedule::ScheduleError>(())
//! ```
//!
//! Each node is a sentence, by `configs/templates/schedule.toml`, and a row of numbers ([`NUMBER_NAMES`]).
//!
//! **Invariant:** pure: no files, no tensors, no text models. What cannot be derived from task and trace is marked as unknown in
//! the numbers and counted ([`ScheduleGraph::unknown`]), never guessed. Sentences print no sizes, so they stay few.

mod error;
mod estimate;
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
