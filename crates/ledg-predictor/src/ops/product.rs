//! Linear layers as single operations: what comes before the matrix product and after it has no gradient tensor of its own.
//!
//! - [`Product`]: `x · Wᵀ + b`
//! - [`SiluProduct`]: `keep(silu(x)) · Wᵀ + b`
//! - [`NormProduct`]: `(x - mean) / √(variance + eps) · Wᵀ + b`, each row by its own statistics
//!
//! A layer norm's scale and shift are the next linear layer's: `(n·scale + shift) · Wᵀ + b = n · (W·scale)ᵀ + (b + W·shift)`, with
//! [`ScaleColumns`] for `W·scale`.

use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp2, CustomOp3, Layout, Result, Shape, Tensor};

use super::dense::{Kept, silu_of, silu_slope};
use super::vector::{column_sums, dot, sum, vectorised};
use super::{Real, by_dtype, by_tensor_dtype, read, slice, tensor};

/// A tensor's part of a storage and its layout.
type Lent<'a> = (&'a CpuStorage, &'a Layout);

/// Gradients of three arguments.
type Gradients = (Option<Tensor>, Option<Tensor>, Option<Tensor>);

/// `x · Wᵀ + b` of elements and tensors.
fn product<T: Real>(x: Lent, (w, wl): Lent, (b, bl): Lent) -> Result<(CpuStorage, Shape)> {
    let ((n, d_in), (d_out, _)) = (x.1.shape().dims2()?, wl.shape().dims2()?);
    let out = x.0.matmul(w, (1, n, d_out, d_in), x.1, &wl.transpose(0, 1)?)?;
    let (mut out, bias) = (T::cpu_storage_data(out)?, slice::<T>(b, bl)?);
    vectorised(
        #[inline(always)]
        || {
            for row in out.chunks_exact_mut(d_out) {
                for (x, &b) in row.iter_mut().zip(bias) {
                    *x += b;
                }
            }
        },
    );
    Ok((T::to_cpu_storage_owned(out), Shape::from((n, d_out))))
}

/// Gradients of weights and bias from that of the product and what was multiplied.
fn parameters(x: &Tensor, grad: &Tensor, b: &Tensor) -> Result<(Tensor, Tensor)> {
    fn sums<T: Real>(grad: &Tensor, b: &Tensor) -> Result<Tensor> {
        let (gs, gl) = grad.storage_and_layout();
        let (g, d) = (read::<T>(&gs, gl)?, b.elem_count());
        tensor(
            vectorised(
                #[inline(always)]
                || column_sums(g, d),
            ),
            b,
        )
    }
    Ok((grad.t()?.matmul(&x.detach())?, by_tensor_dtype!(b, sums(grad, b))?))
}

/// Gradient of what was multiplied; `None` if nothing before it is trained.
fn multiplied(x: &Tensor, w: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
    match x.track_op() {
        true => Ok(Some(grad.matmul(&w.detach())?)),
        false => Ok(None),
    }
}

/// `x · Wᵀ + b`.
pub(crate) struct Product;

impl CustomOp3 for Product {
    fn name(&self) -> &'static str {
        "product"
    }

    /// # Shapes
    /// x (n, in), W (out, in), b (out) → (n, out)
    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        xl: &Layout,
        w: &CpuStorage,
        wl: &Layout,
        b: &CpuStorage,
        bl: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        by_dtype!(x, product((x, xl), (w, wl), (b, bl)))
    }

    fn bwd(&self, x: &Tensor, w: &Tensor, b: &Tensor, _: &Tensor, grad: &Tensor) -> Result<Gradients> {
        let grad = grad.detach().contiguous()?;
        let (gw, gb) = parameters(x, &grad, b)?;
        Ok((multiplied(x, w, &grad)?, Some(gw), Some(gb)))
    }
}

/// `keep(silu(x)) · Wᵀ + b`, with `keep` dropout or nothing.
pub(crate) struct SiluProduct {
    pub kept: Option<Kept>,
}

