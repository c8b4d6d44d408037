//! `ledg-train`: data sets, splits, baselines, training, evaluation, bundling.
//!
//! An experiment is a TOML file (`configs/experiments`); its `[data]` names the folders of data sets, which are not part of the
//! repository:
//!
//! ```sh
//! ledg-train data configs/experiments/timm-families.toml     # what the data holds: graphs, records, platforms
//! ledg-train fit configs/experiments/timm-families.toml      # every seed and fold, into runs/timm-families
//! ledg-train eval configs/experiments/timm-families.toml     # the table: errors, baselines, coverage of intervals
//! ledg-train report configs/experiments/timm-families.toml   # the page of docs/results
//! ```
//!
//! Two need no more than a checkout, as their measurements are part of it:
//!
//! ```sh
//! ledg-train host-calibration crates/ledg-train/hosts/amd-epyc-zen3 --numbers 0,20 --draws 2   # what 20 records of a host are worth
//! ledg-train fit configs/experiments/schedules.toml                                   # a model that ranks schedules
//! ```
//!
//! **Invariant:** an experiment is one file and one command; its runs are resumable and write to `runs/<name>/` only.

mod accuracy;
mod baselines;
mod bundle;
mod config;
mod data;
mod evaluate;
mod files;
mod host_calibration;
mod metrics;
mod prepare;
mod report;
mod run;
mod schedules;
mod split;
mod summary;
mod trainer;
mod transformers;
mod variants;

use std::path::PathBuf;

use anyhow::Result;
use clap::{Parser, Subcommand};
use ledg_cost_model::Describer;

use crate::accuracy::AccuracyExperiment;
use crate::config::Experiment;

// Training allocates and frees large tensors all the time; glibc returns them to the kernel each time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Trains, evaluates and bundles ledg's cost models.
#[derive(Parser)]
#[command(name = "ledg-train", version, about, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Train every run (seed x fold) of an experiment; runs that are finished are skipped, a stopped one goes on.
    ///
    /// A configuration with a `[schedules]` table trains a schedule model, one seed after the other.
    ///
    /// A configuration with a `[sampling]` table predicts accuracies, one run a number of samples and seed.
    ///
    /// Example: ledg-train fit configs/experiments/timm-families.toml
    Fit {
        /// The experiment, a TOML file.
        config: PathBuf,
        /// Runs trained at the same time, one thread each.
        #[arg(long, default_value_t = 2)]
        workers: usize,
        /// Folder for runs.
        #[arg(long, default_value = "runs")]
        runs: PathBuf,
    },
    /// Print the table of an experiment whose runs are finished: errors, baselines, interval coverage.
    ///
    /// Example: ledg-train eval configs/experiments/timm-families.toml
    Eval {
        /// The experiment, a TOML file.
        config: PathBuf,
        /// Folder of runs.
        #[arg(long, default_value = "runs")]
        runs: PathBuf,
        /// Calibrate the intervals on the held-out predictions of this experiment instead of on the other folds.
        #[arg(long)]
        intervals: Option<PathBuf>,
        /// Also write the table to this Markdown file.
        #[arg(long)]
        output: Option<PathBuf>,
    },
    /// Write the pages of docs/results: tables and plots of experiments whose runs are finished, a line a run, an index.
    ///
    /// Example: ledg-train report configs/experiments/timm-families.toml
    Report {
        /// Experiments, TOML files; none: all of the folder whose runs are finished.
        configs: Vec<PathBuf>,
        /// Folder of experiments.
        #[arg(long, default_value = "configs/experiments")]
        experiments: PathBuf,
        /// Folder of runs.
        #[arg(long, default_value = "runs")]
        runs: PathBuf,
        /// Folder of the pages.
        #[arg(long, default_value = "docs/results")]
        output: PathBuf,
    },
    /// Load an experiment's data and print what there is: graphs, records, platforms, sizes.
    ///
    /// Example: ledg-train data configs/experiments/timm-families.toml
    Data {
        /// The experiment, a TOML file.
        config: PathBuf,
    },
    /// Make a bundle from the finished runs of an experiment: one ensemble member a seed.
    ///
    /// Example: ledg-train bundle configs/experiments/default.toml --intervals configs/experiments/default-families.toml
    /// --unmeasured-intervals configs/experiments/default-devices.toml --output crates/ledg-cost-model/assets/default.ledg
    Bundle {
        /// The experiment whose runs become the members.
        config: PathBuf,
        /// The experiment whose held-out predictions calibrate the intervals.
        #[arg(long)]
        intervals: PathBuf,
        /// The experiment whose predictions on held-out devices calibrate the intervals of unmeasured devices.
        #[arg(long)]
        unmeasured_intervals: PathBuf,
        /// Where to write the bundle.
        #[arg(long)]
        output: PathBuf,
        /// Folder of runs.
        #[arg(long, default_value = "runs")]
        runs: PathBuf,
    },
    /// Give a bundle other intervals on devices that were never measured; its members stay what they are.
    ///
    /// Example: ledg-train unmeasured-intervals crates/ledg-cost-model/assets/default.ledg configs/experiments/default-devices.toml
    /// --output crates/ledg-cost-model/assets/default.ledg
    UnmeasuredIntervals {
        /// The bundle.
        bundle: PathBuf,
        /// The experiment whose predictions on held-out devices calibrate the intervals.
        config: PathBuf,
        /// Where to write the bundle.
        #[arg(long)]
        output: PathBuf,
        /// Folder of runs.
        #[arg(long, default_value = "runs")]
        runs: PathBuf,
    },
    /// Make the folder of a host, for `data.hosts`, of what `ledg-cost measure` recorded.
    ///
    /// Example: ledg-train pack-host --records m/records.jsonl --graphs m/graphs --hardware m/host.toml --output crates/ledg-train/hosts/NAME
    PackHost {
        /// The records.
        #[arg(long)]
        records: PathBuf,
        /// The folder of the plans' graphs.
        #[arg(long)]
        graphs: PathBuf,
        /// The hardware file.
        #[arg(long)]
        hardware: PathBuf,
        /// The folder to write.
        #[arg(long)]
        output: PathBuf,
    },
    /// Print what models say of transformers from BERT-large to GPT-3 XL on six GPUs.
    ///
    /// Example: ledg-train transformers configs/experiments/operators.toml --output docs/results/transformers.md
    Transformers {
        /// The models, a column each: a bundle, or an experiment whose runs are finished.
        #[arg(required = true)]
        models: Vec<PathBuf>,
        /// Folder of runs.
        #[arg(long, default_value = "runs")]
        runs: PathBuf,
        /// Also write the table to this Markdown file.
        #[arg(long)]
        output: Option<PathBuf>,
    },
    /// Print what a calibration to a host is worth: errors on networks of unseen families by number of records.
    ///
    /// Example: ledg-train host-calibration crates/ledg-train/hosts/amd-epyc-zen5 --output docs/results/host-calibration.md
    HostCalibration {
        /// The folder of the host.
        host: PathBuf,
        /// A bundle to calibrate instead of the one compiled in.
        #[arg(long)]
        bundle: Option<PathBuf>,
        /// Numbers of records to calibrate with.
        #[arg(long, value_delimiter = ',', default_value = "0,5,20,50")]
        numbers: Vec<usize>,
        /// Sets of records that are drawn for every number and part.
        #[arg(long, default_value_t = 10)]
        draws: u64,
        /// Also write the table to this Markdown file.
        #[arg(long)]
        output: Option<PathBuf>,
    },
}

