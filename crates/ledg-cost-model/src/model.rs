//! The cost model: a bundle, ready to answer.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use candle_core::Tensor;
use ledg_encoder::Encoder;
use ledg_graph::Graph;
use ledg_predictor::{GraphBatch, Mode, NodeCost, PlatformBatch, PlatformInput, Predictor, Query, QuotientGraph};
use ledg_template::TemplateSet;
use ledg_template::hardware::Platform;

use crate::bundle::{Bundle, BundleHeader};
use crate::calibrate::{Calibration, SharedCalibration};
use crate::describe::{BatchScaling, DescribedGraph, Describer};
use crate::error::{CostModelError, Result};
use crate::estimate::{Estimate, NodeEstimate, PredictOptions};
use crate::platform::RawPlatform;

/// The bundle that comes with the library.
static DEFAULT_BUNDLE: &[u8] = include_bytes!("../assets/default.ledg");

/// Most bytes of a bundle's file.
pub const MAX_BUNDLE_BYTES: u64 = 1 << 30;

/// A trained model. Immutable; cheap to clone, as clones share the weights.
#[derive(Clone)]
pub struct CostModel {
    weights: Arc<Weights>,
    describer: Describer,
    calibration: SharedCalibration,
}

/// What clones of a model share.
struct Weights {
    header: BundleHeader,
    members: Vec<Predictor>,
    encoder: Encoder,
    /// Devices that the training data measured.
    measured: BTreeSet<String>,
    /// The bundle it came from, to be saved with another header.
    bytes: Cow<'static, [u8]>,
}

/// A graph as this model takes it: described, embedded, identical nodes merged. Prepare once, ask often.
pub struct PreparedGraph {
    described: DescribedGraph,
    batch: GraphBatch,
    class_of: Vec<u32>,
    counts: Vec<f32>,
    /// Whether a template covers each class of nodes.
    known: Vec<bool>,
    /// The part of the answers that depends on neither hardware nor batch size, by member, once it was asked for; with the
    /// weights that computed it.
    trunk: OnceLock<(Arc<Weights>, Vec<Tensor>)>,
}

impl PreparedGraph {
    /// The graph in words and numbers.
    pub fn described(&self) -> &DescribedGraph {
        &self.described
    }
}

impl CostModel {
    /// The model that comes with the library; loaded once.
    ///
    /// # Errors
    /// Only if the library was built with a bundle that does not match it, which a test excludes.
    pub fn default_model() -> Result<Arc<CostModel>> {
        static MODEL: OnceLock<Arc<CostModel>> = OnceLock::new();
        if let Some(model) = MODEL.get() {
            return Ok(Arc::clone(model));
        }
        let bytes = Cow::Borrowed(DEFAULT_BUNDLE);
        let model = Arc::new(Self::from_cow(bytes, "(built in)", TemplateSet::builtin()?)?);
        Ok(Arc::clone(MODEL.get_or_init(|| model)))
    }

    /// A model from a bundle's bytes, with templates; `origin` names it in errors.
    ///
    /// # Errors
    /// As [`Bundle::from_bytes`] and [`Bundle::predictors`].
    pub fn from_bytes(bytes: &[u8], origin: &str, templates: TemplateSet) -> Result<Self> {
        Self::from_cow(Cow::Owned(bytes.to_vec()), origin, templates)
    }

    /// A model from a bundle's file, with the built-in templates.
    ///
    /// # Errors
    /// As [`CostModel::from_bytes`], and when the file cannot be read or is larger than [`MAX_BUNDLE_BYTES`].
    pub fn load(path: &Path) -> Result<Self> {
        let bytes = crate::files::read(path, MAX_BUNDLE_BYTES)?;
        Self::from_cow(Cow::Owned(bytes), &path.display().to_string(), TemplateSet::builtin()?)
    }

