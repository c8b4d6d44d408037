//! The inputs of benches and of the table of speeds: graphs of given sizes, platforms.

// The bench and the table each use their own part of this module.
#![allow(dead_code)]

use ledg_cost_model::graph::{Attr, Attrs, DType, Graph, GraphBuilder, OpType, ValueId};
use ledg_cost_model::{HardwareRegistry, Platform};
use ledg_zoo::ZooConfig;

/// ResNet-50: 122 nodes.
pub fn resnet50() -> Graph {
    ledg_zoo::build("resnet50", &ZooConfig::default()).expect("a network of the zoo")
}

/// A residual network of about `n_nodes` nodes whose widths go through 48 values, so that blocks repeat as they do in
/// large networks: some, not all.
pub fn residual(n_nodes: usize) -> Graph {
    let mut b = GraphBuilder::new(format!("residual{n_nodes}"));
    let mut x = b.input("input", DType::F32, &[1, 64, 28, 28]);
    let (mut channels, mut block) = (64, 0);
    while b.node_count() + 6 <= n_nodes {
        let next = 64 + 8 * ((block * 7) % 48) as u64;
        x = conv(&mut b, &format!("b{block}.in"), x, [channels, next], 1);
        let shortcut = x;
        x = op(&mut b, &format!("b{block}.relu0"), "Relu", &[x], next);
        x = conv(&mut b, &format!("b{block}.conv"), x, [next, next], 3);
        x = op(&mut b, &format!("b{block}.relu1"), "Relu", &[x], next);
        x = op(&mut b, &format!("b{block}.add"), "Add", &[x, shortcut], next);
        x = op(&mut b, &format!("b{block}.sigmoid"), "Sigmoid", &[x], next);
        (channels, block) = (next, block + 1);
    }
    b.output(x);
    b.finish().expect("a valid graph")
}

fn op(b: &mut GraphBuilder, name: &str, kind: &str, inputs: &[ValueId], channels: u64) -> ValueId {
    let out = b.activation(format!("{name}.out"), DType::F32, Some(&[1, channels, 28, 28]));
    let inputs: Vec<Option<ValueId>> = inputs.iter().map(|&v| Some(v)).collect();
    b.node(name, OpType::onnx(kind), Attrs::new(), &inputs, &[out]);
    out
}

fn conv(b: &mut GraphBuilder, name: &str, x: ValueId, [from, to]: [u64; 2], kernel: u64) -> ValueId {
    let weight = b.weight(format!("{name}.weight"), DType::F32, &[to, from, kernel, kernel]);
    let out = b.activation(format!("{name}.out"), DType::F32, Some(&[1, to, 28, 28]));
    let (k, pad) = (kernel as i64, (kernel / 2) as i64);
    let attrs = Attrs::new().with("kernel_shape", Attr::Ints(vec![k, k])).with("pads", Attr::Ints(vec![pad; 4]));
    b.node(name, OpType::onnx("Conv"), attrs, &[Some(x), Some(weight)], &[out]);
    out
}

/// The first `n` built-in devices, each at batch 32.
pub fn platforms(n: usize) -> Vec<(Platform, u64)> {
    let registry = HardwareRegistry::builtin();
    let names = ["rtx4090", "rtx3090", "t4", "a100-40gb"];
    let mut found: Vec<(Platform, u64)> =
        names.iter().filter_map(|name| registry.resolve(name).ok()).map(|p| (p, 32)).collect();
    let all = registry.devices().map(|d| d.name.clone()).collect::<Vec<_>>();
    found.extend(all.iter().filter_map(|name| registry.resolve(name).ok()).map(|p| (p, 32)));
    found.retain(|(p, _)| ledg_cost_model::RawPlatform::new(p).is_ok());
    found.truncate(n);
    found
}
