//! A session's estimates are those of a full query on the edited graph.

use std::sync::Arc;

use ledg_cost_model::graph::{Attr, Attrs, DType, Graph, GraphBuilder, OpType, ValueId};
use ledg_cost_model::{CostModel, CostModelError, Edit, Estimate, HardwareRegistry, Platform, PredictOptions, Session};
use ledg_zoo::ZooConfig;
use proptest::prelude::*;

fn model() -> Arc<CostModel> {
    CostModel::default_model().unwrap()
}

fn platforms() -> Vec<(Platform, u64)> {
    let registry = HardwareRegistry::builtin();
    [("rtx4090:amp", 32), ("rtx3090:amp/nhwc/eager/pt1.13", 8), ("t4:fp32", 1)]
        .map(|(name, batch)| (registry.resolve(name).unwrap(), batch))
        .to_vec()
}

fn zoo(name: &str) -> Graph {
    let image = if name == "swin_tiny" { 224 } else { 64 };
    ledg_zoo::build(name, &ZooConfig { image, sequence: 16, ..ZooConfig::default() }).unwrap()
}

fn session(graph: &Graph) -> Session {
    let options = PredictOptions { per_node: false, ..PredictOptions::default() };
    Session::new(model(), graph, &platforms(), options).unwrap()
}

fn full(graph: &Graph) -> Vec<Estimate> {
    let model = model();
    model.predict(&model.prepare(graph).unwrap(), &platforms(), &PredictOptions::default()).unwrap()
}

fn assert_same(got: &[Estimate], expected: &[Estimate]) {
    assert_eq!(got.len(), expected.len());
    for (a, b) in got.iter().zip(expected) {
        let pairs = [(a.latency_s, b.latency_s), (a.lo_s, b.lo_s), (a.hi_s, b.hi_s), (a.known, b.known)];
        assert!(pairs.iter().all(|(x, y)| (x - y).abs() <= 1e-6 * y.abs()), "{a:?}\n{b:?}");
        assert!((a.spread - b.spread).abs() < 1e-6, "{a:?}\n{b:?}");
        assert_eq!(a.measured, b.measured);
    }
}

