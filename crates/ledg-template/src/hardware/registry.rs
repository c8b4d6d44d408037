//! The registry: every known device by name, and names to platforms.
//!
//! **Invariant:** a name means one device. Reading the same sheet twice is no clash; any other second use is an error.

use super::builtin;
use super::catalogue::Catalogue;
use super::device::Device;
use super::device_file::{Document, Located, parse_device, parse_document};
use super::error::HardwareError;
use super::platform::Platform;
use super::precision::{Layout, Precision};
use super::runtime::{Framework, Runtime, RuntimeParts};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A hardware file is a few kilobytes; what is larger is something else.
const MAX_FILE_BYTES: u64 = 1 << 20;
const MAX_FILES: usize = 10_000;
const MAX_DEPTH: usize = 8;
const N_NEAREST: usize = 5;

/// Devices, runtimes and frameworks from the built-in files and from outside.
#[derive(Debug, Clone, Default)]
pub struct HardwareRegistry {
    catalogue: Catalogue,
    devices: BTreeMap<String, Known>,
    /// Names and aliases as [`key`] writes them, to ids.
    names: BTreeMap<String, String>,
}

/// A device that the registry knows.
#[derive(Debug, Clone)]
enum Known {
    /// The one of that place among the built-in ones, which is read when it is asked for.
    Builtin(usize),
    /// Another.
    Added(Arc<Device>),
}

impl Known {
    fn device(&self) -> &Arc<Device> {
        match self {
            Known::Builtin(i) => builtin::device(*i),
            Known::Added(device) => device,
        }
    }
}

/// What a TOML file holds, told by its top-level keys.
pub(super) enum Content {
    Device,
    Runtimes,
    Wording,
}

impl HardwareRegistry {
    /// The devices and runtimes that are compiled in.
    pub fn builtin() -> Self {
        builtin::registry().clone()
    }

    /// Adds a device file or a runtimes file; `origin` names it in errors.
    pub fn add_toml_str(&mut self, origin: &str, text: &str) -> Result<(), HardwareError> {
        check_size(origin, text.len() as u64)?;
        match content(origin, text)? {
            Content::Device => self.add_device_file(origin, text),
            Content::Runtimes => self.add_runtimes_file(origin, text),
            Content::Wording if builtin::SHARED.contains(&(builtin::WORDING_FILE, text)) => Ok(()),
            Content::Wording => Err(HardwareError::ForeignWording { file: origin.to_owned() }),
        }
    }

    /// Adds every `.toml` file of a folder and its subfolders, runtimes first, else in the order of their paths. Adds
    /// all or nothing.
    pub fn add_dir(&mut self, dir: &Path) -> Result<(), HardwareError> {
        let mut paths = Vec::new();
        collect_toml(dir, 0, &mut paths)?;
        paths.sort();
        let mut texts = Vec::with_capacity(paths.len());
        for path in &paths {
            texts.push((path.display().to_string(), read(path)?));
        }
        let mut grown = self.clone();
        let mut devices = Vec::new();
        for (origin, text) in &texts {
            match content(origin, text)? {
                Content::Device => devices.push((origin, text)),
                Content::Runtimes | Content::Wording => grown.add_toml_str(origin, text)?,
            }
        }
        for (origin, text) in devices {
            grown.add_device_file(origin, text)?;
        }
        *self = grown;
        Ok(())
    }

    /// Reads a single device file without adding it. Its names may not be those of another device.
    pub fn load_file(&self, path: &Path) -> Result<Arc<Device>, HardwareError> {
        let (file, text) = (path.display().to_string(), read(path)?);
        let device = parse_device(&file, &text, &self.catalogue)?;
        self.check_names(&device, Located { file: &file, text: &text })?;
        Ok(Arc::new(device))
    }

