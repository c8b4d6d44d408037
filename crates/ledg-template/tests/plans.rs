//! Operators of compiled plans: they stay out of the fingerprint, change no other operator, and state their dimensions.

mod common;

use common::templates;
use ledg_graph::{Attr, Attrs, DType, GraphBuilder, OpType};
use ledg_template::LowerOptions;

const PLAN: &str = r#"
schema = 1
[[operator]]
op = "acme.Tile"
class = "ParamL"
sentence = "Tile {kernel}"
dims = "stated"
macs = "matmuls * m * n * k"
"#;

#[test]
fn plan_operators_leave_the_fingerprint_alone() {
    let with = templates().clone().with_plan_operators("acme", "acme.toml", PLAN).unwrap();
    assert!(with.knows(&OpType::new("acme", "Tile")));
    assert_eq!(with.fingerprint(), templates().fingerprint());
    assert_ne!(templates().clone().with_toml("acme.toml", PLAN).unwrap().fingerprint(), templates().fingerprint());
}

#[test]
fn plan_operators_are_of_one_domain_and_nothing_else() {
    let refused = |text: &str| {
        let error = templates().clone().with_plan_operators("acme", "acme.toml", text).expect_err("refused");
        error.to_string()
    };
    assert!(refused(&PLAN.replace("acme.Tile", "other.Tile")).starts_with("acme.toml: operator `other.Tile`: "));
    let class = "schema = 1\n[[class]]\nname = \"Mine\"\ndoc = \"mine\"";
    assert!(refused(class).starts_with("acme.toml: class `Mine`: "));
}

#[test]
fn stated_dimensions_are_taken_from_the_attributes() {
    let set = templates().clone().with_plan_operators("acme", "acme.toml", PLAN).unwrap();
    let mut b = GraphBuilder::new("plan");
    let x = b.input("x", DType::F32, &[2, 3]);
    let y = b.activation("y", DType::F32, Some(&[2, 5]));
    let attrs = [("m", 2), ("n", 5), ("k", 27), ("matmuls", 4)].map(|(name, v)| (name, Attr::Int(v)));
    let attrs = attrs.into_iter().collect::<Attrs>().with("kernel_shape", Attr::Ints(vec![3, 3]));
    b.node("tile", OpType::new("acme", "Tile"), attrs, &[Some(x)], &[y]);
    b.output(y);
    let graph = b.finish().unwrap();
    assert!(set.is_plan(&graph));
    assert!(!templates().is_plan(&graph), "without the operators it is an unknown graph");
    let node = &set.describe(&set.lower(&graph, &LowerOptions::default()).unwrap())[0];
    assert_eq!(node.sentence, "ParamL Tile 3");
    assert_eq!(node.macs, 2.0 * 5.0 * 27.0 * 4.0);
    assert_eq!((node.dims.kernel_elems, node.dims.cin), (9.0, 0.0));
}

/// A plan holds what runs: weights that it packs are packed in every run.
#[test]
fn what_a_plan_does_to_weights_runs() {
    let set = templates().clone().with_plan_operators("acme", "acme.toml", PACKS).unwrap();
    let mut b = GraphBuilder::new("plan");
    let (x, w) = (b.input("x", DType::F32, &[2, 3]), b.weight("w", DType::F32, &[3, 5]));
    let packed = b.activation("packed", DType::F32, Some(&[1, 32]));
    let y = b.activation("y", DType::F32, Some(&[2, 5]));
    b.node("pack", OpType::new("acme", "Pack"), Attrs::new(), &[Some(w)], &[packed]);
    b.node("tile", OpType::new("acme", "Tile"), Attrs::new(), &[Some(x), Some(packed)], &[y]);
    b.output(y);
    let lowered = set.lower(&b.finish().unwrap(), &LowerOptions::default()).unwrap();
    let nodes = set.describe(&lowered);
    let sentences: Vec<&str> = nodes.iter().map(|n| n.sentence.as_str()).collect();
    assert_eq!(sentences, ["Move Pack", "ParamL Tile"], "the product's operand is a weight still");
    assert_eq!(lowered.relations.fathers.row(1), [0]);
    assert_eq!(nodes[0].magnitudes.weight_elems, 15.0);
}

const PACKS: &str = r#"
schema = 1
[[operator]]
op = "acme.Pack"
class = "Move"
sentence = "Pack"
dims = "stated"
flops = "0"
fixed = "never"
[[operator]]
op = "acme.Tile"
class = "ParamL"
class_without_weight = "Attn"
sentence = "Tile"
dims = "stated"
"#;
