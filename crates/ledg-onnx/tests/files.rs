//! What a file may be like: which values are weights, dynamic sizes, foreign operators, and everything that is refused.

mod common;

use common::*;
use ledg_graph::{Limits, ValueKind};
use ledg_onnx::{Imported, OnnxOptions, UnknownPolicy, import_file};

/// Inputs, weights and constants by name, as `i:x w:k c:n`, in the graph's order.
fn kinds(imported: &Imported) -> String {
    let shown = imported.graph.values().iter().filter_map(|v| {
        let kind = match v.kind {
            ValueKind::Input => "i",
            ValueKind::Weight => "w",
            ValueKind::Constant => "c",
            ValueKind::Activation => return None,
        };
        Some(format!("{kind}:{}", v.name))
    });
    shown.collect::<Vec<_>>().join(" ")
}

fn conv() -> GraphMsg {
    GraphMsg::new().input("x", &[1, 3, 8, 8]).node("Conv", &["x", "k", "b"], &["y"], &[]).output("y")
}

#[test]
fn weights_with_and_without_data() {
    let full =
        conv().initializer(float_tensor("k", &[2, 3, 1, 1], &[0.5; 6])).initializer(float_tensor("b", &[2], &[0.0; 2]));
    let stripped = conv().initializer(bare_tensor("k", F32, &[2, 3, 1, 1])).initializer(bare_tensor("b", F32, &[2]));
    let packed: Vec<u8> = [0.0f32; 2].iter().flat_map(|f| f.to_le_bytes()).collect();
    let typed = conv()
        .initializer(bare_tensor("k", F32, &[2, 3, 1, 1]))
        .initializer(bare_tensor("b", F32, &[2]).bytes(4, &packed));
    let external = |t: Msg| t.msg(13, Msg::new().str(1, "location").str(2, "nowhere.bin")).int(14, 1);
    let outside = conv()
        .initializer(external(bare_tensor("k", F32, &[2, 3, 1, 1])))
        .initializer(external(bare_tensor("b", F32, &[2])));
    let hashes = [full, stripped, typed, outside].map(|g| {
        let imported = import(g.model(17)).unwrap();
        assert_eq!(kinds(&imported), "i:x w:k w:b");
        imported.graph.content_hash()
    });
    assert!(hashes.iter().all(|h| *h == hashes[0]), "weights are known by their dimensions alone");
}

#[test]
fn weights_as_inputs() {
    let graph = || conv().input("k", &[2, 3, 1, 1]).input("b", &[2]);
    assert_eq!(kinds(&import(graph().model(17)).unwrap()), "i:x w:k w:b");
    // After one known weight the rest are weights too, except what a convolution reads as data.
    let more = conv()
        .input("shift", &[2, 1, 1])
        .input("k", &[2, 3, 1, 1])
        .input("b", &[2])
        .input("other", &[1, 3, 8, 8])
        .typed_input("index", I64, &sizes(&[1]))
        .node("Add", &["y", "shift"], &["z"], &[])
        .node("Conv", &["other", "k", "b"], &["o"], &[])
        .node("Gather", &["o", "index"], &["p"], &[])
        .node("Add", &["z", "p"], &["q"], &[])
        .output("q");
    assert_eq!(kinds(&import(more.model(17)).unwrap()), "i:x i:other w:k w:b w:shift c:index");
    // Without a parameter slot nothing tells weights from data.
    let plain =
        GraphMsg::new().input("x", &[2, 3]).input("w", &[3, 4]).node("MatMul", &["x", "w"], &["y"], &[]).output("y");
    let plain = plain.model(17);
    assert_eq!(kinds(&import(plain.clone()).unwrap()), "i:x i:w");
    let mut options = OnnxOptions { inputs: Some(vec!["x".to_owned()]), ..OnnxOptions::default() };
    assert_eq!(kinds(&import_with(plain.clone(), &options).unwrap()), "i:x w:w");
    options.inputs = Some(vec!["z".to_owned()]);
    let message = import_with(plain, &options).unwrap_err().to_string();
    assert_eq!(message, "m.onnx: there is no input `z`; the model has `x`, `w`");
}

