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
//! ```
//! use candle_core::DType;
//! use ledg_graph::{EdgeList, Execution, Magnitudes, Relations};
//! use ledg_predictor::*;
//!
//! let config = PredictorConfig {
//!     d_model: 8,
//!     n_layers: 2,
//!     n_heads: 2,
//!     ffn_mult: 2,
//!     d_readout: 8,
//!     d_platform: 4,
//!     attention: Attention::Dgsa,
//!     readout: Readout::Sum,
//!     hardware: HardwareInputs::Both,
//!     numbers: true,
//!     sentences: true,
//!     correction_cap: 2.0,
//!     dropout: 0.0,
//!     feature_noise: 0.0,
//!     hardware_dropout: 0.0,
//!     rates: Rates::PowerLimit,
//!     movement: Movement::default(),
//!     settings: Settings::Shared,
//!     sentence_dim: 3,
//!     n_features: 2,
//!     n_runtime: 1,
//!     n_sheet: 2,
//! };
//!
//! // A matrix product and what reads its output; sentence vectors come from a language model, here they are made up.
//! let node = |sentence: [f32; 3], flops, contraction| NodeInput {
//!     sentence: sentence.into(),
//!     features: vec![0.5, -0.5],
//!     magnitudes: Magnitudes { flops, read_elems: 1e6, write_elems: 1e6, ..Magnitudes::default() },
//!     contraction,
//! };
//! let graph = GraphInput {
//!     nodes: vec![node([1.0, 0.0, 0.0], 2e9, true), node([0.0, 1.0, 0.0], 1e6, false)],
//!     relations: Relations::from_fathers(EdgeList::from_rows(vec![vec![], vec![0]])),
//! };
//! let platform = PlatformInput {
//!     sentence: [0.0, 0.0, 1.0].into(),
//!     runtime: vec![1.0],
//!     sheet: vec![0.1, -0.2],
//!     rates: PlatformRates {
//!         matmul_flops: 1e14,
//!         vector_flops: 1e13,
//!         bandwidth_bytes_s: 1e12,
//!         cache_bytes: None,
//!         units: None,
//!         bytes_per_element: 2.0,
//!         launch_s: 4e-6,
//!         execution: Execution::AsStated,
//!     },
//! };
//!
//! // With tensors, as it is trained.
//! let init = SeededInit::new(0);
//! let model = Predictor::load(&config, init.builder(DType::F32))?;
//! let graphs = GraphBatch::new(&[&QuotientGraph::new(&graph, config.attention, config.n_layers)?], &config, DType::F32)?;
//! let platforms = PlatformBatch::new(std::slice::from_ref(&platform), &config, DType::F32)?;
//! let h = model.trunk(&graphs, &Mode::Eval)?;
//! assert_eq!(h.dims(), [2, config.d_model]);
//! let query = Query { graph: 0, platform: 0, batch: 8.0 };
//! let ln_s = model.latencies(&h, &graphs, &platforms, &[query], &Mode::Eval)?.to_vec1::<f32>()?;
//!
//! // A model that has not been trained yet is its prior: operations over peak, 8 vector operations an element moved,
//! // bytes over bandwidth, and a start for each node.
//! let moved = 8.0 * 2e6;
//! let prior_s: f64 = 8.0 * 2e9 / 1e14 + 8.0 * 1e6 / 1e13 + 2.0 * (8.0 * moved / 1e13 + 2.0 * moved / 1e12 + 4e-6);
//! assert!((f64::from(ln_s[0]) - prior_s.ln()).abs() < 1e-5);
//!
//! // Without tensors, as it answers.
//! let executor = Executor::load(&config, &[init.builder(DType::F32)])?.expect("the sum readout");
//! let (mut rows, mut answer) = (GraphRows::default(), Answer::default());
//! executor.graph(&graph, &mut Store::default(), &mut rows)?;
//! let platforms = executor.platforms(&[platform])?;
//! executor.price(&rows, &platforms, (0, 8.0), &mut PriceScratch::default(), &mut answer)?;
//! assert!((answer.ln_s[0] - f64::from(ln_s[0])).abs() < 1e-5);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
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
pub use config::{Attention, HardwareInputs, Movement, PredictorConfig, Rates, Readout, ScoreHead, Settings};
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
