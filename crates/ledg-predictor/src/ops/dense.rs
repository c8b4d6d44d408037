//! What stands between the matrix products of dense layers, each in one pass forward and one backward: bias, SiLU, layer
//! normalisation, rows scaled by a weight of their own, dropout.
//!
//! The tensor library spells these out in primitives, whose copies and sums over rows took as long as the products.

use std::sync::Arc;

use candle_core::{CpuStorage, CustomOp1, CustomOp2, CustomOp3, Layout, Result, Shape, Tensor};

use super::{Real, by_dtype, by_tensor_dtype, elements, slice};

/// `x + bias`, the bias added to every row.
pub(crate) struct AddBias;

impl CustomOp2 for AddBias {
    fn name(&self) -> &'static str {
        "add-bias"
    }

    /// # Shapes
    /// x (n, d), bias (d) → (n, d)
    fn cpu_fwd(&self, x: &CpuStorage, xl: &Layout, b: &CpuStorage, bl: &Layout) -> Result<(CpuStorage, Shape)> {
        fn run<T: Real>(x: &CpuStorage, xl: &Layout, b: &CpuStorage, bl: &Layout) -> Result<CpuStorage> {
            let (x, b) = (slice::<T>(x, xl)?, slice::<T>(b, bl)?);
            let mut out = Vec::with_capacity(x.len());
            x.chunks_exact(b.len()).for_each(|row| out.extend(row.iter().zip(b).map(|(&x, &b)| x + b)));
            Ok(T::to_cpu_storage_owned(out))
        }
        Ok((by_dtype!(x, run(x, xl, b, bl))?, xl.shape().clone()))
    }

    fn bwd(&self, _: &Tensor, b: &Tensor, _: &Tensor, grad: &Tensor) -> Result<(Option<Tensor>, Option<Tensor>)> {
        fn run<T: Real>(b: &Tensor, grad: &Tensor) -> Result<Tensor> {
            Tensor::from_vec(column_sums(&elements::<T>(grad)?, b.elem_count()), b.shape(), b.device())
        }
        Ok((Some(grad.clone()), Some(by_tensor_dtype!(b, run(b, grad))?)))
    }
}

/// The sum of each column of rows of width `d`.
fn column_sums<T: Real>(rows: &[T], d: usize) -> Vec<T> {
    let mut sums = vec![T::of(0.0); d];
    rows.chunks_exact(d).for_each(|row| sums.iter_mut().zip(row).for_each(|(sum, &x)| *sum += x));
    sums
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
            let one = T::of(1.0);
            let silu = |&x: &T| x / (one + (T::of(0.0) - x).exp());
            Ok(T::to_cpu_storage_owned(slice::<T>(x, layout)?.iter().map(silu).collect()))
        }
        Ok((by_dtype!(x, run(x, layout))?, layout.shape().clone()))
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        fn run<T: Real>(x: &Tensor, grad: &Tensor) -> Result<Tensor> {
            let one = T::of(1.0);
            let each = |(x, g): (T, T)| {
                let gate = one / (one + (T::of(0.0) - x).exp());
                g * gate * (one + x * (one - gate))
            };
            let out = elements::<T>(x)?.into_iter().zip(elements::<T>(grad)?).map(each).collect();
            Tensor::from_vec(out, x.shape(), x.device())
        }
        Ok(Some(by_tensor_dtype!(x, run(x, grad))?))
    }
}

/// Layer normalisation over the last dimension: `(x - mean) / √(variance + eps) · scale + shift`.
pub(crate) struct LayerNormOp {
    pub eps: f64,
}

impl LayerNormOp {
    /// Mean and inverse standard deviation of a row.
    fn statistics<T: Real>(&self, row: &[T]) -> (T, T) {
        let n = T::of(row.len() as f64);
        let mean = row.iter().copied().sum::<T>() / n;
        let variance = row.iter().map(|&x| (x - mean) * (x - mean)).sum::<T>() / n;
        (mean, T::of(1.0 / (variance.to_f64() + self.eps).sqrt()))
    }
}

