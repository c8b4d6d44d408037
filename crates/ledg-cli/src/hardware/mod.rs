//! `ledg-cost hardware`: list, show, detect, check.

mod check;
mod detect;
mod list;
mod show;

use std::io::Write;

use ledg_cost_model::{HardwareRegistry, Platform, Plugins};

use crate::Outcome;
use crate::args::{HardwareArgs, HardwareCommand};
use crate::console::Console;

/// Lists, shows, detects or checks.
pub fn run(command: &HardwareCommand, out: &mut dyn Write, console: &Console) -> anyhow::Result<Outcome> {
    match command {
        HardwareCommand::List { format, registry: args } => list::run(&registry(args)?, *format, out),
        HardwareCommand::Show { hardware, registry: args } => show::run(&resolve(&registry(args)?, hardware)?, out),
        HardwareCommand::Detect { name } => detect::run(name.as_deref(), out),
        HardwareCommand::Check { files, registry: args } => check::run(registry(args)?, files, out, console),
    }
}

/// The built-in hardware and that of plugins and of the folders given.
pub fn registry(args: &HardwareArgs) -> anyhow::Result<HardwareRegistry> {
    Ok(plugins(args)?.hardware)
}

/// The plugins in use, with the folders of hardware given.
pub fn plugins(args: &HardwareArgs) -> anyhow::Result<Plugins> {
    let mut plugins = crate::plugin::load(&args.plugins)?;
    let registry = &mut plugins.hardware;
    for dir in &args.hardware_dir {
        registry.add_dir(dir)?;
    }
    Ok(plugins)
}

/// The platform of a name or a file. An unknown name says where to look further.
pub fn resolve(registry: &HardwareRegistry, spec: &str) -> anyhow::Result<Platform> {
    use ledg_cost_model::template::hardware::HardwareError;
    registry.resolve(spec).map_err(|error| match error {
        HardwareError::UnknownDevice { .. } => {
            anyhow::anyhow!("{error}; `ledg-cost hardware list` has all, and a file's path must end in .toml")
        }
        error => error.into(),
    })
}
