//! The default bundle gives through the executor what it gives through the predictor on tensors.

#[path = "../benches/cases/mod.rs"]
mod cases;

use std::sync::Arc;

use candle_core::Tensor;
use ledg_cost_model::encoder::Encoder;
use ledg_cost_model::graph::{Attr, Attrs, DType, Graph, GraphBuilder, OpType};
use ledg_cost_model::template::TemplateSet;
use ledg_cost_model::{
    Bundle, BundleHeader, ConformalTable, CostModel, Describer, Edit, HardwareRegistry, N_ORDERED_FEATURES,
    PredictOptions, Session,
};
use ledg_zoo::ZooConfig;

#[test]
fn executor_and_predictor_agree_on_the_zoo() {
    let model = CostModel::default_model().unwrap();
    let tensors = cases::OnTensors::new(&model);
    let on = cases::platforms(2);
    let mut graphs: Vec<_> =
        ledg_zoo::names().map(|name| ledg_zoo::build(name, &ZooConfig::default()).unwrap()).collect();
    graphs.push(cases::residual(120));
    // The mean relative difference bounds by how much a MAPE on these networks could differ, whatever was measured: 0.1 %
    // is the most that a step may cost, and two orders of magnitude less is what this one does.
    let (mut differences, mut n) = (0.0, 0);
    for graph in graphs {
        let estimates = model.predict(&model.prepare(&graph).unwrap(), &on, &PredictOptions::default()).unwrap();
        for (estimate, (platform, batch)) in estimates.iter().zip(&on) {
            let input = cases::graph_input(&model, &graph);
            let platform = cases::platform_input(&model, platform);
            let ln = tensors.query(&input, &platform, *batch as f64);
            let mean = ln.iter().sum::<f64>() / ln.len() as f64;
            let spread = (ln.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / ln.len() as f64).sqrt();
            let ratio = estimate.latency_s / mean.exp();
            assert!((ratio - 1.0).abs() < 2e-5, "{}: {ratio}", graph.name());
            differences += (ratio - 1.0).abs();
            n += 1;
            assert!((estimate.spread - spread).abs() < 1e-5, "{}: {} {spread}", graph.name(), estimate.spread);
        }
    }
    assert!(n > 40 && differences / f64::from(n) < 1e-5, "{n} answers, {} on average", differences / f64::from(n));
}

/// The default bundle cut to its first member, and changed: other weights, the same templates.
fn first_member(change: impl FnOnce(&mut Bundle)) -> CostModel {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/assets/default.ledg");
    let (templates, encoder) = (TemplateSet::builtin().unwrap(), Encoder::pretrained().unwrap());
    let mut bundle = Bundle::from_bytes(&std::fs::read(path).unwrap(), path, &templates, &encoder).unwrap();
    bundle.members.truncate(1);
    bundle.header.members = 1;
    change(&mut bundle);
    CostModel::from_bytes(&bundle.to_bytes().unwrap(), "first member", templates).unwrap()
}

#[test]
fn expected_latencies_need_no_intervals() {
    let (graph, on) = (cases::residual(12), cases::platforms(3));
    let with = first_member(|_| ());
    let without = first_member(|bundle| bundle.header.conformal = ConformalTable::default());
    let prepared = with.prepare(&graph).unwrap();
    let expected = with.expected_s(&prepared, &on).unwrap();
    let predicted = with.predict(&prepared, &on, &PredictOptions::default()).unwrap();
    assert_eq!(expected, predicted.iter().map(|estimate| estimate.latency_s).collect::<Vec<_>>());
    // Another model's preparation is done again.
    assert_eq!(without.expected_s(&prepared, &on).unwrap(), expected);
    assert!(without.predict(&prepared, &on, &PredictOptions::default()).is_err(), "no interval can be given");
    assert!(with.expected_s(&prepared, &[]).unwrap().is_empty());
}

/// A model that reads the order of operands, with some weight on it.
fn reads_order() -> CostModel {
    first_member(|bundle| {
        let BundleHeader { predictor, normalization, .. } = &mut bundle.header;
        predictor.n_features = N_ORDERED_FEATURES;
        normalization.features.mean.push(0.0);
        normalization.features.std.push(1.0);
        let weight = bundle.members[0].get_mut("nodes.numbers.0.weight").unwrap();
        let column = Tensor::full(0.3f32, (weight.dim(0).unwrap(), 1), weight.device()).unwrap();
        *weight = Tensor::cat(&[&*weight, &column], 1).unwrap();
    })
}

