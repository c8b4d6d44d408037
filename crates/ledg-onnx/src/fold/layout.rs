//! Moving elements of constants: every operator here is a list of places to read from.

use ledg_graph::ConstData;

use crate::fact::{Call, Fact, axis};
use crate::infer::{slice_plan, split_sizes, transpose_axes};

/// The elements at those places, or nothing if one does not exist.
pub(super) fn pick(data: &ConstData, places: &[usize]) -> Option<ConstData> {
    Some(match data {
        ConstData::Ints(v) => ConstData::Ints(places.iter().map(|&p| v.get(p).copied()).collect::<Option<_>>()?),
        ConstData::Floats(v) => ConstData::Floats(places.iter().map(|&p| v.get(p).copied()).collect::<Option<_>>()?),
    })
}

/// Distance between neighbours along each axis.
fn strides(shape: &[u64]) -> Vec<i64> {
    let mut strides = vec![1i64; shape.len()];
    for i in (1..shape.len()).rev() {
        strides[i - 1] = strides[i].saturating_mul(shape[i] as i64);
    }
    strides
}

/// Places of all elements of `shape` in a buffer with those strides.
fn walk(shape: &[u64], strides: &[i64], offset: i64) -> Option<Vec<usize>> {
    // An empty tensor may still have huge axes, which must not be walked.
    let mut places = if shape.contains(&0) { Vec::new() } else { vec![offset] };
    for (&d, &stride) in shape.iter().zip(strides) {
        places = places.iter().flat_map(|&p| (0..d as i64).map(move |i| p + i * stride)).collect();
    }
    places.into_iter().map(|p| usize::try_from(p).ok()).collect()
}

/// For each element of `to` the place in `from` that broadcasts to it.
pub(super) fn broadcast_places(from: &[u64], to: &[u64]) -> Option<Vec<usize>> {
    let missing = to.len().checked_sub(from.len())?;
    let mut by = vec![0; missing];
    by.extend(strides(from).iter().zip(from).map(|(&s, &d)| if d == 1 { 0 } else { s }));
    walk(to, &by, 0)
}

/// Expand broadcasts; Tile starts over.
pub(super) fn repeat(call: &Call, shape: &[u64]) -> Option<ConstData> {
    let input = call.input(0)?;
    let (data, from) = (input.data.as_deref()?, input.shape.as_deref()?);
    if call.op == "Expand" {
        return pick(data, &broadcast_places(from, shape)?);
    }
    let mut places = vec![0usize];
    for ((&to, &d), &stride) in shape.iter().zip(from).zip(&strides(from)) {
        places =
            places.iter().flat_map(|&p| (0..to).map(move |i| p + (i % d.max(1)) as usize * stride as usize)).collect();
    }
    pick(data, &places)
}

pub(super) fn transpose(call: &Call, shape: &[u64]) -> Option<ConstData> {
    let input = call.input(0)?;
    let from = strides(input.shape.as_deref()?);
    let by: Vec<i64> = transpose_axes(call, shape.len()).ok()?.into_iter().map(|p| from[p]).collect();
    pick(input.data.as_deref()?, &walk(shape, &by, 0)?)
}

pub(super) fn slice(call: &Call, shape: &[u64]) -> Option<ConstData> {
    let input = call.input(0)?;
    let from = strides(input.shape.as_deref()?);
    let cuts = slice_plan(call).ok()?;
    let by: Vec<i64> = from.iter().zip(&cuts).map(|(s, c)| s.saturating_mul(c.step)).collect();
    let offset = from.iter().zip(&cuts).fold(0i64, |o, (s, c)| o.saturating_add(s.saturating_mul(c.start)));
    pick(input.data.as_deref()?, &walk(shape, &by, offset)?)
}

pub(super) fn split(call: &Call, outputs: &[Fact]) -> Option<Vec<ConstData>> {
    let input = call.input(0)?;
    let from = strides(input.shape.as_deref()?);
    let (at, _) = split_sizes(call).ok()?;
    let mut begin = 0;
    let mut parts = Vec::with_capacity(outputs.len());
    for output in outputs {
        let shape = output.shape.as_deref()?;
        parts.push(pick(input.data.as_deref()?, &walk(shape, &from, i64::saturating_mul(begin, from[at]))?)?);
        begin += shape[at] as i64;
    }
    Some(parts)
}

pub(super) fn concat(call: &Call, shape: &[u64]) -> Option<ConstData> {
    let at = axis(call.attr_int("axis", 1), shape.len()).ok()?;
    let inputs: Vec<&Fact> = (0..call.inputs.len()).map(|i| call.input(i)).collect::<Option<_>>()?;
    let outer: u64 = shape[..at].iter().product();
    // All inputs one after the other, then the places that interleave them.
    let mut begin = 0usize;
    let mut blocks = Vec::with_capacity(inputs.len());
    for input in &inputs {
        let len = input.data.as_deref()?.len();
        blocks.push((begin, len / (outer as usize).max(1)));
        begin += len;
    }
    let places: Vec<usize> =
        (0..outer as usize).flat_map(|o| blocks.iter().flat_map(move |&(b, n)| b + o * n..b + (o + 1) * n)).collect();
    let joined = if inputs.iter().all(|f| matches!(f.data.as_deref(), Some(ConstData::Ints(_)))) {
        ConstData::Ints(
            inputs
                .iter()
                .flat_map(|f| f.data.as_deref().and_then(ConstData::ints).unwrap_or_default())
                .copied()
                .collect(),
        )
    } else {
        let floats = |f: &&Fact| match f.data.as_deref() {
            Some(ConstData::Floats(v)) => Some(v.clone()),
            _ => None,
        };
        ConstData::Floats(inputs.iter().map(floats).collect::<Option<Vec<_>>>()?.concat())
    };
    pick(&joined, &places)
}

