//! The masks father, son and grandfather of three small graphs.

use ledg_cli::explain::masks;
use ledg_graph::{Attrs, DType, Graph, GraphBuilder, OpType, ValueId};

use super::{described, network};

/// `name = op(inputs)`, all of shape (1, 4).
fn node(b: &mut GraphBuilder, name: &str, op: &str, inputs: &[ValueId]) -> ValueId {
    let out = b.activation(format!("{name}_out"), DType::F32, Some(&[1, 4]));
    let inputs: Vec<Option<ValueId>> = inputs.iter().copied().map(Some).collect();
    b.node(name, OpType::onnx(op), Attrs::new(), &inputs, &[out]);
    out
}

/// a → b → d, a → c → d, d → e; the view in between is no row of its own.
fn diamond() -> Graph {
    let mut b = GraphBuilder::new("diamond");
    let x = b.input("x", DType::F32, &[1, 4]);
    let start = node(&mut b, "a", "Relu", &[x]);
    let left = node(&mut b, "b", "Tanh", &[start]);
    let view = node(&mut b, "view", "Identity", &[start]);
    let right = node(&mut b, "c", "Sigmoid", &[view]);
    let sum = node(&mut b, "d", "Add", &[left, right]);
    let end = node(&mut b, "e", "Relu", &[sum]);
    b.output(end);
    b.finish().unwrap()
}

#[test]
fn masks_of_a_diamond() {
    insta::assert_snapshot!("masks_diamond", masks(&described(&diamond())));
}

#[test]
fn masks_of_alexnet() {
    insta::assert_snapshot!("masks_alexnet", masks(&network("alexnet")));
}

#[test]
fn masks_of_an_lstm() {
    insta::assert_snapshot!("masks_lstm_classifier", masks(&network("lstm_classifier")));
}
