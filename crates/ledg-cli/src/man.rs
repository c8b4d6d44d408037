//! `ledg-cost man`: manual pages, made from the same definitions as the help.

use std::io::Write;
use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, CommandFactory};

use crate::args::Cli;

pub(crate) const HELP: &str = "\
Examples:
  ledg-cost man | man -l -
  ledg-cost man --output-dir ~/.local/share/man/man1";

/// Arguments of `man`.
#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub struct ManArgs {
    /// Write the pages of all commands into this folder, instead of the main page to stdout.
    #[arg(long, value_name = "DIR")]
    pub output_dir: Option<PathBuf>,
}

/// Writes the main page, or all pages into a folder.
pub(crate) fn run(args: &ManArgs, out: &mut dyn Write) -> anyhow::Result<()> {
    let Some(dir) = &args.output_dir else {
        clap_mangen::Man::new(Cli::command()).render(out)?;
        return Ok(());
    };
    let failed = || format!("{}: cannot be written", dir.display());
    std::fs::create_dir_all(dir).with_context(failed)?;
    clap_mangen::generate_to(Cli::command(), dir).with_context(failed)
}
