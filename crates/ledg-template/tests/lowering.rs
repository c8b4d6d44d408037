//! Views, constants and relations.

mod common;

use common::{Net, describe, ints, lower, none, sentences, templates};
use ledg_graph::{GraphBuilder, OpType};
use ledg_template::LowerOptions;

/// conv -> reshape -> transpose -> reshape -> relu, with the shapes of a patch embedding.
fn with_views() -> ledg_graph::Graph {
    let mut net = Net::new();
    let (x, w) = (net.input(&[1, 3, 4, 4]), net.weight(&[8, 3, 2, 2]));
    let conv = net.op("Conv", ints("strides", &[2, 2]), &[x, w], &[1, 8, 2, 2]);
    let target = net.ints(&[1, 8, 4]);
    let rows = net.op("Reshape", none(), &[conv, target], &[1, 8, 4]);
    let moved = net.op("Transpose", ints("perm", &[0, 2, 1]), &[rows], &[1, 4, 8]);
    let flat = net.op("Flatten", none(), &[moved], &[1, 32]);
    let y = net.op("Relu", none(), &[flat], &[1, 32]);
    net.finish(&[y])
}

#[test]
fn views_are_passed_over() {
    let lowered = lower(&with_views());
    assert_eq!(lowered.relations.fathers.to_grid(), "#..\n##.\n.##\n");
    assert_eq!(lowered.relations.grandfathers.to_grid(), "#..\n.#.\n#.#\n");
    assert_eq!(sentences(&with_views()), ["ParamL Conv 2 stride 2", "Move Transpose 0 2 1", "Act Relu"]);
}

#[test]
fn views_stay_if_asked() {
    let templates = templates();
    let options = LowerOptions { drop_views: false, ..LowerOptions::default() };
    let lowered = templates.lower(&with_views(), &options).unwrap();
    let nodes = templates.describe(&lowered);
    let sentences: Vec<&str> = nodes.iter().map(|n| n.sentence.as_str()).collect();
    let expected = ["ParamL Conv 2 stride 2", "View Reshape", "Move Transpose 0 2 1", "View Reshape", "Act Relu"];
    assert_eq!(sentences, expected);
    assert_eq!(nodes[1].magnitudes, ledg_graph::Magnitudes::default());
}

#[test]
fn what_depends_on_weights_alone_folds() {
    let mut net = Net::new();
    let (x, w) = (net.input(&[1, 4]), net.weight(&[4, 4]));
    let scaled = net.op("Exp", none(), &[w], &[4, 4]);
    let turned = net.op("Transpose", ints("perm", &[1, 0]), &[scaled], &[4, 4]);
    let y = net.op("MatMul", none(), &[x, turned], &[1, 4]);
    let nodes = describe(&net.finish(&[y]));
    assert_eq!(nodes.len(), 1);
    // The folded product is a weight like any other.
    assert_eq!(nodes[0].sentence, "ParamL MatMul");
    assert_eq!(nodes[0].magnitudes.weight_elems, 16.0);
}

#[test]
fn shape_arithmetic_folds() {
    let mut net = Net::new();
    let x = net.input(&[1, 4]);
    let shape = net.op("Shape", none(), &[x], &[2]);
    let zero = net.ints(&[0]);
    let picked = net.op("Gather", none(), &[shape, zero], &[1]);
    let wide = net.op("Reshape", none(), &[x, picked], &[4]);
    let y = net.op("Relu", none(), &[wide], &[4]);
    assert_eq!(sentences(&net.finish(&[y])), ["Act Relu"]);
}

#[test]
fn a_graph_of_views_has_nothing_to_cost() {
    let mut net = Net::new();
    let x = net.input(&[1, 4]);
    let y = net.op("Identity", none(), &[x], &[1, 4]);
    let error = templates().lower(&net.finish(&[y]), &LowerOptions::default()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "graph `net`: none of its 1 node(s) does work at run time: they are views or fold into constants"
    );
}

#[test]
fn an_operator_with_two_outputs_is_one_father() {
    let mut net = Net::new();
    let x = net.input(&[1, 4]);
    let parts = net.ops("Split", common::int("axis", 1), &[x], &[Some(&[1, 2]), Some(&[1, 2])]);
    let y = net.op("Add", none(), &parts, &[1, 2]);
    let lowered = lower(&net.finish(&[y]));
    assert_eq!(lowered.relations.fathers.row(1), &[0]);
}

/// Two branches of a diamond, added in an order: relabelling nodes permutes what is said of them.
#[test]
fn relabelling_permutes_descriptions() {
    let build = |order: [usize; 4]| {
        let mut b = GraphBuilder::new("diamond");
        let f32 = ledg_graph::DType::F32;
        let x = b.input("x", f32, &[1, 8, 8, 8]);
        let w: Vec<_> = (0..2u64).map(|i| b.weight(format!("w{i}"), f32, &[8, 8, 2 * i + 1, 2 * i + 1])).collect();
        let v: Vec<_> = (0..4).map(|i| b.activation(format!("v{i}"), f32, Some(&[1, 8, 8, 8]))).collect();
        let nodes = [
            ("Relu", vec![Some(x)], v[0]),
            ("Conv", vec![Some(v[0]), Some(w[0])], v[1]),
            ("Conv", vec![Some(v[0]), Some(w[1])], v[2]),
            ("Add", vec![Some(v[1]), Some(v[2])], v[3]),
        ];
        for i in order {
            let (op, inputs, out) = &nodes[i];
            b.node(format!("n{i}"), OpType::onnx(op), none(), inputs, &[*out]);
        }
        b.output(v[3]);
        let mut nodes = describe(&b.finish().unwrap());
        nodes.sort_by(|a, b| a.name.cmp(&b.name));
        nodes
    };
    let straight = build([0, 1, 2, 3]);
    assert_eq!(straight, build([3, 2, 1, 0]));
    assert_eq!(straight, build([2, 0, 3, 1]));
}

#[test]
fn batches_scale_work_and_not_weights() {
    let graph = with_views();
    let (one, four) = (describe(&graph), describe(&graph.rescale_batch(4).unwrap()));
    for (one, four) in one.iter().zip(&four) {
        assert_eq!(one.magnitudes.scaled_batch(4.0), four.magnitudes, "{}", one.name);
        assert_eq!(one.sentence, four.sentence);
    }
}