    /// The platform of `DEVICE[:RUNTIME]`.
    ///
    /// ```
    /// use ledg_template::hardware::HardwareRegistry;
    /// let registry = HardwareRegistry::builtin();
    /// let platform = registry.resolve("T4:fp16")?;
    /// assert_eq!(platform.device.name, "nvidia-t4");
    /// assert_eq!(platform.numbers().bandwidth_bytes_s, Some(320e9));
    /// // A name that is none gets the nearest ones.
    /// assert!(registry.resolve("tesla-t5").unwrap_err().to_string().contains("nearest"));
    /// # Ok::<(), ledg_template::hardware::HardwareError>(())
    /// ```
    ///
    /// `DEVICE` is a name or an alias, with or without its vendor (upper or lower case, `-`, `_` and spaces do not matter),
    /// or the path of a `.toml` file. `RUNTIME` is a profile's name or `precision[/layout[/compiler[/framework-version]]]`; what is missing
    /// comes from the device's default runtime.
    pub fn resolve(&self, spec: &str) -> Result<Platform, HardwareError> {
        let (device, runtime) = match spec.rfind(".toml") {
            Some(at) if matches!(spec[at + 5..].chars().next(), None | Some(':')) => {
                (self.load_file(Path::new(&spec[..at + 5]))?, spec.get(at + 6..))
            }
            _ => {
                let (name, runtime) = spec.split_once(':').map_or((spec, None), |(name, rest)| (name, Some(rest)));
                (self.device(name)?, runtime)
            }
        };
        let runtime = match runtime {
            None => device.default_runtime.clone(),
            Some(text) => self.runtime_for(&device, spec, text)?,
        };
        Platform::new(device, runtime)
    }

    /// The device of that name or alias; else the only one whose name without the vendor it is (`h100-sxm`), or whose alias
    /// after the vendor, as drivers print it (`NVIDIA GeForce RTX 4090`).
    pub fn device(&self, name: &str) -> Result<Arc<Device>, HardwareError> {
        let id = self.id(name).ok_or_else(|| self.unknown(name))?;
        Ok(self.devices[id].device().clone())
    }

    fn id(&self, name: &str) -> Option<&String> {
        let name = key(name);
        self.names.get(&name).or_else(|| self.without_vendor(&name)).or_else(|| self.after_vendor(&name))
    }

    fn without_vendor(&self, name: &str) -> Option<&String> {
        let named = |id: &&String| id.split_once('-').is_some_and(|(_, rest)| key(rest) == name);
        // A name that means a built-in device goes on meaning it, whatever a plugin calls its own.
        let builtin = |id: &&String| matches!(self.devices[*id], Known::Builtin(_));
        let found = || self.devices.keys().filter(named);
        only(found().filter(builtin)).or_else(|| only(found()))
    }

    fn after_vendor(&self, name: &str) -> Option<&String> {
        let vendor = |id: &str| id.split_once('-').map(|(vendor, _)| vendor.to_owned());
        let named = self.names.iter().filter(|(alias, _)| !alias.is_empty());
        let named = named.filter(|(alias, id)| {
            name.strip_suffix(alias.as_str()).is_some_and(|before| vendor(id).is_some_and(|vendor| vendor == before))
        });
        only(named.map(|(_, id)| id))
    }

    /// Every device, in the order of their ids.
    pub fn devices(&self) -> impl ExactSizeIterator<Item = &Arc<Device>> {
        self.devices.values().map(Known::device)
    }

    /// The runtime profile of that name.
    pub fn profile(&self, name: &str) -> Option<&Runtime> {
        self.catalogue.profile(name)
    }

    /// The frameworks, in the order of their names.
    pub fn frameworks(&self) -> impl Iterator<Item = &Arc<Framework>> {
        self.catalogue.frameworks()
    }

    pub(super) fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    pub(super) fn catalogue_mut(&mut self) -> &mut Catalogue {
        &mut self.catalogue
    }

    pub(super) fn add_runtimes_file(&mut self, origin: &str, text: &str) -> Result<(), HardwareError> {
        self.catalogue.add(origin, text)
    }

