//! A measurement, as one line of JSON.

use serde::{Deserialize, Serialize};

/// Version of tract that plans are made and run with.
pub const RUNTIME: &str = "tract 0.23.9";

/// One measured plan. One line of a records file each.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// The graph: a file, as seen from the records file's folder if it is beside it.
    pub graph: String,
    /// Content hash of the plan's graph.
    pub graph_hash: String,
    /// The platform: a device's name with its runtime, or a hardware file.
    pub hardware: String,
    /// Batch size.
    pub batch: u64,
    /// Every run that counted, seconds, in order.
    pub runs_s: Vec<f64>,
    /// Their median, seconds.
    pub median_s: f64,
    /// Their interquartile range over their median.
    pub spread: f64,
    /// Brand of the processor.
    pub cpu: String,
    /// Engine and version.
    pub runtime: String,
    /// When it was measured, ISO 8601.
    pub date: String,
    /// Median seconds by node of the plan, if it was profiled, in the order in which they ran.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nodes: Vec<NodeRecord>,
}

/// How long one node of a plan took.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeRecord {
    /// The node's name.
    pub name: String,
    /// Median seconds.
    pub median_s: f64,
}
