//! Every fusion on a graph built by hand, and when not to fuse.

mod common;

use common::{Net, describe, int, ints, lower, none, sentences, templates};
use ledg_graph::{Attrs, Graph, ValueId};
use ledg_template::LowerOptions;

const SHAPE: [u64; 4] = [1, 8, 4, 4];

/// A net with the steps of an activation function; operands are earlier values by index (0 is the input) or numbers.
enum Arg {
    V(usize),
    C(f64),
}
use Arg::{C, V};

fn steps(steps: &[(&str, &[Arg])]) -> (Net, Vec<ValueId>) {
    let mut net = Net::new();
    let mut values = vec![net.input(&SHAPE)];
    for (op, args) in steps {
        let inputs: Vec<ValueId> = args
            .iter()
            .map(|arg| match arg {
                V(i) => values[*i],
                C(number) => net.scalar(*number),
            })
            .collect();
        values.push(net.op(op, none(), &inputs, &SHAPE));
    }
    (net, values)
}

fn graph(list: &[(&str, &[Arg])]) -> Graph {
    let (net, values) = steps(list);
    net.finish(&values[values.len() - 1..])
}

/// The steps become one node that stands for all of them.
fn fuses(list: &[(&str, &[Arg])], sentence: &str) {
    let lowered = lower(&graph(list));
    let nodes = templates().describe(&lowered);
    assert_eq!(nodes.iter().map(|n| n.sentence.as_str()).collect::<Vec<_>>(), [sentence]);
    assert_eq!(lowered.origins[0].len(), list.len());
    assert_eq!(nodes[0].dims.fused, f64::from(list.len() > 1));
    assert_eq!(nodes[0].magnitudes.read_elems, 128.0);
    assert_eq!(nodes[0].magnitudes.write_elems, 128.0);
}

const GELU: [(&str, &[Arg]); 5] = [
    ("Div", &[V(0), C(std::f64::consts::SQRT_2)]),
    ("Erf", &[V(1)]),
    ("Add", &[V(2), C(1.0)]),
    ("Mul", &[V(0), V(3)]),
    ("Mul", &[V(4), C(0.5)]),
];

#[test]
fn gelu() {
    let (erf, one) = (("Erf", &[V(1)] as &[Arg]), ("Add", &[V(2), C(1.0)] as &[Arg]));
    let div: (&str, &[Arg]) = ("Div", &[V(0), C(1.4142135381698608)]);
    let mul: (&str, &[Arg]) = ("Mul", &[V(0), C(std::f64::consts::FRAC_1_SQRT_2)]);
    fuses(&GELU, "Act Gelu");
    fuses(&[div, erf, ("Add", &[C(1.0), V(2)]), ("Mul", &[V(3), V(0)]), ("Mul", &[C(0.5), V(4)])], "Act Gelu");
    fuses(&[mul, erf, one, ("Mul", &[V(0), V(3)]), ("Mul", &[V(4), C(0.5)])], "Act Gelu");
    // Exporters round as they like.
    let rounded = |x: f64| (x * 1e5).round() / 1e5;
    let by_root = [V(0), C(rounded(std::f64::consts::SQRT_2))];
    let by_reciprocal = [C(rounded(std::f64::consts::FRAC_1_SQRT_2)), V(0)];
    for first in [("Div", &by_root as &[Arg]), ("Mul", &by_reciprocal)] {
        fuses(&[first, erf, one, ("Mul", &[V(0), C(0.5)]), ("Mul", &[V(4), V(3)])], "Act Gelu");
        fuses(&[first, erf, one, ("Mul", &[V(3), C(0.5)]), ("Mul", &[V(0), V(4)])], "Act Gelu");
    }
}

