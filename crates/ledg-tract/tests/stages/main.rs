//! What the cost model is told of tract's three stages of four networks, and that the stages agree.

mod accounting;
mod estimates;
mod masks;
mod snapshots;
mod symbols;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use ledg_cost_model::{DescribedGraph, Describer};
use ledg_graph::Graph;
use ledg_onnx::{WeightStyle, WriteOptions};
use ledg_tract::{GraphOptions, LoadOptions, TractModel, model_graph};
use ledg_zoo::ZooConfig;

/// The networks, with small inputs: their structure does not depend on these.
const NETWORKS: [(&str, ZooConfig); 4] = [
    ("resnet18", ZooConfig { batch: 1, image: 64, sequence: 16 }),
    ("mobilenet_v2", ZooConfig { batch: 1, image: 64, sequence: 16 }),
    ("vit_s16", ZooConfig { batch: 1, image: 64, sequence: 16 }),
    ("lstm_classifier", ZooConfig { batch: 1, image: 64, sequence: 16 }),
];

fn load(name: &str, config: &ZooConfig) -> TractModel {
    let write = WriteOptions { weights: WeightStyle::EmptyInitializers, ..WriteOptions::default() };
    let bytes = ledg_zoo::onnx(name, config, &write).unwrap();
    TractModel::from_bytes(name, bytes, None, &LoadOptions::default()).unwrap()
}

/// A network by its name, loaded once.
fn network(name: &str) -> Arc<TractModel> {
    static LOADED: Mutex<BTreeMap<String, Arc<TractModel>>> = Mutex::new(BTreeMap::new());
    let mut loaded = LOADED.lock().unwrap();
    let model = loaded.entry(name.to_owned()).or_insert_with(|| {
        let (_, config) = NETWORKS.iter().find(|(n, _)| *n == name).expect("one of the four");
        Arc::new(load(name, config))
    });
    Arc::clone(model)
}

/// The graphs of the three stages.
fn stages(model: &TractModel) -> [(&'static str, Graph); 3] {
    let of = |stage| model_graph(stage, &GraphOptions::default()).unwrap();
    [("typed", of(&model.typed)), ("decluttered", of(&model.decluttered)), ("optimised", model.graph().unwrap())]
}

fn described(graph: &Graph) -> DescribedGraph {
    Describer::builtin().unwrap().describe(graph).unwrap()
}
