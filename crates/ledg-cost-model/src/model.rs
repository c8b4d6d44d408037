//! The cost model: a bundle, ready to answer.

use std::borrow::Cow;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;

use ledg_encoder::Encoder;
use ledg_graph::Graph;
use ledg_predictor::{NodeCost, PlatformInput, PredictorConfig};
use ledg_template::hardware::Platform;
use ledg_template::{NodeDescription, TemplateSet};
use once_cell::sync::OnceCell;

use crate::bundle::{Bundle, BundleHeader};
use crate::calibrate::kinds::Kind;
use crate::calibrate::{Calibration, PlatformScale, Relative, Relatives, SharedCalibration, SharedRelatives};
use crate::describe::{BatchScaling, DescribedGraph, Describer};
use crate::engine::{Answers, Engine, Platforms, Rows};
use crate::error::{CostModelError, Result};
use crate::estimate::{Estimate, NodeEstimate, PredictOptions};
use crate::measured::Measured;
use crate::parallel;
use crate::platform::RawPlatform;

/// The bundle that comes with the library.
static DEFAULT_BUNDLE: &[u8] = include_bytes!("../assets/default.ledg");

/// Most bytes of a bundle's file.
pub const MAX_BUNDLE_BYTES: u64 = 1 << 30;

/// A trained model. Immutable; cheap to clone, as clones share the weights.
///
/// ```
/// use ledg_cost_model::graph::{Attrs, DType, GraphBuilder, OpType};
/// use ledg_cost_model::{CostModel, HardwareRegistry, PredictOptions};
/// let mut b = GraphBuilder::new("toy");
/// let x = b.input("x", DType::F32, &[1, 64, 56, 56]);
/// let w = b.weight("w", DType::F32, &[64, 64, 1, 1]);
/// let y = b.activation("y", DType::F32, Some(&[1, 64, 56, 56]));
/// b.node("conv", OpType::onnx("Conv"), Attrs::new(), &[Some(x), Some(w)], &[y]);
/// b.output(y);
/// let graph = b.finish()?;
///
/// let model = CostModel::default_model()?;
/// let registry = HardwareRegistry::builtin();
/// let on = [(registry.resolve("rtx4090:amp")?, 64), (registry.resolve("l4")?, 64)];
/// let prepared = model.prepare(&graph)?;
/// let options = PredictOptions { per_node: true, ..PredictOptions::default() };
/// for estimate in model.predict(&prepared, &on, &options)? {
///     assert!(estimate.lo_s < estimate.latency_s && estimate.latency_s < estimate.hi_s);
///     assert_eq!(estimate.nodes.len(), 1);
/// }
/// assert!(model.has_measured("nvidia-rtx-4090") && !model.has_measured("nvidia-l4"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct CostModel {
    weights: Arc<Weights>,
    describer: Describer,
    calibration: SharedCalibration,
}

/// Batch sizes up to this one need no look at how many elements values then have.
pub(crate) const COUNTED_BATCH: u64 = 1 << 20;
/// Elements of a value that are counted exactly in an `f64`: the limit of graphs.
const COUNTED_ELEMENTS: f64 = (1_u64 << 53) as f64;

/// What clones of a model share.
struct Weights {
    header: BundleHeader,
    engine: Engine,
    encoder: Encoder,
    /// What the training data measured.
    measured: Measured,
    /// Its platforms, readied when a calibration first asks for them.
    relatives: OnceCell<SharedRelatives>,
    /// The bundle it came from, to be saved with another header.
    bytes: Cow<'static, [u8]>,
}

/// A graph as this model takes it: described, embedded, identical nodes merged. Prepare once, ask often.
pub struct PreparedGraph {
    described: DescribedGraph,
    rows: Rows,
    /// Whether a template covers each class of nodes.
    known: Vec<bool>,
    /// What the rows were computed with.
    weights: Arc<Weights>,
}

impl PreparedGraph {
    /// The graph in words and numbers.
    pub fn described(&self) -> &DescribedGraph {
        &self.described
    }