#[test]
fn gelu_by_tanh() {
    let pow: (&str, &[Arg]) = ("Pow", &[V(0), C(3.0)]);
    let inner: [(&str, &[Arg]); 5] = [
        ("Mul", &[V(1), C(0.044715)]),
        ("Add", &[V(0), V(2)]),
        ("Mul", &[V(3), C(0.7978845608)]),
        ("Tanh", &[V(4)]),
        ("Add", &[V(5), C(1.0)]),
    ];
    let [a, b, c, d, e] = inner;
    fuses(&[pow, a, b, c, d, e, ("Mul", &[V(0), V(6)]), ("Mul", &[V(7), C(0.5)])], "Act Gelu tanh");
    fuses(&[pow, a, b, c, d, e, ("Mul", &[V(6), C(0.5)]), ("Mul", &[V(0), V(7)])], "Act Gelu tanh");
    let cube: [(&str, &[Arg]); 7] = [
        ("Mul", &[V(0), V(0)]),
        ("Mul", &[V(0), V(1)]),
        ("Mul", &[C(0.044715), V(2)]),
        ("Add", &[V(0), V(3)]),
        ("Mul", &[V(4), C(0.79788)]),
        ("Tanh", &[V(5)]),
        ("Add", &[V(6), C(1.0)]),
    ];
    let [p, q, r, s, t, u, v] = cube;
    fuses(&[p, q, r, s, t, u, v, ("Mul", &[V(0), V(7)]), ("Mul", &[V(8), C(0.5)])], "Act Gelu tanh");
    fuses(&[p, q, r, s, t, u, v, ("Mul", &[V(0), C(0.5)]), ("Mul", &[V(8), V(7)])], "Act Gelu tanh");
    // As a model's own code has it.
    let own = graph(&[pow, a, b, c, d, e, ("Mul", &[V(0), C(0.5)]), ("Mul", &[V(7), V(6)])]);
    assert_eq!(sentences(&own).len(), 8, "{:?}", sentences(&own));
}

#[test]
fn gated_activations() {
    fuses(&[("Sigmoid", &[V(0)]), ("Mul", &[V(0), V(1)])], "Act Silu");
    fuses(&[("Sigmoid", &[V(0)]), ("Mul", &[V(1), V(0)])], "Act Silu");
    // GELU by a sigmoid has no kernel.
    let quick = graph(&[("Mul", &[V(0), C(1.702)]), ("Sigmoid", &[V(1)]), ("Mul", &[V(0), V(2)])]);
    assert_eq!(sentences(&quick), ["Elem Mul scalar", "Act Sigmoid", "Elem Mul"]);
    fuses(&[("Softplus", &[V(0)]), ("Tanh", &[V(1)]), ("Mul", &[V(0), V(2)])], "Act Mish");
    let spelled: [(&str, &[Arg]); 5] =
        [("Exp", &[V(0)]), ("Add", &[C(1.0), V(1)]), ("Log", &[V(2)]), ("Tanh", &[V(3)]), ("Mul", &[V(0), V(4)])];
    fuses(&spelled, "Act Mish");
    fuses(&spelled[..3], "Act Softplus");
}

#[test]
fn hard_activations() {
    let three: (&str, &[Arg]) = ("Add", &[V(0), C(3.0)]);
    let clip: (&str, &[Arg]) = ("Clip", &[V(1), C(0.0), C(6.0)]);
    fuses(&[("Clip", &[V(0), C(0.0), C(6.0)])], "Act Relu6");
    fuses(&[three, clip, ("Div", &[V(2), C(6.0)])], "Act HardSigmoid");
    fuses(&[three, clip, ("Mul", &[V(2), C(1.0 / 6.0)])], "Act HardSigmoid");
    fuses(&[("HardSigmoid", &[V(0)]), ("Mul", &[V(0), V(1)])], "Act HardSwish");
    for last in [("Div", &[V(3), C(6.0)] as &[Arg]), ("Mul", &[V(3), C(0.1666667)])] {
        fuses(&[three, clip, ("Mul", &[V(0), V(2)]), last], "Act HardSwish");
    }
    fuses(&[three, clip, ("Div", &[V(2), C(6.0)]), ("Mul", &[V(0), V(3)])], "Act HardSwish");
    fuses(&[three, clip, ("Mul", &[V(2), C(0.16667)]), ("Mul", &[V(0), V(3)])], "Act HardSwish");
    // Other bounds are another function.
    assert_eq!(sentences(&graph(&[("Clip", &[V(0), C(0.0), C(5.0)])])), ["Act Clip"]);
}

#[test]
fn spellings_get_one_name() {
    fuses(&[("Pow", &[V(0), C(2.0)])], "Elem Square");
    fuses(&[("Mul", &[V(0), V(0)])], "Elem Square");
    fuses(&[("Sqrt", &[V(0)]), ("Reciprocal", &[V(1)])], "Elem Rsqrt");
    fuses(&[("Sqrt", &[V(0)]), ("Div", &[C(1.0), V(1)])], "Elem Rsqrt");
}

