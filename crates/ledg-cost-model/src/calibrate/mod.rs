//! Calibration to a device from a handful of measured records.
//!
//! For every platform with records, factors are fitted that bring predicted seconds to measured ones: one for the platform,
//! and one for each kind and shape of operator (see [`kinds`]) on top of it; and how much it is like each platform that training
//! measured, by what the model predicts for those (see [`relatives`]). All are shrunk towards no correction, so that few
//! records move only what they speak of (see [`fit`]). Where enough records also say how long each node took, that takes the
//! place of all of it: nodes are told from those nodes (see [`nodes`]). A calibration speaks of one platform (a device and how it
//! runs graphs); other platforms keep their predictions.
//!
//! What the calibration is worth is found by cross-validation over networks: each is predicted by factors that were fitted
//! without it. The same decides how far kinds may lie apart, and whether measured platforms are looked at. Intervals of a
//! calibrated platform come from these residuals where there are enough for the coverage asked for; where there are not, the
//! model's interval stays, moved with the prediction.
//!
//! **Invariant:** a calibration never changes the model it came from, and none from no records: the result then predicts
//! the same bits.

mod choice;
mod fit;
pub(crate) mod kinds;
mod linear;
mod nodes;
mod relatives;
mod report;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ledg_predictor::NodeCost;
use ledg_template::hardware::Platform;
use serde::{Deserialize, Serialize};

use self::choice::Chosen;
pub use self::fit::{Correction, calibrated_level};
use self::fit::{Equation, Factors, Part, correction};
use self::kinds::{Kind, LAUNCH, N_SHAPE};
pub use self::kinds::{LnSizes, Roofline};
pub use self::nodes::NodeTimes;
use self::nodes::Timed;
pub use self::relatives::Relative;
pub(crate) use self::relatives::{Relatives, SharedRelatives};
pub use self::report::{CalibrationReport, Errors, PlatformReport};
use crate::conformal::{Conformal, scale};
use crate::engine::Answers;
use crate::error::{CostModelError, Result};
use crate::model::{CostModel, Mean, PreparedGraph, mean_costs};
use crate::records::{Record, Records};

/// Medians of the same graph, platform and batch further apart than this factor contradict each other.
const CONTRADICTION: f64 = 1.5;
/// No calibration has factors beyond this one.
const BEYOND_BELIEF: f64 = 1e3;
/// Records of a platform that lie beyond this factor, in their median, are not in seconds or not of that graph: milliseconds are a
/// thousandfold, a device that was never measured is told a few times too fast or too slow, a small graph on one that takes
/// milliseconds to be reached a hundred times too fast.
const NOT_SECONDS: f64 = 300.0;
/// Queries asked together.
const TOGETHER: usize = 256;
/// Profiled networks from which their nodes' times are carried over to others' nodes; fewer say how kinds differ.
const PROFILED: usize = 3;

/// Corrections by platform.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    /// By the platform's full name.
    pub platforms: BTreeMap<String, PlatformScale>,
}

/// The correction of one platform.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlatformScale {
    /// Added to the ln latency.
    pub ln_scale: f64,
    /// Added to the ln latency of nodes of a kind, and of the narrower kinds in it: `Norm`, `Norm Softmax`; `(launch)` to that
    /// of starting them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub kinds: BTreeMap<String, Correction>,
    /// What platforms that training measured add, by their names.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub relatives: BTreeMap<String, Relative>,
    /// What profiled nodes took, in place of what the model says of nodes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nodes: Option<NodeTimes>,
    /// Records it was fitted to.
    pub records: usize,
    /// Distinct graphs among them.
    pub graphs: usize,
    /// Scores of the networks against factors fitted without them.
    pub scores: Conformal,
}