    /// A batch size in units of the batch that the graph's magnitudes are of.
    ///
    /// # Errors
    /// A batch size that cannot be.
    pub(crate) fn units(&self, batch: u64) -> Result<f64> {
        let described = &self.described;
        let impossible = |why| ledg_graph::GraphError::BadBatch { graph: described.name.clone(), batch, why };
        if batch == 0 {
            return Err(impossible("it must be at least 1").into());
        }
        if batch != described.batch && matches!(described.scaling, BatchScaling::Fixed { .. }) {
            return Err(
                impossible("its batch dimension cannot be followed, so it is known at its own batch only").into()
            );
        }
        let units = batch as f64 / described.unit as f64;
        // A graph's own elements can be counted, so smaller batches need no look at its nodes.
        let written = || described.nodes.iter().map(|n| n.magnitudes.write_elems).fold(0.0, f64::max);
        if batch > COUNTED_BATCH && written() * units > COUNTED_ELEMENTS {
            return Err(impossible("a value has more elements than can be counted").into());
        }
        Ok(units)
    }

    pub(crate) fn rows(&self) -> &Rows {
        &self.rows
    }

    fn costed(&self, batch: f64) -> Costed<'_> {
        let rows = &self.rows;
        Costed {
            name: &self.described.name,
            class_of: rows.class_of(),
            counts: rows.counts(),
            known: &self.known,
            batch,
            nodes: &self.described.nodes,
        }
    }
}

/// Platforms with their batch sizes, ready for many graphs.
pub(crate) struct Targets {
    pub raw: Vec<RawPlatform>,
    pub platforms: Platforms,
    pub batches: Vec<u64>,
}

/// A query: which of the platforms, and the batch in units of the graph's.
pub(crate) type Asked = (usize, f64);

/// What members say of a query together.
pub(crate) struct Mean {
    /// Mean of their ln seconds.
    pub ln_s: f64,
    /// Standard deviation of them.
    pub spread: f64,
}

impl Mean {
    pub fn of(ln_s: &[f64]) -> Self {
        let n = ln_s.len() as f64;
        let mean = ln_s.iter().sum::<f64>() / n;
        let spread = (ln_s.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n).sqrt();
        Mean { ln_s: mean, spread }
    }
}

/// What an estimate needs of a graph.
#[derive(Clone, Copy)]
pub(crate) struct Costed<'a> {
    pub name: &'a str,
    /// The class of each node.
    pub class_of: &'a [u32],
    /// Number of nodes of each class.
    pub counts: &'a [f32],
    /// Whether a template covers each class.
    pub known: &'a [bool],
    /// Batch size in units of the batch that the graph's magnitudes are of.
    pub batch: f64,
    /// The description of each node, looked at where a calibration tells kinds apart.
    pub nodes: &'a [NodeDescription],
}

impl Costed<'_> {
    /// What one node of each class costs by a calibration that tells kinds apart, but for the platform's own factor.
    fn by_kind(&self, costs: &[NodeCost], scale: &PlatformScale) -> Vec<NodeCost> {
        let mut corrected = vec![None; costs.len()];
        for (node, &class) in self.class_of.iter().enumerate() {
            let class = class as usize;
            // Nodes of a class have one description.
            corrected[class]
                .get_or_insert_with(|| scale.of_kind(&Kind::of(&self.nodes[node]), self.batch, &costs[class]));
        }
        corrected.into_iter().zip(costs).map(|(corrected, cost)| corrected.unwrap_or(*cost)).collect()
    }

    /// Seconds of the whole graph.
    fn total_s(&self, costs: &[NodeCost]) -> f64 {
        costs.iter().zip(self.counts).map(|(c, &n)| c.total_s() * f64::from(n)).sum()
    }
}

