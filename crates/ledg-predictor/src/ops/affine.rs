//! A linear layer's product for inference, on the calling thread.

use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, bail};
use ndarray::linalg::general_mat_mul;
use ndarray::{ArrayView2, ArrayViewMut2, ShapeError};

use super::slice;

/// `x Wᵀ + b` in f32, without a gradient.
pub(crate) struct AffineRows;

impl CustomOp3 for AffineRows {
    fn name(&self) -> &'static str {
        "affine-rows"
    }

    /// # Shapes
    /// x (n, d_in), weight (d_out, d_in), bias (d_out) → (n, d_out)
    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let ((n, d_in), (d_out, weight_in)) = (x_layout.shape().dims2()?, weight_layout.shape().dims2()?);
        if d_in != weight_in || bias_layout.shape().dims1()? != d_out {
            bail!("affine-rows: {:?} rows for weights {:?}", x_layout.shape(), weight_layout.shape());
        }
        let (x, weight) = (slice::<f32>(x, x_layout)?, slice::<f32>(weight, weight_layout)?);
        let bias = slice::<f32>(bias, bias_layout)?;
        let mut out: Vec<f32> = bias.iter().copied().cycle().take(n * d_out).collect();
        let wrong = |e: ShapeError| candle_core::Error::Msg(format!("affine-rows: {e}"));
        let x = ArrayView2::from_shape((n, d_in), x).map_err(wrong)?;
        let weight = ArrayView2::from_shape((d_out, d_in), weight).map_err(wrong)?;
        let mut y = ArrayViewMut2::from_shape((n, d_out), &mut out).map_err(wrong)?;
        general_mat_mul(1.0, &x, &weight.t(), 1.0, &mut y);
        Ok((CpuStorage::F32(out), (n, d_out).into()))
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Module, Tensor};
    use candle_nn::Linear;

    use super::AffineRows;

    #[test]
    fn a_rows_bits_are_its_own_and_close_to_the_librarys() {
        let device = Device::Cpu;
        for (d_in, d_out) in [(1, 3), (13, 5), (384, 96), (700, 33)] {
            let weight = Tensor::randn(0f32, 1.0, (d_out, d_in), &device).unwrap();
            let bias = Tensor::randn(0f32, 1.0, d_out, &device).unwrap();
            let x = Tensor::randn(0f32, 1.0, (517, d_in), &device).unwrap();
            let affine = |x: &Tensor| x.apply_op3_no_bwd(&weight, &bias, &AffineRows).unwrap();
            let all = affine(&x).to_vec2::<f32>().unwrap();
            for rows in [1, 2, 7, 64, 300] {
                for start in [0, 1, 200] {
                    let some = affine(&x.narrow(0, start, rows).unwrap()).to_vec2::<f32>().unwrap();
                    assert_eq!(some, all[start..start + rows], "{d_in} {d_out} {rows}");
                }
            }
            let theirs = Linear::new(weight.clone(), Some(bias.clone())).forward(&x).unwrap();
            for (ours, theirs) in all.iter().flatten().zip(theirs.flatten_all().unwrap().to_vec1::<f32>().unwrap()) {
                assert!((ours - theirs).abs() <= 1e-5 * (d_in as f32).sqrt() * theirs.abs().max(1.0));
            }
        }
    }
}
