//! Sentences and magnitudes of single operators, by hand arithmetic.

mod common;

use common::{Net, describe, int, ints, none};
use ledg_graph::{Attr, Attrs, ValueId};
use ledg_template::NodeDescription;

/// The description of a graph of one node.
fn one(op: &str, attrs: Attrs, build: impl FnOnce(&mut Net) -> Vec<ValueId>, shape: &[u64]) -> NodeDescription {
    let mut net = Net::new();
    let inputs = build(&mut net);
    let y = net.op(op, attrs, &inputs, shape);
    let mut nodes = describe(&net.finish(&[y]));
    assert_eq!(nodes.len(), 1, "{op}");
    assert!(nodes[0].features.iter().all(|f| f.is_finite()), "{op}");
    nodes.remove(0)
}

/// Sentence, then FLOPs, read, written, weight elements.
fn check(node: &NodeDescription, sentence: &str, expected: [f64; 4]) {
    let m = node.magnitudes;
    assert_eq!(node.sentence, sentence);
    assert!(node.known, "{sentence}");
    assert_eq!([m.flops, m.read_elems, m.write_elems, m.weight_elems], expected, "{sentence}");
    assert_eq!(m.params, m.weight_elems, "{sentence}");
}

fn conv_attrs(strides: [i64; 2], dilations: [i64; 2], group: i64) -> Attrs {
    ints("strides", &strides).with("dilations", Attr::Ints(dilations.to_vec())).with("group", Attr::Int(group))
}

fn conv(kernel: [u64; 2], attrs: Attrs, cin_per_group: u64, cout: u64, out: u64) -> NodeDescription {
    let group = attrs.int("group").unwrap_or(1) as u64;
    one(
        "Conv",
        attrs,
        |n| vec![n.input(&[1, cin_per_group * group, 16, 16]), n.weight(&[cout, cin_per_group, kernel[0], kernel[1]])],
        &[1, cout, out, out],
    )
}

#[test]
fn convolutions() {
    // The paper's example.
    let plain = conv([3, 3], none(), 8, 32, 16);
    check(&plain, "ParamL Conv 3", [2.0 * (32 * 256 * 8 * 9) as f64, 2048.0, 8192.0, 2304.0]);
    assert_eq!(plain.macs, (32 * 256 * 8 * 9) as f64);
    assert_eq!([plain.dims.m, plain.dims.n, plain.dims.k, plain.dims.matmuls], [256.0, 32.0, 72.0, 1.0]);
    let sentence = |kernel, attrs, cin, cout, out| conv(kernel, attrs, cin, cout, out).sentence;
    assert_eq!(sentence([3, 3], conv_attrs([1, 1], [1, 1], 1), 8, 32, 16), "ParamL Conv 3");
    assert_eq!(sentence([1, 1], none(), 8, 32, 16), "ParamL Conv 1");
    assert_eq!(sentence([3, 1], none(), 8, 32, 16), "ParamL Conv 3x1");
    assert_eq!(sentence([3, 3], conv_attrs([2, 2], [1, 1], 1), 8, 32, 8), "ParamL Conv 3 stride 2");
    assert_eq!(sentence([3, 3], conv_attrs([2, 1], [1, 1], 1), 8, 32, 8), "ParamL Conv 3 stride 2x1");
    assert_eq!(sentence([3, 3], conv_attrs([1, 1], [2, 2], 1), 8, 32, 16), "ParamL Conv 3 dilated 2");
    assert_eq!(sentence([3, 3], conv_attrs([1, 1], [1, 1], 32), 2, 64, 16), "ParamL Conv 3 grouped 32");
    let depthwise = conv([3, 3], conv_attrs([1, 1], [1, 1], 32), 1, 32, 16);
    check(&depthwise, "ParamL Conv 3 depthwise", [2.0 * (32 * 256 * 9) as f64, 8192.0, 8192.0, 288.0]);
    assert_eq!([depthwise.dims.m, depthwise.dims.n, depthwise.dims.k, depthwise.dims.matmuls], [256.0, 1.0, 9.0, 32.0]);
    let signal = one("Conv", none(), |n| vec![n.input(&[1, 1, 64]), n.weight(&[1, 1, 5])], &[1, 1, 64]);
    check(&signal, "ParamL Conv 5 1d", [640.0, 64.0, 64.0, 5.0]);
    assert_eq!(signal.dims.out_spatial, 64.0);
    let volume = one("Conv", none(), |n| vec![n.input(&[1, 2, 4, 4, 4]), n.weight(&[3, 2, 3, 3, 3])], &[1, 3, 4, 4, 4]);
    check(&volume, "ParamL Conv 3 3d", [2.0 * (3 * 64 * 2 * 27) as f64, 128.0, 192.0, 162.0]);
}

