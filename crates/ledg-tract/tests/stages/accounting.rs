//! Nothing is dropped on the way from a plan to its graph, and the stages cost the same arithmetic.

use std::collections::BTreeSet;

use ledg_graph::Graph;
use tract_onnx::prelude::TypedModel;

use super::{NETWORKS, described, network, stages};

/// Names of a graph's nodes, inputs, weights and constants.
fn names(graph: &Graph) -> BTreeSet<&str> {
    let values = graph.values().iter().map(|v| v.name.as_str());
    values.chain(graph.nodes().iter().map(|n| n.name.as_str())).collect()
}

fn missing(model: &TypedModel, graph: &Graph) -> Vec<String> {
    let names = names(graph);
    let order = model.eval_order().unwrap();
    order.into_iter().map(|id| model.node(id).name.clone()).filter(|n| !names.contains(n.as_str())).collect()
}

#[test]
fn every_node_of_a_plan_is_accounted_for_by_name() {
    for (name, _) in NETWORKS {
        let model = network(name);
        let of = [&model.typed, &model.decluttered, model.plan.model()];
        for ((stage, graph), model) in stages(&model).iter().zip(of) {
            assert_eq!(missing(model, graph), Vec::<String>::new(), "{name} {stage}");
        }
    }
}

#[test]
fn a_template_covers_every_node() {
    for (name, _) in NETWORKS {
        for (stage, graph) in stages(&network(name)) {
            let unknown: Vec<String> =
                described(&graph).nodes.iter().filter(|n| !n.known).map(|n| n.op.to_string()).collect();
            assert_eq!(unknown, Vec::<String>::new(), "{name} {stage}");
        }
    }
}

#[test]
fn contractions_are_the_same_at_every_stage_and_as_in_onnx() {
    for (name, config) in NETWORKS {
        let onnx = described(&ledg_zoo::build(name, &config).unwrap()).macs();
        for (stage, graph) in stages(&network(name)) {
            let macs = described(&graph).macs();
            assert_eq!(macs, onnx, "{name} {stage}");
        }
    }
}

#[test]
fn convolutions_of_a_plan_are_mapped_back_to_their_windows() {
    for name in ["resnet18", "mobilenet_v2"] {
        let [typed, _, optimised] = stages(&network(name));
        let sentences = |graph: &Graph| -> Vec<String> {
            let mut all: Vec<String> = described(graph)
                .nodes
                .iter()
                .filter(|n| n.sentence.starts_with("ParamL Conv"))
                .map(|n| n.sentence.split(" fused").next().unwrap_or_default().to_owned())
                .collect();
            all.sort_unstable();
            all
        };
        assert_eq!(sentences(&optimised.1), sentences(&typed.1), "{name}");
    }
}
