//! A data set is a list of (graph, platform, batch, latency); nothing downstream knows where it came from.

#[cfg(test)]
pub mod synthetic;
mod timm;

use std::sync::Arc;

use ledg_cost_model::{DescribedGraph, RawPlatform};

pub use timm::load_timm;

/// One graph of a data set.
pub struct GraphEntry {
    /// Model family; splits hold out whole families.
    pub family: String,
    /// Sentences, magnitudes and relations.
    pub graph: Arc<DescribedGraph>,
}

/// One platform of a data set.
pub struct PlatformEntry {
    /// The source's name of the device; splits hold out whole devices.
    pub device: String,
    /// The platform as the predictor sees it.
    pub platform: RawPlatform,
}

/// One measurement.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Record {
    /// Index into [`Dataset::graphs`].
    pub graph: usize,
    /// Index into [`Dataset::platforms`].
    pub platform: usize,
    /// Batch size.
    pub batch: u64,
    /// Seconds for the whole batch.
    pub latency_s: f64,
}

/// Measurements with what they measure.
pub struct Dataset {
    /// Graphs.
    pub graphs: Vec<GraphEntry>,
    /// Platforms.
    pub platforms: Vec<PlatformEntry>,
    /// Measurements.
    pub records: Vec<Record>,
    /// SHA-256 over the source files.
    pub hash: String,
}
