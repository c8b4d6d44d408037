//! Plugins: a vendor's folder of data, without code.
//!
//! ```text
//! acme/
//!   plugin.toml        what it is (may be missing: the folder's name then says it)
//!   hardware/*.toml    data sheets, and runtimes with their words
//!   templates/*.toml   operators with sentences and formulas, fusions
//! ```
//!
//! ```no_run
//! use ledg_cost_model::{CostModel, Plugins};
//! let mut plugins = Plugins::new();
//! plugins.add_dir("acme".as_ref())?;
//! let builtin = CostModel::default_model()?;
//! let model = plugins.extend(&builtin)?;
//! let chip = plugins.hardware.resolve("acme-one")?;
//! # Ok::<(), ledg_cost_model::CostModelError>(())
//! ```
//!
//! **Invariant:** a plugin adds and never overrides: a name that is taken is an error, and what a plugin brings changes no
//! answer about a graph and a platform that do not use it.

mod check;
mod discover;
mod folder;
mod nearest;
mod scaffold;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use ledg_graph::OpType;
use ledg_template::TemplateSet;
use ledg_template::hardware::HardwareRegistry;

use crate::error::Result;
use crate::model::CostModel;

pub use check::{
    Cost, DeviceReport, OperatorReport, PluginReport, REFERENCE_BATCHES, REFERENCE_NETWORKS, ReferenceNetwork, check,
};
pub use discover::{Found, PLUGIN_PATH, discover, user_folder};
pub use folder::{Manifest, PLUGIN_SCHEMA, PluginFolder, is_plugin};
pub use nearest::{Near, nearest_by_sheet, nearest_by_words};
pub use scaffold::scaffold;

/// A plugin that was added.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Added {
    /// Its folder.
    pub dir: PathBuf,
    /// What it says it is.
    pub manifest: Manifest,
    /// The devices that it added, by name; those that were known already are not among them.
    pub devices: Vec<String>,
    /// The operators that it added.
    pub operators: Vec<String>,
}

/// The built-in hardware, and what plugins added to it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Plugins {
    /// Hardware by name.
    pub hardware: HardwareRegistry,
    /// Template files, `(name, text)`, in the order in which they were added.
    pub templates: Vec<(String, String)>,
    /// The plugins, in the order in which they were added.
    pub added: Vec<Added>,
}

impl Default for Plugins {
    fn default() -> Self {
        Plugins::new()
    }
}

impl Plugins {
    /// The built-in hardware alone.
    pub fn new() -> Self {
        Plugins { hardware: HardwareRegistry::builtin(), templates: Vec::new(), added: Vec::new() }
    }

    /// Adds a plugin's folder: all of it or, on an error, nothing. A folder with neither `plugin.toml` nor `hardware` nor
    /// `templates` is taken for a folder of data sheets. A folder that was added before is not added again.
    ///
    /// # Errors
    /// What is wrong with the folder's files; see [`check()`] for all of it at once.
    pub fn add_dir(&mut self, dir: &Path) -> Result<()> {
        let folder = PluginFolder::read(dir)?;
        if self.added.iter().any(|a| a.dir == folder.dir) {
            return Ok(());
        }
        let mut hardware = self.hardware.clone();
        if let Some(sheets) = &folder.hardware_dir {
            hardware.add_dir(sheets)?;
        }
        let set = self.template_set()?;
        let n_operators = set.operator_names().count();
        let set = folder.templates.iter().try_fold(set, |set, (file, text)| set.with_toml(file, text))?;
        let new = |d: &&std::sync::Arc<ledg_template::hardware::Device>| self.hardware.device(&d.name).is_err();
        self.added.push(Added {
            dir: folder.dir,
            manifest: folder.manifest,
            devices: hardware.devices().filter(new).map(|d| d.name.clone()).collect(),
            operators: set.operator_names().skip(n_operators).map(str::to_owned).collect(),
        });
        self.hardware = hardware;
        self.templates.extend(folder.templates);
        Ok(())
    }

    /// Adds the plugins that [`discover()`] finds.
    ///
    /// # Errors
    /// As [`discover()`] and [`Plugins::add_dir`].
    pub fn add_found(&mut self) -> Result<()> {
        discover()?.iter().try_for_each(|found| self.add_dir(&found.dir))
    }

    /// Adds template files, `(name, text)`: all of them or, on an error, none.
    ///
    /// # Errors
    /// As [`TemplateSet::with_toml`].
    pub fn add_templates(&mut self, files: Vec<(String, String)>) -> Result<()> {
        files.iter().try_fold(self.template_set()?, |set, (file, text)| set.with_toml(file, text))?;
        self.templates.extend(files);
        Ok(())
    }

    /// The built-in templates and those of the plugins.
    ///
    /// # Errors
    /// None: they were added one by one.
    pub fn template_set(&self) -> Result<TemplateSet> {
        let builtin = TemplateSet::builtin()?;
        Ok(self.templates.iter().try_fold(builtin, |set, (file, text)| set.with_toml(file, text))?)
    }

    /// The operators that plugins added: an importer may take the shapes that a file declares for them.
    pub fn operators(&self) -> BTreeSet<OpType> {
        let named = self.added.iter().flat_map(|a| &a.operators);
        named.map(|name| ledg_template::operator_type(name)).collect()
    }

    /// The model with the plugins' operators; shares its weights.
    ///
    /// # Errors
    /// As [`CostModel::with_templates`].
    pub fn extend(&self, model: &CostModel) -> Result<CostModel> {
        model.with_templates(self.templates.iter().map(|(file, text)| (file.as_str(), text.as_str())))
    }
}
