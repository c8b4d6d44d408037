//! The border: every entry point runs inside one of these, so that no panic crosses into C.
//!
//! **Invariant:** outputs are written after the body succeeded, by the body's last lines; a call that fails writes the error
//! and nothing else.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::error::{ledg_error, store};
use crate::status::{Failure, LEDG_E_PANIC, LEDG_OK, Result, ledg_status};

/// Runs a call that can fail; the message goes to `error` if it is not NULL.
///
/// # Safety
/// `error` is NULL or valid for a write.
pub(crate) unsafe fn call(error: *mut *mut ledg_error, body: impl FnOnce() -> Result<()>) -> ledg_status {
    let failure = match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(())) => return LEDG_OK,
        Ok(Err(failure)) => failure,
        Err(payload) => Failure { code: LEDG_E_PANIC, message: defuse(payload) },
    };
    let code = failure.code;
    // SAFETY: the caller's promise about `error` is ours to pass on.
    let stored = catch_unwind(AssertUnwindSafe(|| unsafe { store(error, failure) }));
    if let Err(payload) = stored {
        defuse(payload);
    }
    code
}

/// Runs a call that cannot fail; a panic gives the fallback.
pub(crate) fn value<T>(fallback: T, body: impl FnOnce() -> T) -> T {
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(value) => value,
        Err(payload) => {
            defuse(payload);
            fallback
        }
    }
}

/// The message of a panic. Its payload is dropped behind a border of its own, as a drop may panic too; the payload of that
/// second panic is leaked.
fn defuse(payload: Box<dyn Any + Send>) -> String {
    let text =
        payload.downcast_ref::<&str>().map(|s| (*s).to_owned()).or_else(|| payload.downcast_ref::<String>().cloned());
    if let Err(second) = catch_unwind(AssertUnwindSafe(move || drop(payload))) {
        std::mem::forget(second);
    }
    format!("a defect of ledg, please report it: {}", text.as_deref().unwrap_or("a panic without a message"))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Bomb;

    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("dropped");
        }
    }

    #[test]
    fn panics_become_a_status_and_a_message() {
        let mut error = std::ptr::null_mut();
        // SAFETY: `error` is a local.
        let status = unsafe { call(&mut error, || panic!("at {}", 7)) };
        assert_eq!(status, LEDG_E_PANIC);
        // SAFETY: the call stored an error, which is freed once.
        let message = unsafe { Box::from_raw(error) }.message().to_owned();
        assert!(message.ends_with("please report it: at 7"), "{message}");
    }

    #[test]
    fn a_payload_that_panics_when_dropped_stays_inside() {
        // SAFETY: NULL is allowed.
        let status = unsafe { call(std::ptr::null_mut(), || std::panic::panic_any(Bomb)) };
        assert_eq!(status, LEDG_E_PANIC);
        assert_eq!(value(3, || std::panic::panic_any(Bomb)), 3);
    }
}