impl Calibration {
    pub(crate) fn check(&self) -> std::result::Result<(), String> {
        for (name, p) in &self.platforms {
            let believable = |ln: &f64| ln.is_finite() && ln.abs() <= BEYOND_BELIEF.ln();
            let sound = believable(&p.ln_scale)
                && p.kinds.values().all(|c| believable(&c.ln) && c.per_ln.iter().all(believable))
                && p.relatives
                    .values()
                    .all(|r| believable(&r.weight) && r.usual.is_finite() && (0.0..=1.0).contains(&r.farthest))
                && p.nodes.as_ref().is_none_or(NodeTimes::is_sound)
                && p.scores.scores.iter().all(|s| s.is_finite() && *s >= 0.0)
                && p.scores.scores.is_sorted()
                && p.scores.scores.len() <= p.scores.n
                && (p.scores.n == 0) == p.scores.scores.is_empty();
            if !sound {
                return Err(format!("header: calibration of `{name}` holds numbers that no calibration gives"));
            }
        }
        Ok(())
    }

    /// The correction of a platform, if it was calibrated.
    pub(crate) fn of(&self, platform: &str) -> Option<&PlatformScale> {
        self.platforms.get(platform)
    }
}

impl PlatformScale {
    /// What a node of that kind takes at a batch if it was estimated to take `cost`, but for `ln_scale`.
    pub(crate) fn of_kind(&self, kind: &Kind, batch: f64, cost: &NodeCost) -> NodeCost {
        if let Some(nodes) = &self.nodes {
            let predicted_s = cost.total_s();
            let seconds = nodes.seconds(kind, batch);
            return match predicted_s > 0.0 {
                true => cost.scaled(seconds / predicted_s),
                false => NodeCost { compute_s: seconds, ..NodeCost::ZERO },
            };
        }
        let launch_s = cost.launch_s * correction(&self.kinds, LAUNCH, &[0.0; N_SHAPE]).exp();
        NodeCost { launch_s, ..cost.scaled(correction(&self.kinds, &kind.name, &kind.shape(batch)).exp()) }
    }

    /// Whether anything is said of kinds of nodes.
    pub(crate) fn tells_kinds_apart(&self) -> bool {
        self.nodes.is_some() || !self.kinds.is_empty()
    }

    /// The half-width by the platform's own records, if there are enough of them for that coverage.
    pub(crate) fn half_width(&self, coverage: f64, spread: f64) -> Option<f64> {
        self.scores.quantile(coverage).ok().map(|q| q * scale(spread))
    }
}

/// What a network took on a platform against what a model says of it, uncalibrated. For evaluations that fit and try corrections
/// many times; [`CostModel::calibrate`] is the way to calibrate a model. Made by [`CostModel::compare`].
#[derive(Debug, Clone)]
pub struct Comparison {
    /// Content hash of its graph.
    graph: String,
    /// What is left out together in cross-validation.
    network: String,
    /// The whole network.
    whole: Equation,
    /// By kind of operator, if its nodes were measured.
    profile: Vec<Equation>,
    /// The nodes by kind and shape, those that were timed apart from those that were not.
    nodes: Vec<Timed>,
    roofline: Roofline,
    spread: f64,
}

impl CostModel {
    /// A new model, calibrated to records. Factors are fitted to what the uncalibrated model predicts; a platform that
    /// was calibrated before gets new ones if the records speak of it and keeps its old ones if not. Failed runs count
    /// for nothing.
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use ledg_cost_model::graph::{Attrs, DType, GraphBuilder, OpType};
    /// use ledg_cost_model::{CostModel, HardwareRegistry, Outcome, PredictOptions, Records};
    /// let mut b = GraphBuilder::new("toy");
    /// let x = b.input("x", DType::F32, &[1, 64, 56, 56]);
    /// let w = b.weight("w", DType::F32, &[64, 64, 1, 1]);
    /// let y = b.activation("y", DType::F32, Some(&[1, 64, 56, 56]));
    /// b.node("conv", OpType::onnx("Conv"), Attrs::new(), &[Some(x), Some(w)], &[y]);
    /// b.output(y);
    /// let graph = b.finish()?;
    ///
    /// let model = CostModel::default_model()?;
    /// let platform = HardwareRegistry::builtin().resolve("t4")?;
    /// let predicted = |model: &CostModel| {
    ///     let on = [(platform.clone(), 8)];
    ///     let estimate = &model.predict(&model.prepare(&graph)?, &on, &PredictOptions::default())?[0];
    ///     Ok::<f64, ledg_cost_model::CostModelError>(estimate.latency_s)
    /// };
    /// let mut records = Records::new();
    /// let twice = 2.0 * predicted(&model)?;
    /// records.push(&Arc::new(graph.clone()), &Arc::new(platform.clone()), 8, Outcome::Runs(vec![twice]))?;
    /// // One record moves the estimate towards what was measured.
    /// assert!(predicted(&model.calibrate(&records)?)? > predicted(&model)?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// Records that contradict each other, records some hundredfold off, and whatever a prediction of their graphs meets.
    pub fn calibrate(&self, records: &Records) -> Result<CostModel> {
        Ok(self.calibrate_with_report(records)?.0)
    }

