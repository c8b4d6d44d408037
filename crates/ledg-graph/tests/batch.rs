//! Following the batch where it is not plain to see.

use ledg_graph::{Attr, Attrs, ConstData, DType, Graph, GraphBuilder, OpType, ValueId};

/// Builds graphs of one chain of nodes named after their operators.
struct Net(GraphBuilder);

impl Net {
    fn new() -> Self {
        Net(GraphBuilder::new("net"))
    }

    fn input(&mut self, shape: &[u64]) -> ValueId {
        self.0.input("x", DType::F32, shape)
    }

    fn weight(&mut self, name: &str, shape: &[u64]) -> ValueId {
        self.0.weight(name, DType::F32, shape)
    }

    fn ints(&mut self, name: &str, ints: &[i64]) -> ValueId {
        self.0.constant(name, DType::I64, &[ints.len() as u64], Some(ConstData::Ints(ints.to_vec())))
    }

    fn op(&mut self, name: &str, op: &str, attrs: &[(&str, Attr)], inputs: &[ValueId], out: &[u64]) -> ValueId {
        let attrs = attrs.iter().map(|(k, v)| (*k, v.clone())).collect::<Attrs>();
        let value = self.0.activation(format!("{name}_out"), DType::F32, Some(out));
        let inputs: Vec<_> = inputs.iter().copied().map(Some).collect();
        self.0.node(name, OpType::onnx(op), attrs, &inputs, &[value]);
        value
    }

    fn finish(mut self, output: ValueId) -> Graph {
        self.0.output(output);
        self.0.finish().unwrap()
    }
}

fn shape<'g>(g: &'g Graph, name: &str) -> &'g [u64] {
    g.values().iter().find(|v| v.name == name).unwrap().shape.as_deref().unwrap()
}

