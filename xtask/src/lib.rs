//! Chores: the C header and the installed tree. A library, so that the tests run the same code as the command.

pub mod header;
pub mod install;

use std::path::{Path, PathBuf};

/// The repository's folder.
pub fn root() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().unwrap_or(manifest).to_owned()
}