fn main() -> Result<()> {
    let cli = Cli::parse();
    single_threaded_products()?;
    match cli.command {
        Command::Fit { config, workers: _, runs } if schedules::is_config(&config) => schedules::fit(&config, &runs),
        Command::Fit { config, workers, runs } if accuracy::is_config(&config) => {
            accuracy::fit(&AccuracyExperiment::load(&config)?, workers, &runs)
        }
        Command::Fit { config, workers, runs } => run::fit(&Experiment::load(&config)?, workers, &runs),
        Command::Eval { config, runs, intervals: None, output } if accuracy::is_config(&config) => {
            let text = accuracy::report(&AccuracyExperiment::load(&config)?, &config, &runs)?;
            print!("{text}");
            output.map_or(Ok(()), |path| files::write(&path, text.as_bytes()))
        }
        Command::Eval { config, runs, intervals, output } => {
            let evaluation = evaluate::Evaluation::new(&config, intervals.as_deref(), &runs)?;
            let text = evaluation.markdown("eval", &[])?;
            print!("{text}");
            output.map_or(Ok(()), |path| files::write(&path, text.as_bytes()))
        }
        Command::Report { configs, experiments, runs, output } => report::write(&configs, &experiments, &runs, &output),
        Command::Data { config } => {
            let data = match accuracy::is_config(&config) {
                true => AccuracyExperiment::load(&config)?.data,
                false => Experiment::load(&config)?.data,
            };
            let describer = Describer::builtin()?;
            let text = match data::accuracy::load(&data, &describer)? {
                Some(accuracies) => summary::of_accuracies(&accuracies),
                None => summary::of(&data::load(&data, &describer, &data::registry(&data)?)?),
            };
            print!("{text}");
            Ok(())
        }
        Command::Bundle { config, intervals, unmeasured_intervals, output, runs } => {
            let intervals = [Experiment::load(&intervals)?, Experiment::load(&unmeasured_intervals)?];
            bundle::make(&Experiment::load(&config)?, &intervals, &runs, &output)
        }
        Command::UnmeasuredIntervals { bundle, config, output, runs } => {
            bundle::set_unmeasured_intervals(&bundle, &Experiment::load(&config)?, &runs, &output)
        }
        Command::PackHost { records, graphs, hardware, output } => {
            print!("{}", data::host::pack(&records, &graphs, &hardware, &output)?);
            Ok(())
        }
        Command::Transformers { models, runs, output } => {
            let text = transformers::report(&models, &runs, output.as_deref())?;
            print!("{text}");
            output.map_or(Ok(()), |path| files::write(&path, text.as_bytes()))
        }
        Command::HostCalibration { host, bundle, numbers, draws, output } => {
            let options = host_calibration::Options {
                bundle: bundle.as_deref(),
                numbers: &numbers,
                draws,
                output: output.as_deref(),
            };
            let text = host_calibration::report(&host, &options)?;
            print!("{text}");
            output.map_or(Ok(()), |path| files::write(&path, text.as_bytes()))
        }
    }
}

/// Makes matrix products single-threaded by starting this program again with the setting.
///
/// Runs are trained side by side, one thread each: threads inside one of these small products only get in each other's
/// way. The tensor library takes the number from the environment, and changing one's own environment is unsafe.
fn single_threaded_products() -> Result<()> {
    const THREADS: &str = "RAYON_NUM_THREADS";
    if std::env::var_os(THREADS).is_some() {
        return Ok(());
    }
    let status = std::process::Command::new(std::env::current_exe()?)
        .args(std::env::args_os().skip(1))
        .env(THREADS, "1")
        .status()?;
    std::process::exit(status.code().unwrap_or(1));
}
