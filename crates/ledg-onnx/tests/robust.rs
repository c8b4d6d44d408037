//! No bytes make the importer panic, and what is written reads back the same.

mod common;

use common::*;
use ledg_onnx::{OnnxOptions, UnknownPolicy, WeightStyle, WriteOptions, import_bytes, to_onnx};
use proptest::prelude::*;

/// A small model that has a bit of everything: a weight, folding, a branch, a function, symbols.
fn model() -> Vec<u8> {
    let branch = |op: &str| GraphMsg::new().node(op, &["c"], &["inner"], &[]).output("inner").0;
    let to_attr = Msg::new().str(1, "axis").str(21, "along").int(20, 2);
    let function = Msg::new()
        .str(1, "F")
        .str(4, "a")
        .str(5, "b")
        .str(10, "d")
        .msg(7, node("Softmax", &["a"], &["b"], &[to_attr]))
        .msg(9, Msg::new().int(2, 17));
    GraphMsg::new()
        .typed_input("x", F32, &[Dim::Symbol("n"), Dim::Size(3), Dim::Size(8), Dim::Size(8)])
        .initializer(bare_tensor("k", F32, &[4, 3, 3, 3]).bytes(9, &[1; 432]))
        .initializer(int_tensor("flag", &[1], &[1]))
        .initializer(bare_tensor("axes", I64, &[2]).packed(7, &[2, 3]))
        .node("Conv", &["x", "k"], &["c"], &[attr_ints("pads", &[1, 1, 1, 1]), attr_ints("strides", &[2, 2])])
        .node(
            "If",
            &["flag"],
            &["i"],
            &[attr_graph("then_branch", branch("Relu")), attr_graph("else_branch", branch("Exp"))],
        )
        .node("Shape", &["i"], &["s"], &[attr_int("end", 2)])
        .node("Constant", &[], &["rest"], &[attr_tensor("value", int_tensor("", &[1], &[-1]))])
        .node("Concat", &["s", "rest"], &["t"], &[attr_int("axis", 0)])
        .node("Reshape", &["i", "t"], &["r"], &[])
        .node("Split", &["r"], &["p", "q"], &[attr_int("axis", 1)])
        .node("Add", &["p", "q"], &["unread"], &[])
        .node("d:F", &["p"], &["f"], &[attr_int("along", 1)])
        .node("ReduceSum", &["i", "axes"], &["y"], &[attr_float("unused", 0.5)])
        .output("f")
        .output("y")
        .model_with(17, Msg::new().msg(25, function))
}

fn options() -> OnnxOptions {
    OnnxOptions { dims: [("n".to_owned(), 2)].into(), unknown: UnknownPolicy::Report, ..OnnxOptions::default() }
}

#[test]
fn the_model_is_sound() {
    let imported = import_with(model(), &options()).unwrap();
    assert_eq!(ops(&imported), "Conv Relu Reshape Split Softmax ReduceSum");
    assert_eq!((shape(&imported, "f"), shape(&imported, "y")), (vec![2, 2, 16], vec![2, 4, 1, 1]));
}

#[test]
fn every_truncation_is_refused_or_imports() {
    let model = model();
    for len in 0..model.len() {
        // Only that it returns matters: a cut between fields can leave a sound model.
        let _ = import_with(model[..len].to_vec(), &options());
    }
}

#[test]
fn every_single_byte_can_be_wrong() {
    let model = model();
    for at in 0..model.len() {
        for value in [0, 1, 0x7f, 0x80, 0xff, model[at].wrapping_add(1), model[at] ^ 0x10] {
            let mut bytes = model.clone();
            bytes[at] = value;
            let _ = import_with(bytes, &options());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn many_bytes_can_be_wrong(edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12)) {
        let mut bytes = model();
        for (at, value) in edits {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        let _ = import_with(bytes, &options());
    }

    #[test]
    fn noise_is_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = import_with(bytes, &options());
    }
}

/// Write, read, write, read: the second graph is the first, in both styles of weights.
#[test]
fn writing_reads_back() {
    let first = import_with(model(), &options()).unwrap().graph;
    for weights in [WeightStyle::Inputs, WeightStyle::EmptyInitializers] {
        for value_info in [false, true] {
            let write = WriteOptions { weights, value_info, ..WriteOptions::default() };
            let bytes = to_onnx(&first, &write).unwrap();
            let second = import_bytes(first.name(), bytes.clone().into(), &OnnxOptions::default()).unwrap();
            assert_eq!(second.graph.content_hash(), first.content_hash(), "{weights:?}");
            assert!(second.contradictions.is_empty() && second.folded_nodes == 0);
            assert_eq!(to_onnx(&second.graph, &write).unwrap().len(), bytes.len());
        }
    }
}

#[test]
fn symbols_must_exist() {
    let graph = import_with(model(), &options()).unwrap().graph;
    let write = WriteOptions { symbols: [("x.7".to_owned(), "n".to_owned())].into(), ..WriteOptions::default() };
    let message = to_onnx(&graph, &write).unwrap_err().to_string();
    assert_eq!(
        message,
        "m.onnx: there is no dynamic dimension `x.7` to bind; the model has `x.0`, `x.1`, `x.2`, `x.3`"
    );
}
