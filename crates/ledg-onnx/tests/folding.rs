//! What depends on constants alone is computed at import and leaves the graph.

mod common;

use common::*;
use ledg_graph::ConstData;

/// The way PyTorch spells `x.view(x.size(0), -1)`.
#[test]
fn shape_arithmetic_disappears() {
    let graph = GraphMsg::new()
        .input("x", &[4, 3, 2])
        .node("Relu", &["x"], &["r"], &[])
        .node("Shape", &["r"], &["s"], &[])
        .node("Constant", &[], &["zero"], &[attr_tensor("value", int_tensor("", &[], &[0]))])
        .node("Gather", &["s", "zero"], &["n"], &[attr_int("axis", 0)])
        .node("Constant", &[], &["axes"], &[attr_ints("value_ints", &[0])])
        .node("Unsqueeze", &["n", "axes"], &["n1"], &[])
        .node("Constant", &[], &["rest"], &[attr_ints("value_ints", &[-1])])
        .node("Concat", &["n1", "rest"], &["target"], &[attr_int("axis", 0)])
        .node("Reshape", &["r", "target"], &["y"], &[])
        .output("y");
    let imported = import(graph.model(17)).unwrap();
    assert_eq!(ops(&imported), "Relu Reshape");
    assert_eq!(shape(&imported, "y"), [4, 6]);
    assert_eq!(imported.folded_nodes, 7);
    let target = imported.graph.values().iter().find(|v| v.name == "target").unwrap();
    assert_eq!(target.data, Some(ConstData::Ints(vec![4, -1])));
}

/// Interpolation by a factor: sizes go through floats.
#[test]
fn sizes_through_floats() {
    let graph = GraphMsg::new()
        .input("x", &[1, 3, 14, 14])
        .initializer(float_tensor("factor", &[2], &[1.714_285_7, 2.0]))
        .initializer(int_tensor("start", &[1], &[2]))
        .initializer(int_tensor("end", &[1], &[4]))
        .initializer(int_tensor("zero", &[1], &[0]))
        .initializer(int_tensor("two", &[1], &[2]))
        .node("Shape", &["x"], &["s"], &[])
        .node("Slice", &["s", "start", "end"], &["hw"], &[])
        .node("Cast", &["hw"], &["hwf"], &[attr_int("to", F32)])
        .node("Mul", &["hwf", "factor"], &["scaled"], &[])
        .node("Floor", &["scaled"], &["floor"], &[])
        .node("Cast", &["floor"], &["size"], &[attr_int("to", I64)])
        .node("Slice", &["s", "zero", "two"], &["nc"], &[])
        .node("Concat", &["nc", "size"], &["sizes"], &[attr_int("axis", 0)])
        .node("Resize", &["x", "", "", "sizes"], &["y"], &[])
        .output("y");
    let imported = import(graph.model(17)).unwrap();
    assert_eq!(ops(&imported), "Resize");
    // 14 · 1.7142857 is 24 in single precision.
    assert_eq!(shape(&imported, "y"), [1, 3, 24, 28]);
}

/// The data of a constant computed by one operator from integer inputs.
fn computed(op: &str, attrs: &[Msg], inputs: &[(&[i64], &[i64])]) -> ConstData {
    let mut graph = GraphMsg::new().input("anchor", &[1]).node("Relu", &["anchor"], &["anchored"], &[]);
    let names: Vec<String> = (0..inputs.len()).map(|i| format!("i{i}")).collect();
    for (name, (dims, values)) in names.iter().zip(inputs) {
        graph = graph.initializer(int_tensor(name, dims, values));
    }
    let refs: Vec<&str> = names.iter().map(String::as_str).collect();
    let imported = import(graph.node(op, &refs, &["y"], attrs).output("y").output("anchored").model(17)).unwrap();
    imported.graph.value(imported.graph.outputs()[0]).data.clone().expect("folded")
}

