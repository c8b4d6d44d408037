//! Asking again after local edits: a compiler's inner loop.
//!
//! A session holds a graph with all that is known of it. An edited graph is lowered as any other, on borrowed nodes; of
//! what follows, only nodes whose own facts changed are described anew, and only rows that no query before had are
//! computed (see [`ledg_predictor::Store`]): those that the edit can influence through the layers' neighbourhoods.
//!
//! **Invariant:** an estimate is that of [`CostModel::prepare`] and [`CostModel::predict`] on the edited graph.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::sync::Arc;

use ledg_graph::{Graph, GraphError, Node, Relations, Value, ValueKind};
use ledg_predictor::{Answer, Executor, GraphRows, NodeInput, PriceScratch, Store};
use ledg_template::hardware::Platform;
use ledg_template::{GraphView, Lowering, NodeDescription, OpId};

use crate::calibrate::kinds::Kind;
use crate::edit::{Draft, Edit, Names};
use crate::engine::{Answers, Engine, Platforms};
use crate::error::{CostModelError, Result};
use crate::estimate::{Estimate, PredictOptions};
use crate::model::{CostModel, Costed, Kinds, Targets};

/// A graph that is edited and asked about again and again, on fixed platforms. Owns all it needs; one thread at a time.
pub struct Session {
    model: Arc<CostModel>,
    graph: Graph,
    names: Names,
    ids: Vec<OpId>,
    targets: Targets,
    options: PredictOptions,
    base: Base,
    work: Work,
}

/// What is known of the graph as it stands.
#[derive(Default)]
struct Base {
    /// By value: number of elements; whether it depends on no graph input.
    elems: Vec<f64>,
    fixed: Vec<bool>,
    /// Whether every shape is known.
    shapes_known: bool,
    /// By place of a node's last operation.
    groups: Vec<Option<Group>>,
}

/// A node of the lowered graph.
struct Group {
    /// Places of the operations it stands for.
    members: Vec<u32>,
    op: OpId,
    known: bool,
    kind: Kind,
    input: NodeInput,
}

/// Memory that queries use again.
#[derive(Default)]
struct Work {
    store: Store,
    rows: GraphRows,
    price: PriceScratch,
    answer: Answer,
    known: Vec<bool>,
    /// Standardised vectors of the sentences met so far.
    sentences: HashMap<String, Arc<[f32]>>,
}

/// The predictor's input of a node: the base's, or a new one.
enum Input<'a> {
    Base(&'a NodeInput),
    New(NodeInput),
}

impl Borrow<NodeInput> for Input<'_> {
    fn borrow(&self) -> &NodeInput {
        match self {
            Input::Base(input) => input,
            Input::New(input) => input,
        }
    }
}

impl Session {
    /// A session on a graph at batch 1 (see [`Graph::rescale_batch`]) and on platforms, each at its batch size.
    ///
    /// # Errors
    /// As [`CostModel::prepare`] and [`CostModel::predict`]; [`CostModelError::Session`] for a graph that is not at batch 1
    /// and for a model with the paper's readout, of which there is no incremental form.
    pub fn new(model: Arc<CostModel>, graph: &Graph, on: &[(Platform, u64)], options: PredictOptions) -> Result<Self> {
        let unfit = |why| CostModelError::Session { graph: graph.name().to_owned(), why };
        if matches!(model.engine(), Engine::Predictors(..)) {
            return Err(unfit("the model has the paper's readout, which sessions do not know"));
        }
        let mut leading = graph.inputs().iter().map(|&v| graph.value(v).shape.as_ref().and_then(|s| s.first()));
        if !leading.all(|d| d == Some(&1)) {
            return Err(unfit("a session needs a graph at batch 1: rescale it first"));
        }
        if on.iter().any(|(_, batch)| *batch == 0) {
            let (graph, why) = (graph.name().to_owned(), "it must be at least 1");
            return Err(GraphError::BadBatch { graph, batch: 0, why }.into());
        }
        let targets = model.targets(on)?;
        let mut session = Session {
            names: Names::of(graph),
            ids: Vec::new(),
            graph: graph.clone(),
            targets,
            options,
            base: Base::default(),
            work: Work::default(),
            model,
        };
        session.rebase()?;
        Ok(session)
    }