#[test]
fn a_transposed_convolution_works_from_its_input() {
    // (1, 8, 4, 4) -> (1, 6, 8, 8), kernel 2, stride 2, weight (C_in, C_out, 2, 2).
    let node = one(
        "ConvTranspose",
        ints("strides", &[2, 2]),
        |n| vec![n.input(&[1, 8, 4, 4]), n.weight(&[8, 6, 2, 2])],
        &[1, 6, 8, 8],
    );
    check(&node, "ParamL ConvTranspose 2 stride 2", [2.0 * (128 * 6 * 4) as f64, 128.0, 384.0, 192.0]);
    assert_eq!(node.dims.m * node.dims.n * node.dims.k * node.dims.matmuls, node.macs);
}

#[test]
fn matrix_products() {
    let layer = one("MatMul", none(), |n| vec![n.input(&[1, 5, 6]), n.weight(&[6, 7])], &[1, 5, 7]);
    check(&layer, "ParamL MatMul", [420.0, 30.0, 35.0, 42.0]);
    assert_eq!([layer.dims.m, layer.dims.n, layer.dims.k, layer.dims.matmuls], [5.0, 7.0, 6.0, 1.0]);
    let scores = one("MatMul", none(), |n| vec![n.input(&[1, 3, 5, 6]), n.input(&[1, 3, 6, 7])], &[1, 3, 5, 7]);
    check(&scores, "Attn MatMul", [1260.0, 90.0 + 126.0, 105.0, 0.0]);
    assert_eq!([scores.dims.m, scores.dims.n, scores.dims.k, scores.dims.matmuls], [5.0, 7.0, 6.0, 3.0]);
    // x·xᵀ reads x once.
    let mut net = Net::new();
    let x = net.input(&[4, 4]);
    let y = net.op("MatMul", none(), &[x, x], &[4, 4]);
    check(&describe(&net.finish(&[y]))[0], "Attn MatMul", [128.0, 16.0, 16.0, 0.0]);
    let row = one("MatMul", none(), |n| vec![n.input(&[6]), n.weight(&[6, 7])], &[7]);
    check(&row, "ParamL MatMul", [84.0, 6.0, 7.0, 42.0]);
    // Batch and rows change places, then rows and columns: (3, 5, 6) is read as 5 matrices (6, 3).
    let moved = int("transBatchA", 1).with("transA", Attr::Int(1));
    let fused = one("com.microsoft.FusedMatMul", moved, |n| vec![n.input(&[3, 5, 6]), n.input(&[3, 7])], &[5, 6, 7]);
    assert_eq!([fused.dims.m, fused.dims.n, fused.dims.k, fused.dims.matmuls], [30.0, 7.0, 3.0, 1.0]);
    let across = |n: &mut Net| vec![n.input(&[4, 16, 20, 6]), n.input(&[4, 16, 30, 6])];
    let fused = one("com.microsoft.FusedMatMul", int("transB", 1), across, &[4, 16, 20, 30]);
    assert_eq!([fused.dims.m, fused.dims.n, fused.dims.k, fused.dims.matmuls], [20.0, 30.0, 6.0, 64.0]);
    let gemm = one("Gemm", int("transB", 1), |n| vec![n.input(&[1, 6]), n.weight(&[7, 6]), n.weight(&[7])], &[1, 7]);
    check(&gemm, "ParamL Gemm", [84.0, 6.0, 7.0, 49.0]);
    let einsum = one(
        "Einsum",
        Attrs::new().with("equation", Attr::Str("bhid, bhjd -> bhij".into())),
        |n| vec![n.input(&[1, 3, 5, 6]), n.input(&[1, 3, 7, 6])],
        &[1, 3, 5, 7],
    );
    check(&einsum, "Attn Einsum", [1260.0, 216.0, 105.0, 0.0]);
    assert_eq!([einsum.dims.m, einsum.dims.n, einsum.dims.k, einsum.dims.matmuls], [5.0, 7.0, 6.0, 3.0]);
    let ellipsis = one(
        "Einsum",
        Attrs::new().with("equation", Attr::Str("...ij,jk->...ik".into())),
        |n| vec![n.input(&[2, 3, 5, 6]), n.weight(&[6, 7])],
        &[2, 3, 5, 7],
    );
    check(&ellipsis, "ParamL Einsum", [2.0 * (6 * 5 * 6 * 7) as f64, 180.0, 210.0, 42.0]);
}

