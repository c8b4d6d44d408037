//! What can be wrong with a task, a trace or the words for them.

use thiserror::Error;

/// Why a schedule is no graph.
#[non_exhaustive]
#[derive(Debug, Error)]
pub enum ScheduleError {
    /// A task that breaks a rule.
    #[error("task `{task}`: {field}: {why}")]
    Task {
        /// Name of the task.
        task: String,
        /// The field.
        field: String,
        /// What is wrong with it.
        why: String,
    },
    /// Text that is no task or no graph.
    #[error("{what}: {source}")]
    Json {
        /// What was read.
        what: &'static str,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// A line of a trace that is no primitive.
    #[error("trace, line {line}: {why}")]
    Line {
        /// Counted from 1.
        line: usize,
        /// What is wrong with it.
        why: String,
    },
    /// A primitive that no sentence covers.
    #[error(
        "trace, line {line}: there is no sentence for the primitive `{primitive}`: add it to configs/templates/schedule.toml"
    )]
    UnknownPrimitive {
        /// Counted from 1.
        line: usize,
        /// Its name in the trace.
        primitive: String,
    },
    /// The file of sentences.
    #[error("{origin}: {why}")]
    Words {
        /// Name of the file.
        origin: String,
        /// What is wrong with it.
        why: String,
    },
    /// A count is beyond a limit.
    #[error("{what}: {found} are more than the limit of {limit}")]
    Limit {
        /// Of what.
        what: &'static str,
        /// How many.
        found: usize,
        /// How many may be.
        limit: usize,
    },
}

/// Result of this crate.
pub type Result<T> = std::result::Result<T, ScheduleError>;