/// An index counted from the front.
fn place(index: i64, extent: u64) -> Option<usize> {
    let extent = extent as i64;
    let index = if index < 0 { index.checked_add(extent)? } else { index };
    (0..extent).contains(&index).then_some(index as usize)
}

pub(super) fn gather(call: &Call) -> Option<ConstData> {
    let input = call.input(0)?;
    let shape = input.shape.as_deref()?;
    let at = axis(call.attr_int("axis", 0), shape.len()).ok()?;
    let outer: u64 = shape[..at].iter().product();
    let inner = shape[at + 1..].iter().product::<u64>() as usize;
    let indices = call.input(1)?.data.as_deref()?.ints()?;
    let indices: Vec<usize> = indices.iter().map(|&i| place(i, shape[at])).collect::<Option<_>>()?;
    let extent = shape[at] as usize;
    let places: Vec<usize> = (0..outer as usize)
        .flat_map(|o| indices.iter().flat_map(move |&i| (o * extent + i) * inner..(o * extent + i + 1) * inner))
        .collect();
    pick(input.data.as_deref()?, &places)
}

/// Overwrites slices of a constant; only plain replacement.
pub(super) fn scatter_nd(call: &Call) -> Option<ConstData> {
    if call.attrs.str("reduction").is_some_and(|r| r != "none") {
        return None;
    }
    let (input, indices, updates) = (call.input(0)?, call.input(1)?, call.input(2)?);
    let shape = input.shape.as_deref()?;
    let depth = usize::try_from(*indices.shape.as_deref()?.last()?).ok()?;
    if depth == 0 {
        return None;
    }
    let inner = shape.get(depth..)?.iter().product::<u64>() as usize;
    let by = strides(shape);
    let mut begins = Vec::new();
    for tuple in indices.data.as_deref()?.ints()?.chunks_exact(depth) {
        let mut begin = 0;
        for ((&i, &d), &stride) in tuple.iter().zip(shape).zip(&by) {
            begin += place(i, d)? * stride as usize;
        }
        begins.push(begin);
    }
    fn write<T: Copy>(mut into: Vec<T>, begins: &[usize], inner: usize, from: &[T]) -> Option<Vec<T>> {
        for (k, &begin) in begins.iter().enumerate() {
            let source = from.get(k * inner..(k + 1) * inner)?;
            into.get_mut(begin..begin + inner)?.copy_from_slice(source);
        }
        Some(into)
    }
    Some(match (input.data.as_deref()?, updates.data.as_deref()?) {
        (ConstData::Ints(v), ConstData::Ints(u)) => ConstData::Ints(write(v.clone(), &begins, inner, u)?),
        (ConstData::Floats(v), ConstData::Floats(u)) => ConstData::Floats(write(v.clone(), &begins, inner, u)?),
        _ => return None,
    })
}

/// Keeps the upper or lower triangle of the two innermost axes.
pub(super) fn trilu(call: &Call, shape: &[u64]) -> Option<ConstData> {
    let [.., rows, columns] = *shape else { return None };
    let k = if call.has(1) { call.scalar_int(1).ok()? } else { 0 };
    let upper = call.flag("upper", true);
    let kept = |i: usize| {
        let (row, column) = (i as u64 / columns % rows, i as u64 % columns);
        let above = (column as i64).saturating_sub(row as i64);
        if upper { above >= k } else { above <= k }
    };
    Some(match call.input(0)?.data.as_deref()? {
        ConstData::Ints(v) => {
            ConstData::Ints(v.iter().enumerate().map(|(i, &x)| if kept(i) { x } else { 0 }).collect())
        }
        ConstData::Floats(v) => {
            ConstData::Floats(v.iter().enumerate().map(|(i, &x)| if kept(i) { x } else { 0.0 }).collect())
        }
    })
}

/// Coordinates of the elements that are not zero, axis by axis.
pub(super) fn non_zero(call: &Call) -> Option<ConstData> {
    let input = call.input(0)?;
    let shape = input.shape.as_deref()?;
    let values = call.floats(0).ok()?;
    let hits: Vec<usize> = values.iter().enumerate().filter(|(_, v)| **v != 0.0).map(|(i, _)| i).collect();
    let axes = shape.iter().zip(strides(shape));
    let coordinates =
        axes.flat_map(|(&d, stride)| hits.iter().map(move |&i| (i as i64 / stride.max(1)) % (d as i64).max(1)));
    Some(ConstData::Ints(coordinates.collect()))
}
