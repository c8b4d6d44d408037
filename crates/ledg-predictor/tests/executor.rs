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

/// A graph that stands, and ln seconds by query of it as patched.
fn run_patched(executor: &Executor, g: &GraphInput, patch: &Patch<NodeInput>) -> (Vec<Vec<f64>>, Vec<f64>) {
    let platforms = executor.platforms(&platforms()).unwrap();
    let queries: Vec<(usize, f64)> = queries(0).iter().map(|q| (q.platform, q.batch)).collect();
    let (mut store, mut standing, mut patched) = (Store::default(), Standing::default(), Patched::default());
    executor.stand(&g.nodes, &g.relations, (&platforms, &queries), &mut store, &mut standing).unwrap();
    let mut answer = Answer::default();
    let mut ask = |patch: &Patch<NodeInput>, by_class: bool| {
        let node = |i: u32| &g.nodes[i as usize];
        assert!(executor.patch(&standing, node, patch, &mut store, &mut patched).unwrap());
        let mut costs = Vec::new();
        let answers = (0..queries.len()).map(|i| {
            executor.price_patched(&standing, &mut patched, (&platforms, i, by_class), &mut answer).unwrap();
            if i == 0 && by_class {
                let all = (g.nodes.len() + patch.added.len()) as u32;
                let left = (0..all).filter(|node| !patch.removed.contains(node));
                costs = left.map(|node| answer.classes[patched.class_of(&standing, node) as usize].total_s()).collect();
            }
            answer.ln_s.clone()
        });
        (answers.collect::<Vec<_>>(), costs)
    };
    let first = ask(patch, true);
    // A patch leaves no trace, and costs by class change nothing.
    let none = Patch::default();
    let (unchanged, _) = run(executor, g, &mut Store::default());
    let (asked, _) = ask(&none, false);
    for (a, b) in asked.iter().flatten().zip(unchanged.iter().flatten()) {
        assert!((a - b).abs() < 1e-12, "{a} {b}");
    }
    assert_eq!(ask(patch, false).0, first.0);
    first
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    /// Some nodes go, some come, some read others than before: the answer is that of the graph as it is then.
    #[test]
    fn a_patched_graph_costs_what_it_costs_anew(
        n in 2usize..30, seed in 0u64..1000, layers in 0usize..4, twins in 0usize..10,
        gone in prop::collection::vec(0usize..30, 0..3), new in prop::collection::vec(prop::collection::vec(0usize..30, 0..4), 0..4),
        moved in prop::collection::vec((0usize..30, prop::collection::vec(0usize..30, 0..3)), 0..3),
    ) {
        let mut g = graph(n, seed);
        for i in 0..twins.min(n) {
            g.nodes[i] = g.nodes[0].clone();
        }
        let mut fathers: Vec<Vec<u32>> = (0..n).map(|i| g.relations.fathers.row(i).to_vec()).collect();
        let mut removed: Vec<u32> = gone.iter().map(|i| (i % n) as u32).collect();
        removed.sort_unstable();
        removed.dedup();
        removed.truncate(n - 1);
        for (node, to) in &moved {
            let node = node % n;
            fathers[node] = to.iter().filter(|_| node > 0).map(|f| (f % node.max(1)) as u32).collect();
        }
        // New nodes read what was there; a node reads the first of them.
        let added: Vec<NodeInput> = (0..new.len()).map(|i| graph(1, seed + 7 * i as u64).nodes[0].clone()).collect();
        fathers.extend(new.iter().map(|to| to.iter().map(|f| (f % n) as u32).collect::<Vec<_>>()));
        for list in &mut fathers {
            list.retain(|f| !removed.contains(f));
            list.sort_unstable();
            list.dedup();
        }
        let old = |i: usize| if i < n { g.relations.fathers.row(i) } else { &[] };
        let changed = (0..fathers.len()).filter(|&i| !removed.contains(&(i as u32)) && (i >= n || old(i) != fathers[i]));
        let patch = Patch {
            fathers: changed.map(|i| (i as u32, fathers[i].clone())).collect(),
            removed: removed.clone(),
            added: added.clone(),
        };
        let left: Vec<usize> = (0..fathers.len()).filter(|&i| !removed.contains(&(i as u32))).collect();
        let place = |f: u32| left.iter().position(|&i| i == f as usize).unwrap() as u32;
        let rows = left.iter().map(|&i| fathers[i].iter().map(|&f| place(f)).collect()).collect();
        let all: Vec<NodeInput> = g.nodes.iter().cloned().chain(added).collect();
        let now = GraphInput {
            nodes: left.iter().map(|&i| all[i].clone()).collect(),
            relations: ledg_graph::Relations::from_fathers(ledg_graph::EdgeList::from_rows(rows)),
        };
        for attention in [Attention::Dgsa, Attention::Fixed, Attention::None] {
            let config = PredictorConfig { n_layers: layers, ..config(attention, Readout::Sum) };
            let (_, executor) = both(&config, seed, 2);
            assert!(executor.can_stand());
            let (answers, costs) = run_patched(&executor, &g, &patch);
            let (expected, expected_costs) = run(&executor, &now, &mut Store::default());
            for (a, b) in answers.iter().flatten().zip(expected.iter().flatten()) {
                prop_assert!((a - b).abs() < 1e-6, "{attention:?} {a} {b}");
            }
            for (a, b) in costs.iter().zip(&expected_costs) {
                prop_assert!((a / 2.0 / b - 1.0).abs() < 1e-5, "{attention:?} {a} {b}");
            }
        }
    }

    #[test]
    fn the_same_question_has_the_same_bits(n in 1usize..40, seed in 0u64..1000) {
        for attention in ATTENTIONS {
            let (_, executor) = both(&config(attention, Readout::Sum), seed, 3);
            let (first, second) = (graph(n, seed), graph(n, seed + 1));
            let expected = run(&executor, &first, &mut Store::default());
            // After other graphs, in a store that has grown, and on other threads.
            let mut store = Store::default();
            run(&executor, &second, &mut store);
            prop_assert_eq!(&run(&executor, &first, &mut store), &expected);
            store.clear();
            prop_assert_eq!(&run(&executor, &first, &mut store), &expected);
            std::thread::scope(|scope| {
                let ask = || run(&executor, &first, &mut Store::default());
                let threads: Vec<_> = (0..3).map(|_| scope.spawn(ask)).collect();
                threads.into_iter().for_each(|t| assert_eq!(t.join().unwrap(), expected));
            });
            // Another model loaded from the same weights.
            let (_, twin) = both(&config(attention, Readout::Sum), seed, 3);
            prop_assert_eq!(&run(&twin, &first, &mut Store::default()), &expected);
        }
    }
}

