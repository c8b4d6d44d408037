//! What can go wrong in the predictor.

use thiserror::Error;

/// Why a prediction or the construction of a predictor failed.
#[non_exhaustive]
#[derive(Debug, Error)]
pub enum PredictorError {
    /// An input has another width than the model was built for.
    #[error("{what} has {found} entries, the model takes {expected}")]
    Width {
        /// Which input.
        what: &'static str,
        /// Its width.
        found: usize,
        /// The width expected.
        expected: usize,
    },
    /// An input number is NaN or infinite.
    #[error("{what} of node {node} is not finite")]
    NotFinite {
        /// Which input.
        what: &'static str,
        /// Index of the node.
        node: usize,
    },
    /// A configuration value makes no sense.
    #[error("predictor config: `{field}` {why}")]
    Config {
        /// The field.
        field: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// A query names a graph or platform that is not in its batch, or a batch size that is not positive.
    #[error("query {query}: {why}")]
    Query {
        /// Index of the query.
        query: usize,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A training whose gradient is no number any more.
    #[error("the gradient is not finite at step {step}: lower the learning rate")]
    Diverged {
        /// Steps made.
        step: u64,
    },
    /// A tensor of an optimizer's checkpoint that does not fit the model.
    #[error("the checkpoint's `{key}` {why}")]
    Checkpoint {
        /// Name of the tensor.
        key: String,
        /// What is wrong with it.
        why: String,
    },
    /// From the tensor library; the message carries operation and shapes.
    #[error("tensor: {0}")]
    Tensor(#[from] candle_core::Error),
}

/// Result of this crate.
pub type Result<T> = std::result::Result<T, PredictorError>;
