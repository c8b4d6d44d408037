//! The files of `configs/hardware` and `plugins/*/hardware`, compiled in.
//!
//! **Invariant:** every file here parses; the tests hold it, so the `expect`s cannot fire in a build that passed them.

use super::registry::HardwareRegistry;
use super::wording::Wording;
use std::sync::LazyLock;

/// `(path from the repository's root, text)`, sorted by path; written by `build.rs`.
pub(super) const FILES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/hardware_files.rs"));

const RUNTIMES_FILE: &str = "/runtimes.toml";
pub(super) const WORDING_FILE: &str = "configs/hardware/wording.toml";

static WORDING: LazyLock<Wording> = LazyLock::new(|| {
    let text = FILES.iter().find(|(name, _)| *name == WORDING_FILE).expect("build.rs lists wording.toml").1;
    Wording::parse(WORDING_FILE, text).expect("the built-in wording parses")
});

static REGISTRY: LazyLock<HardwareRegistry> = LazyLock::new(|| {
    // What each file holds is known from its path, so none is read twice: this runs when a process starts.
    let (runtimes, devices): (Vec<_>, Vec<_>) =
        FILES.iter().filter(|(name, _)| *name != WORDING_FILE).partition(|(name, _)| name.ends_with(RUNTIMES_FILE));
    let mut registry = HardwareRegistry::default();
    for (name, text) in runtimes {
        registry.add_runtimes_file(name, text).expect("the built-in runtimes parse");
    }
    for (name, text) in devices {
        registry.add_device_file(name, text).expect("the built-in devices parse");
    }
    registry
});

/// How platforms are said.
pub(super) fn wording() -> &'static Wording {
    &WORDING
}

/// The registry of the built-in files.
pub(super) fn registry() -> &'static HardwareRegistry {
    &REGISTRY
}
