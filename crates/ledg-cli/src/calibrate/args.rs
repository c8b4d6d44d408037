//! Arguments of `ledg-cost calibrate`.

use std::path::PathBuf;

use clap::Args;

use crate::args::{HardwareArgs, TextFormat, parse_dim};

const CALIBRATE_HELP: &str = "\
Examples:
  ledg-cost measure networks/*.onnx --hardware host.toml --record records.jsonl --graphs graphs/
  ledg-cost calibrate --records records.jsonl --output my.ledg
  ledg-cost predict other.onnx --via tract --hardware host.toml --bundle my.ledg

A `.csv` file has the columns graph, hardware, batch and latency_s, seconds of the whole batch.
`graph` is a file in `--graphs`, with or without .onnx or .json; `--hardware` stands for the column.
`--dim` is for those of its graphs that have such a dimension.

For every platform of the records, a factor of all its times and one of each kind of operator is
fitted, shrunk towards none: five records are enough to gain by. From six networks on, it is also
found which measured platforms it is like, if cross-validation says that this helps. With three
networks or more that have times of every node (`measure --per-node`), nodes are told from those
times instead. Other platforms keep their predictions.

The table has the mean error (MAPE), the median error and the share of predictions within 10 %:
before, and after by cross-validation, which predicts each network by factors that were fitted
without it. Records of one graph, platform and batch size that are further apart than a factor of
1.5 contradict each other: they are refused, with their lines.

Exit codes:
  0  the bundle is written
  1  the records were refused; stderr says which and why
  2  the command line is wrong";

/// Arguments of `calibrate`.
#[derive(Debug, Args)]
#[command(after_help = CALIBRATE_HELP)]
pub struct CalibrateArgs {
    /// Records, as `measure --record` or the library writes them, or a `.csv` file of your own; may be repeated.
    #[arg(long, value_name = "FILE", required = true)]
    pub records: Vec<PathBuf>,
    /// The folder that the graphs of the records are in [default: that of the records].
    #[arg(long, value_name = "DIR")]
    pub graphs: Option<PathBuf>,
    /// The hardware of all records, instead of what they name.
    #[arg(long, value_name = "HARDWARE")]
    pub hardware: Option<String>,
    /// Size of a dynamic dimension, for those graphs of `.csv` files that have it; may be repeated.
    #[arg(long = "dim", value_name = "NAME=N", value_parser = parse_dim)]
    pub dims: Vec<(String, u64)>,
    /// Where to write the calibrated bundle.
    #[arg(long, value_name = "FILE.ledg")]
    pub output: PathBuf,
    /// How to write what the calibration is worth.
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub format: TextFormat,
    /// More hardware.
    #[command(flatten)]
    pub registry: HardwareArgs,
    /// A bundle to calibrate instead of the one compiled in.
    #[arg(long, value_name = "FILE")]
    pub bundle: Option<PathBuf>,
}
