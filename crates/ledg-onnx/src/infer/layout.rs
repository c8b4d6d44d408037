//! Operators that move elements without computing: reshapes, permutations, joins and cuts.

use ledg_graph::Shape;

use crate::fact::{Call, Fact, Stop, axes, axis, count, size};
use crate::infer::Inferred;
use crate::infer::elementwise::broadcast;

pub(super) fn reshape(call: &Call) -> Inferred {
    let x = call.shape(0)?;
    let target = call.ints_or_attr(1, "shape")?.ok_or("its target shape is missing")?;
    let wrong = || Stop::Invalid(format!("shape {x:?} cannot become {target:?}"));
    let allow_zero = call.flag("allowzero", false);
    let mut shape = Vec::with_capacity(target.len());
    let mut rest = None;
    for (i, &d) in target.iter().enumerate() {
        match d {
            -1 if rest.is_none() => {
                rest = Some(i);
                shape.push(1);
            }
            0 if !allow_zero => shape.push(*x.get(i).ok_or_else(wrong)?),
            d => shape.push(u64::try_from(d).map_err(|_| wrong())?),
        }
    }
    let (have, want) = (count(x)?, count(&shape)?);
    match rest {
        Some(i) if want > 0 && have % want == 0 => shape[i] = have / want,
        None if have == want => {}
        _ => return Err(wrong()),
    }
    call.one(shape)
}

pub(super) fn flatten(call: &Call) -> Inferred {
    let x = call.shape(0)?;
    // The axis may be the rank itself: everything is outside.
    let at = call.attr_int("axis", 1);
    let at = if at == x.len() as i64 { x.len() } else { axis(at, x.len())? };
    call.one(vec![count(&x[..at])?, count(&x[at..])?])
}

/// The permutation of a Transpose: which input axis becomes output axis `i`.
pub(crate) fn transpose_axes(call: &Call, rank: usize) -> Result<Vec<usize>, Stop> {
    let Some(perm) = call.attrs.ints("perm") else { return Ok((0..rank).rev().collect()) };
    let places: Vec<usize> = perm.iter().map(|&p| axis(p, rank)).collect::<Result<_, _>>()?;
    if places.len() != rank || axes(perm, rank).is_err() {
        return Err(Stop::Invalid(format!("attribute `perm` {perm:?} is no permutation of {rank} axes")));
    }
    Ok(places)
}

pub(super) fn transpose(call: &Call) -> Inferred {
    let x = call.shape(0)?;
    let shape = transpose_axes(call, x.len())?.into_iter().map(|p| x[p]).collect();
    call.one(shape)
}

pub(super) fn squeeze(call: &Call) -> Inferred {
    let x = call.shape(0)?;
    let gone: Vec<usize> = match call.ints_or_attr(1, "axes")? {
        Some(given) => axes(given, x.len())?,
        None => (0..x.len()).filter(|&i| x[i] == 1).collect(),
    };
    if let Some(&i) = gone.iter().find(|&&i| x[i] != 1) {
        return Err(Stop::Invalid(format!("axis {i} of shape {x:?} is not 1, it cannot be squeezed")));
    }
    call.one((0..x.len()).filter(|i| !gone.contains(i)).map(|i| x[i]).collect())
}

pub(super) fn unsqueeze(call: &Call) -> Inferred {
    let x = call.shape(0)?;
    let given = call.ints_or_attr(1, "axes")?.ok_or("its axes are missing")?;
    let rank = x.len() + given.len();
    let new = axes(given, rank)?;
    let mut old = x.iter();
    let shape: Shape =
        (0..rank).filter_map(|i| if new.binary_search(&i).is_ok() { Some(1) } else { old.next().copied() }).collect();
    call.one(shape)
}

pub(super) fn concat(call: &Call) -> Inferred {
    let mut shape = call.shape_of_rank(0, 1..=usize::MAX)?.to_vec();
    // Operator set 1 had a default.
    let at = axis(call.attr_int("axis", 1), shape.len())?;
    for i in 1..call.inputs.len() {
        join(&mut shape, call.shape(i)?, at)?;
    }
    call.one(shape)
}

/// Lengthens `shape` along an axis by another shape that agrees elsewhere.
pub(super) fn join(shape: &mut [u64], next: &[u64], at: usize) -> Result<(), Stop> {
    let fits = next.len() == shape.len() && (0..next.len()).all(|i| i == at || next[i] == shape[i]);
    let wrong = || Stop::Invalid(format!("shapes {shape:?} and {next:?} cannot be joined along axis {at}"));
    let sum = next.get(at).filter(|_| fits).and_then(|&d| d.checked_add(shape[at])).ok_or_else(wrong)?;
    shape[at] = sum;
    Ok(())
}

