//! `ledg-cost plugin`: new, check, list; and which plugins the other commands use.

mod check;
mod list;

use std::io::Write;
use std::path::Path;

use ledg_cost_model::{Plugins, plugin};

use crate::Outcome;
use crate::args::{PluginArgs, PluginCommand};
use crate::console::Console;

/// Makes, checks or lists plugins.
pub fn run(command: &PluginCommand, out: &mut dyn Write, console: &Console) -> anyhow::Result<Outcome> {
    match command {
        PluginCommand::New { dir, vendor } => {
            for file in plugin::scaffold(dir, vendor)? {
                writeln!(out, "{}", file.display())?;
            }
            console.note(&format!("replace the figures, then `ledg-cost plugin check {}`", dir.display()));
            Ok(Outcome::Done)
        }
        PluginCommand::Check { dir, format, plugins } => check::run(dir, *format, &load_but(plugins, Some(dir))?, out),
        PluginCommand::List { format, plugins } => list::run(plugins, *format, out),
    }
}

/// The plugins in use: those found, then those given.
pub fn load(args: &PluginArgs) -> anyhow::Result<Plugins> {
    load_but(args, None)
}

/// The plugins in use but for one folder, which is looked at by itself: it may be installed.
fn load_but(args: &PluginArgs, but: Option<&Path>) -> anyhow::Result<Plugins> {
    let but = but.and_then(|dir| dir.canonicalize().ok());
    let others = |dir: &Path| but.is_none() || dir.canonicalize().ok() != but;
    let mut plugins = Plugins::new();
    if !args.no_plugins {
        let mut found =
            || plugin::discover()?.iter().filter(|f| others(&f.dir)).try_for_each(|f| plugins.add_dir(&f.dir));
        found().map_err(|error| {
            anyhow::anyhow!("{error}; `ledg-cost plugin check` has all of it, `--no-plugins` goes without")
        })?;
    }
    for dir in args.plugin.iter().filter(|dir| others(dir)) {
        plugins.add_dir(dir)?;
    }
    Ok(plugins)
}
