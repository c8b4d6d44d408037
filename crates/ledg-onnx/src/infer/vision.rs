//! Operators of detection and sampling.

use crate::fact::{Call, Fact, Stop, axis, count, size};
use crate::infer::Inferred;
use crate::infer::generate::shape_from;

/// # Shapes
/// x (n, c, spatial…), grid (n, out spatial…, rank) -> (n, c, out spatial…)
pub(super) fn grid_sample(call: &Call) -> Inferred {
    let x = call.shape_of_rank(0, 3..=usize::MAX)?;
    let grid = call.shape_of_rank(1, x.len()..=x.len())?;
    let mut shape = x[..2].to_vec();
    shape.extend(&grid[1..grid.len() - 1]);
    call.one(shape)
}

/// # Shapes
/// theta (n, rank, rank + 1), size (n, c, spatial…) -> (n, spatial…, rank)
pub(super) fn affine_grid(call: &Call) -> Inferred {
    let target = shape_from(call.ints(1)?)?;
    let [n, _, spatial @ ..] = &target[..] else { return Err("its size should have at least two numbers".into()) };
    let mut shape = vec![*n];
    shape.extend(spatial);
    shape.push(spatial.len() as u64);
    call.one(shape)
}

/// # Shapes
/// x (n, c, h, w), regions (r, 4) -> (r, c, output height, output width)
pub(super) fn roi_align(call: &Call) -> Inferred {
    let (x, regions) = (call.shape_of_rank(0, 4..=4)?, call.shape_of_rank(1, 2..=2)?);
    let side = |name: &str| size(Some(call.attr_int(name, 1)), name);
    call.one(vec![regions[0], x[1], side("output_height")?, side("output_width")?])
}

/// # Shapes
/// x (n, c, h, w), regions (r, 5) -> (r, c, pooled shape…)
pub(super) fn max_roi_pool(call: &Call) -> Inferred {
    let (x, regions) = (call.shape_of_rank(0, 4..=4)?, call.shape_of_rank(1, 2..=2)?);
    let pooled = shape_from(call.attrs.ints("pooled_shape").ok_or("attribute `pooled_shape` is missing")?)?;
    let mut shape = vec![regions[0], x[1]];
    shape.extend(pooled);
    call.one(shape)
}

/// # Shapes
/// x (n, c·block, blocks) -> (n, c, image…)
pub(super) fn col2im(call: &Call) -> Inferred {
    let x = call.shape_of_rank(0, 3..=3)?;
    let (image, block) = (shape_from(call.ints(1)?)?, count(&shape_from(call.ints(2)?)?)?);
    if block == 0 || x[1] % block != 0 {
        return Err(Stop::Invalid(format!("{} channels do not divide into blocks of {block}", x[1])));
    }
    let mut shape = vec![x[0], x[1] / block];
    shape.extend(image);
    call.one(shape)
}

pub(super) fn center_crop_pad(call: &Call) -> Inferred {
    let mut shape = call.shape(0)?.to_vec();
    let target = shape_from(call.ints(1)?)?;
    let along: Vec<usize> = match call.attrs.ints("axes") {
        Some(axes) => axes.iter().map(|&a| axis(a, shape.len())).collect::<Result<_, _>>()?,
        None => (0..shape.len()).collect(),
    };
    if along.len() != target.len() {
        return Err(Stop::Invalid(format!("it has {} sizes for {} axes", target.len(), along.len())));
    }
    for (at, d) in along.into_iter().zip(target) {
        shape[at] = d;
    }
    Ok(vec![Fact::new(call.dtype(0)?, shape)])
}
