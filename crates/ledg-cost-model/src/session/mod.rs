//! Asking again after local edits: a compiler's inner loop.
//!
//! A session holds a graph with all that is known of it ([`base`]). Of an edited graph only the nodes that the edit can
//! influence are lowered and described again ([`region`]), and only rows of the predictor that no query before had are
//! computed (see [`ledg_predictor::Standing`]). What every node feels of an edit is its own share of the graph's time,
//! which the readout takes in for each distinct node.
//!
//! **Invariant:** an estimate is that of [`CostModel::prepare`] and [`CostModel::predict`] on the edited graph.

mod base;
mod edited;
mod region;

use std::collections::HashMap;
use std::sync::Arc;

use ledg_graph::{Graph, GraphError, Value, ValueKind};
use ledg_predictor::{Answer, Executor, NodeInput, Patched, PlatformRows, Store};
use ledg_template::NodeDescription;
use ledg_template::hardware::Platform;

use crate::edit::{Draft, Edit, Names};
use crate::engine::{Answers, Engine, Platforms};
use crate::error::{CostModelError, Result};
use crate::estimate::{Estimate, PredictOptions};
use crate::model::{COUNTED_BATCH, CostModel, Costed, Targets};
use base::Base;
use edited::Edited;

/// A graph that is edited and asked about again and again, on fixed platforms. Owns all it needs; one thread at a time.
pub struct Session {
    model: Arc<CostModel>,
    graph: Graph,
    names: Names,
    targets: Targets,
    options: PredictOptions,
    /// `None` where a graph's nodes do not depend on neighbours alone: then every query is a full one.
    base: Option<Base>,
    work: Work,
    /// A node that no template covers, of the graph last asked about.
    unknown: Option<String>,
}

/// Memory that queries use again.
#[derive(Default)]
struct Work {
    store: Store,
    patched: Patched,
    answer: Answer,
    sentences: Sentences,
    region: region::Scratch,
}

/// Standardised vectors of the sentences met so far.
#[derive(Default)]
struct Sentences(HashMap<String, Arc<[f32]>>);

/// Sentences at which they are all forgotten: more than a search through one graph's rewrites meets.
const MAX_SENTENCES: usize = 1 << 14;

impl Session {
    /// A session on a graph at batch 1 (see [`Graph::rescale_batch`]) and on platforms, each at its batch size.
    ///
    /// # Errors
    /// As [`CostModel::prepare`] and [`CostModel::predict`]; [`CostModelError::Session`] for a graph that is not at batch 1,
    /// [`CostModelError::NoSessions`] for a model with the paper's readout, of which there is no incremental form.
    pub fn new(model: Arc<CostModel>, graph: &Graph, on: &[(Platform, u64)], options: PredictOptions) -> Result<Self> {
        if matches!(model.engine(), Engine::Predictors(..)) {
            return Err(CostModelError::NoSessions);
        }
        let mut leading = graph.inputs().iter().map(|&v| graph.value(v).shape.as_ref().and_then(|s| s.first()));
        if !leading.all(|d| d == Some(&1)) {
            let why = "a session needs a graph at batch 1: rescale it first";
            return Err(CostModelError::Session { graph: graph.name().to_owned(), why });
        }
        if on.iter().any(|(_, batch)| *batch == 0) {
            let (graph, why) = (graph.name().to_owned(), "it must be at least 1");
            return Err(GraphError::BadBatch { graph, batch: 0, why }.into());
        }
        let targets = model.targets(on)?;
        let mut session = Session {
            names: Names::of(graph),
            graph: graph.clone(),
            targets,
            options,
            base: None,
            work: Work::default(),
            unknown: None,
            model,
        };
        session.rebase()?;
        Ok(session)
    }

    /// The graph as it stands.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// Number of platforms.
    pub fn n_platforms(&self) -> usize {
        self.targets.raw.len()
    }

    /// How the next estimates are made. Costs by node make a query a full one, as a calibrated model does.
    pub fn set_options(&mut self, options: PredictOptions) {
        self.options = options;
    }

    /// A node of the graph last asked about that no template covers, if there is one; the share of those that are covered is
    /// in [`Estimate::known`].
    pub fn unknown(&self) -> Option<&str> {
        self.unknown.as_deref()
    }