    pub(super) fn add_device_file(&mut self, origin: &str, text: &str) -> Result<(), HardwareError> {
        let device = parse_device(origin, text, &self.catalogue)?;
        self.check_names(&device, Located { file: origin, text })?;
        self.put(device);
        Ok(())
    }

    /// Adds a device under those of its names that are free.
    pub(super) fn put(&mut self, device: Device) {
        for name in device.names() {
            self.names.entry(key(name)).or_insert_with(|| device.name.clone());
        }
        self.devices.entry(device.name.clone()).or_insert_with(|| Known::Added(Arc::new(device)));
    }

    /// Adds a built-in device under its names, of which the first is its id.
    pub(super) fn put_builtin(&mut self, i: usize, names: &[&str]) {
        let Some(id) = names.first() else { return };
        for name in names {
            self.names.insert(key(name), (*id).to_owned());
        }
        self.devices.insert((*id).to_owned(), Known::Builtin(i));
    }

    /// Refuses names that another device has.
    pub(super) fn check_names(&self, device: &Device, located: Located<'_>) -> Result<(), HardwareError> {
        self.clashes(device, located).next().map_or(Ok(()), Err)
    }

    /// The names of a device that mean another device, by its own names or by those it has with or without its vendor.
    pub(super) fn clashes<'a>(
        &'a self,
        device: &'a Device,
        located: Located<'a>,
    ) -> impl Iterator<Item = HardwareError> + 'a {
        device.names().filter_map(move |name| {
            let there = self.id(name).map(|id| self.devices[id].device())?;
            let (file, place) = (device.origin.clone(), located.place_of_string(name));
            let owner = format!("device {} of {}", there.name, there.origin);
            let clash = HardwareError::Clash { file, place, name: name.to_owned(), owner };
            (!there.same_sheet(device)).then_some(clash)
        })
    }

    fn unknown(&self, name: &str) -> HardwareError {
        let wanted: String = key(name).chars().take(128).collect();
        let mut ranked: Vec<(usize, &str)> = Vec::new();
        for device in self.devices() {
            // A device is offered once, under its nearest name.
            let nearest = device.names().map(|n| (strsim::damerau_levenshtein(&wanted, &key(n)), n)).min();
            ranked.extend(nearest);
        }
        ranked.sort();
        let nearest = ranked.into_iter().take(N_NEAREST).map(|(_, name)| name.to_owned()).collect();
        HardwareError::UnknownDevice { name: name.to_owned(), nearest }
    }

    /// Reads the part after the colon, with the device's default for what is missing.
    fn runtime_for(&self, device: &Device, spec: &str, text: &str) -> Result<Runtime, HardwareError> {
        let wrong = |part: &str, expected: &'static str, known: Vec<String>| HardwareError::RuntimePart {
            spec: spec.to_owned(),
            part: part.to_owned(),
            expected,
            known,
        };
        let names = |known: &[&str]| known.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
        let mut runtime = device.default_runtime.clone();
        if let Some(profile) = self.profile(text) {
            runtime = profile.clone();
        } else {
            let parts = RuntimeParts::split(text).map_err(|extra| {
                wrong(extra, "part of a runtime", names(&["precision/layout/compiler/framework-version"]))
            })?;
            if let Some(part) = parts.precision {
                runtime.precision = Precision::from_name(part)
                    .ok_or_else(|| wrong(part, "precision", names(&Precision::ALL.map(Precision::name))))?;
            }
            if let Some(part) = parts.layout {
                runtime.layout = Layout::from_name(part)
                    .ok_or_else(|| wrong(part, "layout", names(&Layout::ALL.map(Layout::name))))?;
            }
            if let Some(compiler) = parts.compiler {
                let all = || self.catalogue.frameworks().flat_map(|f| f.compilers.keys().cloned());
                runtime = self
                    .with_compiler(device, runtime, compiler)
                    .ok_or_else(|| wrong(compiler, "compiler", all().collect::<BTreeSet<_>>().into_iter().collect()))?;
            }
            if let Some(part) = parts.version {
                let known = || self.catalogue.frameworks().map(|f| format!("{}VERSION", f.prefix)).collect();
                let (framework, version) = self
                    .catalogue
                    .framework_version(part)
                    .ok_or_else(|| wrong(part, "framework and version", known()))?;
                if !framework.compilers.contains_key(&runtime.compiler) {
                    return Err(wrong(
                        &runtime.compiler,
                        "compiler of that framework",
                        framework.compilers.keys().cloned().collect(),
                    ));
                }
                (runtime.framework, runtime.version) = (framework, Some(version));
            }
        }
        Ok(runtime)
    }

    /// Changes the compiler. One of another framework brings that framework, with the version of the device's profile
    /// for it, or none.
    fn with_compiler(&self, device: &Device, mut runtime: Runtime, compiler: &str) -> Option<Runtime> {
        if !runtime.framework.compilers.contains_key(compiler) {
            let listed = device.all_runtimes().find(|r| r.framework.compilers.contains_key(compiler));
            (runtime.framework, runtime.version) = match listed {
                Some(listed) => (listed.framework.clone(), listed.version.clone()),
                None => (self.catalogue.frameworks().find(|f| f.compilers.contains_key(compiler))?.clone(), None),
            };
        }
        runtime.compiler = compiler.to_owned();
        Some(runtime)
    }
}

