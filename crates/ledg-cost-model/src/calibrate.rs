//! Calibration to a device from a handful of measured records.
//!
//! For every platform with records a scale is fitted to `ln(measured / predicted)`: a Huber location, so that a few
//! strange records do not decide, shrunk towards no correction by `k / (n + k)`, `k = σ²/τ²`: σ is how far the platform's
//! records scatter around their location, τ how far platforms lie from the model's own level. One record of an ordinary
//! scatter moves the prediction nine tenths of the way, ten records by 99 %. A scale speaks of one platform (a device and
//! how it runs graphs); other platforms keep their predictions.
//!
//! Intervals of a calibrated platform come from its own records where there are enough for the coverage asked for: each
//! graph's score is the largest residual of its records against the scale fitted without that graph. Where there are not
//! enough, the model's interval stays, moved with the prediction.
//!
//! **Invariant:** a calibration never changes the model it came from, and none from no records: the result then predicts
//! the same bits.

use std::collections::BTreeMap;
use std::sync::Arc;

use ledg_template::hardware::Platform;
use serde::{Deserialize, Serialize};

use crate::conformal::{Conformal, scale};
use crate::error::{CostModelError, Result};
use crate::estimate::PredictOptions;
use crate::model::CostModel;
use crate::records::Records;

/// Standard deviation of platforms' levels around the model's that is assumed before there are records, in ln latency. Wide:
/// a few records outweigh it.
const PLATFORM_STD: f64 = 0.5;
/// Scatter of records around their platform's level that is assumed before there are any, and the weight of that
/// assumption in records.
const PRIOR_STD: f64 = 0.15;
const PRIOR_RECORDS: f64 = 4.0;
/// Beyond so many standard deviations a record's pull stops growing (95 % efficiency where there are no outliers).
const HUBER: f64 = 1.345;
/// The least scale of the Huber location, so that records that agree exactly do not make all others outliers.
const LEAST_SCALE: f64 = 0.02;
/// Medians of the same graph, platform and batch further apart than this factor contradict each other.
const CONTRADICTION: f64 = 1.5;
/// Scales beyond this factor say that the records are not of that graph or in another unit.
const BEYOND_BELIEF: f64 = 1e3;
/// Queries asked together.
const TOGETHER: usize = 256;

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
    /// Records it was fitted to.
    pub records: usize,
    /// Distinct graphs among them.
    pub graphs: usize,
    /// Scores of the graphs against scales fitted without them.
    pub scores: Conformal,
}

impl Calibration {
    pub(crate) fn check(&self) -> std::result::Result<(), String> {
        for (name, p) in &self.platforms {
            let sound = p.ln_scale.is_finite()
                && p.ln_scale.abs() <= BEYOND_BELIEF.ln()
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
}

/// One record against its prediction.
struct Residual<'a> {
    graph: &'a str,
    /// ln(measured / predicted).
    ln_ratio: f64,
    spread: f64,
}

impl CostModel {
    /// A new model, calibrated to records. Scales are fitted to what the uncalibrated model predicts; a platform that
    /// was calibrated before gets a new scale if the records speak of it and keeps its old one if not. Failed runs count
    /// for nothing.
    ///
    /// # Errors
    /// Records that contradict each other, records a thousandfold off, and whatever a prediction of their graphs meets.
    pub fn calibrate(&self, records: &Records) -> Result<CostModel> {
        refuse_contradictions(records)?;
        let mut calibration = self.calibration().cloned().unwrap_or_default();
        for (name, residuals) in self.residuals(records)? {
            calibration.platforms.insert(name.clone(), fit(&name, &residuals)?);
        }
        Ok(self.with_calibration(calibration))
    }