/// Integer inputs before the first weight are data: ids, masks.
#[test]
fn weights_as_inputs_of_a_language_model() {
    let graph = GraphMsg::new()
        .typed_input("ids", I64, &sizes(&[1, 5]))
        .typed_input("mask", I64, &sizes(&[1, 5]))
        .input("table", &[100, 8])
        .input("scale", &[8])
        .node("Gather", &["table", "ids"], &["e"], &[])
        .node("Cast", &["mask"], &["m"], &[attr_int("to", F32)])
        .node("MatMul", &["m", "e"], &["p"], &[])
        .node("LayerNormalization", &["p", "scale"], &["y"], &[])
        .output("y");
    assert_eq!(kinds(&import(graph.model(17)).unwrap()), "i:ids i:mask w:table w:scale");
}

#[test]
fn small_constants_keep_their_data_and_quantised_weights_are_weights() {
    let graph = conv()
        .initializer(bare_tensor("k", F32, &[2, 3, 1, 1]))
        .initializer(bare_tensor("b", F32, &[2]))
        .initializer(float_tensor("half", &[], &[0.5]))
        .initializer(bare_tensor("q", 3, &[8, 8]).bytes(9, &[1; 64]))
        .initializer(float_tensor("scale", &[], &[0.1]))
        .node("Mul", &["y", "half"], &["z"], &[])
        .node("DequantizeLinear", &["q", "scale"], &["d"], &[])
        .node("MatMul", &["z", "d"], &["o"], &[])
        .output("o");
    let imported = import(graph.model(17)).unwrap();
    assert_eq!(kinds(&imported), "i:x w:k w:b c:half w:q c:scale");
}

fn dynamic() -> Vec<u8> {
    use Dim::{Blank, Size, Symbol};
    GraphMsg::new()
        .typed_input("x", F32, &[Symbol("batch"), Size(3), Symbol("width")])
        .typed_input("m", F32, &[Symbol("batch"), Size(-1), Blank])
        .info("s", &[Symbol("batch"), Size(3), Size(99)])
        .node("Add", &["x", "m"], &["s"], &[])
        .node("Relu", &["s"], &["y"], &[])
        .output("y")
        .model(17)
}

#[test]
fn dynamic_sizes_are_bound_by_name_and_place() {
    let bind = |dims: &[(&str, u64)]| {
        let dims = dims.iter().map(|(n, v)| ((*n).to_owned(), *v)).collect();
        import_with(dynamic(), &OnnxOptions { dims, ..OnnxOptions::default() })
    };
    let message = bind(&[("width", 7)]).unwrap_err().to_string();
    assert_eq!(
        message,
        "m.onnx: dimension 0 of input `x` is `batch`, dimension 0 of input `m` is `batch`, dimension 1 of input `m` is `m.1`, \
         dimension 2 of input `m` is `m.2`; give sizes in `dims` for `batch`, `m.1`, `m.2`"
    );
    let imported = bind(&[("width", 7), ("batch", 4), ("m.1", 3), ("m.2", 1)]).unwrap();
    assert_eq!(shape(&imported, "y"), [4, 3, 7]);
    // A place overrides a name: the second input broadcasts.
    assert_eq!(
        shape(&bind(&[("width", 7), ("batch", 4), ("m.0", 1), ("m.1", 3), ("m.2", 1)]).unwrap(), "y"),
        [4, 3, 7]
    );
    let message = bind(&[("width", 7), ("batch", 4), ("m.1", 3), ("m.2", 1), ("height", 2)]).unwrap_err().to_string();
    assert!(
        message.starts_with("m.onnx: there is no dynamic dimension `height` to bind; the model has `batch`, "),
        "{message}"
    );
    let message = bind(&[("width", 7), ("batch", 4), ("m.1", 5), ("m.2", 1)]).unwrap_err().to_string();
    assert!(message.contains("(Add): shapes [4, 3, 7] and [4, 5, 1] do not broadcast"), "{message}");
}

#[test]
fn a_declared_shape_that_operators_contradict_is_reported() {
    let graph = GraphMsg::new()
        .input("x", &[8, 3])
        .info("a", &sizes(&[1, 3]))
        .node("Relu", &["x"], &["a"], &[])
        .node("Relu", &["a"], &["y"], &[])
        .output("y");
    let imported = import(graph.model(17)).unwrap();
    assert_eq!(shape(&imported, "y"), [8, 3]);
    let [contradiction] = &imported.contradictions[..] else { panic!("one contradiction") };
    assert_eq!(
        (&*contradiction.value, &*contradiction.declared, &*contradiction.inferred),
        ("a", &[1, 3][..], &[8, 3][..])
    );
}

