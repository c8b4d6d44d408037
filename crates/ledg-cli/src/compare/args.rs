//! Arguments of `ledg-cost compare`.

use std::path::PathBuf;

use clap::Args;

use crate::args::{HardwareArgs, ImportArgs, RowFormat, parse_coverage};

pub(crate) const HELP: &str = "\
Examples:
  ledg-cost compare resnet18.onnx --hardware t4,rtx3090,rtx4090 --batch 64
  ledg-cost compare bert.onnx --dim batch=1 --dim sequence=128 --hardware a100-pcie-40gb,my-chip.toml
  ledg-cost compare resnet18.onnx --hardware t4,l4 --format json

The fastest comes first. A bar ends at the estimate: its solid part ends at the interval's lower
end, its faint part beyond the estimate at the upper end. Where intervals overlap, the order is not
certain. Hardware is as for `predict`; a comma separates names.

Rows:
  --format json writes one object a line, with the keys graph, hardware, platform, batch,
  latency_s, lo_s, hi_s, relative, overlaps_fastest, known, measured and error; --format csv has
  the same columns. relative is the latency over the fastest one's; overlaps_fastest says whether
  the intervals of the two have a time in common.

Exit codes:
  0  all was answered
  1  nothing was answered: a file, a graph or hardware was refused; stderr says which and why
  2  the command line is wrong
  3  some rows were answered and some failed; their `error` column says why";

/// Arguments of `compare`.
#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub struct CompareArgs {
    /// The model: an .onnx file or a .json graph.
    #[arg(value_name = "MODEL")]
    pub model: PathBuf,
    /// Devices and runtimes to compare.
    #[arg(help = "What to compare: DEVICE[:RUNTIME] or FILE.toml[:RUNTIME], separated by commas; may be repeated")]
    #[arg(long, value_name = "HARDWARE,...", value_delimiter = ',', required = true)]
    pub hardware: Vec<String>,
    /// Batch size [default: the model's own].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub batch: Option<u64>,
    /// Share of measurements that the interval is meant to cover.
    #[arg(long, value_name = "SHARE", default_value_t = 0.9, value_parser = parse_coverage)]
    pub interval: f64,
    /// How to write the comparison.
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    pub format: RowFormat,
    /// How to read the model.
    #[command(flatten)]
    pub import: ImportArgs,
    /// More hardware.
    #[command(flatten)]
    pub registry: HardwareArgs,
    /// A bundle to use instead of the one compiled in.
    #[arg(long, value_name = "FILE")]
    pub bundle: Option<PathBuf>,
}
