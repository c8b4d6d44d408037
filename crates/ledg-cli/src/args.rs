//! The command line: what can be asked, with help and examples.

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use ledg_cost_model::Plugins;
use ledg_cost_model::graph::{Limits, OpType};

pub use crate::calibrate::args::CalibrateArgs;
pub use crate::compare::args::CompareArgs;
pub use crate::man::ManArgs;
pub use crate::report::args::ReportArgs;

/// Exit code when nothing could be answered.
pub const EXIT_FAILED: u8 = 1;
/// Exit code when some rows were answered and some were not. Code 2 is clap's, for a command line it cannot read.
pub const EXIT_PARTLY: u8 = 3;

const EXIT_CODES: &str = "\
Exit codes:
  0  all was answered
  1  nothing was answered: a file, a graph or hardware was refused; stderr says which and why
  2  the command line is wrong
  3  some rows were answered and some failed; their `error` column says why";

const EXAMPLES: &str = "\
Examples:
  ledg-cost predict resnet18.onnx --hardware t4
  ledg-cost hardware list
  ledg-cost compare resnet18.onnx --hardware t4,rtx3090,rtx4090
  ledg-cost report resnet18.onnx --hardware t4,rtx4090 -o report.html
  ledg-cost explain resnet18.onnx
  source <(ledg-cost completions bash)";

const PREDICT_HELP: &str = "\
Examples:
  ledg-cost predict resnet18.onnx --hardware t4 --hardware rtx4090:amp/nhwc/dynamo
  ledg-cost predict bert.onnx --dim batch=8 --dim sequence=128 --hardware a100 --format json
  ledg-cost predict resnet18.onnx --hardware my-chip.toml:fp16 --batch 32 --per-node
  ledg-cost predict --jobs jobs.csv --graphs models/ --format csv > answers.csv
  ledg-cost predict --jobs jobs.csv --graphs models/ --format csv -o answers.csv --resume

Hardware:
  DEVICE[:RUNTIME]. DEVICE is a name or alias (see `ledg-cost hardware list`) or the path of a
  .toml file. RUNTIME is a profile's name or precision[/layout[/compiler[/framework-version]]];
  what is left out comes from the device's default runtime (see `ledg-cost hardware show t4`).

Rows:
  --format json writes one object a line, with the keys graph, hardware, batch, latency_s, lo_s,
  hi_s, known and error, and with --per-node also nodes. graph and hardware are as they were asked
  for; times are seconds for the whole batch; known is the share of the estimate that comes from
  operators the model knows. A failed row has nulls and its error, which is null otherwise.
  --format csv has the same columns but nodes, and empty cells for null.

Jobs:
  A CSV file with the columns graph, hardware and batch; others are ignored, with a note. Each row
  gives one answer, in the same order. graph is a file under --graphs, with or without its .onnx
  or .json. hardware is as above; the path of a .toml file is tried from the folder of the jobs
  file, then from the working directory. An empty batch is the graph's own. A row that fails
  reports its error and the rest go on. On a terminal stderr shows how far it is.

  With --output the rows go to FILE.partial, which becomes FILE when all are there. A run that was
  stopped is continued by the same command with --resume: what was answered stays.

Exit codes:
  0  all rows were answered
  1  nothing was answered: a file, a graph or hardware was refused; stderr says which and why
  2  the command line is wrong
  3  some rows were answered and some failed; their `error` column says why";

const EXPLAIN_HELP: &str = "\
Examples:
  ledg-cost explain resnet18.onnx
  ledg-cost explain resnet18.onnx --masks --limit-nodes 200
  ledg-cost explain bert.onnx --dim batch=1 --dim sequence=128 --format json

Magnitudes are those of one sample, or of the graph as it is where its batch dimension cannot be
followed. A mask's row is a node, `#` marks the nodes it may attend to.";

const GRAPH_HELP: &str = "\
Examples:
  ledg-cost graph resnet18.onnx > resnet18.json
  ledg-cost graph resnet18.onnx --batch 8 --lowered

The output is one line of JSON in the wire format that `predict`, `explain` and `graph` read back.";

const LIST_HELP: &str = "\
Examples:
  ledg-cost hardware list
  ledg-cost hardware list --format csv | cut -d, -f1,2
  ledg-cost hardware list --hardware-dir my-devices/ --format json";

