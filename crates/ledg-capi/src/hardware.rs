//! The registry of hardware, plugins, and single platforms.

use std::borrow::Cow;
use std::ffi::CString;
use std::path::Path;
use std::sync::Arc;

use ledg_cost_model::template::TemplateSet;
use ledg_cost_model::{HardwareRegistry, Platform};

use crate::error::ledg_error;
use crate::guard;
use crate::pointers::{free, handle, handle_mut, make};
use crate::status::{Failure, LEDG_E_IO, LEDG_E_LIMIT, LEDG_E_PARSE, Result, fail, ledg_status};
use crate::text::ledg_str;

/// Most bytes and number of template files of one folder.
const MAX_TEMPLATE_BYTES: u64 = 1 << 20;
const MAX_TEMPLATE_FILES: usize = 1000;

/// Hardware by name: the built-in data sheets and those of plugins, with the plugins' operator templates. While it is
/// only read any number of threads may use it; adding needs it for one thread alone.
#[allow(non_camel_case_types)]
#[derive(Clone)]
pub struct ledg_registry {
    pub(crate) hardware: HardwareRegistry,
    /// Templates of plugins: origin and text.
    pub(crate) templates: Vec<(String, String)>,
    names: Vec<CString>,
}

/// A platform: a device and how it runs graphs. Immutable; any number of threads may use it at once. It does not need the
/// registry that it came from.
#[allow(non_camel_case_types)]
pub struct ledg_hw {
    pub(crate) platform: Arc<Platform>,
    name: CString,
}

impl ledg_registry {
    fn builtin() -> Self {
        let mut registry =
            ledg_registry { hardware: HardwareRegistry::builtin(), templates: Vec::new(), names: Vec::new() };
        registry.list();
        registry
    }

    fn list(&mut self) {
        self.names = self.hardware.devices().filter_map(|d| CString::new(d.name.as_str()).ok()).collect();
    }

    /// Adds all of something or, on an error, nothing.
    fn grow(&mut self, add: impl FnOnce(&mut Self) -> Result<()>) -> Result<()> {
        let mut grown = self.clone();
        add(&mut grown)?;
        grown.list();
        *self = grown;
        Ok(())
    }

    fn add_templates(&mut self, files: Vec<(String, String)>) -> Result<()> {
        let mut set = TemplateSet::builtin()?;
        for (origin, text) in self.templates.iter().chain(&files) {
            set = set.with_toml(origin, text)?;
        }
        self.templates.extend(files);
        Ok(())
    }

    fn add_dir(&mut self, dir: &Path) -> Result<()> {
        let (hardware, templates) = (dir.join("hardware"), dir.join("templates"));
        if !hardware.is_dir() && !templates.is_dir() {
            return Ok(self.hardware.add_dir(dir)?);
        }
        if hardware.is_dir() {
            self.hardware.add_dir(&hardware)?;
        }
        if templates.is_dir() {
            self.add_templates(read_templates(&templates)?)?;
        }
        Ok(())
    }
}

fn read_templates(dir: &Path) -> Result<Vec<(String, String)>> {
    let failed =
        |path: &Path, e: std::io::Error| Failure { code: LEDG_E_IO, message: format!("{}: {e}", path.display()) };
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(|e| failed(dir, e))? {
        let path = entry.map_err(|e| failed(dir, e))?.path();
        if path.extension().is_some_and(|e| e == "toml") {
            paths.push(path);
        }
        if paths.len() > MAX_TEMPLATE_FILES {
            return fail(LEDG_E_LIMIT, format!("{}: more than {MAX_TEMPLATE_FILES} files", dir.display()));
        }
    }
    paths.sort();
    let read = |path: &std::path::PathBuf| {
        let size = std::fs::metadata(path).map_err(|e| failed(path, e))?.len();
        if size > MAX_TEMPLATE_BYTES {
            return fail(LEDG_E_LIMIT, format!("{}: larger than {MAX_TEMPLATE_BYTES} bytes", path.display()));
        }
        Ok((path.display().to_string(), std::fs::read_to_string(path).map_err(|e| failed(path, e))?))
    };
    paths.iter().map(read).collect()
}

impl ledg_hw {
    fn new(platform: Platform) -> Self {
        let name = CString::new(platform.to_string()).unwrap_or_default();
        ledg_hw { platform: Arc::new(platform), name }
    }
}

/// Makes a registry that holds the built-in hardware. The caller owns `*out`; free it with `ledg_registry_free`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ledg_registry_new(out: *mut *mut ledg_registry, err: *mut *mut ledg_error) -> ledg_status {
    // SAFETY: the header's contract of outputs.
    unsafe { make(out, err, || Ok(ledg_registry::builtin())) }
}

/// Adds a plugin's folder: `hardware/` with data sheets (`*.toml`, subfolders included) and `templates/` with operator
/// templates (`*.toml`), either of which may be missing; a folder with neither is taken for a folder of data sheets. All of it
/// is added or, on an error, nothing. A plugin adds names and overrides none. Operator templates take effect in models
/// made by `ledg_model_with_plugins`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ledg_registry_add_dir(
    registry: *mut ledg_registry,
    path: ledg_str,
    err: *mut *mut ledg_error,
) -> ledg_status {
    // SAFETY: the header's contract of handles and strings.
    unsafe {
        guard::call(err, || {
            let registry = handle_mut(registry, "registry")?;
            registry.grow(|r| r.add_dir(Path::new(path.get("path")?)))
        })
    }
}

