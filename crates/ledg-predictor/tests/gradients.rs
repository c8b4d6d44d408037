//! Every trainable parameter's gradient against central finite differences, in f64.

mod common;

use std::cell::RefCell;

use candle_core::{DType, Tensor};
use common::*;
use ledg_predictor::*;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

fn check(attention: Attention, readout: Readout) {
    check_of(&config(attention, readout), || None);
}

/// `randomness`: what a training step draws from, the same at each call; `None` for inference.
fn check_of(config: &PredictorConfig, randomness: impl Fn() -> Option<RefCell<ChaCha8Rng>>) {
    let (model, init) = model(config, 7, DType::F64);
    let graphs = [graph(7, 1), graph(5, 2)].map(|g| quotient(&g, config));
    let batch = GraphBatch::new(&[&graphs[0], &graphs[1]], config, DType::F64).unwrap();
    let platforms = PlatformBatch::new(&platforms(), config, DType::F64).unwrap();
    let queries: Vec<Query> = [queries(0), queries(1)].concat();
    let loss = || -> Tensor {
        let rng = randomness();
        let mode = rng.as_ref().map_or(Mode::Eval, Mode::Train);
        let h = model.trunk(&batch, &mode).unwrap();
        let out = model.latencies(&h, &batch, &platforms, &queries, &mode).unwrap();
        out.sqr().unwrap().sum_all().unwrap()
    };
    let value = || loss().to_scalar::<f64>().unwrap();
    let grads = loss().backward().unwrap();
    let step = 1e-5;
    let mut checked = 0;
    for (name, var) in init.vars() {
        let grad: Vec<f64> = match grads.get(var.as_tensor()) {
            Some(g) => g.flatten_all().unwrap().to_vec1().unwrap(),
            None => panic!("{name} has no gradient"),
        };
        let original: Vec<f64> = var.flatten_all().unwrap().to_vec1().unwrap();
        // Some entries of each tensor: all would take minutes.
        for e in (0..original.len()).step_by(1 + original.len() / 4) {
            let at = |delta: f64| {
                let mut moved = original.clone();
                moved[e] += delta;
                var.set(&Tensor::from_vec(moved, var.shape(), var.device()).unwrap()).unwrap();
                value()
            };
            let numeric = (at(step) - at(-step)) / (2.0 * step);
            at(0.0);
            let scale = 1.0 + numeric.abs().max(grad[e].abs());
            assert!((numeric - grad[e]).abs() < 1e-5 * scale, "{name}[{e}]: numeric {numeric}, backward {}", grad[e]);
            checked += 1;
        }
    }
    assert!(checked > 60, "only {checked} entries were checked");
}

#[test]
fn dgsa_sum() {
    check(Attention::Dgsa, Readout::Sum);
}

#[test]
fn dgsa_paper() {
    check(Attention::Dgsa, Readout::Paper);
}

#[test]
fn fixed_sum() {
    check(Attention::Fixed, Readout::Sum);
}

#[test]
fn global_sum() {
    check(Attention::Global, Readout::Sum);
}

#[test]
fn nn_former_sum() {
    check(Attention::NnFormer, Readout::Sum);
}

#[test]
fn with_dropout_and_noise() {
    for readout in [Readout::Sum, Readout::Paper] {
        let config = PredictorConfig { dropout: 0.3, feature_noise: 0.1, ..config(Attention::Dgsa, readout) };
        let drawn = || Some(RefCell::new(ChaCha8Rng::seed_from_u64(5)));
        check_of(&config, drawn);
    }
}
