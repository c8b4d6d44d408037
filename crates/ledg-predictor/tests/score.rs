//! The score head: executor against tensors, and what the ranking loss asks for.

mod common;

use candle_core::{DType, Device, Tensor, Var};
use common::{N_FEATURES, SENTENCE_DIM, graph};
use ledg_graph::{EdgeList, Relations};
use ledg_predictor::*;

fn config(attention: Attention) -> ScoreConfig {
    ScoreConfig {
        d_model: 8,
        n_layers: 2,
        n_heads: 2,
        ffn_mult: 2,
        d_score: 12,
        attention,
        head: ScoreHead::Sum,
        numbers: true,
        sentences: true,
        dropout: 0.0,
        feature_noise: 0.0,
        sentence_dim: SENTENCE_DIM,
        n_features: N_FEATURES,
    }
}

#[test]
fn executor_and_tensors_agree_and_a_batch_does_not_matter() {
    for attention in [Attention::Dgsa, Attention::Fixed, Attention::None] {
        let config = config(attention);
        let init = [SeededInit::new(1), SeededInit::new(2)];
        let scorers = init.each_ref().map(|i| Scorer::load(&config, i.builder(DType::F32)).unwrap());
        let builders = init.each_ref().map(|i| i.builder(DType::F32));
        let executor = ScoreExecutor::load(&config, &builders).unwrap();
        let graphs: Vec<GraphInput> = (0..6).map(|k| graph(3 + 5 * k, k as u64)).collect();
        let quotients: Vec<QuotientGraph> =
            graphs.iter().map(|g| QuotientGraph::new(g, attention, config.n_layers).unwrap()).collect();
        let batch =
            GraphBatch::new(&quotients.iter().collect::<Vec<_>>(), scorers[0].trunk_config(), DType::F32).unwrap();
        let scores = scorers.each_ref().map(|s| s.scores(&batch, &Mode::Eval).unwrap().to_vec1::<f32>().unwrap());
        let mut shared = Store::default();
        for (i, g) in graphs.iter().enumerate() {
            let alone = executor.score(&g.nodes, &g.relations, &mut Store::default()).unwrap();
            let together = executor.score(&g.nodes, &g.relations, &mut shared).unwrap();
            assert_eq!(alone.to_bits(), together.to_bits());
            let expected = f64::from(scores[0][i] + scores[1][i]) / 2.0;
            assert!((alone - expected).abs() < 1e-5, "{attention:?}: {alone} for {expected}");
        }
    }
}

#[test]
fn ranking_loss_by_hand() {
    let scores = Tensor::new(&[1.0f32, 0.0, 0.5], &Device::Cpu).unwrap();
    let loss = ranking_loss(&scores, &[1.0, 0.5, 0.0]).unwrap().unwrap().to_scalar::<f32>().unwrap();
    // pairs: (0,1) apart 0.5, margin -1; (0,2) apart 1, margin -0.5; (1,2) apart 0.5, margin 0.5
    let softplus = |x: f64| (1.0 + x.exp()).ln();
    let expected = (0.5 * softplus(-1.0) + softplus(-0.5) + 0.5 * softplus(0.5)) / 2.0;
    assert!((f64::from(loss) - expected).abs() < 1e-6, "{loss} for {expected}");
    assert!(ranking_loss(&scores, &[0.3; 3]).unwrap().is_none(), "no two differ");
    assert!(ranking_loss(&scores, &[0.3; 2]).is_err());
}

#[test]
fn top_loss_by_hand() {
    let scores = Tensor::new(&[1.0f32, 0.0], &Device::Cpu).unwrap();
    let loss = top_loss(&scores, &[1.0, 0.9]).unwrap().to_scalar::<f32>().unwrap();
    // shares 1 : 1/e; ln softmax = -ln(1 + 1/e) and one less
    let e = 1f64.exp();
    let (best, other) = (1.0 / (1.0 + 1.0 / e), 1.0 / (1.0 + e));
    let expected = best * (1.0 + 1.0 / e).ln() + other * (1.0 + (1.0 + 1.0 / e).ln());
    assert!((f64::from(loss) - expected).abs() < 1e-6, "{loss} for {expected}");
    assert!(top_loss(&scores, &[0.3; 3]).is_err());
    // The best is pulled up, and scores have no absolute level.
    let var = Var::from_tensor(&scores).unwrap();
    let grads = top_loss(var.as_tensor(), &[1.0, 0.0]).unwrap().backward().unwrap();
    let grad: Vec<f32> = grads.get(&var).unwrap().to_vec1().unwrap();
    assert!(grad[0] < 0.0 && (grad[0] + grad[1]).abs() < 1e-6, "{grad:?}");
}

