//! Graphs batched by concatenation, platforms stacked, and the queries that pair them.

use std::sync::Arc;

use candle_core::{DType, Device, Tensor};

use crate::config::PredictorConfig;
use crate::edges::WeightedEdges;
use crate::error::{PredictorError, Result};
use crate::input::{NodeInput, PlatformInput, PlatformRates};
use crate::quotient::QuotientGraph;

/// One question: how long does that graph take on that platform at that batch size?
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Query {
    /// Index into the batch's graphs.
    pub graph: usize,
    /// Index into the batch's platforms.
    pub platform: usize,
    /// Batch size, in units of the batch at which the graph's magnitudes were computed.
    pub batch: f64,
}

/// Concatenated graphs: n rows in all.
pub struct GraphBatch {
    /// Sentence vectors (n, sentence_dim).
    pub(crate) sentences: Tensor,
    /// Numbers (n, n_features).
    pub(crate) features: Tensor,
    /// One edge list a mask, the identity included.
    pub(crate) masks: Vec<Arc<WeightedEdges>>,
    /// Fathers, without the identity.
    pub(crate) fathers: Arc<WeightedEdges>,
    /// The nodes of each graph.
    pub(crate) nodes: Vec<Vec<NodeInput>>,
    /// How many nodes each row stands for, by graph.
    pub(crate) counts: Vec<Vec<f32>>,
    /// First row of each graph; one more entry at the end.
    pub(crate) offsets: Vec<usize>,
}

impl GraphBatch {
    /// Concatenates quotient graphs.
    ///
    /// # Errors
    /// [`PredictorError::Width`] if a node's vectors do not have the configured widths.
    pub fn new(graphs: &[&QuotientGraph], config: &PredictorConfig, dtype: DType) -> Result<Self> {
        let (mut sentences, mut features) = (Vec::new(), Vec::new());
        let mut masks: Vec<WeightedEdges> = Vec::new();
        let mut fathers = WeightedEdges::empty();
        let mut offsets = vec![0];
        for graph in graphs {
            for node in &graph.nodes {
                width("a sentence vector", node.sentence.len(), config.sentence_dim)?;
                width("a node's numbers", node.features.len(), config.n_features)?;
                sentences.extend_from_slice(&node.sentence);
                features.extend_from_slice(&node.features);
            }
            if masks.is_empty() {
                masks = vec![WeightedEdges::empty(); graph.masks.len()];
            }
            for (all, own) in masks.iter_mut().zip(&graph.masks) {
                all.append(&own.with_self());
            }
            fathers.append(&graph.fathers);
            offsets.push(offsets[offsets.len() - 1] + graph.nodes.len());
        }
        let n = offsets[offsets.len() - 1];
        let tensor = |data: Vec<f32>, d: usize| Tensor::from_vec(data, (n, d), &Device::Cpu)?.to_dtype(dtype);
        Ok(GraphBatch {
            sentences: tensor(sentences, config.sentence_dim)?,
            features: tensor(features, config.n_features)?,
            masks: masks.into_iter().map(Arc::new).collect(),
            fathers: Arc::new(fathers),
            nodes: graphs.iter().map(|g| g.nodes.clone()).collect(),
            counts: graphs.iter().map(|g| g.counts.clone()).collect(),
            offsets,
        })
    }

    /// Number of graphs.
    pub fn n_graphs(&self) -> usize {
        self.nodes.len()
    }

    /// Number of rows over all graphs.
    pub fn n_rows(&self) -> usize {
        self.offsets[self.offsets.len() - 1]
    }
}

/// Stacked platforms: p rows.
pub struct PlatformBatch {
    /// Sentence vectors (p, sentence_dim).
    pub(crate) sentences: Tensor,
    /// Runtime settings (p, n_runtime).
    pub(crate) runtime: Tensor,
    /// Data-sheet numbers (p, n_sheet).
    pub(crate) sheet: Tensor,
    /// Rates of the physical prior.
    pub(crate) rates: Vec<PlatformRates>,
}

impl PlatformBatch {
    /// Stacks platforms.
    ///
    /// # Errors
    /// [`PredictorError::Width`] if a platform's vectors do not have the configured widths.
    pub fn new(platforms: &[PlatformInput], config: &PredictorConfig, dtype: DType) -> Result<Self> {
        let (mut sentences, mut runtime, mut sheet) = (Vec::new(), Vec::new(), Vec::new());
        for platform in platforms {
            width("a platform's sentence vector", platform.sentence.len(), config.sentence_dim)?;
            width("a platform's runtime settings", platform.runtime.len(), config.n_runtime)?;
            width("a platform's data-sheet numbers", platform.sheet.len(), config.n_sheet)?;
            sentences.extend_from_slice(&platform.sentence);
            runtime.extend_from_slice(&platform.runtime);
            sheet.extend_from_slice(&platform.sheet);
        }
        let p = platforms.len();
        let tensor = |data: Vec<f32>, d: usize| Tensor::from_vec(data, (p, d), &Device::Cpu)?.to_dtype(dtype);
        Ok(PlatformBatch {
            sentences: tensor(sentences, config.sentence_dim)?,
            runtime: tensor(runtime, config.n_runtime)?,
            sheet: tensor(sheet, config.n_sheet)?,
            rates: platforms.iter().map(|p| p.rates).collect(),
        })
    }
}

/// Checks that every query names a graph and a platform of its batch.
pub(crate) fn check(queries: &[Query], graphs: &GraphBatch, platforms: &PlatformBatch) -> Result<()> {
    for (query, q) in queries.iter().enumerate() {
        let bad = |why| Err(PredictorError::Query { query, why });
        if q.graph >= graphs.n_graphs() {
            return bad("no graph of that index");
        }
        if q.platform >= platforms.rates.len() {
            return bad("no platform of that index");
        }
        if !(q.batch.is_finite() && q.batch > 0.0) {
            return bad("the batch size is not a positive number");
        }
    }
    Ok(())
}

fn width(what: &'static str, found: usize, expected: usize) -> Result<()> {
    if found == expected { Ok(()) } else { Err(PredictorError::Width { what, found, expected }) }
}
