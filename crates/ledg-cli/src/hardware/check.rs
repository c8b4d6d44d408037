//! `ledg-cost hardware check`: what is wrong with a file, or what it will be said as.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

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
    let mut results: Vec<anyhow::Result<()>> = files.iter().map(|_| Ok(())).collect();
    let mut open: Vec<usize> = (0..files.len()).collect();
    // A device file may need a runtimes file that is named after it: those refused are tried again after the others.
    loop {
        let before = open.len();
        open.retain(|&k| {
            results[k] = add(&mut registry, &files[k]);
            results[k].is_err()
        });
        if open.is_empty() || open.len() == before {
            break;
        }
    }
    for (file, result) in files.iter().zip(&results) {
        match result {
            Ok(()) => accepted(&registry, file, out)?,
            Err(error) => console.error(&message(error)),
        }
    }
    Ok(match open.len() {
        0 => Outcome::Done,
        _ => Outcome::Failed,
    })
}

fn add(registry: &mut HardwareRegistry, file: &Path) -> anyhow::Result<()> {
    Ok(registry.add_toml_str(&file.display().to_string(), &read_text(file, MAX_BYTES)?)?)
}

/// What a file that was accepted holds. Only device files can be read as a device.
fn accepted(registry: &HardwareRegistry, file: &Path, out: &mut dyn Write) -> io::Result<()> {
    match registry.load_file(file) {
        Ok(device) => describe(&device, file, out),
        Err(_) => writeln!(out, "{}: accepted: runtimes or wording", file.display()),
    }
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
    Ok(())
}