/// Two convolutions of one input, added up; which of the two runs first is asked.
fn branches(first: u64) -> Graph {
    let (input, kernels) = ([1, 16, 32, 32], [first, 4 - first]);
    let mut builder = GraphBuilder::new("branches");
    let x = builder.input("x", DType::F32, &input);
    let of = kernels.map(|k| {
        let weight = builder.weight(format!("w{k}"), DType::F32, &[16, 16, k, k]);
        let y = builder.activation(format!("y{k}"), DType::F32, Some(&input));
        let mut attrs = Attrs::new();
        attrs.insert("pads", Attr::Ints(vec![(k / 2) as i64; 4]));
        builder.node(format!("conv{k}"), OpType::onnx("Conv"), attrs, &[Some(x), Some(weight)], &[y]);
        Some(y)
    });
    let sum = builder.activation("sum", DType::F32, Some(&input));
    builder.node("add", OpType::onnx("Add"), Attrs::new(), &of, &[sum]);
    builder.output(sum);
    builder.finish().unwrap()
}

#[test]
fn a_model_may_read_the_order_of_operands() {
    let on = cases::platforms(1);
    let latency = |model: &CostModel, graph: &Graph| {
        model.predict(&model.prepare(graph).unwrap(), &on, &PredictOptions::default()).unwrap()[0].latency_s
    };
    let (plain, ordered) = (first_member(|_| ()), reads_order());
    let graphs = [branches(1), branches(3)];
    let of = |model: &CostModel| graphs.each_ref().map(|graph| latency(model, graph));
    let ([a, b], [c, d]) = (of(&plain), of(&ordered));
    assert!((a / b - 1.0).abs() < 1e-6, "masks are sets: {a} {b}");
    assert!((c / d - 1.0).abs() > 1e-6, "{c} {d}");
    let describer = Describer::builtin().unwrap();
    let numbers = describer.describe(&graphs[0]).unwrap().numbers(true);
    let places: Vec<f32> = numbers.iter().map(|row| row[N_ORDERED_FEATURES - 1]).collect();
    assert_eq!(places, [-1.0, 1.0, 0.0], "first and last operand, and the sum, which nobody reads");
    // Edits are answered by full queries.
    let mut session = Session::new(Arc::new(ordered), &graphs[0], &on, PredictOptions::default()).unwrap();
    let edit = Edit::SetShape { value: "sum".into(), shape: vec![1, 16, 32, 64] };
    let answer = session.predict(std::slice::from_ref(&edit)).unwrap()[0].latency_s;
    session.apply(&[edit]).unwrap();
    assert_eq!(answer, latency(&reads_order(), session.graph()));
    assert_ne!(answer, c);
}

#[test]
fn a_graph_that_another_model_readied_is_readied_again() {
    let (whole, cut) = (CostModel::default_model().unwrap(), first_member(|_| ()));
    let graph = ledg_zoo::build("resnet18", &ZooConfig::default()).unwrap();
    let (on, options) = (cases::platforms(2), PredictOptions { per_node: true, ..PredictOptions::default() });
    let (of_whole, of_cut) = (whole.prepare(&graph).unwrap(), cut.prepare(&graph).unwrap());
    let own = |model: &CostModel, prepared| model.predict(prepared, &on, &options).unwrap();
    let (by_whole, by_cut) = (own(&whole, &of_whole), own(&cut, &of_cut));
    // Other weights, so other answers; each model gives its own, whoever readied the graph.
    assert!(by_whole.iter().zip(&by_cut).all(|(a, b)| a.latency_s != b.latency_s && b.spread == 0.0));
    assert_eq!(own(&cut, &of_whole), by_cut);
    assert_eq!(own(&whole, &of_cut), by_whole);
    // A clone has the same weights: its rows serve.
    assert_eq!(own(&CostModel::clone(&whole), &of_whole), by_whole);
}

/// The hot path of the benches, to nearly the last bit.
#[test]
fn sessions_give_the_default_bundles_answers() {
    let model = CostModel::default_model().unwrap();
    let (on, options) = (cases::platforms(3), PredictOptions::default());
    for graph in [cases::resnet50(), cases::residual(400)] {
        let mut session = Session::new(Arc::clone(&model), &graph, &on, options).unwrap();
        for edits in [cases::candidates(&graph, 40), cases::single_edits(&graph, 60)].concat() {
            let estimates = session.predict(&edits).unwrap();
            let mut edited = Session::new(Arc::clone(&model), &graph, &on[..1], options).unwrap();
            edited.apply(&edits).unwrap();
            let expected = model.predict(&model.prepare(edited.graph()).unwrap(), &on, &options).unwrap();
            for (a, b) in estimates.iter().zip(&expected) {
                assert!((a.latency_s / b.latency_s - 1.0).abs() < 1e-9, "{edits:?}: {a:?} {b:?}");
                assert!((a.spread - b.spread).abs() < 1e-9 && a.known == b.known);
            }
        }
    }
}