impl CostModel {
    /// The model that comes with the library; loaded once.
    ///
    /// # Errors
    /// Only if the library was built with a bundle that does not match it, which a test excludes.
    pub fn default_model() -> Result<Arc<CostModel>> {
        static MODEL: OnceCell<Arc<CostModel>> = OnceCell::new();
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
        let engine = Engine::new(&bundle).map_err(|error| CostModelError::Bundle {
            origin: origin.into(),
            why: format!("its weights are not those of the architecture in its header: {error}"),
        })?;
        let describer = Describer::new(templates, ledg_template::LowerOptions::default());
        let measured = Measured::of(&bundle.header.provenance.platforms);
        let calibration = bundle.header.calibration.take().map(Arc::new);
        let encoder = encoder.with_table(bundle.sentences)?;
        let relatives = OnceCell::new();
        let weights = Weights { header: bundle.header, engine, encoder, measured, relatives, bytes };
        let model = CostModel { weights: Arc::new(weights), describer, calibration };
        model.check_relatives(origin)?;
        Ok(model)
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
        self.weights.measured.has_device(device)
    }

    /// Whether the training data contained a node of that sentence. What it did not contain is estimated from its
    /// neighbours in the language model and its numbers.
    pub fn has_trained_on(&self, sentence: &str) -> bool {
        self.weights.encoder.in_table(sentence)
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
        self.weights.engine.forget();
        self.prepare_sharing(graph)
    }

    /// [`CostModel::prepare`], rows shared with the graphs that this thread has prepared since `Engine::forget`.
    fn prepare_sharing(&self, graph: &Graph) -> Result<PreparedGraph> {
        self.embedded(self.describer.describe(graph)?)
    }

    /// Readies a described graph for predictions; as [`CostModel::prepare`].
    ///
    /// # Errors
    /// What encoder or predictor refuse in the graph.
    pub fn prepare_described(&self, described: DescribedGraph) -> Result<PreparedGraph> {
        self.weights.engine.forget();
        self.embedded(described)
    }

    fn embedded(&self, described: DescribedGraph) -> Result<PreparedGraph> {
        let rows =
            self.weights.engine.graph(&described.input(&self.weights.encoder, &self.weights.header.normalization)?)?;
        let mut known = vec![true; rows.counts().len()];
        for (node, &class) in described.nodes.iter().zip(rows.class_of()) {
            known[class as usize] &= node.known;
        }
        Ok(PreparedGraph { rows, known, described, weights: Arc::clone(&self.weights) })
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
        self.predict_on(graph, &self.targets(on)?, options)
    }

    /// Expected latencies alone, in seconds, without any calibration: what a model can say that has no intervals.
    ///
    /// # Errors
    /// As [`CostModel::predict`].
    pub fn expected_s(&self, graph: &PreparedGraph, on: &[(Platform, u64)]) -> Result<Vec<f64>> {
        if on.is_empty() {
            return Ok(Vec::new());
        }
        if !Arc::ptr_eq(&graph.weights, &self.weights) {
            return self.expected_s(&self.prepare_described(graph.described.clone())?, on);
        }
        let (_, answers) = self.answers(graph, &self.targets(on)?)?;
        let one = |answers: &Answers| match Mean::of(&answers.ln_s).ln_s {
            ln_s if ln_s.is_finite() => Ok(ln_s.exp()),
            _ => Err(CostModelError::NotFinite { graph: graph.described.name.clone() }),
        };
        answers.iter().map(one).collect()
    }

    /// Estimates graphs on platforms, each graph's estimates in the order of the platforms.
    ///
    /// What the graphs have in common is computed once by each thread. Runs on this thread and, if `threads` is more than
    /// one, on others that end with the call. The estimates do not depend on the number of threads.
    ///
    /// # Errors
    /// By graph, as [`CostModel::prepare`] and [`CostModel::predict`]; for all, what is wrong with a platform.
    pub fn predict_all(
        &self,
        graphs: &[Graph],
        on: &[(Platform, u64)],
        options: &PredictOptions,
        threads: NonZeroUsize,
    ) -> Result<Vec<Result<Vec<Estimate>>>> {
        let targets = self.targets(on)?;
        let one = |graph: &Graph| self.predict_on(&self.prepare_sharing(graph)?, &targets, options);
        Ok(parallel::map(graphs, threads, || self.weights.engine.forget(), one))
    }