#[test]
fn another_constant_is_another_function() {
    let mut wrong = GELU;
    wrong[0] = ("Div", &[V(0), C(1.5)]);
    assert_eq!(sentences(&graph(&wrong)).len(), 5);
    wrong = GELU;
    wrong[3] = ("Mul", &[V(1), V(3)]);
    assert_eq!(sentences(&graph(&wrong)).len(), 5);
}

#[test]
fn values_read_elsewhere_stay() {
    // The sigmoid is read by another node.
    let gate: [(&str, &[Arg]); 3] = [("Sigmoid", &[V(0)]), ("Mul", &[V(0), V(1)]), ("Add", &[V(1), V(2)])];
    assert_eq!(sentences(&graph(&gate)), ["Act Sigmoid", "Elem Mul", "Elem Add"]);
    // The sigmoid is an output of the graph.
    let (net, values) = steps(&gate[..2]);
    assert_eq!(sentences(&net.finish(&[values[1], values[2]])), ["Act Sigmoid", "Elem Mul"]);
    // What is read twice inside is no obstacle, nor is an input that others read too.
    let chain: [(&str, &[Arg]); 4] =
        [("Relu", &[V(0)]), ("Sigmoid", &[V(1)]), ("Mul", &[V(1), V(2)]), ("Add", &[V(1), V(3)])];
    assert_eq!(sentences(&graph(&chain)), ["Act Relu", "Act Silu", "Elem Add"]);
}

#[test]
fn fusions_are_switchable() {
    let templates = templates();
    let silu = graph(&[("Sigmoid", &[V(0)]), ("Mul", &[V(0), V(1)])]);
    let count = |options: &LowerOptions| templates.lower(&silu, options).unwrap().kept.len();
    assert_eq!(count(&LowerOptions::default()), 1);
    assert_eq!(count(&LowerOptions { fuse: false, ..LowerOptions::default() }), 2);
    assert_eq!(count(&LowerOptions { disabled: vec!["Silu".into()], ..LowerOptions::default() }), 2);
    assert_eq!(count(&LowerOptions { disabled: vec!["Gelu".into()], ..LowerOptions::default() }), 1);
    let unknown = LowerOptions { disabled: vec!["Sillu".into()], ..LowerOptions::default() };
    let error = templates.lower(&silu, &unknown).unwrap_err().to_string();
    assert_eq!(error, "there is no fusion `Sillu` to disable, did you mean `Silu`?");
}

#[test]
fn biases_and_batch_normalisation() {
    let mut net = Net::new();
    let (x, w, one) = (net.input(&SHAPE), net.weight(&[16, 8, 3, 3]), net.weight(&[16]));
    let conv = net.op("Conv", ints("strides", &[2, 2]), &[x, w], &[1, 16, 2, 2]);
    let norm = net.op("BatchNormalization", none(), &[conv, one, one, one, one], &[1, 16, 2, 2]);
    let w2 = net.weight(&[16, 16, 1, 1]);
    let b2 = net.weight(&[16, 1, 1]);
    let conv2 = net.op("Conv", none(), &[norm, w2], &[1, 16, 2, 2]);
    let y = net.op("Add", none(), &[b2, conv2], &[1, 16, 2, 2]);
    let graph = net.finish(&[y]);
    let nodes = describe(&graph);
    let said: Vec<&str> = nodes.iter().map(|n| n.sentence.as_str()).collect();
    assert_eq!(said, ["ParamL Conv 3 stride 2", "ParamL Conv 1"]);
    // Weights and a folded bias.
    assert_eq!(nodes[0].magnitudes.weight_elems, (16 * 8 * 9 + 16) as f64);
    assert_eq!(nodes[1].magnitudes.weight_elems, (16 * 16 + 16) as f64);
    let lowered = lower(&graph);
    let (first, second) = (&lowered.origins[0], &lowered.origins[1]);
    assert!(first[0].starts_with("Conv") && first[1].starts_with("BatchNormalization"));
    assert!(second[0].starts_with("Conv") && second[1].starts_with("Add"));
    // A normalisation that another node's input passes does not fold.
    let mut net = Net::new();
    let (x, w, one) = (net.input(&SHAPE), net.weight(&[8, 8, 3, 3]), net.weight(&[8]));
    let conv = net.op("Conv", none(), &[x, w], &SHAPE);
    let norm = net.op("BatchNormalization", none(), &[conv, one, one, one, one], &SHAPE);
    let y = net.op("Add", none(), &[conv, norm], &SHAPE);
    assert_eq!(sentences(&net.finish(&[y])), ["ParamL Conv 3", "Norm BatchNorm", "Elem Add"]);
}

