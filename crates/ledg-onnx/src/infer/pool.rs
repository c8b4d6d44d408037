//! Pooling.

use ledg_graph::{DType, Shape};

use crate::fact::{Call, Fact, Stop, size};
use crate::infer::Inferred;
use crate::infer::conv::Windows;

/// # Shapes
/// x (n, c, spatial…) -> (n, c, positions…); MaxPool's second output holds indices.
pub(super) fn pool(call: &Call) -> Inferred {
    let x = call.shape_of_rank(0, 3..=usize::MAX)?;
    let kernel = call.attrs.ints("kernel_shape").ok_or("attribute `kernel_shape` is missing")?;
    let windows = Windows::new(call, kernel.to_vec())?;
    let shape = if call.flag("channels_last", false) {
        let last = x.len() - 1;
        let mut shape = vec![x[0]];
        shape.extend(windows.positions(&x[1..last])?);
        shape.push(x[last]);
        shape
    } else {
        let mut shape = x[..2].to_vec();
        shape.extend(windows.positions(&x[2..])?);
        shape
    };
    Ok(vec![Fact::new(call.dtype(0)?, shape.clone()), Fact::new(DType::I64, shape)])
}

pub(super) fn global_pool(call: &Call) -> Inferred {
    let x = call.shape_of_rank(0, 2..=usize::MAX)?;
    let shape: Shape = x.iter().enumerate().map(|(i, &d)| if i < 2 { d } else { 1 }).collect();
    call.one(shape)
}

pub(super) fn qlinear_global_pool(call: &Call) -> Inferred {
    if !call.flag("channels_last", false) {
        return global_pool(call);
    }
    let x = call.shape_of_rank(0, 2..=usize::MAX)?;
    let last = x.len() - 1;
    call.one(x.iter().enumerate().map(|(i, &d)| if i == 0 || i == last { d } else { 1 }).collect())
}

/// The inverse of MaxPool; a third input may give the output's shape.
pub(super) fn max_unpool(call: &Call) -> Inferred {
    if call.has(2) {
        let shape = call.ints(2)?.iter().map(|&d| size(Some(d), "an output size")).collect::<Result<_, Stop>>()?;
        return call.one(shape);
    }
    let x = call.shape_of_rank(0, 3..=usize::MAX)?;
    let kernel = call.attrs.ints("kernel_shape").ok_or("attribute `kernel_shape` is missing")?;
    let windows = Windows::new(call, kernel.to_vec())?;
    let n = windows.kernel.len();
    if n != x.len() - 2 {
        return Err(Stop::Invalid(format!("a kernel of shape {kernel:?} cannot move over spatial axes {:?}", &x[2..])));
    }
    let mut shape = x[..2].to_vec();
    for i in 0..n {
        let grown = i64::try_from(x[2 + i]).ok().and_then(|d| {
            let pads = windows.pads[i].checked_add(windows.pads[n + i])?;
            d.checked_sub(1)?.checked_mul(windows.strides[i])?.checked_add(windows.kernel[i])?.checked_sub(pads)
        });
        shape.push(size(grown, "an output size")?);
    }
    call.one(shape)
}
