//! What the predictor is given: one struct a node, a graph, a platform. Plain numbers, no tensors.

use std::sync::Arc;

use ledg_graph::{Execution, Magnitudes, Relations};

/// One node of a graph.
#[derive(Debug, Clone)]
pub struct NodeInput {
    /// Sentence vector, shape (sentence_dim).
    pub sentence: Arc<[f32]>,
    /// Standardised numbers, shape (n_features).
    pub features: Vec<f32>,
    /// Magnitudes of one sample.
    pub magnitudes: Magnitudes,
    /// Whether the matrix units do this operator's work (convolutions, matrix products, attention).
    pub contraction: bool,
}

/// One graph: its nodes in topological order and their relations.
#[derive(Debug, Clone)]
pub struct GraphInput {
    /// The nodes.
    pub nodes: Vec<NodeInput>,
    /// Relations between them.
    pub relations: Relations,
}

/// The rates of a platform that the physical prior uses.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PlatformRates {
    /// Peak of the matrix units at the runtime's precision, FLOP/s.
    pub matmul_flops: f64,
    /// Peak of the vector units at the runtime's precision, FLOP/s.
    pub vector_flops: f64,
    /// Memory bandwidth, bytes/s.
    pub bandwidth_bytes_s: f64,
    /// Last-level cache, bytes; `None` when the data sheet does not say.
    pub cache_bytes: Option<f64>,
    /// Streaming multiprocessors, compute units or cores; `None` when the data sheet does not say.
    pub units: Option<f64>,
    /// Storage of one activation element, bytes.
    pub bytes_per_element: f64,
    /// Cost of starting one operator, seconds.
    pub launch_s: f64,
    /// How the platform runs a graph, as far as it decides what moves.
    pub execution: Execution,
}

/// One platform: a device with a runtime.
#[derive(Debug, Clone)]
pub struct PlatformInput {
    /// Sentence vector, shape (sentence_dim).
    pub sentence: Arc<[f32]>,
    /// Runtime settings, shape (n_runtime).
    pub runtime: Vec<f32>,
    /// Standardised numbers of the data sheet, shape (n_sheet).
    pub sheet: Vec<f32>,
    /// Rates for the physical prior.
    pub rates: PlatformRates,
}

impl PlatformInput {
    /// The platform as a device that was never measured is seen: its sentence and data sheet at the training set's mean,
    /// so that it acts through its rates and its runtime's settings alone. What was learned from a few chips' data sheets
    /// does not extend to others.
    ///
    /// ```
    /// use ledg_graph::Execution;
    /// use ledg_predictor::{PlatformInput, PlatformRates};
    ///
    /// let rates = PlatformRates {
    ///     matmul_flops: 65e12,
    ///     vector_flops: 8e12,
    ///     bandwidth_bytes_s: 3.2e11,
    ///     cache_bytes: Some(4e6),
    ///     units: Some(40.0),
    ///     bytes_per_element: 2.0,
    ///     launch_s: 5e-6,
    ///     execution: Execution::AsStated,
    /// };
    /// let platform = PlatformInput { sentence: [0.3, -0.7].into(), runtime: vec![1.0], sheet: vec![2.5], rates };
    /// let unknown = platform.without_identity();
    /// assert_eq!((&unknown.sentence[..], &unknown.sheet[..]), (&[0.0, 0.0][..], &[0.0][..]));
    /// assert_eq!((&unknown.runtime[..], unknown.rates), (&[1.0][..], rates));
    /// ```
    pub fn without_identity(mut self) -> Self {
        self.sentence = vec![0.0; self.sentence.len()].into();
        self.sheet.fill(0.0);
        self
    }
}