/// What a random choice means on a graph as it stands.
fn edit(graph: &Graph, (kind, at, size): (u8, usize, u64), serial: usize) -> Edit {
    let node = &graph.nodes()[at % graph.nodes().len()];
    let out = graph.value(node.outputs[0]);
    let name = |v: ValueId| graph.value(v).name.clone();
    match kind % 6 {
        0 => Edit::Replace {
            node: node.name.clone(),
            domain: String::new(),
            op: ["Relu", "Sigmoid", "Tanh", "Erf", "NoSuchOperator"][size as usize % 5].to_owned(),
            attrs: Attrs::new(),
            inputs: Some(vec![node.inputs[0].map(name)]),
        },
        1 => Edit::Remove { node: node.name.clone() },
        2 => Edit::SetAttribute {
            node: node.name.clone(),
            name: ["group", "strides", "axis"][size as usize % 3].to_owned(),
            value: if size.is_multiple_of(3) { Attr::Int(1) } else { Attr::Ints(vec![size as i64, 1]) },
        },
        3 => {
            let mut shape = out.shape.clone().unwrap_or_default();
            shape.last_mut().into_iter().for_each(|d| *d = *d * 2 + size);
            Edit::SetShape { value: out.name.clone(), shape }
        }
        4 => Edit::Insert {
            node: format!("inserted{serial}"),
            domain: String::new(),
            op: ["Relu", "Sigmoid", "Identity", "Sqrt"][size as usize % 4].to_owned(),
            attrs: Attrs::new(),
            inputs: vec![Some(out.name.clone())],
            output: format!("inserted{serial}.out"),
            dtype: DType::F32,
            shape: out.shape.clone().unwrap_or_default(),
            replaces: Some(out.name.clone()),
        },
        // A node that nobody reads, of two inputs, one of which may come late.
        _ => Edit::Insert {
            node: format!("inserted{serial}"),
            domain: String::new(),
            op: "Mul".to_owned(),
            attrs: Attrs::new(),
            inputs: vec![node.inputs[0].map(name), Some(out.name.clone())],
            output: format!("inserted{serial}.out"),
            dtype: DType::F32,
            shape: out.shape.clone().unwrap_or_default(),
            replaces: None,
        },
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn random_edits_give_what_a_full_query_gives(
        network in 0usize..6,
        steps in prop::collection::vec(prop::collection::vec((0u8..6, 0usize..1000, 0u64..9), 1..4), 1..4),
    ) {
        let network = ["resnet18", "mobilenet_v3_large", "vit_s16", "gpt2", "lstm_classifier", "swin_tiny"][network];
        let mut session = session(&zoo(network));
        let mut serial = 0;
        for step in steps {
            let edits: Vec<Edit> = step.into_iter().map(|choice| { serial += 1; edit(session.graph(), choice, serial) }).collect();
            let before = full(session.graph());
            match session.predict(&edits) {
                Ok(estimates) => {
                    // Asking changes nothing.
                    assert_same(&session.predict(&[]).unwrap(), &before);
                    assert_same(&session.predict(&edits).unwrap(), &estimates);
                    session.apply(&edits).unwrap();
                    assert_same(&estimates, &full(session.graph()));
                    assert_same(&session.predict(&[]).unwrap(), &estimates);
                }
                Err(_) => {
                    // What a session refuses to answer it refuses to adopt, and it goes on from where it was.
                    prop_assert!(session.apply(&edits).is_err());
                    assert_same(&session.predict(&[]).unwrap(), &before);
                }
            }
        }
    }
}

#[test]
fn an_edit_that_breaks_a_fusion_is_seen() {
    // GELU spelled out is one operation until somebody else reads its inside.
    let graph = zoo("vit_s16");
    let mut session = session(&graph);
    let erf = graph.nodes().iter().find(|n| n.op.name == "Erf").unwrap();
    let inside = graph.value(erf.outputs[0]);
    let reader = Edit::Insert {
        node: "reader".into(),
        domain: String::new(),
        op: "Relu".into(),
        attrs: Attrs::new(),
        inputs: vec![Some(inside.name.clone())],
        output: "reader.out".into(),
        dtype: DType::F32,
        shape: inside.shape.clone().unwrap(),
        replaces: None,
    };
    let before = session.predict(&[]).unwrap();
    let after = session.predict(std::slice::from_ref(&reader)).unwrap();
    assert!(after[1].latency_s > before[1].latency_s * 1.0001, "five operations more");
    session.apply(&[reader]).unwrap();
    assert_same(&after, &full(session.graph()));
}

#[test]
fn what_becomes_fixed_folds_and_comes_back() {
    // A branch that reads an input is made to read weights alone: all behind it folds, up to where it meets the rest.
    let mut b = GraphBuilder::new("folding");
    let x = b.input("x", DType::F32, &[1, 8, 16, 16]);
    let w = b.weight("w", DType::F32, &[1, 8, 16, 16]);
    let mut op = |name: &str, kind: &str, inputs: &[ValueId]| {
        let out = b.activation(format!("{name}.out"), DType::F32, Some(&[1, 8, 16, 16]));
        let inputs: Vec<_> = inputs.iter().map(|&v| Some(v)).collect();
        b.node(name, OpType::onnx(kind), Attrs::new(), &inputs, &[out]);
        out
    };
    let first = op("first", "Sigmoid", &[x]);
    let second = op("second", "Identity", &[first]);
    let third = op("third", "Mul", &[second, w]);
    let fourth = op("fourth", "Identity", &[third]);
    let sum = op("sum", "Add", &[x, fourth]);
    let half = op("half", "Erf", &[sum]);
    let end = op("end", "Mul", &[half, sum]);
    b.output(end);
    let graph = b.finish().unwrap();
    let replace = |op: &str, input: &str| Edit::Replace {
        node: "first".into(),
        domain: String::new(),
        op: op.into(),
        attrs: Attrs::new(),
        inputs: Some(vec![Some(input.into())]),
    };
    let mut session = session(&graph);
    for edits in [replace("Sigmoid", "w"), replace("Identity", "x"), replace("Identity", "w"), replace("Sigmoid", "x")]
    {
        let edits = [edits, Edit::Remove { node: "half".into() }];
        for edits in [&edits[..1], &edits[..]] {
            let estimates = session.predict(edits).unwrap();
            let mut adopted = self::session(session.graph());
            adopted.apply(edits).unwrap();
            assert_same(&estimates, &full(adopted.graph()));
        }
        session.apply(&edits[..1]).unwrap();
    }
}

#[test]
fn many_edits_in_one_session_do_not_wear_it_out() {
    // More rows than the session's store keeps: it forgets, and goes on.
    let graph = zoo("resnet18");
    let mut session = session(&graph);
    let before = session.predict(&[]).unwrap();
    let out = graph.value(graph.nodes()[4].outputs[0]).clone();
    for size in 1..9000u64 {
        let mut shape = out.shape.clone().unwrap();
        shape[1] = size;
        session.predict(&[Edit::SetShape { value: out.name.clone(), shape }]).unwrap();
    }
    assert_same(&session.predict(&[]).unwrap(), &before);
}

#[test]
fn candidates_are_independent_of_each_other() {
    let graph = zoo("mobilenet_v2");
    let mut session = session(&graph);
    let convs: Vec<&str> = graph.nodes().iter().filter(|n| n.op.name == "Clip").map(|n| n.name.as_str()).collect();
    let candidates: Vec<Vec<Edit>> = convs.iter().map(|name| vec![Edit::Remove { node: (*name).to_owned() }]).collect();
    let together = session.predict_all(&candidates);
    for (candidate, estimates) in candidates.iter().zip(together) {
        let mut alone = self::session(&graph);
        alone.apply(candidate).unwrap();
        assert_same(&estimates.unwrap(), &full(alone.graph()));
    }
}

#[test]
fn errors_name_the_edit() {
    let graph = zoo("resnet18");
    let mut session = session(&graph);
    let message = |session: &mut Session, edit: Edit| session.predict(&[edit]).unwrap_err().to_string();
    let bad = message(&mut session, Edit::Remove { node: "nobody".into() });
    assert_eq!(bad, "graph `resnet18`: edit 0: there is no node `nobody`");
    let bad = message(&mut session, Edit::SetShape { value: "nothing".into(), shape: vec![1] });
    assert_eq!(bad, "graph `resnet18`: edit 0: there is no value `nothing`");
    let name = graph.value(graph.inputs()[0]).name.clone();
    let bad = session.predict(&[Edit::SetShape { value: name, shape: vec![8, 3, 64, 64] }]).unwrap_err();
    assert!(matches!(bad, CostModelError::Session { .. }), "{bad}");
    let four = graph.rescale_batch(4).unwrap();
    assert!(matches!(
        Session::new(model(), &four, &platforms(), PredictOptions::default()),
        Err(CostModelError::Session { .. })
    ));
}

/// Batches so large that elements cannot be counted are refused as full queries refuse them.
#[test]
fn a_batch_that_cannot_be_counted_is_refused() {
    let graph = zoo("resnet18");
    let on = vec![(platforms()[0].0.clone(), 1 << 50)];
    let mut session = Session::new(model(), &graph, &on, PredictOptions::default()).unwrap();
    let asked = session.predict(&[]).unwrap_err().to_string();
    let model = model();
    let full = model.predict(&model.prepare(&graph).unwrap(), &on, &PredictOptions::default()).unwrap_err();
    assert_eq!(asked, full.to_string());
    assert!(asked.contains("more elements than can be counted"), "{asked}");
}

#[test]
fn threads_change_nothing() {
    let graphs: Vec<Graph> = ["resnet18", "vit_s16", "resnet18", "mobilenet_v2"].map(zoo).to_vec();
    let model = model();
    let ask = |threads: usize| {
        let threads = std::num::NonZeroUsize::new(threads).unwrap();
        let answers = model.predict_all(&graphs, &platforms(), &PredictOptions::default(), threads).unwrap();
        answers.into_iter().map(|a| a.unwrap()).collect::<Vec<_>>()
    };
    let one = ask(1);
    assert_eq!(one, ask(3), "bit for bit");
    for (graph, estimates) in graphs.iter().zip(&one) {
        assert_eq!(estimates, &full(graph), "bit for bit");
    }
}