#[test]
fn unknown_operators_are_refused_or_reported() {
    let graph = |declared: bool| {
        let graph = GraphMsg::new()
            .input("x", &[2, 3])
            .node("acme:Magic", &["x"], &["m"], &[attr_int("power", 9)])
            .node("Relu", &["m"], &["r"], &[])
            .node("Loop", &["", "", "r"], &["y"], &[])
            .output("y");
        if declared { graph.info("m", &sizes(&[2, 5])) } else { graph }.model(17)
    };
    assert_eq!(
        refusal(graph(false)),
        "m.onnx: node `producer of m`: no shape rule for operator `acme.Magic` (opset 0); import with the unknown-operator policy \
         `report` to go on without it"
    );
    let report = OnnxOptions { unknown: UnknownPolicy::Report, ..OnnxOptions::default() };
    let imported = import_with(graph(false), &report).unwrap();
    let unknown: Vec<_> =
        imported.unknown.iter().map(|u| (u.node.as_str(), u.op.as_str(), u.domain.as_str(), u.opset)).collect();
    assert_eq!(unknown, [("Magic_0", "Magic", "acme", 0), ("Loop_2", "Loop", "", 17)]);
    assert!(imported.graph.values().iter().filter(|v| v.kind == ValueKind::Activation).all(|v| v.shape.is_none()));
    let imported = import_with(graph(true), &report).unwrap();
    assert_eq!(shape(&imported, "r"), [2, 5]);
}

/// What a Loop's body reads from outside is not unused.
#[test]
fn unknown_operators_read_what_their_graphs_take_from_outside() {
    let body = GraphMsg::new().node("Add", &["r", "x"], &["inner"], &[]).output("inner").0;
    let model = GraphMsg::new()
        .input("x", &[2])
        .typed_input("c", BOOL, &[])
        .node("Relu", &["x"], &["r"], &[])
        .node("Loop", &["", "c"], &["l"], &[attr_graph("body", body.clone())])
        .node("If", &["c"], &["y"], &[attr_graph("then_branch", body.clone()), attr_graph("else_branch", body)])
        .output("l")
        .output("y")
        .model(17);
    let report = OnnxOptions { unknown: UnknownPolicy::Report, ..OnnxOptions::default() };
    let imported = import_with(model, &report).unwrap();
    assert_eq!((ops(&imported).as_str(), imported.unused_nodes, imported.unknown.len()), ("Relu Loop If", 0, 2));
    assert_eq!(imported.graph.nodes()[1].inputs.len(), 4);
}

/// What the caller can describe needs no rule, but a shape.
#[test]
fn declared_operators_have_the_shapes_that_the_file_declares() {
    let graph = |declared: bool| {
        let graph = GraphMsg::new()
            .input("x", &[2, 3])
            .node("acme:Magic", &["x"], &["m"], &[])
            .node("Relu", &["m"], &["y"], &[])
            .output("y");
        if declared { graph.info("m", &sizes(&[2, 5])) } else { graph }.model(17)
    };
    let declared = [ledg_graph::OpType::new("acme", "Magic")].into();
    let options = OnnxOptions { declared, ..OnnxOptions::default() };
    let imported = import_with(graph(true), &options).unwrap();
    assert_eq!((ops(&imported).as_str(), imported.unknown.len()), ("acme.Magic Relu", 0));
    let y = imported.graph.outputs()[0];
    assert_eq!(imported.graph.value(y).shape, Some(vec![2, 5]));
    let message = import_with(graph(false), &options).unwrap_err().to_string();
    assert!(message.ends_with("so the file has to declare the shape of its output (value_info)"), "{message}");
}

/// A rule whose answer depends on data trusts the file where the file is complete.
#[test]
fn declared_shapes_stand_in_for_values() {
    let graph = |declared: bool| {
        let graph = GraphMsg::new()
            .input("x", &[6])
            .typed_input("n", I64, &sizes(&[2]))
            .node("Reshape", &["x", "n"], &["y"], &[])
            .output("y");
        if declared { graph.info("y", &sizes(&[2, 3])) } else { graph }.model(17)
    };
    assert_eq!(shape(&import(graph(true)).unwrap(), "y"), [2, 3]);
    assert!(refusal(graph(false)).contains("(Reshape): the shape of its output depends on the value of `n` (input 1)"));
}

#[test]
fn names_are_made_unique_and_nodes_sorted() {
    let named = |name: &str, i: &str, o: &str| node("Relu", &[i], &[o], &[]).str(3, name);
    let graph = GraphMsg::new()
        .input("x", &[2])
        .raw_node(named("a", "h", "y"))
        .raw_node(named("a", "x", "g"))
        .raw_node(named("", "g", "h"))
        .output("y");
    let imported = import(graph.model(17)).unwrap();
    let names: Vec<&str> = imported.graph.nodes().iter().map(|n| n.name.as_str()).collect();
    assert_eq!(names, ["a", "Relu_1", "Relu_2"]);
    assert_eq!(imported.graph.name(), "m.onnx");
}