impl CustomOp3 for LayerNormOp {
    fn name(&self) -> &'static str {
        "layer-norm"
    }

    /// # Shapes
    /// x (n, d), scale (d), shift (d) → (n, d)
    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        xl: &Layout,
        scale: &CpuStorage,
        sl: &Layout,
        shift: &CpuStorage,
        hl: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        fn run<T: Real>(
            op: &LayerNormOp,
            (x, xl): (&CpuStorage, &Layout),
            (scale, sl): (&CpuStorage, &Layout),
            (shift, hl): (&CpuStorage, &Layout),
        ) -> Result<CpuStorage> {
            let (x, scale, shift) = (slice::<T>(x, xl)?, slice::<T>(scale, sl)?, slice::<T>(shift, hl)?);
            let mut out = Vec::with_capacity(x.len());
            for row in x.chunks_exact(scale.len()) {
                let (mean, inverse) = op.statistics(row);
                let affine = scale.iter().zip(shift);
                out.extend(row.iter().zip(affine).map(|(&x, (&scale, &shift))| (x - mean) * inverse * scale + shift));
            }
            Ok(T::to_cpu_storage_owned(out))
        }
        Ok((by_dtype!(x, run(self, (x, xl), (scale, sl), (shift, hl)))?, xl.shape().clone()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        scale: &Tensor,
        shift: &Tensor,
        _: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        fn run<T: Real>(op: &LayerNormOp, x: &Tensor, scale: &Tensor, grad: &Tensor) -> Result<[Tensor; 3]> {
            let (rows, scales, grads) = (elements::<T>(x)?, elements::<T>(scale)?, elements::<T>(grad)?);
            let d = scales.len();
            let n = T::of(d as f64);
            let mut gx = Vec::with_capacity(rows.len());
            let mut gscale = vec![T::of(0.0); d];
            for (row, grad) in rows.chunks_exact(d).zip(grads.chunks_exact(d)) {
                let (mean, inverse) = op.statistics(row);
                let normed = |x: T| (x - mean) * inverse;
                // Of the gradient times the scale: its mean, and its mean along the normalised row.
                let (mut sum, mut along) = (T::of(0.0), T::of(0.0));
                for (((&x, &g), &scale), gscale) in row.iter().zip(grad).zip(&scales).zip(&mut gscale) {
                    sum += g * scale;
                    along += g * scale * normed(x);
                    *gscale += g * normed(x);
                }
                let (sum, along) = (sum / n, along / n);
                let each = |((&x, &g), &scale): ((&T, &T), &T)| inverse * (g * scale - sum - normed(x) * along);
                gx.extend(row.iter().zip(grad).zip(&scales).map(each));
            }
            let vector = |v: Vec<T>| Tensor::from_vec(v, scale.shape(), scale.device());
            Ok([Tensor::from_vec(gx, x.shape(), x.device())?, vector(gscale)?, vector(column_sums(&grads, d))?])
        }
        let [gx, gscale, gshift] = by_tensor_dtype!(x, run(self, x, scale, grad))?;
        debug_assert_eq!(gshift.shape(), shift.shape());
        Ok((Some(gx), Some(gscale), Some(gshift)))
    }
}

/// Every row times its own weight, column `column` of the weights.
pub(crate) struct ScaleRows {
    pub column: usize,
}

