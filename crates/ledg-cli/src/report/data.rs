//! What the page is told. Its scripts read these names.

use serde::Serialize;

use super::layout::Layout;
use super::warnings::Warning;

/// All of the page.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Share of measurements that the intervals are meant to cover.
    pub coverage: f64,
    /// Version of the command.
    pub version: &'static str,
    /// What the cost model was trained on, in a sentence.
    pub trained_on: String,
    pub models: Vec<Model>,
    pub devices: Vec<Device>,
    /// Model by model, device by device.
    pub estimates: Vec<Estimate>,
}

/// A network.
#[derive(Debug, Serialize)]
pub struct Model {
    /// The file as it was asked for.
    pub label: String,
    /// Content hash of the graph.
    pub hash: String,
    /// Batch size asked for, or the graph's own.
    pub batch: u64,
    /// Floating-point operations of the batch.
    pub flops: f64,
    /// Learned parameters.
    pub params: f64,
    /// Distinct sentences.
    pub sentences: Vec<Sentence>,
    pub nodes: Vec<Node>,
    /// Father and son.
    pub edges: Vec<[u32; 2]>,
    pub blocks: Vec<Block>,
    /// Places of the nodes in the picture.
    pub layout: Layout,
}

/// What the language model reads of a node.
#[derive(Debug, Serialize)]
pub struct Sentence {
    pub text: String,
    /// Whether the training data contained it.
    pub trained: bool,
}

/// A node that costs something. Magnitudes are those of the whole batch.
#[derive(Debug, Serialize)]
pub struct Node {
    pub name: String,
    pub op: String,
    /// Index of its sentence.
    pub sentence: usize,
    /// Whether a template covers it.
    pub known: bool,
    /// Index of its block.
    pub block: usize,
    /// Whether the matrix units do its work.
    pub contraction: bool,
    pub flops: f64,
    /// Activation elements read and written.
    pub activations: f64,
    /// Weight elements read.
    pub weights: f64,
    /// Names of the given graph's nodes that it stands for, if they are others than itself.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub origins: Vec<String>,
}

/// Neighbouring nodes that belong together.
#[derive(Debug, Serialize)]
pub struct Block {
    pub name: String,
    /// Blocks of the same sentences in the same order have the same kind.
    pub kind: usize,
}

/// A platform.
#[derive(Debug, Serialize)]
pub struct Device {
    /// As it was asked for.
    pub label: String,
    /// Its full name.
    pub platform: String,
    /// Kind of chip.
    pub kind: &'static str,
    /// Whether the training data measured the device.
    pub measured: bool,
    /// Sustained rate of matrix products, FLOP/s.
    pub matmul_flops: f64,
    /// Sustained rate of other arithmetic, FLOP/s.
    pub vector_flops: f64,
    /// Peak of the data sheet for matrix products, FLOP/s.
    pub peak_flops: f64,
    /// Sustained bandwidth, bytes/s.
    pub bandwidth_bytes_s: f64,
    /// Storage of one element, bytes.
    pub bytes_per_element: f64,
}

/// A model on a device.
#[derive(Debug, Serialize)]
pub struct Estimate {
    /// Index of the model.
    pub model: usize,
    /// Index of the device.
    pub device: usize,
    pub latency_s: f64,
    pub lo_s: f64,
    pub hi_s: f64,
    /// Share of the latency that comes from operators that templates cover.
    pub known: f64,
    /// Whether the model was calibrated to records of the platform.
    pub calibrated: bool,
    /// By node: seconds bound by compute, issue, memory, launch. Empty if the bundle's model gives none.
    pub nodes: Vec<[f64; 4]>,
    pub warnings: Vec<Warning>,
}

/// Five significant digits: enough for a page, half the bytes.
pub fn rounded(x: f64) -> f64 {
    if x == 0.0 || !x.is_finite() {
        return x;
    }
    format!("{x:.4e}").parse().unwrap_or(x)
}
