//! Sums over index lists: the mean of a node's fathers, and rows of three tables added up.

use std::sync::Arc;

use candle_core::{CpuStorage, CustomOp1, CustomOp3, Layout, Result, Shape, Tensor};

use super::{Real, by_dtype, by_tensor_dtype, elements, slice};
use crate::edges::WeightedEdges;

/// The mean over each row's neighbours, counts included; zero for a row without any.
pub(crate) struct NeighbourMean {
    pub edges: Arc<WeightedEdges>,
}

impl NeighbourMean {
    fn each_edge<T: Real>(&self, mut visit: impl FnMut(usize, usize, T)) {
        for i in 0..self.edges.n_rows() {
            let (columns, counts) = self.edges.row(i);
            let total: f32 = counts.iter().sum();
            for (&j, &count) in columns.iter().zip(counts) {
                visit(i, j as usize, T::of(f64::from(count) / f64::from(total)));
            }
        }
    }
}

impl CustomOp1 for NeighbourMean {
    fn name(&self) -> &'static str {
        "neighbour-mean"
    }

    /// # Shapes
    /// (n, d) → (n, d)
    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        fn run<T: Real>(op: &NeighbourMean, x: &CpuStorage, layout: &Layout) -> Result<CpuStorage> {
            let (n, d) = layout.shape().dims2()?;
            let x = slice::<T>(x, layout)?;
            let mut out = vec![T::of(0.0); n * d];
            op.each_edge::<T>(|i, j, w| {
                out[i * d..][..d].iter_mut().zip(&x[j * d..][..d]).for_each(|(t, &v)| *t += w * v);
            });
            Ok(T::to_cpu_storage_owned(out))
        }
        Ok((by_dtype!(x, run(self, x, layout))?, layout.shape().clone()))
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        fn run<T: Real>(op: &NeighbourMean, grad: &Tensor) -> Result<Tensor> {
            let (n, d) = grad.dims2()?;
            let g = elements::<T>(grad)?;
            let mut out = vec![T::of(0.0); n * d];
            op.each_edge::<T>(|i, j, w| {
                out[j * d..][..d].iter_mut().zip(&g[i * d..][..d]).for_each(|(t, &v)| *t += w * v);
            });
            Tensor::from_vec(out, (n, d), grad.device())
        }
        Ok(Some(by_tensor_dtype!(x, run(self, grad))?))
    }
}

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
            for (r, row) in out.chunks_exact_mut(d).enumerate() {
                let a = &a[op.a_rows[r] as usize * d..][..d];
                let b = &b[op.b_rows[r] as usize * d..][..d];
                row.iter_mut().zip(a.iter().zip(b)).for_each(|(t, (&x, &y))| *t += x + y);
            }
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
            let g = elements::<T>(grad)?;
            let scatter = |like: &Tensor, rows: &[u32]| {
                let mut out = vec![T::of(0.0); like.elem_count()];
                for (g, &row) in g.chunks_exact(d).zip(rows) {
                    out[row as usize * d..][..d].iter_mut().zip(g).for_each(|(t, &v)| *t += v);
                }
                Tensor::from_vec(out, like.shape(), like.device())
            };
            Ok((scatter(a, &op.a_rows)?, scatter(b, &op.b_rows)?))
        }
        let (ga, gb) = by_tensor_dtype!(grad, run(self, a, b, grad))?;
        Ok((Some(ga), Some(gb), Some(grad.clone())))
    }
}
