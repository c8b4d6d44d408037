//! The pass over the graph that gives every value its batch axis.
//!
//! Rules (`rules.rs`) look at one node. Some nodes also need something of their operands: a Concat joins a class token,
//! which is the same for every image, to tokens that are not. Such needs are collected during a pass; those that a value
//! can meet by carrying the batch itself (an Expand) are given to it, and the graph is followed again from the start, so
//! that every other reader sees the value as it now is.

use std::collections::BTreeMap;

use super::BatchAxes;
use super::rules::{Need, Rules};
use crate::error::GraphError;
use crate::graph::{ConstData, Graph, Node, NodeId, ValueId};

/// Every round gives the batch to at least one more value, and chains of them are short.
const MAX_ROUNDS: usize = 64;

/// Axes given to values by their readers' needs.
type Given = BTreeMap<ValueId, usize>;

/// What a pass found out.
struct Pass {
    axes: BatchAxes,
    needs: Vec<(NodeId, Need)>,
}

pub(super) fn trace(graph: &Graph) -> Result<BatchAxes, GraphError> {
    let batch = input_batch(graph)?;
    let mut given = Given::new();
    for _ in 0..MAX_ROUNDS {
        let Pass { mut axes, needs } = pass(graph, batch, &given)?;
        let before = given.len();
        for (node, need) in &needs {
            meet(graph, &mut axes, &mut given, *node, need).map_err(|why| untraceable(graph, *node, why))?;
        }
        if given.len() == before {
            return Ok(axes);
        }
    }
    let last = NodeId::from_index(graph.nodes.len() - 1);
    Err(untraceable(graph, last, format!("its operands are still not settled after {MAX_ROUNDS} rounds")))
}

fn untraceable(graph: &Graph, id: NodeId, why: String) -> GraphError {
    let node = graph.node(id);
    let (graph, op) = (graph.name.clone(), node.op.to_string());
    GraphError::BatchUntraceable { graph, node: node.name.clone(), op, why }
}

fn pass(graph: &Graph, batch: u64, given: &Given) -> Result<Pass, GraphError> {
    let mut axes: Vec<Option<usize>> = vec![None; graph.values.len()];
    for &input in &graph.inputs {
        axes[input.index()] = graph.value(input).shape.as_ref().filter(|s| !s.is_empty()).map(|_| 0);
    }
    let mut needs = Vec::new();
    let mut groups = Vec::new();
    for id in graph.node_ids() {
        let node = graph.node(id);
        let carries = node.present_inputs().any(|v| axes[v.index()].is_some());
        for (k, &out) in node.outputs.iter().enumerate() {
            if let Some(&axis) = given.get(&out) {
                axes[out.index()] = Some(axis);
                continue;
            }
            if !carries {
                continue;
            }
            let mut rules = Rules { graph, axes: &axes, batch, needs: Vec::new() };
            let axis = rules.output_axis(node, k).and_then(|axis| divisible(graph, out, axis, batch));
            needs.extend(rules.needs.drain(..).map(|need| (id, need)));
            axes[out.index()] = axis.map_err(|why| untraceable(graph, id, why))?;
        }
        let carries_at = |slot| operand(node, slot).is_some_and(|v| axes[v.index()].is_some());
        if carries && node.op.name == "Conv" && carries_at(1) && carries_at(0) {
            groups.push(id);
        }
    }
    Ok(Pass { axes: BatchAxes { axes, batch, groups, expands: Vec::new(), folds: Vec::new() }, needs })
}

fn operand(node: &Node, slot: usize) -> Option<ValueId> {
    node.inputs.get(slot).copied().flatten()
}

/// The batch is a factor of the size of its axis; a rule that found another axis was wrong.
fn divisible(graph: &Graph, value: ValueId, axis: Option<usize>, batch: u64) -> Result<Option<usize>, String> {
    match (axis, &graph.value(value).shape) {
        (Some(k), Some(shape)) if !shape.get(k).is_some_and(|d| d.is_multiple_of(batch)) => {
            Err(format!("axis {k} of its output {shape:?} has no place for the batch of {batch}"))
        }
        _ => Ok(axis),
    }
}

