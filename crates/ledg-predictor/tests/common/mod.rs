//! Small random graphs, platforms and models for the tests of this crate.

// Each test binary compiles this module and uses its own part of it.
#![allow(dead_code)]

use std::sync::Arc;

use candle_core::DType;
use ledg_graph::{EdgeList, Execution, Magnitudes, Relations, Traffic};
use ledg_predictor::*;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

pub const SENTENCE_DIM: usize = 6;
pub const N_FEATURES: usize = 5;

pub fn config(attention: Attention, readout: Readout) -> PredictorConfig {
    PredictorConfig {
        d_model: 8,
        n_layers: 2,
        n_heads: 2,
        ffn_mult: 2,
        d_readout: 8,
        d_platform: 4,
        attention,
        readout,
        hardware: HardwareInputs::Both,
        numbers: true,
        sentences: true,
        correction_cap: 2.0,
        dropout: 0.0,
        feature_noise: 0.0,
        hardware_dropout: 0.0,
        rates: Rates::default(),
        movement: Movement::default(),
        settings: Settings::default(),
        sentence_dim: SENTENCE_DIM,
        n_features: N_FEATURES,
        n_runtime: 2,
        n_sheet: 3,
    }
}

/// A random DAG of `n` nodes: each reads one to three earlier ones.
pub fn graph(n: usize, seed: u64) -> GraphInput {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let fathers = (0..n)
        .map(|i| {
            if i == 0 { vec![] } else { (0..rng.random_range(1..=3)).map(|_| rng.random_range(0..i) as u32).collect() }
        })
        .collect();
    let nodes = (0..n).map(|_| node(&mut rng)).collect();
    GraphInput { nodes, relations: Relations::from_fathers(EdgeList::from_rows(fathers)) }
}

pub fn node(rng: &mut ChaCha8Rng) -> NodeInput {
    NodeInput {
        sentence: (0..SENTENCE_DIM).map(|_| rng.random_range(-1.0..1.0)).collect(),
        features: (0..N_FEATURES).map(|_| rng.random_range(-1.0..1.0)).collect(),
        magnitudes: Magnitudes {
            flops: rng.random_range(1e6..1e9),
            read_elems: rng.random_range(1e4..1e6),
            write_elems: rng.random_range(1e4..1e6),
            weight_elems: rng.random_range(0.0..1e5),
            params: 0.0,
            traffic: Traffic::default(),
        },
        contraction: rng.random_bool(0.5),
    }
}

pub fn platforms() -> Vec<PlatformInput> {
    let platform = |x: f32, matmul_flops: f64| PlatformInput {
        sentence: Arc::from(vec![x; SENTENCE_DIM]),
        runtime: vec![x, 1.0],
        sheet: vec![x, -x, 0.5],
        rates: PlatformRates {
            matmul_flops,
            vector_flops: 8e12,
            bandwidth_bytes_s: 3e11,
            cache_bytes: (x > 0.0).then_some(4e6),
            units: Some(40.0),
            bytes_per_element: 2.0,
            launch_s: 3e-6,
            execution: Execution::AsStated,
        },
    };
    vec![platform(0.3, 6e13), platform(-0.7, 2e14)]
}

/// A model whose zero-initialised layers have been filled too, so that everything takes part.
pub fn model(config: &PredictorConfig, seed: u64, dtype: DType) -> (Predictor, SeededInit) {
    let init = SeededInit::new(seed);
    let model = Predictor::load(config, init.builder(dtype)).unwrap();
    let mut rng = ChaCha8Rng::seed_from_u64(seed ^ 1);
    for (_, var) in init.vars() {
        let noise: Vec<f64> = (0..var.elem_count()).map(|_| rng.random_range(-0.3..0.3)).collect();
        let noise = candle_core::Tensor::from_vec(noise, var.shape(), var.device()).unwrap().to_dtype(dtype).unwrap();
        var.set(&(var.as_tensor() + noise).unwrap()).unwrap();
    }
    (model, init)
}

/// ln seconds of one graph on both platforms at two batch sizes.
pub fn predict(model: &Predictor, graphs: &[&QuotientGraph], queries: &[Query]) -> Vec<f64> {
    let batch = GraphBatch::new(graphs, model.config(), model.dtype()).unwrap();
    let platforms = PlatformBatch::new(&platforms(), model.config(), model.dtype()).unwrap();
    let h = model.trunk(&batch, &Mode::Eval).unwrap();
    let out = model.latencies(&h, &batch, &platforms, queries, &Mode::Eval).unwrap();
    out.to_dtype(DType::F64).unwrap().to_vec1().unwrap()
}

pub fn queries(graph: usize) -> Vec<Query> {
    [(0, 1.0), (1, 1.0), (0, 64.0)].map(|(platform, batch)| Query { graph, platform, batch }).to_vec()
}

pub fn quotient(graph: &GraphInput, config: &PredictorConfig) -> QuotientGraph {
    QuotientGraph::new(graph, config.attention, config.n_layers).unwrap()
}

pub fn assert_close(a: &[f64], b: &[f64], tolerance: f64) {
    assert_eq!(a.len(), b.len());
    for (x, y) in a.iter().zip(b) {
        assert!((x - y).abs() <= tolerance, "{a:?} against {b:?}");
    }
}
