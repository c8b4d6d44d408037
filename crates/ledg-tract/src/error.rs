//! What can go wrong between a tract model and an estimate or a measurement.

use thiserror::Error;

/// Why the adapter could not do what it was asked.
#[non_exhaustive]
#[derive(Debug, Error)]
pub enum TractAdapterError {
    /// tract refused a model; the message names the stage.
    #[error("{model}: tract cannot {stage} it: {why}")]
    Tract {
        /// The model's name or file.
        model: String,
        /// `read`, `type`, `declutter`, `optimise` or `run`.
        stage: &'static str,
        /// What tract says, causes included.
        why: String,
    },
    /// A shape of the model depends on symbols that were not bound.
    #[error("{model}: node `{node}`: its shape `{shape}` depends on a symbol without a value: bind it")]
    UnboundSymbol {
        /// The model.
        model: String,
        /// The node.
        node: String,
        /// The shape as tract writes it.
        shape: String,
    },
    /// A symbol was given a value that the model does not have.
    #[error("{model}: there is no symbol `{symbol}` to bind")]
    NoSuchSymbol {
        /// The model.
        model: String,
        /// The symbol.
        symbol: String,
    },
    /// An element type that graphs do not have.
    #[error("{model}: node `{node}`: element type {dtype} cannot be part of a graph")]
    ElementType {
        /// The model.
        model: String,
        /// The node.
        node: String,
        /// tract's name of the type.
        dtype: String,
    },
    /// An initialiser without data whose values decide what the network computes.
    #[error("{model}: initialiser `{name}` has no data and is not floating-point: its values cannot be made up")]
    EmptyInitializer {
        /// The model.
        model: String,
        /// The initialiser.
        name: String,
    },
    /// A weight too large to be made up in memory.
    #[error("{model}: its weights have {elements} elements, more than the limit of {limit}")]
    TooLarge {
        /// The model.
        model: String,
        /// Elements of all weights.
        elements: u64,
        /// The limit.
        limit: u64,
    },
    /// The machine is too busy to be measured.
    #[error("this machine is too noisy to be measured: {why}")]
    Noisy {
        /// What was observed, with figures.
        why: String,
    },
    /// What a host has no way of telling.
    #[error("this host's {what} cannot be found out: {why}")]
    Host {
        /// What is missing.
        what: &'static str,
        /// Why.
        why: String,
    },
    /// A file cannot be read.
    #[error("{file}: {why}")]
    File {
        /// The file.
        file: String,
        /// What the system says.
        why: String,
    },
    /// From the graph.
    #[error(transparent)]
    Graph(#[from] ledg_graph::GraphError),
    /// From the ONNX import.
    #[error(transparent)]
    Onnx(#[from] ledg_onnx::OnnxError),
    /// From the cost model.
    #[error(transparent)]
    CostModel(Box<ledg_cost_model::CostModelError>),
}

impl From<ledg_cost_model::CostModelError> for TractAdapterError {
    fn from(error: ledg_cost_model::CostModelError) -> Self {
        TractAdapterError::CostModel(Box::new(error))
    }
}

/// Result of this crate.
pub type Result<T> = std::result::Result<T, TractAdapterError>;
