//! The files of `configs/hardware` and `plugins/*/hardware`, compiled in.
//!
//! A device's file is read when the device is first asked for: a process that asks for one does not read hundreds.
//!
//! **Invariant:** every file here parses and no name is used twice; the tests hold it, so the `expect`s cannot fire in a
//! build that passed them.

use std::sync::Arc;

use once_cell::sync::{Lazy, OnceCell};

use super::device::Device;
use super::device_file::parse_device;
use super::registry::HardwareRegistry;
use super::wording::Wording;

/// `(path from the repository's root, text, id and aliases)`, sorted by path; written by `build.rs`.
pub(super) const DEVICES: &[(&str, &str, &[&str])] = include!(concat!(env!("OUT_DIR"), "/hardware_devices.rs"));

/// `(path from the repository's root, text)` of runtimes and wording; written by `build.rs`.
pub(super) const SHARED: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/hardware_shared.rs"));

pub(super) const WORDING_FILE: &str = "configs/hardware/wording.toml";

static WORDING: Lazy<Wording> = Lazy::new(|| {
    let text = SHARED.iter().find(|(name, _)| *name == WORDING_FILE).expect("build.rs lists wording.toml").1;
    Wording::parse(WORDING_FILE, text).expect("the built-in wording parses")
});

static REGISTRY: Lazy<HardwareRegistry> = Lazy::new(|| {
    let mut registry = HardwareRegistry::default();
    for (name, text) in SHARED.iter().filter(|(name, _)| *name != WORDING_FILE) {
        registry.add_runtimes_file(name, text).expect("the built-in runtimes parse");
    }
    for (i, (_, _, names)) in DEVICES.iter().enumerate() {
        registry.put_builtin(i, names);
    }
    registry
});

/// By the place in [`DEVICES`].
static READ: [OnceCell<Arc<Device>>; DEVICES.len()] = [const { OnceCell::new() }; DEVICES.len()];

/// The device of a file.
pub(super) fn device(i: usize) -> &'static Arc<Device> {
    let (file, text, _) = DEVICES[i];
    READ[i]
        .get_or_init(|| Arc::new(parse_device(file, text, registry().catalogue()).expect("the built-in devices parse")))
}

/// How platforms are said.
pub(super) fn wording() -> &'static Wording {
    &WORDING
}

/// The registry of the built-in files.
pub(super) fn registry() -> &'static HardwareRegistry {
    &REGISTRY
}
