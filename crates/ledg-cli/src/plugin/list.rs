//! `ledg-cost plugin list`.

use std::io::Write;

use ledg_cost_model::Plugins;
use ledg_cost_model::plugin::{Added, Found, discover};
use ledg_cost_model::text::TextTable;
use serde::Serialize;

use crate::Outcome;
use crate::args::{PluginArgs, RowFormat};
use crate::console::message;

/// A plugin in the list.
#[derive(Serialize)]
struct Listed {
    name: String,
    version: Option<String>,
    about: Option<String>,
    folder: String,
    found_by: String,
    devices: usize,
    operators: usize,
    /// Why it cannot be used.
    error: Option<String>,
}

/// The columns of CSV, which are the fields of [`Listed`].
const COLUMNS: [&str; 8] = ["name", "version", "about", "folder", "found_by", "devices", "operators", "error"];

/// Lists plugins; one that cannot be used is listed with its error.
pub fn run(args: &PluginArgs, format: RowFormat, out: &mut dyn Write) -> anyhow::Result<Outcome> {
    let mut places: Vec<(std::path::PathBuf, String)> = Vec::new();
    if !args.no_plugins {
        places.extend(discover()?.into_iter().map(|Found { dir, by, .. }| (dir, by)));
    }
    places.extend(args.plugin.iter().map(|dir| (dir.clone(), "--plugin".to_owned())));
    let mut plugins = Plugins::new();
    let mut rows = Vec::new();
    for (dir, by) in places {
        let before = plugins.added.len();
        match plugins.add_dir(&dir) {
            Ok(()) => rows.extend(plugins.added[before..].iter().map(|a| listed(a, by.clone()))),
            Err(error) => rows.push(Listed {
                name: dir.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned()),
                version: None,
                about: None,
                folder: dir.display().to_string(),
                found_by: by,
                devices: 0,
                operators: 0,
                error: Some(message(&error.into())),
            }),
        }
    }
    let failed = rows.iter().any(|r| r.error.is_some());
    write(&rows, format, out)?;
    Ok(if failed { Outcome::Failed } else { Outcome::Done })
}

fn listed(added: &Added, found_by: String) -> Listed {
    Listed {
        name: added.manifest.name.clone(),
        version: added.manifest.version.clone(),
        about: added.manifest.about.clone(),
        folder: added.dir.display().to_string(),
        found_by,
        devices: added.devices.len(),
        operators: added.operators.len(),
        error: None,
    }
}

fn write(rows: &[Listed], format: RowFormat, out: &mut dyn Write) -> anyhow::Result<()> {
    match format {
        RowFormat::Table if rows.is_empty() => {
            let folder = ledg_cost_model::plugin::user_folder().map(|f| format!(" nor in {}", f.display()));
            writeln!(out, "no plugins, neither in LEDG_PLUGIN_PATH{}", folder.unwrap_or_default())?;
        }
        RowFormat::Table => {
            let mut table = TextTable::new(&[
                "name",
                "version",
                ">new devices",
                ">operators",
                "found by",
                "folder",
                "about or error",
            ]);
            for r in rows {
                let (devices, operators) = (r.devices.to_string(), r.operators.to_string());
                let error = r.error.as_ref().map(|e| format!("error: {e}"));
                let last = error.as_deref().or(r.about.as_deref()).unwrap_or_default();
                let version = r.version.as_deref().unwrap_or_default();
                table.row(&[r.name.as_str(), version, &devices, &operators, &r.found_by, &r.folder, last]);
            }
            write!(out, "{table}")?;
        }
        RowFormat::Json => {
            for r in rows {
                writeln!(out, "{}", serde_json::to_string(r)?)?;
            }
        }
        RowFormat::Csv => {
            let mut csv = csv::Writer::from_writer(out);
            if rows.is_empty() {
                csv.write_record(COLUMNS).map_err(std::io::Error::from)?;
            }
            for r in rows {
                csv.serialize(r).map_err(std::io::Error::from)?;
            }
            csv.flush()?;
        }
    }
    Ok(())
}
