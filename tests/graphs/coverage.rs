//! Everything that the zoo generates is imported from an ONNX file without weights as it was built, and every node of it is
//! known.

use ledg_cost_model::graph::Graph;
use ledg_cost_model::onnx::{OnnxOptions, WeightStyle, WriteOptions, import_bytes, to_onnx};
use ledg_zoo::families::{self, Family};
use ledg_zoo::nasbench201::{Cell, Config, ZeroEdges};
use ledg_zoo::operators::{Binary, Operator, Unary};
use ledg_zoo::{ZooConfig, accel_nasbench, fbnet, nasbench101, nasbench201, operators, transformers};

use super::described;

/// Imports what is written of the graph, and describes it. Returns the sentences.
fn check(graph: &Graph) -> Vec<String> {
    let options = WriteOptions { weights: WeightStyle::EmptyInitializers, ..WriteOptions::default() };
    let bytes = to_onnx(graph, &options).unwrap();
    let imported = import_bytes(graph.name(), bytes.into(), &OnnxOptions::default()).unwrap();
    assert!(imported.unknown.is_empty() && imported.unused_nodes == 0, "{}: {:?}", graph.name(), imported.unknown);
    assert_eq!(imported.graph.content_hash(), graph.content_hash(), "{}", graph.name());
    let described = described(&imported.graph);
    for node in &described.nodes {
        assert!(node.known, "{}: {} ({})", graph.name(), node.name, node.op);
    }
    assert_eq!(described.scaling.why(), None, "{}", graph.name());
    described.nodes.into_iter().map(|n| n.sentence).collect()
}

#[test]
fn well_known_networks() {
    for name in ledg_zoo::names() {
        check(&ledg_zoo::build(name, &ZooConfig::default()).unwrap());
    }
}

#[test]
fn families_and_search_spaces() {
    for seed in 0..4 {
        for family in Family::ALL {
            check(&families::build(family, seed, 1).unwrap());
        }
        for zeros in [ZeroEdges::Run, ZeroEdges::Drop, ZeroEdges::Fold] {
            let cell = Cell::from_code(3907 * seed as u32 + 11).unwrap();
            check(&nasbench201::build(&cell, &Config { zeros, ..Config::default() }).unwrap());
        }
        check(&nasbench101::build("cell", &nasbench101::Cell::random(seed), 1).unwrap());
        let architecture = fbnet::Architecture::random(seed);
        for target in [fbnet::Target::Cifar100, fbnet::Target::ImageNet] {
            check(&fbnet::build(&architecture, target, 1).unwrap());
        }
        for activation in [accel_nasbench::Activation::Silu, accel_nasbench::Activation::Relu] {
            check(&accel_nasbench::build(&accel_nasbench::random(seed), activation, 1).unwrap());
        }
    }
}

#[test]
fn transformers_of_any_size() {
    for seed in 0..12 {
        let (transformer, config) = transformers::random(seed);
        check(&transformers::build(&format!("transformer-{seed}"), &transformer, &config).unwrap());
    }
}

/// A single operator is one node, whatever it is spelled as.
#[test]
fn single_operators() {
    let mut all = vec![
        Operator::BatchedMatMul { batch: 1, m: 64, k: 32, n: 16 },
        Operator::Linear { batch: 1, m: 64, k: 32, n: 16 },
        Operator::Conv { batch: 1, channels: 8, image: 14, out: 16, kernel: 3, stride: 1, pad: 1 },
        Operator::Softmax(1, 512),
        Operator::LayerNorm(1, 512),
    ];
    all.extend([Unary::Relu, Unary::Tanh, Unary::Gelu].map(|op| Operator::Unary(op, 1, 512)));
    for op in [Binary::Add, Binary::Div, Binary::Mul, Binary::Pow] {
        all.extend([Operator::Binary(op, 1, 512), Operator::BinaryScalar(op, 1, 512)]);
    }
    let sentences: Vec<String> = all.iter().flat_map(|operator| check(&operators::build(operator).unwrap())).collect();
    assert_eq!(sentences.len(), all.len(), "{sentences:?}");
}