    /// [`CostModel::calibrate`], and what it is worth.
    ///
    /// # Errors
    /// As [`CostModel::calibrate`].
    pub fn calibrate_with_report(&self, records: &Records) -> Result<(CostModel, CalibrationReport)> {
        refuse_contradictions(records)?;
        let mut calibration = self.calibration().cloned().unwrap_or_default();
        let mut report = CalibrationReport::default();
        for (name, cases) in self.cases(records)? {
            let (scale, platform) = calibrated(&name, &cases, &self.relatives()?.names).map_err(|why| {
                let of_it = |r: &Record| r.latency_s().is_some() && r.hardware.to_string() == name;
                let (origin, line) =
                    records.rows().iter().position(of_it).map_or_else(Default::default, |i| records.read_at(i));
                CostModelError::Record { origin, line, why }
            })?;
            report.platforms.insert(name.clone(), platform);
            calibration.platforms.insert(name, scale);
        }
        Ok((self.with_calibration(calibration), report))
    }

    /// Every record with a time against its uncalibrated prediction, by platform, in the records' order.
    fn cases(&self, records: &Records) -> Result<BTreeMap<String, Vec<Comparison>>> {
        let mut by_graph: BTreeMap<&str, Vec<(usize, f64)>> = BTreeMap::new();
        for (i, row) in records.rows().iter().enumerate() {
            if let Some(measured) = row.latency_s() {
                by_graph.entry(&row.graph).or_default().push((i, measured));
            }
        }
        let mut found: BTreeMap<usize, Comparison> = BTreeMap::new();
        for (hash, measured) in by_graph {
            let unknown = || CostModelError::Record {
                origin: String::new(),
                line: None,
                why: format!("graph `{hash}` is not defined"),
            };
            let prepared = self.prepare(records.graph(hash).ok_or_else(unknown)?)?;
            for part in measured.chunks(TOGETHER) {
                let row = |i: usize| &records.rows()[i];
                let on = part.iter().map(|&(i, seconds)| Measured {
                    hardware: &row(i).hardware,
                    batch: row(i).batch,
                    seconds,
                    nodes_s: &row(i).nodes_s,
                });
                let cases = self.compared(&prepared, &on.collect::<Vec<_>>())?;
                found.extend(part.iter().map(|(i, _)| *i).zip(cases));
            }
        }
        let mut by_platform: BTreeMap<String, Vec<Comparison>> = BTreeMap::new();
        for (i, case) in found {
            by_platform.entry(records.rows()[i].hardware.to_string()).or_default().push(case);
        }
        Ok(by_platform)
    }

    /// What a graph took on platforms, each at a batch size, in seconds, against uncalibrated predictions.
    ///
    /// # Errors
    /// As [`CostModel::predict`].
    pub fn compare(&self, graph: &PreparedGraph, on: &[(Platform, u64, f64)]) -> Result<Vec<Comparison>> {
        let no_nodes = BTreeMap::new();
        let measured = on.iter().map(|(hardware, batch, seconds)| Measured {
            hardware,
            batch: *batch,
            seconds: *seconds,
            nodes_s: &no_nodes,
        });
        self.compared(graph, &measured.collect::<Vec<_>>())
    }