    fn from_cow(bytes: Cow<'static, [u8]>, origin: &str, templates: TemplateSet) -> Result<Self> {
        let encoder = Encoder::pretrained()?;
        let mut bundle = Bundle::from_bytes(&bytes, origin, &templates, &encoder)?;
        let members = bundle.predictors()?;
        let describer = Describer::new(templates, ledg_template::LowerOptions::default());
        let platforms = bundle.header.provenance.platforms.iter();
        let measured = platforms.map(|p| p.split(':').next().unwrap_or(p).to_owned()).collect();
        let calibration = bundle.header.calibration.take().map(Arc::new);
        let encoder = encoder.with_table(bundle.sentences)?;
        let weights = Weights { header: bundle.header, members, encoder, measured, bytes };
        Ok(CostModel { weights: Arc::new(weights), describer, calibration })
    }

    /// The model as a bundle, its calibration included.
    ///
    /// # Errors
    /// As [`Bundle::to_bytes`].
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let builtin = TemplateSet::builtin()?;
        let mut bundle = Bundle::from_bytes(&self.weights.bytes, "(loaded)", &builtin, &Encoder::pretrained()?)?;
        bundle.header.calibration = self.calibration().cloned();
        bundle.to_bytes()
    }

    /// Writes the model as a bundle: to a temporary name first, renamed when complete.
    ///
    /// # Errors
    /// As [`CostModel::to_bytes`], and when the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        crate::files::write(path, &self.to_bytes()?)
    }

    /// The same weights with other corrections by platform in place of any it has.
    pub(crate) fn with_calibration(&self, calibration: Calibration) -> CostModel {
        let calibration = (!calibration.platforms.is_empty()).then(|| Arc::new(calibration));
        CostModel { calibration, ..self.clone() }
    }

    /// The same weights with templates of further operators, `(origin, text)`. They add to what the model was trained
    /// with and can override nothing; they are not saved with it.
    ///
    /// # Errors
    /// As [`TemplateSet::with_toml`].
    pub fn with_templates<'a>(&self, files: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<CostModel> {
        let mut templates = self.describer.templates().clone();
        for (origin, text) in files {
            templates = templates.with_toml(origin, text)?;
        }
        let describer = Describer::new(templates, ledg_template::LowerOptions::default());
        Ok(CostModel { describer, ..self.clone() })
    }

    /// Corrections by platform, if the model was calibrated.
    pub fn calibration(&self) -> Option<&Calibration> {
        self.calibration.as_deref()
    }

    /// The bundle's header: configuration, provenance, conformal table.
    pub fn header(&self) -> &BundleHeader {
        &self.weights.header
    }

    /// Whether the training data measured that device; others are estimated from their data sheets.
    pub fn has_measured(&self, device: &str) -> bool {
        self.weights.measured.contains(device)
    }

    /// The encoder, with what it has embedded so far.
    pub fn encoder(&self) -> &Encoder {
        &self.weights.encoder
    }

    /// Turns graphs into words and numbers.
    pub fn describer(&self) -> &Describer {
        &self.describer
    }

    /// Readies a graph for predictions.
    ///
    /// # Errors
    /// What templates, encoder or predictor refuse in the graph.
    pub fn prepare(&self, graph: &Graph) -> Result<PreparedGraph> {
        let described = self.describer.describe(graph)?;
        let config = &self.weights.header.predictor;
        let input = described.input(&self.weights.encoder, &self.weights.header.normalization)?;
        let quotient = QuotientGraph::new(&input, config.attention, config.n_layers)?;
        let mut known = vec![true; quotient.counts.len()];
        for (node, &class) in described.nodes.iter().zip(&quotient.class_of) {
            known[class as usize] &= node.known;
        }
        Ok(PreparedGraph {
            batch: GraphBatch::new(&[&quotient], config, self.weights.members[0].dtype())?,
            class_of: quotient.class_of,
            counts: quotient.counts,
            known,
            described,
            trunk: OnceLock::new(),
        })
    }

    /// Estimates a graph on platforms, each at its batch size, in the same order. The part that does not depend on
    /// hardware is computed once.
    ///
    /// # Errors
    /// A batch of 0, or other than its own for a graph without a batch dimension; a platform without the figures needed; a coverage the model was not calibrated for.
    pub fn predict(
        &self,
        graph: &PreparedGraph,
        on: &[(Platform, u64)],
        options: &PredictOptions,
    ) -> Result<Vec<Estimate>> {
        if on.is_empty() {
            return Ok(Vec::new());
        }
        let raw: Vec<RawPlatform> = on.iter().map(|(p, _)| RawPlatform::new(p)).collect::<Result<_>>()?;
        let queries: Vec<Query> =
            on.iter().enumerate().map(|(i, &(_, batch))| self.query(graph, i, batch)).collect::<Result<_>>()?;
        let platforms = PlatformBatch::new(
            &self.platform_inputs(&raw)?,
            &self.weights.header.predictor,
            self.weights.members[0].dtype(),
        )?;
        let mut members = Vec::with_capacity(self.weights.members.len());
        let trunk = self.trunk(graph)?;
        for (predictor, h) in self.weights.members.iter().zip(trunk.iter()) {
            members.push(match predictor.node_costs(h, &graph.batch, &platforms, &queries)? {
                Some(costs) => MemberAnswer::ByNode(costs),
                None => {
                    let ln = predictor.latencies(h, &graph.batch, &platforms, &queries, &Mode::Eval)?;
                    MemberAnswer::Total(ln.to_dtype(candle_core::DType::F64)?.to_vec1()?)
                }
            });
        }
        (0..queries.len()).map(|q| self.estimate(graph, &members, q, &raw[q], options)).collect()
    }

    /// The trunk's output by member, computed once a graph. Threads that come at the same time compute the same bits.
    fn trunk<'a>(&self, graph: &'a PreparedGraph) -> Result<Cow<'a, [Tensor]>> {
        let mine = || graph.trunk.get().filter(|(weights, _)| Arc::ptr_eq(weights, &self.weights));
        if let Some((_, trunk)) = mine() {
            return Ok(Cow::Borrowed(trunk));
        }
        let members = self.weights.members.iter();
        let trunk = members.map(|p| Ok(p.trunk(&graph.batch, &Mode::Eval)?)).collect::<Result<Vec<Tensor>>>()?;
        // A graph that another model asked about first keeps that one's.
        let _ = graph.trunk.set((Arc::clone(&self.weights), trunk.clone()));
        Ok(Cow::Owned(trunk))
    }

    fn query(&self, graph: &PreparedGraph, platform: usize, batch: u64) -> Result<Query> {
        let described = &graph.described;
        let impossible = |why| ledg_graph::GraphError::BadBatch { graph: described.name.clone(), batch, why };
        if batch == 0 {
            return Err(impossible("it must be at least 1").into());
        }
        if batch != described.batch && matches!(described.scaling, BatchScaling::Fixed { .. }) {
            return Err(
                impossible("its batch dimension cannot be followed, so it is known at its own batch only").into()
            );
        }
        Ok(Query { graph: 0, platform, batch: batch as f64 / described.unit as f64 })
    }

    fn platform_inputs(&self, raw: &[RawPlatform]) -> Result<Vec<PlatformInput>> {
        let sentences: Vec<&str> = raw.iter().map(|p| p.sentence.as_str()).collect();
        let vectors = self.weights.encoder.embed(&sentences)?;
        let input = |(p, v): (&RawPlatform, &Arc<[f32]>)| {
            let input = p.input(v, &self.weights.header.normalization);
            if self.weights.measured.contains(p.device()) { input } else { input.without_identity() }
        };
        Ok(raw.iter().zip(&vectors).map(input).collect())
    }

    /// Combines the members' answers to one query: the geometric mean of their latencies.
    fn estimate(
        &self,
        graph: &PreparedGraph,
        members: &[MemberAnswer],
        q: usize,
        platform: &RawPlatform,
        options: &PredictOptions,
    ) -> Result<Estimate> {
        let ln: Vec<f64> = members.iter().map(|m| m.ln_latency(q, &graph.counts)).collect();
        let n = ln.len() as f64;
        let mean = ln.iter().sum::<f64>() / n;
        let spread = (ln.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n).sqrt();
        let shift = self.calibration().and_then(|c| c.shift(&platform.name));
        let calibrated = shift.is_some();
        let mean = mean + shift.as_ref().map_or(0.0, |s| s.ln_scale);
        let latency_s = mean.exp();
        if !latency_s.is_finite() {
            let why = "the estimate is not finite: a magnitude of the graph is out of range";
            return Err(CostModelError::Bundle { origin: graph.described.name.clone(), why: why.into() });
        }
        let measured = self.has_measured(platform.device());
        let general =
            self.weights.header.conformal.half_width(platform.kind.name(), measured, options.coverage, spread)?;
        let half = shift.and_then(|s| s.half_width(options.coverage, spread)).unwrap_or(general);
        let classes = mean_costs(members, q, latency_s, &graph.counts);
        let known =
            if graph.known.iter().all(|&k| k) { 1.0 } else { known_share(graph, classes.as_deref(), latency_s) };
        let nodes = match (&classes, options.per_node) {
            (Some(classes), true) => node_estimates(&graph.class_of, classes),
            _ => Vec::new(),
        };
        let (lo_s, hi_s) = ((mean - half).exp(), (mean + half).exp());
        Ok(Estimate { latency_s, lo_s, hi_s, known, spread, measured, calibrated, nodes })
    }
}

