//! Small layers with trainable gradients: linear, layer norm, dropout.
//!
//! candle-nn's fused `layer_norm` and `softmax_last_dim` have no backward pass, and the primitive forms are slow, so the
//! operations are this crate's (`ops::dense`); its dropout cannot be seeded on the CPU, so masks are drawn here.

use std::cell::RefCell;

use candle_core::{DType, Device, Module, Tensor};
use candle_nn::{Init, VarBuilder};
use rand::{Rng, RngCore};
use rand_chacha::ChaCha8Rng;

use crate::error::Result;
use crate::ops::{AddKept, Kept, NormProduct, Product, RowSoftmax, ScaleColumns, Scaled, Silu, SiluProduct};

/// Added to a variance before its root is taken.
const NORM_EPS: f64 = 1e-5;

/// Whether the model is being trained; training carries the random numbers for dropout.
pub enum Mode<'a> {
    /// Inference: deterministic.
    Eval,
    /// Training with this source of randomness.
    Train(&'a RefCell<ChaCha8Rng>),
}

/// `x · weightᵀ + bias`.
pub(crate) struct Linear {
    /// (out, in)
    pub weight: Tensor,
    /// (out)
    pub bias: Tensor,
}

impl Module for Linear {
    /// # Shapes
    /// (n, in) → (n, out)
    fn forward(&self, x: &Tensor) -> candle_core::Result<Tensor> {
        x.contiguous()?.apply_op3(&self.weight, &self.bias, Product)
    }
}

impl Linear {
    /// Of `dropout(silu(x))`.
    ///
    /// # Shapes
    /// (n, in) → (n, out)
    pub fn after_silu(&self, x: &Tensor, p: f64, mode: &Mode) -> Result<Tensor> {
        let product = SiluProduct { kept: kept(p, mode) };
        Ok(x.contiguous()?.apply_op3(&self.weight, &self.bias, product)?)
    }
}

/// `x · sigmoid(x)`.
pub(crate) fn silu(x: &Tensor) -> Result<Tensor> {
    Ok(x.contiguous()?.apply_op1(Silu)?)
}

/// A linear layer, weights `weight` (out, in) and `bias` (out). Weights start uniform within ±1/√in.
pub(crate) fn linear(d_in: usize, d_out: usize, vb: VarBuilder) -> Result<Linear> {
    let bound = 1.0 / (d_in as f64).sqrt();
    let weight = vb.get_with_hints((d_out, d_in), "weight", Init::Uniform { lo: -bound, up: bound })?;
    let bias = vb.get_with_hints(d_out, "bias", Init::Const(0.0))?;
    Ok(Linear { weight, bias })
}

/// A linear layer that starts at zero, so that what it corrects starts uncorrected.
pub(crate) fn zero_linear(d_in: usize, d_out: usize, vb: VarBuilder) -> Result<Linear> {
    let weight = vb.get_with_hints((d_out, d_in), "weight", Init::Const(0.0))?;
    let bias = vb.get_with_hints(d_out, "bias", Init::Const(0.0))?;
    Ok(Linear { weight, bias })
}

/// Layer normalisation over the last dimension.
pub(crate) struct LayerNorm {
    scale: Tensor,
    shift: Tensor,
}

impl LayerNorm {
    pub fn load(d: usize, vb: VarBuilder) -> Result<Self> {
        let scale = vb.get_with_hints(d, "weight", Init::Const(1.0))?;
        let shift = vb.get_with_hints(d, "bias", Init::Const(0.0))?;
        Ok(LayerNorm { scale, shift })
    }
}

impl LayerNorm {
    /// `linear(norm(x))`.
    ///
    /// # Shapes
    /// (n, in) → (n, out)
    pub fn then(&self, linear: &Linear, x: &Tensor) -> Result<Tensor> {
        let weight = linear.weight.apply_op2(&self.scale, ScaleColumns)?;
        let bias = self.shift.unsqueeze(0)?.apply_op3(&linear.weight, &linear.bias, Product)?.squeeze(0)?;
        Ok(x.contiguous()?.apply_op3(&weight, &bias, NormProduct { eps: NORM_EPS })?)
    }
}

/// Inverted dropout: while training, zeroes a share `p` of the elements and scales the rest by 1/(1-p).
pub(crate) fn dropout(x: &Tensor, p: f64, mode: &Mode) -> Result<Tensor> {
    match kept(p, mode) {
        Some(kept) => Ok(x.contiguous()?.apply_op1(Scaled { kept })?),
        None => Ok(x.clone()),
    }
}

/// `x + dropout(y)`.
pub(crate) fn add_dropped(x: &Tensor, y: &Tensor, p: f64, mode: &Mode) -> Result<Tensor> {
    match kept(p, mode) {
        Some(kept) => Ok(x.contiguous()?.apply_op2(&y.contiguous()?, AddKept { kept })?),
        None => Ok((x + y)?),
    }
}

/// What dropout keeps; `None` if it drops nothing.
fn kept(p: f64, mode: &Mode) -> Option<Kept> {
    match mode {
        Mode::Train(rng) if p > 0.0 => Some(Kept::new(rng.borrow_mut().next_u32(), p)),
        _ => None,
    }
}

/// While training, adds noise of that standard deviation to standardised numbers, so that no single value identifies
/// the network it came from.
pub(crate) fn noisy(x: &Tensor, std: f64, mode: &Mode) -> Result<Tensor> {
    let Mode::Train(rng) = mode else { return Ok(x.clone()) };
    if std == 0.0 {
        return Ok(x.clone());
    }
    let mut rng = rng.borrow_mut();
    // The sum of two uniform variables is close enough to a normal one, and cheap. Its variance is 2/12 for unit width.
    let width = (std * 6f64.sqrt()) as f32;
    let noise: Vec<f32> =
        (0..x.elem_count()).map(|_| (rng.random::<f32>() + rng.random::<f32>() - 1.0) * width).collect();
    Ok((x + Tensor::from_vec(noise, x.shape(), x.device())?.to_dtype(x.dtype())?)?)
}

/// While training, hides a share `p` of the rows: a column of 0 and 1 to multiply by, (n, 1); `None` where nothing is hidden.
pub(crate) fn row_mask(n: usize, p: f64, dtype: DType, mode: &Mode) -> Result<Option<Tensor>> {
    let Mode::Train(rng) = mode else { return Ok(None) };
    if p == 0.0 {
        return Ok(None);
    }
    let mut rng = rng.borrow_mut();
    let mask: Vec<f32> = (0..n).map(|_| if rng.random_bool(p) { 0.0 } else { 1.0 }).collect();
    Ok(Some(Tensor::from_vec(mask, (n, 1), &Device::Cpu)?.to_dtype(dtype)?))
}

/// Softmax over the last dimension, with a gradient.
pub(crate) fn softmax(x: &Tensor) -> Result<Tensor> {
    Ok(x.contiguous()?.apply_op1(RowSoftmax)?)
}
