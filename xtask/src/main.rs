//! `cargo xtask`: chores of this repository.

use std::path::PathBuf;

use anyhow::Context;
use clap::{Parser, Subcommand};

/// Chores of this repository.
#[derive(Parser)]
#[command(name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Generates include/ledg.h from the crate ledg-capi
    Header {
        /// Only say whether it is up to date
        #[arg(long)]
        check: bool,
    },
    /// Builds the C library and installs it with headers, pkg-config and CMake files
    Install {
        /// Folder to install into, such as /usr/local
        #[arg(long)]
        prefix: PathBuf,
        /// Install the unoptimised build
        #[arg(long)]
        debug: bool,
    },
}

fn main() -> anyhow::Result<()> {
    let root = xtask::root();
    match Cli::parse().command {
        Command::Header { check: true } => xtask::header::check(&root),
        Command::Header { check: false } => {
            let path = xtask::header::path(&root);
            std::fs::write(&path, xtask::header::generate(&root)?).with_context(|| path.display().to_string())
        }
        Command::Install { prefix, debug } => xtask::install::build_and_install(&root, &prefix, !debug),
    }
}