/// The speeds that benches and the table state are those of sentences that need no language model.
#[test]
fn sentences_of_the_benches_come_with_the_model() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/assets/default.ledg");
    let bytes = std::fs::read(path).unwrap();
    let model = Arc::new(CostModel::from_bytes(&bytes, path, TemplateSet::builtin().unwrap()).unwrap());
    for graph in [cases::resnet50(), cases::residual(400)] {
        let options = PredictOptions::default();
        let mut session = Session::new(Arc::clone(&model), &graph, &cases::platforms(20), options).unwrap();
        let candidates = [cases::candidates(&graph, 130), cases::single_edits(&graph, 130)].concat();
        assert!(session.predict_all(&candidates).iter().all(|estimates| estimates.is_ok()));
    }
    assert!(!model.encoder().is_loaded());
}

/// Intervals are those of measured devices only where a device was measured as it is asked for.
#[test]
fn a_runtime_that_was_never_measured_has_the_interval_of_a_new_device() {
    let model = CostModel::default_model().unwrap();
    let graph = model.prepare(&ledg_zoo::build("resnet18", &ZooConfig::default()).unwrap()).unwrap();
    let options = PredictOptions::default();
    let cases = [
        ("rtx4090:amp/nchw/dynamo/pt2.4.0", (true, true)),
        ("rtx4090:amp_bf16/nhwc/dynamo/pt2.9.1", (true, true)),
        ("rtx4090:fp32/nchw/eager/pt2.4.0", (true, false)),
        ("t4:int8/nchw/tensorrt/trt7.1", (true, false)),
        ("l4:amp/nchw/eager/pt2.1.0", (false, false)),
    ];
    let half = |as_run, spread| model.header().conformal.half_width("gpu", as_run, options.coverage, spread).unwrap();
    assert!(half(false, 0.0) > half(true, 0.0));
    for (name, measured) in cases {
        let on = (HardwareRegistry::builtin().resolve(name).unwrap(), 32);
        let estimate = &model.predict(&graph, &[on], &options).unwrap()[0];
        assert_eq!((estimate.measured, estimate.measured_as_run), measured, "{name}");
        let own = (estimate.hi_s / estimate.latency_s).ln();
        assert!((own - half(measured.1, estimate.spread)).abs() < 1e-9, "{name}: {own}");
    }
}

/// No GPU's integers were measured; their rates alone say that they are fast.
#[test]
fn narrower_numbers_are_faster_where_they_have_units() {
    let model = CostModel::default_model().unwrap();
    let graph = model.prepare(&ledg_zoo::build("resnet50", &ZooConfig::default()).unwrap()).unwrap();
    for device in ["t4", "a10", "a100", "h100-sxm"] {
        let on = ["fp32", "fp16", "int8"].map(|precision| {
            let name = format!("{device}:{precision}/nchw/tensorrt/trt10.0");
            (HardwareRegistry::builtin().resolve(&name).unwrap(), 128)
        });
        let estimates = model.predict(&graph, &on, &PredictOptions::default()).unwrap();
        let [fp32, fp16, int8] = [0, 1, 2].map(|i| estimates[i].latency_s);
        assert!(1.2 * int8 < fp16 && 1.2 * fp16 < fp32, "{device}: {fp32} {fp16} {int8}");
    }
}

#[test]
fn a_bundle_of_which_one_bit_has_changed_is_refused() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/assets/default.ledg");
    let (templates, encoder) = (TemplateSet::builtin().unwrap(), Encoder::pretrained().unwrap());
    let mut bytes = std::fs::read(path).unwrap();
    // In weights the bit is one of an exponent: what it makes is finite.
    for at in (3..bytes.len()).step_by(bytes.len() / 40).map(|at| at | 3).chain([bytes.len() - 1]) {
        bytes[at] ^= 0x40;
        assert!(Bundle::from_bytes(&bytes, path, &templates, &encoder).is_err(), "byte {at}");
        bytes[at] ^= 0x40;
    }
    assert!(Bundle::from_bytes(&bytes, path, &templates, &encoder).is_ok());
}