#[test]
fn gradients_are_finite_differences() {
    for head in [ScoreHead::Sum, ScoreHead::Pooled] {
        gradients_are_right(&ScoreConfig { head, ..config(Attention::Dgsa) });
    }
}

fn gradients_are_right(config: &ScoreConfig) {
    let init = SeededInit::new(3);
    let scorer = Scorer::load(config, init.builder(DType::F64)).unwrap();
    let graphs: Vec<QuotientGraph> =
        (0..3).map(|k| QuotientGraph::new(&graph(7, k), Attention::Dgsa, config.n_layers).unwrap()).collect();
    let batch = GraphBatch::new(&graphs.iter().collect::<Vec<_>>(), scorer.trunk_config(), DType::F64).unwrap();
    // The loss ends in f32, so the check is of the scores, weighted.
    let weights = Tensor::new(&[1.0f64, -2.0, 0.5], &Device::Cpu).unwrap();
    let value = || (scorer.scores(&batch, &Mode::Eval).unwrap() * &weights).unwrap().sum_all().unwrap();
    let grads = value().backward().unwrap();
    let check = |name: &str, var: &Var| {
        let before = var.as_tensor().copy().unwrap();
        let grad = grads.get(var.as_tensor()).unwrap().flatten_all().unwrap().to_vec1::<f64>().unwrap()[0];
        let at = |delta: f64| {
            let mut data = before.flatten_all().unwrap().to_vec1::<f64>().unwrap();
            data[0] += delta;
            var.set(&Tensor::from_vec(data, before.shape(), &Device::Cpu).unwrap()).unwrap();
            value().to_scalar::<f64>().unwrap()
        };
        let numeric = (at(1e-6) - at(-1e-6)) / 2e-6;
        var.set(&before).unwrap();
        assert!((grad - numeric).abs() < 1e-6 * (1.0 + numeric.abs()), "{name}: {grad} for {numeric}");
    };
    for (name, var) in init.vars() {
        check(&name, &var);
    }
}

/// Two graphs as one, with no edge between them.
fn side_by_side(a: &GraphInput, b: &GraphInput) -> GraphInput {
    let n = a.nodes.len() as u32;
    let rows = |graph: &GraphInput, shift: u32| -> Vec<Vec<u32>> {
        let fathers = &graph.relations.fathers;
        (0..graph.nodes.len()).map(|i| fathers.row(i).iter().map(|f| f + shift).collect()).collect()
    };
    GraphInput {
        nodes: [a.nodes.clone(), b.nodes.clone()].concat(),
        relations: Relations::from_fathers(EdgeList::from_rows([rows(a, 0), rows(b, n)].concat())),
    }
}

#[test]
fn only_a_pooled_head_is_no_sum_over_parts() {
    let [a, b, c] = [graph(5, 1), graph(6, 2), graph(4, 3)];
    for head in [ScoreHead::Sum, ScoreHead::Pooled] {
        let config = ScoreConfig { head, ..config(Attention::Dgsa) };
        let init = SeededInit::new(4);
        let scorer = Scorer::load(&config, init.builder(DType::F64)).unwrap();
        let score = |g: &GraphInput| {
            let graph = QuotientGraph::new(g, config.attention, config.n_layers).unwrap();
            let batch = GraphBatch::new(&[&graph], scorer.trunk_config(), DType::F64).unwrap();
            scorer.scores(&batch, &Mode::Eval).unwrap().to_vec1::<f64>().unwrap()[0]
        };
        // What c adds to a and to b.
        let adds = |g: &GraphInput| score(&side_by_side(g, &c)) - score(g);
        let apart = (adds(&a) - adds(&b)).abs();
        match head {
            ScoreHead::Sum => assert!(apart < 1e-9, "{apart}"),
            ScoreHead::Pooled => assert!(apart > 1e-6, "{apart}"),
        }
        let executor = ScoreExecutor::load(&config, &[init.builder(DType::F32)]);
        assert_eq!(executor.is_ok(), head == ScoreHead::Sum);
    }
}