impl CustomOp2 for ScaleRows {
    fn name(&self) -> &'static str {
        "scale-rows"
    }

    /// # Shapes
    /// x (n, d), weights (n, columns) → (n, d)
    fn cpu_fwd(&self, x: &CpuStorage, xl: &Layout, w: &CpuStorage, wl: &Layout) -> Result<(CpuStorage, Shape)> {
        fn run<T: Real>(
            op: &ScaleRows,
            x: &CpuStorage,
            xl: &Layout,
            w: &CpuStorage,
            wl: &Layout,
        ) -> Result<CpuStorage> {
            let (d, columns) = (xl.shape().dims2()?.1, wl.shape().dims2()?.1);
            let rows = slice::<T>(x, xl)?.chunks_exact(d).zip(slice::<T>(w, wl)?.chunks_exact(columns));
            let scaled = rows.flat_map(|(row, weights)| row.iter().map(|&x| x * weights[op.column]));
            Ok(T::to_cpu_storage_owned(scaled.collect()))
        }
        Ok((by_dtype!(x, run(self, x, xl, w, wl))?, xl.shape().clone()))
    }

    fn bwd(&self, x: &Tensor, w: &Tensor, _: &Tensor, grad: &Tensor) -> Result<(Option<Tensor>, Option<Tensor>)> {
        fn run<T: Real>(op: &ScaleRows, x: &Tensor, w: &Tensor, grad: &Tensor) -> Result<(Tensor, Tensor)> {
            let ((n, d), columns) = (x.dims2()?, w.dims2()?.1);
            let (rows, weights, grads) = (elements::<T>(x)?, elements::<T>(w)?, elements::<T>(grad)?);
            let mut gw = vec![T::of(0.0); n * columns];
            let mut gx = Vec::with_capacity(n * d);
            for i in 0..n {
                let (row, grad, place) = (&rows[i * d..][..d], &grads[i * d..][..d], i * columns + op.column);
                gw[place] = row.iter().zip(grad).map(|(&x, &g)| x * g).sum();
                gx.extend(grad.iter().map(|&g| g * weights[place]));
            }
            Ok((Tensor::from_vec(gx, x.shape(), x.device())?, Tensor::from_vec(gw, w.shape(), w.device())?))
        }
        let (gx, gw) = by_tensor_dtype!(x, run(self, x, w, grad))?;
        Ok((Some(gx), Some(gw)))
    }
}

/// Every element times a factor that is given: dropout's mask.
pub(crate) struct Scaled {
    /// One for each element.
    pub by: Arc<[f32]>,
}

impl CustomOp1 for Scaled {
    fn name(&self) -> &'static str {
        "scaled"
    }

    /// # Shapes
    /// any → the same
    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        fn run<T: Real>(op: &Scaled, x: &CpuStorage, layout: &Layout) -> Result<CpuStorage> {
            let scaled = slice::<T>(x, layout)?.iter().zip(&*op.by).map(|(&x, &by)| x * T::of(f64::from(by)));
            Ok(T::to_cpu_storage_owned(scaled.collect()))
        }
        Ok((by_dtype!(x, run(self, x, layout))?, layout.shape().clone()))
    }

    fn bwd(&self, _: &Tensor, _: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        Ok(Some(grad.contiguous()?.apply_op1(Scaled { by: Arc::clone(&self.by) })?))
    }
}

/// Softmax over the last dimension.
pub(crate) struct RowSoftmax;

impl CustomOp1 for RowSoftmax {
    fn name(&self) -> &'static str {
        "row-softmax"
    }

    /// # Shapes
    /// (n, d) → (n, d), rows sum to 1
    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        fn run<T: Real>(x: &CpuStorage, layout: &Layout) -> Result<CpuStorage> {
            let d = layout.shape().dims2()?.1;
            let mut out = slice::<T>(x, layout)?.to_vec();
            for row in out.chunks_exact_mut(d) {
                let largest = row.iter().copied().fold(row[0], |a, b| if b > a { b } else { a });
                row.iter_mut().for_each(|x| *x = (*x - largest).exp());
                let total: T = row.iter().copied().sum();
                row.iter_mut().for_each(|x| *x /= total);
            }
            Ok(T::to_cpu_storage_owned(out))
        }
        Ok((by_dtype!(x, run(x, layout))?, layout.shape().clone()))
    }

    fn bwd(&self, _: &Tensor, out: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        fn run<T: Real>(out: &Tensor, grad: &Tensor) -> Result<Tensor> {
            let d = out.dims2()?.1;
            let (p, mut g) = (elements::<T>(out)?, elements::<T>(grad)?);
            for (p, g) in p.chunks_exact(d).zip(g.chunks_exact_mut(d)) {
                let along: T = p.iter().zip(&*g).map(|(&p, &g)| p * g).sum();
                g.iter_mut().zip(p).for_each(|(g, &p)| *g = p * (*g - along));
            }
            Tensor::from_vec(g, out.shape(), out.device())
        }
        Ok(Some(by_tensor_dtype!(out, run(out, grad))?))
    }
}