#[test]
fn element_by_element() {
    let shape = [1, 4, 8, 8];
    let both = one("Add", none(), |n| vec![n.input(&shape), n.input(&shape)], &shape);
    check(&both, "Elem Add", [256.0, 512.0, 256.0, 0.0]);
    let gate = one("Mul", none(), |n| vec![n.input(&shape), n.input(&[1, 4, 1, 1])], &shape);
    check(&gate, "Elem Mul broadcast", [256.0, 260.0, 256.0, 0.0]);
    let scale = one("Mul", none(), |n| vec![n.input(&shape), n.weight(&[4, 1, 1])], &shape);
    check(&scale, "Elem Mul weight", [256.0, 256.0, 256.0, 4.0]);
    let half = one("Mul", none(), |n| vec![n.input(&shape), n.scalar(0.5)], &shape);
    check(&half, "Elem Mul scalar", [256.0, 256.0, 256.0, 0.0]);
    let relu = one("Relu", none(), |n| vec![n.input(&shape)], &shape);
    check(&relu, "Act Relu", [256.0, 256.0, 256.0, 0.0]);
    let gelu = one("Gelu", none(), |n| vec![n.input(&shape)], &shape);
    check(&gelu, "Act Gelu", [3072.0, 256.0, 256.0, 0.0]);
    let cast = one("Cast", int("to", 1), |n| vec![n.input(&shape)], &shape);
    check(&cast, "Elem Cast f32", [0.0, 256.0, 256.0, 0.0]);
}

#[test]
fn windows_and_reductions() {
    let attrs = || ints("kernel_shape", &[3, 3]).with("strides", Attr::Ints(vec![2, 2]));
    let max = one("MaxPool", attrs(), |n| vec![n.input(&[1, 4, 8, 8])], &[1, 4, 4, 4]);
    check(&max, "Pool Max 3 stride 2", [576.0, 256.0, 64.0, 0.0]);
    let global = one("GlobalAveragePool", none(), |n| vec![n.input(&[1, 4, 8, 8])], &[1, 4, 1, 1]);
    check(&global, "Pool GlobalAverage", [256.0, 256.0, 4.0, 0.0]);
    assert_eq!(global.dims.kernel_elems, 64.0);
    let mean = one("ReduceMean", ints("axes", &[-2, -1]), |n| vec![n.input(&[1, 4, 8, 8])], &[1, 4]);
    check(&mean, "Reduce Mean spatial", [256.0, 256.0, 4.0, 0.0]);
    assert_eq!(mean.dims.axis_len, 64.0);
    // Newer opsets give the axes as an input.
    let sum = one("ReduceSum", none(), |n| vec![n.input(&[1, 4, 8]), n.ints(&[1])], &[1, 8]);
    check(&sum, "Reduce Sum channel", [32.0, 32.0, 8.0, 0.0]);
    let all = one("ReduceMax", none(), |n| vec![n.input(&[1, 4, 8])], &[]);
    check(&all, "Reduce Max all", [32.0, 32.0, 1.0, 0.0]);
}

#[test]
fn normalisations() {
    let layer = one(
        "LayerNormalization",
        int("axis", -1),
        |n| vec![n.input(&[1, 5, 8]), n.weight(&[8]), n.weight(&[8])],
        &[1, 5, 8],
    );
    check(&layer, "Norm LayerNorm", [320.0, 40.0, 40.0, 16.0]);
    assert_eq!(layer.dims.axis_len, 8.0);
    let batch = one(
        "BatchNormalization",
        none(),
        |n| vec![n.input(&[1, 4, 8, 8]), n.weight(&[4]), n.weight(&[4]), n.weight(&[4]), n.weight(&[4])],
        &[1, 4, 8, 8],
    );
    check(&batch, "Norm BatchNorm", [512.0, 256.0, 256.0, 16.0]);
    let softmax = one("Softmax", int("axis", -1), |n| vec![n.input(&[1, 3, 5, 7])], &[1, 3, 5, 7]);
    check(&softmax, "Norm Softmax", [1575.0, 105.0, 105.0, 0.0]);
    assert_eq!(softmax.dims.axis_len, 7.0);
    let channels = one("Softmax", int("axis", 1), |n| vec![n.input(&[1, 3, 5, 7])], &[1, 3, 5, 7]);
    assert_eq!(channels.sentence, "Norm Softmax axis channel");
}