    fn compared(&self, graph: &PreparedGraph, on: &[Measured]) -> Result<Vec<Comparison>> {
        let targets = self.targets(&on.iter().map(|m| (m.hardware.clone(), m.batch)).collect::<Vec<_>>())?;
        let (queries, answers) = self.answers(graph, &targets)?;
        let node_kinds: Vec<Kind> = graph.described().nodes.iter().map(Kind::of).collect();
        let relatives = self.relatives()?;
        let others: Vec<usize> = (0..relatives.names.len()).collect();
        let mut cases = Vec::with_capacity(on.len());
        for (((measured, &(_, batch)), answers), raw) in on.iter().zip(&queries).zip(&answers).zip(&targets.raw) {
            let mean = Mean::of(&answers.ln_s);
            if !mean.ln_s.is_finite() {
                return Err(CostModelError::NotFinite { graph: graph.described().name.clone() });
            }
            let ln_s = relatives.ln_s(self, graph.rows(), &others, batch)?;
            let roofline = Roofline::of(&raw.rates);
            let mut case = case(measured, batch, graph, &node_kinds, (answers, &mean, roofline));
            case.whole.differences = ln_s.iter().map(|on| on - mean.ln_s).collect();
            cases.push(case);
        }
        Ok(cases)
    }
}

/// What a graph took on a platform.
#[derive(Clone, Copy)]
struct Measured<'a> {
    hardware: &'a Platform,
    batch: u64,
    seconds: f64,
    nodes_s: &'a BTreeMap<String, f64>,
}

/// A measurement against what the members say; `batch` is in units of the graph's.
fn case(
    measured: &Measured,
    batch: f64,
    graph: &PreparedGraph,
    node_kinds: &[Kind],
    (answers, mean, roofline): (&Answers, &Mean, Roofline),
) -> Comparison {
    let described = graph.described();
    let rows = graph.rows();
    let latency_s = mean.ln_s.exp();
    let costs = answers.classes.as_ref().map(|costs| mean_costs(costs, latency_s, rows.counts())).unwrap_or_default();
    let launch = |seconds| Part { kind: LAUNCH.into(), shape: [0.0; N_SHAPE], seconds };
    // By kind and shape, of all nodes and of those that were measured.
    let mut parts: BTreeMap<(&str, [u64; N_SHAPE]), Part> = BTreeMap::new();
    let mut profile: BTreeMap<(&str, [u64; N_SHAPE]), (Part, f64, f64)> = BTreeMap::new();
    let mut nodes: BTreeMap<(&str, [u64; N_SHAPE], bool), Timed> = BTreeMap::new();
    let mut launches_s = 0.0;
    let of_nodes = node_kinds.iter().zip(rows.class_of()).enumerate();
    for (node, (kind, &class)) in of_nodes.filter(|_| !costs.is_empty()) {
        let cost = &costs[class as usize];
        let shape = kind.shape(batch);
        let key = (&*kind.name, shape.map(f64::to_bits));
        let none = Part { kind: Arc::clone(&kind.name), shape, seconds: 0.0 };
        let body_s = cost.total_s() - cost.launch_s;
        parts.entry(key).or_insert_with(|| none.clone()).seconds += body_s;
        launches_s += cost.launch_s;
        // Descriptions by the hundred thousand go without names.
        let names = described.origins.get(node).into_iter().flatten();
        let times = names.filter_map(|name| measured.nodes_s.get(name));
        let took = times.fold(0.0, |sum, s| sum + s);
        let timed = nodes.entry((key.0, key.1, took > 0.0)).or_insert_with(|| Timed::none(&kind.name, shape));
        timed.roofline_s += kind.roofline_s(batch, &roofline);
        timed.measured_s += took;
        if took > 0.0 {
            let (part, launch_s, measured_s) = profile.entry(key).or_insert((none, 0.0, 0.0));
            part.seconds += body_s;
            *launch_s += cost.launch_s;
            *measured_s += took;
        }
    }
    let predicted = match parts.is_empty() {
        true => vec![Part { kind: "".into(), shape: [0.0; N_SHAPE], seconds: latency_s }],
        false => parts.into_values().chain([launch(launches_s)]).filter(|part| part.seconds > 0.0).collect(),
    };
    // A profile says what is slow, the whole how slow.
    let all = measured.nodes_s.values().fold(0.0, |sum, s| sum + s);
    let of_profile = |(part, launch_s, took): (Part, f64, f64)| {
        let own = Equation::of((took * measured.seconds / all).ln(), vec![part, launch(launch_s)]);
        own.in_profile((took / all).min(1.0))
    };
    for timed in nodes.values_mut() {
        timed.share = timed.measured_s / all;
        timed.measured_s *= measured.seconds / all;
    }
    Comparison {
        graph: described.hash.to_string(),
        network: described.name.clone(),
        profile: profile.into_values().map(of_profile).collect(),
        nodes: nodes.into_values().collect(),
        roofline,
        whole: Equation::of(measured.seconds.ln(), predicted),
        spread: mean.spread,
    }
}

