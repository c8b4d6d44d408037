//! The registry of hardware, plugins, and single platforms.

use std::borrow::Cow;
use std::ffi::CString;
use std::path::Path;
use std::sync::Arc;

use ledg_cost_model::{HardwareRegistry, Platform, Plugins};

use crate::error::ledg_error;
use crate::guard;
use crate::pointers::{free, handle, handle_mut, make};
use crate::status::{Failure, LEDG_E_PARSE, Result, ledg_status};
use crate::text::{MAX_TEXT, ledg_str};

/// Hardware by name: the built-in data sheets and those of plugins, with the plugins' operator templates. While it is
/// only read any number of threads may use it; adding needs it for one thread alone.
#[allow(non_camel_case_types)]
#[derive(Clone)]
pub struct ledg_registry {
    pub(crate) plugins: Plugins,
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
        let mut registry = ledg_registry { plugins: Plugins::new(), names: Vec::new() };
        registry.list();
        registry
    }

    fn list(&mut self) {
        self.names = self.plugins.hardware.devices().filter_map(|d| CString::new(d.name.as_str()).ok()).collect();
    }

    /// Adds all of something or, on an error, nothing.
    fn grow(&mut self, add: impl FnOnce(&mut Plugins) -> Result<()>) -> Result<()> {
        let mut grown = self.clone();
        add(&mut grown.plugins)?;
        grown.list();
        *self = grown;
        Ok(())
    }
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
///
/// Errors: `LEDG_E_IO` for what cannot be read and for a folder or a `plugin.toml` that is no plugin's, `LEDG_E_PARSE`,
/// `LEDG_E_HARDWARE` and `LEDG_E_TEMPLATE` for files that are malformed, contradict themselves, or declare what exists.
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
            registry.grow(|plugins| Ok(plugins.add_dir(Path::new(path.name_or_empty("path")?))?))
        })
    }
}

/// Adds the plugins that the environment variable `LEDG_PLUGIN_PATH` names (folders, separated as in `PATH`; each is a plugin or
/// holds plugins), then those of the user's folder (`ledg/plugins` in the folder of configurations, `~/.config` on most
/// systems). None is found unless this is called. All of them are added or, on an error, none; a plugin that was added
/// before is not added again. Since ABI 1.1.
///
/// Errors: as `ledg_registry_add_dir`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ledg_registry_add_found(
    registry: *mut ledg_registry,
    err: *mut *mut ledg_error,
) -> ledg_status {
    // SAFETY: the header's contract of handles.
    unsafe {
        guard::call(err, || {
            let registry = handle_mut(registry, "registry")?;
            registry.grow(|plugins| Ok(plugins.add_found()?))
        })
    }
}

/// Adds one hardware file's text: a device's data sheet or a list of runtimes. `origin` names it in messages.
///
/// Errors: `LEDG_E_PARSE` if it is malformed, `LEDG_E_HARDWARE` if it contradicts itself or declares what exists.
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
            registry.grow(|plugins| {
                Ok(plugins.hardware.add_toml_str(origin.name_or_empty("origin")?, text.get("text", MAX_TEXT)?)?)
            })
        })
    }
}

/// Adds one template file's text. `origin` names it in messages. Templates take effect in models made by
/// `ledg_model_with_plugins`.
///
/// Errors: `LEDG_E_TEMPLATE` if it is malformed or declares what exists.
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
            let file = (origin.name_or_empty("origin")?.to_owned(), text.get("text", MAX_TEXT)?.to_owned());
            Ok(registry.plugins.add_templates(vec![file])?)
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
///
/// Errors: `LEDG_E_HARDWARE` for what is not known; for a file also `LEDG_E_IO` and `LEDG_E_PARSE`.
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
            Ok(ledg_hw::new(registry.plugins.hardware.resolve(spec.name_or_empty("spec")?)?))
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
    Ok(Cow::Borrowed(unsafe { &handle(registry, "registry")?.plugins.hardware }))
}

#[derive(serde::Deserialize)]
struct Named {
    name: String,
}

/// Makes a platform from a data sheet's text without adding it to a registry. `registry` holds the runtimes that the sheet may
/// name; NULL means the built-in ones. `runtime` is what may stand behind the colon in `ledg_registry_get`; empty means the
/// sheet's default. Its name and aliases must be new to the registry, also where it is a changed copy of a sheet that is there. The
/// caller owns `*out`; free it with `ledg_hw_free`.
///
/// Errors: `LEDG_E_PARSE` if it is malformed, `LEDG_E_HARDWARE` if it contradicts itself, has the name of a device that is there or
/// names a runtime that is not known.
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
            let (text, runtime) = (text.get("text", MAX_TEXT)?, runtime.name_or_empty("runtime")?);
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
