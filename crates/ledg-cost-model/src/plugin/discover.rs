//! Where plugins are found: the folders of `LEDG_PLUGIN_PATH`, then the user's own.
//!
//! **Invariant:** the order is that of the variable, then that of names; nothing that is found and broken is passed over.

use std::path::{Path, PathBuf};

use etcetera::BaseStrategy;

use super::folder::is_plugin;
use crate::error::{CostModelError, Result};

/// The environment variable: folders, separated as in `PATH`. Each is a plugin, or holds plugins.
pub const PLUGIN_PATH: &str = "LEDG_PLUGIN_PATH";

/// A plugin that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Found {
    /// Its folder.
    pub dir: PathBuf,
    /// What led there: [`PLUGIN_PATH`], or the user's folder.
    pub by: String,
}

/// The user's folder of plugins, whether it exists or not: `ledg/plugins` in the folder of configurations
/// (`~/.config`, or what `XDG_CONFIG_HOME` says; `%APPDATA%` on Windows). `None` for a user without a home.
pub fn user_folder() -> Option<PathBuf> {
    let strategy = etcetera::choose_base_strategy().ok()?;
    Some(strategy.config_dir().join("ledg").join("plugins"))
}

/// Finds plugins.
///
/// # Errors
/// A folder that `LEDG_PLUGIN_PATH` names and that is none, or that holds no plugin.
pub fn discover() -> Result<Vec<Found>> {
    let listed = std::env::var_os(PLUGIN_PATH).unwrap_or_default();
    let listed: Vec<PathBuf> = std::env::split_paths(&listed).filter(|p| !p.as_os_str().is_empty()).collect();
    find(&listed, user_folder().as_deref())
}

fn find(listed: &[PathBuf], user: Option<&Path>) -> Result<Vec<Found>> {
    let mut found = Vec::new();
    for dir in listed {
        let before = found.len();
        let refused =
            |why: &str| CostModelError::Plugin { dir: dir.clone(), why: format!("{PLUGIN_PATH} names it, but {why}") };
        if !dir.is_dir() {
            return Err(refused("there is no such folder"));
        }
        if is_plugin(dir) {
            found.push(Found { dir: dir.clone(), by: PLUGIN_PATH.to_owned() });
        } else {
            found.extend(children(dir)?.into_iter().map(|dir| Found { dir, by: PLUGIN_PATH.to_owned() }));
        }
        if found.len() == before {
            return Err(refused(
                "it neither is a plugin nor holds one: there is no plugin.toml, hardware/ or templates/",
            ));
        }
    }
    if let Some(user) = user.filter(|u| u.is_dir()) {
        found.extend(children(user)?.into_iter().map(|dir| Found { dir, by: user.display().to_string() }));
    }
    Ok(found)
}

fn children(dir: &Path) -> Result<Vec<PathBuf>> {
    let failed = |source| CostModelError::File { path: dir.to_owned(), what: "read", source };
    let mut dirs = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if is_plugin(&path) {
            dirs.push(path);
        }
    }
    dirs.sort();
    Ok(dirs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plugins_and_folders_of_plugins_are_found_in_order() {
        let root = tempfile::tempdir().unwrap();
        let at = |path: &str| root.path().join(path);
        for dir in ["many/b/hardware", "many/a/templates", "many/notes", "one/hardware", "user/z/hardware", "none/x"] {
            std::fs::create_dir_all(at(dir)).unwrap();
        }
        let found = find(&[at("one"), at("many")], Some(&at("user"))).unwrap();
        let dirs: Vec<PathBuf> = found.into_iter().map(|f| f.dir).collect();
        assert_eq!(dirs, [at("one"), at("many/a"), at("many/b"), at("user/z")]);
        assert_eq!(find(&[], Some(&at("missing"))).unwrap(), []);
        assert!(find(&[at("missing")], None).unwrap_err().to_string().contains("there is no such folder"));
        assert!(find(&[at("none")], None).unwrap_err().to_string().contains("neither is a plugin nor holds one"));
    }
}