#[test]
fn nodes_without_a_reader_are_left_out() {
    let graph = GraphMsg::new()
        .input("x", &[2])
        .node("Relu", &["x"], &["y"], &[])
        .node("Exp", &["x"], &["unread"], &[])
        .output("y");
    let imported = import(graph.model(17)).unwrap();
    assert_eq!((ops(&imported).as_str(), imported.unused_nodes), ("Relu", 1));
}

#[test]
fn omitted_outputs_keep_their_place() {
    let graph = GraphMsg::new()
        .input("x", &[7, 2, 5])
        .initializer(bare_tensor("w", F32, &[1, 24, 5]))
        .initializer(bare_tensor("r", F32, &[1, 24, 6]))
        .node("LSTM", &["x", "w", "r"], &["", "h", ""], &[attr_int("hidden_size", 6)])
        .output("h");
    let imported = import(graph.model(17)).unwrap();
    assert_eq!(imported.graph.nodes()[0].outputs.len(), 2);
    assert_eq!(shape(&imported, "h"), [1, 2, 6]);
}

#[test]
fn broken_graphs_are_refused() {
    let relu = |i: &str, o: &str| node("Relu", &[i], &[o], &[]);
    let graph = GraphMsg::new().input("x", &[2]);
    let model = |g: GraphMsg| g.output("y").model(17);
    assert_eq!(
        refusal(model(
            graph.clone().node("Add", &["x", "b"], &["a"], &[]).raw_node(relu("a", "b")).raw_node(relu("b", "y"))
        )),
        "m.onnx: the graph has a cycle through 3 node(s), among them `producer of a`, `producer of b`, `producer of y`"
    );
    assert!(
        refusal(model(graph.clone().raw_node(relu("nowhere", "y"))))
            .contains("it reads `nowhere`, which no node produces")
    );
    assert!(
        refusal(model(graph.clone().raw_node(relu("x", "y")).raw_node(relu("x", "y"))))
            .contains("its output `y` exists already")
    );
    assert!(refusal(model(graph.clone())).contains("value `y`: this graph output is produced by no node"));
    assert!(refusal(graph.clone().model(17)).contains("has no nodes: there is nothing to cost"));
    assert!(
        refusal(model(graph.clone().node("TopK", &["x"], &["y", "i", "j"], &[attr_int("k", 1)])))
            .contains("it names 3 outputs, the operator has 2")
    );
    assert!(refusal(model(graph.clone().node("Add", &["x", ""], &["y"], &[]))).contains("input 1 is missing"));
    let twice = graph.clone().initializer(bare_tensor("w", F32, &[2])).initializer(bare_tensor("w", F32, &[3]));
    let twice = model(twice.raw_node(relu("x", "y")));
    assert_eq!(refusal(twice), "m.onnx: value `w`: it is declared twice among inputs and initializers");
    let wide = graph.initializer(bare_tensor("w", F32, &[1 << 40, 1 << 40])).node("MatMul", &["w", "w"], &["y"], &[]);
    assert!(
        refusal(model(wide))
            .contains("tensor `w`: its shape [1099511627776, 1099511627776] has more elements than can be counted")
    );
}

#[test]
fn broken_tensors_are_refused() {
    let with = |t: Msg| {
        GraphMsg::new().input("x", &[2]).initializer(t).node("Relu", &["x"], &["y"], &[]).output("y").model(17)
    };
    let short = bare_tensor("t", I64, &[2]).bytes(9, &[0; 9]);
    assert_eq!(refusal(with(short)), "m.onnx: tensor `t`: 2 element(s) of i64 take 16 bytes, its data has 9");
    assert!(
        refusal(with(bare_tensor("t", I64, &[2]).packed(7, &[1, 2, 3])))
            .contains("its shape [2] has 2 element(s), its data 3")
    );
    assert!(refusal(with(bare_tensor("t", 99, &[2]))).contains("tensor `t`: element type 99 is not supported"));
    assert!(refusal(with(bare_tensor("t", I64, &[-2]))).contains("has a negative dimension"));
}

