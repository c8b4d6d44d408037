//! Strings across the border.

use std::ffi::{CStr, CString, c_char};

use crate::guard;
use crate::pointers::bounded;
use crate::status::{Failure, LEDG_E_INTERNAL, LEDG_E_INVALID, LEDG_E_NULL, LEDG_E_UTF8, Result, fail};

/// UTF-8 text with its length, not necessarily NUL-terminated. This struct never changes.
///
/// As an argument it is borrowed for the call; `data` may be NULL if `len` is 0. As a result it is a view on the object
/// named in the function's description, lives as long as that object and is never freed; such views are NUL-terminated,
/// the terminator not counted, where the description says so.
#[allow(non_camel_case_types)]
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ledg_str {
    /// First byte.
    pub data: *const c_char,
    /// Number of bytes.
    pub len: usize,
}

impl ledg_str {
    pub(crate) const EMPTY: ledg_str = ledg_str { data: c"".as_ptr(), len: 0 };

    /// A view; the caller sees to it that the text outlives it.
    pub(crate) fn of(text: &str) -> Self {
        ledg_str { data: text.as_ptr().cast(), len: text.len() }
    }

    pub(crate) fn of_terminated(text: &CStr) -> Self {
        ledg_str { data: text.as_ptr(), len: text.count_bytes() }
    }

    /// The text of an argument, of at most that many bytes: a length that nobody means is refused before it is read.
    ///
    /// # Safety
    /// `data` is valid for reads of `len` bytes for `'a`, unless it is NULL or `len` is 0.
    pub(crate) unsafe fn get<'a>(self, what: &str, most: usize) -> Result<&'a str> {
        bounded(self.len, most, what)?;
        if self.len == 0 {
            return Ok("");
        }
        if self.data.is_null() {
            return fail(LEDG_E_NULL, format!("`{what}`: the text is NULL, its length {}", self.len));
        }
        // SAFETY: the caller's promise is ours; `slice` checks the length.
        let bytes = unsafe { crate::pointers::slice(self.data.cast::<u8>(), self.len, what)? };
        std::str::from_utf8(bytes).map_err(|e| Failure {
            code: LEDG_E_UTF8,
            message: format!("`{what}`: not UTF-8 at byte {}", e.valid_up_to()),
        })
    }
}

/// Most bytes of a name, a path, or what a platform is asked for by.
const MAX_NAME: usize = 65_536;
/// Most bytes of a text that people or tools write: TOML, a task, a trace, a reason.
pub(crate) const MAX_TEXT: usize = 64 << 20;
/// Most bytes of lists that grow without end.
pub(crate) const MAX_LINES: usize = 1 << 30;

impl ledg_str {
    /// A name of bounded length that is not empty.
    ///
    /// # Safety
    /// As [`ledg_str::get`].
    pub(crate) unsafe fn name<'a>(self, what: &str) -> Result<&'a str> {
        // SAFETY: the caller's promise is ours.
        match unsafe { self.name_or_empty(what)? } {
            "" => fail(LEDG_E_INVALID, format!("`{what}` is empty")),
            name => Ok(name),
        }
    }

    /// A name of bounded length, or a path, that may be left out.
    ///
    /// # Safety
    /// As [`ledg_str::get`].
    pub(crate) unsafe fn name_or_empty<'a>(self, what: &str) -> Result<&'a str> {
        // SAFETY: the caller's promise is ours.
        unsafe { self.get(what, MAX_NAME) }
    }
}

/// Text that the caller owns, to be freed with `ledg_string_free`. Immutable; any thread may read or free it.
#[allow(non_camel_case_types)]
pub struct ledg_string {
    text: CString,
}

impl ledg_string {
    pub(crate) fn new(text: String) -> Result<Self> {
        let text = CString::new(text)
            .map_err(|e| Failure { code: LEDG_E_INTERNAL, message: format!("a NUL in a text: {e}") })?;
        Ok(ledg_string { text })
    }
}

/// The text, NUL-terminated; empty for NULL. A view that lives as long as the string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ledg_string_view(string: *const ledg_string) -> ledg_str {
    guard::value(ledg_str::EMPTY, || {
        // SAFETY: NULL or a live string, by the contract of handles.
        unsafe { string.as_ref() }.map_or(ledg_str::EMPTY, |s| ledg_str::of_terminated(&s.text))
    })
}

/// Frees a string. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ledg_string_free(string: *mut ledg_string) {
    // SAFETY: NULL or a string that this library made and the caller frees once, by the contract of handles.
    unsafe { crate::pointers::free(string) }
}