#[test]
fn transposed_convolutions_fold_their_normalisation_too() {
    let mut net = Net::new();
    let (x, w, one) = (net.input(&SHAPE), net.weight(&[8, 8, 2, 2]), net.weight(&[8]));
    let conv = net.op("ConvTranspose", ints("strides", &[2, 2]), &[x, w, one], &[1, 8, 8, 8]);
    let y = net.op("BatchNormalization", none(), &[conv, one, one, one, one], &[1, 8, 8, 8]);
    assert_eq!(sentences(&net.finish(&[y])), ["ParamL ConvTranspose 2 stride 2"]);
}

#[test]
fn linear_layers_take_their_bias() {
    let mut net = Net::new();
    let (x, w, b) = (net.input(&[1, 5, 8]), net.weight(&[8, 6]), net.weight(&[6]));
    let product = net.op("MatMul", none(), &[x, w], &[1, 5, 6]);
    let sum = net.op("Add", none(), &[b, product], &[1, 5, 6]);
    // A residual is no bias.
    let w2 = net.weight(&[6, 8]);
    let product = net.op("MatMul", none(), &[sum, w2], &[1, 5, 8]);
    let y = net.op("Add", none(), &[product, x], &[1, 5, 8]);
    let nodes = describe(&net.finish(&[y]));
    let said: Vec<&str> = nodes.iter().map(|n| n.sentence.as_str()).collect();
    assert_eq!(said, ["ParamL MatMul", "ParamL MatMul", "Elem Add"]);
    assert_eq!(nodes[0].magnitudes.weight_elems, 54.0);
    assert_eq!(nodes[0].macs, (5 * 8 * 6) as f64);
}

#[test]
fn group_norm() {
    let build = |affine: usize| {
        let mut net = Net::new();
        let (x, one) = (net.input(&SHAPE), net.weight(&[2]));
        let (split, back) = (net.ints(&[1, 2, -1]), net.ints(&[1, 8, 4, 4]));
        let rows = net.op("Reshape", none(), &[x, split], &[1, 2, 64]);
        let norm = net.op("InstanceNormalization", none(), &[rows, one, one], &[1, 2, 64]);
        let mut y = net.op("Reshape", none(), &[norm, back], &SHAPE);
        for op in &["Mul", "Add"][..affine] {
            let w = net.weight(&[8, 1, 1]);
            y = net.op(op, none(), &[y, w], &SHAPE);
        }
        describe(&net.finish(&[y]))
    };
    for affine in 0..3 {
        let nodes = build(affine);
        assert_eq!(nodes.len(), 1);
        assert_eq!(nodes[0].sentence, "Norm GroupNorm");
        assert_eq!((nodes[0].dims.groups, nodes[0].dims.axis_len), (2.0, 64.0));
        assert_eq!(nodes[0].magnitudes.weight_elems, 8.0 * affine as f64);
    }
}

/// A normalisation over axis 2 of (1, 5, 8), or over the channels of `SHAPE`.
fn norm_steps(net: &mut Net, list: &[&str], axis: i64) -> Vec<ValueId> {
    let (shape, small): (Vec<u64>, Vec<u64>) =
        if axis == 1 { (SHAPE.to_vec(), vec![1, 1, 4, 4]) } else { (vec![1, 5, 8], vec![1, 5, 1]) };
    let mean = || ints("axes", &[axis]).with("keepdims", ledg_graph::Attr::Int(1));
    let mut v = vec![net.input(&shape)];
    for step in list {
        let words: Vec<&str> = step.split(' ').collect();
        let mut inputs: Vec<ValueId> = Vec::new();
        for word in &words[1..] {
            inputs.push(match word.parse::<usize>() {
                Ok(i) => v[i],
                Err(_) if *word == "w" => net.weight(&shape[1..2]),
                Err(_) => net.scalar(word[1..].parse().unwrap()),
            });
        }
        let reduced = ["ReduceMean", "ReduceL2", "Sqrt", "Reciprocal", "Clip", "Max"].contains(&words[0]);
        let reduces = words[0].starts_with("Reduce");
        let scalar = words.iter().skip(1).any(|w| w.starts_with('c')) && words[0] != "Pow";
        let out = if reduced || scalar { &small } else { &shape };
        v.push(net.op(words[0], if reduces { mean() } else { none() }, &inputs, out));
    }
    v
}

