//! The walk over the nodes in topological order: names become values, and every node is dealt with by kind: an operator
//! (see `operator.rs`), a constant (`constants.rs`), a function or a branch (`inline.rs`).
//!
//! **Invariant:** what the walk visits and holds is bounded by the limits, also where functions call functions.

use std::collections::{BTreeMap, HashMap, HashSet};

use ledg_graph::{Attrs, GraphError, OpType};

use crate::error::OnnxError;
use crate::fact::Fact;
use crate::import::attributes::{Arguments, normal_domain};
use crate::import::inputs::{Declared, declared, inputs};
use crate::import::order::topological;
use crate::import::slots::{Slot, slot};
use crate::options::{Contradiction, OnnxOptions, UnknownPolicy};
use crate::proto::{FunctionProto, GraphProto, NodeProto, TensorProto};

/// No tensor in use has more axes; files that claim so are out to exhaust memory.
const MAX_RANK: usize = 64;

/// Where a value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Input,
    Weight,
    Constant,
    Activation,
}

/// A value of the walked graph.
#[derive(Debug)]
pub(crate) struct WalkedValue {
    pub name: String,
    pub fact: Fact,
    pub role: Role,
}

/// A node that remains after folding.
#[derive(Debug)]
pub(crate) struct WalkedNode {
    /// The name in the file, possibly empty or not unique.
    pub name: String,
    pub op: OpType,
    pub opset: i64,
    pub attrs: Attrs,
    pub inputs: Vec<Option<usize>>,
    pub outputs: Vec<usize>,
    /// Whether a rule gave its shapes.
    pub is_known: bool,
}

/// What the walk found.
#[derive(Debug, Default)]
pub(crate) struct Walked {
    pub values: Vec<WalkedValue>,
    pub nodes: Vec<WalkedNode>,
    pub outputs: Vec<usize>,
    pub contradictions: Vec<Contradiction>,
    pub folded_nodes: usize,
}

/// Walks the model's graph.
pub(crate) fn walk(
    file: &str,
    graph: &GraphProto,
    functions: &[FunctionProto],
    model_opsets: &BTreeMap<String, i64>,
    options: &OnnxOptions,
) -> Result<Walked, OnnxError> {
    let functions = functions.iter().map(|f| (function_key(f), f)).collect();
    let mut walker =
        Walker { file, options, functions, declared: declared(graph), visited: 0, charged: 0, out: Walked::default() };
    let initializers: HashSet<&str> = initializers(graph).filter_map(|t| t.name.as_deref()).collect();
    let mut scope = Scope::default();
    for input in inputs(file, graph, &initializers, options)? {
        let role = match (input.is_weight, input.fact.dtype.is_float()) {
            (false, _) => Role::Input,
            (true, true) => Role::Weight,
            // An integer tensor that came without its value: indices, most likely; not learned in any case.
            (true, false) => Role::Constant,
        };
        let id = walker.add(input.name.to_owned(), input.fact, role)?;
        walker.declare(input.name, id, &mut scope)?;
    }
    let frame = Frame { opsets: model_opsets, arguments: &Arguments::new(), depth: 0 };
    walker.graph(graph, &mut scope, &frame)?;
    for output in graph.output.iter().filter_map(|o| o.name.as_deref()) {
        let id = scope.find(output).ok_or_else(|| OnnxError::Value {
            file: file.to_owned(),
            value: output.to_owned(),
            why: "this graph output is produced by no node".to_owned(),
        })?;
        walker.out.outputs.push(id);
    }
    Ok(walker.out)
}

/// Initializers by name; of sparse ones the values, whose count does not matter.
fn initializers(graph: &GraphProto) -> impl Iterator<Item = &TensorProto> {
    graph.initializer.iter().chain(graph.sparse_initializer.iter().filter_map(|s| s.values.as_ref()))
}

type FunctionKey<'m> = (&'m str, &'m str, &'m str);

fn function_key(f: &FunctionProto) -> FunctionKey<'_> {
    (
        normal_domain(f.domain.as_deref()),
        f.name.as_deref().unwrap_or_default(),
        f.overload.as_deref().unwrap_or_default(),
    )
}

/// Names visible at one level: a graph, a branch, a function.
#[derive(Default)]
pub(super) struct Scope<'a, 'm> {
    pub names: HashMap<&'m str, usize>,
    pub outer: Option<&'a Scope<'a, 'm>>,
}

impl<'m> Scope<'_, 'm> {
    pub(super) fn find(&self, name: &str) -> Option<usize> {
        let mut scope = Some(self);
        while let Some(s) = scope {
            if let Some(&id) = s.names.get(name) {
                return Some(id);
            }
            scope = s.outer;
        }
        None
    }
}