#[test]
fn values() {
    let vector = |v: &'static [i64]| (&*Box::leak(Box::new([v.len() as i64])) as &[i64], v);
    let matrix = (&[2, 3][..], &[1, 2, 3, 4, 5, 6][..]);
    let ints = |v: &[i64]| ConstData::Ints(v.to_vec());
    assert_eq!(computed("Add", &[], &[matrix, vector(&[10, 20, 30])]), ints(&[11, 22, 33, 14, 25, 36]));
    assert_eq!(computed("Div", &[], &[vector(&[7, -7]), vector(&[2])]), ints(&[3, -3]));
    assert_eq!(computed("Mod", &[], &[vector(&[7, -7]), vector(&[3])]), ints(&[1, 2]));
    assert_eq!(computed("Max", &[], &[vector(&[1, 5]), vector(&[3]), vector(&[4, 2])]), ints(&[4, 5]));
    assert_eq!(computed("Equal", &[], &[vector(&[1, 2, 3]), vector(&[2])]), ints(&[0, 1, 0]));
    assert_eq!(computed("Where", &[], &[vector(&[1, 0]), vector(&[5, 6]), vector(&[7])]), ints(&[5, 7]));
    assert_eq!(computed("Transpose", &[], &[matrix]), ints(&[1, 4, 2, 5, 3, 6]));
    assert_eq!(
        computed("Slice", &[], &[vector(&[0, 1, 2, 3, 4]), vector(&[-1]), vector(&[-6]), vector(&[0]), vector(&[-2])]),
        ints(&[4, 2, 0])
    );
    assert_eq!(computed("Gather", &[attr_int("axis", 1)], &[matrix, vector(&[-1, 0])]), ints(&[3, 1, 6, 4]));
    assert_eq!(
        computed("Concat", &[attr_int("axis", 1)], &[matrix, (&[2, 1], &[9, 8])]),
        ints(&[1, 2, 3, 9, 4, 5, 6, 8])
    );
    assert_eq!(computed("Expand", &[], &[(&[2, 1], &[1, 2]), vector(&[2, 3])]), ints(&[1, 1, 1, 2, 2, 2]));
    assert_eq!(computed("Tile", &[], &[vector(&[1, 2]), vector(&[2])]), ints(&[1, 2, 1, 2]));
    assert_eq!(computed("ReduceProd", &[attr_ints("axes", &[1])], &[matrix]), ints(&[6, 120]));
    assert_eq!(computed("ReduceMax", &[attr_int("keepdims", 0)], &[matrix]), ints(&[6]));
    assert_eq!(computed("Range", &[], &[(&[], &[2]), (&[], &[11]), (&[], &[3])]), ints(&[2, 5, 8]));
    assert_eq!(computed("NonZero", &[], &[(&[2, 2], &[0, 1, 1, 0])]), ints(&[0, 1, 1, 0]));
    assert_eq!(computed("Trilu", &[attr_int("upper", 0)], &[(&[2, 2], &[1, 2, 3, 4])]), ints(&[1, 0, 3, 4]));
    assert_eq!(computed("ScatterND", &[], &[vector(&[1, 2, 3]), (&[1, 1], &[1]), vector(&[9])]), ints(&[1, 9, 3]));
    assert_eq!(computed("Cast", &[attr_int("to", 6)], &[vector(&[1 << 32 | 5])]), ints(&[5]));
    assert_eq!(
        computed("Cast", &[attr_int("to", 1)], &[vector(&[(1 << 24) + 1])]),
        ConstData::Floats(vec![f64::from(1 << 24)])
    );
}

/// A division by zero has no answer; the value stays a constant whose data is not known.
#[test]
fn no_answer_is_no_data() {
    let graph = GraphMsg::new()
        .input("x", &[2])
        .initializer(int_tensor("one", &[1], &[1]))
        .initializer(int_tensor("zero", &[1], &[0]))
        .node("Div", &["one", "zero"], &["d"], &[])
        .node("Reshape", &["x", "d"], &["y"], &[])
        .output("y");
    assert!(refusal(graph.model(17)).contains("depends on the value of `d` (input 1)"));
}

/// Large constants keep their shape and lose their data.
#[test]
fn large_constants_fold_without_data() {
    let graph = GraphMsg::new()
        .input("x", &[1000, 1000])
        .initializer(int_tensor("size", &[2], &[1000, 1000]))
        .node("ConstantOfShape", &["size"], &["ones"], &[attr_tensor("value", float_tensor("", &[1], &[1.0]))])
        .node("Trilu", &["ones"], &["mask"], &[])
        .node("Mul", &["x", "mask"], &["y"], &[])
        .output("y");
    let imported = import(graph.model(17)).unwrap();
    assert_eq!(ops(&imported), "Mul");
    let mask = imported.graph.values().iter().find(|v| v.name == "mask").unwrap();
    assert_eq!((mask.shape.as_deref(), &mask.data), (Some(&[1000, 1000][..]), &None));
}

/// Shared weights come through Identity; the readers read the weight itself.
#[test]
fn identity_of_a_weight_is_the_weight() {
    let graph = GraphMsg::new()
        .input("x", &[1, 3, 8, 8])
        .initializer(bare_tensor("w", F32, &[3, 3, 1, 1]))
        .node("Identity", &["w"], &["shared"], &[])
        .node("Conv", &["x", "w"], &["a"], &[])
        .node("Conv", &["a", "shared"], &["y"], &[])
        .output("y");
    let imported = import(graph.model(17)).unwrap();
    assert_eq!(ops(&imported), "Conv Conv");
    assert_eq!(imported.graph.nodes()[0].inputs[1], imported.graph.nodes()[1].inputs[1]);
}