fn norm_fuses(list: &[&str], axis: i64, sentence: &str) {
    let mut net = Net::new();
    let v = norm_steps(&mut net, list, axis);
    let nodes = describe(&net.finish(&v[v.len() - 1..]));
    assert_eq!(nodes.iter().map(|n| n.sentence.as_str()).collect::<Vec<_>>(), [sentence]);
    assert_eq!(nodes[0].dims.axis_len, 8.0);
}

#[test]
fn layer_norm_spelled_out() {
    let core = ["ReduceMean 0", "Sub 0 1", "Pow 2 c2", "ReduceMean 3", "Add 4 c1e-5", "Sqrt 5", "Div 2 6"];
    norm_fuses(&core, -1, "Norm LayerNorm");
    let affine = [&core[..], &["Mul 7 w", "Add 8 w"]].concat();
    norm_fuses(&affine, -1, "Norm LayerNorm");
    norm_fuses(&affine, 1, "Norm LayerNorm axis channel");
    norm_fuses(&[&core[..], &["Mul 7 w"]].concat(), -1, "Norm LayerNorm");
    let rsqrt = [&core[..6], &["Reciprocal 6", "Mul 2 7"]].concat();
    norm_fuses(&rsqrt, -1, "Norm LayerNorm");
    norm_fuses(&[&rsqrt[..], &["Mul 8 w", "Add 9 w"]].concat(), -1, "Norm LayerNorm");
    let squared = [
        "ReduceMean 0",
        "Sub 0 1",
        "Mul 2 2",
        "ReduceMean 3",
        "Add 4 c1e-5",
        "Sqrt 5",
        "Div 2 6",
        "Mul 7 w",
        "Add w 8",
    ];
    norm_fuses(&squared, -1, "Norm LayerNorm");
}

#[test]
fn rms_norm_spelled_out() {
    for square in ["Pow 0 c2", "Mul 0 0"] {
        let divided = [square, "ReduceMean 1", "Add 2 c1e-6", "Sqrt 3", "Div 0 4", "Mul 5 w"];
        norm_fuses(&divided, -1, "Norm RmsNorm");
        norm_fuses(&divided, 1, "Norm RmsNorm axis channel");
        norm_fuses(
            &[square, "ReduceMean 1", "Add 2 c1e-6", "Sqrt 3", "Reciprocal 4", "Mul 0 5", "Mul 6 w"],
            -1,
            "Norm RmsNorm",
        );
    }
    norm_fuses(&["Pow 0 c2", "ReduceMean 1", "Add 2 c1e-6", "Sqrt 3", "Div 0 4"], -1, "Norm RmsNorm");
    norm_fuses(
        &["Pow 0 c2", "ReduceMean 1", "Add 2 c1e-6", "Sqrt 3", "Div c1 4", "Mul 5 0", "Mul w 6"],
        -1,
        "Norm RmsNorm",
    );
    norm_fuses(&["Pow 0 c2", "ReduceMean 1", "Add 2 c1e-6", "Sqrt 3", "Reciprocal 4", "Mul 0 5"], -1, "Norm RmsNorm");
    norm_fuses(
        &["Pow 0 c2", "ReduceMean 1", "Mul 2 c1.01", "Add 3 c1e-6", "Sqrt 4", "Div 0 5", "Mul 6 w"],
        -1,
        "Norm RmsNorm",
    );
}

#[test]
fn a_variance_is_one_operator() {
    norm_fuses(&["ReduceMean 0", "Sub 0 1", "Mul 2 2", "ReduceMean 3"], -1, "Reduce Variance last");
    norm_fuses(&["ReduceMean 0", "Sub 0 1", "Pow 2 c2", "ReduceMean 3"], -1, "Reduce Variance last");
}

