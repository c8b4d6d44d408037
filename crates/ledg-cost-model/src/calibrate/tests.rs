//! Calibration of the model that comes with the library.

use ledg_graph::{Attrs, DType, Graph, GraphBuilder, Limits, OpType};

use super::*;
use crate::HardwareRegistry;
use crate::records::Outcome;

fn graph(channels: u64) -> Arc<Graph> {
    let mut b = GraphBuilder::new(format!("conv {channels}"));
    let x = b.input("x", DType::F32, &[4, 3, 32, 32]);
    let w = b.weight("w", DType::F32, &[channels, 3, 3, 3]);
    let y = b.activation("y", DType::F32, Some(&[4, channels, 30, 30]));
    b.node("conv", OpType::onnx("Conv"), Attrs::new(), &[Some(x), Some(w)], &[y]);
    b.output(y);
    Arc::new(b.finish().unwrap())
}

fn platform(spec: &str) -> Arc<Platform> {
    Arc::new(HardwareRegistry::builtin().resolve(spec).unwrap())
}

fn predict(model: &CostModel, graph: &Graph, on: &Platform) -> Estimate {
    let prepared = model.prepare(graph).unwrap();
    model.predict(&prepared, &[(on.clone(), 4)], &PredictOptions::default()).unwrap().swap_remove(0)
}

/// Records of a chip that takes `factor` times what the model says, give or take `noise`.
fn records(model: &CostModel, on: &Arc<Platform>, n: u64, factor: f64, noise: f64) -> Records {
    let mut records = Records::new();
    for i in 0..n {
        let graph = graph(8 * (i + 1));
        let off = if i % 2 == 0 { noise.exp() } else { (-noise).exp() };
        let seconds = predict(model, &graph, on).latency_s * factor * off;
        records.push(&graph, on, 4, Outcome::Runs(vec![seconds; 3])).unwrap();
    }
    records
}

#[test]
fn nothing_changes_nothing() {
    let model = CostModel::default_model().unwrap();
    let (t4, graph) = (platform("t4"), graph(16));
    let mut failed = Records::new();
    failed.push(&graph, &t4, 4, Outcome::Failed("no memory".into())).unwrap();
    for records in [Records::new(), failed] {
        let same = model.calibrate(&records).unwrap();
        assert_eq!(predict(&same, &graph, &t4), predict(&model, &graph, &t4));
        assert!(same.calibration().is_none());
    }
}

#[test]
fn ten_records_set_the_level_and_the_interval_of_their_platform_alone() {
    let model = CostModel::default_model().unwrap();
    let (t4, other) = (platform("t4"), platform("rtx3090"));
    let calibrated = model.calibrate(&records(&model, &t4, 12, 1.7, 0.02)).unwrap();
    let held_out = graph(200);
    let (before, after) = (predict(&model, &held_out, &t4), predict(&calibrated, &held_out, &t4));
    assert!((after.latency_s / before.latency_s - 1.7).abs() < 0.05, "{}", after.latency_s / before.latency_s);
    let width = |e: &Estimate| (e.hi_s / e.lo_s).ln();
    assert!(after.calibrated && width(&after) < width(&before) / 2.0, "records that agree give a narrow interval");
    assert_eq!(predict(&calibrated, &held_out, &other), predict(&model, &held_out, &other));
}

#[test]
fn a_calibrated_model_and_its_records_survive_their_files() {
    let model = CostModel::default_model().unwrap();
    let t4 = platform("t4");
    let records = records(&model, &t4, 3, 0.6, 0.1);
    let text = records.to_jsonl().unwrap();
    let again = Records::from_jsonl("r", &text, &HardwareRegistry::builtin(), Limits::default()).unwrap();
    assert_eq!(again.rows(), records.rows());
    let calibrated = model.calibrate(&again).unwrap();
    let templates = ledg_template::TemplateSet::builtin().unwrap();
    let loaded = CostModel::from_bytes(&calibrated.to_bytes().unwrap(), "m", templates).unwrap();
    assert_eq!(predict(&loaded, &graph(40), &t4), predict(&calibrated, &graph(40), &t4));
}

#[test]
fn records_that_cannot_be_right_are_refused() {
    let model = CostModel::default_model().unwrap();
    let (t4, graph) = (platform("t4"), graph(16));
    let push = |records: &mut Records, s: f64| records.push(&graph, &t4, 4, Outcome::Runs(vec![s])).unwrap();
    let mut records = Records::new();
    push(&mut records, 0.010);
    push(&mut records, 0.014);
    assert!(model.calibrate(&records).is_ok(), "a spread of runs is no contradiction");
    push(&mut records, 0.016);
    let message = model.calibrate(&records).err().unwrap().to_string();
    assert!(message.starts_with("record 1 and record 3 contradict each other: conv 16 on nvidia-t4"), "{message}");
    let mut records = Records::new();
    push(&mut records, 1e4);
    let message = model.calibrate(&records).err().unwrap().to_string();
    assert!(message.contains("not in seconds"), "{message}");
    let bad = "{\"ledg_records\":1}\n{\"graph\":\"x\",\"hardware\":\"t4\",\"batch\":1,\"runs_s\":[1.0]}\n";
    let error = Records::from_jsonl("r", bad, &HardwareRegistry::builtin(), Limits::default()).err().unwrap();
    assert_eq!(error.to_string(), "records r, line 2: graph `x` is not defined on a line before");
}

