//! A small made-up data set for tests: zoo networks on platforms that reach a fixed share of their roofline.

use std::sync::Arc;

use ledg_cost_model::template::hardware::HardwareRegistry;
use ledg_cost_model::{Describer, RawPlatform};
use ledg_zoo::ZooConfig;

use super::{Dataset, GraphEntry, PlatformEntry, Record};
use crate::split::TrainingSet;

/// Networks and the families they stand for.
const NETWORKS: [(&str, &str); 6] = [
    ("resnet18", "resnet"),
    ("resnet34", "resnet"),
    ("squeezenet1_1", "squeezenet"),
    ("mobilenet_v2", "mobilenet"),
    ("alexnet", "alexnet"),
    ("vgg11", "vgg"),
];

/// Every network on two devices at two batch sizes.
pub fn dataset() -> Dataset {
    let describer = Describer::builtin().unwrap();
    let registry = HardwareRegistry::builtin();
    let graphs: Vec<GraphEntry> = NETWORKS
        .iter()
        .map(|(name, family)| {
            let graph = ledg_zoo::build(name, &ZooConfig::default()).unwrap();
            GraphEntry {
                family: (*family).to_owned(),
                group: (*family).to_owned(),
                stage: None,
                graph: Arc::new(describer.describe(&graph).unwrap()),
            }
        })
        .collect();
    let platforms: Vec<PlatformEntry> = ["rtx3090", "rtx4090"]
        .iter()
        .map(|name| PlatformEntry {
            device: (*name).to_owned(),
            platform: RawPlatform::new(&registry.resolve(name).unwrap()).unwrap(),
        })
        .collect();
    let mut records = Vec::new();
    for (graph, entry) in graphs.iter().enumerate() {
        for (platform, on) in platforms.iter().enumerate() {
            for batch in [16, 256] {
                let m = entry.graph.magnitudes().scaled_batch(batch as f64);
                let rates = on.platform.rates;
                let memory = m.moved_elems() * rates.bytes_per_element / rates.bandwidth_bytes_s;
                records.push(Record {
                    graph,
                    platform,
                    batch,
                    latency_s: m.flops / rates.matmul_flops / 0.3 + memory / 0.5,
                    resolution_s: 0.0,
                });
            }
        }
    }
    Dataset { graphs, platforms, records, hash: "synthetic".into() }
}

/// All families but VGG's train, VGG's validates.
pub fn training_set(data: &Dataset) -> TrainingSet {
    let of = |vgg: bool| {
        (0..data.records.len()).filter(|&r| (data.graphs[data.records[r].graph].family == "vgg") == vgg).collect()
    };
    TrainingSet { train: of(false), validation: of(true) }
}
