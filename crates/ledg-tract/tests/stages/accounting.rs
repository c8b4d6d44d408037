//! Nothing is dropped on the way from a plan to its graph, and the stages cost the same arithmetic.

use std::collections::BTreeSet;

use ledg_graph::Graph;
use tract_core::internal::*;

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

/// Optimisation moves arithmetic on elements into products and chains; none of it is lost.
#[test]
fn all_operations_of_a_plan_are_those_of_the_decluttered_model() {
    for (name, _) in NETWORKS {
        let [_, decluttered, optimised] = stages(&network(name)).map(|(_, graph)| described(&graph).magnitudes().flops);
        assert_eq!(optimised, decluttered, "{name}");
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

/// tract counts the multiply-adds of its own operators; those that contract are compared, one by one.
#[test]
fn products_have_as_many_multiply_adds_as_tract_counts() {
    const CONTRACTIONS: [&str; 5] = ["Conv", "EinSum", "OptMatMul", "DepthWiseConv", "DirectSpatialConv"];
    for (name, _) in NETWORKS {
        let model = network(name);
        let of = [&model.typed, &model.decluttered, model.plan.model()];
        for ((stage, graph), model) in stages(&model).iter().zip(of) {
            let described = described(graph);
            let mut compared = 0;
            for node in model.nodes().iter().filter(|n| CONTRACTIONS.contains(&&*n.op.name())) {
                let Some(ours) = described.nodes.iter().find(|n| n.name == node.name) else { continue };
                let costs = node.op.cost(&model.node_input_facts(node.id).unwrap()).unwrap();
                let counted = costs.iter().filter(|(cost, _)| matches!(cost, Cost::FMA(_)));
                let theirs: i64 = counted.map(|(_, n)| n.to_i64().unwrap()).sum();
                assert_eq!(ours.macs, theirs as f64, "{name} {stage} {}", node.name);
                compared += 1;
            }
            assert!(compared > 0, "{name} {stage}: no contraction was compared");
        }
    }
}