    pub(crate) fn predict_on(
        &self,
        graph: &PreparedGraph,
        on: &Targets,
        options: &PredictOptions,
    ) -> Result<Vec<Estimate>> {
        if !Arc::ptr_eq(&graph.weights, &self.weights) {
            // Another model readied it: its rows mean nothing to these weights, its description does.
            return self.predict_on(&self.prepare_described(graph.described.clone())?, on, options);
        }
        let (queries, answers) = self.answers(graph, on)?;
        let one = |((answers, raw), &(_, batch)): ((&Answers, &RawPlatform), &(usize, f64))| {
            let added = match self.calibration().and_then(|c| c.of(&raw.name)) {
                Some(scale) => self.by_relatives(graph, scale, batch, Mean::of(&answers.ln_s).ln_s)?,
                None => 0.0,
            };
            self.estimate(graph.costed(batch), answers, raw, (options, added))
        };
        answers.iter().zip(&on.raw).zip(&queries).map(one).collect()
    }

    /// What the members say of a graph that this model readied, uncalibrated, with the queries (platform, batch in units).
    pub(crate) fn answers(&self, graph: &PreparedGraph, on: &Targets) -> Result<(Vec<Asked>, Vec<Answers>)> {
        let batches = on.batches.iter().enumerate();
        let queries: Vec<Asked> = batches.map(|(i, &batch)| Ok((i, graph.units(batch)?))).collect::<Result<_>>()?;
        let answers = self.weights.engine.answer(&graph.rows, &on.platforms, &queries)?;
        Ok((queries, answers))
    }

    /// A platform as this model sees it: its words, and rates by the model's rules.
    ///
    /// # Errors
    /// [`CostModelError::MissingFigure`] when the data sheet states no bandwidth.
    pub fn sees(&self, platform: &Platform) -> Result<RawPlatform> {
        let PredictorConfig { rates, settings, movement, .. } = self.weights.header.predictor;
        RawPlatform::seen_with(platform, rates, settings, movement)
    }

    /// Readies platforms.
    pub(crate) fn targets(&self, on: &[(Platform, u64)]) -> Result<Targets> {
        let raw: Vec<RawPlatform> = on.iter().map(|(p, _)| self.sees(p)).collect::<Result<_>>()?;
        let platforms = self.weights.engine.platforms(&self.platform_inputs(&raw)?)?;
        Ok(Targets { raw, platforms, batches: on.iter().map(|(_, batch)| *batch).collect() })
    }

    /// The platforms that training measured.
    pub(crate) fn relatives(&self) -> Result<&Relatives> {
        if let Some(relatives) = self.weights.relatives.get() {
            return Ok(relatives);
        }
        let made = Arc::new(Relatives::new(self)?);
        Ok(self.weights.relatives.get_or_init(|| made))
    }

    /// Whether the platforms that a calibration speaks of are there.
    fn check_relatives(&self, origin: &str) -> Result<()> {
        for (name, scale) in self.calibration().iter().flat_map(|c| &c.platforms) {
            for relative in scale.relatives.keys() {
                if self.relatives()?.place(relative).is_none() {
                    let why = format!(
                        "header: calibration of `{name}` rests on `{relative}`, which training did not measure"
                    );
                    return Err(CostModelError::Bundle { origin: origin.into(), why });
                }
            }
        }
        Ok(())
    }

    /// What the relatives of a calibrated platform add to a ln latency of which the uncalibrated model says `ln_s`.
    fn by_relatives(&self, graph: &PreparedGraph, scale: &PlatformScale, batch: f64, ln_s: f64) -> Result<f64> {
        if scale.relatives.is_empty() {
            return Ok(0.0);
        }
        let all = self.relatives()?;
        // That all are there was checked when the calibration was made or read.
        let own = scale.relatives.iter().filter_map(|(name, relative)| Some((all.place(name)?, relative)));
        let (places, own): (Vec<usize>, Vec<&Relative>) = own.unzip();
        let on = all.ln_s(self, &graph.rows, &places, batch)?;
        Ok(own.iter().zip(on).map(|(relative, on)| relative.adds(on - ln_s)).sum())
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.weights.engine
    }