fn axis(n: i64) -> [(&'static str, Attr); 1] {
    [("axis", Attr::Int(n))]
}

fn axes(n: i64) -> [(&'static str, Attr); 1] {
    [("axes", Attr::Ints(vec![n]))]
}

/// A class token joined to `batch` samples, expanded to them or not.
fn with_token(batch: u64, token: &[u64], expanded: bool) -> Graph {
    let mut net = Net::new();
    let x = net.input(&[batch, 196, 8]);
    let mut token = net.weight("token", token);
    if expanded {
        let target = net.ints("target", &[batch as i64, 1, 8]);
        token = net.op("expand", "Expand", &[], &[token, target], &[batch, 1, 8]);
    }
    let y = net.op("join", "Concat", &axis(1), &[token, x], &[batch, 197, 8]);
    net.finish(y)
}

#[test]
fn an_expanded_class_token_follows_the_batch() {
    for batch in [1, 4] {
        let g = with_token(batch, &[1, 1, 8], true).rescale_batch(3).unwrap();
        assert_eq!(shape(&g, "token"), [1, 1, 8]);
        assert_eq!(shape(&g, "expand_out"), [3, 1, 8]);
        let target = g.nodes()[0].inputs[1].unwrap();
        assert_eq!(g.value(target).data, Some(ConstData::Ints(vec![3, 1, 8])));
    }
}

#[test]
fn a_class_token_of_a_file_at_batch_1_is_expanded() {
    let one = with_token(1, &[1, 1, 8], false);
    let three = one.rescale_batch(3).unwrap();
    let ops: Vec<&str> = three.nodes().iter().map(|n| n.op.name.as_str()).collect();
    assert_eq!(ops, ["Expand", "Concat"]);
    let operands: Vec<_> = three.nodes()[1].present_inputs().map(|v| three.value(v).shape.clone().unwrap()).collect();
    assert_eq!(operands, [[3, 1, 8], [3, 196, 8]]);
    // Once it is there it follows: nothing is inserted again.
    let again = three.rescale_batch(1).unwrap().rescale_batch(3).unwrap();
    assert_eq!(again.content_hash(), three.content_hash());
}

#[test]
fn a_weight_tiled_for_the_batch_is_refused() {
    let message = with_token(4, &[4, 1, 8], false).rescale_batch(1).unwrap_err().to_string();
    assert!(message.contains("`join` (Concat)") && message.contains("`token` [4, 1, 8]"), "{message}");
}

#[test]
fn axes_of_size_1_are_told_apart() {
    // CrossViT averages its two branches: stack on a new axis 0, mean over it.
    let mut net = Net::new();
    let x = net.input(&[1, 10]);
    let a = net.op("a", "Unsqueeze", &axes(0), &[x], &[1, 1, 10]);
    let both = net.op("both", "Concat", &axis(0), &[a, a], &[2, 1, 10]);
    let mean = [("axes", Attr::Ints(vec![0])), ("keepdims", Attr::Int(0))];
    let y = net.op("mean", "ReduceMean", &mean, &[both], &[1, 10]);
    let y = net.op("b", "Unsqueeze", &axes(-1), &[y], &[1, 10, 1]);
    let y = net.op("c", "Squeeze", &axes(2), &[y], &[1, 10]);
    let g = net.finish(y).rescale_batch(4).unwrap();
    assert_eq!(shape(&g, "a_out"), [1, 4, 10]);
    assert_eq!(shape(&g, "both_out"), [2, 4, 10]);
    assert_eq!(shape(&g, "b_out"), [4, 10, 1]);
    assert_eq!(shape(&g, "c_out"), [4, 10]);
}

/// CondConv: kernels mixed by sample from four experts; at batch 1 the exporter drops the Reshape that folds the batch.
fn cond_conv(batch: u64, folded: bool) -> Graph {
    let mut net = Net::new();
    let mut x = net.input(&[batch, 8, 6, 6]);
    let pooled = net.op("pool", "GlobalAveragePool", &[], &[x], &[batch, 8, 1, 1]);
    let flat = net.op("flat", "Flatten", &axis(1), &[pooled], &[batch, 8]);
    let experts = net.weight("experts", &[8, 128]);
    let mixed = net.op("mix", "MatMul", &[], &[flat, experts], &[batch, 128]);
    let kernel = net.op("kernel", "Reshape", &[], &[mixed], &[batch * 16, 8, 1, 1]);
    if folded {
        x = net.op("fold", "Reshape", &[], &[x], &[1, batch * 8, 6, 6]);
    }
    let group = [("group", Attr::Int(batch as i64))];
    let y = net.op("conv", "Conv", &group, &[x, kernel], &[1, batch * 16, 6, 6]);
    let turn = [("perm", Attr::Ints(vec![1, 0, 2, 3]))];
    let y = net.op("turn", "Transpose", &turn, &[y], &[batch * 16, 1, 6, 6]);
    let y = net.op("back", "Reshape", &[], &[y], &[batch, 16, 6, 6]);
    net.finish(y)
}

#[test]
fn kernels_that_differ_by_sample_become_groups() {
    for from in [cond_conv(1, false), cond_conv(1, true), cond_conv(4, true)] {
        let g = from.rescale_batch(3).unwrap();
        let conv = g.nodes().iter().find(|n| n.name == "conv").unwrap();
        assert_eq!(conv.attrs.int("group"), Some(3));
        let data = g.value(conv.inputs[0].unwrap());
        assert_eq!(data.shape.as_deref().unwrap(), [1, 24, 6, 6], "{}", data.name);
        assert_eq!(shape(&g, "kernel_out"), [48, 8, 1, 1]);
        assert_eq!(shape(&g, "conv_out"), [1, 48, 6, 6]);
        assert_eq!(shape(&g, "back_out"), [3, 16, 6, 6]);
        let again = g.rescale_batch(1).unwrap().rescale_batch(3).unwrap();
        assert_eq!(again.content_hash(), g.content_hash());
    }
}

#[test]
fn samples_that_meet_are_refused() {
    let mut net = Net::new();
    let x = net.input(&[1, 49]);
    let t = net.op("turn", "Transpose", &[], &[x], &[49, 1]);
    let y = net.op("scores", "MatMul", &[], &[x, t], &[1, 1]);
    let message = net.finish(y).batch_axes().unwrap_err().to_string();
    assert_eq!(
        message,
        "graph `net`: the batch dimension cannot be followed through node `scores` (MatMul): \
         its operands carry the batch along different axes"
    );
}

#[test]
fn attention_keeps_the_batch_whatever_its_operands_ranks() {
    let cached = |axis: i64| {
        let mut net = Net::new();
        let x = net.input(&[2, 1, 256]);
        let split = net.ints("split", &[2, 8, 1, 32]);
        let past = net.op("past", "Reshape", &[], &[x, split], &[2, 8, 1, 32]);
        let perm = [("perm", Attr::Ints(if axis == 0 { vec![0, 1, 2, 3] } else { vec![1, 0, 2, 3] }))];
        let sizes: [u64; 4] = if axis == 0 { [2, 8, 1, 32] } else { [8, 2, 1, 32] };
        let past = net.op("moved", "Transpose", &perm, &[past], &sizes);
        let y = net.op("attend", "GroupQueryAttention", &[], &[x, x, x, past], &[2, 1, 256]);
        net.finish(y).rescale_batch(6).map(|graph| shape(&graph, "attend_out").to_vec())
    };
    assert_eq!(cached(0).unwrap(), [6, 1, 256]);
    // Never a guess: a cache whose batch is elsewhere.
    assert!(cached(1).is_err());
}

/// Shapes are what a caller says, and need not fit the operator: an error or a graph, never a panic.
#[test]
fn shapes_that_do_not_fit_the_operator_are_survived() {
    let ops = [
        "Conv",
        "MatMul",
        "Gemm",
        "Gather",
        "Transpose",
        "Unsqueeze",
        "Squeeze",
        "Reshape",
        "Flatten",
        "Concat",
        "Expand",
        "Add",
        "Where",
        "ReduceMean",
        "ArgMax",
        "Softmax",
        "Split",
        "Slice",
        "Pad",
        "LSTM",
        "Resize",
        "Relu",
        "Nonsense",
    ];
    let perm: Attrs = [("perm", Attr::Ints(vec![3, 0, 1])), ("axes", Attr::Ints(vec![0, 0, -1]))].into_iter().collect();
    let group: Attrs = [("group", Attr::Int(i64::MAX)), ("axis", Attr::Int(i64::MIN))].into_iter().collect();
    let (mut fine, mut refused) = (0, 0);
    for op in ops {
        for case in 0..4usize.pow(5) {
            let digit = |place: u32| case / 4usize.pow(place) % 4;
            let mut b = GraphBuilder::new("g");
            let dims = |rank: usize| vec![[1, 2, 1 << 20, 1 << 31][digit(4)]; rank];
            let mut inputs: Vec<_> =
                (0..digit(0)).map(|i| Some(b.input(format!("x{i}"), DType::F32, &dims(digit(1))))).collect();
            if digit(4) % 2 == 1 {
                inputs.push(Some(b.weight("w", DType::F32, &dims(digit(2)))));
            }
            let y = b.activation("y", DType::F32, Some(&dims(digit(3))));
            let attrs = [Attrs::new(), perm.clone(), group.clone()][case % 3].clone();
            b.node("n", OpType::onnx(op), attrs, &inputs, &[y]);
            b.output(y);
            let Ok(graph) = b.finish() else { continue };
            match graph.rescale_batch([6, u64::MAX / 3][case % 2]) {
                Ok(scaled) => {
                    assert_eq!(shape(&scaled, "y").len(), shape(&graph, "y").len(), "{op}, case {case}");
                    fine += 1;
                }
                Err(_) => refused += 1,
            }
        }
    }
    assert!(fine > 100 && refused > 1000, "{fine} and {refused}");
}
