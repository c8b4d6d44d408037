//! `runtimes.toml`: the frameworks and the named runtime profiles that device files share.

use super::device_file::{Document, Located, check_schema, check_word, from_document, parse_document};
use super::error::HardwareError;
use super::precision::{Layout, Precision};
use super::runtime::{Framework, Runtime};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use toml::Spanned;

/// Frameworks and profiles by name, each with the file it came from.
#[derive(Debug, Clone, Default)]
pub(super) struct Catalogue {
    frameworks: BTreeMap<String, (String, Arc<Framework>)>,
    profiles: BTreeMap<String, (String, Runtime)>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RuntimesFile {
    schema: Spanned<i64>,
    #[serde(default)]
    framework: Vec<RawFramework>,
    #[serde(default)]
    runtime: Vec<RawProfile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFramework {
    name: Spanned<String>,
    prefix: Spanned<String>,
    words: Spanned<String>,
    compilers: Spanned<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawProfile {
    name: Spanned<String>,
    framework: Spanned<String>,
    version: Option<Spanned<String>>,
    compiler: Spanned<String>,
    precision: Precision,
    layout: Layout,
}

/// A `[runtime]` table inside a device file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRuntime {
    framework: Spanned<String>,
    version: Option<Spanned<String>>,
    compiler: Spanned<String>,
    precision: Precision,
    layout: Layout,
}

impl Catalogue {
    /// The profile of that name.
    pub(super) fn profile(&self, name: &str) -> Option<&Runtime> {
        self.profiles.get(name).map(|(_, runtime)| runtime)
    }

    /// The names of the profiles, sorted.
    pub(super) fn profile_names(&self) -> Vec<String> {
        self.profiles.keys().cloned().collect()
    }

    /// The frameworks, sorted by name.
    pub(super) fn frameworks(&self) -> impl Iterator<Item = &Arc<Framework>> {
        self.frameworks.values().map(|(_, framework)| framework)
    }

    /// Reads a runtimes file on top of what is there.
    pub(super) fn add(&mut self, file: &str, text: &str) -> Result<(), HardwareError> {
        let located = Located { file, text };
        self.read(located, parse_document(&located)?)
    }

    /// Reads a runtimes file's TOML on top of what is there.
    pub(super) fn read(&mut self, located: Located<'_>, document: Document<'_>) -> Result<(), HardwareError> {
        let file = located.file;
        let raw: RuntimesFile = from_document(&located, document)?;
        check_schema(&located, &raw.schema)?;
        for framework in raw.framework {
            self.add_framework(&located, framework)?;
        }
        for profile in raw.runtime {
            check_word(&located, "runtime.name", &profile.name)?;
            let (name, at) = (profile.name.get_ref().clone(), profile.name.span());
            let RawProfile { framework, version, compiler, precision, layout, .. } = profile;
            let runtime = self.runtime(&located, RawRuntime { framework, version, compiler, precision, layout })?;
            match self.profiles.get(&name) {
                Some((_, there)) if *there == runtime => {}
                Some((owner, _)) => return Err(clash(&located, at, name, "a runtime", owner)),
                None => _ = self.profiles.insert(name, (file.to_owned(), runtime)),
            }
        }
        Ok(())
    }

    fn add_framework(&mut self, located: &Located<'_>, raw: RawFramework) -> Result<(), HardwareError> {
        check_word(located, "framework.name", &raw.name)?;
        check_word(located, "framework.words", &raw.words)?;
        let prefix = raw.prefix.get_ref();
        if prefix.is_empty() || !prefix.chars().all(|c| c.is_ascii_lowercase()) {
            return Err(located.text_error("framework.prefix", &raw.prefix, "a prefix is lowercase letters"));
        }
        for name in raw.compilers.get_ref().keys() {
            if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_') {
                let key = Spanned::new(raw.compilers.span(), name.clone());
                return Err(located.text_error("framework.compilers", &key, "a name is letters, digits, - and _"));
            }
        }
        let (name_at, prefix_at) = (raw.name.span(), raw.prefix.span());
        let framework = Framework {
            name: raw.name.into_inner(),
            prefix: raw.prefix.into_inner(),
            words: raw.words.into_inner(),
            compilers: raw.compilers.into_inner(),
        };
        for (owner, there) in self.frameworks.values() {
            if **there == framework {
                return Ok(());
            }
            if there.name == framework.name {
                return Err(clash(located, name_at, framework.name, "a framework", owner));
            }
            if there.prefix == framework.prefix {
                return Err(clash(located, prefix_at, framework.prefix, "a framework's prefix", owner));
            }
        }
        self.frameworks.insert(framework.name.clone(), (located.file.to_owned(), Arc::new(framework)));
        Ok(())
    }

    /// Checks a runtime's words against the frameworks.
    pub(super) fn runtime(&self, located: &Located<'_>, raw: RawRuntime) -> Result<Runtime, HardwareError> {
        let unknown =
            |field: &'static str, name: &Spanned<String>, known: Vec<String>| HardwareError::UnknownReference {
                file: located.file.to_owned(),
                place: located.place(name.span()),
                field,
                name: name.get_ref().clone(),
                known,
            };
        let Some((_, framework)) = self.frameworks.get(raw.framework.get_ref()) else {
            return Err(unknown("framework", &raw.framework, self.frameworks.keys().cloned().collect()));
        };
        if !framework.compilers.contains_key(raw.compiler.get_ref()) {
            return Err(unknown("compiler", &raw.compiler, framework.compilers.keys().cloned().collect()));
        }
        if let Some(version) = raw.version.as_ref().filter(|v| !is_version(v.get_ref())) {
            return Err(located.text_error("version", version, "a version starts with a digit, such as 2.4.0+cu124"));
        }
        Ok(Runtime {
            framework: framework.clone(),
            version: raw.version.map(Spanned::into_inner),
            compiler: raw.compiler.into_inner(),
            precision: raw.precision,
            layout: raw.layout,
        })
    }

    /// Splits `pt2.4.0+cu124` into framework and version.
    pub(super) fn framework_version(&self, text: &str) -> Option<(Arc<Framework>, String)> {
        let digits = text.find(|c: char| c.is_ascii_digit())?;
        let (prefix, version) = text.split_at(digits);
        let framework = self.frameworks().find(|f| f.prefix == prefix || f.name == prefix)?;
        is_version(version).then(|| (framework.clone(), version.to_owned()))
    }
}

fn is_version(text: &str) -> bool {
    text.len() <= 64
        && text.starts_with(|c: char| c.is_ascii_digit())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || ".+_-".contains(c))
}

fn clash(located: &Located<'_>, at: Range<usize>, name: String, what: &str, owner: &str) -> HardwareError {
    let (file, place) = (located.file.to_owned(), located.place(at));
    HardwareError::Clash { file, place, name, owner: format!("{what} of {owner}") }
}
