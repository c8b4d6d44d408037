//! A plugin's folder, read.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::error::{CostModelError, Result};
use crate::files;

/// The schema of `plugin.toml`.
pub const PLUGIN_SCHEMA: u32 = 1;

/// Most bytes and number of files of one kind.
const MAX_FILE_BYTES: u64 = 1 << 20;
const MAX_FILES: usize = 1000;
const MAX_DEPTH: usize = 8;

/// What a plugin says it is.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Manifest {
    /// [`PLUGIN_SCHEMA`].
    pub schema: u32,
    /// Its name; the folder's, if there is no manifest.
    pub name: String,
    /// Its version.
    pub version: Option<String>,
    /// What it is, in a sentence.
    pub about: Option<String>,
    /// Where it comes from.
    pub homepage: Option<String>,
}

/// A plugin's folder with the texts of its files.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PluginFolder {
    /// Where it is.
    pub dir: PathBuf,
    /// What it says it is.
    pub manifest: Manifest,
    /// `plugin.toml` as `(name, text)`, if there is one.
    pub manifest_file: Option<(String, String)>,
    /// The folder of data sheets, if there is one.
    pub hardware_dir: Option<PathBuf>,
    /// Data sheets and runtimes, `(name, text)`, in the order of their paths.
    pub hardware: Vec<(String, String)>,
    /// Template files, `(name, text)`, in the order of their paths.
    pub templates: Vec<(String, String)>,
}

/// Whether a folder is a plugin's: it has `plugin.toml`, `hardware` or `templates`.
pub fn is_plugin(dir: &Path) -> bool {
    dir.join("plugin.toml").is_file() || dir.join("hardware").is_dir() || dir.join("templates").is_dir()
}

impl PluginFolder {
    /// Reads a folder. Only `plugin.toml` is understood; the other files are texts.
    ///
    /// # Errors
    /// No such folder, files that cannot be read or are too large, and a manifest that is none.
    pub fn read(dir: &Path) -> Result<PluginFolder> {
        let mut folder = PluginFolder::texts(dir)?;
        if let Some((file, text)) = &folder.manifest_file {
            folder.manifest = manifest(dir, file, text)?;
        }
        Ok(folder)
    }

    /// Reads a folder's texts; the manifest is the folder's name.
    pub(super) fn texts(dir: &Path) -> Result<PluginFolder> {
        let refused = |why: &str| CostModelError::Plugin { dir: dir.to_owned(), why: why.to_owned() };
        if !dir.is_dir() {
            return Err(refused("there is no such folder"));
        }
        let failed = |source| CostModelError::File { path: dir.to_owned(), what: "read", source };
        let path = dir.canonicalize().map_err(failed)?;
        let name = path.file_name().map_or_else(|| "plugin".to_owned(), |n| n.to_string_lossy().into_owned());
        let hardware_dir = match is_plugin(dir) {
            true => Some(dir.join("hardware")).filter(|d| d.is_dir()),
            false => Some(dir.to_owned()),
        };
        let manifest_path = dir.join("plugin.toml");
        let manifest_file = match manifest_path.is_file() {
            true => Some((manifest_path.display().to_string(), text(&manifest_path)?)),
            false => None,
        };
        let hardware = hardware_dir.as_deref().map(all).transpose()?.unwrap_or_default();
        let templates = dir.join("templates");
        let templates = if templates.is_dir() { all(&templates)? } else { Vec::new() };
        if hardware.is_empty() && templates.is_empty() {
            return Err(refused(
                "it holds no .toml file, neither in hardware/ nor in templates/; `ledg-cost plugin new` makes one to start from",
            ));
        }
        let manifest = Manifest { schema: PLUGIN_SCHEMA, name, version: None, about: None, homepage: None };
        Ok(PluginFolder { dir: path, manifest, manifest_file, hardware_dir, hardware, templates })
    }
}

fn manifest(dir: &Path, file: &str, text: &str) -> Result<Manifest> {
    let refused = |why: String| CostModelError::Plugin { dir: dir.to_owned(), why };
    let manifest: Manifest = toml::from_str(text).map_err(|e| refused(format!("{file}: {}", e.message())))?;
    match manifest.schema {
        PLUGIN_SCHEMA => Ok(manifest),
        found => Err(refused(format!("{file}: `schema = {found}`, this library reads schema {PLUGIN_SCHEMA}"))),
    }
}

fn text(path: &Path) -> Result<String> {
    let failed = |source| CostModelError::File { path: path.to_owned(), what: "read", source };
    let bytes = files::read(path, MAX_FILE_BYTES)?;
    String::from_utf8(bytes).map_err(|e| failed(std::io::Error::new(std::io::ErrorKind::InvalidData, e.utf8_error())))
}

/// The TOML files below a folder, by path.
fn all(dir: &Path) -> Result<Vec<(String, String)>> {
    let mut paths = Vec::new();
    collect(dir, 0, &mut paths)?;
    paths.sort();
    paths.iter().map(|path| Ok((path.display().to_string(), text(path)?))).collect()
}

fn collect(dir: &Path, depth: usize, paths: &mut Vec<PathBuf>) -> Result<()> {
    let failed = |source| CostModelError::File { path: dir.to_owned(), what: "read", source };
    if depth > MAX_DEPTH || paths.len() > MAX_FILES {
        let why = format!("more than {MAX_FILES} files, or {MAX_DEPTH} levels of folders");
        return Err(CostModelError::Plugin { dir: dir.to_owned(), why });
    }
    for entry in std::fs::read_dir(dir).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.is_dir() {
            collect(&path, depth + 1, paths)?;
        } else if path.extension().is_some_and(|e| e == "toml") {
            paths.push(path);
        }
    }
    Ok(())
}