#[test]
fn what_is_not_a_number_stays_where_it_is() {
    for attention in ATTENTIONS {
        let (_, executor) = both(&config(attention, Readout::Sum), 3, 2);
        let good = graph(12, 5);
        let (expected, _) = run(&executor, &good, &mut Store::default());
        // A sentence vector that is not a number: its graph's answer is none, and no other graph's changes.
        for bad in [f32::NAN, f32::INFINITY] {
            let mut poisoned = graph(12, 6);
            poisoned.nodes[4].sentence = vec![bad; SENTENCE_DIM].into();
            let mut store = Store::default();
            let (answers, _) = run(&executor, &poisoned, &mut store);
            assert!(answers.iter().flatten().all(|x| x.is_nan()), "{attention:?} {bad}: {answers:?}");
            assert_eq!(run(&executor, &good, &mut store).0, expected);
        }
        // Numbers and magnitudes that are not finite are told, at their node.
        let mut store = Store::default();
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1.0] {
            for field in 0..4 {
                let mut poisoned = good.clone();
                let m = &mut poisoned.nodes[7].magnitudes;
                *[&mut m.flops, &mut m.read_elems, &mut m.write_elems, &mut m.weight_elems][field] = bad;
                let error = executor.graph(&poisoned, &mut store, &mut GraphRows::default()).unwrap_err();
                assert!(matches!(error, PredictorError::NotFinite { node: 7, .. }), "{error}");
            }
        }
        assert_eq!(run(&executor, &good, &mut store).0, expected, "what was refused left nothing behind");
    }
}

#[test]
fn a_platform_that_is_not_a_number_is_alone_with_it() {
    let (_, executor) = both(&config(Attention::Dgsa, Readout::Sum), 3, 2);
    let g = graph(12, 5);
    let (mut rows, mut store) = (GraphRows::default(), Store::default());
    executor.graph(&g, &mut store, &mut rows).unwrap();
    let mut poisoned = platforms();
    poisoned[0].sheet[1] = f32::NAN;
    let poisoned = executor.platforms(&poisoned).unwrap();
    let sound = executor.platforms(&platforms()).unwrap();
    let (mut scratch, mut answer) = (PriceScratch::default(), Answer::default());
    let mut ask = |on: &PlatformRows, platform: usize| {
        executor.price(&rows, on, (platform, 4.0), &mut scratch, &mut answer).unwrap();
        answer.ln_s.clone()
    };
    let expected = ask(&sound, 1);
    assert!(ask(&poisoned, 0).iter().all(|x| x.is_nan()));
    assert_eq!(ask(&poisoned, 1), expected);
}

#[test]
fn magnitudes_at_the_edge_of_numbers_give_numbers() {
    let (_, executor) = both(&config(Attention::Dgsa, Readout::Sum), 3, 2);
    for extreme in [0.0, f64::MIN_POSITIVE, 1e-300, 1e30] {
        let mut g = graph(6, 1);
        let m = &mut g.nodes[2].magnitudes;
        (m.flops, m.read_elems, m.write_elems, m.weight_elems) = (extreme, extreme, extreme, extreme);
        let (answers, costs) = run(&executor, &g, &mut Store::default());
        assert!(answers.iter().flatten().chain(&costs).all(|x| x.is_finite()), "{extreme}: {answers:?} {costs:?}");
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
