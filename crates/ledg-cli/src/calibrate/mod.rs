//! `ledg-cost calibrate`: from measured records to a bundle that fits this device.

pub(crate) mod args;
mod csv;
mod records;

use std::io::Write;

use ledg_cost_model::text::{TextTable, units};
use ledg_cost_model::{CalibrationReport, Errors};

use crate::Outcome;
use crate::args::{CalibrateArgs, TextFormat};
use crate::bundle::cost_model;
use crate::console::Console;
use crate::hardware;

/// Calibrates.
pub fn run(args: &CalibrateArgs, out: &mut dyn Write, console: &Console) -> anyhow::Result<Outcome> {
    let plugins = hardware::plugins(&args.registry)?;
    let model = cost_model(args.bundle.as_deref(), &plugins)?;
    let records = records::read(args, plugins)?;
    let (calibrated, report) = model.calibrate_with_report(&records)?;
    calibrated.save(&args.output)?;
    match args.format {
        TextFormat::Json => writeln!(out, "{}", serde_json::to_string_pretty(&report)?)?,
        TextFormat::Text => write!(out, "{}", table(&report))?,
    }
    for (name, platform) in &report.platforms {
        match &platform.after {
            None => console.note(&format!(
                "{name}: only one network was measured, so nothing says how well the calibration fits others"
            )),
            Some(after) if after.mape > platform.before.mape => console.warn(&format!(
                "{name}: on networks left out the error is larger with the calibration than without it; measure more"
            )),
            Some(_) => {}
        }
    }
    Ok(Outcome::Done)
}

fn table(report: &CalibrationReport) -> TextTable {
    let headers = ["hardware", ">records", ">networks", ">profiled", "", ">MAPE", ">median error", ">within 10 %"];
    let mut table = TextTable::new(&headers);
    for (name, platform) in &report.platforms {
        let counts = [platform.records, platform.networks, platform.profiled].map(|n| n.to_string());
        let row = |head: [String; 4], when: &str, errors: Option<&Errors>| -> Vec<String> {
            let shares = errors.map(|e| [e.mape, e.median, e.within_10_percent].map(units::share));
            let [mape, median, within] = shares.unwrap_or_else(|| ["", "", ""].map(str::to_owned));
            head.into_iter().chain([when.to_owned(), mape, median, within]).collect()
        };
        let [records, networks, profiled] = counts;
        table.row(&row([name.clone(), records, networks, profiled], "before", Some(&platform.before)));
        table.row(&row(std::array::from_fn(|_| String::new()), "after, cross-validated", platform.after.as_ref()));
    }
    table
}
