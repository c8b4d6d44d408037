//! What a query costs, each group with what it is to be compared with: the predictor on tensors, one device, a full query,
//! one thread. `cargo bench -p ledg-cost-model`; the table of docs/results is made by the example `speed`.

mod cases;

use std::hint::black_box;
use std::num::NonZeroUsize;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use ledg_cost_model::graph::Graph;
use ledg_cost_model::{CostModel, PredictOptions, Session};

const OPTIONS: PredictOptions = PredictOptions { coverage: 0.9, per_node: false };

/// The whole query, and the network alone in both forms.
fn query(c: &mut Criterion) {
    let model = CostModel::default_model().expect("the default model");
    let tensors = cases::OnTensors::new(&model);
    let on = cases::platforms(1);
    let platform = cases::platform_input(&model, &on[0].0);
    for graph in [cases::resnet50(), cases::residual(393), cases::residual(3500), cases::residual(7000)] {
        let mut group = c.benchmark_group(format!("query {}", graph.name()));
        group.sample_size(20);
        let input = cases::graph_input(&model, &graph);
        let prepared = model.prepare(&graph).expect("a graph");
        group.bench_function("graph to estimate", |b| {
            b.iter(|| model.predict(&model.prepare(black_box(&graph))?, &on, &OPTIONS))
        });
        group.bench_function("description", |b| b.iter(|| model.describer().describe(black_box(&graph))));
        group.bench_function("network on tensors", |b| b.iter(|| tensors.query(black_box(&input), &platform, 32.0)));
        group.bench_function("prepared", |b| b.iter(|| model.predict(black_box(&prepared), &on, &OPTIONS)));
        group.finish();
    }
}

fn devices(c: &mut Criterion) {
    let model = CostModel::default_model().expect("the default model");
    let graph = cases::resnet50();
    let mut group = c.benchmark_group("devices");
    for n in [1, 20] {
        let on = cases::platforms(n);
        group.bench_with_input(BenchmarkId::from_parameter(n), &on, |b, on| {
            b.iter(|| model.predict(&model.prepare(black_box(&graph))?, on, &OPTIONS))
        });
    }
}

fn edits(c: &mut Criterion) {
    let model = CostModel::default_model().expect("the default model");
    let on = cases::platforms(1);
    let mut group = c.benchmark_group("edits");
    group.sample_size(20);
    let graph = cases::residual(400);
    group.bench_function("full query of 400 nodes", |b| {
        b.iter(|| model.predict(&model.prepare(black_box(&graph))?, &on, &OPTIONS))
    });
    let mut session = Session::new(model.clone(), &graph, &on, OPTIONS).expect("a session");
    let mut edits = cases::single_edits(&graph, 512).into_iter().cycle();
    group.bench_function("one edit of 400 nodes", |b| {
        b.iter_batched(
            || edits.next().expect("endless"),
            |edit| session.predict(&edit),
            criterion::BatchSize::SmallInput,
        )
    });
    let graph = cases::resnet50();
    let candidates = cases::candidates(&graph, 512);
    group.bench_function("512 candidates of resnet50", |b| {
        b.iter(|| {
            let mut session = Session::new(model.clone(), &graph, &on, OPTIONS).expect("a session");
            session.predict_all(black_box(&candidates))
        })
    });
}

fn threads(c: &mut Criterion) {
    let model = CostModel::default_model().expect("the default model");
    let on = cases::platforms(1);
    let graphs: Vec<Graph> = (0..64).map(|i| cases::residual(150 + 5 * i)).collect();
    let mut group = c.benchmark_group("threads");
    group.sample_size(20);
    for n in [1, 2] {
        let threads = NonZeroUsize::new(n).expect("not zero");
        group.bench_with_input(BenchmarkId::from_parameter(n), &threads, |b, &threads| {
            b.iter(|| model.predict_all(black_box(&graphs), &on, &OPTIONS, threads))
        });
    }
}

criterion_group!(benches, query, devices, edits, threads);
criterion_main!(benches);
