//! The executor computes what the predictor computes.

mod common;

use candle_core::DType;
use common::*;
use ledg_predictor::*;
use proptest::prelude::*;

/// An ensemble in both forms.
fn both(config: &PredictorConfig, seed: u64, members: u64) -> (Vec<Predictor>, Executor) {
    let (predictors, inits): (Vec<_>, Vec<_>) = (0..members).map(|m| model(config, seed + m, DType::F32)).unzip();
    let builders: Vec<_> = inits.iter().map(|init| init.builder(DType::F32)).collect();
    (predictors, Executor::load(config, &builders).unwrap().unwrap())
}

/// ln seconds by query and member, and the mean costs by node of the first query.
fn run(executor: &Executor, g: &GraphInput, store: &mut Store) -> (Vec<Vec<f64>>, Vec<f64>) {
    let mut rows = GraphRows::default();
    executor.graph(g, store, &mut rows).unwrap();
    let platforms = executor.platforms(&platforms()).unwrap();
    let (mut scratch, mut answer) = (PriceScratch::default(), Answer::default());
    let mut costs = Vec::new();
    let answers = queries(0)
        .iter()
        .map(|q| {
            executor.price(&rows, &platforms, (q.platform, q.batch), &mut scratch, &mut answer).unwrap();
            if costs.is_empty() {
                let share = 1.0 / executor.members() as f64;
                costs = rows.class_of().iter().map(|&c| answer.classes[c as usize].total_s() * share).collect();
            }
            answer.ln_s.clone()
        })
        .collect();
    (answers, costs)
}

fn compare(config: &PredictorConfig, g: &GraphInput, seed: u64) {
    let (predictors, executor) = both(config, seed, 3);
    let (answers, costs) = run(&executor, g, &mut Store::default());
    let mut expected_costs = vec![0.0; g.nodes.len()];
    for (m, predictor) in predictors.iter().enumerate() {
        let q = quotient(g, config);
        let expected = predict(predictor, &[&q], &queries(0));
        let got: Vec<f64> = answers.iter().map(|a| a[m]).collect();
        // ln seconds: an absolute difference is a relative one of the latency.
        assert_close(&got, &expected, 1e-5);
        let batch = GraphBatch::new(&[&q], config, DType::F32).unwrap();
        let platforms = PlatformBatch::new(&platforms(), config, DType::F32).unwrap();
        let h = predictor.trunk(&batch, &Mode::Eval).unwrap();
        let by_class = predictor.node_costs(&h, &batch, &platforms, &queries(0)).unwrap().unwrap();
        for (sum, &class) in expected_costs.iter_mut().zip(&q.class_of) {
            *sum += by_class[0][class as usize].total_s() / 3.0;
        }
    }
    for (got, expected) in costs.iter().zip(&expected_costs) {
        assert!((got / expected - 1.0).abs() < 1e-5, "{got} {expected}");
    }
}

const ATTENTIONS: [Attention; 5] =
    [Attention::Dgsa, Attention::Fixed, Attention::Global, Attention::NnFormer, Attention::None];

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]

    #[test]
    fn it_equals_the_predictor_on_random_graphs(n in 1usize..40, seed in 0u64..1000) {
        for attention in ATTENTIONS {
            compare(&config(attention, Readout::Sum), &graph(n, seed), seed);
        }
    }

    #[test]
    fn widths_need_not_fill_vectors(n in 1usize..30, seed in 0u64..1000, layers in 0usize..4, heads in 1usize..4) {
        let config = PredictorConfig {
            d_model: 7 * heads, n_layers: layers, n_heads: heads, d_readout: 19, d_platform: 5,
            ..config(Attention::Dgsa, Readout::Sum)
        };
        compare(&config, &graph(n, seed), seed);
    }

    #[test]
    fn repeated_nodes_are_merged_and_counted(n in 2usize..15, seed in 0u64..1000) {
        let mut g = graph(n, seed);
        let first = g.nodes[0].clone();
        g.nodes.iter_mut().skip(1).step_by(2).for_each(|node| *node = first.clone());
        for attention in ATTENTIONS {
            compare(&config(attention, Readout::Sum), &g, seed);
        }
    }

    #[test]
    fn what_a_store_holds_does_not_change_a_bit(n in 2usize..30, seed in 0u64..1000, node in 0usize..30) {
        for attention in ATTENTIONS {
            let (_, executor) = both(&config(attention, Readout::Sum), seed, 2);
            let mut store = Store::default();
            let mut g = graph(n, seed);
            run(&executor, &g, &mut store);
            g.nodes[node % n].features[0] += 0.25;
            let kept = run(&executor, &g, &mut store);
            let fresh = run(&executor, &g, &mut Store::default());
            prop_assert_eq!(kept, fresh);
        }
    }
}

