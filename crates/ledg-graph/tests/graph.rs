//! What a graph promises: order, checks, round trip, rescaling, edits.

use ledg_graph::{
    Attr, Attrs, ConstData, DType, Graph, GraphBuilder, GraphEdit, GraphError, Limits, NodeId, OpType, ValueId,
};

/// conv -> relu -> reshape -> gemm, declared backwards.
fn small() -> Graph {
    let mut b = GraphBuilder::new("small");
    let x = b.input("x", DType::F32, &[2, 3, 8, 8]);
    let w = b.weight("w", DType::F32, &[4, 3, 3, 3]);
    let shape = b.constant("shape", DType::I64, &[2], Some(ConstData::Ints(vec![2, 144])));
    let fc = b.weight("fc", DType::F32, &[144, 10]);
    let c = b.activation("c", DType::F32, Some(&[2, 4, 6, 6]));
    let r = b.activation("r", DType::F32, Some(&[2, 4, 6, 6]));
    let f = b.activation("f", DType::F32, Some(&[2, 144]));
    let y = b.activation("y", DType::F32, Some(&[2, 10]));
    b.node("gemm", OpType::onnx("MatMul"), Attrs::new(), &[Some(f), Some(fc)], &[y]);
    b.node("flat", OpType::onnx("Reshape"), Attrs::new(), &[Some(r), Some(shape)], &[f]);
    b.node("relu", OpType::onnx("Relu"), Attrs::new(), &[Some(c)], &[r]);
    let attrs = Attrs::new().with("strides", Attr::Ints(vec![1, 1])).with("alpha", Attr::Float(0.5));
    b.node("conv", OpType::onnx("Conv"), attrs, &[Some(x), Some(w), None], &[c]);
    b.output(y);
    b.finish().unwrap()
}

fn names(g: &Graph) -> Vec<&str> {
    g.nodes().iter().map(|n| n.name.as_str()).collect()
}

fn shape(g: &Graph, name: &str) -> Vec<u64> {
    g.values().iter().find(|v| v.name == name).unwrap().shape.clone().unwrap()
}

#[test]
fn nodes_come_in_topological_order() {
    assert_eq!(names(&small()), ["conv", "relu", "flat", "gemm"]);
}

#[test]
fn json_round_trip() {
    let g = small();
    let json = g.to_json().unwrap();
    assert_eq!(Graph::from_json(&json, Limits::default()).unwrap(), g);
}

#[test]
fn json_errors_say_where() {
    let err = |text: &str| Graph::from_json(text, Limits::default()).unwrap_err().to_string();
    assert!(err("{").contains("line 1"), "{}", err("{"));
    let json = small().to_json().unwrap();
    assert!(err(&json.replace("\"ledg_graph\":1", "\"ledg_graph\":9")).contains("wire version 9"));
    assert!(err(&json.replace("\"inputs\":[\"c\"]", "\"inputs\":[\"q\"]")).contains("node `relu` names value `q`"));
    assert!(err(&json.replace("\"name\":\"small\"", "\"name\":\"small\",\"colour\":1")).contains("colour"));
}

#[test]
fn hash_ignores_names_and_sees_attributes() {
    let json = small().to_json().unwrap();
    let read = |t: &str| Graph::from_json(t, Limits::default()).unwrap().content_hash();
    assert_eq!(read(&json), read(&json.replace("relu", "activation").replace("\"c\"", "\"conv_out\"")));
    assert_ne!(read(&json), read(&json.replace("0.5", "0.25")));
    assert_ne!(read(&json), read(&json.replace("[144,10]", "[144,11]").replace("[2,10]", "[2,11]")));
}

#[test]
fn rescaling_multiplies_what_depends_on_the_input() {
    let g = small().rescale_batch(64).unwrap();
    assert_eq!(shape(&g, "x"), [64, 3, 8, 8]);
    assert_eq!(shape(&g, "f"), [64, 144]);
    assert_eq!(shape(&g, "w"), [4, 3, 3, 3]);
    assert_eq!(shape(&g, "y"), [64, 10]);
    let target = g.nodes()[2].inputs[1].unwrap();
    assert_eq!(g.value(target).data, Some(ConstData::Ints(vec![64, 144])));
    let back = g.rescale_batch(2).unwrap();
    assert_eq!(shape(&back, "f"), [2, 144]);
}

