//! From walked values and nodes to a [`Graph`]: leaves out what no output needs and gives everything a unique name.

use std::collections::{HashMap, HashSet};

use ledg_graph::{Graph, GraphBuilder, OpType, ValueId};

use crate::error::OnnxError;
use crate::import::walk::{Role, Walked, WalkedNode, WalkedValue};
use crate::options::{Contradiction, OnnxOptions, UnknownOperator};

/// The graph and what is to be told about it.
pub(crate) struct Emitted {
    pub graph: Graph,
    pub unknown: Vec<UnknownOperator>,
    pub contradictions: Vec<Contradiction>,
    pub folded_nodes: usize,
    pub unused_nodes: usize,
}

/// Builds the graph.
pub(crate) fn emit(file: &str, name: &str, walked: Walked, options: &OnnxOptions) -> Result<Emitted, OnnxError> {
    let used = used_nodes(&walked);
    let node_names = node_names(&walked.nodes);
    let mut values = Values::new(&walked.values, GraphBuilder::new(name).with_limits(options.limits));
    for (i, _) in walked.values.iter().enumerate().filter(|(_, v)| v.role == Role::Input) {
        values.id(i);
    }
    let mut unknown = Vec::new();
    for ((node, name), _) in walked.nodes.iter().zip(&node_names).zip(&used).filter(|(_, used)| **used) {
        let inputs: Vec<Option<ValueId>> = node.inputs.iter().map(|i| i.map(|i| values.id(i))).collect();
        let outputs: Vec<ValueId> = node.outputs.iter().map(|&o| values.id(o)).collect();
        if !node.is_known {
            let OpType { domain, name: op } = node.op.clone();
            unknown.push(UnknownOperator { node: name.clone(), op, domain, opset: node.opset });
        }
        values.builder.node(name.clone(), node.op.clone(), node.attrs.clone(), &inputs, &outputs);
    }
    for &output in &walked.outputs {
        let id = values.id(output);
        values.builder.output(id);
    }
    let graph = values.builder.finish().map_err(|e| OnnxError::Graph { file: file.to_owned(), source: e.into() })?;
    Ok(Emitted {
        graph,
        unknown,
        contradictions: walked.contradictions,
        folded_nodes: walked.folded_nodes,
        unused_nodes: used.iter().filter(|&&u| !u).count(),
    })
}

/// The nodes that the graph's outputs depend on. The walk is topological, so one pass from the end finds them.
fn used_nodes(walked: &Walked) -> Vec<bool> {
    let mut needed = vec![walked.outputs.is_empty(); walked.values.len()];
    for &output in &walked.outputs {
        needed[output] = true;
    }
    let mut used = vec![false; walked.nodes.len()];
    for (node, used) in walked.nodes.iter().zip(&mut used).rev() {
        *used = node.outputs.iter().any(|&o| needed[o]);
        if *used {
            node.inputs.iter().flatten().for_each(|&i| needed[i] = true);
        }
    }
    used
}

/// The node's own name if it has one that no earlier node has, else `{OpType}_{index}`.
fn node_names(nodes: &[WalkedNode]) -> Vec<String> {
    let taken: HashSet<&str> = nodes.iter().map(|n| n.name.as_str()).filter(|n| !n.is_empty()).collect();
    let mut seen = HashSet::with_capacity(nodes.len());
    let mut made: HashSet<String> = HashSet::new();
    let mut names = Vec::with_capacity(nodes.len());
    for (i, node) in nodes.iter().enumerate() {
        if !node.name.is_empty() && seen.insert(node.name.as_str()) {
            names.push(node.name.clone());
            continue;
        }
        let mut name = format!("{}_{i}", node.op.name);
        while taken.contains(name.as_str()) || made.contains(&name) {
            name.push('_');
        }
        made.insert(name.clone());
        names.push(name);
    }
    names
}

/// Declares values in the builder when they are first needed.
struct Values<'w> {
    walked: &'w [WalkedValue],
    ids: Vec<Option<ValueId>>,
    /// Names given, each with the number of values that wanted it.
    names: HashMap<String, u32>,
    builder: GraphBuilder,
}

impl<'w> Values<'w> {
    fn new(walked: &'w [WalkedValue], builder: GraphBuilder) -> Self {
        Values { walked, ids: vec![None; walked.len()], names: HashMap::with_capacity(walked.len()), builder }
    }

    fn id(&mut self, index: usize) -> ValueId {
        if let Some(id) = self.ids[index] {
            return id;
        }
        let value = &self.walked[index];
        let name = self.unique_name(&value.name);
        let (dtype, shape) = (value.fact.dtype, value.fact.shape.as_deref());
        let id = match (value.role, shape) {
            (Role::Input, Some(shape)) => self.builder.input(name, dtype, shape),
            (Role::Weight, Some(shape)) => self.builder.weight(name, dtype, shape),
            (Role::Constant, Some(shape)) => {
                self.builder.constant(name, dtype, shape, value.fact.data.as_deref().cloned())
            }
            // Only activations can lack a shape.
            (_, shape) => self.builder.activation(name, dtype, shape),
        };
        self.ids[index] = Some(id);
        id
    }

    /// Inlined functions and branches bring names that may exist already.
    fn unique_name(&mut self, wanted: &str) -> String {
        let mut name = wanted.to_owned();
        while let Some(wanting) = self.names.get_mut(&name) {
            *wanting += 1;
            let k = *wanting;
            name = format!("{wanted}~{k}");
            if !self.names.contains_key(&name) {
                break;
            }
            name = wanted.to_owned();
        }
        self.names.insert(name.clone(), 1);
        name
    }
}