impl SiluProduct {
    fn activated<T: Real>(&self, x: &[T]) -> Vec<T> {
        let mut out = vec![T::of(0.0); x.len()];
        vectorised(
            #[inline(always)]
            || {
                for (out, &x) in out.iter_mut().zip(x) {
                    *out = silu_of(x);
                }
                if let Some(kept) = &self.kept {
                    kept.apply(&mut out);
                }
            },
        );
        out
    }
}

impl CustomOp3 for SiluProduct {
    fn name(&self) -> &'static str {
        "silu-product"
    }

    /// # Shapes
    /// x (n, in), W (out, in), b (out) → (n, out)
    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        xl: &Layout,
        w: &CpuStorage,
        wl: &Layout,
        b: &CpuStorage,
        bl: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        fn run<T: Real>(op: &SiluProduct, (x, xl): Lent, w: Lent, b: Lent) -> Result<(CpuStorage, Shape)> {
            let activated = T::to_cpu_storage_owned(op.activated(slice::<T>(x, xl)?));
            product::<T>((&activated, &Layout::contiguous(xl.shape())), w, b)
        }
        by_dtype!(x, run(self, (x, xl), (w, wl), (b, bl)))
    }

    fn bwd(&self, x: &Tensor, w: &Tensor, b: &Tensor, _: &Tensor, grad: &Tensor) -> Result<Gradients> {
        fn run<T: Real>(op: &SiluProduct, x: &Tensor, w: &Tensor, b: &Tensor, grad: &Tensor) -> Result<[Tensor; 3]> {
            let (xs, xl) = x.storage_and_layout();
            let elements = read::<T>(&xs, xl)?;
            let activated = tensor(op.activated(elements), x)?;
            let (gw, gb) = parameters(&activated, grad, b)?;
            let inner = grad.matmul(&w.detach())?;
            let (gs, gl) = inner.storage_and_layout();
            let mut gx = read::<T>(&gs, gl)?.to_vec();
            vectorised(
                #[inline(always)]
                || {
                    if let Some(kept) = &op.kept {
                        kept.apply(&mut gx);
                    }
                    for (g, &x) in gx.iter_mut().zip(elements) {
                        *g *= silu_slope(x);
                    }
                },
            );
            Ok([tensor(gx, x)?, gw, gb])
        }
        let grad = grad.detach().contiguous()?;
        let [gx, gw, gb] = by_tensor_dtype!(x, run(self, x, w, b, &grad))?;
        Ok((Some(gx), Some(gw), Some(gb)))
    }
}

/// `(x - mean) / √(variance + eps) · Wᵀ + b`, mean and variance of each row.
pub(crate) struct NormProduct {
    pub eps: f64,
}

impl NormProduct {
    /// Normalised rows of width `d`, and the inverse standard deviation of each.
    fn normalised<T: Real>(&self, x: &[T], d: usize) -> (Vec<T>, Vec<T>) {
        let (mut out, mut inverses) = (vec![T::of(0.0); x.len()], Vec::with_capacity(x.len() / d));
        let n = T::of(d as f64);
        vectorised(
            #[inline(always)]
            || {
                for (row, out) in x.chunks_exact(d).zip(out.chunks_exact_mut(d)) {
                    let mean = sum(row) / n;
                    for (out, &x) in out.iter_mut().zip(row) {
                        *out = x - mean;
                    }
                    let variance = dot(out, out) / n;
                    let inverse = T::of(1.0 / (variance.to_f64() + self.eps).sqrt());
                    for out in out.iter_mut() {
                        *out *= inverse;
                    }
                    inverses.push(inverse);
                }
            },
        );
        (out, inverses)
    }
}

