//! A data set is a list of (graph, platform, batch, latency); nothing downstream knows where it came from.

mod accel_nasbench;
pub mod accuracy;
mod config;
mod describe;
mod fbnet;
mod help;
pub mod host;
mod load;
mod nasbench201;
mod neusight;
mod nnlqp;
mod records;
mod source;
#[cfg(test)]
pub mod synthetic;
mod timm;

use std::collections::HashMap;
use std::sync::Arc;

use ledg_cost_model::{DescribedGraph, RawPlatform};

pub use config::DataConfig;
pub use load::{load, registry};

/// One graph of a data set.
#[derive(Clone)]
pub struct GraphEntry {
    /// Model family, or operator; splits hold out whole families.
    pub family: String,
    /// What must not be torn apart between training and validation: the family where families are many, else one of
    /// several parts of it, by which networks are dealt.
    pub group: String,
    /// The part that the source's own split gives it to.
    pub stage: Option<Stage>,
    /// Sentences, magnitudes and relations.
    pub graph: Arc<DescribedGraph>,
}

/// A part of a split that a data set brings with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// To learn from.
    Train,
    /// To test on.
    Test,
}

/// One platform of a data set.
pub struct PlatformEntry {
    /// Id of the device; splits hold out whole devices.
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
    /// What the source cannot tell apart: its rounding, or the time of a run of nothing. 0 where it is far below the
    /// measurement.
    pub resolution_s: f64,
}

impl Record {
    /// Weight of the record's relative error, at most 1: an error of the resolution is one of `resolution / latency`, and
    /// records count by the inverse of its square.
    pub fn weight(&self) -> f64 {
        1.0 / (1.0 + (self.resolution_s / self.latency_s).powi(2))
    }

    /// Whether a relative error means anything: the latency is above the resolution.
    pub fn is_resolved(&self) -> bool {
        self.latency_s > self.resolution_s
    }
}

/// Measurements with what they measure.
#[derive(Default)]
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

impl Dataset {
    /// A record's batch in units of the batch that its graph's magnitudes are of: a compiled plan is of its own batch.
    pub fn units(&self, record: &Record) -> f64 {
        record.batch as f64 / self.graphs[record.graph].graph.unit as f64
    }

    /// Takes in another data set: platforms of the same name become one. The hash stays.
    pub fn append(&mut self, other: Dataset) {
        let mut places: HashMap<String, usize> =
            self.platforms.iter().enumerate().map(|(i, p)| (p.platform.name.clone(), i)).collect();
        let first = self.graphs.len();
        self.graphs.extend(other.graphs);
        let mut platforms = Vec::with_capacity(other.platforms.len());
        for platform in other.platforms {
            let place = *places.entry(platform.platform.name.clone()).or_insert(self.platforms.len());
            if place == self.platforms.len() {
                self.platforms.push(platform);
            }
            platforms.push(place);
        }
        self.records.extend(other.records.into_iter().map(|r| Record {
            graph: first + r.graph,
            platform: platforms[r.platform],
            ..r
        }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_near_its_resolution_counts_little() {
        let record = |latency_s, resolution_s| Record { graph: 0, platform: 0, batch: 1, latency_s, resolution_s };
        assert_eq!(record(1e-3, 0.0).weight(), 1.0);
        assert_eq!(record(1e-3, 1e-3).weight(), 0.5);
        assert!((record(1e-4, 1e-3).weight() - 1.0 / 101.0).abs() < 1e-12);
        assert!(record(2e-3, 1e-3).is_resolved() && !record(1e-3, 1e-3).is_resolved());
    }

    #[test]
    fn a_plan_counts_by_its_own_batch() {
        let mut data = synthetic::dataset();
        let record = Record { batch: 16, ..data.records[0] };
        assert_eq!(data.units(&record), 16.0);
        let mut plan = (*data.graphs[record.graph].graph).clone();
        plan.unit = 16;
        data.graphs[record.graph].graph = Arc::new(plan);
        assert_eq!(data.units(&record), 1.0);
    }

    #[test]
    fn appended_data_share_platforms_and_keep_their_records() {
        let (mut all, other) = (synthetic::dataset(), synthetic::dataset());
        let (graphs, records) = (all.graphs.len(), all.records.clone());
        all.append(other);
        assert_eq!((all.graphs.len(), all.platforms.len(), all.records.len()), (2 * graphs, 2, 2 * records.len()));
        for (one, two) in records.iter().zip(&all.records[records.len()..]) {
            assert_eq!(Record { graph: one.graph + graphs, ..*one }, *two);
        }
    }
}
