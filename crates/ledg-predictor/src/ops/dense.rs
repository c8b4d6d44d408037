//! Elementwise operations, each in one pass forward and one backward: SiLU, dropout, residual sums, softmax of rows.

use candle_core::{CpuStorage, CustomOp1, CustomOp2, Layout, Result, Shape, Tensor};

use super::vector::{dot, sum, vectorised};
use super::{Real, by_dtype, by_tensor_dtype, read, slice, tensor};

/// `x · sigmoid(x)`.
#[inline(always)]
pub(super) fn silu_of<T: Real>(x: T) -> T {
    x / (T::of(1.0) + (T::of(0.0) - x).exp())
}

/// The derivative of [`silu_of`].
#[inline(always)]
pub(super) fn silu_slope<T: Real>(x: T) -> T {
    let one = T::of(1.0);
    let gate = one / (one + (T::of(0.0) - x).exp());
    gate * (one + x * (one - gate))
}

/// `x · sigmoid(x)`.
pub(crate) struct Silu;

impl CustomOp1 for Silu {
    fn name(&self) -> &'static str {
        "silu"
    }

    /// # Shapes
    /// any → the same
    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        fn run<T: Real>(x: &CpuStorage, layout: &Layout) -> Result<CpuStorage> {
            let x = slice::<T>(x, layout)?;
            let mut out = x.to_vec();
            vectorised(
                #[inline(always)]
                || out.iter_mut().for_each(|x| *x = silu_of(*x)),
            );
            Ok(T::to_cpu_storage_owned(out))
        }
        Ok((by_dtype!(x, run(x, layout))?, layout.shape().clone()))
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        fn run<T: Real>(x: &Tensor, grad: &Tensor) -> Result<Tensor> {
            let ((xs, xl), (gs, gl)) = (x.storage_and_layout(), grad.storage_and_layout());
            let (elements, mut out) = (read::<T>(&xs, xl)?, read::<T>(&gs, gl)?.to_vec());
            vectorised(
                #[inline(always)]
                || out.iter_mut().zip(elements).for_each(|(g, &x)| *g *= silu_slope(x)),
            );
            tensor(out, x)
        }
        let grad = grad.contiguous()?;
        Ok(Some(by_tensor_dtype!(x, run(x, &grad))?))
    }
}

/// Which elements dropout keeps, and what those are multiplied by.
///
/// Nothing is stored an element: whether it is kept is a hash of its place, the same forward and backward.
#[derive(Clone, Copy)]
pub(crate) struct Kept {
    seed: u32,
    /// Elements whose hash is below are dropped.
    threshold: u32,
    /// The inverse of the share that is kept.
    scale: f64,
}

impl Kept {
    /// Drops a share `p` of the elements.
    pub fn new(seed: u32, p: f64) -> Self {
        Kept { seed, threshold: (p * 2f64.powi(32)) as u32, scale: 1.0 / (1.0 - p) }
    }

    /// The factor of the element at a place: the scale or zero.
    #[inline(always)]
    fn factors<T: Real>(&self) -> impl Fn(u32) -> T {
        let (Kept { seed, threshold, scale }, zero) = (*self, T::of(0.0));
        let scale = T::of(scale);
        #[inline(always)]
        move |place| {
            // An integer hash of low bias: https://github.com/skeeto/hash-prospector
            let mut x = place.wrapping_mul(0x9e37_79b9) ^ seed;
            x = (x ^ (x >> 16)).wrapping_mul(0x21f0_aaad);
            x = (x ^ (x >> 15)).wrapping_mul(0xd35a_2d97);
            x ^= x >> 15;
            if x >= threshold { scale } else { zero }
        }
    }

    /// Multiplies every element by its factor.
    #[inline(always)]
    pub(super) fn apply<T: Real>(&self, x: &mut [T]) {
        let factor = self.factors::<T>();
        for (place, x) in x.iter_mut().enumerate() {
            *x *= factor(place as u32);
        }
    }

    /// The same of a tensor.
    fn applied(&self, x: &Tensor) -> Result<Tensor> {
        fn run<T: Real>(kept: &Kept, x: &Tensor) -> Result<Tensor> {
            let (xs, xl) = x.storage_and_layout();
            let mut out = read::<T>(&xs, xl)?.to_vec();
            vectorised(
                #[inline(always)]
                || kept.apply(&mut out),
            );
            tensor(out, x)
        }
        let x = x.detach().contiguous()?;
        by_tensor_dtype!(x, run(self, &x))
    }
}

/// Dropout.
pub(crate) struct Scaled {
    pub kept: Kept,
}

impl CustomOp1 for Scaled {
    fn name(&self) -> &'static str {
        "dropout"
    }

    /// # Shapes
    /// any → the same
    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        fn run<T: Real>(op: &Scaled, x: &CpuStorage, layout: &Layout) -> Result<CpuStorage> {
            let mut out = slice::<T>(x, layout)?.to_vec();
            vectorised(
                #[inline(always)]
                || op.kept.apply(&mut out),
            );
            Ok(T::to_cpu_storage_owned(out))
        }
        Ok((by_dtype!(x, run(self, x, layout))?, layout.shape().clone()))
    }

    fn bwd(&self, _: &Tensor, _: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        Ok(Some(self.kept.applied(grad)?))
    }
}

