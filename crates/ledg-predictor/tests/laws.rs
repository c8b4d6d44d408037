//! Laws that hold for every graph and every configuration.

mod common;

use candle_core::DType;
use common::*;
use ledg_graph::{EdgeList, Relations};
use ledg_predictor::*;
use proptest::prelude::*;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

const ATTENTIONS: [Attention; 5] =
    [Attention::Dgsa, Attention::Fixed, Attention::Global, Attention::NnFormer, Attention::None];

/// The graph with node i renamed to `order[i]`.
fn relabelled(graph: &GraphInput, order: &[usize]) -> GraphInput {
    let n = order.len();
    let (mut nodes, mut fathers) = (graph.nodes.clone(), vec![Vec::new(); n]);
    for i in 0..n {
        nodes[order[i]] = graph.nodes[i].clone();
        fathers[order[i]] = graph.relations.fathers.row(i).iter().map(|&j| order[j as usize] as u32).collect();
    }
    GraphInput { nodes, relations: Relations::from_fathers(EdgeList::from_rows(fathers)) }
}

/// The graph twice, side by side.
fn doubled(graph: &GraphInput) -> GraphInput {
    let n = graph.nodes.len() as u32;
    let row = |i: usize, shift: u32| graph.relations.fathers.row(i).iter().map(|&j| j + shift).collect::<Vec<u32>>();
    let fathers = (0..n as usize).map(|i| row(i, 0)).chain((0..n as usize).map(|i| row(i, n))).collect();
    let nodes = [graph.nodes.clone(), graph.nodes.clone()].concat();
    GraphInput { nodes, relations: Relations::from_fathers(EdgeList::from_rows(fathers)) }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn relabelling_changes_nothing(n in 2usize..20, seed in 0u64..1000) {
        let g = graph(n, seed);
        let mut order: Vec<usize> = (0..n).collect();
        order.rotate_left(seed as usize % n);
        order.swap(0, n / 2);
        for attention in ATTENTIONS {
            for readout in [Readout::Sum, Readout::Paper] {
                let config = config(attention, readout);
                let (model, _) = model(&config, seed, DType::F64);
                let a = predict(&model, &[&quotient(&g, &config)], &queries(0));
                let b = predict(&model, &[&quotient(&relabelled(&g, &order), &config)], &queries(0));
                assert_close(&a, &b, 1e-9);
            }
        }
    }

    #[test]
    fn a_batch_equals_its_singles(n in 2usize..12, m in 2usize..12, seed in 0u64..1000) {
        let config = config(Attention::Dgsa, Readout::Sum);
        let (model, _) = model(&config, seed, DType::F32);
        let (a, b) = (quotient(&graph(n, seed), &config), quotient(&graph(m, seed + 1), &config));
        let both = predict(&model, &[&a, &b], &[queries(0), queries(1)].concat());
        let singles = [predict(&model, &[&a], &queries(0)), predict(&model, &[&b], &queries(0))].concat();
        assert_close(&both, &singles, 1e-5);
    }

    #[test]
    fn merging_identical_nodes_is_exact(n in 2usize..12, seed in 0u64..1000) {
        // Two copies side by side merge to one; with no rounds of refinement on distinct features nothing merges.
        for attention in ATTENTIONS {
            for readout in [Readout::Sum, Readout::Paper] {
                let config = config(attention, readout);
                let (model, _) = model(&config, seed, DType::F64);
                let twice = doubled(&graph(n, seed));
                let merged = quotient(&twice, &config);
                prop_assert_eq!(merged.nodes.len(), n);
                // Telling the copies apart by a feature too small to matter keeps them separate.
                let mut apart = twice;
                for node in &mut apart.nodes[n..] {
                    node.features[0] += 1e-6;
                }
                let separate = quotient(&apart, &config);
                prop_assert_eq!(separate.nodes.len(), 2 * n);
                let a = predict(&model, &[&merged], &queries(0));
                let b = predict(&model, &[&separate], &queries(0));
                assert_close(&a, &b, 1e-5);
            }
        }
    }
}

