//! How much of the machine's rate of matrix products a training step uses.
//!
//! ```sh
//! RAYON_NUM_THREADS=1 cargo run --release -p ledg-predictor --example step_rate -- [WORKERS]
//! ```
//!
//! A step is 16 graphs of 128 distinct nodes, four queries each: forward, backward, no optimizer. What is counted as its work are the
//! multiply-adds of its linear layers, forward and backward; attention, gathering, norms and activations count for nothing, so the
//! share is a lower bound of what is used. The rate it is held against is that of the tensor library's product of 1024 x 1024
//! matrices on one thread, times the workers. Of use on an idle machine only.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Instant;

use candle_core::{DType, Device, Tensor};
use ledg_graph::{EdgeList, Execution, Magnitudes, Relations, Traffic};
use ledg_predictor::*;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const GRAPHS: usize = 16;
const NODES: usize = 128;
const QUERIES: usize = 4;

fn config(d_model: usize, n_layers: usize) -> PredictorConfig {
    PredictorConfig {
        d_model,
        n_layers,
        n_heads: 4,
        ffn_mult: 2,
        d_readout: 64,
        d_platform: 16,
        attention: Attention::Dgsa,
        readout: Readout::Sum,
        hardware: HardwareInputs::Both,
        numbers: true,
        sentences: true,
        correction_cap: 1.5,
        dropout: 0.1,
        feature_noise: 0.1,
        hardware_dropout: 0.3,
        sentence_dim: 384,
        n_features: 47,
        n_runtime: 13,
        n_sheet: 13,
        rates: Rates::default(),
        movement: Movement::default(),
        settings: Settings::default(),
    }
}

/// A chain with shortcuts, all of its nodes distinct.
fn graph(rng: &mut ChaCha8Rng, config: &PredictorConfig) -> GraphInput {
    let sentences: Vec<Arc<[f32]>> =
        (0..12).map(|_| (0..config.sentence_dim).map(|_| rng.random_range(-1.0..1.0)).collect()).collect();
    let node = |rng: &mut ChaCha8Rng| NodeInput {
        sentence: Arc::clone(&sentences[rng.random_range(0..sentences.len())]),
        features: (0..config.n_features).map(|_| rng.random_range(-1.0..1.0)).collect(),
        magnitudes: Magnitudes {
            flops: rng.random_range(1e6..1e9),
            read_elems: rng.random_range(1e4..1e6),
            write_elems: rng.random_range(1e4..1e6),
            weight_elems: rng.random_range(0.0..1e5),
            params: 0.0,
            traffic: Traffic::default(),
        },
        contraction: rng.random_bool(0.5),
    };
    let father = |i: usize| if i == 0 { vec![] } else { vec![i as u32 - 1, i.saturating_sub(4) as u32] };
    let fathers = (0..NODES).map(father).collect();
    let nodes = (0..NODES).map(|_| node(rng)).collect();
    GraphInput { nodes, relations: Relations::from_fathers(EdgeList::from_rows(fathers)) }
}

fn platform() -> PlatformInput {
    PlatformInput {
        sentence: vec![0.1; 384].into(),
        runtime: vec![0.2; 13],
        sheet: vec![0.3; 13],
        rates: PlatformRates {
            matmul_flops: 6e13,
            vector_flops: 8e12,
            bandwidth_bytes_s: 3e11,
            cache_bytes: Some(4e6),
            units: Some(40.0),
            bytes_per_element: 2.0,
            launch_s: 3e-6,
            execution: Execution::AsStated,
        },
    }
}

/// Multiply-adds of a step's linear layers, forward and backward; what reads inputs has no gradient to hand on.
fn multiply_adds(c: &PredictorConfig) -> f64 {
    let (d, h, r) = (c.d_model as f64, (c.d_model * c.ffn_mult) as f64, c.d_readout as f64);
    let nodes = (GRAPHS * NODES) as f64;
    let inputs = nodes * (c.sentence_dim as f64 * d + c.n_features as f64 * d);
    let hidden = nodes * (d * d + c.n_layers as f64 * (4.0 * d * d + 6.0 * d + 2.0 * d * h) + d * r);
    let rows = nodes * QUERIES as f64;
    2.0 * (inputs + rows * N_PHYSICAL as f64 * r) + 3.0 * (hidden + rows * r * 4.0)
}

fn steps_per_second(config: &PredictorConfig, workers: usize) -> anyhow::Result<f64> {
    const STEPS: usize = 20;
    let worker = |seed: u64| -> anyhow::Result<f64> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let graphs: Vec<GraphInput> = (0..GRAPHS).map(|_| graph(&mut rng, config)).collect();
        let merged = graphs
            .iter()
            .map(|g| QuotientGraph::new(g, config.attention, config.n_layers))
            .collect::<Result<Vec<_>, _>>()?;
        let init = SeededInit::new(seed);
        let model = Predictor::load(config, init.builder(DType::F32))?;
        let platforms = PlatformBatch::new(&[platform()], config, DType::F32)?;
        let query = |i: usize| Query { graph: i / QUERIES, platform: 0, batch: (1 << (i % QUERIES)) as f64 };
        let queries: Vec<Query> = (0..GRAPHS * QUERIES).map(query).collect();
        let rng = RefCell::new(rng);
        let step = || -> anyhow::Result<()> {
            let batch = GraphBatch::new(&merged.iter().collect::<Vec<_>>(), config, DType::F32)?;
            let mode = Mode::Train(&rng);
            let h = model.trunk(&batch, &mode)?;
            let loss = model.latencies(&h, &batch, &platforms, &queries, &mode)?.sqr()?.mean_all()?;
            loss.backward()?;
            Ok(())
        };
        step()?;
        let start = Instant::now();
        (0..STEPS).try_for_each(|_| step())?;
        Ok(STEPS as f64 / start.elapsed().as_secs_f64())
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..workers).map(|i| scope.spawn(move || worker(i as u64))).collect();
        threads.into_iter().map(|t| t.join().expect("a worker")).sum()
    })
}

/// Multiply-adds a second of one large product.
fn product_rate() -> anyhow::Result<f64> {
    let n = 1024;
    let a = Tensor::randn(0f32, 1.0, (n, n), &Device::Cpu)?;
    let mut best = f64::INFINITY;
    for _ in 0..10 {
        let start = Instant::now();
        std::hint::black_box(a.matmul(&a)?);
        best = best.min(start.elapsed().as_secs_f64());
    }
    Ok((n as f64).powi(3) / best)
}

fn main() -> anyhow::Result<()> {
    anyhow::ensure!(std::env::var("RAYON_NUM_THREADS").as_deref() == Ok("1"), "set RAYON_NUM_THREADS=1");
    let workers = std::env::args().nth(1).map_or(Ok(1), |n| n.parse())?;
    let peak = product_rate()? * workers as f64;
    println!("products: {:.1} GFLOP/s on {workers} thread(s)", 2e-9 * peak);
    for (d_model, n_layers) in [(64, 1), (192, 4)] {
        let config = config(d_model, n_layers);
        let (rate, work) = (steps_per_second(&config, workers)?, multiply_adds(&config));
        println!(
            "width {d_model}, {n_layers} layer(s): {rate:.2} steps/s, {:.2} GFLOP a step in linear layers, {:.1} % of the products' rate",
            2e-9 * work,
            100.0 * rate * work / peak
        );
    }
    Ok(())
}
