//! Rows of three tables added up.

use std::sync::Arc;

use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor};

use super::vector::vectorised;
use super::{Real, by_dtype, by_tensor_dtype, read, slice, tensor};

/// `out[r] = a[a_rows[r]] + b[b_rows[r]] + c[r]`: where node and platform meet, without three copies.
pub(crate) struct GatherAdd {
    pub a_rows: Arc<[u32]>,
    pub b_rows: Arc<[u32]>,
}

impl CustomOp3 for GatherAdd {
    fn name(&self) -> &'static str {
        "gather-add"
    }

    /// # Shapes
    /// a (n, d), b (p, d), c (r, d) → (r, d)
    fn cpu_fwd(
        &self,
        a: &CpuStorage,
        al: &Layout,
        b: &CpuStorage,
        bl: &Layout,
        c: &CpuStorage,
        cl: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        fn run<T: Real>(
            op: &GatherAdd,
            (a, al): (&CpuStorage, &Layout),
            (b, bl): (&CpuStorage, &Layout),
            (c, cl): (&CpuStorage, &Layout),
        ) -> Result<CpuStorage> {
            let d = cl.shape().dims2()?.1;
            let (a, b) = (slice::<T>(a, al)?, slice::<T>(b, bl)?);
            let mut out = slice::<T>(c, cl)?.to_vec();
            vectorised(
                #[inline(always)]
                || {
                    for (r, row) in out.chunks_exact_mut(d).enumerate() {
                        let a = &a[op.a_rows[r] as usize * d..][..d];
                        let b = &b[op.b_rows[r] as usize * d..][..d];
                        for (t, (&x, &y)) in row.iter_mut().zip(a.iter().zip(b)) {
                            *t += x + y;
                        }
                    }
                },
            );
            Ok(T::to_cpu_storage_owned(out))
        }
        Ok((by_dtype!(a, run(self, (a, al), (b, bl), (c, cl)))?, cl.shape().clone()))
    }

    fn bwd(
        &self,
        a: &Tensor,
        b: &Tensor,
        _: &Tensor,
        _: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        fn run<T: Real>(op: &GatherAdd, a: &Tensor, b: &Tensor, grad: &Tensor) -> Result<(Tensor, Tensor)> {
            let d = grad.dim(1)?;
            let (gs, gl) = grad.storage_and_layout();
            let g = read::<T>(&gs, gl)?;
            let scatter = |like: &Tensor, rows: &[u32]| {
                let mut out = vec![T::of(0.0); like.elem_count()];
                vectorised(
                    #[inline(always)]
                    || {
                        for (g, &row) in g.chunks_exact(d).zip(rows) {
                            for (t, &v) in out[row as usize * d..][..d].iter_mut().zip(g) {
                                *t += v;
                            }
                        }
                    },
                );
                tensor(out, like)
            };
            Ok((scatter(a, &op.a_rows)?, scatter(b, &op.b_rows)?))
        }
        let grad = grad.contiguous()?;
        let (ga, gb) = by_tensor_dtype!(grad, run(self, a, b, &grad))?;
        Ok((Some(ga), Some(gb), Some(grad)))
    }
}
