//! Calibration of the model that comes with the library.

use ledg_graph::{Attrs, DType, Graph, GraphBuilder, Limits, OpType};

use super::choice::{LEVEL_STDS, choose};
use super::*;
use crate::records::Outcome;
use crate::{Estimate, HardwareRegistry, PredictOptions};

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

/// A network of convolutions and softmaxes, as many as bits of `i` say.
fn varied(i: u64) -> Arc<Graph> {
    let mut b = GraphBuilder::new(format!("varied {i}"));
    let (side, mut channels) = (8 << (i % 4), 3);
    let mut x = b.input("x", DType::F32, &[4, channels, side, side]);
    for k in 0..2 + i % 5 {
        let wide = 16 << ((i + k) % 4);
        let w = b.weight(format!("w{k}"), DType::F32, &[wide, channels, 1, 1]);
        let y = b.activation(format!("y{k}"), DType::F32, Some(&[4, wide, side, side]));
        b.node(format!("conv{k}"), OpType::onnx("Conv"), Attrs::new(), &[Some(x), Some(w)], &[y]);
        (x, channels) = (y, wide);
        if (i >> k) & 1 == 1 {
            let z = b.activation(format!("z{k}"), DType::F32, Some(&[4, wide, side, side]));
            b.node(format!("softmax{k}"), OpType::onnx("Softmax"), Attrs::new(), &[Some(x)], &[z]);
            x = z;
        }
    }
    b.output(x);
    Arc::new(b.finish().unwrap())
}

/// Records of a platform that takes `factor` times what the model says of another.
fn records_like(model: &CostModel, on: &Arc<Platform>, other: &Platform, n: u64, factor: f64) -> Records {
    let mut records = Records::new();
    for i in 0..n {
        let graph = varied(i);
        let seconds = factor * predict(model, &graph, other).latency_s;
        records.push(&graph, on, 4, Outcome::Runs(vec![seconds])).unwrap();
    }
    records
}

#[test]
fn a_platform_that_is_like_a_measured_one_is_found_and_kept() {
    let model = CostModel::default_model().unwrap();
    let (new, like) = (platform("l4:fp32"), platform("titan_rtx:fp32/nchw/eager/pt1.8.1+cu102"));
    let held_out: Vec<Arc<Graph>> = (40..60).map(varied).collect();
    let error = |model: &CostModel, factor: f64| {
        let of = |graph: &Arc<Graph>| {
            let truth = factor * predict(&CostModel::default_model().unwrap(), graph, &like).latency_s;
            (predict(model, graph, &new).latency_s / truth).ln().abs()
        };
        held_out.iter().map(of).sum::<f64>() / held_out.len() as f64
    };
    let (calibrated, report) = model.calibrate_with_report(&records_like(&model, &new, &like, 30, 1.3)).unwrap();
    let level: Vec<f64> = held_out
        .iter()
        .map(|g| (1.3 * predict(&model, g, &like).latency_s / predict(&model, g, &new).latency_s).ln())
        .collect();
    let mean = level.iter().sum::<f64>() / level.len() as f64;
    let best_constant = level.iter().map(|x| (x - mean).abs()).sum::<f64>() / level.len() as f64;
    let found = error(&calibrated, 1.3);
    assert!(found < best_constant / 2.0, "{found}, by the best constant {best_constant}");
    let report = &report.platforms[&new.to_string()];
    assert!(report.after.unwrap().mape < report.before.mape / 2.0, "{report:?}");
    // Its file keeps what it rests on, and what it rests on has to be there.
    let templates = || ledg_template::TemplateSet::builtin().unwrap();
    let bytes = calibrated.to_bytes().unwrap();
    let loaded = CostModel::from_bytes(&bytes, "m", templates()).unwrap();
    assert_eq!(predict(&loaded, &held_out[0], &new), predict(&calibrated, &held_out[0], &new));
    let mut calibration = calibrated.calibration().unwrap().clone();
    let own = calibration.platforms.get_mut(&new.to_string()).unwrap();
    let any = own.relatives.values().next().copied().unwrap();
    own.relatives.insert("nobody:fp32".into(), any);
    let bytes = model.with_calibration(calibration).to_bytes().unwrap();
    let error = CostModel::from_bytes(&bytes, "m", templates()).err().unwrap().to_string();
    assert!(error.contains("rests on `nobody:fp32`, which training did not measure"), "{error}");
}