impl CustomOp3 for NormProduct {
    fn name(&self) -> &'static str {
        "norm-product"
    }

    /// # Shapes
    /// x (n, in), W (out, in), b (out) → (n, out)
    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        xl: &Layout,
        w: &CpuStorage,
        wl: &Layout,
        b: &CpuStorage,
        bl: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        fn run<T: Real>(op: &NormProduct, (x, xl): Lent, w: Lent, b: Lent) -> Result<(CpuStorage, Shape)> {
            let (normed, _) = op.normalised(slice::<T>(x, xl)?, xl.shape().dims2()?.1);
            product::<T>((&T::to_cpu_storage_owned(normed), &Layout::contiguous(xl.shape())), w, b)
        }
        by_dtype!(x, run(self, (x, xl), (w, wl), (b, bl)))
    }

    fn bwd(&self, x: &Tensor, w: &Tensor, b: &Tensor, _: &Tensor, grad: &Tensor) -> Result<Gradients> {
        fn run<T: Real>(op: &NormProduct, x: &Tensor, w: &Tensor, b: &Tensor, grad: &Tensor) -> Result<[Tensor; 3]> {
            let d = x.dim(1)?;
            let (normed, inverses) = {
                let (xs, xl) = x.storage_and_layout();
                op.normalised(read::<T>(&xs, xl)?, d)
            };
            let normed = tensor(normed, x)?;
            let (gw, gb) = parameters(&normed, grad, b)?;
            let inner = grad.matmul(&w.detach())?; // of the normalised rows
            let ((gs, gl), (ns, nl)) = (inner.storage_and_layout(), normed.storage_and_layout());
            let (inner, normed) = (read::<T>(&gs, gl)?, read::<T>(&ns, nl)?);
            let mut gx = vec![T::of(0.0); inner.len()];
            let n = T::of(d as f64);
            vectorised(
                #[inline(always)]
                || {
                    let rows = inner.chunks_exact(d).zip(normed.chunks_exact(d));
                    for ((g, normed), (out, &inverse)) in rows.zip(gx.chunks_exact_mut(d).zip(&inverses)) {
                        let (mean, along) = (sum(g) / n, dot(g, normed) / n);
                        for (out, (&g, &x)) in out.iter_mut().zip(g.iter().zip(normed)) {
                            *out = inverse * (g - mean - x * along);
                        }
                    }
                },
            );
            Ok([tensor(gx, x)?, gw, gb])
        }
        let grad = grad.detach().contiguous()?;
        let [gx, gw, gb] = by_tensor_dtype!(x, run(self, x, w, b, &grad))?;
        Ok((Some(gx), Some(gw), Some(gb)))
    }
}

/// Every column of a matrix times its own factor.
pub(crate) struct ScaleColumns;

impl CustomOp2 for ScaleColumns {
    fn name(&self) -> &'static str {
        "scale-columns"
    }

    /// # Shapes
    /// W (out, in), scale (in) → (out, in)
    fn cpu_fwd(&self, w: &CpuStorage, wl: &Layout, s: &CpuStorage, sl: &Layout) -> Result<(CpuStorage, Shape)> {
        fn run<T: Real>((w, wl): Lent, (s, sl): Lent) -> Result<CpuStorage> {
            Ok(T::to_cpu_storage_owned(scaled(slice::<T>(w, wl)?, slice::<T>(s, sl)?)))
        }
        Ok((by_dtype!(w, run((w, wl), (s, sl)))?, wl.shape().clone()))
    }

    fn bwd(&self, w: &Tensor, s: &Tensor, _: &Tensor, grad: &Tensor) -> Result<(Option<Tensor>, Option<Tensor>)> {
        fn run<T: Real>(w: &Tensor, s: &Tensor, grad: &Tensor) -> Result<(Tensor, Tensor)> {
            let ((ws, wl), (ss, sl), (gs, gl)) =
                (w.storage_and_layout(), s.storage_and_layout(), grad.storage_and_layout());
            let (elements, scale, g) = (read::<T>(&ws, wl)?, read::<T>(&ss, sl)?, read::<T>(&gs, gl)?);
            let along: Vec<T> = elements.iter().zip(g).map(|(&w, &g)| w * g).collect();
            Ok((tensor(scaled(g, scale), w)?, tensor(column_sums(&along, scale.len()), s)?))
        }
        let grad = grad.contiguous()?;
        let (gw, gscale) = by_tensor_dtype!(w, run(w, s, &grad))?;
        Ok((Some(gw), Some(gscale)))
    }
}

fn scaled<T: Real>(rows: &[T], scale: &[T]) -> Vec<T> {
    let mut out = rows.to_vec();
    for row in out.chunks_exact_mut(scale.len()) {
        row.iter_mut().zip(scale).for_each(|(x, &s)| *x *= s);
    }
    out
}