fn refuse_contradictions(records: &Records) -> Result<()> {
    let mut seen: BTreeMap<(&str, String, u64), (usize, f64)> = BTreeMap::new();
    for (i, row) in records.rows().iter().enumerate() {
        let Some(latency_s) = row.latency_s() else { continue };
        let key = (row.graph.as_str(), row.hardware.to_string(), row.batch);
        let &mut (first, other_s) = seen.entry(key).or_insert((i, latency_s));
        if (latency_s / other_s).ln().abs() > CONTRADICTION.ln() {
            return Err(CostModelError::Contradiction {
                graph: records.graph(&row.graph).map_or_else(|| row.graph.clone(), |g| g.name().to_owned()),
                hardware: row.hardware.to_string(),
                batch: row.batch,
                first: records.place(first).into(),
                second: records.place(i).into(),
                first_s: other_s,
                second_s: latency_s,
            });
        }
    }
    Ok(())
}

/// The correction of a platform, and what it is worth; or why its records are not to be believed.
fn calibrated(
    platform: &str,
    cases: &[Comparison],
    relatives: &[String],
) -> std::result::Result<(PlatformScale, PlatformReport), String> {
    let cases: Vec<&Comparison> = cases.iter().collect();
    let before: Vec<f64> =
        cases.iter().map(|c| c.whole.ln_measured - Factors::default().ln_predicted(&c.whole)).collect();
    let networks = networks(&cases);
    let fitted = match profiled(&cases) >= PROFILED {
        true => by_nodes(&cases, &networks),
        false => by_factors(&cases, relatives),
    };
    let too_far = |ln: f64, factor: f64| !ln.is_finite() || ln.abs() > factor.ln();
    // The factors are shrunk; what they were fitted to is not.
    let off = fit::median(before.clone());
    let factors = fitted.kinds.values().map(|c| c.ln).chain([fitted.ln_scale]);
    if too_far(off, NOT_SECONDS) || factors.into_iter().any(|ln| too_far(ln, BEYOND_BELIEF)) {
        return Err(format!(
            "on {platform} the records are {:.3e} times what is predicted: they are of other graphs, or not in seconds",
            off.exp()
        ));
    }
    let mut scores: BTreeMap<&str, f64> = BTreeMap::new();
    for ((case, network), off) in cases.iter().zip(&networks).zip(fitted.held_out.iter().flatten()) {
        let score = scores.entry(network).or_default();
        *score = score.max(off.abs() / scale(case.spread));
    }
    let graphs: BTreeSet<&str> = cases.iter().map(|c| c.graph.as_str()).collect();
    let report = PlatformReport {
        records: cases.len(),
        graphs: graphs.len(),
        profiled: profiled(&cases),
        networks: networks.iter().collect::<BTreeSet<_>>().len(),
        before: Errors::of(before),
        after: fitted.held_out.map(Errors::of),
    };
    let scale = PlatformScale {
        ln_scale: fitted.ln_scale,
        kinds: fitted.kinds,
        relatives: fitted.relatives,
        nodes: fitted.nodes,
        records: cases.len(),
        graphs: graphs.len(),
        scores: Conformal::new(scores.into_values().collect()),
    };
    Ok((scale, report))
}