#[test]
fn windows_keep_the_batch_outermost() {
    // Swin: (1, 56, 56, 96) -> (1, 8, 7, 8, 7, 96) -> permute -> (64, 49, 96)
    let mut b = GraphBuilder::new("swin");
    let x = b.input("x", DType::F32, &[1, 56, 56, 96]);
    let a = b.activation("a", DType::F32, Some(&[1, 8, 7, 8, 7, 96]));
    let p = b.activation("p", DType::F32, Some(&[1, 8, 8, 7, 7, 96]));
    let w = b.activation("w", DType::F32, Some(&[64, 49, 96]));
    let q = b.activation("q", DType::F32, Some(&[49, 64, 96]));
    b.node("r1", OpType::onnx("Reshape"), Attrs::new(), &[Some(x)], &[a]);
    b.node(
        "t",
        OpType::onnx("Transpose"),
        Attrs::new().with("perm", Attr::Ints(vec![0, 1, 3, 2, 4, 5])),
        &[Some(a)],
        &[p],
    );
    b.node("r2", OpType::onnx("Reshape"), Attrs::new(), &[Some(p)], &[w]);
    b.node("t2", OpType::onnx("Transpose"), Attrs::new().with("perm", Attr::Ints(vec![1, 0, 2])), &[Some(w)], &[q]);
    b.output(q);
    let g = b.finish().unwrap().rescale_batch(4).unwrap();
    assert_eq!(shape(&g, "w"), [256, 49, 96]);
    assert_eq!(shape(&g, "q"), [49, 256, 96]);
}

#[test]
fn a_lost_batch_is_an_error_that_names_the_node() {
    let mut b = GraphBuilder::new("lost");
    let x = b.input("x", DType::F32, &[2, 3]);
    let y = b.activation("y", DType::F32, Some(&[3]));
    let attrs = Attrs::new().with("axes", Attr::Ints(vec![0])).with("keepdims", Attr::Int(0));
    b.node("mean", OpType::onnx("ReduceMean"), attrs, &[Some(x)], &[y]);
    b.output(y);
    let err = b.finish().unwrap().rescale_batch(8).unwrap_err().to_string();
    assert!(err.contains("mean") && err.contains("reduces the batch axis"), "{err}");
}

#[test]
fn builder_refuses_what_is_no_dag() {
    let relu = |b: &mut GraphBuilder, name: &str, x: ValueId, y: ValueId| {
        b.node(name, OpType::onnx("Relu"), Attrs::new(), &[Some(x)], &[y]);
    };
    let mut b = GraphBuilder::new("g");
    assert!(matches!(b.clone().finish(), Err(GraphError::Empty { .. })));
    let x = b.input("x", DType::F32, &[1]);
    let (p, q) = (b.activation("p", DType::F32, None), b.activation("q", DType::F32, None));

    let mut cyclic = b.clone();
    relu(&mut cyclic, "first", p, q);
    relu(&mut cyclic, "second", q, p);
    let err = cyclic.finish().unwrap_err();
    assert!(matches!(&err, GraphError::Cycle { nodes, .. } if nodes == &["first", "second"]), "{err}");

    let mut dangling = b.clone();
    relu(&mut dangling, "n", p, q);
    assert!(matches!(dangling.finish(), Err(GraphError::Dangling { value, .. }) if value == "p"));

    let mut twice = b.clone();
    relu(&mut twice, "a", x, p);
    relu(&mut twice, "b", x, p);
    assert!(matches!(twice.finish(), Err(GraphError::TwoProducers { node, .. }) if node == "b"));

    let mut named = b.clone();
    relu(&mut named, "a", x, p);
    relu(&mut named, "a", x, q);
    assert!(matches!(named.finish(), Err(GraphError::DuplicateName { name, .. }) if name == "a"));

    let mut big = b.clone();
    relu(&mut big, "a", x, p);
    relu(&mut big, "b", p, q);
    let limits = Limits { max_nodes: 1, ..Limits::default() };
    assert!(matches!(big.with_limits(limits).finish(), Err(GraphError::Limit { found: 2, limit: 1, .. })));

    let mut wide = b;
    let w = wide.weight("w", DType::F32, &[u64::MAX, 2]);
    relu(&mut wide, "a", w, p);
    assert!(matches!(wide.finish(), Err(GraphError::ShapeOverflow { value, .. }) if value == "w"));
}

#[test]
fn edit_bypasses_a_node_and_drops_what_nobody_reads() {
    let g = small();
    let mut edit = GraphEdit::new(&g);
    let flat = NodeId::from_index(2);
    edit.remove(flat);
    edit.replace_value(g.node(flat).outputs[0], g.node(flat).inputs[0].unwrap());
    let edited = edit.finish().unwrap();
    assert_eq!(names(&edited), ["conv", "relu", "gemm"]);
    assert!(edited.values().iter().all(|v| v.name != "shape" && v.name != "f"));
    assert_eq!(names(&g).len(), 4);
}