/// Gives an operand the batch: by letting it carry it, or, where its batch axis has size 1, by noting a node to insert.
fn meet(graph: &Graph, axes: &mut BatchAxes, given: &mut Given, node: NodeId, need: &Need) -> Result<(), String> {
    match *need {
        Need::Carry { slot, axis } => {
            let value = operand(graph.node(node), slot).ok_or("an operand is missing")?;
            if graph.value(value).shape.as_ref().is_some_and(|s| axis >= s.len()) {
                return Err(format!("its operand `{}` has no axis {axis}", graph.value(value).name));
            }
            if can_carry(graph, axes, value, axis, given) {
                return Ok(());
            }
            let shape = graph.value(value).shape.as_ref();
            if shape.is_some_and(|s| s[axis] == 1) {
                axes.expands.push((node, slot, axis));
                return Ok(());
            }
            let (name, batch) = (&graph.value(value).name, axes.batch);
            let shape = shape.map_or_else(String::new, |s| format!(" {s:?}"));
            Err(format!("its operand `{name}`{shape} does not depend on the inputs but is made for a batch of {batch}"))
        }
        Need::Fold => {
            let x = operand(graph.node(node), 0).ok_or("it has no data")?;
            // A Reshape that does nothing at batch 1 is where the exporter folded the batch into the channels.
            let folded = graph.producer(x).map(|id| graph.node(id)).filter(|n| n.op.name == "Reshape").and_then(|n| {
                let from = operand(n, 0)?;
                let rules = Rules { graph, axes: &axes.axes, batch: axes.batch, needs: Vec::new() };
                let (shape, out) = (graph.value(from).shape.as_ref()?, graph.value(x).shape.as_ref()?);
                rules.continuing(shape, axes.axis(from)?, out).contains(&1).then_some(())
            });
            match folded {
                Some(()) => _ = given.insert(x, 1),
                None => axes.folds.push(node),
            }
            Ok(())
        }
    }
}

/// Whether a value that depends on no input can be made with any batch along `axis`; if so, it and what it is computed
/// from are given that axis.
fn can_carry(graph: &Graph, axes: &BatchAxes, value: ValueId, axis: usize, given: &mut Given) -> bool {
    if axes.axis(value) == Some(axis) || given.get(&value) == Some(&axis) {
        return true;
    }
    let Some(node) = graph.producer(value).map(|id| graph.node(id)) else { return false };
    let Some(source) = operand(node, 0) else { return false };
    let (Some(from), Some(to)) = (&graph.value(source).shape, &graph.value(value).shape) else { return false };
    let carried = match node.op.name.as_str() {
        "Expand" => {
            let constant =
                operand(node, 1).and_then(|t| graph.value(t).data.as_ref()).and_then(ConstData::ints).is_some();
            // The axis may be one that the Expand adds.
            let stretched = (axis + from.len()).checked_sub(to.len()).is_none_or(|inner| from.get(inner) == Some(&1));
            constant && stretched
        }
        "Cast" | "Identity" => can_carry(graph, axes, source, axis, given),
        _ => false,
    };
    if carried {
        given.insert(value, axis);
    }
    carried
}

fn input_batch(graph: &Graph) -> Result<u64, GraphError> {
    let bad = |why| GraphError::NoBatch { graph: graph.name.clone(), why };
    let mut leading = graph.inputs.iter().filter_map(|&v| graph.value(v).shape.as_ref()?.first().copied());
    let first = leading.next().ok_or_else(|| bad("it has no input with a dimension"))?;
    if first == 0 {
        return Err(bad("dimension 0 of its input is 0"));
    }
    if leading.any(|d| d != first) {
        return Err(bad("its inputs disagree in dimension 0"));
    }
    Ok(first)
}
