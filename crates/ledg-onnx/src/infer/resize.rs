//! Resize and its forerunner Upsample.

use ledg_graph::Shape;

use crate::fact::{Call, Stop, axis, size};
use crate::infer::Inferred;

pub(super) fn resize(call: &Call) -> Inferred {
    let x = call.shape(0)?;
    let resized: Vec<usize> = match call.attrs.ints("axes") {
        Some(axes) => axes.iter().map(|&a| axis(a, x.len())).collect::<Result<_, _>>()?,
        None => (0..x.len()).collect(),
    };
    // Operator set 10 had no region and no sizes. An empty tensor stands for one that is left out.
    let scales = if call.opset < 11 { 1 } else { 2 };
    let given = |i: usize| call.input(i).is_some_and(|f| f.shape.as_deref() != Some(&[0]));
    let mut shape = x.to_vec();
    if call.opset >= 11 && given(3) {
        let sizes = call.ints(3)?;
        same_length(sizes.len(), resized.len(), "sizes")?;
        let targets = sizes.iter().map(|&s| size(Some(s), "an output size")).collect::<Result<Shape, _>>()?;
        let targets = keep_aspect(call, x, &resized, targets);
        for (&at, target) in resized.iter().zip(targets) {
            shape[at] = target;
        }
    } else if given(scales) {
        let factors = call.floats(scales)?;
        same_length(factors.len(), resized.len(), "scales")?;
        for (k, (&at, &factor)) in resized.iter().zip(&factors).enumerate() {
            shape[at] = scaled(x[at], factor * crop(call, k, resized.len())?)?;
        }
    } else {
        return Err("it has neither scales nor sizes".into());
    }
    call.one(shape)
}

fn same_length(found: usize, wanted: usize, what: &str) -> Result<(), Stop> {
    if found == wanted { Ok(()) } else { Err(Stop::Invalid(format!("it has {found} {what} for {wanted} axes"))) }
}

/// Runtimes multiply in single precision and round down, so do we.
fn scaled(extent: u64, factor: f64) -> Result<u64, Stop> {
    let out = (extent as f32 * factor as f32).floor();
    if out.is_finite() && (0.0..9e15).contains(&out) {
        Ok(out as u64)
    } else {
        Err(Stop::Invalid(format!("a scale of {factor} is not possible")))
    }
}

/// The share of axis `k` that `tf_crop_and_resize` looks at; 1 in other modes.
fn crop(call: &Call, k: usize, n: usize) -> Result<f64, Stop> {
    if call.attrs.str("coordinate_transformation_mode") != Some("tf_crop_and_resize") {
        return Ok(1.0);
    }
    let region = call.floats(1)?;
    match (region.get(k), region.get(n + k)) {
        (Some(begin), Some(end)) => Ok(end - begin),
        _ => Err(Stop::Invalid(format!("its region of interest should have {} numbers", 2 * n))),
    }
}

/// With an aspect-ratio policy, sizes are bounds and one scale holds for all axes.
fn keep_aspect(call: &Call, x: &[u64], resized: &[usize], targets: Shape) -> Shape {
    let ratios = resized.iter().zip(&targets).map(|(&at, &target)| target as f64 / x[at] as f64);
    let scale = match call.attrs.str("keep_aspect_ratio_policy") {
        Some("not_larger") => ratios.fold(f64::INFINITY, f64::min),
        Some("not_smaller") => ratios.fold(0.0, f64::max),
        _ => return targets,
    };
    resized.iter().map(|&at| (x[at] as f64 * scale).round() as u64).collect()
}

pub(super) fn upsample(call: &Call) -> Inferred {
    let x = call.shape(0)?;
    let factors: Vec<f64> = if call.has(1) {
        call.floats(1)?
    } else if let Some(scales) = call.attrs.floats("scales") {
        scales.to_vec()
    } else {
        let factor = |name: &str| call.attrs.float(name).ok_or("its scales are missing");
        vec![1.0, 1.0, factor("height_scale")?, factor("width_scale")?]
    };
    same_length(factors.len(), x.len(), "scales")?;
    call.one(x.iter().zip(&factors).map(|(&d, &f)| scaled(d, f)).collect::<Result<_, _>>()?)
}