#[test]
fn l2_norm_spelled_out() {
    norm_fuses(&["ReduceL2 0", "Clip 1 c1e-12", "Expand 2 0", "Div 0 3"], -1, "Norm L2Norm");
    norm_fuses(&["ReduceL2 0", "Clip 1 c1e-12", "Div 0 2"], -1, "Norm L2Norm");
    norm_fuses(&["ReduceL2 0", "Max 1 c1e-12", "Div 0 2"], -1, "Norm L2Norm");
    norm_fuses(&["ReduceL2 0", "Div 0 1"], -1, "Norm L2Norm");
}

/// How attention is spelled: each a place where an exporter may put something.
#[derive(Default, Clone, Copy)]
struct Spelling {
    scale_q: bool,
    scale_k: bool,
    transpose_k: bool,
    divide: bool,
    scale: bool,
    mask: bool,
    /// Masked by choice instead of a sum.
    chosen: bool,
    /// Shifted windows: a second mask is added between reshapes.
    window_mask: bool,
    /// Values are (channels, positions).
    transposed: bool,
}

/// 3 heads, 5 queries, 7 keys, 4 channels, values of 6 channels.
fn attention(spelling: Spelling) -> (Graph, usize) {
    let mut net = Net::new();
    let mut q = net.input(&[1, 3, 5, 4]);
    let mut n_nodes = 3;
    let mut step = |net: &mut Net, op: &str, attrs: Attrs, inputs: &[ValueId], shape: &[u64]| {
        n_nodes += 1;
        net.op(op, attrs, inputs, shape)
    };
    let half = net.scalar(0.5);
    if spelling.scale_q {
        q = step(&mut net, "Mul", none(), &[q, half], &[1, 3, 5, 4]);
    }
    let mut k = net.input(if spelling.transpose_k { &[1, 3, 7, 4] } else { &[1, 3, 4, 7] });
    if spelling.transpose_k {
        k = step(&mut net, "Transpose", ints("perm", &[0, 1, 3, 2]), &[k], &[1, 3, 4, 7]);
    }
    if spelling.scale_k {
        k = step(&mut net, "Mul", none(), &[half, k], &[1, 3, 4, 7]);
    }
    let scores = [1, 3, 5, 7];
    let mut s = net.op("MatMul", none(), &[q, k], &scores);
    if spelling.divide {
        s = step(&mut net, "Div", none(), &[s, half], &scores);
    }
    if spelling.scale {
        s = step(&mut net, "Mul", none(), &[s, half], &scores);
    }
    if spelling.mask {
        let mask = net.weight(&[1, 3, 5, 7]);
        s = step(&mut net, "Add", none(), &[mask, s], &scores);
    }
    if spelling.chosen {
        let (mask, low) = (net.weight(&[5, 7]), net.scalar(-1e9));
        s = step(&mut net, "Where", none(), &[mask, s, low], &scores);
    }
    if spelling.window_mask {
        let (wide, mask) = (net.ints(&[1, 1, 3, 5, 7]), net.weight(&[1, 5, 7]));
        s = step(&mut net, "Reshape", none(), &[s, wide], &[1, 1, 3, 5, 7]);
        s = step(&mut net, "Add", none(), &[s, mask], &[1, 1, 3, 5, 7]);
        let back = net.ints(&[1, 3, 5, 7]);
        s = step(&mut net, "Reshape", none(), &[s, back], &scores);
    }
    let mut p = net.op("Softmax", int("axis", -1), &[s], &scores);
    if spelling.chosen {
        p = step(&mut net, "Dropout", none(), &[p], &scores);
    }
    let y = if spelling.transposed {
        let v = net.input(&[1, 3, 6, 7]);
        let t = step(&mut net, "Transpose", ints("perm", &[0, 1, 3, 2]), &[p], &[1, 3, 7, 5]);
        net.op("MatMul", none(), &[v, t], &[1, 3, 6, 5])
    } else {
        let v = net.input(&[1, 3, 7, 6]);
        net.op("MatMul", none(), &[p, v], &[1, 3, 5, 6])
    };
    (net.finish(&[y]), n_nodes)
}

