//! Operators whose output has the shape of an input, or of its inputs broadcast together.

use ledg_graph::{DType, Shape};

use crate::fact::{Call, Fact, Stop};
use crate::infer::Inferred;
use crate::tensor::dtype;

/// The shape that two shapes broadcast to: aligned at the innermost axis, sizes equal or 1.
pub(crate) fn broadcast(a: &[u64], b: &[u64]) -> Result<Shape, Stop> {
    let (long, short) = if a.len() >= b.len() { (a, b) } else { (b, a) };
    let mut shape = long.to_vec();
    let offset = long.len() - short.len();
    for (d, &s) in shape[offset..].iter_mut().zip(short) {
        *d = match (*d, s) {
            (x, y) if x == y => x,
            (1, y) => y,
            (x, 1) => x,
            _ => return Err(Stop::Invalid(format!("shapes {a:?} and {b:?} do not broadcast"))),
        };
    }
    Ok(shape)
}

/// The shape of input 0, and its element type.
pub(super) fn same(call: &Call) -> Inferred {
    call.one(call.shape(0)?.to_vec())
}

pub(super) fn same_but_bool(call: &Call) -> Inferred {
    Ok(vec![Fact::new(DType::Bool, call.shape(0)?.to_vec())])
}

pub(super) fn cast(call: &Call) -> Inferred {
    let to = target_type(call, "to")?.ok_or("attribute `to` is missing")?;
    Ok(vec![Fact::new(to, call.shape(0)?.to_vec())])
}

/// An element type given by an attribute.
pub(super) fn target_type(call: &Call, attr: &str) -> Result<Option<DType>, Stop> {
    // Operator set 1 spelled types out.
    if let Some(name) = call.attrs.str(attr) {
        return match name {
            "FLOAT" => Ok(Some(DType::F32)),
            "FLOAT16" => Ok(Some(DType::F16)),
            "DOUBLE" => Ok(Some(DType::F64)),
            "INT32" => Ok(Some(DType::I32)),
            "INT64" => Ok(Some(DType::I64)),
            "BOOL" => Ok(Some(DType::Bool)),
            _ => Err(Stop::Invalid(format!("attribute `{attr}` names an unknown type `{name}`"))),
        };
    }
    let Some(code) = call.attrs.int(attr) else { return Ok(None) };
    let code = i32::try_from(code).map_err(|_| format!("attribute `{attr}` is no element type"))?;
    Ok(Some(dtype(code).map_err(|why| format!("attribute `{attr}`: {why}"))?))
}

pub(super) fn cast_like(call: &Call) -> Inferred {
    Ok(vec![Fact::new(call.dtype(1)?, call.shape(0)?.to_vec())])
}

pub(super) fn dropout(call: &Call) -> Inferred {
    let shape = call.shape(0)?.to_vec();
    Ok(vec![Fact::new(call.dtype(0)?, shape.clone()), Fact::new(DType::Bool, shape)])
}

/// All inputs broadcast together.
pub(super) fn broadcasting(call: &Call) -> Inferred {
    call.one(broadcast_all(call)?)
}

pub(super) fn comparison(call: &Call) -> Inferred {
    Ok(vec![Fact::new(DType::Bool, broadcast_all(call)?)])
}

fn broadcast_all(call: &Call) -> Result<Shape, Stop> {
    let mut shape = call.shape(0)?.to_vec();
    // Before operator set 7 the second operand was aligned by attributes and never larger than the first.
    if call.domain.is_empty() && call.opset < 7 && call.attrs.get("broadcast").is_some() {
        return Ok(shape);
    }
    for i in 1..call.inputs.len() {
        shape = broadcast(&shape, call.shape(i)?)?;
    }
    Ok(shape)
}

pub(super) fn select(call: &Call) -> Inferred {
    let shape = broadcast(call.shape(0)?, &broadcast(call.shape(1)?, call.shape(2)?)?)?;
    Ok(vec![Fact::new(call.dtype(1)?, shape)])
}

/// Half of the last axis gates the other.
pub(super) fn bias_split_gelu(call: &Call) -> Inferred {
    let mut shape = call.shape_of_rank(0, 1..=usize::MAX)?.to_vec();
    if let Some(last) = shape.last_mut() {
        *last /= 2;
    }
    call.one(shape)
}
