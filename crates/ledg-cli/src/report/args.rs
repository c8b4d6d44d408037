//! Arguments of `ledg-cost report`.

use std::path::PathBuf;

use clap::Args;

use crate::args::{HardwareArgs, ImportArgs, parse_coverage};

pub(crate) const HELP: &str = "\
Examples:
  ledg-cost report resnet18.onnx --hardware t4,rtx4090 -o report.html
  ledg-cost report a.onnx b.onnx --hardware rtx4090:amp/nhwc/dynamo --batch 64 -o report.html

The page is one file that needs no network: the estimates with their intervals, where the time goes
by block, operator and node, a roofline plot, the network as a graph coloured by cost, and what the
estimates cannot be trusted for. Hardware is as for `predict`; a comma separates names.

Exit codes:
  0  the page was written
  1  a model or hardware was refused, or the page cannot be written; stderr says which and why
  2  the command line is wrong";

/// Arguments of `report`.
#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub struct ReportArgs {
    /// Models: .onnx files or .json graphs.
    #[arg(value_name = "MODEL", required = true)]
    pub models: Vec<PathBuf>,
    /// Devices and runtimes to report on.
    #[arg(help = "What to run them on: DEVICE[:RUNTIME] or FILE.toml[:RUNTIME], separated by commas; may be repeated")]
    #[arg(long, value_name = "HARDWARE,...", value_delimiter = ',', required = true)]
    pub hardware: Vec<String>,
    /// The page to write.
    #[arg(short, long, value_name = "FILE")]
    pub output: PathBuf,
    /// Batch size [default: each model's own].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub batch: Option<u64>,
    /// Share of measurements that the interval is meant to cover.
    #[arg(long, value_name = "SHARE", default_value_t = 0.9, value_parser = parse_coverage)]
    pub interval: f64,
    /// How to read the models.
    #[command(flatten)]
    pub import: ImportArgs,
    /// More hardware.
    #[command(flatten)]
    pub registry: HardwareArgs,
    /// A bundle to use instead of the one compiled in.
    #[arg(long, value_name = "FILE")]
    pub bundle: Option<PathBuf>,
}
