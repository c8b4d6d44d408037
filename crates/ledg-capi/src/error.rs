//! Errors as objects that the caller asks for, reads and frees. There is no last error kept by thread.

use std::ffi::CString;

use crate::guard;
use crate::status::{Failure, LEDG_OK, ledg_status};
use crate::text::ledg_str;

/// Why a call failed: a status and a message that names file, node, field or argument and says what to do.
///
/// Every function that can fail takes `ledg_error **err` last. It may be NULL. If it is not and the call fails, an error is
/// stored there, owned by the caller, to be freed with `ledg_error_free`; on success nothing is stored. An error that is
/// there already is overwritten without being freed, so start from NULL. Immutable; any thread may read or free it.
#[allow(non_camel_case_types)]
pub struct ledg_error {
    code: ledg_status,
    message: CString,
}

#[cfg(test)]
impl ledg_error {
    pub(crate) fn message(&self) -> &str {
        self.message.to_str().unwrap()
    }
}

/// Hands a failure to the caller.
///
/// # Safety
/// `error` is NULL or valid for a write.
pub(crate) unsafe fn store(error: *mut *mut ledg_error, failure: Failure) {
    if error.is_null() || !error.is_aligned() {
        return;
    }
    let message = CString::new(failure.message.replace('\0', "\\0")).unwrap_or_default();
    let boxed = Box::into_raw(Box::new(ledg_error { code: failure.code, message }));
    // SAFETY: not NULL, aligned, and valid by the caller's promise.
    unsafe { error.write(boxed) };
}

/// The status of an error, the same that the call returned; `LEDG_OK` for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ledg_error_code(error: *const ledg_error) -> ledg_status {
    // SAFETY: NULL or a live error, by the contract of handles.
    guard::value(LEDG_OK, || unsafe { error.as_ref() }.map_or(LEDG_OK, |e| e.code))
}

/// The message of an error, in English, NUL-terminated; empty for NULL. A view that lives as long as the error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ledg_error_message(error: *const ledg_error) -> ledg_str {
    guard::value(ledg_str::EMPTY, || {
        // SAFETY: NULL or a live error, by the contract of handles.
        unsafe { error.as_ref() }.map_or(ledg_str::EMPTY, |e| ledg_str::of_terminated(&e.message))
    })
}

/// Frees an error. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ledg_error_free(error: *mut ledg_error) {
    // SAFETY: NULL or an error that this library made and the caller frees once, by the contract of handles.
    unsafe { crate::pointers::free(error) }
}