/// The id, if all are the same one.
fn only<'a>(mut ids: impl Iterator<Item = &'a String>) -> Option<&'a String> {
    let first = ids.next()?;
    ids.all(|id| id == first).then_some(first)
}

/// A name as it is looked up: spelling that people vary is dropped.
fn key(name: &str) -> String {
    name.chars().filter(|c| !matches!(c, '-' | '_' | ' ')).flat_map(char::to_lowercase).collect()
}

fn content(origin: &str, text: &str) -> Result<Content, HardwareError> {
    Ok(Content::of(&parse_document(&Located { file: origin, text })?))
}

impl Content {
    pub(super) fn of(document: &Document<'_>) -> Content {
        let keys = document.get_ref();
        if keys.contains_key("runtime_sentence") {
            Content::Wording
        } else if keys.contains_key("peak") {
            Content::Device
        } else if keys.contains_key("framework") || keys.get("runtime").is_some_and(|r| r.get_ref().is_array()) {
            Content::Runtimes
        } else {
            Content::Device
        }
    }
}

fn check_size(file: &str, bytes: u64) -> Result<(), HardwareError> {
    if bytes > MAX_FILE_BYTES {
        return Err(HardwareError::TooLarge {
            file: file.to_owned(),
            what: "bytes",
            found: bytes,
            limit: MAX_FILE_BYTES,
        });
    }
    Ok(())
}

fn read(path: &Path) -> Result<String, HardwareError> {
    let failed = |source| HardwareError::Read { path: path.to_owned(), source };
    // What the system says of a file's size is not believed: a device has none and gives bytes without end.
    let mut text = String::new();
    let read = fs::File::open(path).and_then(|file| file.take(MAX_FILE_BYTES + 1).read_to_string(&mut text));
    check_size(&path.display().to_string(), text.len() as u64)?;
    read.map_err(failed)?;
    Ok(text)
}

fn collect_toml(dir: &Path, depth: usize, paths: &mut Vec<PathBuf>) -> Result<(), HardwareError> {
    let too_large = |what, found: usize, limit: usize| HardwareError::TooLarge {
        file: dir.display().to_string(),
        what,
        found: found as u64,
        limit: limit as u64,
    };
    if depth > MAX_DEPTH {
        return Err(too_large("levels of folders", depth, MAX_DEPTH));
    }
    let failed = |source| HardwareError::Read { path: dir.to_owned(), source };
    for entry in fs::read_dir(dir).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.is_dir() {
            collect_toml(&path, depth + 1, paths)?;
        } else if path.extension().is_some_and(|e| e == "toml") {
            paths.push(path);
        }
        if paths.len() > MAX_FILES {
            return Err(too_large("files", paths.len(), MAX_FILES));
        }
    }
    Ok(())
}
