//! Custom tensor operations with gradients: what the tensor library has no sparse form of.
//!
//! Each works on contiguous CPU tensors of f32 (training, inference) and f64 (gradients checked by finite differences).

mod attention;
mod dense;
mod gather;
mod total_time;

pub(crate) use attention::SparseAttention;
pub(crate) use dense::{AddBias, LayerNormOp, RowSoftmax, ScaleRows, Scaled, Silu};
pub(crate) use gather::{GatherAdd, NeighbourMean};
pub(crate) use total_time::{N_TERMS, RowTimes, TotalTime};

use candle_core::{CpuStorage, Layout, Result, Tensor, WithDType, bail};

/// The elements of a contiguous CPU tensor.
fn slice<'a, T: WithDType>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [T]> {
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(&storage.as_slice::<T>()?[start..end]),
        None => bail!("a custom operation was given a tensor that is not contiguous: {:?}", layout.shape()),
    }
}

/// The elements of a tensor in row-major order.
fn elements<T: WithDType>(tensor: &Tensor) -> Result<Vec<T>> {
    tensor.flatten_all()?.to_vec1::<T>()
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
    fn exp(self) -> Self;
    fn ln(self) -> Self;
    fn of(x: f64) -> Self;
}

macro_rules! real {
    ($t:ty) => {
        impl Real for $t {
            fn exp(self) -> Self {
                <$t>::exp(self)
            }
            fn ln(self) -> Self {
                <$t>::ln(self)
            }
            fn of(x: f64) -> Self {
                x as $t
            }
        }
    };
}
real!(f32);
real!(f64);