    /// Estimates the graph as it would be after edits, on every platform; the graph stays as it is.
    ///
    /// ```
    /// use ledg_cost_model::graph::{Attrs, DType, GraphBuilder, OpType};
    /// use ledg_cost_model::{CostModel, Edit, HardwareRegistry, PredictOptions, Session};
    /// let mut b = GraphBuilder::new("toy");
    /// let x = b.input("x", DType::F32, &[1, 64, 56, 56]);
    /// let w = b.weight("w", DType::F32, &[64, 64, 1, 1]);
    /// let y = b.activation("y", DType::F32, Some(&[1, 64, 56, 56]));
    /// b.node("conv", OpType::onnx("Conv"), Attrs::new(), &[Some(x), Some(w)], &[y]);
    /// b.output(y);
    /// let graph = b.finish()?;
    ///
    /// let on = [(HardwareRegistry::builtin().resolve("rtx4090:amp")?, 64)];
    /// let mut session = Session::new(CostModel::default_model()?, &graph, &on, PredictOptions::default())?;
    /// let before = session.predict(&[])?[0].latency_s;
    /// // What a ReLU behind the convolution would cost.
    /// let relu = Edit::Insert {
    ///     node: "relu".into(),
    ///     domain: String::new(),
    ///     op: "Relu".into(),
    ///     attrs: Attrs::new(),
    ///     inputs: vec![Some("y".into())],
    ///     output: "z".into(),
    ///     dtype: DType::F32,
    ///     shape: vec![1, 64, 56, 56],
    ///     replaces: Some("y".into()),
    /// };
    /// assert!(session.predict(&[relu])?[0].latency_s > before);
    /// assert_eq!(session.graph().nodes().len(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`CostModelError::Edit`]; what the templates or the predictor refuse in the edited graph.
    pub fn predict(&mut self, edits: &[Edit]) -> Result<Vec<Estimate>> {
        let draft = Draft::new(&self.graph, &self.names, edits)?;
        self.check_inputs(&draft)?;
        match self.estimate(&draft)? {
            Some(estimates) => Ok(estimates),
            // Edits that reorder nodes, shapes that are not known, edits that are in error: as for any graph.
            None => self.anew(&draft),
        }
    }

    /// Estimates candidates, each a list of edits of the graph as it stands; what they have in common is computed once.
    pub fn predict_all(&mut self, candidates: &[Vec<Edit>]) -> Vec<Result<Vec<Estimate>>> {
        candidates.iter().map(|edits| self.predict(edits)).collect()
    }

    /// Adopts edits: later ones start from the edited graph.
    ///
    /// # Errors
    /// As [`Session::predict`], and what is refused in a graph; then the graph stays as it was.
    pub fn apply(&mut self, edits: &[Edit]) -> Result<()> {
        let draft = Draft::new(&self.graph, &self.names, edits)?;
        self.check_inputs(&draft)?;
        let edited = draft.graph(&self.graph)?;
        let before = (std::mem::replace(&mut self.graph, edited), std::mem::take(&mut self.names), self.base.take());
        self.names = Names::of(&self.graph);
        if let Err(error) = self.rebase() {
            (self.graph, self.names, self.base) = before;
            return Err(error);
        }
        Ok(())
    }

    /// An input of another batch size would be another question.
    fn check_inputs(&self, draft: &Draft) -> Result<()> {
        let moved = |v: &Value| v.kind == ValueKind::Input && v.shape.as_ref().and_then(|s| s.first()) != Some(&1);
        if draft.values.values().any(moved) {
            let why = "an edit gives an input another batch than 1";
            return Err(CostModelError::Session { graph: self.graph.name().to_owned(), why });
        }
        Ok(())
    }

    /// A full query.
    fn anew(&mut self, draft: &Draft) -> Result<Vec<Estimate>> {
        let prepared = self.model.prepare(&draft.graph(&self.graph)?)?;
        self.unknown = prepared.described().nodes.iter().find(|n| !n.known).map(|n| n.name.clone());
        self.model.predict_on(&prepared, &self.targets, &self.options)
    }

