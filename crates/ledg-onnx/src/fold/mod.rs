//! Computing at import what depends on constants alone: the arithmetic by which exporters spell out shapes.
//!
//! **Invariant:** an answer has exactly the number of elements of the output's shape and is what a runtime would compute;
//! where that is not certain (an operator that is not implemented here, a division by zero) there is no answer.

mod arith;
mod layout;

use ledg_graph::{ConstData, DType};

use crate::fact::{Call, Fact};

/// The data of a node's outputs. All inputs have data; outputs have their shape.
pub(crate) fn evaluate(call: &Call, outputs: &[Fact]) -> Option<Vec<ConstData>> {
    if !call.domain.is_empty() {
        return None;
    }
    let out = outputs.first()?;
    let shape = out.shape.as_deref()?;
    let count = shape.iter().try_fold(1usize, |n, &d| n.checked_mul(usize::try_from(d).ok()?))?;
    let data = |i: usize| call.input(i)?.data.as_deref();
    let result = match call.op {
        "Split" => return fitting(layout::split(call, outputs)?, outputs),
        // Nothing to compute, and axes beside the empty one may be too long to walk.
        _ if count == 0 => filled(0.0, 0, out.dtype),
        "Dropout" if outputs.len() == 1 => data(0)?.clone(),
        "Identity" | "Reshape" | "Squeeze" | "Unsqueeze" | "Flatten" => data(0)?.clone(),
        "Cast" | "CastLike" => cast(data(0)?, out.dtype),
        "ConstantOfShape" => {
            let value = call.value.as_ref().map(|v| v.data.as_deref().and_then(ConstData::scalar));
            filled(value.unwrap_or(Some(0.0))?, count, out.dtype)
        }
        "Range" => range(call, count, out.dtype)?,
        "NonZero" => layout::non_zero(call)?,
        "Concat" => layout::concat(call, shape)?,
        "Expand" | "Tile" => layout::repeat(call, shape)?,
        "Gather" => layout::gather(call)?,
        "ScatterND" => layout::scatter_nd(call)?,
        "Slice" => layout::slice(call, shape)?,
        "Transpose" => layout::transpose(call, shape)?,
        "Trilu" => layout::trilu(call, shape)?,
        _ => arith::evaluate(call, out, shape)?,
    };
    fitting(vec![result], outputs)
}

/// Only complete answers count.
fn fitting(data: Vec<ConstData>, outputs: &[Fact]) -> Option<Vec<ConstData>> {
    let fits = |(d, f): (&ConstData, &Fact)| {
        f.shape.iter().flatten().try_fold(1u64, |n, &s| n.checked_mul(s)) == Some(d.len() as u64)
    };
    (data.len() == outputs.len() && data.iter().zip(outputs).all(fits)).then_some(data)
}

/// What a runtime stores: integers wrap to their width, single precision rounds.
fn stored(data: ConstData, dtype: DType) -> ConstData {
    match data {
        ConstData::Ints(mut v) => {
            let narrow: fn(i64) -> i64 = match dtype {
                DType::Bool => |x| i64::from(x != 0),
                DType::I32 => |x| i64::from(x as i32),
                DType::I16 => |x| i64::from(x as i16),
                DType::I8 => |x| i64::from(x as i8),
                DType::U32 => |x| i64::from(x as u32),
                DType::U16 => |x| i64::from(x as u16),
                DType::U8 => |x| i64::from(x as u8),
                _ => return ConstData::Ints(v),
            };
            v.iter_mut().for_each(|x| *x = narrow(*x));
            ConstData::Ints(v)
        }
        ConstData::Floats(mut v) => {
            if dtype != DType::F64 {
                v.iter_mut().for_each(|x| *x = f64::from(*x as f32));
            }
            ConstData::Floats(v)
        }
    }
}

fn cast(data: &ConstData, to: DType) -> ConstData {
    let converted = match (data, to.is_float()) {
        (ConstData::Ints(v), true) => ConstData::Floats(v.iter().map(|&x| x as f64).collect()),
        // Any number but 0 is true, also one between 0 and 1.
        (ConstData::Floats(v), false) if to == DType::Bool => {
            ConstData::Ints(v.iter().map(|&x| i64::from(x != 0.0)).collect())
        }
        (ConstData::Floats(v), false) => ConstData::Ints(v.iter().map(|&x| x as i64).collect()),
        (same, _) => same.clone(),
    };
    stored(converted, to)
}

fn filled(value: f64, count: usize, dtype: DType) -> ConstData {
    if dtype.is_float() { ConstData::Floats(vec![value; count]) } else { ConstData::Ints(vec![value as i64; count]) }
}

fn range(call: &Call, count: usize, dtype: DType) -> Option<ConstData> {
    let number = |i: usize| call.input(i)?.data.as_deref()?.scalar();
    let (start, delta) = (number(0)?, number(2)?);
    let steps = (0..count).map(|i| start + i as f64 * delta);
    Some(if dtype.is_float() {
        stored(ConstData::Floats(steps.collect()), dtype)
    } else {
        ConstData::Ints(steps.map(|v| v as i64).collect())
    })
}