/// `x + keep(y)`: a residual sum, with dropout of what is added.
pub(crate) struct AddKept {
    pub kept: Kept,
}

impl CustomOp2 for AddKept {
    fn name(&self) -> &'static str {
        "add-kept"
    }

    /// # Shapes
    /// x, y of one shape → the same
    fn cpu_fwd(&self, x: &CpuStorage, xl: &Layout, y: &CpuStorage, yl: &Layout) -> Result<(CpuStorage, Shape)> {
        fn run<T: Real>(op: &AddKept, x: &CpuStorage, xl: &Layout, y: &CpuStorage, yl: &Layout) -> Result<CpuStorage> {
            let (mut out, y) = (slice::<T>(x, xl)?.to_vec(), slice::<T>(y, yl)?);
            vectorised(
                #[inline(always)]
                || {
                    let factor = op.kept.factors::<T>();
                    for (place, (x, &y)) in out.iter_mut().zip(y).enumerate() {
                        *x += y * factor(place as u32);
                    }
                },
            );
            Ok(T::to_cpu_storage_owned(out))
        }
        Ok((by_dtype!(x, run(self, x, xl, y, yl))?, xl.shape().clone()))
    }

    fn bwd(&self, _: &Tensor, _: &Tensor, _: &Tensor, grad: &Tensor) -> Result<(Option<Tensor>, Option<Tensor>)> {
        Ok((Some(grad.clone()), Some(self.kept.applied(grad)?)))
    }
}

/// Softmax over the last dimension.
pub(crate) struct RowSoftmax;

/// Turns logits into weights that add up to 1.
#[inline(always)]
pub(crate) fn softmax_in_place<T: Real>(row: &mut [T]) {
    let mut largest = T::of(f64::NEG_INFINITY);
    for &x in row.iter() {
        largest = if x > largest { x } else { largest };
    }
    for x in row.iter_mut() {
        *x = (*x - largest).exp();
    }
    let total = sum(row);
    for x in row.iter_mut() {
        *x /= total;
    }
}

/// Turns the gradient of weights into that of their logits.
#[inline(always)]
pub(crate) fn softmax_gradient<T: Real>(weights: &[T], grad: &mut [T]) {
    let along = dot(weights, grad);
    for (g, &w) in grad.iter_mut().zip(weights) {
        *g = w * (*g - along);
    }
}

impl CustomOp1 for RowSoftmax {
    fn name(&self) -> &'static str {
        "row-softmax"
    }

    /// # Shapes
    /// (n, d) → (n, d), rows sum to 1
    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        fn run<T: Real>(x: &CpuStorage, layout: &Layout) -> Result<CpuStorage> {
            let mut out = slice::<T>(x, layout)?.to_vec();
            out.chunks_exact_mut(layout.shape().dims2()?.1).for_each(softmax_in_place);
            Ok(T::to_cpu_storage_owned(out))
        }
        Ok((by_dtype!(x, run(x, layout))?, layout.shape().clone()))
    }

    fn bwd(&self, _: &Tensor, out: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        fn run<T: Real>(out: &Tensor, grad: &Tensor) -> Result<Tensor> {
            let d = out.dim(1)?;
            let ((ps, pl), (gs, gl)) = (out.storage_and_layout(), grad.storage_and_layout());
            let (weights, mut g) = (read::<T>(&ps, pl)?, read::<T>(&gs, gl)?.to_vec());
            weights.chunks_exact(d).zip(g.chunks_exact_mut(d)).for_each(|(p, g)| softmax_gradient(p, g));
            tensor(g, out)
        }
        let grad = grad.contiguous()?;
        Ok(Some(by_tensor_dtype!(out, run(out, &grad))?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Shares that are kept, of all elements and of those that follow a kept one, within five standard deviations.
    #[test]
    fn dropout_keeps_its_share_without_a_pattern() {
        let (n, p) = (1 << 18, 0.3);
        for seed in [0, 1, 0x9e37_79b9, u32::MAX] {
            let kept = Kept::new(seed, p);
            let mut x = vec![1f32; n];
            kept.apply(&mut x);
            assert!(x.iter().all(|&x| x == 0.0 || (f64::from(x) * (1.0 - p) - 1.0).abs() < 1e-6));
            let count = x.iter().filter(|&&x| x > 0.0).count() as f64;
            let sd = |n: f64| (n * p * (1.0 - p)).sqrt();
            assert!((count - n as f64 * (1.0 - p)).abs() < 5.0 * sd(n as f64), "{seed}: {count} of {n}");
            for step in [1, 2, 8, 64, 192] {
                let both = x.iter().zip(&x[step..]).filter(|&(&a, &b)| a > 0.0 && b > 0.0).count() as f64;
                assert!((both - count * (1.0 - p)).abs() < 5.0 * sd(count), "{seed}, {step} apart: {both} of {count}");
            }
        }
        let (mut a, mut b) = (vec![1f32; n], vec![1f32; n]);
        Kept::new(1, p).apply(&mut a);
        Kept::new(2, p).apply(&mut b);
        let both = a.iter().zip(&b).filter(|&(&a, &b)| a > 0.0 && b > 0.0).count() as f64;
        assert!((both / n as f64 - 0.49).abs() < 0.005, "two seeds: {both} of {n}");
    }
}
