//! What is computed, before any schedule: blocks with their loops and accesses.

use serde::{Deserialize, Serialize};

use crate::error::{Result, ScheduleError};

/// Most blocks, loops of a block and accesses of a block.
const MAX_BLOCKS: usize = 1024;
const MAX_LOOPS: usize = 64;
const MAX_ACCESSES: usize = 64;

/// Widest vector register.
const MAX_VECTOR_BYTES: u64 = 256;

/// One tuning task: what all its candidates compute.
///
/// ```
/// use ledg_schedule::{Access, Axis, Block, Task};
///
/// // c[i] += a[i][k]: k reduces, so it moves along a dimension of `a` and along none of `c`.
/// let access = |buffer: &str, write, dims| Access { buffer: buffer.into(), element_bytes: 4, write, dims };
/// let mut task = Task {
///     name: "row sums".into(),
///     blocks: vec![Block {
///         name: "C".into(),
///         axes: vec![Axis { extent: 64, reduce: false }, Axis { extent: 32, reduce: true }],
///         flops: 1.0,
///         accesses: vec![
///             access("a", false, vec![vec![(0, 1)], vec![(1, 1)]]),
///             access("c", true, vec![vec![(0, 1)]]),
///         ],
///     }],
///     vector_bytes: 32,
/// };
/// task.check()?;
///
/// task.blocks[0].axes[1].extent = 0;
/// let error = task.check().unwrap_err().to_string();
/// assert_eq!(error, "task `row sums`: block `C`, `axes`: an extent must be 1 to 2^40");
/// # Ok::<(), ledg_schedule::ScheduleError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Task {
    /// Name, for messages and as a key of records.
    pub name: String,
    /// The blocks in order of execution.
    pub blocks: Vec<Block>,
    /// Bytes of a vector register of the target that its candidates are compiled for; [`Task::VECTOR_BYTES`] where JSON does not say.
    #[serde(default = "vector_bytes")]
    pub vector_bytes: u64,
}

fn vector_bytes() -> u64 {
    Task::VECTOR_BYTES
}

/// One block: a statement inside its own nest of loops.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Block {
    /// Name in the trace.
    pub name: String,
    /// Loops around it, outermost first.
    pub axes: Vec<Axis>,
    /// Floating-point operations of one execution of the statement.
    pub flops: f64,
    /// Buffers read and written.
    pub accesses: Vec<Access>,
}

/// One loop of a task.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Axis {
    /// Iterations.
    pub extent: u64,
    /// Whether the loop reduces; otherwise its iterations are independent.
    pub reduce: bool,
}

/// A block's access to a buffer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Access {
    /// Name of the buffer.
    pub buffer: String,
    /// Bytes of an element.
    pub element_bytes: u64,
    /// Whether it is written.
    pub write: bool,
    /// By dimension of the buffer, outermost first: the loops (index into [`Block::axes`]) that move along it, each with the step
    /// in elements of one iteration. A part of an index that is not linear in a loop is left out.
    pub dims: Vec<Vec<(usize, i64)>>,
}

impl Task {
    /// The vector registers of a task that does not say: those of AVX2.
    pub const VECTOR_BYTES: u64 = 32;

    /// Reads a task from JSON; an example is at the top of this crate.
    ///
    /// # Errors
    /// [`ScheduleError::Json`] if the text is no task, a key that is not known included; [`ScheduleError::Task`] and
    /// [`ScheduleError::Limit`] as [`Task::check`].
    pub fn from_json(text: &str) -> Result<Task> {
        let task: Task = serde_json::from_str(text).map_err(|source| ScheduleError::Json { what: "task", source })?;
        task.check()?;
        Ok(task)
    }

    /// Checks what serde cannot.
    ///
    /// # Errors
    /// [`ScheduleError::Task`] names block and field that are out of range; [`ScheduleError::Limit`] if there are more than 1024
    /// blocks, 64 loops of one, 64 accesses of one or 64 dimensions of a buffer.
    pub fn check(&self) -> Result<()> {
        limit("blocks of a task", self.blocks.len(), MAX_BLOCKS)?;
        if !(self.vector_bytes.is_power_of_two() && self.vector_bytes <= MAX_VECTOR_BYTES) {
            return Err(ScheduleError::Task {
                task: self.name.clone(),
                field: "`vector_bytes`".into(),
                why: format!("is {}, must be a power of two to {MAX_VECTOR_BYTES}", self.vector_bytes),
            });
        }
        for block in &self.blocks {
            let bad = |field: &str, why: String| {
                let field = format!("block `{}`, `{field}`", block.name);
                Err(ScheduleError::Task { task: self.name.clone(), field, why })
            };
            limit("loops of a block", block.axes.len(), MAX_LOOPS)?;
            limit("accesses of a block", block.accesses.len(), MAX_ACCESSES)?;
            if block.axes.iter().any(|a| a.extent == 0 || a.extent > 1 << 40) {
                return bad("axes", "an extent must be 1 to 2^40".into());
            }
            if !(block.flops.is_finite() && block.flops >= 0.0) {
                return bad("flops", format!("is {}, must be a number from 0", block.flops));
            }
            for access in &block.accesses {
                limit("dimensions of a buffer", access.dims.len(), MAX_LOOPS)?;
                if access.element_bytes == 0 || access.element_bytes > 64 {
                    return bad("accesses", format!("`{}`: element_bytes must be 1 to 64", access.buffer));
                }
                let mut steps = access.dims.iter().flatten();
                if let Some((axis, _)) = steps.find(|(a, step)| *a >= block.axes.len() || step.unsigned_abs() > 1 << 40)
                {
                    return bad("accesses", format!("`{}`: no loop {axis}, or a step too large", access.buffer));
                }
            }
        }
        Ok(())
    }
}

pub(crate) fn limit(what: &'static str, found: usize, limit: usize) -> Result<()> {
    if found > limit { Err(ScheduleError::Limit { what, found, limit }) } else { Ok(()) }
}
