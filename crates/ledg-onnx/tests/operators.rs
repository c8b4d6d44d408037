//! The shape rules, one row a case: operator, attributes, inputs, and the outputs as `dtype[shape]`.

mod common;

use common::*;
use ledg_graph::{ConstData, ValueId};
use ledg_onnx::Imported;

/// An input of the operator under test.
enum In {
    /// A float tensor given at run time.
    X(&'static [i64]),
    /// An integer tensor given at run time.
    Ids(&'static [i64]),
    /// A constant vector of integers.
    I(&'static [i64]),
    /// A constant integer.
    One(i64),
    /// A constant vector of floats.
    F(&'static [f32]),
    /// Left out.
    No,
}
use In::{F, I, Ids, No, One, X};

fn imported(opset: i64, op: &str, attrs: &[Msg], inputs: &[In], n_outputs: usize) -> Result<Imported, String> {
    let mut graph = GraphMsg::new();
    let mut names = Vec::new();
    for (i, input) in inputs.iter().enumerate() {
        let name = format!("i{i}");
        graph = match input {
            X(dims) => graph.input(&name, dims),
            Ids(dims) => graph.typed_input(&name, I64, &sizes(dims)),
            I(v) => graph.initializer(int_tensor(&name, &[v.len() as i64], v)),
            One(v) => graph.initializer(int_tensor(&name, &[], &[*v])),
            F(v) => graph.initializer(float_tensor(&name, &[v.len() as i64], v)),
            No => graph,
        };
        names.push(if matches!(input, No) { String::new() } else { name });
    }
    let outputs: Vec<String> = (0..n_outputs).map(|k| format!("o{k}")).collect();
    let strs = |v: &[String]| v.iter().map(|s| s.to_string()).collect::<Vec<_>>();
    let (names, out) = (strs(&names), strs(&outputs));
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let out: Vec<&str> = out.iter().map(String::as_str).collect();
    // An anchor keeps the graph from being empty where everything folds.
    graph = graph.node(op, &names, &out, attrs).input("anchor", &[1]).node("Relu", &["anchor"], &["anchored"], &[]);
    graph = out.iter().fold(graph, |g, o| g.output(o)).output("anchored");
    let microsoft = Msg::new().msg(8, Msg::new().str(1, "com.microsoft").int(2, 1));
    import(graph.model_with(opset, microsoft)).map_err(|e| e.to_string())
}

/// Outputs are written `f32[2, 3] i64[1]`.
#[track_caller]
fn check_at(opset: i64, op: &str, attrs: &[Msg], inputs: &[In], want: &str) {
    let n = want.matches('[').count();
    let imported = imported(opset, op, attrs, inputs, n).unwrap_or_else(|e| panic!("{e}"));
    let outputs = &imported.graph.outputs()[..n];
    let shown =
        outputs.iter().map(|&v| imported.graph.value(v)).map(|v| format!("{}{:?}", v.dtype, v.shape.as_ref().unwrap()));
    assert_eq!(shown.collect::<Vec<_>>().join(" "), want, "{op}");
}

#[track_caller]
fn check(op: &str, attrs: &[Msg], inputs: &[In], want: &str) {
    check_at(17, op, attrs, inputs, want);
}

#[track_caller]
fn refuse(op: &str, attrs: &[Msg], inputs: &[In], why: &str) {
    let message = imported(17, op, attrs, inputs, 1).expect_err("should be refused");
    assert!(message.contains(why), "{message}");
}

#[test]
fn elementwise() {
    for op in ["Relu", "Erf", "Sigmoid", "HardSwish", "Softmax", "Gelu", "Mish", "LpNormalization", "LRN", "Neg"] {
        check(op, &[], &[X(&[2, 3])], "f32[2, 3]");
    }
    check("Add", &[], &[X(&[2, 1, 4]), X(&[3, 1])], "f32[2, 3, 4]");
    check("Mod", &[], &[X(&[4]), X(&[])], "f32[4]");
    check("Max", &[], &[X(&[2, 1]), X(&[1, 3]), X(&[4, 1, 1])], "f32[4, 2, 3]");
    check("Less", &[], &[X(&[2, 1]), X(&[3])], "bool[2, 3]");
    check("Where", &[], &[Ids(&[2, 1]), X(&[3]), X(&[1])], "f32[2, 3]");
    check("Clip", &[], &[X(&[5]), F(&[0.0]), F(&[6.0])], "f32[5]");
    check("PRelu", &[], &[X(&[1, 3, 2, 2]), X(&[3, 1, 1])], "f32[1, 3, 2, 2]");
    check("Cast", &[attr_int("to", 10)], &[X(&[2])], "f16[2]");
    check("CastLike", &[], &[X(&[2]), Ids(&[1])], "i64[2]");
    check("Dropout", &[], &[X(&[2, 2])], "f32[2, 2] bool[2, 2]");
    check("IsNaN", &[], &[X(&[2])], "bool[2]");
    check("CumSum", &[], &[X(&[2, 5]), One(1)], "f32[2, 5]");
    check_at(6, "Add", &[attr_int("broadcast", 1), attr_int("axis", 1)], &[X(&[2, 3, 4]), X(&[3])], "f32[2, 3, 4]");
    refuse("Add", &[], &[X(&[2, 3]), X(&[4])], "shapes [2, 3] and [4] do not broadcast");
}

#[test]
fn convolutions() {
    let k3 = [attr_ints("kernel_shape", &[3, 3])];
    check("Conv", &k3, &[X(&[1, 3, 8, 8]), X(&[4, 3, 3, 3])], "f32[1, 4, 6, 6]");
    let strided = [attr_ints("strides", &[2, 2]), attr_ints("pads", &[1, 1, 1, 1])];
    check("Conv", &strided, &[X(&[1, 3, 7, 8]), X(&[4, 3, 3, 3]), X(&[4])], "f32[1, 4, 4, 4]");
    check("Conv", &[attr_int("group", 4)], &[X(&[2, 4, 5, 5]), X(&[4, 1, 3, 3])], "f32[2, 4, 3, 3]");
    check("Conv", &[attr_ints("dilations", &[2])], &[X(&[1, 2, 10]), X(&[6, 2, 3])], "f32[1, 6, 6]");
    let same = [attr_str("auto_pad", "SAME_UPPER"), attr_ints("strides", &[2, 2])];
    check("Conv", &same, &[X(&[1, 3, 7, 8]), X(&[4, 3, 3, 3])], "f32[1, 4, 4, 4]");
    check("Conv", &[attr_str("auto_pad", "VALID")], &[X(&[1, 3, 7, 8]), X(&[4, 3, 3, 3])], "f32[1, 4, 5, 6]");
    check("ConvInteger", &[], &[X(&[1, 3, 8, 8]), X(&[4, 3, 3, 3])], "i32[1, 4, 6, 6]");
    check(
        "ConvTranspose",
        &[attr_ints("strides", &[2, 2])],
        &[X(&[1, 8, 5, 5]), X(&[8, 4, 2, 2])],
        "f32[1, 4, 10, 10]",
    );
    let padded = [attr_ints("strides", &[2, 2]), attr_ints("pads", &[1; 4]), attr_ints("output_padding", &[1, 1])];
    check("ConvTranspose", &padded, &[X(&[1, 8, 5, 5]), X(&[8, 4, 3, 3])], "f32[1, 4, 10, 10]");
    let grouped = [attr_int("group", 2), attr_ints("output_shape", &[9, 9])];
    check("ConvTranspose", &grouped, &[X(&[1, 8, 4, 4]), X(&[8, 3, 3, 3])], "f32[1, 6, 9, 9]");
    refuse("Conv", &[], &[X(&[1, 3, 8, 8]), X(&[4, 2, 3, 3])], "its kernel [4, 2, 3, 3] in 1 group(s) does not fit");
    refuse("Conv", &[], &[X(&[1, 3, 2, 2]), X(&[4, 3, 3, 3])], "a window of 3 does not fit into 2");
    let bogus = [attr_str("auto_pad", "BOGUS")];
    refuse("Conv", &bogus, &[X(&[1, 3, 8, 8]), X(&[4, 3, 3, 3])], "attribute `auto_pad` is `BOGUS`, not one of");
    refuse(
        "Conv",
        &[attr_ints("strides", &[0, 1])],
        &[X(&[1, 3, 8, 8]), X(&[4, 3, 3, 3])],
        "strides [0, 1] must be positive",
    );
}

#[test]
fn pooling() {
    let pool =
        |extra: Vec<Msg>| [vec![attr_ints("kernel_shape", &[3, 3]), attr_ints("strides", &[2, 2])], extra].concat();
    check("MaxPool", &pool(vec![]), &[X(&[1, 4, 8, 8])], "f32[1, 4, 3, 3] i64[1, 4, 3, 3]");
    check("MaxPool", &pool(vec![attr_int("ceil_mode", 1)]), &[X(&[1, 4, 8, 8])], "f32[1, 4, 4, 4]");
    // Rounding up would start a third window at 8, beyond the input of 4 and its padding of 1: PyTorch drops it.
    let hanging = [
        attr_ints("kernel_shape", &[1]),
        attr_ints("strides", &[4]),
        attr_ints("pads", &[1, 1]),
        attr_int("ceil_mode", 1),
    ];
    check("AveragePool", &hanging, &[X(&[1, 1, 4])], "f32[1, 1, 2]");
    check("AveragePool", &pool(vec![attr_str("auto_pad", "SAME_LOWER")]), &[X(&[1, 4, 7, 7])], "f32[1, 4, 4, 4]");
    check("MaxPool", &pool(vec![attr_ints("dilations", &[2, 2])]), &[X(&[1, 4, 9, 9])], "f32[1, 4, 3, 3]");
    check("GlobalAveragePool", &[], &[X(&[2, 5, 7, 7])], "f32[2, 5, 1, 1]");
    check(
        "MaxUnpool",
        &[attr_ints("kernel_shape", &[2, 2]), attr_ints("strides", &[2, 2])],
        &[X(&[1, 1, 2, 2]), Ids(&[1, 1, 2, 2])],
        "f32[1, 1, 4, 4]",
    );
    refuse("MaxPool", &[], &[X(&[1, 4, 8, 8])], "attribute `kernel_shape` is missing");
}

#[test]
fn products() {
    check("MatMul", &[], &[X(&[2, 3]), X(&[3, 4])], "f32[2, 4]");
    check("MatMul", &[], &[X(&[5, 1, 2, 3]), X(&[7, 3, 4])], "f32[5, 7, 2, 4]");
    check("MatMul", &[], &[X(&[3]), X(&[5, 3, 4])], "f32[5, 4]");
    check("MatMul", &[], &[X(&[5, 2, 3]), X(&[3])], "f32[5, 2]");
    check("MatMul", &[], &[X(&[3]), X(&[3])], "f32[]");
    check("MatMulInteger", &[], &[X(&[2, 3]), X(&[3, 4])], "i32[2, 4]");
    check("Gemm", &[attr_int("transB", 1)], &[X(&[2, 3]), X(&[4, 3]), X(&[4])], "f32[2, 4]");
    check("Gemm", &[attr_int("transA", 1)], &[X(&[3, 2]), X(&[3, 4])], "f32[2, 4]");
    check(
        "Einsum",
        &[attr_str("equation", "bhid, bhjd -> bhij")],
        &[X(&[2, 4, 5, 8]), X(&[2, 4, 6, 8])],
        "f32[2, 4, 5, 6]",
    );
    check("Einsum", &[attr_str("equation", "...ij,jk->...ik")], &[X(&[2, 3, 4, 5]), X(&[5, 6])], "f32[2, 3, 4, 6]");
    check("Einsum", &[attr_str("equation", "ij,jk")], &[X(&[4, 5]), X(&[5, 6])], "f32[4, 6]");
    check("Einsum", &[attr_str("equation", "ii->i")], &[X(&[4, 4])], "f32[4]");
    check("com.microsoft:FusedMatMul", &[attr_int("transB", 1)], &[X(&[2, 3, 4]), X(&[2, 5, 4])], "f32[2, 3, 5]");
    check(
        "com.microsoft:MatMulNBits",
        &[attr_int("K", 64), attr_int("N", 32)],
        &[X(&[1, 7, 64]), X(&[32, 2, 16])],
        "f32[1, 7, 32]",
    );
    refuse("MatMul", &[], &[X(&[2, 3]), X(&[4, 5])], "shapes [2, 3] and [4, 5] cannot be multiplied");
    refuse("Gemm", &[], &[X(&[2, 3, 4]), X(&[4, 5])], "input 0 has shape [2, 3, 4], rank 2 is needed");
}

#[test]
fn normalisation() {
    check("BatchNormalization", &[], &[X(&[2, 3, 4, 4]), X(&[3]), X(&[3]), X(&[3]), X(&[3])], "f32[2, 3, 4, 4]");
    check("LayerNormalization", &[], &[X(&[2, 3, 4]), X(&[4]), X(&[4])], "f32[2, 3, 4] f32[2, 3, 1] f32[2, 3, 1]");
    check("InstanceNormalization", &[], &[X(&[2, 3, 4]), X(&[3]), X(&[3])], "f32[2, 3, 4]");
    check_at(
        21,
        "GroupNormalization",
        &[attr_int("num_groups", 2)],
        &[X(&[2, 4, 3]), X(&[4]), X(&[4])],
        "f32[2, 4, 3]",
    );
    check_at(23, "RMSNormalization", &[], &[X(&[2, 4]), X(&[4])], "f32[2, 4]");
    check("com.microsoft:SkipLayerNormalization", &[], &[X(&[1, 5, 8]), X(&[1, 5, 8]), X(&[8])], "f32[1, 5, 8]");
    check(
        "com.microsoft:EmbedLayerNormalization",
        &[],
        &[Ids(&[2, 5]), Ids(&[2, 5]), X(&[99, 8]), X(&[9, 8])],
        "f32[2, 5, 8] i32[2]",
    );
}

/// What older operator sets say by attributes or not at all arrives as newer ones say it.
#[test]
fn older_operator_sets() {
    let node = |opset: i64, op: &str, attrs: &[Msg], inputs: &[In]| {
        let graph = imported(opset, op, attrs, inputs, 1).unwrap().graph;
        let node = graph.nodes().iter().find(|n| n.op.name == op).unwrap().clone();
        let constant = |v: &Option<ValueId>| v.and_then(|v| graph.value(v).data.clone());
        let operands: Vec<_> = node.inputs.iter().skip(1).map(constant).collect();
        (node.attrs.int("axis"), node.attrs.ints("axes").map(<[i64]>::to_vec), operands)
    };
    let x = [X(&[2, 3, 4, 5])];
    assert_eq!(node(13, "Softmax", &[], &x), (Some(-1), None, vec![]));
    assert_eq!(node(12, "Softmax", &[], &x), (Some(1), Some(vec![1, 2, 3]), vec![]));
    assert_eq!(node(13, "ArgMax", &[], &x).0, Some(0));
    let bounds = [attr_float("min", 0.0), attr_float("max", 6.0)];
    let number = |v: f64| Some(ConstData::Floats(vec![v]));
    assert_eq!(node(9, "Clip", &bounds, &x).2, [number(0.0), number(6.0)]);
    assert_eq!(node(6, "Clip", &bounds[1..], &x).2, [None, number(6.0)]);
    assert_eq!(node(6, "Clip", &[attr_float("min", f32::MIN)], &x).2, [None, None]);
    assert_eq!(node(13, "Clip", &[], &[X(&[2, 3, 4, 5]), F(&[0.0]), F(&[6.0])]).2.len(), 2);
}

#[test]
fn attention() {
    check_at(
        23,
        "Attention",
        &[],
        &[X(&[2, 8, 5, 16]), X(&[2, 4, 7, 16]), X(&[2, 4, 7, 32])],
        "f32[2, 8, 5, 32] f32[2, 4, 7, 16] f32[2, 4, 7, 32]",
    );
    let heads = [attr_int("q_num_heads", 8), attr_int("kv_num_heads", 2)];
    check_at(23, "Attention", &heads, &[X(&[2, 5, 128]), X(&[2, 7, 32]), X(&[2, 7, 32])], "f32[2, 5, 128]");
    check_at(23, "RotaryEmbedding", &[], &[X(&[2, 8, 5, 16]), X(&[5, 8]), X(&[5, 8])], "f32[2, 8, 5, 16]");
    let heads = [attr_int("num_heads", 4)];
    check(
        "com.microsoft:Attention",
        &heads,
        &[X(&[2, 5, 64]), X(&[64, 192]), X(&[192])],
        "f32[2, 5, 64] f32[2, 2, 4, 5, 16]",
    );
    check(
        "com.microsoft:MultiHeadAttention",
        &heads,
        &[X(&[2, 5, 64]), X(&[2, 7, 64]), X(&[2, 7, 64])],
        "f32[2, 5, 64]",
    );
    let grouped = [attr_int("num_heads", 8), attr_int("kv_num_heads", 2)];
    let inputs = [X(&[1, 5, 64]), X(&[1, 5, 16]), X(&[1, 5, 16]), X(&[1, 2, 3, 8]), X(&[1, 2, 3, 8])];
    check("com.microsoft:GroupQueryAttention", &grouped, &inputs, "f32[1, 5, 64] f32[1, 2, 8, 8] f32[1, 2, 8, 8]");
    for op in ["Gelu", "FastGelu", "QuickGelu", "BiasGelu"] {
        check(&format!("com.microsoft:{op}"), &[], &[X(&[2, 3])], "f32[2, 3]");
    }
}

#[test]
fn layout() {
    check("Reshape", &[], &[X(&[2, 3, 4]), I(&[0, -1])], "f32[2, 12]");
    check("Reshape", &[], &[X(&[2, 3, 4]), I(&[-1])], "f32[24]");
    check("Reshape", &[attr_int("allowzero", 1)], &[X(&[2, 3]), I(&[3, 2])], "f32[3, 2]");
    check_at(4, "Reshape", &[attr_ints("shape", &[3, 2])], &[X(&[2, 3])], "f32[3, 2]");
    check("Flatten", &[attr_int("axis", 2)], &[X(&[2, 3, 4, 5])], "f32[6, 20]");
    check("Flatten", &[attr_int("axis", 0)], &[X(&[2, 3])], "f32[1, 6]");
    check("Transpose", &[attr_ints("perm", &[0, 2, 1])], &[X(&[2, 3, 4])], "f32[2, 4, 3]");
    check("Transpose", &[], &[X(&[2, 3, 4])], "f32[4, 3, 2]");
    check("Squeeze", &[], &[X(&[1, 3, 1])], "f32[3]");
    check("Squeeze", &[], &[X(&[1, 3, 1]), I(&[-1])], "f32[1, 3]");
    check_at(11, "Squeeze", &[attr_ints("axes", &[0])], &[X(&[1, 3, 1])], "f32[3, 1]");
    check("Unsqueeze", &[], &[X(&[3]), I(&[0, -1])], "f32[1, 3, 1]");
    check_at(11, "Unsqueeze", &[attr_ints("axes", &[1])], &[X(&[3])], "f32[3, 1]");
    check("Concat", &[attr_int("axis", -1)], &[X(&[2, 3]), X(&[2, 4])], "f32[2, 7]");
    check("Split", &[attr_int("axis", 1)], &[X(&[2, 6]), I(&[1, 5])], "f32[2, 1] f32[2, 5]");
    check("Split", &[], &[X(&[6, 2])], "f32[3, 2] f32[3, 2]");
    check_at(11, "Split", &[attr_ints("split", &[2, 4])], &[X(&[6])], "f32[2] f32[4]");
    check_at(18, "Split", &[attr_int("num_outputs", 3)], &[X(&[7])], "f32[3] f32[3] f32[1]");
    check("Expand", &[], &[X(&[3, 1]), I(&[2, 1, 4])], "f32[2, 3, 4]");
    check("Tile", &[], &[X(&[2, 3]), I(&[2, 1])], "f32[4, 3]");
    check("Pad", &[], &[X(&[2, 3]), I(&[0, 1, 2, 1])], "f32[4, 5]");
    check_at(18, "Pad", &[], &[X(&[2, 3]), I(&[1, 2]), No, I(&[-1])], "f32[2, 6]");
    check_at(10, "Pad", &[attr_ints("pads", &[1, 1])], &[X(&[3])], "f32[5]");
    check("DepthToSpace", &[attr_int("blocksize", 2)], &[X(&[1, 8, 2, 3])], "f32[1, 2, 4, 6]");
    check("SpaceToDepth", &[attr_int("blocksize", 2)], &[X(&[1, 2, 4, 6])], "f32[1, 8, 2, 3]");
    check("Trilu", &[], &[X(&[3, 3])], "f32[3, 3]");
    refuse("Reshape", &[], &[X(&[2, 3]), I(&[4, 2])], "shape [2, 3] cannot become [4, 2]");
    refuse("Reshape", &[], &[X(&[2, 3]), I(&[-1, -1])], "cannot become [-1, -1]");
    refuse("Transpose", &[attr_ints("perm", &[0, 0])], &[X(&[2, 3])], "is no permutation of 2 axes");
    refuse("Concat", &[attr_int("axis", 0)], &[X(&[2, 3]), X(&[2, 4])], "cannot be joined along axis 0");
    refuse("Squeeze", &[], &[X(&[2, 3]), I(&[0])], "axis 0 of shape [2, 3] is not 1");
    refuse("Reshape", &[], &[X(&[2, 3]), Ids(&[1])], "depends on the value of `i1` (input 1), which is not constant");
}

#[test]
fn indexing() {
    check("Slice", &[], &[X(&[10, 4]), I(&[2]), I(&[i64::MAX]), I(&[0])], "f32[8, 4]");
    check("Slice", &[], &[X(&[10]), I(&[-1]), I(&[i64::MIN]), I(&[0]), I(&[-3])], "f32[4]");
    check("Slice", &[], &[X(&[10, 4]), I(&[1, 0]), I(&[-1, 100])], "f32[8, 4]");
    check("Slice", &[], &[X(&[10]), I(&[5]), I(&[2]), I(&[0])], "f32[0]");
    check_at(
        9,
        "Slice",
        &[attr_ints("starts", &[1]), attr_ints("ends", &[3]), attr_ints("axes", &[1])],
        &[X(&[2, 5])],
        "f32[2, 2]",
    );
    check("Gather", &[], &[X(&[30, 8]), Ids(&[2, 5])], "f32[2, 5, 8]");
    check("Gather", &[attr_int("axis", 1)], &[X(&[2, 5, 8]), One(0)], "f32[2, 8]");
    check("GatherElements", &[], &[X(&[3, 3]), Ids(&[2, 3])], "f32[2, 3]");
    check("GatherND", &[], &[X(&[2, 3, 4]), Ids(&[5, 2])], "f32[5, 4]");
    check("GatherND", &[attr_int("batch_dims", 1)], &[X(&[2, 3, 4]), Ids(&[2, 1])], "f32[2, 4]");
    check("ScatterND", &[], &[X(&[4, 4]), Ids(&[2, 1]), X(&[2, 4])], "f32[4, 4]");
    check("ScatterElements", &[], &[X(&[3, 3]), Ids(&[2, 3]), X(&[2, 3])], "f32[3, 3]");
    check("TopK", &[], &[X(&[2, 100]), I(&[5])], "f32[2, 5] i64[2, 5]");
    refuse("TopK", &[], &[X(&[2, 3]), I(&[4])], "its k is 4, axis 1 has 3");
    check("OneHot", &[], &[Ids(&[2, 3]), One(10), F(&[0.0, 1.0])], "f32[2, 3, 10]");
    check("ArgMax", &[attr_int("axis", 1), attr_int("keepdims", 0)], &[X(&[2, 3, 4])], "i64[2, 4]");
    check("NonZero", &[], &[I(&[0, 3, 0, 1])], "i64[1, 2]");
    check("Compress", &[attr_int("axis", 0)], &[X(&[3, 2]), I(&[1, 0, 1])], "f32[2, 2]");
    check("Range", &[], &[One(0), One(10), One(3)], "i64[4]");
    check("ConstantOfShape", &[], &[I(&[2, 3])], "f32[2, 3]");
    check("EyeLike", &[attr_int("dtype", 7)], &[X(&[3, 3])], "i64[3, 3]");
    refuse("Slice", &[], &[X(&[4]), I(&[0]), I(&[4]), I(&[0]), I(&[0])], "a step of 0 goes nowhere");
    refuse("Gather", &[attr_int("axis", 2)], &[X(&[2, 5]), One(0)], "axis 2 is outside of rank 2");
    refuse("NonZero", &[], &[X(&[4])], "depends on the value of `i0`");
    refuse("Range", &[], &[One(0), One(10), One(0)], "does not end");
    refuse("NonMaxSuppression", &[], &[X(&[1, 9, 4]), X(&[1, 2, 9])], "depends on the value of `i0`");
}

#[test]
fn reductions() {
    check("ReduceMean", &[attr_ints("axes", &[-1])], &[X(&[2, 3, 4])], "f32[2, 3, 1]");
    check("ReduceMean", &[attr_ints("axes", &[1, 2]), attr_int("keepdims", 0)], &[X(&[2, 3, 4])], "f32[2]");
    check("ReduceSum", &[attr_int("keepdims", 0)], &[X(&[2, 3]), I(&[0])], "f32[3]");
    check("ReduceL2", &[attr_int("keepdims", 0)], &[X(&[2, 3])], "f32[]");
    check("ReduceSum", &[attr_int("noop_with_empty_axes", 1)], &[X(&[2, 3])], "f32[2, 3]");
    check_at(18, "ReduceMax", &[], &[X(&[2, 3]), I(&[1])], "f32[2, 1]");
}

#[test]
fn recurrent() {
    let hidden = attr_int("hidden_size", 6);
    let weights = [X(&[7, 2, 5]), X(&[1, 24, 5]), X(&[1, 24, 6])];
    check("LSTM", std::slice::from_ref(&hidden), &weights, "f32[7, 1, 2, 6] f32[1, 2, 6] f32[1, 2, 6]");
    check("GRU", &[], &[X(&[7, 2, 5]), X(&[1, 18, 5]), X(&[1, 18, 6])], "f32[7, 1, 2, 6] f32[1, 2, 6]");
    let both = [hidden, attr_str("direction", "bidirectional"), attr_int("layout", 1)];
    check("RNN", &both, &[X(&[2, 7, 5]), X(&[2, 6, 5]), X(&[2, 6, 6])], "f32[2, 7, 2, 6] f32[2, 2, 6]");
}

#[test]
fn quantised() {
    check("QuantizeLinear", &[], &[X(&[2, 3]), X(&[])], "u8[2, 3]");
    check("DequantizeLinear", &[], &[Ids(&[2, 3]), X(&[])], "f32[2, 3]");
    check("DynamicQuantizeLinear", &[], &[X(&[2, 3])], "u8[2, 3] f32[] u8[]");
    let conv = [X(&[1, 3, 8, 8]), X(&[]), Ids(&[]), X(&[4, 3, 3, 3]), X(&[]), Ids(&[]), X(&[]), Ids(&[])];
    check("QLinearConv", &[], &conv, "i64[1, 4, 6, 6]");
    let product = [X(&[2, 3]), X(&[]), Ids(&[]), X(&[3, 4]), X(&[]), Ids(&[]), X(&[]), Ids(&[])];
    check("QLinearMatMul", &[], &product, "i64[2, 4]");
    check(
        "com.microsoft:QLinearAdd",
        &[],
        &[X(&[2, 3]), X(&[]), Ids(&[]), X(&[3]), X(&[]), Ids(&[]), X(&[]), Ids(&[])],
        "f32[2, 3]",
    );
    let concat = [X(&[]), Ids(&[]), X(&[1, 2]), X(&[]), Ids(&[]), X(&[1, 3]), X(&[]), Ids(&[])];
    check("com.microsoft:QLinearConcat", &[attr_int("axis", 1)], &concat, "f32[1, 5]");
}

#[test]
fn images() {
    check("Resize", &[], &[X(&[1, 3, 5, 5]), No, F(&[1.0, 1.0, 2.0, 2.5])], "f32[1, 3, 10, 12]");
    check("Resize", &[], &[X(&[1, 3, 5, 5]), No, No, I(&[1, 3, 7, 9])], "f32[1, 3, 7, 9]");
    check("Resize", &[], &[X(&[1, 3, 5, 5]), F(&[]), F(&[]), I(&[1, 3, 7, 9])], "f32[1, 3, 7, 9]");
    check_at(10, "Resize", &[], &[X(&[1, 3, 5, 5]), F(&[1.0, 1.0, 2.0, 2.0])], "f32[1, 3, 10, 10]");
    let fitted = [attr_ints("axes", &[2, 3]), attr_str("keep_aspect_ratio_policy", "not_larger")];
    check_at(18, "Resize", &fitted, &[X(&[1, 3, 10, 20]), No, No, I(&[8, 8])], "f32[1, 3, 4, 8]");
    check_at(9, "Upsample", &[], &[X(&[1, 3, 5, 5]), F(&[1.0, 1.0, 2.0, 2.0])], "f32[1, 3, 10, 10]");
    check_at(7, "Upsample", &[attr_floats("scales", &[1.0, 1.0, 3.0, 2.0])], &[X(&[1, 3, 5, 5])], "f32[1, 3, 15, 10]");
    check_at(16, "GridSample", &[], &[X(&[1, 3, 5, 5]), X(&[1, 7, 9, 2])], "f32[1, 3, 7, 9]");
    let sides = [attr_int("output_height", 7), attr_int("output_width", 7)];
    check("RoiAlign", &sides, &[X(&[1, 3, 50, 50]), X(&[20, 4]), Ids(&[20])], "f32[20, 3, 7, 7]");
    check_at(18, "Col2Im", &[], &[X(&[1, 18, 25]), I(&[5, 5]), I(&[3, 3])], "f32[1, 2, 5, 5]");
    check_at(18, "CenterCropPad", &[attr_ints("axes", &[1])], &[X(&[3, 9]), I(&[4])], "f32[3, 4]");
    refuse("Resize", &[], &[X(&[1, 3, 5, 5])], "it has neither scales nor sizes");
}
