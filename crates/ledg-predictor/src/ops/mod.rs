//! Custom tensor operations with gradients: what the tensor library has no sparse form of, and what it takes many passes over
//! memory for.
//!
//! Each works on contiguous CPU tensors of f32 (training, inference) and f64 (gradients checked by finite differences), by the same
//! code. The tensor library's own accumulation of gradients costs two passes a tensor of the graph, so operations are as large as
//! the equations allow.

mod attention;
mod dense;
mod gather;
mod product;
mod total_time;
mod vector;

pub(crate) use attention::MixedAttention;
pub(crate) use dense::{AddKept, Kept, RowSoftmax, Scaled, Silu, softmax_gradient, softmax_in_place};
pub(crate) use gather::GatherAdd;
pub(crate) use product::{NormProduct, Product, ScaleColumns, SiluProduct};
pub(crate) use total_time::{N_TERMS, RowTimes, TotalTime};

use candle_core::{CpuStorage, Layout, Result, Storage, Tensor, WithDType, bail};

/// The elements of a contiguous CPU tensor.
fn slice<'a, T: WithDType>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [T]> {
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(&storage.as_slice::<T>()?[start..end]),
        None => bail!("a custom operation was given a tensor that is not contiguous: {:?}", layout.shape()),
    }
}

/// The same of what [`Tensor::storage_and_layout`] lends.
fn read<'a, T: WithDType>(storage: &'a Storage, layout: &Layout) -> Result<&'a [T]> {
    match storage {
        Storage::Cpu(storage) => slice(storage, layout),
        _ => bail!("a custom operation was given a tensor that is not on the CPU"),
    }
}

/// A tensor of new elements, on the CPU.
fn tensor<T: WithDType>(elements: Vec<T>, like: &Tensor) -> Result<Tensor> {
    Tensor::from_vec(elements, like.shape(), like.device())
}

/// Runs a generic function at the dtype of a storage.
macro_rules! by_dtype {
    ($storage:expr, $f:ident ( $($arg:expr),* )) => {
        match $storage {
            candle_core::CpuStorage::F32(_) => $f::<f32>($($arg),*),
            candle_core::CpuStorage::F64(_) => $f::<f64>($($arg),*),
            other => candle_core::bail!("unsupported dtype {:?}", candle_core::backend::BackendStorage::dtype(other)),
        }
    };
}
/// Runs a generic function at the dtype of a tensor.
macro_rules! by_tensor_dtype {
    ($tensor:expr, $f:ident ( $($arg:expr),* )) => {
        match $tensor.dtype() {
            candle_core::DType::F32 => $f::<f32>($($arg),*),
            candle_core::DType::F64 => $f::<f64>($($arg),*),
            other => candle_core::bail!("unsupported dtype {other:?}"),
        }
    };
}
pub(crate) use {by_dtype, by_tensor_dtype};

/// The arithmetic both float types share.
pub(crate) trait Real: WithDType + std::iter::Sum {
    /// e^x; that of f32 vectorises, and is exact to 3e-7 within ±87, where it is clamped.
    fn exp(self) -> Self;
    fn ln(self) -> Self;
    fn of(x: f64) -> Self;
}

impl Real for f32 {
    /// 2^n · p(r) with |r| <= ln 2 / 2 (Cephes' `expf`). NaN stays NaN.
    #[inline(always)]
    fn exp(self) -> Self {
        let x = self.clamp(-87.0, 88.0);
        // Adding 1.5·2^23 rounds to an integer, which then stands in the low bits of the sum.
        let magic = 12_582_912.0;
        let shifted = x * std::f32::consts::LOG2_E + magic;
        let n = shifted - magic;
        let r = (x - n * (355.0 / 512.0)) + n * 2.121_944_4e-4;
        let mut p = 1.987_569_2e-4;
        for k in [1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5] {
            p = p * r + k;
        }
        let p = p * (r * r) + r + 1.0;
        f32::from_bits(p.to_bits().wrapping_add(shifted.to_bits() << 23))
    }
    fn ln(self) -> Self {
        f32::ln(self)
    }
    #[inline(always)]
    fn of(x: f64) -> Self {
        x as f32
    }
}

impl Real for f64 {
    fn exp(self) -> Self {
        f64::exp(self)
    }
    fn ln(self) -> Self {
        f64::ln(self)
    }
    #[inline(always)]
    fn of(x: f64) -> Self {
        x
    }
}
