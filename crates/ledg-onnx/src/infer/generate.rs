//! Operators whose output is made from a description: a shape, a range, a pattern.

use ledg_graph::{ConstData, DType, Shape};

use crate::fact::{Call, Fact, Stop, axis, count, size};
use crate::infer::Inferred;
use crate::infer::elementwise::target_type;

/// The input's shape as data: the start of all shape arithmetic.
pub(super) fn shape(call: &Call) -> Inferred {
    let x = call.shape(0)?;
    let bound = |name: &str, default: i64| {
        let i = call.attr_int(name, default);
        (if i < 0 { i.saturating_add(x.len() as i64) } else { i }).clamp(0, x.len() as i64) as usize
    };
    let (start, end) = (bound("start", 0), bound("end", x.len() as i64));
    let dims = x.get(start..end).unwrap_or_default();
    let dims = dims.iter().map(|&d| i64::try_from(d).map_err(|_| "a size overflows")).collect::<Result<_, _>>()?;
    Ok(vec![Fact::ints(DType::I64, dims)])
}

fn elements(x: &[u64]) -> Result<i64, Stop> {
    i64::try_from(count(x)?).map_err(|_| Stop::Invalid("the number of elements overflows".to_owned()))
}

/// The number of elements as data.
pub(super) fn element_count(call: &Call) -> Inferred {
    Ok(vec![Fact::new(DType::I64, Vec::new()).with_data(ConstData::Ints(vec![elements(call.shape(0)?)?]))])
}

/// A shape given by integers.
pub(super) fn shape_from(dims: &[i64]) -> Result<Shape, Stop> {
    dims.iter().map(|&d| size(Some(d), "a size")).collect()
}

pub(super) fn constant_of_shape(call: &Call) -> Inferred {
    let dtype = call.value.as_ref().map_or(DType::F32, |v| v.dtype);
    Ok(vec![Fact::new(dtype, shape_from(call.ints(0)?)?)])
}

/// The shape of input 0, the element type of attribute `dtype` if given.
pub(super) fn like(call: &Call) -> Inferred {
    let dtype = target_type(call, "dtype")?.unwrap_or(call.dtype(0)?);
    Ok(vec![Fact::new(dtype, call.shape(0)?.to_vec())])
}

pub(super) fn random(call: &Call) -> Inferred {
    let dims = call.attrs.ints("shape").ok_or("attribute `shape` is missing")?;
    Ok(vec![Fact::new(target_type(call, "dtype")?.unwrap_or(DType::F32), shape_from(dims)?)])
}

pub(super) fn multinomial(call: &Call) -> Inferred {
    let x = call.shape_of_rank(0, 2..=2)?;
    let samples = size(Some(call.attr_int("sample_size", 1)), "attribute `sample_size`")?;
    Ok(vec![Fact::new(target_type(call, "dtype")?.unwrap_or(DType::I32), vec![x[0], samples])])
}

/// # Shapes
/// (rank, number of elements that are not zero); the data must be constant.
pub(super) fn non_zero(call: &Call) -> Inferred {
    let x = call.shape(0)?;
    let hits = call.floats(0)?.iter().filter(|&&v| v != 0.0).count() as u64;
    Ok(vec![Fact::new(DType::I64, vec![x.len() as u64, hits])])
}

/// A new axis of size `depth`.
pub(super) fn one_hot(call: &Call) -> Inferred {
    let mut shape = call.shape(0)?.to_vec();
    let depth = call.floats(1)?;
    let [depth] = depth[..] else { return Err("its depth should be one number".into()) };
    let at = axis(call.attr_int("axis", -1), shape.len() + 1)?;
    shape.insert(at, size(Some(depth as i64), "its depth")?);
    Ok(vec![Fact::new(call.dtype(2)?, shape)])
}

/// How many numbers a Range has.
pub(super) fn range(call: &Call) -> Inferred {
    let number = |i: usize| match call.floats(i)?[..] {
        [v] => Ok(v),
        _ => Err(Stop::Invalid(format!("input {i} should hold one number"))),
    };
    let (start, limit, delta) = (number(0)?, number(1)?, number(2)?);
    let n = ((limit - start) / delta).ceil().max(0.0);
    // 2^53 is beyond any memory; a step of 0 gives infinity or NaN.
    if !n.is_finite() || n > 9e15 {
        return Err(Stop::Invalid(format!("a range from {start} to {limit} by {delta} does not end")));
    }
    call.one(vec![n as u64])
}