/// A convolution followed by a softmax over its channels.
fn attentive(channels: u64, side: u64) -> Arc<Graph> {
    let mut b = GraphBuilder::new(format!("attentive {channels} {side}"));
    let x = b.input("x", DType::F32, &[4, 3, side + 2, side + 2]);
    let w = b.weight("w", DType::F32, &[channels, 3, 3, 3]);
    let y = b.activation("y", DType::F32, Some(&[4, channels, side, side]));
    b.node("conv", OpType::onnx("Conv"), Attrs::new(), &[Some(x), Some(w)], &[y]);
    let z = b.activation("z", DType::F32, Some(&[4, channels, side, side]));
    b.node("softmax", OpType::onnx("Softmax"), Attrs::new(), &[Some(y)], &[z]);
    b.output(z);
    Arc::new(b.finish().unwrap())
}

/// Records of a chip on which a softmax takes four times what the model says, and all else as long.
fn slow_softmax(model: &CostModel, on: &Arc<Platform>, profiled: bool) -> Records {
    let mut records = Records::new();
    for i in 0..5 {
        let graph = attentive(64 + 32 * i, [112, 96, 80, 128, 64][i as usize]);
        let nodes = nodes(model, &graph, on);
        let times: BTreeMap<String, f64> =
            nodes.iter().map(|(name, s)| (name.clone(), if name == "softmax" { 4.0 * s } else { *s })).collect();
        let seconds = times.values().sum();
        let times = if profiled { times } else { BTreeMap::new() };
        records.push_profiled(&graph, on, 4, Outcome::Runs(vec![seconds]), times).unwrap();
    }
    records
}

fn nodes(model: &CostModel, graph: &Graph, on: &Platform) -> BTreeMap<String, f64> {
    let prepared = model.prepare(graph).unwrap();
    let options = PredictOptions { per_node: true, ..PredictOptions::default() };
    let estimate = model.predict(&prepared, &[(on.clone(), 4)], &options).unwrap().remove(0);
    assert!((estimate.nodes.iter().map(|n| n.latency_s).sum::<f64>() / estimate.latency_s - 1.0).abs() < 1e-9);
    let name = |n: &crate::NodeEstimate| prepared.described().nodes[n.node].name.clone();
    estimate.nodes.iter().map(|n| (name(n), n.latency_s)).collect()
}

#[test]
fn a_kind_of_operator_that_is_slow_is_found_with_five_profiles() {
    let model = CostModel::default_model().unwrap();
    let t4 = platform("t4");
    let (calibrated, report) = model.calibrate_with_report(&slow_softmax(&model, &t4, true)).unwrap();
    let held_out = attentive(144, 100);
    let (before, after) = (nodes(&model, &held_out, &t4), nodes(&calibrated, &held_out, &t4));
    let factor = |node: &str| after[node] / before[node];
    assert!(factor("softmax") / factor("conv") > 2.5, "{} {}", factor("softmax"), factor("conv"));
    let report = &report.platforms[&t4.to_string()];
    assert_eq!((report.records, report.profiled, report.networks), (5, 5, 5));
    assert!(report.after.unwrap().mape < report.before.mape / 2.0, "{report:?}");
    // A session tells kinds apart as well.
    let single = Arc::new(held_out.rescale_batch(1).unwrap());
    let on = [((*t4).clone(), 4)];
    let calibrated = Arc::new(calibrated);
    let mut session = crate::Session::new(Arc::clone(&calibrated), &single, &on, PredictOptions::default()).unwrap();
    let asked = session.predict(&[]).unwrap().remove(0).latency_s;
    assert!((asked / predict(&calibrated, &held_out, &t4).latency_s - 1.0).abs() < 1e-9);
    // What kinds were told apart is part of the model's file.
    let loaded =
        CostModel::from_bytes(&calibrated.to_bytes().unwrap(), "m", ledg_template::TemplateSet::builtin().unwrap());
    assert_eq!(nodes(&loaded.unwrap(), &held_out, &t4), after);
}

#[test]
fn times_of_nodes_survive_their_file_and_are_checked() {
    let model = CostModel::default_model().unwrap();
    let t4 = platform("t4");
    let records = slow_softmax(&model, &t4, true);
    let text = records.to_jsonl().unwrap();
    let again = Records::from_jsonl("r", &text, &HardwareRegistry::builtin(), Limits::default()).unwrap();
    assert_eq!(again.rows(), records.rows());
    let mut records = Records::new();
    let bad = BTreeMap::from([("conv".to_owned(), -1.0)]);
    let error = records.push_profiled(&graph(8), &t4, 4, Outcome::Runs(vec![1.0]), bad).unwrap_err().to_string();
    assert!(error.contains("node `conv` took -1 s"), "{error}");
}

#[test]
fn contradictions_name_lines_of_the_file() {
    let (t4, graph) = (platform("t4"), graph(16));
    let mut records = Records::new();
    for s in [0.01, 0.02] {
        records.push(&graph, &t4, 4, Outcome::Runs(vec![s])).unwrap();
    }
    let text = records.to_jsonl().unwrap();
    let read = Records::from_jsonl("r.jsonl", &text, &HardwareRegistry::builtin(), Limits::default()).unwrap();
    let message = CostModel::default_model().unwrap().calibrate(&read).err().unwrap().to_string();
    assert!(message.starts_with("r.jsonl, line 3 and r.jsonl, line 4 contradict each other: conv 16"), "{message}");
}

#[test]
fn one_network_cannot_be_cross_validated() {
    let model = CostModel::default_model().unwrap();
    let t4 = platform("t4");
    let (_, report) = model.calibrate_with_report(&records(&model, &t4, 1, 2.0, 0.0)).unwrap();
    let report = &report.platforms[&t4.to_string()];
    assert!(report.after.is_none() && (report.before.mape - 0.5).abs() < 1e-6, "{report:?}");
}
