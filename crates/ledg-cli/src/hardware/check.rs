//! `ledg-cost hardware check`: what is wrong with a file, or what it will be said as.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::anyhow;
use ledg_cost_model::template::hardware::Device;
use ledg_cost_model::{HardwareRegistry, Platform, RawPlatform};

use crate::Outcome;
use crate::console::{Console, message};
use crate::model_file::read_text;

/// The registry's own limit is 1 MiB; one byte more, so that it is the registry that refuses.
const MAX_BYTES: u64 = (1 << 20) + 1;

/// Checks files, each against the built-in ones and those given with it.
pub fn run(
    mut registry: HardwareRegistry,
    files: &[PathBuf],
    out: &mut dyn Write,
    console: &Console,
) -> anyhow::Result<Outcome> {
    // Read once: they may be pipes.
    let texts: Vec<anyhow::Result<String>> = files.iter().map(|file| read_text(file, MAX_BYTES)).collect();
    let mut results: Vec<anyhow::Result<Option<Arc<Device>>>> = files.iter().map(|_| Ok(None)).collect();
    let mut open: Vec<usize> = (0..files.len()).collect();
    // A device file may need a runtimes file that is named after it: those refused are tried again after the others.
    loop {
        let before = open.len();
        open.retain(|&k| {
            results[k] = match &texts[k] {
                Ok(text) => add(&mut registry, &files[k], text),
                Err(error) => Err(anyhow!("{}", message(error))),
            };
            results[k].is_err()
        });
        if open.is_empty() || open.len() == before {
            break;
        }
    }
    for (file, result) in files.iter().zip(&results) {
        match result {
            Ok(Some(device)) => describe(device, file, out)?,
            Ok(None) => writeln!(out, "{}: accepted: runtimes or wording", file.display())?,
            Err(error) => console.error(&message(error)),
        }
    }
    Ok(match open.len() {
        0 => Outcome::Done,
        _ => Outcome::Failed,
    })
}

/// Adds a file; the device, if it holds one.
fn add(registry: &mut HardwareRegistry, file: &Path, text: &str) -> anyhow::Result<Option<Arc<Device>>> {
    let before: BTreeSet<String> = registry.devices().map(|device| device.name.clone()).collect();
    registry.add_toml_str(&file.display().to_string(), text)?;
    let new = registry.devices().find(|device| !before.contains(&device.name)).cloned();
    // One that is there already, word for word, adds nothing.
    Ok(new.or_else(|| registry.load_file(file).ok()))
}

fn describe(device: &Arc<Device>, file: &Path, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{}: accepted: device {}", file.display(), device.name)?;
    let listed = device.runtimes.iter().map(|(_, runtime)| runtime);
    let mut seen = Vec::new();
    for runtime in std::iter::once(&device.default_runtime).chain(listed) {
        if seen.contains(&runtime) {
            continue;
        }
        seen.push(runtime);
        // The registry refuses a file with a runtime that its device cannot have.
        let Ok(platform) = Platform::new(Arc::clone(device), runtime.clone()) else { continue };
        let words = platform.runtime_sentence().map(|s| format!(" | {s}")).unwrap_or_default();
        writeln!(out, "  {runtime}: {}{words}", platform.sentence())?;
        if let (1, Err(error)) = (seen.len(), RawPlatform::new(&platform)) {
            writeln!(out, "  but {error}")?;
        }
    }
    // A bandwidth that is not stated is what has just been said.
    for doubt in device.doubts().iter().filter(|_| device.memory_bandwidth_gb_s.is_some()) {
        writeln!(out, "  doubtful: {}: {}", doubt.message, doubt.advice)?;
    }
    Ok(())
}
