//! The default bundle gives through the executor what it gives through the predictor on tensors.

#[path = "../benches/cases/mod.rs"]
mod cases;

use std::sync::Arc;

use ledg_cost_model::encoder::Encoder;
use ledg_cost_model::template::TemplateSet;
use ledg_cost_model::{Bundle, CostModel, PredictOptions, Session};
use ledg_zoo::ZooConfig;

#[test]
fn executor_and_predictor_agree_on_the_zoo() {
    let model = CostModel::default_model().unwrap();
    let tensors = cases::OnTensors::new(&model);
    let on = cases::platforms(2);
    let mut graphs: Vec<_> =
        ledg_zoo::names().map(|name| ledg_zoo::build(name, &ZooConfig::default()).unwrap()).collect();
    graphs.push(cases::residual(120));
    // The mean relative difference bounds by how much a MAPE on these networks could differ, whatever was measured: 0.1 %
    // is the most that a step may cost, and two orders of magnitude less is what this one does.
    let (mut differences, mut n) = (0.0, 0);
    for graph in graphs {
        let estimates = model.predict(&model.prepare(&graph).unwrap(), &on, &PredictOptions::default()).unwrap();
        for (estimate, (platform, batch)) in estimates.iter().zip(&on) {
            let input = cases::graph_input(&model, &graph);
            let platform = cases::platform_input(&model, platform);
            let ln = tensors.query(&input, &platform, *batch as f64);
            let mean = ln.iter().sum::<f64>() / ln.len() as f64;
            let spread = (ln.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / ln.len() as f64).sqrt();
            let ratio = estimate.latency_s / mean.exp();
            assert!((ratio - 1.0).abs() < 2e-5, "{}: {ratio}", graph.name());
            differences += (ratio - 1.0).abs();
            n += 1;
            assert!((estimate.spread - spread).abs() < 1e-5, "{}: {} {spread}", graph.name(), estimate.spread);
        }
    }
    assert!(n > 40 && differences / f64::from(n) < 1e-5, "{n} answers, {} on average", differences / f64::from(n));
}

/// The default bundle cut to its first member: other weights, the same templates.
fn first_member() -> CostModel {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/assets/default.ledg");
    let (templates, encoder) = (TemplateSet::builtin().unwrap(), Encoder::pretrained().unwrap());
    let mut bundle = Bundle::from_bytes(&std::fs::read(path).unwrap(), path, &templates, &encoder).unwrap();
    bundle.members.truncate(1);
    bundle.header.members = 1;
    CostModel::from_bytes(&bundle.to_bytes().unwrap(), "first member", templates).unwrap()
}

#[test]
fn a_graph_that_another_model_readied_is_readied_again() {
    let (whole, cut) = (CostModel::default_model().unwrap(), first_member());
    let graph = ledg_zoo::build("resnet18", &ZooConfig::default()).unwrap();
    let (on, options) = (cases::platforms(2), PredictOptions { per_node: true, ..PredictOptions::default() });
    let (of_whole, of_cut) = (whole.prepare(&graph).unwrap(), cut.prepare(&graph).unwrap());
    let own = |model: &CostModel, prepared| model.predict(prepared, &on, &options).unwrap();
    let (by_whole, by_cut) = (own(&whole, &of_whole), own(&cut, &of_cut));
    // Other weights, so other answers; each model gives its own, whoever readied the graph.
    assert!(by_whole.iter().zip(&by_cut).all(|(a, b)| a.latency_s != b.latency_s && b.spread == 0.0));
    assert_eq!(own(&cut, &of_whole), by_cut);
    assert_eq!(own(&whole, &of_cut), by_whole);
    // A clone has the same weights: its rows serve.
    assert_eq!(own(&CostModel::clone(&whole), &of_whole), by_whole);
}

/// The hot path of the benches, to nearly the last bit.
#[test]
fn sessions_give_the_default_bundles_answers() {
    let model = CostModel::default_model().unwrap();
    let (on, options) = (cases::platforms(3), PredictOptions::default());
    for graph in [cases::resnet50(), cases::residual(400)] {
        let mut session = Session::new(Arc::clone(&model), &graph, &on, options).unwrap();
        for edits in [cases::candidates(&graph, 40), cases::single_edits(&graph, 60)].concat() {
            let estimates = session.predict(&edits).unwrap();
            let mut edited = Session::new(Arc::clone(&model), &graph, &on[..1], options).unwrap();
            edited.apply(&edits).unwrap();
            let expected = model.predict(&model.prepare(edited.graph()).unwrap(), &on, &options).unwrap();
            for (a, b) in estimates.iter().zip(&expected) {
                assert!((a.latency_s / b.latency_s - 1.0).abs() < 1e-9, "{edits:?}: {a:?} {b:?}");
                assert!((a.spread - b.spread).abs() < 1e-9 && a.known == b.known);
            }
        }
    }
}

/// The speeds that benches and the table state are those of sentences that need no language model.
#[test]
fn sentences_of_the_benches_come_with_the_model() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/assets/default.ledg");
    let bytes = std::fs::read(path).unwrap();
    let model = Arc::new(CostModel::from_bytes(&bytes, path, TemplateSet::builtin().unwrap()).unwrap());
    for graph in [cases::resnet50(), cases::residual(400)] {
        let options = PredictOptions::default();
        let mut session = Session::new(Arc::clone(&model), &graph, &cases::platforms(20), options).unwrap();
        let candidates = [cases::candidates(&graph, 130), cases::single_edits(&graph, 130)].concat();
        assert!(session.predict_all(&candidates).iter().all(|estimates| estimates.is_ok()));
    }
    assert!(!model.encoder().is_loaded());
}