    /// Describes the whole graph and makes it stand.
    fn rebase(&mut self) -> Result<()> {
        let Session { model, graph, targets, work, .. } = self;
        let (executor, platforms) = engine(model, targets);
        let base = Base::new(model, graph, &mut work.sentences)?;
        self.base = Some(base).filter(|base| executor.can_stand() && base.fit);
        if let Some(base) = &mut self.base {
            base.stand(executor, platforms, &targets.batches, &mut work.store)?;
        }
        Ok(())
    }

    /// `None` for what needs a full query.
    fn estimate(&mut self, draft: &Draft) -> Result<Option<Vec<Estimate>>> {
        let Session { model, graph, names, targets, options, base, work, unknown } = self;
        // A calibration tells kinds of nodes apart and asks for other platforms, which a standing graph does not keep, and
        // batches so large that elements have to be counted want all nodes looked at.
        let is_huge = targets.batches.iter().any(|&batch| batch > COUNTED_BATCH);
        let is_whole = options.per_node || model.calibration().is_some() || is_huge;
        let Some(base) = base.as_mut().filter(|_| !is_whole) else { return Ok(None) };
        let Some(edited) = Edited::new(graph, names, base, draft, model.describer().templates()) else {
            return Ok(None);
        };
        let Some(changes) = region::changes(model, &edited, &mut work.sentences, &mut work.region)? else {
            return Ok(None);
        };
        let (executor, platforms) = engine(model, targets);
        if work.store.is_full() || !base.standing.is_current(&work.store) {
            base.stand(executor, platforms, &targets.batches, &mut work.store)?;
        }
        let node = |row: u32| &base.inputs[row as usize];
        if !executor.patch(&base.standing, node, &changes.patch, &mut work.store, &mut work.patched)? {
            return Ok(None);
        }
        let mut known = vec![true; work.patched.counts().len()];
        for &row in &changes.unknown {
            known[work.patched.class_of(&base.standing, row) as usize] = false;
        }
        *unknown = changes.unknown_name;
        let by_class = !changes.unknown.is_empty();
        let mut estimates = Vec::with_capacity(targets.raw.len());
        for (i, raw) in targets.raw.iter().enumerate() {
            executor.price_patched(&base.standing, &mut work.patched, (platforms, i, by_class), &mut work.answer)?;
            let answers = Answers {
                ln_s: std::mem::take(&mut work.answer.ln_s),
                classes: by_class.then(|| std::mem::take(&mut work.answer.classes)),
            };
            let costed = Costed {
                name: graph.name(),
                class_of: &[],
                counts: work.patched.counts(),
                known: &known,
                batch: targets.batches[i] as f64,
                nodes: &[],
            };
            estimates.push(model.estimate(costed, &answers, raw, (options, 0.0))?);
            work.answer.ln_s = answers.ln_s;
        }
        Ok(Some(estimates))
    }
}

/// The parts that a session needs, which are there by its making.
fn engine<'a>(model: &'a CostModel, targets: &'a Targets) -> (&'a Executor, &'a PlatformRows) {
    match (model.engine(), &targets.platforms) {
        (Engine::Executor(executor), Platforms::Executor(platforms)) => (executor, platforms),
        _ => unreachable!("checked when the session was made"),
    }
}

impl Sentences {
    /// The predictor's input of a described node; as `DescribedGraph::input`.
    fn input(&mut self, model: &CostModel, node: &NodeDescription) -> Result<NodeInput> {
        let normalization = &model.header().normalization;
        let sentence = match self.0.get(&node.sentence) {
            Some(vector) => Arc::clone(vector),
            None => {
                if self.0.len() >= MAX_SENTENCES {
                    self.0.clear();
                }
                let vectors = model.encoder().embed(&[&node.sentence])?;
                let vector: Arc<[f32]> = normalization.sentence.apply(&vectors[0]).into();
                self.0.insert(node.sentence.clone(), Arc::clone(&vector));
                vector
            }
        };
        Ok(NodeInput {
            sentence,
            features: normalization.features.apply(&node.features),
            magnitudes: node.magnitudes,
            contraction: node.macs > 0.0,
        })
    }
}
