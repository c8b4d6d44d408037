//! The C ABI of ledg: `libledg.so`, `libledg.a` and `include/ledg.h`, which is generated from this crate
//! (`cargo xtask header`).
//!
//! What follows is `examples/c/predict.c`; a test compiles it against the header and runs it. With the library installed
//! (`cargo xtask install --prefix PREFIX`), `cc predict.c $(pkg-config --cflags --libs ledg)` builds it, with
//! `PREFIX/lib/pkgconfig` in `PKG_CONFIG_PATH`.
//!
//! ```c
#![doc = include_str!("../../../examples/c/predict.c")]
//! ```
//!
//! # Safety
//! What every entry point asks of its caller is written in the header's introduction (`cbindgen.toml`): handles are NULL or
//! live and made by this library, pointers with lengths hold as many elements, a handle that is not `const` is used by one
//! thread at a time, and what is freed is not used again.
//!
//! **Invariant:** exports `ledg_*` only; no panic leaves; a call that fails writes its error and nothing else; no state
//! outside handles but the log callback. The only `unsafe` of the project besides one memory map.

mod builder;
mod cancel;
mod error;
mod explain;
mod graph;
mod guard;
mod hardware;
mod log;
mod model;
mod nodes;
mod pointers;
mod predict;
mod records;
mod schedule;
mod session;
mod status;
mod text;
mod version;

pub use builder::*;
pub use cancel::*;
pub use error::*;
pub use explain::*;
pub use graph::*;
pub use hardware::*;
pub use log::*;
pub use model::*;
pub use nodes::*;
pub use predict::*;
pub use records::*;
pub use schedule::*;
pub use session::*;
pub use status::*;
pub use text::*;
pub use version::*;
