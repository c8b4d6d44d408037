//! Scratch profiling.
#[path = "../benches/cases/mod.rs"]
mod cases;
use std::time::Instant;
use ledg_cost_model::*;

fn time<T>(what: &str, n: usize, mut f: impl FnMut() -> T) -> f64 {
    let mut best = f64::MAX;
    for _ in 0..n { let t = Instant::now(); std::hint::black_box(f()); best = best.min(t.elapsed().as_secs_f64()); }
    println!("{what:40} {:9.1} us", best * 1e6);
    best
}

fn main() {
    let t = Instant::now();
    let model = CostModel::default_model().unwrap();
    println!("load {:?}", t.elapsed());
    let one = cases::platforms(1);
    let twenty = cases::platforms(20);
    assert_eq!(twenty.len(), 20);
    let which = std::env::args().nth(1);
    if let Some(n) = which {
        let g = cases::residual(n.parse().unwrap());
        for _ in 0..20 { std::hint::black_box(model.prepare(&g).unwrap()); }
        return;
    }
    for g in [cases::resnet50(), cases::residual(393), cases::residual(7000)] {
        println!("== {} {} nodes", g.name(), g.nodes().len());
        let d = model.describer().describe(&g).unwrap();
        println!("   described {} sentences {}", d.nodes.len(), d.sentences().len());
        let n = if g.nodes().len() > 1000 { 5 } else { 30 };
        time("rescale", n, || g.rescale_batch(1).unwrap());
        time("batch_axes", n, || g.batch_axes().unwrap());
        time("hash", n, || g.content_hash());
        let l = model.describer().templates().lower(&g, &Default::default()).unwrap();
        time("lower", n, || model.describer().templates().lower(&g, &Default::default()).unwrap());
        time("describe nodes", n, || model.describer().templates().describe(&l));
        time("describe", n, || model.describer().describe(&g).unwrap());
        time("input", n, || d.input(model.encoder(), &model.header().normalization).unwrap());
        time("prepare", n, || model.prepare(&g).unwrap());
        let p = model.prepare(&g).unwrap();
        time("predict 1", n, || model.predict(&p, &one, &PredictOptions::default()).unwrap());
        time("predict 20", n, || model.predict(&p, &twenty, &PredictOptions::default()).unwrap());
    }
}