fn profiled(cases: &[&Comparison]) -> usize {
    cases.iter().filter(|c| !c.profile.is_empty()).count()
}

/// A platform's corrections, and ln(measured / predicted) of each case by those that were fitted without its network; `None` if
/// there is only one.
struct Fitted {
    ln_scale: f64,
    kinds: BTreeMap<String, Correction>,
    relatives: BTreeMap<String, Relative>,
    nodes: Option<NodeTimes>,
    held_out: Option<Vec<f64>>,
}

/// Corrections of what the model says, by kind and by the platform's relatives.
fn by_factors(cases: &[&Comparison], relatives: &[String]) -> Fitted {
    let Chosen { factors, held_out } = Chosen::for_records(cases);
    Fitted {
        ln_scale: factors.platform,
        kinds: factors.levels,
        relatives: relatives.iter().cloned().zip(factors.relatives).filter(|(_, own)| own.weight != 0.0).collect(),
        nodes: None,
        held_out,
    }
}

/// What profiled nodes took, in place of what the model says of nodes. Profiles are in proportion to their networks' times, so
/// their nodes' times need no level.
fn by_nodes(cases: &[&Comparison], networks: &[&str]) -> Fitted {
    // What is left out together is one profile.
    let mut together: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (case, network) in networks.iter().enumerate() {
        together.entry(network).or_default().push(case);
    }
    let profile = |own: &Vec<usize>| own.iter().flat_map(|&case| cases[case].nodes.clone()).collect();
    let profiles: Vec<Vec<Timed>> = together.values().map(profile).collect();
    let nodes::Fitted { times, left_out } = nodes::fit(&profiles, cases[0].roofline);
    let mut off = vec![0.0; cases.len()];
    for (own, left_out) in together.values().zip(&left_out) {
        let mut left_out = left_out.iter();
        for &case in own {
            let nodes = cases[case].nodes.iter().zip(left_out.by_ref());
            let predicted_s: f64 = nodes.map(|(timed, ln)| timed.roofline_s * ln.exp()).sum();
            off[case] = cases[case].whole.ln_measured - predicted_s.ln();
        }
    }
    Fitted {
        ln_scale: 0.0,
        kinds: BTreeMap::new(),
        relatives: BTreeMap::new(),
        nodes: Some(times),
        held_out: (together.len() > 1).then_some(off),
    }
}

/// What is left out together: a network at two batch sizes is two plans of one name, which say the same. Where all have
/// the same name, that says nothing, and graphs are told apart.
fn networks<'a>(cases: &[&'a Comparison]) -> Vec<&'a str> {
    let one_name = cases.iter().all(|c| c.network == cases[0].network);
    cases.iter().map(|c| if one_name { c.graph.as_str() } else { c.network.as_str() }).collect()
}

/// The correction of one platform.
#[derive(Debug, Clone)]
pub struct Fit(Factors);

impl Fit {
    /// What calibration to these records of one platform gives; nothing for none.
    pub fn to<'a>(records: impl IntoIterator<Item = &'a Comparison>) -> Self {
        Fit(Chosen::for_records(&records.into_iter().collect::<Vec<_>>()).factors)
    }

    /// ln of the corrected seconds of a record of the platform.
    pub fn ln_predicted(&self, record: &Comparison) -> f64 {
        self.0.ln_predicted(&record.whole)
    }
}

impl Comparison {
    fn equations(&self) -> impl Iterator<Item = &Equation> {
        std::iter::once(&self.whole).chain(&self.profile)
    }
}

/// Shared ownership keeps a calibrated model as cheap as a reference.
pub(crate) type SharedCalibration = Option<Arc<Calibration>>;

#[cfg(test)]
mod tests;