fn branch(op: &str) -> Msg {
    GraphMsg::new().node(op, &["x"], &["inner"], &[]).output("inner").0
}

#[test]
fn a_constant_condition_takes_its_branch() {
    let model = |value: i64| {
        GraphMsg::new()
            .input("x", &[2])
            .initializer(int_tensor("n", &[], &[value]))
            .node("Cast", &["n"], &["c"], &[attr_int("to", BOOL)])
            .node(
                "If",
                &["c"],
                &["y"],
                &[attr_graph("then_branch", branch("Relu")), attr_graph("else_branch", branch("Erf"))],
            )
            .node(
                "If",
                &["c"],
                &["z"],
                &[attr_graph("then_branch", branch("Exp")), attr_graph("else_branch", branch("Log"))],
            )
            .node("Add", &["y", "z"], &["sum"], &[])
            .output("sum")
            .model(17)
    };
    assert_eq!(ops(&import(model(1)).unwrap()), "Relu Exp Add");
    let otherwise = import(model(0)).unwrap();
    assert_eq!(ops(&otherwise), "Erf Log Add");
    // Both branches call their value `inner`; outside it has the name of the If's output.
    assert_eq!((shape(&otherwise, "y"), shape(&otherwise, "z")), (vec![2], vec![2]));
}

#[test]
fn a_condition_that_depends_on_data_is_refused() {
    let graph = GraphMsg::new()
        .input("x", &[2])
        .typed_input("c", BOOL, &[])
        .node(
            "If",
            &["c"],
            &["y"],
            &[attr_graph("then_branch", branch("Relu")), attr_graph("else_branch", branch("Erf"))],
        )
        .output("y");
    assert!(refusal(graph.model(17)).contains("(If): its condition is not constant"));
}

fn function(name: &str, nodes: &[Msg]) -> Msg {
    let body = Msg::new().str(1, name).str(4, "a").str(5, "b").str(10, "my.domain").msg(9, Msg::new().int(2, 17));
    Msg::new().msg(25, nodes.iter().fold(body, |m, n| m.msg(7, n.clone())))
}

#[test]
fn functions_are_inlined_with_their_attributes() {
    let to = Msg::new().str(1, "axis").str(21, "along").int(20, 2);
    let body = [node("Softmax", &["a"], &["t"], &[to]), node("Flatten", &["t"], &["b"], &[])];
    let graph = GraphMsg::new()
        .input("x", &[2, 3, 4])
        .node("my.domain:F", &["x"], &["u"], &[attr_int("along", 1)])
        .node("my.domain:F", &["u"], &["y"], &[])
        .output("y");
    let imported = import(graph.model_with(17, function("F", &body))).unwrap();
    assert_eq!(ops(&imported), "Softmax Flatten Softmax Flatten");
    let axis = |i: usize| imported.graph.nodes()[i].attrs.int("axis");
    // An argument that is not given leaves the operator its default.
    assert_eq!((axis(0), axis(2)), (Some(1), Some(-1)));
    assert_eq!((shape(&imported, "u"), shape(&imported, "y")), (vec![2, 12], vec![2, 12]));
}

#[test]
fn functions_that_contain_themselves_are_refused() {
    let body = [node("my.domain:F", &["a"], &["b"], &[])];
    let graph = GraphMsg::new().input("x", &[2]).node("my.domain:F", &["x"], &["y"], &[]).output("y");
    assert!(
        refusal(graph.model_with(17, function("F", &body))).contains("nest deeper than 32; does one contain itself?")
    );
}

/// Each function calls the one before twice: 2^30 nodes from thirty.
#[test]
fn functions_that_multiply_are_stopped_by_the_limit() {
    let mut more = function("F0", &[node("Relu", &["a"], &["b"], &[])]);
    for i in 1..30 {
        let below = format!("my.domain:F{}", i - 1);
        let body = [node(&below, &["a"], &["t"], &[]), node(&below, &["t"], &["b"], &[])];
        more.0.extend(function(&format!("F{i}"), &body).0);
    }
    let graph = GraphMsg::new().input("x", &[2]).node("my.domain:F29", &["x"], &["y"], &[]).output("y");
    assert!(refusal(graph.model_with(17, more)).contains("nodes (functions inlined), more than the limit of 50000"));
}
