//! Topological order of a file's nodes. ONNX demands it, not every writer keeps it.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};

use crate::proto::{GraphProto, NodeProto};

/// The order in which to visit nodes, and how many reads of values were followed to find it.
pub(crate) struct Order {
    pub nodes: Vec<usize>,
    pub reads: u64,
}

/// The order in which to visit the nodes: the file's own if it is topological, else the earliest ready node first.
///
/// # Errors
/// The nodes on a cycle or downstream of one.
pub(crate) fn topological(nodes: &[NodeProto]) -> Result<Order, Vec<usize>> {
    let mut producer: HashMap<&str, usize> = HashMap::with_capacity(nodes.len());
    for (i, node) in nodes.iter().enumerate() {
        for output in node.output.iter().filter(|o| !o.is_empty()) {
            producer.entry(output).or_insert(i);
        }
    }
    let mut waiting = vec![0usize; nodes.len()];
    let mut readers: Vec<Vec<usize>> = vec![Vec::new(); nodes.len()];
    let (mut sorted, mut count) = (true, 0);
    for (i, node) in nodes.iter().enumerate() {
        reads(node, &mut |name| {
            count += 1;
            if let Some(&p) = producer.get(name) {
                waiting[i] += 1;
                readers[p].push(i);
                sorted &= p < i;
            }
        });
    }
    if sorted {
        return Ok(Order { nodes: (0..nodes.len()).collect(), reads: count });
    }
    let mut ready: BinaryHeap<Reverse<usize>> = (0..nodes.len()).filter(|&i| waiting[i] == 0).map(Reverse).collect();
    let mut order = Vec::with_capacity(nodes.len());
    while let Some(Reverse(i)) = ready.pop() {
        order.push(i);
        for &reader in &readers[i] {
            waiting[reader] -= 1;
            if waiting[reader] == 0 {
                ready.push(Reverse(reader));
            }
        }
    }
    if order.len() < nodes.len() {
        return Err((0..nodes.len()).filter(|&i| waiting[i] > 0).collect());
    }
    Ok(Order { nodes: order, reads: count })
}

/// Calls `visit` with every name that a node reads, those its subgraphs take from outside included.
fn reads<'m>(node: &'m NodeProto, visit: &mut dyn FnMut(&'m str)) {
    for name in node.input.iter().filter(|n| !n.is_empty()) {
        visit(name);
    }
    for attribute in &node.attribute {
        for graph in attribute.g.as_deref().into_iter().chain(&attribute.graphs) {
            captures(graph, visit);
        }
    }
}

/// Calls `visit` with every name that a graph inside a node takes from outside.
pub(super) fn captures<'m>(graph: &'m GraphProto, visit: &mut dyn FnMut(&'m str)) {
    let declared = graph.input.iter().map(|v| &v.name).chain(graph.initializer.iter().map(|t| &t.name));
    let mut own: HashSet<&str> = declared.filter_map(|n| n.as_deref()).collect();
    own.extend(graph.node.iter().flat_map(|n| &n.output).map(String::as_str));
    let mut outside = |name: &'m str| {
        if !own.contains(name) {
            visit(name);
        }
    };
    for node in &graph.node {
        reads(node, &mut outside);
    }
    for output in graph.output.iter().filter_map(|o| o.name.as_deref()) {
        outside(output);
    }
}
