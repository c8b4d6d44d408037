//! `include/ledg.h` from the crate ledg-capi, by a pinned cbindgen.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

/// Where the header lives.
pub fn path(root: &Path) -> PathBuf {
    root.join("include/ledg.h")
}

/// The header as it should be.
pub fn generate(root: &Path) -> anyhow::Result<String> {
    let crate_dir = root.join("crates/ledg-capi");
    let config = cbindgen::Config::from_file(crate_dir.join("cbindgen.toml")).map_err(anyhow::Error::msg)?;
    // Files, not the crate: what cbindgen would ask cargo for is not needed, and its answers depend on the place.
    let mut builder = cbindgen::Builder::new().with_config(config);
    for module in MODULES {
        builder = builder.with_src(crate_dir.join("src").join(module).with_extension("rs"));
    }
    let mut bytes = Vec::new();
    builder.generate().context("ledg-capi: the header cannot be generated")?.write(&mut bytes);
    Ok(String::from_utf8(bytes)?)
}

/// In the header's order: what a reader needs first comes first.
const MODULES: [&str; 16] = [
    "version", "status", "text", "error", "log", "cancel", "hardware", "model", "graph", "builder", "predict", "nodes",
    "explain", "records", "session", "schedule",
];

/// Fails when the header is not what it should be.
pub fn check(root: &Path) -> anyhow::Result<()> {
    let path = path(root);
    let found = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let wanted = generate(root)?;
    if let Some((line, (found, wanted))) =
        found.lines().zip(wanted.lines()).enumerate().find(|(_, (found, wanted))| found != wanted)
    {
        let line = line + 1;
        bail!("include/ledg.h:{line}: `{found}`, from the crate it is `{wanted}`: run `cargo xtask header`");
    }
    if found != wanted {
        bail!("include/ledg.h ends otherwise than the crate's: run `cargo xtask header`");
    }
    Ok(())
}