    fn platform_inputs(&self, raw: &[RawPlatform]) -> Result<Vec<PlatformInput>> {
        let sentences: Vec<&str> = raw.iter().map(|p| p.sentence.as_str()).collect();
        let vectors = self.weights.encoder.embed(&sentences)?;
        let input = |(p, v): (&RawPlatform, &Arc<[f32]>)| {
            let input = p.input(v, &self.weights.header.normalization);
            if self.has_measured(p.device()) { input } else { input.without_identity() }
        };
        Ok(raw.iter().zip(&vectors).map(input).collect())
    }

    /// Combines the members' answers to one query: the geometric mean of their latencies, by a calibration's factors and what
    /// it adds to the ln latency for the platform's relatives.
    pub(crate) fn estimate(
        &self,
        graph: Costed<'_>,
        answers: &Answers,
        platform: &RawPlatform,
        (options, added): (&PredictOptions, f64),
    ) -> Result<Estimate> {
        let Mean { ln_s: mean, spread } = Mean::of(&answers.ln_s);
        let calibrated = self.calibration().and_then(|c| c.of(&platform.name));
        let by_kind = match (&answers.classes, calibrated.filter(|c| c.tells_kinds_apart())) {
            (Some(costs), Some(scale)) => Some(graph.by_kind(&mean_costs(costs, mean.exp(), graph.counts), scale)),
            _ => None,
        };
        let costs = by_kind.as_ref().or(answers.classes.as_ref());
        let shift = by_kind.as_ref().map_or(0.0, |corrected| graph.total_s(corrected).ln() - mean);
        let mean = mean + shift + added + calibrated.map_or(0.0, |c| c.ln_scale);
        let latency_s = mean.exp();
        if !latency_s.is_finite() {
            return Err(CostModelError::NotFinite { graph: graph.name.to_owned() });
        }
        let measured = self.has_measured(platform.device());
        let measured_as_run = self.weights.measured.has_way(&platform.name);
        let (conformal, kind) = (&self.weights.header.conformal, platform.kind.name());
        let general = conformal.half_width(kind, measured_as_run, options.coverage, spread)?;
        let half = calibrated.and_then(|c| c.half_width(options.coverage, spread)).unwrap_or(general);
        let all_known = graph.known.iter().all(|&k| k);
        let classes = match costs {
            Some(costs) if options.per_node || !all_known => Some(mean_costs(costs, latency_s, graph.counts)),
            _ => None,
        };
        let known = if all_known { 1.0 } else { known_share(graph, classes.as_deref(), latency_s) };
        let nodes = match (&classes, options.per_node) {
            (Some(classes), true) => node_estimates(graph.class_of, classes),
            _ => Vec::new(),
        };
        let (lo_s, hi_s) = ((mean - half).exp(), (mean + half).exp());
        let calibrated = calibrated.is_some();
        Ok(Estimate { latency_s, lo_s, hi_s, known, spread, measured, measured_as_run, calibrated, nodes })
    }
}

/// Each class's cost, scaled so that the sum over all nodes is the latency.
pub(crate) fn mean_costs(sum: &[NodeCost], latency_s: f64, counts: &[f32]) -> Vec<NodeCost> {
    let all: f64 = sum.iter().zip(counts).map(|(c, &n)| c.total_s() * f64::from(n)).sum();
    sum.iter().map(|cost| cost.scaled(latency_s / all)).collect()
}

/// Share of the latency, or of the nodes where the model has no costs by node, that templates cover.
fn known_share(graph: Costed<'_>, classes: Option<&[NodeCost]>, latency_s: f64) -> f64 {
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
