//! Tensor work without a pool of threads that outlives it.
//!
//! **Invariant:** what starts here ends here: when the call returns, the process has the threads it had before.

use rayon::ThreadPoolBuilder;

use crate::{EncoderError, Result};

/// Does tensor work on one thread of its own, which ends with the call.
///
/// Candle's products and norms go to the rayon pool they are called in; called in none, they start rayon's global pool, with a
/// thread for every core and for the rest of the process, which a library must not do to a compiler that loads it.
///
/// # Errors
/// [`EncoderError::Thread`] when the system grants no thread.
pub fn on_one_thread<R: Send>(work: impl FnOnce() -> R + Send) -> Result<R> {
    let pool = ThreadPoolBuilder::new().num_threads(1).thread_name(|_| "ledg-tensors".to_owned());
    // A scoped pool is waited for.
    pool.build_scoped(|thread| thread.run(), |pool| pool.install(work)).map_err(EncoderError::Thread)
}
