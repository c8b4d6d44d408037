//! Versions of the ABI and of the library.

use crate::guard;
use crate::status::{LEDG_E_ABI, LEDG_OK, ledg_status};
use crate::text::ledg_str;

/// Major version of the ABI that this header describes. Another major version is another ABI; it is the number in the
/// library's soname.
pub const LEDG_ABI_MAJOR: u32 = 1;

/// Minor version of the ABI that this header describes. A library with a higher minor version of the same major version
/// serves every older caller.
pub const LEDG_ABI_MINOR: u32 = 1;

/// The ABI version of the library that is loaded: `major << 16 | minor`.
#[unsafe(no_mangle)]
pub extern "C" fn ledg_abi_version() -> u32 {
    LEDG_ABI_MAJOR << 16 | LEDG_ABI_MINOR
}

/// Whether the library that is loaded serves a caller compiled with a header of that version. Call it once with
/// `LEDG_ABI_MAJOR` and `LEDG_ABI_MINOR`.
///
/// Returns `LEDG_OK`, or `LEDG_E_ABI` if the major version differs or the library's minor version is lower.
#[unsafe(no_mangle)]
pub extern "C" fn ledg_abi_check(major: u32, minor: u32) -> ledg_status {
    let serves = major == LEDG_ABI_MAJOR && minor <= LEDG_ABI_MINOR;
    if serves { LEDG_OK } else { LEDG_E_ABI }
}

/// The version of the library, such as `0.1.0`. Static; never free it.
#[unsafe(no_mangle)]
pub extern "C" fn ledg_version() -> ledg_str {
    guard::value(ledg_str::EMPTY, || ledg_str::of(env!("CARGO_PKG_VERSION")))
}