/// Adds one hardware file's text: a device's data sheet or a list of runtimes. `origin` names it in messages.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ledg_registry_add_toml(
    registry: *mut ledg_registry,
    origin: ledg_str,
    text: ledg_str,
    err: *mut *mut ledg_error,
) -> ledg_status {
    // SAFETY: the header's contract of handles and strings.
    unsafe {
        guard::call(err, || {
            let registry = handle_mut(registry, "registry")?;
            registry.grow(|r| Ok(r.hardware.add_toml_str(origin.get("origin")?, text.get("text")?)?))
        })
    }
}

/// Adds one template file's text. `origin` names it in messages. Templates take effect in models made by
/// `ledg_model_with_plugins`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ledg_registry_add_templates(
    registry: *mut ledg_registry,
    origin: ledg_str,
    text: ledg_str,
    err: *mut *mut ledg_error,
) -> ledg_status {
    // SAFETY: the header's contract of handles and strings.
    unsafe {
        guard::call(err, || {
            let registry = handle_mut(registry, "registry")?;
            registry.add_templates(vec![(origin.get("origin")?.to_owned(), text.get("text")?.to_owned())])
        })
    }
}

/// Number of devices; 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ledg_registry_count(registry: *const ledg_registry) -> usize {
    // SAFETY: NULL or a live registry, by the contract of handles.
    guard::value(0, || unsafe { registry.as_ref() }.map_or(0, |r| r.names.len()))
}

/// Name of a device, in alphabetical order, NUL-terminated; empty for NULL and beyond the last. A view that lives until the
/// registry is added to or freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ledg_registry_name(registry: *const ledg_registry, index: usize) -> ledg_str {
    guard::value(ledg_str::EMPTY, || {
        // SAFETY: NULL or a live registry, by the contract of handles.
        let name = unsafe { registry.as_ref() }.and_then(|r| r.names.get(index));
        name.map_or(ledg_str::EMPTY, |n| ledg_str::of_terminated(n))
    })
}

/// Finds a platform by `DEVICE[:RUNTIME]`: `rtx4090`, `rtx4090:amp`, `rtx4090:amp/nhwc/dynamo/pt2.4.0`. `DEVICE` is a name, an
/// alias or the path of a `.toml` file; what `RUNTIME` leaves out comes from the device's default. A name that is not known
/// gets the nearest ones in the message. The caller owns `*out`; free it with `ledg_hw_free`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ledg_registry_get(
    registry: *const ledg_registry,
    spec: ledg_str,
    out: *mut *mut ledg_hw,
    err: *mut *mut ledg_error,
) -> ledg_status {
    // SAFETY: the header's contract of handles and strings.
    unsafe {
        make(out, err, || {
            let registry = handle(registry, "registry")?;
            Ok(ledg_hw::new(registry.hardware.resolve(spec.get("spec")?)?))
        })
    }
}

/// Frees a registry. NULL is fine. Platforms that came from it stay valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ledg_registry_free(registry: *mut ledg_registry) {
    // SAFETY: NULL or a registry that this library made and the caller frees once, by the contract of handles.
    unsafe { free(registry) }
}

/// The hardware of a registry, or the built-in hardware for NULL.
///
/// # Safety
/// The header's contract of handles.
pub(crate) unsafe fn or_builtin<'a>(registry: *const ledg_registry) -> Result<Cow<'a, HardwareRegistry>> {
    if registry.is_null() {
        return Ok(Cow::Owned(HardwareRegistry::builtin()));
    }
    // SAFETY: the caller's promise is ours.
    Ok(Cow::Borrowed(unsafe { &handle(registry, "registry")?.hardware }))
}

#[derive(serde::Deserialize)]
struct Named {
    name: String,
}

/// Makes a platform from a data sheet's text without adding it to a registry. `registry` holds the runtimes that the sheet may
/// name; NULL means the built-in ones. `runtime` is what may stand behind the colon in `ledg_registry_get`; empty means the
/// sheet's default. The caller owns `*out`; free it with `ledg_hw_free`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ledg_hw_from_toml(
    registry: *const ledg_registry,
    text: ledg_str,
    runtime: ledg_str,
    out: *mut *mut ledg_hw,
    err: *mut *mut ledg_error,
) -> ledg_status {
    // SAFETY: the header's contract of handles and strings.
    unsafe {
        make(out, err, || {
            let mut hardware = or_builtin(registry)?.into_owned();
            let (text, runtime) = (text.get("text")?, runtime.get("runtime")?);
            hardware.add_toml_str("(text)", text)?;
            let name = toml::from_str::<Named>(text).map_err(|_| Failure {
                code: LEDG_E_PARSE,
                message: "`text`: it is no data sheet of a device: it has no `name`".into(),
            })?;
            let spec = if runtime.is_empty() { name.name } else { format!("{}:{runtime}", name.name) };
            Ok(ledg_hw::new(hardware.resolve(&spec)?))
        })
    }
}

/// The full name of a platform, such as `nvidia-rtx-4090:amp/nchw/eager/pt2.4.0`, NUL-terminated; empty for NULL. A view that
/// lives as long as the platform.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ledg_hw_name(hw: *const ledg_hw) -> ledg_str {
    guard::value(ledg_str::EMPTY, || {
        // SAFETY: NULL or a live platform, by the contract of handles.
        unsafe { hw.as_ref() }.map_or(ledg_str::EMPTY, |h| ledg_str::of_terminated(&h.name))
    })
}

/// Frees a platform. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ledg_hw_free(hw: *mut ledg_hw) {
    // SAFETY: NULL or a platform that this library made and the caller frees once, by the contract of handles.
    unsafe { free(hw) }
}
