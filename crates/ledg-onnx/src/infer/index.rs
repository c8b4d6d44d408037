//! Operators that choose elements: slices, gathers, the largest k.

use ledg_graph::{ConstData, DType};

use crate::fact::{Call, Fact, Stop, axis, count, size};
use crate::infer::Inferred;

/// What a Slice takes along each axis of its input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cut {
    /// First index taken.
    pub start: i64,
    /// Distance from one index taken to the next, negative for backwards.
    pub step: i64,
    /// How many are taken.
    pub len: u64,
}

/// The cuts of a Slice, one an axis.
pub(crate) fn slice_plan(call: &Call) -> Result<Vec<Cut>, Stop> {
    let x = call.shape(0)?;
    let starts = call.ints_or_attr(1, "starts")?.ok_or("its starts are missing")?;
    let ends = call.ints_or_attr(2, "ends")?.ok_or("its ends are missing")?;
    let along = call.ints_or_attr(3, "axes")?;
    let steps = if call.has(4) { Some(call.ints(4)?) } else { None };
    let n = starts.len();
    if ends.len() != n || along.is_some_and(|a| a.len() != n) || steps.is_some_and(|s| s.len() != n) {
        return Err(Stop::Invalid("its starts, ends, axes and steps differ in number".to_owned()));
    }
    let mut cuts: Vec<Cut> = x.iter().map(|&len| Cut { start: 0, step: 1, len }).collect();
    for i in 0..n {
        let at = axis(along.map_or(i as i64, |a| a[i]), x.len())?;
        cuts[at] = cut(x[at], starts[i], ends[i], steps.map_or(1, |s| s[i]))?;
    }
    Ok(cuts)
}

fn cut(extent: u64, start: i64, end: i64, step: i64) -> Result<Cut, Stop> {
    let extent = i64::try_from(extent).map_err(|_| "a size overflows")?;
    let from_front = |i: i64| if i < 0 { i.saturating_add(extent) } else { i };
    let (start, end) = (from_front(start), from_front(end));
    let (start, span) = match step {
        0 => return Err("a step of 0 goes nowhere".into()),
        1.. => {
            let start = start.clamp(0, extent);
            (start, end.clamp(0, extent) - start)
        }
        // Backwards the last index taken may be 0, so the end may lie before it.
        _ => {
            let start = start.clamp(-1, extent - 1);
            (start, start - end.clamp(-1, extent - 1))
        }
    };
    let len = if span <= 0 { 0 } else { (span as u64).div_ceil(step.unsigned_abs()) };
    Ok(Cut { start, step, len })
}

pub(super) fn slice(call: &Call) -> Inferred {
    call.one(slice_plan(call)?.iter().map(|c| c.len).collect())
}

/// The indices' shape takes the place of the gathered axis.
pub(super) fn gather(call: &Call) -> Inferred {
    let (x, indices) = (call.shape_of_rank(0, 1..=usize::MAX)?, call.shape(1)?);
    let at = axis(call.attr_int("axis", 0), x.len())?;
    call.one([&x[..at], indices, &x[at + 1..]].concat())
}

pub(super) fn gather_elements(call: &Call) -> Inferred {
    let (x, indices) = (call.shape(0)?, call.shape(1)?);
    if x.len() != indices.len() {
        return Err(Stop::Invalid(format!("indices of shape {indices:?} do not fit data of shape {x:?}")));
    }
    call.one(indices.to_vec())
}

pub(super) fn gather_nd(call: &Call) -> Inferred {
    let (x, indices) = (call.shape(0)?, call.shape_of_rank(1, 1..=usize::MAX)?);
    let wrong = || Stop::Invalid(format!("indices of shape {indices:?} do not fit data of shape {x:?}"));
    let batch = usize::try_from(call.attr_int("batch_dims", 0)).map_err(|_| wrong())?;
    let (outer, tuple) = indices.split_at(indices.len() - 1);
    let taken = usize::try_from(tuple[0]).ok().and_then(|t| t.checked_add(batch));
    let rest = taken.and_then(|t| x.get(t..)).ok_or_else(wrong)?;
    call.one([outer, rest].concat())
}

pub(super) fn top_k(call: &Call) -> Inferred {
    let mut shape = call.shape_of_rank(0, 1..=usize::MAX)?.to_vec();
    let at = axis(call.attr_int("axis", -1), shape.len())?;
    let k = if call.has(1) { call.scalar_int(1)? } else { call.attrs.int("k").ok_or("its k is missing")? };
    let k = size(Some(k), "k")?;
    if k > shape[at] {
        return Err(Stop::Invalid(format!("its k is {k}, axis {at} has {}", shape[at])));
    }
    shape[at] = k;
    Ok(vec![Fact::new(call.dtype(0)?, shape.clone()), Fact::new(DType::I64, shape)])
}

/// Keeps what a condition marks; the condition must be constant.
pub(super) fn compress(call: &Call) -> Inferred {
    let x = call.shape(0)?;
    let kept = call.ints(1)?.iter().filter(|&&c| c != 0).count() as u64;
    match call.attrs.int("axis") {
        None => {
            count(x)?;
            call.one(vec![kept])
        }
        Some(at) => {
            let mut shape = x.to_vec();
            shape[axis(at, x.len())?] = kept;
            call.one(shape)
        }
    }
}

/// Operators whose output's size depends on the data itself.
pub(super) fn data_dependent(call: &Call) -> Inferred {
    match call.input(0).and_then(|f| f.data.as_deref()) {
        // Even constant data is not worth an implementation of these here.
        Some(ConstData::Ints(_) | ConstData::Floats(_)) | None => Err(Stop::NeedsValue(0)),
    }
}
