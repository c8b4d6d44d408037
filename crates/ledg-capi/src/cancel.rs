//! Cancellation.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::ledg_error;
use crate::guard;
use crate::pointers::{free, make};
use crate::status::{LEDG_E_CANCELLED, Result, fail, ledg_status};

/// A flag that ends predictions early. Any thread may set it while others are inside `ledg_predict`.
#[allow(non_camel_case_types)]
pub struct ledg_cancel {
    requested: AtomicBool,
}

impl ledg_cancel {
    pub(crate) fn check(&self) -> Result<()> {
        if self.requested.load(Ordering::Relaxed) {
            return fail(LEDG_E_CANCELLED, "cancelled by the caller");
        }
        Ok(())
    }
}

/// Makes a flag that is not set. The caller owns `*out`; free it with `ledg_cancel_free` when no call uses it any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ledg_cancel_new(out: *mut *mut ledg_cancel, err: *mut *mut ledg_error) -> ledg_status {
    // SAFETY: the header's contract of outputs.
    unsafe { make(out, err, || Ok(ledg_cancel { requested: AtomicBool::new(false) })) }
}

/// Sets the flag: calls that were given it return `LEDG_E_CANCELLED` within the time of 64 predictions, a session's within that of
/// one candidate on all its platforms, and calls that are given it later at once. NULL is fine. Safe from any thread and from a
/// signal handler.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ledg_cancel_request(cancel: *const ledg_cancel) {
    guard::value((), || {
        // SAFETY: NULL or a live flag, by the contract of handles.
        if let Some(cancel) = unsafe { cancel.as_ref() } {
            cancel.requested.store(true, Ordering::Relaxed);
        }
    });
}

/// Frees a flag. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ledg_cancel_free(cancel: *mut ledg_cancel) {
    // SAFETY: NULL or a flag that this library made and the caller frees once, by the contract of handles.
    unsafe { free(cancel) }
}
