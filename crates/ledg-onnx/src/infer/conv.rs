//! Convolutions, and the window arithmetic that they share with pooling.

use ledg_graph::{DType, Shape};

use crate::fact::{Call, Fact, Stop, size};
use crate::infer::Inferred;

/// How a window moves over the spatial axes of its input.
pub(super) struct Windows {
    pub kernel: Vec<i64>,
    pub strides: Vec<i64>,
    pub dilations: Vec<i64>,
    /// Begins, then ends.
    pub pads: Vec<i64>,
    /// `SAME_UPPER` and `SAME_LOWER`: pads follow from the stride.
    pub same: bool,
    pub ceil: bool,
}

impl Windows {
    /// Reads the attributes; sizes must be positive.
    pub(super) fn new(call: &Call, kernel: Vec<i64>) -> Result<Windows, Stop> {
        let n = kernel.len();
        let auto_pad = call.attrs.str("auto_pad").unwrap_or("NOTSET");
        if !["", "NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"].contains(&auto_pad) {
            return Err(Stop::Invalid(format!(
                "attribute `auto_pad` is `{auto_pad}`, not one of NOTSET, VALID, SAME_UPPER, SAME_LOWER"
            )));
        }
        let mut pads = list(call, "pads", 2 * n, 0)?;
        if auto_pad != "NOTSET" && !auto_pad.is_empty() {
            pads.fill(0);
        }
        let windows = Windows {
            kernel,
            strides: list(call, "strides", n, 1)?,
            dilations: list(call, "dilations", n, 1)?,
            pads,
            same: auto_pad.starts_with("SAME"),
            ceil: call.flag("ceil_mode", false),
        };
        for (what, values) in
            [("kernel", &windows.kernel), ("strides", &windows.strides), ("dilations", &windows.dilations)]
        {
            if values.iter().any(|&v| v < 1) {
                return Err(Stop::Invalid(format!("{what} {values:?} must be positive")));
            }
        }
        Ok(windows)
    }

    /// Number of window positions along each spatial axis.
    pub(super) fn positions(&self, spatial: &[u64]) -> Result<Shape, Stop> {
        if spatial.len() != self.kernel.len() {
            return Err(Stop::Invalid(format!(
                "a kernel of shape {:?} cannot move over spatial axes {spatial:?}",
                self.kernel
            )));
        }
        spatial.iter().enumerate().map(|(i, &extent)| self.along(i, extent)).collect()
    }

    fn along(&self, i: usize, extent: u64) -> Result<u64, Stop> {
        let overflow = || Stop::Invalid(format!("spatial axis {i}: sizes overflow"));
        let extent = i64::try_from(extent).map_err(|_| overflow())?;
        let (stride, begin, end) = (self.strides[i], self.pads[i], self.pads[self.kernel.len() + i]);
        if self.same {
            return size(extent.checked_add(stride - 1).map(|v| v / stride), "an output size");
        }
        let reach =
            (self.kernel[i] - 1).checked_mul(self.dilations[i]).and_then(|r| r.checked_add(1)).ok_or_else(overflow)?;
        let padded = extent.checked_add(begin).and_then(|v| v.checked_add(end)).ok_or_else(overflow)?;
        let room = padded.checked_sub(reach).ok_or_else(overflow)?;
        if room < 0 {
            return Err(Stop::Invalid(format!(
                "spatial axis {i}: a window of {reach} does not fit into {extent} padded by {begin} and {end}"
            )));
        }
        let mut steps = room / stride;
        if self.ceil && room % stride != 0 {
            steps += 1;
            // As PyTorch has it: a window may hang over the end, but must not start beyond input and left padding.
            if steps.checked_mul(stride).ok_or_else(overflow)? >= extent + begin {
                steps -= 1;
            }
        }
        size(steps.checked_add(1), "an output size")
    }
}

/// An attribute of `n` integers; absent means `n` times the default.
pub(super) fn list(call: &Call, name: &str, n: usize, default: i64) -> Result<Vec<i64>, Stop> {
    match call.attrs.ints(name) {
        None | Some([]) => Ok(vec![default; n]),
        Some(v) if v.len() == n => Ok(v.to_vec()),
        Some(v) => Err(Stop::Invalid(format!("attribute `{name}` {v:?} should have {n} numbers"))),
    }
}

