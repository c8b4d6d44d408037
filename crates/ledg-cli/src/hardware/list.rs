//! `ledg-cost hardware list`.

use std::io::Write;
use std::sync::Arc;

use ledg_cost_model::template::hardware::Device;
use ledg_cost_model::{HardwareRegistry, Platform};
use serde::Serialize;

use crate::Outcome;
use crate::args::RowFormat;
use ledg_cost_model::text::TextTable;

/// A device in the list.
#[derive(Serialize)]
struct Listed<'a> {
    name: &'a str,
    aliases: &'a [String],
    kind: &'static str,
    vendor: &'a str,
    architecture: &'a str,
    default_runtime: String,
    runtimes: Vec<&'a str>,
    sentence: String,
}

/// Lists all devices.
pub fn run(registry: &HardwareRegistry, format: RowFormat, out: &mut dyn Write) -> anyhow::Result<Outcome> {
    let devices = registry.devices().map(listed).collect::<anyhow::Result<Vec<_>>>()?;
    match format {
        RowFormat::Table => {
            let mut table = TextTable::new(&["name", "kind", "sentence", "default runtime", "aliases"]);
            for d in devices {
                table.row(&[d.name, d.kind, &d.sentence, &d.default_runtime, &d.aliases.join(", ")]);
            }
            write!(out, "{table}")?;
        }
        RowFormat::Json => {
            for d in devices {
                writeln!(out, "{}", serde_json::to_string(&d)?)?;
            }
        }
        RowFormat::Csv => {
            let mut csv = csv::Writer::from_writer(out);
            let columns =
                ["name", "aliases", "kind", "vendor", "architecture", "default_runtime", "runtimes", "sentence"];
            csv.write_record(columns).map_err(std::io::Error::from)?;
            for d in devices {
                // Names hold no `;`, so lists in a cell can be taken apart again.
                let (aliases, runtimes) = (d.aliases.join(";"), d.runtimes.join(";"));
                let cells =
                    [d.name, &aliases, d.kind, d.vendor, d.architecture, &d.default_runtime, &runtimes, &d.sentence];
                csv.write_record(cells).map_err(std::io::Error::from)?;
            }
            csv.flush()?;
        }
    }
    Ok(Outcome::Done)
}

fn listed(device: &Arc<Device>) -> anyhow::Result<Listed<'_>> {
    let platform = Platform::new(Arc::clone(device), device.default_runtime.clone())?;
    Ok(Listed {
        name: &device.name,
        aliases: &device.aliases,
        kind: device.kind.name(),
        vendor: &device.vendor,
        architecture: &device.architecture,
        default_runtime: device.default_runtime.to_string(),
        runtimes: device.runtimes.iter().map(|(name, _)| name.as_str()).collect(),
        sentence: platform.sentence(),
    })
}
