//! Plans to estimates and to measurements.

use ledg_cost_model::{CostModel, HardwareRegistry, PredictOptions};
use ledg_onnx::{WeightStyle, WriteOptions};
use ledg_tract::{LoadOptions, MeasureOptions, Timing, TractModel, measure, profile};
use ledg_zoo::ZooConfig;

use super::{load, network};

#[test]
fn a_plan_is_estimated_in_one_line() {
    let hardware = HardwareRegistry::builtin().resolve("i9-10940x").unwrap();
    let estimate = ledg_tract::estimate(&network("resnet18").plan, &hardware).unwrap();
    let sum: f64 = estimate.nodes.iter().map(|n| n.latency_s).sum();
    assert!((sum / estimate.latency_s - 1.0).abs() < 1e-9);
    assert_eq!(estimate.known, 1.0);
    assert!(estimate.lo_s < estimate.latency_s && estimate.latency_s < estimate.hi_s);
}

#[test]
fn a_plan_is_known_at_its_own_batch_only() {
    let config = ZooConfig { batch: 2, image: 64, sequence: 16 };
    let graph = load("resnet18", &config).graph().unwrap();
    let model = CostModel::default_model().unwrap();
    let prepared = model.prepare(&graph).unwrap();
    assert_eq!((prepared.described().batch, prepared.described().unit), (2, 2));
    let hardware = HardwareRegistry::builtin().resolve("i9-10940x").unwrap();
    let ask = |batch| model.predict(&prepared, &[(hardware.clone(), batch)], &PredictOptions::default());
    assert!(ask(2).is_ok());
    let refused = ask(4).expect_err("another plan").to_string();
    assert!(refused.contains("known at its own batch only"), "{refused}");
}

#[test]
fn another_batch_gives_the_plan_that_its_own_file_gives() {
    let two = load("mobilenet_v2", &ZooConfig { batch: 2, image: 64, sequence: 16 });
    let write = WriteOptions { weights: WeightStyle::Inputs, ..WriteOptions::default() };
    let one = ledg_zoo::onnx("mobilenet_v2", &ZooConfig { batch: 1, image: 64, sequence: 16 }, &write).unwrap();
    let options = LoadOptions { batch: Some(2), ..LoadOptions::default() };
    let scaled = TractModel::from_bytes("mobilenet_v2", one, None, &options).unwrap();
    assert_eq!(scaled.batch, 2);
    assert_eq!(scaled.graph().unwrap().content_hash(), two.graph().unwrap().content_hash());
}

#[test]
fn plans_run_and_every_node_is_timed() {
    let (first, second) = (network("resnet18"), network("lstm_classifier"));
    let options = MeasureOptions { runs: 3, warmup: 1, ..MeasureOptions::default() };
    let timings: Vec<Timing> = measure(&[&first, &second], &options).unwrap();
    assert!(timings.iter().all(|t| t.runs_s.len() == 3 && t.median_s > 0.0));
    let timed = profile(&first, &options).unwrap();
    let names: Vec<&str> = timed.iter().map(|(name, _)| name.as_str()).collect();
    for node in first.graph().unwrap().nodes() {
        assert!(names.contains(&node.name.as_str()), "{} was not timed", node.name);
    }
}
