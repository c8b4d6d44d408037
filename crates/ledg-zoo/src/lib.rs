//! Well-known networks, generated: as graphs, and as ONNX files without weights.
//!
//! Networks are written operator by operator as PyTorch's exporter writes them for inference: BatchNorm folded into the
//! convolution before it, GELU and attention spelled out, opset 17. [`build`] sends what it wrote through the importer, so
//! its graphs are what a user's file of that network gives.
//!
//! ```
//! use ledg_zoo::{ZooConfig, build};
//! let graph = build("resnet18", &ZooConfig { batch: 8, ..ZooConfig::default() })?;
//! assert_eq!(graph.value(graph.inputs()[0]).shape, Some(vec![8, 3, 224, 224]));
//! # Ok::<(), ledg_zoo::ZooError>(())
//! ```
//!
//! **Invariant:** the same name and configuration give the same bytes.

mod classic;
mod convnext;
mod densenet;
mod llama;
mod lstm;
mod mobile;
mod net;
mod resnet;
pub mod selection;
mod spaces;
mod swin;
mod text;
mod unet;
mod vit;

pub use spaces::{accel_nasbench, cell, families, fbnet, nasbench101, nasbench201, operators, transformers};

use std::collections::BTreeMap;

use ledg_graph::{Graph, GraphError, Shape};
use ledg_onnx::{OnnxError, OnnxOptions, WriteOptions, import_bytes, to_onnx};
use thiserror::Error;

use net::Net;

/// Sizes of a network's input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ZooConfig {
    /// Images or sentences at once. Default 1.
    pub batch: u64,
    /// Height and width of images. Default 224.
    pub image: u64,
    /// Tokens of a sentence. Default 128.
    pub sequence: u64,
}

impl Default for ZooConfig {
    fn default() -> Self {
        ZooConfig { batch: 1, image: 224, sequence: 128 }
    }
}

/// Why a network could not be built.
#[non_exhaustive]
#[derive(Debug, Error)]
pub enum ZooError {
    /// There is no network of that name.
    #[error("there is no network `{name}`; there are {}", names().collect::<Vec<_>>().join(", "))]
    UnknownName {
        /// The name given.
        name: String,
    },
    /// The network cannot have an input of that size.
    #[error("`{name}` cannot have {what} {size}: {why}")]
    BadSize {
        /// The network.
        name: &'static str,
        /// What was given.
        what: &'static str,
        /// Its size.
        size: u64,
        /// What it must be.
        why: &'static str,
    },
    /// A search space has no network of that description.
    #[error("{space} has no network `{text}`: {why}")]
    BadArchitecture {
        /// The search space or family.
        space: &'static str,
        /// What was given.
        text: String,
        /// What it must be.
        why: String,
    },
    /// The network breaks a rule of graphs.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// The network could not be written or read back.
    #[error(transparent)]
    Onnx(#[from] OnnxError),
}

type Generator = fn(&mut Net, &ZooConfig) -> Result<(), ZooError>;

/// All networks by name.
const NETWORKS: [(&str, Generator); 29] = [
    ("alexnet", classic::alexnet),
    ("bert_base", text::bert_base),
    ("bert_large", text::bert_large),
    ("convnext_tiny", convnext::convnext_tiny),
    ("densenet121", densenet::densenet121),
    ("efficientnet_b0", mobile::efficientnet_b0),
    ("googlenet", classic::googlenet),
    ("gpt2", text::gpt2_small),
    ("gpt2_large", text::gpt2_large),
    ("gpt3_xl", text::gpt3_xl),
    ("llama2_7b", llama::llama2_7b),
    ("llama2_7b_decode", llama::llama2_7b_decode),
    ("lstm_classifier", lstm::lstm_classifier),
    ("mnasnet1_0", mobile::mnasnet1_0),
    ("mobilenet_v2", mobile::mobilenet_v2),
    ("mobilenet_v3_large", mobile::mobilenet_v3_large),
    ("opt_1_3b", text::opt_1_3b),
    ("resnet18", resnet::resnet18),
    ("resnet34", resnet::resnet34),
    ("resnet50", resnet::resnet50),
    ("squeezenet1_1", classic::squeezenet1_1),
    ("swin_tiny", swin::swin_tiny),
    ("tinyllama", llama::tinyllama),
    ("tinyllama_decode", llama::tinyllama_decode),
    ("unet", unet::unet),
    ("vgg11", classic::vgg11),
    ("vgg16", classic::vgg16),
    ("vit_b16", vit::vit_b16),
    ("vit_s16", vit::vit_s16),
];

/// The names of all networks, sorted.
pub fn names() -> impl Iterator<Item = &'static str> {
    NETWORKS.iter().map(|(name, _)| *name)
}

/// A network as a graph.
///
/// # Errors
/// [`ZooError::UnknownName`], [`ZooError::BadSize`].
pub fn build(name: &str, config: &ZooConfig) -> Result<Graph, ZooError> {
    read_back(name, &generated(name, config, BTreeMap::new())?)
}

/// What a file of a network gives whose reader knows which of its inputs are data: networks of plain products alone do not
/// tell.
fn read_back(name: &str, raw: &Graph) -> Result<Graph, ZooError> {
    let bytes = to_onnx(raw, &WriteOptions::default())?;
    let inputs = raw.inputs().iter().map(|&v| raw.value(v).name.clone()).collect();
    let options = OnnxOptions { inputs: Some(inputs), ..OnnxOptions::default() };
    Ok(import_bytes(name, bytes.into(), &options)?.graph)
}

/// A network as the bytes of an ONNX file without weights. Every network takes symbols for its input's batch (axis 0), the
/// language models also for the sequence (axis 1): nothing in them depends on these sizes.
///
/// # Errors
/// As [`build`], and for symbols that name no dimension of an input.
pub fn onnx(name: &str, config: &ZooConfig, options: &WriteOptions) -> Result<Vec<u8>, ZooError> {
    let graph = build(name, config)?;
    if options.symbols.is_empty() {
        return Ok(to_onnx(&graph, options)?);
    }
    // The imported graph has its sizes computed; with symbols the arithmetic must stay. A valid file declares the rank
    // of its outputs.
    let outputs = graph.outputs().iter().map(|&v| graph.value(v));
    let shapes = outputs.filter_map(|v| Some((v.name.clone(), v.shape.clone()?))).collect();
    Ok(to_onnx(&generated(name, config, shapes)?, options)?)
}

/// The network as written down, shape arithmetic included.
fn generated(name: &str, config: &ZooConfig, shapes: BTreeMap<String, Shape>) -> Result<Graph, ZooError> {
    let found = NETWORKS.iter().find(|(known, _)| *known == name);
    let (name, generate) = found.ok_or_else(|| ZooError::UnknownName { name: name.to_owned() })?;
    for (what, size) in [("batch", config.batch), ("image", config.image), ("sequence", config.sequence)] {
        if size == 0 {
            return Err(ZooError::BadSize { name, what, size, why: "it must be at least 1" });
        }
    }
    let mut net = Net::new(name, shapes);
    generate(&mut net, config)?;
    Ok(net.finish()?)
}
