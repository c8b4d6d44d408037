//! The default bundle gives through the executor what it gives through the predictor on tensors.

#[path = "../benches/cases/mod.rs"]
mod cases;

use std::sync::Arc;

use ledg_cost_model::template::TemplateSet;
use ledg_cost_model::{CostModel, PredictOptions, Session};
use ledg_zoo::ZooConfig;

#[test]
fn executor_and_predictor_agree_on_the_zoo() {
    let model = CostModel::default_model().unwrap();
    let tensors = cases::OnTensors::new(&model);
    let on = cases::platforms(2);
    let mut graphs: Vec<_> = ["resnet18", "vit_s16", "lstm_classifier", "mobilenet_v3_large"]
        .map(|name| ledg_zoo::build(name, &ZooConfig::default()).unwrap())
        .into();
    graphs.push(cases::residual(120));
    for graph in graphs {
        let estimates = model.predict(&model.prepare(&graph).unwrap(), &on, &PredictOptions::default()).unwrap();
        for (estimate, (platform, batch)) in estimates.iter().zip(&on) {
            let input = cases::graph_input(&model, &graph);
            let platform = cases::platform_input(&model, platform);
            let ln = tensors.query(&input, &platform, *batch as f64);
            let mean = ln.iter().sum::<f64>() / ln.len() as f64;
            let spread = (ln.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / ln.len() as f64).sqrt();
            let ratio = estimate.latency_s / mean.exp();
            assert!((ratio - 1.0).abs() < 1e-5, "{}: {ratio}", graph.name());
            assert!((estimate.spread - spread).abs() < 1e-5, "{}: {} {spread}", graph.name(), estimate.spread);
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