#[test]
fn bytes_that_are_no_model_are_refused() {
    assert_eq!(refusal(Vec::new()), "m.onnx: the file is empty");
    assert!(refusal(b"this is no model".to_vec()).starts_with("m.onnx: not an ONNX model, or truncated or corrupt: "));
    assert!(refusal(Msg::new().int(1, 8).0).contains("it has no graph"));
    let mut model = conv().model(17);
    model.truncate(model.len() / 2);
    assert!(refusal(model).contains("bytes, "));
}

#[test]
fn limits_are_checked_before_decoding() {
    let many = (0..100_000).fold(Msg::new(), |m, _| m.bytes(1, &[]));
    let message = refusal(Msg::new().msg(7, many).0);
    assert!(message.contains("has 100000 nodes, more than the limit of 50000"), "{message}");
    let limits = Limits { max_nodes: 0, ..Limits::default() };
    let refused = |options: OnnxOptions| import_with(conv().model(17), &options).unwrap_err().to_string();
    assert!(
        refused(OnnxOptions { limits, ..OnnxOptions::default() }).contains("has 1 nodes, more than the limit of 0")
    );
    let message = refused(OnnxOptions { max_structure_bytes: 20, ..OnnxOptions::default() });
    assert!(
        message.contains("the description of the graph is") && message.contains("raise `max_structure_bytes`"),
        "{message}"
    );
    assert!(refused(OnnxOptions { max_file_bytes: 20, ..OnnxOptions::default() }).contains("raise `max_file_bytes`"));
    let deep = (0..200).fold(Msg::new(), |inner, _| Msg::new().msg(1, Msg::new().msg(5, Msg::new().msg(6, inner))));
    assert!(refusal(Msg::new().msg(7, deep).0).contains("messages nest deeper than 100"));
}

/// 60,000 constants of 65,536 numbers each would be 31 GB.
#[test]
fn folding_is_bounded() {
    let mut graph = GraphMsg::new().input("x", &[1]).initializer(int_tensor("n", &[1], &[65_536]));
    graph = graph.node("ConstantOfShape", &["n"], &["c0"], &[attr_tensor("value", int_tensor("", &[1], &[1]))]);
    for i in 0..10_000 {
        graph = graph.node("Add", &[&format!("c{i}"), "c0"], &[&format!("c{}", i + 1)], &[]);
    }
    let model = graph.node("Relu", &["x"], &["y"], &[]).output("y").model(17);
    assert!(refusal(model).contains("raise `max_working_bytes`"));
}

/// An empty tensor may have huge axes; nothing may walk them.
#[test]
fn empty_tensors_with_huge_axes_cost_nothing() {
    let graph = GraphMsg::new()
        .input("x", &[1])
        .initializer(bare_tensor("e", I64, &[1 << 50, 0, 1 << 50]).bytes(9, &[]))
        .initializer(int_tensor("i", &[1], &[0]))
        .node("Gather", &["e", "i"], &["g"], &[attr_int("axis", 2)])
        .node("Transpose", &["e"], &["t"], &[])
        .node("Concat", &["e", "e"], &["c"], &[attr_int("axis", 1)])
        .node("ReduceSum", &["e"], &["r"], &[])
        .node("Relu", &["x"], &["y"], &[])
        .output("r")
        .output("y");
    assert_eq!(shape(&import(graph.model(17)).unwrap(), "r"), [1, 1, 1]);
}

#[test]
fn files_are_read_small_and_mapped_large() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("net.onnx");
    let missing = import_file(&path, &OnnxOptions::default()).unwrap_err().to_string();
    assert!(missing.starts_with(&format!("{}: cannot be read: ", path.display())), "{missing}");
    let weights = vec![0; 4 << 20];
    for data in [&weights[..4], &weights] {
        let n = data.len() as i64 / 4;
        let kernel = bare_tensor("k", F32, &[n, 3, 1, 1]);
        let bias = bare_tensor("b", F32, &[n]).bytes(9, data);
        std::fs::write(&path, conv().initializer(kernel).initializer(bias).model(17)).unwrap();
        let imported = import_file(&path, &OnnxOptions::default()).unwrap();
        assert_eq!((imported.graph.name(), shape(&imported, "y")), ("net.onnx", vec![1, n as u64, 8, 8]));
    }
    assert!(import_file(dir.path(), &OnnxOptions::default()).is_err());
    #[cfg(unix)]
    {
        // It has no length and no end.
        let endless = import_file("/dev/zero".as_ref(), &OnnxOptions::default()).unwrap_err().to_string();
        assert_eq!(endless, "/dev/zero: not a regular file; copy what it yields to a file first");
    }
}
