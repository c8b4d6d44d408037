//! The command `ledg-cost`, callable: arguments, exit codes, and the printers that tests share with it.
//!
//! ```sh
//! ledg-cost predict tests/fixtures/resnet18.onnx --hardware rtx3090 --hardware rtx4090 --batch 64
//! ledg-cost compare tests/fixtures/resnet18.onnx --hardware t4:fp16,rtx4090 --batch 64
//! ledg-cost explain tests/fixtures/resnet18.onnx --masks
//! ```
//!
//! What a command line asks for, without running it:
//!
//! ```
//! use clap::Parser;
//! use ledg_cli::args::{Cli, Command, RowFormat};
//!
//! let line = "ledg-cost predict resnet18.onnx --hardware t4 --hardware rtx4090:amp --batch 64 --format json";
//! let Command::Predict(asked) = Cli::try_parse_from(line.split(' '))?.command else { panic!("not `predict`") };
//! assert_eq!(asked.hardware, ["t4", "rtx4090:amp"]);
//! assert_eq!((asked.batch, asked.interval, asked.format), (Some(64), 0.9, RowFormat::Json));
//!
//! let wrong = Cli::try_parse_from(["ledg-cost", "predict", "resnet18.onnx"]).unwrap_err();
//! assert_eq!(wrong.exit_code(), 2, "no hardware: {wrong}");
//! # Ok::<(), clap::Error>(())
//! ```
//!
//! **Invariant:** answers go to stdout, everything else to stderr; a reader that closes the pipe (`| head`) ends the
//! command quietly; nothing but the façade `ledg-cost-model` is built upon.

pub mod args;
mod bundle;
mod calibrate;
mod compare;
mod console;
pub mod explain;
mod graph;
mod hardware;
mod man;
mod measure;
mod model_file;
mod plugin;
mod predict;
mod report;
mod tract;

use std::io::{self, BufWriter, Write};
use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use args::{Cli, Command};
use console::Console;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// All was answered.
    Done,
    /// Nothing was answered; why is on stderr already.
    Failed,
    /// Some was answered, some not; why is on stderr already.
    Partly,
}

impl Outcome {
    /// Of so many rows so many failed.
    fn of(failed: usize, rows: usize) -> Outcome {
        match failed {
            0 => Outcome::Done,
            n if n == rows => Outcome::Failed,
            _ => Outcome::Partly,
        }
    }
}

/// Runs the command with the process's arguments, and says how it ended: 0 if all was answered, [`args::EXIT_FAILED`],
/// [`args::EXIT_PARTLY`]. Does not return on a command line that is wrong: the process ends with 2 then, after what is wrong went
/// to stderr.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let mut stdout = BufWriter::new(io::stdout().lock());
    let console = Console::new();
    let outcome = run(&cli.command, &mut stdout, &console).and_then(|outcome| {
        stdout.flush()?;
        Ok(outcome)
    });
    match outcome {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::Failed) => ExitCode::from(args::EXIT_FAILED),
        Ok(Outcome::Partly) => ExitCode::from(args::EXIT_PARTLY),
        Err(error) if is_closed_pipe(&error) => {
            // What is still buffered has no reader; dropping the writer would try to write it.
            std::mem::forget(stdout);
            ExitCode::SUCCESS
        }
        Err(error) => {
            console.error(&console::message(&error));
            ExitCode::from(args::EXIT_FAILED)
        }
    }
}

fn run(command: &Command, out: &mut dyn Write, console: &Console) -> anyhow::Result<Outcome> {
    match command {
        Command::Predict(args) => predict::run(args, out, console),
        Command::Compare(args) => compare::run(args, out, console),
        Command::Report(args) => report::run(args, out, console),
        Command::Hardware(command) => hardware::run(command, out, console),
        Command::Explain(args) => explain::run(args, out, console),
        Command::Measure(args) => measure::run(args, out, console),
        Command::Calibrate(args) => calibrate::run(args, out, console),
        Command::Graph(args) => graph::run(args, out, console),
        Command::Man(args) => man::run(args, out).map(|()| Outcome::Done),
        Command::Plugin(command) => plugin::run(command, out, console),
        Command::Completions { shell } => {
            // The generator panics when its writer fails, so it gets one that cannot.
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut Cli::command(), "ledg-cost", &mut script);
            out.write_all(&script)?;
            Ok(Outcome::Done)
        }
    }
}

fn is_closed_pipe(error: &anyhow::Error) -> bool {
    let is_closed = |e: &io::Error| e.kind() == io::ErrorKind::BrokenPipe;
    error.chain().any(|cause| cause.downcast_ref::<io::Error>().is_some_and(is_closed))
}