    fn residuals<'a>(&self, records: &'a Records) -> Result<BTreeMap<String, Vec<Residual<'a>>>> {
        let raw = self.with_calibration(Calibration::default());
        let mut by_graph: BTreeMap<&str, Vec<(usize, f64)>> = BTreeMap::new();
        for (i, row) in records.rows().iter().enumerate() {
            if let Some(measured) = row.latency_s() {
                by_graph.entry(&row.graph).or_default().push((i, measured));
            }
        }
        let mut found: BTreeMap<usize, Residual> = BTreeMap::new();
        for (hash, measured) in by_graph {
            let unknown = || CostModelError::Record {
                origin: "(records)".into(),
                line: None,
                why: format!("graph `{hash}` is not defined"),
            };
            let prepared = raw.prepare(records.graph(hash).ok_or_else(unknown)?)?;
            for part in measured.chunks(TOGETHER) {
                let row = |i: usize| &records.rows()[i];
                let on: Vec<(Platform, u64)> =
                    part.iter().map(|&(i, _)| (Platform::clone(&row(i).hardware), row(i).batch)).collect();
                let estimates = raw.predict(&prepared, &on, &PredictOptions::default())?;
                for (&(i, seconds), estimate) in part.iter().zip(&estimates) {
                    let ln_ratio = (seconds / estimate.latency_s).ln();
                    found.insert(i, Residual { graph: hash, ln_ratio, spread: estimate.spread });
                }
            }
        }
        let mut by_platform: BTreeMap<String, Vec<Residual>> = BTreeMap::new();
        for (i, residual) in found {
            by_platform.entry(records.rows()[i].hardware.to_string()).or_default().push(residual);
        }
        Ok(by_platform)
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
                first: first + 1,
                second: i + 1,
                first_s: other_s,
                second_s: latency_s,
            });
        }
    }
    Ok(())
}

fn fit(platform: &str, residuals: &[Residual]) -> Result<PlatformScale> {
    let all: Vec<f64> = residuals.iter().map(|r| r.ln_ratio).collect();
    let ln_scale = shrunk_location(&all);
    if !ln_scale.is_finite() || ln_scale.abs() > BEYOND_BELIEF.ln() {
        let why = format!(
            "on {platform} the records are {:.3e} times what is predicted: they are of other graphs, or not in seconds",
            ln_scale.exp()
        );
        return Err(CostModelError::Record { origin: "(records)".into(), line: None, why });
    }
    let graphs: std::collections::BTreeSet<&str> = residuals.iter().map(|r| r.graph).collect();
    let mut scores = Vec::new();
    if graphs.len() > 1 {
        for graph in &graphs {
            let others: Vec<f64> = residuals.iter().filter(|r| r.graph != *graph).map(|r| r.ln_ratio).collect();
            let without = shrunk_location(&others);
            let own = residuals.iter().filter(|r| r.graph == *graph);
            scores.push(own.map(|r| (r.ln_ratio - without).abs() / scale(r.spread)).fold(0.0, f64::max));
        }
    }
    Ok(PlatformScale { ln_scale, records: all.len(), graphs: graphs.len(), scores: Conformal::new(scores) })
}

/// What a calibration to these records adds to a platform's ln latencies, from ln(measured / predicted) of each. For
/// evaluations that calibrate other predictions than a model's; [`CostModel::calibrate`] is the way to calibrate a model.
/// Nothing is added for no records.
pub fn calibrated_level(ln_ratios: &[f64]) -> f64 {
    if ln_ratios.is_empty() { 0.0 } else { shrunk_location(ln_ratios) }
}

/// The Huber location of ln ratios, shrunk towards zero.
fn shrunk_location(x: &[f64]) -> f64 {
    let n = x.len() as f64;
    let location = huber_location(x);
    let squares: f64 = x.iter().map(|v| (v - location).abs().min(3.0 * PRIOR_STD).powi(2)).sum();
    let variance = (PRIOR_RECORDS * PRIOR_STD.powi(2) + squares) / (PRIOR_RECORDS + n);
    let k = variance / PLATFORM_STD.powi(2);
    location * n / (n + k)
}

