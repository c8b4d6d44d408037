//! Reading arguments: handles, slices and structs that may grow.
//!
//! What can be checked of a pointer is: NULL, alignment, and that a length can be one. Whether it points to what the header
//! says is the caller's promise.

use crate::error::ledg_error;
use crate::guard;
use crate::status::{LEDG_E_INVALID, LEDG_E_LIMIT, LEDG_E_NULL, LEDG_E_STRUCT_SIZE, Result, fail, ledg_status};

/// A struct that may grow: it starts with `size_t struct_size`, holds plain data, and all zeros is a value of it.
///
/// # Safety
/// As said; `MIN` is where the last field of ABI 1.0 ends.
pub(crate) unsafe trait Growing: Copy {
    /// Bytes that every caller's struct has.
    const MIN: usize;
    /// Name in the header.
    const NAME: &'static str;
}

/// Declares a growing struct by its last field of ABI 1.0. There is no padding at its end, so that a field added later never
/// lies where an old caller's struct had bytes.
macro_rules! growing {
    ($name:ident, $last:ident) => {
        // SAFETY: a `repr(C)` struct of integers, floats and pointers.
        unsafe impl crate::pointers::Growing for $name {
            const MIN: usize = std::mem::offset_of!($name, $last) + crate::pointers::field_size(|s: &$name| &s.$last);
            const NAME: &'static str = stringify!($name);
        }
        const _: () = assert!(std::mem::offset_of!($name, struct_size) == 0);
        const _: () = assert!(<$name as crate::pointers::Growing>::MIN <= size_of::<$name>());
        const _: () = assert!(size_of::<$name>() % 8 == 0 && <$name as crate::pointers::Growing>::MIN % 8 == 0);
    };
}
pub(crate) use growing;

/// Size of a field.
pub(crate) const fn field_size<T, F>(_: fn(&T) -> &F) -> usize {
    size_of::<F>()
}

/// Larger structs than this are no structs.
const MAX_STRUCT: usize = 1 << 16;

/// A live handle.
///
/// # Safety
/// `pointer` is NULL or points to a live object of that type for `'a`.
pub(crate) unsafe fn handle<'a, T>(pointer: *const T, what: &str) -> Result<&'a T> {
    check(pointer, what)?;
    // SAFETY: not NULL and aligned; the rest is the caller's promise.
    Ok(unsafe { &*pointer })
}

/// A live handle that the call may change.
///
/// # Safety
/// As [`handle`], and nothing else uses the object during the call.
pub(crate) unsafe fn handle_mut<'a, T>(pointer: *mut T, what: &str) -> Result<&'a mut T> {
    check(pointer, what)?;
    // SAFETY: not NULL and aligned; the rest is the caller's promise.
    Ok(unsafe { &mut *pointer })
}

/// Refuses what cannot be a place of a `T`.
pub(crate) fn check<T>(pointer: *const T, what: &str) -> Result<()> {
    if pointer.is_null() {
        return fail(LEDG_E_NULL, format!("`{what}` is NULL"));
    }
    if !pointer.is_aligned() {
        return fail(LEDG_E_INVALID, format!("`{what}` is not aligned"));
    }
    Ok(())
}

/// A slice; NULL is fine for none.
///
/// # Safety
/// `data` is valid for reads of `len` elements for `'a`, unless it is NULL or `len` is 0.
pub(crate) unsafe fn slice<'a, T>(data: *const T, len: usize, what: &str) -> Result<&'a [T]> {
    if len == 0 {
        return Ok(&[]);
    }
    check(data, what)?;
    if len > isize::MAX as usize / size_of::<T>().max(1) {
        return fail(LEDG_E_LIMIT, format!("`{what}`: {len} elements are more than memory has"));
    }
    // SAFETY: not NULL, aligned, of a possible length; the rest is the caller's promise.
    Ok(unsafe { std::slice::from_raw_parts(data, len) })
}

/// A list whose length is bounded.
///
/// # Safety
/// As [`slice`].
pub(crate) unsafe fn list<'a, T>(data: *const T, len: usize, most: usize, what: &str) -> Result<&'a [T]> {
    bounded(len, most, what)?;
    // SAFETY: the caller's promise is ours.
    unsafe { slice(data, len, what) }
}

/// Refuses more than a limit.
pub(crate) fn bounded(len: usize, most: usize, what: &str) -> Result<()> {
    if len > most {
        return fail(LEDG_E_LIMIT, format!("`{what}`: {len} are more than the limit of {most}"));
    }
    Ok(())
}

/// Refuses a reserved field that is set.
pub(crate) fn zero(reserved: u64, what: &str) -> Result<()> {
    if reserved != 0 {
        return fail(LEDG_E_INVALID, format!("`{what}` must be zero"));
    }
    Ok(())
}

/// Refuses bits that mean nothing.
pub(crate) fn bits(flags: u32, meaningful: u32, what: &str) -> Result<()> {
    if flags & !meaningful != 0 {
        return fail(LEDG_E_INVALID, format!("`{what}` is {flags:#x}, which has bits that mean nothing"));
    }
    Ok(())
}