const SHOW_HELP: &str = "\
Examples:
  ledg-cost hardware show t4
  ledg-cost hardware show rtx4090:amp/nhwc/dynamo
  ledg-cost hardware show my-chip.toml";

const CHECK_HELP: &str = "\
Examples:
  ledg-cost hardware check my-chip.toml
  ledg-cost hardware check my-runtimes.toml my-chip.toml

For each file: what is wrong, with its line and what to do (the first problem; check again when it
is mended), or the sentences that the device will have. Files may refer to each other in any
order. Exit code 1 if any file is refused.";

const MEASURE_HELP: &str = "\
Examples:
  ledg-cost hardware detect > host.toml
  ledg-cost measure resnet18.onnx --hardware host.toml
  ledg-cost measure networks/*.onnx --hardware host.toml --record records.jsonl --graphs graphs/

Models are run by tract on one thread. Weights that a file does not have are made up in memory. Groups
of models take turns, one run each a round. Nothing else should run on the machine: it is refused
while others keep it busy, and a model whose runs scatter is refused after.

Records:
  --record appends one object a line, with the keys graph, graph_hash, hardware, batch, runs_s,
  median_s, spread, cpu, runtime, date, and with --per-node also nodes. Times are seconds for the
  whole batch; spread is the interquartile range over the median. What the file has already (the
  same plan on the same hardware) is not measured again, so that a command that was stopped goes on
  where it was. --graphs writes each plan's graph there, which `predict` reads without tract.

Exit codes:
  0  all models were measured, or were already
  1  none was: stderr says why
  2  the command line is wrong
  3  some were measured and some were refused; stderr says which and why";

const DETECT_HELP: &str = "\
Examples:
  ledg-cost hardware detect > host.toml
  ledg-cost predict resnet18.onnx --via tract --hardware host.toml

The processor is asked what it is; the rate of tract's matrix product and the bandwidth of a triad
are measured on one thread, as tract runs a plan on one thread. It takes some seconds.";

const PLUGIN_HELP: &str = "\
A plugin is a folder of TOML files, no code:
  plugin.toml        what it is
  hardware/*.toml    data sheets, and runtimes with their words
  templates/*.toml   operators with sentences and formulas

Plugins are found in this order: --plugin DIR; the folders of the variable LEDG_PLUGIN_PATH,
separated as in PATH, each a plugin or a folder of plugins; the user's folder,
~/.config/ledg/plugins. `--no-plugins` leaves it at --plugin. A plugin adds and never overrides.";

const NEW_HELP: &str = "\
Examples:
  ledg-cost plugin new acme --vendor Acme
  ledg-cost plugin check acme
  ledg-cost predict resnet18.onnx --plugin acme --hardware acme-one";

const PLUGIN_CHECK_HELP: &str = "\
Examples:
  ledg-cost plugin check acme
  ledg-cost plugin check acme --format json | jq .problems

For a plugin: every problem with file, line, column and a suggestion; the sentences that its devices
and operators are said by; the nearest known devices, by those sentences and by figures; and what
three reference networks would cost. Exit code 1 if there is an error; warnings leave it at 0.";

const PLUGIN_LIST_HELP: &str = "\
Examples:
  ledg-cost plugin list
  LEDG_PLUGIN_PATH=plugins ledg-cost plugin list --format json";

const COMPLETIONS_HELP: &str = "\
Examples:
  source <(ledg-cost completions bash)
  ledg-cost completions zsh > ~/.zfunc/_ledg-cost
  ledg-cost completions fish > ~/.config/fish/completions/ledg-cost.fish";

/// How long an operator graph takes on hardware, and how sure that is.
///
/// Models are .onnx files, with or without weights, or .json files in ledg's wire format. The estimate comes from a
/// model trained on measured latencies, which is compiled in; no file is needed beside the command.
#[derive(Debug, Parser)]
#[command(name = "ledg-cost", version, max_term_width = 100, after_help = format!("{EXAMPLES}\n\n{EXIT_CODES}"))]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Estimate the latency of models on hardware.
    Predict(PredictArgs),
    /// Compare hardware for a model: a table and bars, fastest first.
    Compare(CompareArgs),
    /// Write a page that shows where the time goes, to be opened in a browser.
    Report(ReportArgs),
    /// Measure models on this machine, run by tract.
    Measure(MeasureArgs),
    /// Fit the model to measured records of your own, into a bundle that `--bundle` takes.
    Calibrate(CalibrateArgs),
    /// List, show, check and detect hardware.
    #[command(subcommand)]
    Hardware(HardwareCommand),
    /// Show what the cost model is told of a model: sentences, masks, magnitudes, coverage.
    Explain(ExplainArgs),
    /// Write a model as JSON in ledg's wire format.
    Graph(GraphArgs),
    /// Write the manual page, or all of them into a folder.
    Man(ManArgs),
    /// Make, check and list plugins: a vendor's data sheets, runtimes and operators.
    #[command(subcommand, after_help = PLUGIN_HELP)]
    Plugin(PluginCommand),
    /// Write a completion script for a shell.
    #[command(after_help = COMPLETIONS_HELP)]
    Completions {
        /// The shell.
        shell: Shell,
    },
}

/// How to read models.
#[derive(Debug, Clone, Args)]
pub struct ImportArgs {
    /// Operators that plugins describe; not on the command line.
    #[arg(skip)]
    pub declared: BTreeSet<OpType>,
    /// Size of a dynamic dimension, by its name or as INPUT.AXIS; may be repeated.
    #[arg(long = "dim", value_name = "NAME=N", value_parser = parse_dim)]
    pub dims: Vec<(String, u64)>,
    /// What to do with an operator that has no shape rule or no template.
    #[arg(long, value_name = "POLICY", default_value = "error")]
    pub unknown: UnknownArg,
    /// What makes a plan of the model first; the plan is what is estimated.
    #[arg(long, value_name = "ENGINE")]
    pub via: Option<ViaArg>,
    /// Refuse models of more nodes.
    #[arg(long, value_name = "N", default_value_t = Limits::default().max_nodes)]
    pub max_nodes: u64,
}

impl ImportArgs {
    /// Models as they are: no dimension bound, no operator let through but those that are known or declared.
    pub fn plain(declared: BTreeSet<OpType>) -> ImportArgs {
        let max_nodes = Limits::default().max_nodes;
        ImportArgs { declared, dims: Vec::new(), unknown: UnknownArg::Error, via: None, max_nodes }
    }

    /// The same with the operators that plugins describe.
    pub fn with(&self, plugins: &Plugins) -> ImportArgs {
        ImportArgs { declared: plugins.operators(), ..self.clone() }
    }

    /// Bounds on a graph: eight values a node leave room for weights and constants.
    pub fn limits(&self) -> Limits {
        Limits { max_nodes: self.max_nodes, max_values: self.max_nodes.saturating_mul(8) }
    }

    /// Whether unknown operators are reported instead of refused.
    pub fn reports_unknown(&self) -> bool {
        self.unknown == UnknownArg::Report
    }
}

/// What makes a plan of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ViaArg {
    /// tract's optimised plan; needs a command built with `--features tract`
    Tract,
}

/// What to do with unknown operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum UnknownArg {
    /// Refuse the model, naming the operator
    Error,
    /// Go on and say how much of the answer they are
    Report,
}

/// Where hardware beyond the built-in comes from.
#[derive(Debug, Args)]
pub struct HardwareArgs {
    /// Folder with more hardware files, which may then be named; may be repeated.
    #[arg(long, value_name = "DIR")]
    pub hardware_dir: Vec<PathBuf>,
    /// Plugins, which may bring hardware too.
    #[command(flatten)]
    pub plugins: PluginArgs,
}

/// Which plugins are used.
#[derive(Debug, Args)]
pub struct PluginArgs {
    /// Folder of a plugin to use; may be repeated.
    #[arg(long = "plugin", value_name = "DIR")]
    pub plugin: Vec<PathBuf>,
    /// Do not look for plugins in LEDG_PLUGIN_PATH and in the user's folder of plugins.
    #[arg(long)]
    pub no_plugins: bool,
}

/// Arguments of `predict`.
#[derive(Debug, Args)]
#[command(after_help = PREDICT_HELP)]
pub struct PredictArgs {
    /// Models: .onnx files or .json graphs.
    #[arg(value_name = "MODEL", required_unless_present = "jobs", conflicts_with = "jobs")]
    pub models: Vec<PathBuf>,
    /// Device and runtime to run them on; may be repeated.
    #[arg(help = "What to run them on: DEVICE[:RUNTIME] or FILE.toml[:RUNTIME]; may be repeated")]
    #[arg(long, value_name = "HARDWARE", required_unless_present = "jobs", conflicts_with = "jobs")]
    pub hardware: Vec<String>,
    /// Batch size [default: the model's own].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..), conflicts_with = "jobs")]
    pub batch: Option<u64>,
    /// Answer each row of a CSV file instead: columns graph, hardware, batch.
    #[arg(long, value_name = "JOBS.csv", requires = "graphs")]
    pub jobs: Option<PathBuf>,
    /// The folder that the graphs of the jobs are in.
    #[arg(long, value_name = "DIR", requires = "jobs")]
    pub graphs: Option<PathBuf>,
    /// Write the answers to the jobs to this file, which appears when it is complete.
    #[arg(short, long, value_name = "FILE", requires = "jobs")]
    pub output: Option<PathBuf>,
    /// Go on where an earlier run with the same output was stopped.
    #[arg(long, requires = "output")]
    pub resume: bool,
    /// Also give the cost of every node.
    #[arg(long)]
    pub per_node: bool,
    /// Share of measurements that the interval is meant to cover.
    #[arg(long, value_name = "SHARE", default_value_t = 0.9, value_parser = parse_coverage)]
    pub interval: f64,
    /// How to write the answers.
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    pub format: RowFormat,
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

/// How to write rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RowFormat {
    /// For people
    Table,
    /// One object a line
    Json,
    /// Comma-separated, with a header
    Csv,
}

/// How to write a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TextFormat {
    /// For people
    Text,
    /// One object
    Json,
}

/// What to do with hardware.
#[derive(Debug, Subcommand)]
pub enum HardwareCommand {
    /// List all devices.
    #[command(after_help = LIST_HELP)]
    List {
        /// How to write the list.
        #[arg(long, value_name = "FORMAT", default_value = "table")]
        format: RowFormat,
        /// More hardware.
        #[command(flatten)]
        registry: HardwareArgs,
    },
    /// Show a device: its data sheet with sources, its sentences, its runtimes.
    #[command(after_help = SHOW_HELP)]
    Show {
        /// Device and runtime.
        #[arg(help = "The device: DEVICE[:RUNTIME] or FILE.toml[:RUNTIME]")]
        #[arg(value_name = "HARDWARE")]
        hardware: String,
        /// More hardware.
        #[command(flatten)]
        registry: HardwareArgs,
    },
    /// Write a hardware file of this machine: what its processor says, and what it reaches.
    #[command(after_help = DETECT_HELP)]
    Detect {
        /// Name of the device [default: made from the processor's].
        #[arg(long, value_name = "NAME")]
        name: Option<String>,
    },
    /// Check hardware files of your own.
    #[command(after_help = CHECK_HELP)]
    Check {
        /// Device files or runtimes files.
        #[arg(value_name = "FILE", required = true)]
        files: Vec<PathBuf>,
        /// More hardware.
        #[command(flatten)]
        registry: HardwareArgs,
    },
}

/// Arguments of `measure`.
#[derive(Debug, Args)]
#[command(after_help = MEASURE_HELP)]
pub struct MeasureArgs {
    /// Models: .onnx files, with or without weights.
    #[arg(value_name = "MODEL", required = true)]
    pub models: Vec<PathBuf>,
    /// This machine: the file that `hardware detect` wrote, or a device's name.
    #[arg(long, value_name = "HARDWARE")]
    pub hardware: String,
    /// Batch size [default: the model's own]; may be repeated, and each is measured.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub batch: Vec<u64>,
    /// Runs that are kept of each model.
    #[arg(long, value_name = "N", default_value_t = 15, value_parser = clap::value_parser!(u64).range(3..=10_000))]
    pub runs: u64,
    /// Runs before them that are not kept.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=1_000))]
    pub warmup: u64,
    /// Models that take turns.
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u64).range(1..=64))]
    pub together: u64,
    /// Largest spread of runs that is accepted, as a share of their median.
    #[arg(long, value_name = "SHARE", default_value_t = 0.1, value_parser = parse_positive)]
    pub max_spread: f64,
    /// Largest share of the processors' time that others may take.
    #[arg(long, value_name = "SHARE", default_value_t = 0.05, value_parser = parse_positive)]
    pub max_busy: f64,
    /// Append records to this file, and leave out what it has already.
    #[arg(long, value_name = "FILE.jsonl")]
    pub record: Option<PathBuf>,
    /// Write each plan's graph into this folder.
    #[arg(long, value_name = "DIR", requires = "record")]
    pub graphs: Option<PathBuf>,
    /// Also measure every node.
    #[arg(long)]
    pub per_node: bool,
    /// Size of a dynamic dimension, by its name or as INPUT.AXIS; may be repeated.
    #[arg(long = "dim", value_name = "NAME=N", value_parser = parse_dim)]
    pub dims: Vec<(String, u64)>,
    /// More hardware.
    #[command(flatten)]
    pub registry: HardwareArgs,
}

/// What to do with plugins.
#[derive(Debug, Subcommand)]
pub enum PluginCommand {
    /// Make a plugin to start from.
    #[command(after_help = NEW_HELP)]
    New {
        /// The folder to make.
        #[arg(value_name = "DIR")]
        dir: PathBuf,
        /// The vendor's name.
        #[arg(long, value_name = "NAME")]
        vendor: String,
    },
    /// Check a plugin: its problems, its sentences, its nearest neighbours, what it would cost.
    #[command(after_help = PLUGIN_CHECK_HELP)]
    Check {
        /// The plugin's folder.
        #[arg(value_name = "DIR")]
        dir: PathBuf,
        /// How to write the report.
        #[arg(long, value_name = "FORMAT", default_value = "text")]
        format: TextFormat,
        /// Plugins that this one builds upon.
        #[command(flatten)]
        plugins: PluginArgs,
    },
    /// List the plugins that are found.
    #[command(after_help = PLUGIN_LIST_HELP)]
    List {
        /// How to write the list.
        #[arg(long, value_name = "FORMAT", default_value = "table")]
        format: RowFormat,
        /// More plugins.
        #[command(flatten)]
        plugins: PluginArgs,
    },
}

/// Arguments of `explain`.
#[derive(Debug, Args)]
#[command(after_help = EXPLAIN_HELP)]
pub struct ExplainArgs {
    /// The model: an .onnx file or a .json graph.
    #[arg(value_name = "MODEL")]
    pub model: PathBuf,
    /// How to write the explanation.
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub format: TextFormat,
    /// Also print the attention masks as grids; JSON always has them, as lists of neighbours.
    #[arg(long)]
    pub masks: bool,
    /// Print at most so many nodes, and masks of at most so many [default: all nodes, masks of 64].
    #[arg(long, value_name = "N")]
    pub limit_nodes: Option<usize>,
    /// How to read the model.
    #[command(flatten)]
    pub import: ImportArgs,
    /// A bundle to use instead of the one compiled in.
    #[arg(long, value_name = "FILE")]
    pub bundle: Option<PathBuf>,
    /// Plugins.
    #[command(flatten)]
    pub plugins: PluginArgs,
}

/// Arguments of `graph`.
#[derive(Debug, Args)]
#[command(after_help = GRAPH_HELP)]
pub struct GraphArgs {
    /// The model: an .onnx file or a .json graph.
    #[arg(value_name = "MODEL")]
    pub model: PathBuf,
    /// Rescale to this batch size.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub batch: Option<u64>,
    /// Write the graph with fused forms as one node each, as the cost model sees it.
    #[arg(long)]
    pub lowered: bool,
    /// How to read the model.
    #[command(flatten)]
    pub import: ImportArgs,
    /// Plugins.
    #[command(flatten)]
    pub plugins: PluginArgs,
}

pub(crate) fn parse_dim(text: &str) -> Result<(String, u64), String> {
    let (name, size) =
        text.rsplit_once('=').filter(|(name, _)| !name.is_empty()).ok_or("expected NAME=N, such as batch=8")?;
    match size.parse() {
        Ok(size) if size > 0 => Ok((name.to_owned(), size)),
        _ => Err(format!("`{size}` is no size: expected a whole number from 1, such as {name}=8")),
    }
}

pub(crate) fn parse_coverage(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(share) if share > 0.0 && share < 1.0 => Ok(share),
        _ => Err("expected a share strictly between 0 and 1, such as 0.9".into()),
    }
}

fn parse_positive(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(share) if share > 0.0 && f64::is_finite(share) => Ok(share),
        _ => Err("expected a share above 0, such as 0.1".into()),
    }
}