#[test]
fn ablations_of_the_inputs_are_followed() {
    let base = config(Attention::Dgsa, Readout::Sum);
    for hardware in [HardwareInputs::None, HardwareInputs::Sentence, HardwareInputs::Sheet] {
        compare(&PredictorConfig { hardware, ..base.clone() }, &graph(9, 1), 5);
    }
    compare(&PredictorConfig { numbers: false, ..base.clone() }, &graph(9, 2), 6);
    compare(&PredictorConfig { sentences: false, ..base }, &graph(9, 3), 7);
}

#[test]
fn a_warm_store_computes_only_what_an_edit_can_influence() {
    let config = config(Attention::Dgsa, Readout::Sum);
    let (_, executor) = both(&config, 1, 1);
    // A chain of 40 distinct nodes; two layers of radius two.
    let mut g = graph(40, 8);
    let rows = (0..40u32).map(|i| if i == 0 { vec![] } else { vec![i - 1] }).collect();
    g.relations = ledg_graph::Relations::from_fathers(ledg_graph::EdgeList::from_rows(rows));
    let mut store = Store::default();
    run(&executor, &g, &mut store);
    let before = store.n_rows();
    assert_eq!(before, 3 * 40);
    g.nodes[20].features[0] += 0.5;
    run(&executor, &g, &mut store);
    // Itself; then its father, son and grandson; then two more behind and one more before.
    assert_eq!(store.n_rows() - before, 1 + 4 + 7);
}

#[test]
fn no_allocation_after_warm_up() {
    let config = config(Attention::Dgsa, Readout::Sum);
    let (_, executor) = both(&config, 1, 3);
    let graphs = [graph(30, 1), graph(30, 2)];
    let platforms = executor.platforms(&platforms()).unwrap();
    let (mut store, mut rows) = (Store::default(), GraphRows::default());
    let (mut scratch, mut answer) = (PriceScratch::default(), Answer::default());
    let mut once = |g: &GraphInput| {
        store.clear();
        executor.graph(g, &mut store, &mut rows).unwrap();
        executor.price(&rows, &platforms, (1, 8.0), &mut scratch, &mut answer).unwrap();
    };
    graphs.iter().chain(&graphs).for_each(&mut once);
    let info = allocation_counter::measure(|| graphs.iter().for_each(&mut once));
    assert_eq!(info.count_total, 0, "{info:?}");
}

#[test]
fn bad_inputs_are_errors() {
    let config = config(Attention::Dgsa, Readout::Sum);
    let (_, executor) = both(&config, 1, 1);
    let (mut store, mut rows) = (Store::default(), GraphRows::default());
    let mut g = graph(3, 1);
    g.nodes[1].features[0] = f32::NAN;
    let err = executor.graph(&g, &mut store, &mut rows).unwrap_err();
    assert!(matches!(err, PredictorError::NotFinite { node: 1, .. }));
    g.nodes[1].features = vec![0.0; 3];
    let err = executor.graph(&g, &mut store, &mut rows).unwrap_err();
    assert!(matches!(err, PredictorError::Width { found: 3, expected: N_FEATURES, .. }));
    executor.graph(&graph(3, 1), &mut store, &mut rows).unwrap();
    let platforms = executor.platforms(&platforms()).unwrap();
    let (mut scratch, mut answer) = (PriceScratch::default(), Answer::default());
    for query in [(2, 1.0), (0, 0.0), (0, f64::NAN)] {
        assert!(executor.price(&rows, &platforms, query, &mut scratch, &mut answer).is_err(), "{query:?}");
    }
    let paper = common::config(Attention::Dgsa, Readout::Paper);
    let (_, init) = model(&paper, 1, DType::F32);
    assert!(Executor::load(&paper, &[init.builder(DType::F32)]).unwrap().is_none());
    assert!(Executor::load(&config, &[]).is_err());
}