#[test]
fn sessions_and_nodes_know_the_relatives() {
    let model = CostModel::default_model().unwrap();
    let (new, like) = (platform("l4:fp32"), platform("titan_rtx:fp32/nchw/eager/pt1.8.1+cu102"));
    let calibrated = Arc::new(model.calibrate(&records_like(&model, &new, &like, 30, 1.0)).unwrap());
    assert!(!calibrated.calibration().unwrap().platforms[&new.to_string()].relatives.is_empty());
    let graph = varied(70);
    let single = Arc::new(graph.rescale_batch(1).unwrap());
    let on = [((*new).clone(), 4), ((*like).clone(), 4)];
    let mut session = crate::Session::new(Arc::clone(&calibrated), &single, &on, PredictOptions::default()).unwrap();
    let asked = session.predict(&[]).unwrap();
    for (estimate, on) in asked.iter().zip([&new, &like]) {
        assert!((estimate.latency_s / predict(&calibrated, &graph, on).latency_s - 1.0).abs() < 1e-9);
    }
    // A platform without records, and the nodes of one with: they add up, and nothing else changed.
    assert_eq!(predict(&calibrated, &graph, &like), predict(&model, &graph, &like));
    let sum: f64 = nodes(&calibrated, &graph, &new).values().sum();
    assert!((sum / predict(&calibrated, &graph, &new).latency_s - 1.0).abs() < 1e-9);
}

#[test]
fn evaluations_fit_what_a_calibration_fits() {
    let model = CostModel::default_model().unwrap();
    let (new, like) = (platform("l4:fp32"), platform("t4:fp32"));
    let records = records_like(&model, &new, &like, 8, 2.0);
    let compared: Vec<Comparison> = records
        .rows()
        .iter()
        .flat_map(|row| {
            let graph = model.prepare(records.graph(&row.graph).unwrap()).unwrap();
            model.compare(&graph, &[((*new).clone(), 4, row.latency_s().unwrap())]).unwrap()
        })
        .collect();
    let fit = Fit::to(&compared);
    let calibrated = model.calibrate(&records).unwrap();
    for (row, comparison) in records.rows().iter().zip(&compared) {
        let says = predict(&calibrated, records.graph(&row.graph).unwrap(), &new).latency_s.ln();
        assert!((says - fit.ln_predicted(comparison)).abs() < 1e-9, "{says} {}", fit.ln_predicted(comparison));
    }
}

#[test]
fn a_description_without_names_tells_kinds_apart_all_the_same() {
    let model = CostModel::default_model().unwrap();
    let on = (*platform("l4:fp32")).clone();
    let named = model.prepare(&attentive(64, 96)).unwrap().described().clone();
    let nameless = crate::DescribedGraph { origins: Vec::new(), ..named.clone() };
    let [named, nameless] = [named, nameless].map(|described| {
        let prepared = model.prepare_described(described).unwrap();
        model.compare(&prepared, &[(on.clone(), 4, 0.01)]).unwrap().remove(0)
    });
    assert!(named.whole.predicted.len() > 2, "convolution, softmax and launches: {:?}", named.whole.predicted);
    assert_eq!(named.whole.predicted, nameless.whole.predicted);
}

/// Comparisons of networks of convolution and softmax in many proportions, measured at `softmax` times what is predicted of that and
/// `off` by turns.
fn compared(model: &CostModel, sides: std::ops::Range<u64>, softmax: f64, off: f64) -> Vec<Comparison> {
    let on = platform("rtx4090");
    let one = |side: u64| {
        let graph = attentive(16 + 40 * (side % 7), 40 + 8 * side);
        let nodes = nodes(model, &graph, &on);
        let seconds: f64 = nodes.iter().map(|(name, s)| if name == "softmax" { softmax * s } else { *s }).sum();
        let turn = if side.is_multiple_of(3) { 1.4 * off } else { -0.7 * off };
        let prepared = model.prepare(&graph).unwrap();
        model.compare(&prepared, &[((*on).clone(), 4, seconds * turn.exp())]).unwrap().remove(0)
    };
    sides.map(one).collect()
}

#[test]
fn kinds_are_told_apart_as_far_as_records_bear_it_out() {
    let model = CostModel::default_model().unwrap();
    let level_std = |records: &[Comparison]| choose(&records.iter().collect::<Vec<_>>()).0.level_std;
    // A GPU as the model says, but for noise: kinds stay where they are.
    assert_eq!(level_std(&compared(&model, 0..20, 1.0, 0.1)), LEVEL_STDS[0]);
    // Softmax takes eight times as long: kinds are free to follow.
    assert!(level_std(&compared(&model, 0..20, 8.0, 0.01)) > LEVEL_STDS[0]);
    // Of three networks, what they are off decides.
    let (near, far) = (level_std(&compared(&model, 0..3, 1.0, 0.2)), level_std(&compared(&model, 0..3, 8.0, 0.01)));
    assert!((near - 0.2).abs() < 0.02 && far == LEVEL_STDS[1], "{near} {far}");
}
