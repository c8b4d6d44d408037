//! A runtime: framework, version, compiler, precision and layout.

use super::precision::{Layout, Precision};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// A framework that runs graphs, as `runtimes.toml` describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Framework {
    /// Its id, such as `pytorch`.
    pub name: String,
    /// What its versions begin with on the command line, such as `pt`.
    pub prefix: String,
    /// Its words in a sentence, such as `PyTorch`.
    pub words: String,
    /// How it can run a graph, with the word for it in a sentence (may be empty).
    pub compilers: BTreeMap<String, String>,
}

/// How graphs run on a device.
///
/// `Display` writes the form that [`resolve`](super::HardwareRegistry::resolve) reads after the colon:
/// `amp/nchw/eager/pt2.4.0`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Runtime {
    /// The framework.
    pub framework: Arc<Framework>,
    /// Its version with any local part, such as `2.4.0+cu124`; `None`: not stated.
    pub version: Option<String>,
    /// How the framework runs the graph; a key of [`Framework::compilers`].
    pub compiler: String,
    /// The arithmetic.
    pub precision: Precision,
    /// The order of dimensions.
    pub layout: Layout,
}

impl Runtime {
    /// The version as sentences say it: `2.4` for `2.4.0+cu124`.
    pub fn version_major_minor(&self) -> Option<String> {
        let version = self.version.as_deref()?;
        let public = version.split('+').next().unwrap_or(version);
        Some(public.split('.').take(2).collect::<Vec<_>>().join("."))
    }

    /// `framework/compiler`, as messages list them.
    pub(super) fn way(&self) -> String {
        format!("{}/{}", self.framework.name, self.compiler)
    }
}

impl fmt::Display for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.precision, self.layout, self.compiler)?;
        match &self.version {
            Some(version) => write!(f, "/{}{}", self.framework.prefix, version),
            None => Ok(()),
        }
    }
}

/// What a `RUNTIME` on the command line states; the rest comes from the device's default.
#[derive(Debug, Default)]
pub(super) struct RuntimeParts<'a> {
    pub(super) precision: Option<&'a str>,
    pub(super) layout: Option<&'a str>,
    pub(super) compiler: Option<&'a str>,
    pub(super) version: Option<&'a str>,
}

impl<'a> RuntimeParts<'a> {
    /// Splits `precision[/layout[/compiler[/framework-version]]]`; an empty part counts as missing. `Err` gives the
    /// first part too many.
    pub(super) fn split(text: &'a str) -> Result<Self, &'a str> {
        let mut parts = text.split('/');
        let mut next = || parts.next().filter(|p| !p.is_empty());
        let split = Self { precision: next(), layout: next(), compiler: next(), version: next() };
        match parts.next() {
            Some(extra) => Err(extra),
            None => Ok(split),
        }
    }
}