#[test]
fn attention_in_every_spelling() {
    for bits in 0u32..256 {
        let bit = |i: u32| bits & (1 << i) != 0;
        let spelling = Spelling {
            scale_q: bit(0),
            scale_k: bit(1),
            transpose_k: bit(2),
            divide: bit(3),
            scale: bit(4),
            mask: bit(5),
            window_mask: bit(6) && !bit(7),
            chosen: bit(6) && bit(7),
            transposed: bit(7) && !bit(6),
        };
        let (graph, n_nodes) = attention(spelling);
        let lowered = lower(&graph);
        let nodes = templates().describe(&lowered);
        // A scale on the queries alone or none, divided scores, a mask that chooses, probabilities that are transposed: attention that
        // frameworks run operator by operator.
        let scaled = spelling.scale || (spelling.scale_q && spelling.scale_k);
        if spelling.divide || spelling.chosen || spelling.transposed || !scaled {
            assert!(nodes.iter().any(|node| node.sentence == "Norm Softmax"), "{bits:#b}");
            continue;
        }
        assert_eq!(nodes.len(), 1, "{bits:#b}");
        let (node, d) = (&nodes[0], &nodes[0].dims);
        assert_eq!(node.sentence, "Attn Attention");
        assert_eq!(lowered.origins[0].len(), n_nodes, "{bits:#b}");
        assert_eq!([d.heads, d.q_len, d.kv_len, d.head_dim, d.v_dim, d.matmuls], [3.0, 5.0, 7.0, 4.0, 6.0, 3.0]);
        assert_eq!(node.macs, (3 * 5 * 7 * (4 + 6)) as f64);
        assert_eq!(node.magnitudes.read_elems, (3 * (5 * 4 + 7 * 4 + 7 * 6)) as f64);
        assert_eq!(node.magnitudes.write_elems, (3 * 5 * 6) as f64);
    }
}

#[test]
fn self_attention_of_one_value() {
    // Queries, keys and values are the same scaled value: two lines of the pattern find the same node.
    let mut net = Net::new();
    let x = net.input(&[1, 4, 4]);
    let half = net.scalar(0.5);
    let q = net.op("Mul", none(), &[x, half], &[1, 4, 4]);
    let s = net.op("MatMul", none(), &[q, q], &[1, 4, 4]);
    let p = net.op("Softmax", int("axis", -1), &[s], &[1, 4, 4]);
    let y = net.op("MatMul", none(), &[p, x], &[1, 4, 4]);
    let lowered = lower(&net.finish(&[y]));
    assert_eq!(lowered.kept.len(), 1);
    assert_eq!(lowered.origins[0].len(), 4);
}

#[test]
fn probabilities_that_are_read_elsewhere_keep_attention_apart() {
    let mut net = Net::new();
    let (q, k, v) = (net.input(&[1, 3, 5, 4]), net.input(&[1, 3, 4, 7]), net.input(&[1, 3, 7, 6]));
    let s = net.op("MatMul", none(), &[q, k], &[1, 3, 5, 7]);
    let eighth = net.scalar(0.125);
    let s = net.op("Mul", none(), &[s, eighth], &[1, 3, 5, 7]);
    let p = net.op("Softmax", int("axis", -1), &[s], &[1, 3, 5, 7]);
    let y = net.op("MatMul", none(), &[p, v], &[1, 3, 5, 6]);
    assert_eq!(sentences(&net.finish(&[y, p])), ["Attn MatMul", "Elem Mul scalar", "Norm Softmax", "Attn MatMul"]);
    // Softmax over another axis is no attention.
    let mut net = Net::new();
    let (q, k, v) = (net.input(&[1, 3, 5, 4]), net.input(&[1, 3, 4, 7]), net.input(&[1, 3, 7, 6]));
    let s = net.op("MatMul", none(), &[q, k], &[1, 3, 5, 7]);
    let eighth = net.scalar(0.125);
    let s = net.op("Mul", none(), &[s, eighth], &[1, 3, 5, 7]);
    let p = net.op("Softmax", int("axis", 1), &[s], &[1, 3, 5, 7]);
    let y = net.op("MatMul", none(), &[p, v], &[1, 3, 5, 6]);
    assert_eq!(
        sentences(&net.finish(&[y])),
        ["Attn MatMul", "Elem Mul scalar", "Norm Softmax axis channel", "Attn MatMul"]
    );
}
