//! Measures the budgets of inference and writes them as a table.
//!
//! ```sh
//! cargo run --release -p ledg-cost-model --example speed -- --timm ../shared/data/timm --output docs/results/speed.md
//! ```
//!
//! Wall-clock times are medians, of use on an idle machine only. Instructions are counted by valgrind's callgrind, where it
//! is installed, and hardly depend on what else the machine does.

#[path = "../../benches/cases/mod.rs"]
mod cases;
mod child;
mod measure;
mod timm;

use std::fmt::Write;
use std::path::PathBuf;

use clap::Parser;
use ledg_cost_model::{CostModel, write_file};

/// Measures inference and prints a table.
#[derive(Parser)]
struct Args {
    /// Write the table to this file.
    #[arg(long)]
    output: Option<PathBuf>,
    /// Folder of the timm data set (`onnx.tar.xz`), for import times.
    #[arg(long)]
    timm: Option<PathBuf>,
    /// Leave out callgrind.
    #[arg(long)]
    no_callgrind: bool,
    /// Run one case that many times and print nothing: what callgrind runs.
    #[arg(long, value_names = ["CASE", "TIMES"], num_args = 2, hide = true)]
    case: Option<Vec<String>>,
    /// Run one query on an ONNX file and print the process's largest resident size: the cold process.
    #[arg(long, hide = true)]
    cold: Option<PathBuf>,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    if let Some(file) = &args.cold {
        return child::cold(file);
    }
    let model = CostModel::default_model()?;
    if let Some(case) = &args.case {
        return measure::repeat(&model, &case[0], case[1].parse()?);
    }
    let mut table = String::from(HEAD);
    for row in measure::rows(&model, !args.no_callgrind)? {
        writeln!(table, "| {} | {} | {} | {} | {} |", row.what, row.budget, row.measured, row.ratio, row.instructions)?;
    }
    for row in [child::first_query(&model)?, child::cold_process()?, child::resident()?] {
        writeln!(table, "| {} | {} | {} | {} | |", row.what, row.budget, row.measured, row.ratio)?;
    }
    match &args.timm {
        Some(folder) => table.push_str(&timm::section(folder)?),
        None => eprintln!("import times are left out: give --timm FOLDER"),
    }
    print!("{table}");
    if let Some(file) = &args.output {
        write_file(file, table.as_bytes())?;
    }
    Ok(())
}

const HEAD: &str = "# Speed

Made by `cargo run --release -p ledg-cost-model --example speed -- --timm ../shared/data/timm --output docs/results/speed.md`.
One thread unless said; times are medians; *of budget* is the share of the budget that was used; instructions are
callgrind's. A query goes from a graph in memory, its sentences known, to an estimate with its interval, on one device;
the model is the default one (three members). `cargo bench -p ledg-cost-model` has more.

| what | budget | measured | of budget | instructions |
|---|---|---|---|---|
";