#[test]
fn movements() {
    let transpose = one("Transpose", ints("perm", &[0, 2, 1, 3]), |n| vec![n.input(&[1, 2, 3, 4])], &[1, 3, 2, 4]);
    check(&transpose, "Move Transpose 0 2 1 3", [0.0, 24.0, 24.0, 0.0]);
    let slice = one("Slice", none(), |n| vec![n.input(&[1, 100]), n.ints(&[0]), n.ints(&[7]), n.ints(&[1])], &[1, 7]);
    check(&slice, "Move Slice", [0.0, 7.0, 7.0, 0.0]);
    let concat = one("Concat", int("axis", 1), |n| vec![n.input(&[1, 2, 4]), n.input(&[1, 3, 4])], &[1, 5, 4]);
    check(&concat, "Move Concat channel", [0.0, 20.0, 20.0, 0.0]);
    // An embedding reads the rows it gathers, and holds the table.
    let embed = one("Gather", int("axis", 0), |n| vec![n.weight(&[1000, 8]), n.input(&[1, 5])], &[1, 5, 8]);
    assert_eq!(embed.sentence, "Embed Gather 0");
    assert_eq!([embed.magnitudes.weight_elems, embed.magnitudes.params], [40.0, 8000.0]);
    let gather = one("Gather", int("axis", 1), |n| vec![n.input(&[1, 9, 4]), n.ints(&[0, 3])], &[1, 2, 4]);
    check(&gather, "Move Gather channel", [0.0, 8.0, 8.0, 0.0]);
}

#[test]
fn recurrence() {
    // 7 steps, batch 1, input 5, hidden 3, both directions: 2 x 7 products (1, 5 + 3) x (8, 4·3).
    let mut net = Net::new();
    let inputs = [net.input(&[7, 1, 5]), net.weight(&[2, 12, 5]), net.weight(&[2, 12, 3]), net.weight(&[2, 24])];
    let attrs = int("hidden_size", 3).with("direction", Attr::Str("bidirectional".into()));
    let y = net.op("LSTM", attrs, &inputs, &[7, 2, 1, 3]);
    let nodes = describe(&net.finish(&[y]));
    let weights = (2 * 12 * 5 + 2 * 12 * 3 + 2 * 24) as f64;
    check(&nodes[0], "Recur Lstm bidirectional", [2.0 * (2 * 7 * 8 * 12) as f64, 35.0, 42.0, weights]);
}

#[test]
fn quantised_operators_find_their_operands() {
    let mut net = Net::new();
    let (x, w) = (net.input(&[1, 8, 16, 16]), net.weight(&[32, 8, 3, 3]));
    let scales: Vec<ValueId> = (0..5).map(|i| net.scalar(f64::from(i))).collect();
    let inputs = [x, scales[0], scales[1], w, scales[2], scales[3], scales[4]];
    let y = net.op("QLinearConv", none(), &inputs, &[1, 32, 16, 16]);
    let node = &describe(&net.finish(&[y]))[0];
    check(node, "ParamL Conv 3 integer", [2.0 * (32 * 256 * 8 * 9) as f64, 2048.0, 8192.0, 2304.0]);
}

#[test]
fn an_unknown_operator_is_described_and_reported() {
    let mut net = Net::new();
    let x = net.input(&[1, 4, 8]);
    let y = net.op("com.acme.FancyOp", none(), &[x], &[1, 4, 2]);
    let z = net.op("Relu", none(), &[y], &[1, 4, 2]);
    let nodes = describe(&net.finish(&[z]));
    assert_eq!((nodes[0].sentence.as_str(), nodes[0].class.as_str()), ("Unknown com.acme FancyOp", "Unknown"));
    assert!(!nodes[0].known && nodes[0].shape_known && nodes[1].known);
    let m = nodes[0].magnitudes;
    assert_eq!([m.flops, m.read_elems, m.write_elems], [8.0, 32.0, 8.0]);
    assert_eq!(ledg_template::GraphCosts::of(&nodes).n_unknown, 1);
}

#[test]
fn a_missing_shape_is_assumed_and_reported() {
    let mut net = Net::new();
    let x = net.input(&[1, 4, 8]);
    let y = net.ops("com.acme.FancyOp", none(), &[x], &[None])[0];
    let z = net.ops("Relu", none(), &[y], &[None])[0];
    let nodes = describe(&net.finish(&[z]));
    for node in &nodes {
        assert!(!node.known && !node.shape_known, "{}", node.name);
        assert_eq!(node.magnitudes.write_elems, 32.0, "{}", node.name);
    }
}