#[test]
fn masked_nodes_cannot_influence() {
    // A chain: with two layers of radius two, node 0 hears nothing of node 9.
    let config = config(Attention::Dgsa, Readout::Sum);
    let (model, _) = model(&config, 3, DType::F64);
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let chain = Relations::from_fathers(EdgeList::from_rows(
        (0..10u32).map(|i| if i == 0 { vec![] } else { vec![i - 1] }).collect(),
    ));
    let mut g = GraphInput { nodes: (0..10).map(|_| node(&mut rng)).collect(), relations: chain };
    let vectors = |g: &GraphInput| {
        let batch = GraphBatch::new(&[&quotient(g, &config)], &config, DType::F64).unwrap();
        model.trunk(&batch, &Mode::Eval).unwrap().to_vec2::<f64>().unwrap()
    };
    let before = vectors(&g);
    g.nodes[9].features[1] += 0.5;
    let after = vectors(&g);
    assert_eq!(before[0], after[0]);
    assert_ne!(before[9], after[9]);
    assert_ne!(before[8], after[8], "a father hears of its son");
}

#[test]
fn an_untrained_model_is_the_roofline() {
    let config = config(Attention::Dgsa, Readout::Sum);
    let init = SeededInit::new(1);
    let model = Predictor::load(&config, init.builder(DType::F64)).unwrap();
    let g = graph(4, 9);
    let got = predict(&model, &[&quotient(&g, &config)], &[Query { graph: 0, platform: 0, batch: 8.0 }]);
    let rates = platforms()[0].rates;
    let expected: f64 = g
        .nodes
        .iter()
        .map(|n| {
            let m = n.magnitudes;
            let peak = if n.contraction { 6e13 } else { 8e12 };
            let elems = 8.0 * (m.read_elems + m.write_elems) + m.weight_elems;
            8.0 * m.flops / peak + elems * 8.0 / 8e12 + elems * 2.0 / 3e11 + rates.launch_s
        })
        .sum();
    assert_close(&got, &[expected.ln()], 1e-9);
}

#[test]
fn node_costs_add_up_to_the_latency() {
    let config = config(Attention::Dgsa, Readout::Sum);
    let (model, _) = model(&config, 11, DType::F32);
    let q = quotient(&graph(9, 4), &config);
    let batch = GraphBatch::new(&[&q], &config, DType::F32).unwrap();
    let platforms = PlatformBatch::new(&platforms(), &config, DType::F32).unwrap();
    let h = model.trunk(&batch, &Mode::Eval).unwrap();
    let costs = model.node_costs(&h, &batch, &platforms, &queries(0)).unwrap().unwrap();
    let totals = predict(&model, &[&q], &queries(0));
    for (costs, total) in costs.iter().zip(totals) {
        let sum: f64 = costs.iter().zip(&q.counts).map(|(c, &n)| c.total_s() * f64::from(n)).sum();
        assert_close(&[sum.ln()], &[total], 1e-5);
    }
}

#[test]
fn same_seed_same_weights() {
    let config = config(Attention::Dgsa, Readout::Sum);
    let weights = |seed| {
        let init = SeededInit::new(seed);
        Predictor::load(&config, init.builder(DType::F32)).unwrap();
        let vars = init.vars();
        vars.iter().map(|(_, v)| v.flatten_all().unwrap().to_vec1::<f32>().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(weights(1), weights(1));
    assert_ne!(weights(1), weights(2));
}

#[test]
fn bad_inputs_are_errors() {
    let config = config(Attention::Dgsa, Readout::Sum);
    let mut g = graph(3, 1);
    g.nodes[1].features[0] = f32::NAN;
    let err = QuotientGraph::new(&g, Attention::Dgsa, 2).unwrap_err();
    assert!(matches!(err, PredictorError::NotFinite { node: 1, .. }));
    g.nodes[1].features = vec![0.0; 3];
    let q = QuotientGraph::new(&g, Attention::Dgsa, 2).unwrap();
    let err = GraphBatch::new(&[&q], &config, DType::F32).err().unwrap();
    assert!(matches!(err, PredictorError::Width { found: 3, expected: N_FEATURES, .. }));
    let heads = PredictorConfig { n_heads: 3, ..config.clone() };
    assert!(matches!(heads.validate(), Err(PredictorError::Config { field: "n_heads", .. })));
    let cap = PredictorConfig { correction_cap: f64::NAN, ..config };
    assert!(matches!(cap.validate(), Err(PredictorError::Config { field: "correction_cap", .. })));
}
