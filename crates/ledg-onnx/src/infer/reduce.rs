//! Reductions.

use ledg_graph::{DType, Shape};

use crate::fact::{Call, Fact, Stop, axes, axis};
use crate::infer::Inferred;

/// The axes that a Reduce operator reduces, ascending; none for a no-op.
pub(crate) fn reduced_axes(call: &Call, rank: usize) -> Result<Vec<usize>, Stop> {
    match call.ints_or_attr(1, "axes")? {
        Some(given) if !given.is_empty() => axes(given, rank),
        _ if call.flag("noop_with_empty_axes", false) => Ok(Vec::new()),
        _ => Ok((0..rank).collect()),
    }
}

fn without(x: &[u64], gone: &[usize], keep: bool) -> Shape {
    let kept = |(i, &d): (usize, &u64)| match gone.contains(&i) {
        true => keep.then_some(1),
        false => Some(d),
    };
    x.iter().enumerate().filter_map(kept).collect()
}

pub(super) fn reduce(call: &Call) -> Inferred {
    let x = call.shape(0)?;
    let gone = reduced_axes(call, x.len())?;
    call.one(without(x, &gone, call.flag("keepdims", true)))
}

pub(super) fn arg(call: &Call) -> Inferred {
    let x = call.shape(0)?;
    let gone = axis(call.attr_int("axis", 0), x.len())?;
    Ok(vec![Fact::new(DType::I64, without(x, &[gone], call.flag("keepdims", true)))])
}