/// The axis of a Split and the sizes of its parts.
pub(crate) fn split_sizes(call: &Call) -> Result<(usize, Vec<u64>), Stop> {
    let x = call.shape_of_rank(0, 1..=usize::MAX)?;
    let at = axis(call.attr_int("axis", 0), x.len())?;
    let whole = x[at];
    if let Some(parts) = call.ints_or_attr(1, "split")? {
        let parts: Vec<u64> = parts.iter().map(|&p| size(Some(p), "a part")).collect::<Result<_, _>>()?;
        let sum = parts.iter().try_fold(0u64, |s, &p| s.checked_add(p));
        return match sum {
            Some(sum) if sum == whole => Ok((at, parts)),
            _ => Err(Stop::Invalid(format!("parts {parts:?} do not add up to axis {at} of {x:?}"))),
        };
    }
    let n = call.attrs.int("num_outputs").map_or(Some(call.n_outputs as u64), |n| u64::try_from(n).ok());
    let n = n
        .filter(|n| (1..=call.n_outputs.max(1) as u64).contains(n))
        .ok_or("its number of outputs is not positive, or more than it names")?;
    // The last part is smaller where the axis does not divide.
    let part = whole.div_ceil(n);
    let parts = (0..n).map(|i| whole.saturating_sub(i * part).min(part)).collect();
    Ok((at, parts))
}

pub(super) fn split(call: &Call) -> Inferred {
    let (at, parts) = split_sizes(call)?;
    let (x, dtype) = (call.shape(0)?, call.dtype(0)?);
    let part = |p: u64| {
        let mut shape = x.to_vec();
        shape[at] = p;
        Fact::new(dtype, shape)
    };
    Ok(parts.into_iter().map(part).collect())
}

pub(super) fn expand(call: &Call) -> Inferred {
    let target: Shape = call.ints(1)?.iter().map(|&d| size(Some(d), "a target size")).collect::<Result<_, _>>()?;
    call.one(broadcast(call.shape(0)?, &target)?)
}

pub(super) fn tile(call: &Call) -> Inferred {
    let x = call.shape(0)?;
    let repeats = call.ints(1)?;
    if repeats.len() != x.len() {
        return Err(Stop::Invalid(format!("repeats {repeats:?} do not fit shape {x:?}")));
    }
    let times = |(&d, &r): (&u64, &i64)| size(i64::try_from(d).ok().and_then(|d| d.checked_mul(r)), "an output size");
    call.one(x.iter().zip(repeats).map(times).collect::<Result<_, _>>()?)
}

pub(super) fn pad(call: &Call) -> Inferred {
    let x = call.shape(0)?;
    let pads = match call.ints_or_attr(1, "pads")? {
        Some(pads) => pads,
        None => call.attrs.ints("paddings").ok_or("its pads are missing")?,
    };
    let padded: Vec<usize> = if call.has(3) {
        call.ints(3)?.iter().map(|&a| axis(a, x.len())).collect::<Result<_, _>>()?
    } else {
        (0..x.len()).collect()
    };
    if pads.len() != 2 * padded.len() {
        return Err(Stop::Invalid(format!("pads {pads:?} should be two for each of {} axes", padded.len())));
    }
    let (begins, ends) = pads.split_at(padded.len());
    let mut shape = x.to_vec();
    for ((&at, &begin), &end) in padded.iter().zip(begins).zip(ends) {
        let grown = i64::try_from(shape[at]).ok().and_then(|d| d.checked_add(begin)?.checked_add(end));
        shape[at] = size(grown, "an output size")?;
    }
    call.one(shape)
}

fn block(call: &Call) -> Result<u64, Stop> {
    let block = call.attrs.int("blocksize").and_then(|b| u64::try_from(b).ok()).filter(|&b| b > 0 && b < 1 << 16);
    block.ok_or_else(|| Stop::Invalid("attribute `blocksize` is missing or not positive".to_owned()))
}

/// # Shapes
/// (n, c·b², h, w) -> (n, c, h·b, w·b)
pub(super) fn depth_to_space(call: &Call) -> Inferred {
    let (x, b) = (call.shape_of_rank(0, 4..=4)?, block(call)?);
    if x[1] % (b * b) != 0 {
        return Err(Stop::Invalid(format!("{} channels do not divide into blocks of {b}x{b}", x[1])));
    }
    let (h, w) = x[2].checked_mul(b).zip(x[3].checked_mul(b)).ok_or("an output size overflows")?;
    call.one(vec![x[0], x[1] / (b * b), h, w])
}

/// # Shapes
/// (n, c, h·b, w·b) -> (n, c·b², h, w)
pub(super) fn space_to_depth(call: &Call) -> Inferred {
    let (x, b) = (call.shape_of_rank(0, 4..=4)?, block(call)?);
    if x[2] % b != 0 || x[3] % b != 0 {
        return Err(Stop::Invalid(format!("{}x{} does not divide into blocks of {b}x{b}", x[2], x[3])));
    }
    let c = x[1].checked_mul(b * b).ok_or("an output size overflows")?;
    call.one(vec![x[0], c, x[2] / b, x[3] / b])
}