/// Sizes as the signed numbers that attributes are.
fn signed(sizes: &[u64]) -> Result<Vec<i64>, Stop> {
    sizes.iter().map(|&k| i64::try_from(k).map_err(|_| Stop::Invalid(format!("size {k} overflows")))).collect()
}

pub(super) fn conv(call: &Call) -> Inferred {
    call.one(conv_shape(call, 0, 1)?)
}

pub(super) fn conv_integer(call: &Call) -> Inferred {
    Ok(vec![Fact::new(DType::I32, conv_shape(call, 0, 1)?)])
}

pub(super) fn qlinear_conv(call: &Call) -> Inferred {
    Ok(vec![Fact::new(call.dtype(7)?, conv_shape(call, 0, 3)?)])
}

/// # Shapes
/// x (n, c, spatial…), w (m, c/group, kernel…) -> (n, m, positions…)
fn conv_shape(call: &Call, x: usize, w: usize) -> Result<Shape, Stop> {
    let x = call.shape_of_rank(x, 3..=usize::MAX)?;
    let w = call.shape_of_rank(w, x.len()..=x.len())?;
    let group = call.attr_int("group", 1);
    if group < 1 || w[1].checked_mul(group as u64) != Some(x[1]) {
        return Err(Stop::Invalid(format!("its kernel {w:?} in {group} group(s) does not fit an input of {x:?}")));
    }
    let windows = Windows::new(call, kernel(call, w)?)?;
    let mut shape = vec![x[0], w[0]];
    shape.extend(windows.positions(&x[2..])?);
    Ok(shape)
}

/// The weight knows the kernel's size; an attribute that says otherwise is a broken file.
fn kernel(call: &Call, w: &[u64]) -> Result<Vec<i64>, Stop> {
    let by_weight = signed(&w[2..])?;
    match call.attrs.ints("kernel_shape") {
        Some(k) if k != by_weight && !k.is_empty() => {
            Err(Stop::Invalid(format!("attribute `kernel_shape` {k:?} does not fit its kernel {w:?}")))
        }
        _ => Ok(by_weight),
    }
}

/// # Shapes
/// x (n, c, spatial…), w (c, m/group, kernel…) -> (n, m, …)
pub(super) fn conv_transpose(call: &Call) -> Inferred {
    let x = call.shape_of_rank(0, 3..=usize::MAX)?;
    let w = call.shape_of_rank(1, x.len()..=x.len())?;
    let group = call.attr_int("group", 1);
    let channels = (group > 0).then(|| w[1].checked_mul(group as u64)).flatten();
    let channels = channels.filter(|_| w[0] == x[1]);
    let channels =
        channels.ok_or_else(|| format!("its kernel {w:?} in {group} group(s) does not fit an input of {x:?}"))?;
    let spatial = signed(&x[2..])?;
    let windows = Windows::new(call, kernel(call, w)?)?;
    let extra = list(call, "output_padding", spatial.len(), 0)?;
    let mut shape = vec![x[0], channels];
    if let Some(wanted) = call.attrs.ints("output_shape").filter(|s| !s.is_empty()) {
        // Some exporters list all axes, some the spatial ones.
        let wanted = &wanted[wanted.len().saturating_sub(spatial.len())..];
        if wanted.len() != spatial.len() {
            return Err(Stop::Invalid(format!(
                "attribute `output_shape` {wanted:?} should have {} numbers",
                spatial.len()
            )));
        }
        shape.extend(wanted.iter().map(|&d| size(Some(d), "an output size")).collect::<Result<Shape, _>>()?);
        return call.one(shape);
    }
    for (i, &extent) in spatial.iter().enumerate() {
        let out =
            if windows.same { extent.checked_mul(windows.strides[i]) } else { grown(&windows, i, extent, extra[i]) };
        shape.push(size(out, "an output size")?);
    }
    call.one(shape)
}

fn grown(windows: &Windows, i: usize, extent: i64, extra: i64) -> Option<i64> {
    let reach = (windows.kernel[i] - 1).checked_mul(windows.dilations[i])?.checked_add(1)?;
    let pads = windows.pads[i].checked_add(windows.pads[windows.kernel.len() + i])?;
    (extent - 1).checked_mul(windows.strides[i])?.checked_add(extra)?.checked_add(reach)?.checked_sub(pads)
}
