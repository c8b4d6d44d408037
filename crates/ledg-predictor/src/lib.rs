//! LeDG-Former's predictor: node vectors, magnitudes, relations and hardware in, latency out.
//!
//! The way of the data, with the paper's equation numbers as read in the project's design:
//!
//! | module | equations | what |
//! |---|---|---|
//! | [`embedding`](crate::PredictorConfig) | (1), (2) | projects sentence vectors and numbers of nodes and platforms |
//! | `dynamic_weights` | (3), (4) | mixes the masks per node: `w_i = softmax(FC([x_i ; mean of fathers]))` |
//! | `dgsa` | (5)-(8) | attention over each mask's edge list, mixed by `w` |
//! | `block` | | the pre-norm transformer block around it |
//! | `readout::paper` | | network token ∥ platform vector → latency |
//! | `readout::sum` | | Σ of roofline terms × exp(learned corrections): the physical prior |
//! | `score` | | the score head, for ranking schedules of one task |
//! | `executor` | (1)-(8) | the same without tensors, for inference |
//!
//! **Invariant:** this crate knows nothing of text, files or ONNX. Attention costs grow with edges, never with N². Graphs
//! are batched by concatenation, never padded: a graph's result does not depend on what else is in the batch.

mod batch;
mod block;
mod config;
mod dgsa;
mod dynamic_weights;
mod edges;
mod embedding;
mod error;
mod executor;
mod init;
mod input;
mod layers;
mod normalization;
mod ops;
mod optimizer;
mod predictor;
mod quotient;
mod readout;
mod roofline;
mod score;

pub use batch::{GraphBatch, PlatformBatch, Query};
pub use config::{Attention, HardwareInputs, PredictorConfig, Rates, Readout, Settings};
pub use edges::WeightedEdges;
pub use error::PredictorError;
pub use executor::{
    Answer, Executor, GraphRows, Patch, Patched, PlatformRows, PriceScratch, ScoreExecutor, Standing, Store,
};
pub use init::SeededInit;
pub use input::{GraphInput, NodeInput, PlatformInput, PlatformRates};
pub use layers::Mode;
pub use normalization::{Normalization, Standardizer};
pub use optimizer::{AdamW, learning_rate};
pub use predictor::{NodeCost, Predictor};
pub use quotient::QuotientGraph;
pub use roofline::{N_PHYSICAL, PHYSICAL_NAMES};
pub use score::{ScoreConfig, Scorer, ranking_loss, top_loss};
