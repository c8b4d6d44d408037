//! Reading and atomically writing the files of a run.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use anyhow::{Context, Result};
use candle_core::Tensor;
use ledg_cost_model::write_file;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Writes a file, complete or not at all, and the folder that it is to be in.
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    if let Some(dir) = path.parent() {
        std::fs::create_dir_all(dir).with_context(|| format!("{}: cannot be made", dir.display()))?;
    }
    Ok(write_file(path, bytes)?)
}

/// Writes a value as JSON.
pub fn write_json(path: &Path, value: &impl Serialize) -> Result<()> {
    write(path, serde_json::to_string_pretty(value)?.as_bytes())
}

/// Reads a value from JSON.
pub fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let text = std::fs::read_to_string(path).with_context(|| format!("{}: cannot be read", path.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{}", path.display()))
}

/// Writes tensors as safetensors, with metadata in the header.
pub fn write_tensors(
    path: &Path,
    tensors: &BTreeMap<String, Tensor>,
    metadata: Option<HashMap<String, String>>,
) -> Result<()> {
    let bytes = safetensors::serialize(tensors.iter(), metadata).context("tensors cannot be serialised")?;
    write(path, &bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Others may read what was written, as far as the user lets them read any file.
    #[cfg(unix)]
    #[test]
    fn a_written_file_is_like_any_other() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let (own, other) = (dir.path().join("a/own"), dir.path().join("other"));
        write(&own, b"text").unwrap();
        std::fs::write(&other, b"text").unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode();
        assert_eq!((std::fs::read(&own).unwrap(), mode(&own)), (b"text".to_vec(), mode(&other)));
    }
}
