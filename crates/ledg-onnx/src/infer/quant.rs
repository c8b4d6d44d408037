//! Quantisation, and ONNX Runtime's operators on quantised tensors.

use ledg_graph::DType;

use crate::fact::{Call, Fact, Stop, axis};
use crate::infer::Inferred;
use crate::infer::elementwise::{broadcast, target_type};
use crate::infer::layout::join;
use crate::infer::linalg::gemm_shape;

/// The zero point's element type, else the attribute's, else unsigned bytes.
pub(super) fn quantize(call: &Call) -> Inferred {
    let named = target_type(call, "output_dtype")?;
    let dtype = call.input(2).map(|zero| zero.dtype).or(named).unwrap_or(DType::U8);
    Ok(vec![Fact::new(dtype, call.shape(0)?.to_vec())])
}

/// The scale's element type.
pub(super) fn dequantize(call: &Call) -> Inferred {
    let dtype = target_type(call, "output_dtype")?.unwrap_or(call.dtype(1)?);
    Ok(vec![Fact::new(dtype, call.shape(0)?.to_vec())])
}

/// Outputs: the quantised tensor, its scale and its zero point.
pub(super) fn dynamic_quantize(call: &Call) -> Inferred {
    let scalar = |dtype| Fact::new(dtype, Vec::new());
    Ok(vec![Fact::new(DType::U8, call.shape(0)?.to_vec()), scalar(call.dtype(0)?), scalar(DType::U8)])
}

/// Inputs: a, scale, zero, b, scale, zero, scale, zero.
pub(super) fn qlinear_binary(call: &Call) -> Inferred {
    call.one(broadcast(call.shape(0)?, call.shape(3)?)?)
}

/// Inputs: a, scale, zero, b, scale, zero, c, scale, zero; without the last two the result is a float.
pub(super) fn qgemm(call: &Call) -> Inferred {
    let dtype = call.input(8).map_or(DType::F32, |zero| zero.dtype);
    Ok(vec![Fact::new(dtype, gemm_shape(call, 0, 3)?)])
}

/// Inputs: scale, zero, then each tensor with its own scale and zero.
pub(super) fn qlinear_concat(call: &Call) -> Inferred {
    let mut shape = call.shape_of_rank(2, 1..=usize::MAX)?.to_vec();
    let at = call.attrs.int("axis").ok_or_else(|| Stop::Invalid("attribute `axis` is missing".to_owned()))?;
    let at = axis(at, shape.len())?;
    for i in (5..call.inputs.len()).step_by(3) {
        join(&mut shape, call.shape(i)?, at)?;
    }
    Ok(vec![Fact::new(call.dtype(2)?, shape)])
}