    /// The graph as it stands.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// Estimates the graph as it would be after edits, on every platform; the graph stays as it is.
    ///
    /// # Errors
    /// [`CostModelError::Edit`]; what the templates or the predictor refuse in the edited graph.
    pub fn predict(&mut self, edits: &[Edit]) -> Result<Vec<Estimate>> {
        let draft = Draft::new(&self.graph, &self.names, edits)?;
        self.check_inputs(&draft)?;
        match self.estimate(&draft)? {
            Some(estimates) => Ok(estimates),
            // An edit that reorders nodes, or one that is in error: as for any graph.
            None => self.anew(&draft.graph(&self.graph)?),
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
        let before = (std::mem::replace(&mut self.graph, edited), std::mem::take(&mut self.names));
        self.names = Names::of(&self.graph);
        if let Err(error) = self.rebase() {
            (self.graph, self.names) = before;
            self.rebase()?;
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

    fn anew(&self, graph: &Graph) -> Result<Vec<Estimate>> {
        let prepared = self.model.prepare(graph)?;
        self.model.predict_on(&prepared, &self.targets, &self.options)
    }

    /// Describes the whole graph.
    fn rebase(&mut self) -> Result<()> {
        let view = GraphView::from(&self.graph);
        let describer = self.model.describer();
        let templates = describer.templates();
        self.ids = templates.op_ids(&view);
        let lowering = templates.lower_view(&view, self.ids.clone(), describer.options())?;
        let elems = lowering.assumed_elements();
        let mut groups: Vec<Option<Group>> = view.nodes().iter().map(|_| None).collect();
        for row in 0..lowering.n_kept() {
            let Some(described) = templates.describe_row(&lowering, row, &elems) else { continue };
            groups[lowering.place(row)] = Some(Group {
                members: lowering.members(row).to_vec(),
                op: lowering.op(row),
                known: described.known,
                kind: Kind::of(&described),
                input: input(&self.model, &mut self.work.sentences, &described)?,
            });
        }
        self.base = Base {
            shapes_known: self.graph.values().iter().all(|v| v.shape.is_some()),
            fixed: lowering.fixed().to_vec(),
            elems,
            groups,
        };
        Ok(())
    }

    /// `None` where the edits bring nodes into another order.
    fn estimate(&mut self, draft: &Draft) -> Result<Option<Vec<Estimate>>> {
        let Session { model, graph, ids, targets, options, base, work, .. } = self;
        let Some(order) = Order::of(graph, draft, ids, model) else { return Ok(None) };
        let (Engine::Executor(executor), Platforms::Executor(platforms)) = (model.engine(), &targets.platforms) else {
            unreachable!("checked when the session was made");
        };
        let describer = model.describer();
        let view = GraphView::new(graph.name(), order.nodes, order.values, &draft.outputs);
        let lowering = describer.templates().lower_view(&view, order.ids, describer.options())?;
        let elems = base.elements(draft, &lowering);
        let changed = base.changed(draft, lowering.fixed(), &elems);
        let mut inputs: Vec<Input> = Vec::with_capacity(lowering.n_kept());
        let mut known: Vec<bool> = Vec::with_capacity(lowering.n_kept());
        let mut kinds: Vec<Kind> = Vec::new();
        // Kinds cost memory, and nothing but a calibration asks for them.
        let wants_kinds = model.calibration().is_some();
        for row in 0..lowering.n_kept() {
            if let Some(group) = base.unchanged(&lowering, row, &order.given, &view, &changed) {
                inputs.push(Input::Base(&group.input));
                known.push(group.known);
                if wants_kinds {
                    kinds.push(group.kind.clone());
                }
            } else if let Some(described) = describer.templates().describe_row(&lowering, row, &elems) {
                inputs.push(Input::New(input(model, &mut work.sentences, &described)?));
                known.push(described.known);
                if wants_kinds {
                    kinds.push(Kind::of(&described));
                }
            }
        }
        run(executor, &inputs, &lowering.relations, work)?;
        work.known.clear();
        work.known.resize(work.rows.counts().len(), true);
        for (known, &class) in known.iter().zip(work.rows.class_of()) {
            work.known[class as usize] &= known;
        }
        let mut estimates = Vec::with_capacity(targets.raw.len());
        for (i, (raw, &batch)) in targets.raw.iter().zip(&targets.batches).enumerate() {
            executor.price(&work.rows, platforms, (i, batch as f64), &mut work.price, &mut work.answer)?;
            let answers = Answers {
                ln_s: std::mem::take(&mut work.answer.ln_s),
                classes: Some(std::mem::take(&mut work.answer.classes)),
            };
            let costed = Costed {
                name: graph.name(),
                class_of: work.rows.class_of(),
                counts: work.rows.counts(),
                known: &work.known,
                batch: batch as f64,
                kinds: Kinds::Named(&kinds),
            };
            estimates.push(model.estimate(costed, &answers, raw, options)?);
            work.answer.ln_s = answers.ln_s;
            work.answer.classes = answers.classes.unwrap_or_default();
        }
        Ok(Some(estimates))
    }
}

fn run(executor: &Executor, inputs: &[Input<'_>], relations: &Relations, work: &mut Work) -> Result<()> {
    Ok(executor.nodes(inputs, relations, &mut work.store, &mut work.rows)?)
}

/// The predictor's input of a described node; as `DescribedGraph::input`.
fn input(model: &CostModel, sentences: &mut HashMap<String, Arc<[f32]>>, node: &NodeDescription) -> Result<NodeInput> {
    let normalization = &model.header().normalization;
    let sentence = match sentences.get(&node.sentence) {
        Some(vector) => Arc::clone(vector),
        None => {
            let vectors = model.encoder().embed(&[&node.sentence])?;
            let vector: Arc<[f32]> = normalization.sentence.apply(&vectors[0]).into();
            sentences.insert(node.sentence.clone(), Arc::clone(&vector));
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

/// The nodes of an edited graph in topological order, and its values.
struct Order<'a> {
    nodes: Vec<&'a Node>,
    ids: Vec<OpId>,
    /// By place in `nodes`: the place in the graph, if the node is as it was.
    given: Vec<Option<u32>>,
    values: Vec<&'a Value>,
}

impl<'a> Order<'a> {
    /// The order in which a builder would sort the edited graph, if that is the order of declaration; else `None`.
    fn of(graph: &'a Graph, draft: &'a Draft, ids: &[OpId], model: &CostModel) -> Option<Self> {
        let templates = model.describer().templates();
        let n = graph.nodes().len();
        let mut order = Order {
            nodes: Vec::with_capacity(n + draft.inserted.len()),
            ids: Vec::with_capacity(n + draft.inserted.len()),
            given: Vec::with_capacity(n + draft.inserted.len()),
            values: Vec::with_capacity(graph.values().len() + draft.new_values.len()),
        };
        order.values.extend(graph.values());
        draft.values.iter().for_each(|(&v, value)| order.values[v as usize] = value);
        order.values.extend(&draft.new_values);
        for (place, node) in graph.nodes().iter().enumerate() {
            let place = place as u32;
            let changed = if draft.changed.is_empty() { None } else { draft.changed.get(&place) };
            if let Some(node) = changed {
                order.push(node, templates.op_id(&node.op), None);
            } else if !draft.removed.contains(&place) {
                order.push(node, ids[place as usize], Some(place));
            }
            for (_, node) in draft.inserted.iter().filter(|(behind, _)| *behind == place) {
                order.push(node, templates.op_id(&node.op), None);
            }
        }
        order.is_topological(&draft.outputs).then_some(order)
    }

    fn push(&mut self, node: &'a Node, id: OpId, given: Option<u32>) {
        self.nodes.push(node);
        self.ids.push(id);
        self.given.push(given);
    }

    /// Whether every value that is read, the graph's outputs among them, exists by then.
    fn is_topological(&self, outputs: &[ledg_graph::ValueId]) -> bool {
        let mut exists: Vec<bool> = self.values.iter().map(|v| v.kind != ValueKind::Activation).collect();
        for node in &self.nodes {
            if !node.present_inputs().all(|v| exists[v.index()]) {
                return false;
            }
            node.outputs.iter().for_each(|v| exists[v.index()] = true);
        }
        !self.nodes.is_empty() && outputs.iter().all(|v| exists[v.index()])
    }
}

impl Base {
    /// Elements of the edited graph's values.
    fn elements(&self, draft: &Draft, lowering: &Lowering<'_>) -> Vec<f64> {
        let known = draft.values.values().chain(&draft.new_values).all(|v| v.shape.is_some());
        if !self.shapes_known || !known {
            return lowering.assumed_elements();
        }
        let count = |value: &Value| value.elements().map_or(0.0, |n| n as f64);
        let mut elems = Vec::with_capacity(self.elems.len() + draft.new_values.len());
        elems.extend_from_slice(&self.elems);
        draft.values.iter().for_each(|(&v, value)| elems[v as usize] = count(value));
        elems.extend(draft.new_values.iter().map(count));
        elems
    }

    /// By value: whether a description that looks at it may differ from the base's.
    fn changed(&self, draft: &Draft, fixed: &[bool], elems: &[f64]) -> Vec<bool> {
        let mut changed = vec![true; fixed.len()];
        for (v, changed) in changed.iter_mut().enumerate().take(self.fixed.len()) {
            *changed = self.fixed[v] != fixed[v] || self.elems[v].to_bits() != elems[v].to_bits();
        }
        draft.values.keys().for_each(|&v| changed[v as usize] = true);
        changed
    }

    /// The base's description of a row, if it is made of the same nodes and all that they touch is as it was.
    fn unchanged(
        &self,
        lowering: &Lowering<'_>,
        row: usize,
        given: &[Option<u32>],
        view: &GraphView<'_>,
        changed: &[bool],
    ) -> Option<&Group> {
        let group = self.groups[given[lowering.place(row)]? as usize].as_ref()?;
        let members = lowering.members(row);
        let same = lowering.op(row) == group.op
            && members.len() == group.members.len()
            && members.iter().zip(&group.members).all(|(&m, &base)| {
                let node = view.nodes()[m as usize];
                let as_it_was = |v: ledg_graph::ValueId| !changed[v.index()];
                given[m as usize] == Some(base)
                    && node.present_inputs().all(as_it_was)
                    && node.outputs.iter().copied().all(as_it_was)
            });
        same.then_some(group)
    }
}