/// What holds for all nodes of one level.
pub(super) struct Frame<'a, 'm> {
    pub opsets: &'a BTreeMap<String, i64>,
    pub arguments: &'a Arguments<'m>,
    /// 0 for the model's graph.
    pub depth: u32,
}

pub(super) struct Walker<'a, 'm> {
    pub(super) file: &'a str,
    pub(super) options: &'a OnnxOptions,
    functions: HashMap<FunctionKey<'m>, &'m FunctionProto>,
    /// Types declared for values of the outermost graph.
    pub(super) declared: BTreeMap<&'m str, Declared>,
    visited: u64,
    charged: u64,
    pub(super) out: Walked,
}

impl<'m> Walker<'_, 'm> {
    /// Counts bytes of work against the limit.
    pub(super) fn charge(&mut self, bytes: u64) -> Result<(), OnnxError> {
        self.charged = self.charged.saturating_add(bytes);
        let (found, limit) = (self.charged, self.options.max_working_bytes);
        if found > limit {
            let (file, what) = (self.file.to_owned(), "what folding and inlining produce");
            return Err(OnnxError::TooLarge { file, what, found, limit, option: "max_working_bytes" });
        }
        Ok(())
    }

    fn limit(&self, what: &'static str, found: u64, limit: u64) -> Result<(), OnnxError> {
        if found <= limit {
            return Ok(());
        }
        let file = self.file.to_owned();
        Err(OnnxError::Graph { source: Box::new(GraphError::Limit { graph: file.clone(), what, found, limit }), file })
    }

    /// Adds a value.
    pub(super) fn add(&mut self, name: String, fact: Fact, role: Role) -> Result<usize, OnnxError> {
        let rank = fact.shape.as_ref().map_or(0, Vec::len);
        if rank > MAX_RANK {
            let why = format!("it has {rank} dimensions, more than {MAX_RANK}");
            return Err(OnnxError::Value { file: self.file.to_owned(), value: name, why });
        }
        self.charge((name.len() + 8 * fact.data.as_ref().map_or(0, |d| d.len())) as u64)?;
        self.out.values.push(WalkedValue { name, fact, role });
        self.limit("values", self.out.values.len() as u64, self.options.limits.max_values)?;
        Ok(self.out.values.len() - 1)
    }

    /// Gives an input or an initializer its name.
    fn declare(&self, name: &'m str, id: usize, scope: &mut Scope<'_, 'm>) -> Result<(), OnnxError> {
        if scope.names.insert(name, id).is_none() {
            return Ok(());
        }
        let why = "it is declared twice among inputs and initializers".to_owned();
        Err(OnnxError::Value { file: self.file.to_owned(), value: name.to_owned(), why })
    }

    pub(super) fn error(&self, node: &NodeProto, why: impl Into<String>) -> OnnxError {
        OnnxError::Node { file: self.file.to_owned(), node: label(node), op: op_of(node).to_string(), why: why.into() }
    }

    /// Walks a graph's initializers and nodes.
    pub(super) fn graph(
        &mut self,
        graph: &'m GraphProto,
        scope: &mut Scope<'_, 'm>,
        frame: &Frame<'_, 'm>,
    ) -> Result<(), OnnxError> {
        let parameters = parameters(&graph.node);
        for tensor in &graph.initializer {
            let name = tensor.name.as_deref().unwrap_or_default();
            let (fact, role) = self.tensor(tensor, name, parameters.contains(name))?;
            let id = self.add(name.to_owned(), fact, role)?;
            self.declare(name, id, scope)?;
        }
        for sparse in &graph.sparse_initializer {
            let Some(values) = &sparse.values else { continue };
            let name = values.name.as_deref().unwrap_or_default();
            let shape = crate::tensor::shape(&sparse.dims).map_err(|why| self.tensor_error(name, why))?;
            let (dtype, _) = values.header().map_err(|why| self.tensor_error(name, why))?;
            let id = self.add(name.to_owned(), Fact::new(dtype, shape), Role::Weight)?;
            self.declare(name, id, scope)?;
        }
        self.nodes(&graph.node, scope, frame)
    }

    pub(super) fn nodes(
        &mut self,
        nodes: &'m [NodeProto],
        scope: &mut Scope<'_, 'm>,
        frame: &Frame<'_, 'm>,
    ) -> Result<(), OnnxError> {
        let order = topological(nodes).map_err(|cycle| OnnxError::Cycle {
            file: self.file.to_owned(),
            nodes: cycle.into_iter().map(|i| label(&nodes[i])).collect(),
        })?;
        self.charge(8 * order.reads)?;
        for i in order.nodes {
            self.visited += 1;
            self.limit("nodes (functions inlined)", self.visited, self.options.limits.max_nodes)?;
            self.node(&nodes[i], scope, frame)?;
        }
        Ok(())
    }

    fn node(&mut self, node: &'m NodeProto, scope: &mut Scope<'_, 'm>, frame: &Frame<'_, 'm>) -> Result<(), OnnxError> {
        let mut inputs = Vec::with_capacity(node.input.len());
        for name in &node.input {
            inputs.push(if name.is_empty() {
                None
            } else {
                let missing = || {
                    self.error(
                        node,
                        format!("it reads `{name}`, which no node produces and which is no input or initializer"),
                    )
                };
                Some(scope.find(name).ok_or_else(missing)?)
            });
        }
        let op = op_of(node);
        let overload = node.overload.as_deref().unwrap_or_default();
        if let Some(function) = self.functions.get(&(op.domain.as_str(), op.name.as_str(), overload)).copied() {
            let first = self.out.values.len();
            let results = self.function(node, function, &inputs, frame)?;
            return self.bind(node, &results, first, scope);
        }
        let first = self.out.values.len();
        let results = match op.name.as_str() {
            "Constant" if op.domain.is_empty() => vec![self.constant(node, frame)?],
            "If" if op.domain.is_empty() && !self.is_unknown_if(&inputs) => self.branch(node, &inputs, scope, frame)?,
            "Identity" if op.domain.is_empty() && self.is_static(&inputs) => inputs.iter().copied().flatten().collect(),
            _ => return self.operator(node, op, inputs, scope, frame),
        };
        self.out.folded_nodes += 1;
        self.bind(node, &results, first, scope)
    }

    /// Whether an If is one more operator that no rule knows: its condition is not constant, and the caller wants such
    /// operators reported.
    fn is_unknown_if(&self, inputs: &[Option<usize>]) -> bool {
        self.options.unknown == UnknownPolicy::Report && self.condition(inputs).is_none()
    }

    fn is_static(&self, inputs: &[Option<usize>]) -> bool {
        inputs.iter().flatten().all(|&i| matches!(self.out.values[i].role, Role::Weight | Role::Constant))
    }

    /// Lets the node's outputs stand for values that exist. Values from `first` on came into being inside the node; they
    /// take the names they have outside.
    fn bind(
        &mut self,
        node: &'m NodeProto,
        results: &[usize],
        first: usize,
        scope: &mut Scope<'_, 'm>,
    ) -> Result<(), OnnxError> {
        if node.output.len() > results.len() {
            return Err(self.error(node, format!("it names {} outputs but has {}", node.output.len(), results.len())));
        }
        for (name, &id) in node.output.iter().zip(results) {
            self.define(node, name, id, scope)?;
            if id >= first && !name.is_empty() {
                self.charge(name.len() as u64)?;
                self.out.values[id].name.clone_from(name);
            }
        }
        Ok(())
    }

    pub(super) fn define(
        &self,
        node: &NodeProto,
        name: &'m str,
        id: usize,
        scope: &mut Scope<'_, 'm>,
    ) -> Result<(), OnnxError> {
        if !name.is_empty() && scope.names.insert(name, id).is_some() {
            return Err(
                self.error(node, format!("its output `{name}` exists already: a value can have one producer only"))
            );
        }
        Ok(())
    }
}

/// Names that a node of the list reads as a parameter.
fn parameters(nodes: &[NodeProto]) -> HashSet<&str> {
    let reads = nodes.iter().flat_map(|n| {
        let op = n.op_type.as_deref().unwrap_or_default();
        n.input.iter().enumerate().filter(move |(i, _)| slot(op, *i) == Slot::Parameter)
    });
    reads.map(|(_, name)| name.as_str()).collect()
}

pub(super) fn op_of(node: &NodeProto) -> OpType {
    OpType::new(normal_domain(node.domain.as_deref()), node.op_type.as_deref().unwrap_or_default())
}

/// How messages call a node: by its name, or by what it produces.
pub(super) fn label(node: &NodeProto) -> String {
    match node.name.as_deref().filter(|n| !n.is_empty()) {
        Some(name) => name.to_owned(),
        None => node
            .output
            .iter()
            .find(|o| !o.is_empty())
            .map_or_else(|| "(unnamed)".to_owned(), |o| format!("producer of {o}")),
    }
}