fn huber_location(x: &[f64]) -> f64 {
    let mut location = median(x.to_vec());
    let deviation = 1.4826 * median(x.iter().map(|v| (v - location).abs()).collect());
    let threshold = HUBER * deviation.max(LEAST_SCALE);
    for _ in 0..50 {
        let weight = |v: &f64| threshold / (v - location).abs().max(threshold);
        let (sum, total) = x.iter().fold((0.0, 0.0), |(s, t), v| (s + weight(v) * v, t + weight(v)));
        let next = sum / total;
        if (next - location).abs() < 1e-12 {
            break;
        }
        location = next;
    }
    location
}

fn median(mut x: Vec<f64>) -> f64 {
    x.sort_by(f64::total_cmp);
    let middle = x.len() / 2;
    if x.len() % 2 == 1 { x[middle] } else { (x[middle - 1] + x[middle]) / 2.0 }
}

/// The interval's half-width and the shift of a platform, if it was calibrated.
pub(crate) struct Shift<'a> {
    pub(crate) ln_scale: f64,
    scores: &'a Conformal,
}

impl Calibration {
    pub(crate) fn shift(&self, platform: &str) -> Option<Shift<'_>> {
        self.platforms.get(platform).map(|p| Shift { ln_scale: p.ln_scale, scores: &p.scores })
    }
}

impl Shift<'_> {
    /// The half-width by the platform's own records, if there are enough of them for that coverage.
    pub(crate) fn half_width(&self, coverage: f64, spread: f64) -> Option<f64> {
        self.scores.quantile(coverage).ok().map(|q| q * scale(spread))
    }
}

/// Shared ownership keeps a calibrated model as cheap as a reference.
pub(crate) type SharedCalibration = Option<Arc<Calibration>>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_strange_record_does_not_decide() {
        let mut x = vec![0.5; 9];
        x.push(6.0);
        assert!((huber_location(&x) - 0.5).abs() < 0.01, "{}", huber_location(&x));
        assert_eq!(huber_location(&[0.3]), 0.3);
    }

    #[test]
    fn shrinkage_by_hand() {
        // One record: the scatter is the prior's, k = 4/5 * 0.15² / 0.25 = 0.072.
        assert!((shrunk_location(&[1.0]) - 1.0 / 1.072).abs() < 1e-12);
        // Ten that agree: k = 4/14 * 0.0225 / 0.25.
        assert_eq!((calibrated_level(&[1.0]), calibrated_level(&[])), (shrunk_location(&[1.0]), 0.0));
        assert!((shrunk_location(&[1.0; 10]) - 10.0 / (10.0 + 4.0 / 14.0 * 0.09)).abs() < 1e-12);
    }

    mod with_the_default_model {
        use ledg_graph::{Attrs, DType, Graph, GraphBuilder, Limits, OpType};

        use super::super::*;
        use crate::records::Outcome;
        use crate::{HardwareRegistry, PredictOptions};

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

        fn predict(model: &CostModel, graph: &Graph, on: &Platform) -> crate::Estimate {
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
            let width = |e: &crate::Estimate| (e.hi_s / e.lo_s).ln();
            assert!(
                after.calibrated && width(&after) < width(&before) / 2.0,
                "records that agree give a narrow interval"
            );
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
            assert!(message.starts_with("records 1 and 3 contradict each other: conv 16 on nvidia-t4"), "{message}");
            let mut records = Records::new();
            push(&mut records, 1e4);
            let message = model.calibrate(&records).err().unwrap().to_string();
            assert!(message.contains("not in seconds"), "{message}");
            let bad = "{\"ledg_records\":1}\n{\"graph\":\"x\",\"hardware\":\"t4\",\"batch\":1,\"runs_s\":[1.0]}\n";
            let error = Records::from_jsonl("r", bad, &HardwareRegistry::builtin(), Limits::default()).err().unwrap();
            assert_eq!(error.to_string(), "records r, line 2: graph `x` is not defined on a line before");
        }
    }
}