#[test]
fn attention_of_packed_and_of_cached_operands() {
    let sizes = |op: &str, attrs: Attrs, operands: &[&[u64]], out: &[u64]| {
        let d = one(op, attrs, |n| operands.iter().map(|shape| n.input(shape)).collect(), out).dims;
        [d.heads, d.q_len, d.kv_len, d.head_dim, d.v_dim, d.matmuls]
    };
    let heads = |n: i64| int("num_heads", n);
    let grouped = || heads(4).with("kv_num_heads", Attr::Int(2));
    let (mha, gqa) = ("com.microsoft.MultiHeadAttention", "com.microsoft.GroupQueryAttention");
    // Two samples of 5 queries, 4 heads of 8.
    let apart = sizes(gqa, grouped(), &[&[2, 5, 32], &[2, 5, 16], &[2, 5, 16]], &[2, 5, 32]);
    assert_eq!(apart, [4.0, 5.0, 5.0, 8.0, 8.0, 8.0]);
    assert_eq!(sizes(gqa, grouped(), &[&[2, 5, 64]], &[2, 5, 32]), apart);
    assert_eq!(sizes(mha, heads(4), &[&[2, 5, 4, 3, 8]], &[2, 5, 32]), apart);
    let kv = sizes(mha, heads(4), &[&[2, 5, 32], &[2, 7, 4, 2, 8]], &[2, 5, 32]);
    assert_eq!(kv, [4.0, 5.0, 7.0, 8.0, 8.0, 8.0]);
    // One query after 11 keys of before, which are read as well.
    let past: [&[u64]; 4] = [&[2, 1, 32], &[2, 1, 16], &[2, 1, 16], &[2, 2, 11, 8]];
    assert_eq!(sizes(gqa, grouped(), &past, &[2, 1, 32]), [4.0, 1.0, 12.0, 8.0, 8.0, 8.0]);
    let past: [&[u64]; 5] = [&[2, 4, 1, 8], &[2, 4, 1, 8], &[2, 4, 1, 6], &[1, 12], &[2, 4, 11, 8]];
    assert_eq!(sizes("Attention", none(), &past, &[2, 4, 1, 6]), [4.0, 1.0, 12.0, 8.0, 6.0, 8.0]);
}

#[test]
fn sentences_stay_short_whatever_the_graph_holds() {
    let long = "x".repeat(10_000);
    let mode = Attrs::new().with("mode", Attr::Str(long.clone()));
    let pad = one("Pad", mode, |n| vec![n.input(&[1, 4])], &[1, 6]);
    assert!(pad.sentence.len() < 64);
    let unknown = one(&format!("{long}.{long}"), none(), |n| vec![n.input(&[1, 4])], &[1, 4]);
    assert!(unknown.sentence.len() < 100);
    let perm: Vec<i64> = (0..1000).collect();
    let transpose = one("Transpose", ints("perm", &perm), |n| vec![n.input(&[1, 4])], &[1, 4]);
    assert_eq!(transpose.sentence, "Move Transpose 0 1 2 3 4 5 6 7");
}

#[test]
fn nonsense_attributes_do_no_harm() {
    // Sizes that contradict each other: whatever comes out is finite and nothing overflows.
    for axis in [i64::MIN, i64::MAX, 7, -7] {
        for op in ["Softmax", "LayerNormalization", "Concat", "Split", "Gather", "ReduceMean", "ArgMax"] {
            one(op, int("axis", axis).with("axes", Attr::Ints(vec![axis])), |n| vec![n.input(&[1, 4])], &[1, 4]);
            one(op, int("axis", axis), |n| vec![n.input(&[])], &[]);
        }
    }
    let odd =
        || ints("strides", &[i64::MIN, 0]).with("group", Attr::Int(i64::MIN)).with("kernel_shape", Attr::Ints(vec![]));
    for op in ["Conv", "ConvTranspose", "MaxPool", "GlobalAveragePool", "MatMul", "Gemm", "LSTM", "Attention", "GRU"] {
        one(op, odd(), |n| vec![n.input(&[4]), n.weight(&[])], &[]);
        one(op, odd(), |n| vec![n.input(&[]), n.input(&[0, 0])], &[0]);
        one(op, odd(), |n| vec![n.input(&[1, 0, 0, 3, 4])], &[1, 0]);
    }
    for equation in ["", "->", "ij", "ij,jk->", "..i,.j", "é,é->é", "ii,ii"] {
        let attrs = Attrs::new().with("equation", Attr::Str(equation.into()));
        one("Einsum", attrs, |n| vec![n.input(&[2, 2]), n.input(&[2, 2])], &[2]);
    }
}