/// Refuses a count other than 1 or `n`; 0 is fine if a list may be left out.
pub(crate) fn one_or_each(count: usize, n: usize, optional: bool, what: &str) -> Result<()> {
    if count != 1 && count != n && !(count == 0 && optional) {
        return fail(LEDG_E_INVALID, format!("`{what}` is {count}, it must be 1 or {n}"));
    }
    Ok(())
}

/// Refuses columns without room for all rows.
pub(crate) fn room(len: usize, n_rows: usize, what: &str) -> Result<()> {
    if len < n_rows {
        return fail(LEDG_E_INVALID, format!("`{what}` is {len}, there are {n_rows} rows"));
    }
    Ok(())
}

/// A place of results that may be left out: NULL or aligned.
pub(crate) fn check_column<T>(column: *const T, what: &str) -> Result<()> {
    if column.is_null() { Ok(()) } else { check(column, what) }
}

/// Reads a growing struct: what an old caller does not have is zero, what this library does not know must be zero.
///
/// # Safety
/// `pointer` is NULL or valid for reads of a `size_t`, and of as many bytes as that says.
pub(crate) unsafe fn sized<T: Growing>(pointer: *const T, what: &str) -> Result<T> {
    // SAFETY: the caller's promise is ours.
    let size = unsafe { struct_size(pointer, what)? };
    // SAFETY: the trait promises that all zeros is a value.
    let mut value: T = unsafe { std::mem::zeroed() };
    // SAFETY: the caller's struct has `size` bytes, ours `size_of::<T>()`, and they do not overlap.
    unsafe {
        std::ptr::copy_nonoverlapping(pointer.cast::<u8>(), (&raw mut value).cast::<u8>(), size.min(size_of::<T>()))
    };
    Ok(value)
}

/// As [`sized`], for options: NULL is the defaults.
///
/// # Safety
/// As [`sized`].
pub(crate) unsafe fn sized_or_default<T: Growing>(pointer: *const T, what: &str) -> Result<T> {
    if pointer.is_null() {
        // SAFETY: the trait promises that all zeros is a value.
        return Ok(unsafe { std::mem::zeroed() });
    }
    // SAFETY: the caller's promise is ours.
    unsafe { sized(pointer, what) }
}

/// The size of a caller's struct, checked; its unknown tail, if any, is zero.
///
/// # Safety
/// As [`sized`].
pub(crate) unsafe fn struct_size<T: Growing>(pointer: *const T, what: &str) -> Result<usize> {
    check(pointer, what)?;
    // SAFETY: not NULL and aligned; every growing struct starts with its size.
    let size = unsafe { pointer.cast::<usize>().read() };
    if size < T::MIN || size > MAX_STRUCT {
        let (name, min) = (T::NAME, T::MIN);
        return fail(
            LEDG_E_STRUCT_SIZE,
            format!("`{what}`: `struct_size` is {size}, {name} has at least {min} bytes: set it to sizeof({name})"),
        );
    }
    if size > size_of::<T>() {
        // SAFETY: the caller's struct has `size` bytes.
        let tail =
            unsafe { std::slice::from_raw_parts(pointer.cast::<u8>().add(size_of::<T>()), size - size_of::<T>()) };
        if tail.iter().any(|b| *b != 0) {
            let name = T::NAME;
            let message = format!("`{what}`: {name} sets a field that this version of the library does not have");
            return fail(LEDG_E_STRUCT_SIZE, message);
        }
    }
    Ok(size)
}

/// Writes a growing struct of results, as much of it as the caller's has; its `struct_size` stays.
///
/// # Safety
/// As [`sized`], and valid for writes.
pub(crate) unsafe fn write_sized<T: Growing>(pointer: *mut T, value: &T, size: usize) {
    let head = size_of::<usize>();
    let bytes = size.min(size_of::<T>()) - head;
    // SAFETY: both have at least `head + bytes` bytes, and they do not overlap.
    unsafe {
        let from = (&raw const *value).cast::<u8>().add(head);
        std::ptr::copy_nonoverlapping(from, pointer.cast::<u8>().add(head), bytes);
    }
}

/// Runs a call that makes an object and hands it to the caller, who frees it with [`free`].
///
/// # Safety
/// `place` is NULL or valid for a write; `error` as in [`guard::call`].
pub(crate) unsafe fn make<T>(
    place: *mut *mut T,
    error: *mut *mut ledg_error,
    body: impl FnOnce() -> Result<T>,
) -> ledg_status {
    // SAFETY: the caller's promise is ours; the place is checked before anything is made.
    unsafe {
        guard::call(error, || {
            check(place, "out")?;
            place.write(Box::into_raw(Box::new(body()?)));
            Ok(())
        })
    }
}

/// Frees an object; NULL is fine.
///
/// # Safety
/// NULL, or from [`make`] and not freed before.
pub(crate) unsafe fn free<T>(pointer: *mut T) {
    guard::value((), || {
        if !pointer.is_null() {
            // SAFETY: by the caller's promise it came from a box and nobody else has it.
            drop(unsafe { Box::from_raw(pointer) });
        }
    });
}
