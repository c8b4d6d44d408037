//! Axis arithmetic of operators that move, drop or add axes.

use std::collections::BTreeSet;

use super::rules::elements;
use crate::graph::{ConstData, Graph, Node, Shape};

type Found = Result<Option<usize>, String>;

fn normal(axis: i64, rank: usize) -> Option<usize> {
    let axis = if axis < 0 { axis + rank as i64 } else { axis };
    usize::try_from(axis).ok().filter(|&a| a < rank)
}

/// The attribute `axis`, counted from the front.
pub(super) fn axis_attr(node: &Node, default: i64, rank: usize) -> Option<usize> {
    normal(node.attrs.int("axis").unwrap_or(default), rank)
}

pub(super) fn kept(axis: usize, out: &[u64]) -> Found {
    if axis < out.len() {
        Ok(Some(axis))
    } else {
        Err(format!("axis {axis} is beyond the output's rank {}", out.len()))
    }
}

/// Axes given as an attribute (older operator sets) or as a constant input, each once, in order; `None` when there are none.
fn axes(graph: &Graph, node: &Node, rank: usize) -> Result<Option<Vec<usize>>, String> {
    let axes = match (node.attrs.ints("axes"), node.inputs.get(1).copied().flatten()) {
        (Some(axes), _) => axes,
        (None, Some(v)) => graph.value(v).data.as_ref().and_then(ConstData::ints).ok_or("its axes are not constant")?,
        (None, None) => return Ok(None),
    };
    let axes: Option<BTreeSet<usize>> = axes.iter().map(|&a| normal(a, rank)).collect();
    axes.map(|axes| Some(axes.into_iter().collect())).ok_or_else(|| "its axes are out of range".to_owned())
}

pub(super) fn transposed(node: &Node, axis: usize, rank: usize) -> Found {
    match node.attrs.ints("perm") {
        Some(perm) => match perm.iter().position(|&p| p == axis as i64) {
            Some(place) => Ok(Some(place)),
            None => Err("`perm` lacks the batch axis".into()),
        },
        None => Ok(Some(rank - 1 - axis)),
    }
}

pub(super) fn unsqueezed(graph: &Graph, node: &Node, axis: usize, rank: usize) -> Found {
    let new = axes(graph, node, rank)?.ok_or("it has no axes")?;
    let old = (0..rank).filter(|k| !new.contains(k)).nth(axis);
    old.map(Some).ok_or_else(|| "its axes do not fit its output".to_owned())
}

pub(super) fn squeezed(graph: &Graph, node: &Node, axis: usize, shape: &[u64]) -> Found {
    let ones = || (0..shape.len()).filter(|&k| shape[k] == 1).collect();
    let gone: Vec<usize> = axes(graph, node, shape.len())?.unwrap_or_else(ones);
    if gone.contains(&axis) {
        return Err("it drops the batch axis".into());
    }
    Ok(Some(axis - gone.iter().filter(|&&g| g < axis).count()))
}

pub(super) fn reduced(graph: &Graph, node: &Node, axis: usize, rank: usize, out: &[u64]) -> Found {
    let gone: Vec<usize> = if node.op.name.starts_with("Arg") {
        axis_attr(node, 0, rank).into_iter().collect()
    } else {
        let none_is_all = node.attrs.int("noop_with_empty_axes").unwrap_or(0) == 0;
        match axes(graph, node, rank)? {
            Some(axes) if !axes.is_empty() => axes,
            _ if none_is_all => (0..rank).collect(),
            _ => Vec::new(),
        }
    };
    if gone.contains(&axis) {
        return Err("it reduces the batch axis".into());
    }
    let before = if out.len() == rank { 0 } else { gone.iter().filter(|&&g| g < axis).count() };
    kept(axis - before, out)
}

/// What a Reshape makes of a shape: 0 copies a size, -1 takes what is left.
pub(super) fn reshaped(from: &[u64], target: &[i64], zero_is_zero: bool) -> Option<Shape> {
    let given = |k: usize| match target[k] {
        -1 => Some(1),
        0 if !zero_is_zero => from.get(k).copied(),
        size => u64::try_from(size).ok(),
    };
    let mut to: Shape = (0..target.len()).map(given).collect::<Option<_>>()?;
    if let Some(k) = target.iter().position(|&d| d == -1) {
        to[k] = elements(from)?.checked_div(elements(&to)?)?;
    }
    Some(to)
}

/// What an Expand makes of a shape.
pub(super) fn expanded(from: &[u64], target: &[i64]) -> Option<Shape> {
    let rank = from.len().max(target.len());
    let size = |k: usize| {
        let from = (k + from.len()).checked_sub(rank).map_or(1, |k| from[k]);
        let target = (k + target.len()).checked_sub(rank).map_or(Ok(1), |k| u64::try_from(target[k])).ok()?;
        if from == 1 { Some(target) } else { (target == 1 || target == from).then_some(from) }
    };
    (0..rank).map(size).collect()
}