/// One member's answer to all queries.
enum MemberAnswer {
    /// Costs by query and class of nodes.
    ByNode(Vec<Vec<NodeCost>>),
    /// ln seconds by query.
    Total(Vec<f64>),
}

impl MemberAnswer {
    fn ln_latency(&self, q: usize, counts: &[f32]) -> f64 {
        match self {
            MemberAnswer::ByNode(costs) => {
                costs[q].iter().zip(counts).map(|(c, &n)| c.total_s() * f64::from(n)).sum::<f64>().ln()
            }
            MemberAnswer::Total(ln) => ln[q],
        }
    }
}

/// Mean over the members of each class's cost, scaled so that the sum over all nodes is the latency.
fn mean_costs(members: &[MemberAnswer], q: usize, latency_s: f64, counts: &[f32]) -> Option<Vec<NodeCost>> {
    let mut sum = vec![NodeCost { compute_s: 0.0, issue_s: 0.0, memory_s: 0.0, launch_s: 0.0 }; counts.len()];
    for member in members {
        let MemberAnswer::ByNode(costs) = member else { return None };
        for (total, cost) in sum.iter_mut().zip(&costs[q]) {
            total.compute_s += cost.compute_s;
            total.issue_s += cost.issue_s;
            total.memory_s += cost.memory_s;
            total.launch_s += cost.launch_s;
        }
    }
    let all: f64 = sum.iter().zip(counts).map(|(c, &n)| c.total_s() * f64::from(n)).sum();
    for cost in &mut sum {
        cost.compute_s *= latency_s / all;
        cost.issue_s *= latency_s / all;
        cost.memory_s *= latency_s / all;
        cost.launch_s *= latency_s / all;
    }
    Some(sum)
}

/// Share of the latency, or of the nodes where the model has no costs by node, that templates cover.
fn known_share(graph: &PreparedGraph, classes: Option<&[NodeCost]>, latency_s: f64) -> f64 {
    let covered = |weight: &dyn Fn(usize) -> f64| -> f64 {
        let weights =
            (0..graph.known.len()).filter(|&c| graph.known[c]).map(|c| weight(c) * f64::from(graph.counts[c]));
        // Not `sum`: that of nothing is -0.
        weights.fold(0.0, |sum, x| sum + x)
    };
    match classes {
        Some(classes) => (covered(&|c| classes[c].total_s()) / latency_s).clamp(0.0, 1.0),
        None => covered(&|_| 1.0) / graph.class_of.len() as f64,
    }
}

fn node_estimates(class_of: &[u32], classes: &[NodeCost]) -> Vec<NodeEstimate> {
    let estimate = |(node, &class): (usize, &u32)| {
        let cost = &classes[class as usize];
        NodeEstimate {
            node,
            latency_s: cost.total_s(),
            compute_s: cost.compute_s,
            issue_s: cost.issue_s,
            memory_s: cost.memory_s,
            launch_s: cost.launch_s,
        }
    };
    class_of.iter().enumerate().map(estimate).collect()
}
