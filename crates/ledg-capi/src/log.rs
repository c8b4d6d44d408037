//! The log callback: the only state of the library outside handles.

use std::ffi::c_void;

use parking_lot::RwLock;

use crate::guard;
use crate::text::ledg_str;

/// Level of messages about results that rest on less than usual: a row of a batch that failed, an operator without a shape
/// rule, a shape that a file states wrongly.
pub const LEDG_LOG_WARN: i32 = 1;
/// Level of messages about what was done: a graph or a model read, a model calibrated.
pub const LEDG_LOG_INFO: i32 = 2;

/// Takes a message. `message` is valid during the call. Called from any thread that is inside a function of the library, at
/// most once at a time for each thread; must not throw, jump or unwind. It may call functions of this library.
#[allow(non_camel_case_types)]
pub type ledg_log_fn = Option<unsafe extern "C" fn(user: *mut c_void, level: i32, message: ledg_str)>;

#[derive(Clone, Copy)]
struct Callback {
    function: unsafe extern "C" fn(*mut c_void, i32, ledg_str),
    user: *mut c_void,
    level: i32,
}

// SAFETY: the header asks for a callback, and user data, that any thread may use.
unsafe impl Send for Callback {}
// SAFETY: as above.
unsafe impl Sync for Callback {}

static LOG: RwLock<Option<Callback>> = RwLock::new(None);

/// Sets the callback for messages up to `max_level`, for the whole process; NULL, the default, is silence. `user` is handed
/// to the callback as it is and must be usable from any thread. Calls already under way in other threads may
/// finish with the callback that was set before, so its user data must live until they return. The library never writes
/// to standard output, and to standard error only the text of a defect of its own that ends in `LEDG_E_PANIC`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ledg_set_log(callback: ledg_log_fn, user: *mut c_void, max_level: i32) {
    guard::value((), || {
        let callback = callback.map(|function| Callback { function, user, level: max_level });
        *LOG.write() = callback;
    });
}

/// Says something, if anybody listens. The message is made only then.
pub(crate) fn say(level: i32, message: impl FnOnce() -> String) {
    // Copied out, so that a callback may set another one.
    let callback = *LOG.read();
    let Some(callback) = callback.filter(|c| level <= c.level) else { return };
    let message = message();
    // SAFETY: the header asks for a function of this type that takes these arguments on any thread.
    unsafe { (callback.function)(callback.user, level, ledg_str::of(&message)) };
}
