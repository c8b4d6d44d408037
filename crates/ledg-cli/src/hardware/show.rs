//! `ledg-cost hardware show`: a data sheet with its sources, and what the cost model makes of it.

use std::io::{self, Write};

use ledg_cost_model::Platform;
use ledg_cost_model::template::hardware::{Device, Source};

use crate::Outcome;
use ledg_cost_model::text::units::count;

/// Shows a platform.
pub fn run(platform: &Platform, out: &mut dyn Write) -> anyhow::Result<Outcome> {
    let device = platform.device.as_ref();
    let line = |out: &mut dyn Write, key: &str, value: &str| writeln!(out, "{key:<17} {value}");
    line(out, "name", &device.name)?;
    if !device.aliases.is_empty() {
        line(out, "aliases", &device.aliases.join(", "))?;
    }
    line(out, "file", &device.origin)?;
    line(out, "platform", &platform.to_string())?;
    line(out, "sentence", &platform.sentence())?;
    line(out, "runtime sentence", platform.runtime_sentence().as_deref().unwrap_or("(none: the plain runtime)"))?;
    if let Some(note) = &device.note {
        line(out, "note", note)?;
    }
    section(out, "Data sheet", &data_sheet(device), &device.sources)?;
    section(out, "Peak rates, TFLOP/s or TOP/s", &peaks(device), &device.sources)?;
    writeln!(out, "\nAs the cost model takes it, on this runtime")?;
    for (key, value) in numbers(platform) {
        writeln!(out, "  {key:<23} {value}")?;
    }
    writeln!(out, "\nRuntimes")?;
    writeln!(out, "  {} (default)", device.default_runtime)?;
    for (profile, runtime) in &device.runtimes {
        writeln!(out, "  {runtime} ({profile})")?;
    }
    writeln!(out, "\nSources")?;
    for (k, source) in device.sources.iter().enumerate() {
        write_source(out, k + 1, source)?;
    }
    Ok(Outcome::Done)
}

/// A figure: the name that sources use, and what the sheet says.
type Figure = (&'static str, Option<f64>, &'static str);

fn data_sheet(device: &Device) -> Vec<Figure> {
    vec![
        ("year", device.year, ""),
        ("units", device.units, ""),
        ("clock_mhz", device.clock_mhz, "MHz"),
        ("base_clock_mhz", device.base_clock_mhz, "MHz"),
        ("tdp_w", device.tdp_w, "W"),
        ("memory_gb", device.memory_gb, "GiB"),
        ("memory_bandwidth_gb_s", device.memory_bandwidth_gb_s, "GB/s"),
        ("l2_cache_mb", device.l2_cache_mb, "MiB"),
        ("l1_kb", device.l1_kb, "KiB"),
        ("launch_overhead_us", device.launch_overhead_us, "µs"),
    ]
}

fn peaks(device: &Device) -> Vec<Figure> {
    let peak = &device.peak;
    vec![
        ("peak.fp64", peak.fp64, ""),
        ("peak.fp32", peak.fp32, ""),
        ("peak.fp32_vector", peak.fp32_vector, ""),
        ("peak.tf32", peak.tf32, ""),
        ("peak.fp16", peak.fp16, ""),
        ("peak.bf16", peak.bf16, ""),
        ("peak.int16", peak.int16, ""),
        ("peak.int8", peak.int8, ""),
    ]
}

/// The figures that are stated, each with the numbers of its sources.
fn section(out: &mut dyn Write, title: &str, figures: &[Figure], sources: &[Source]) -> io::Result<()> {
    writeln!(out, "\n{title}")?;
    for &(field, value, unit) in figures {
        let Some(value) = value else { continue };
        let names = |s: &Source| s.fields.iter().any(|f| f == field);
        let cited: String =
            (0..sources.len()).filter(|&k| names(&sources[k])).map(|k| format!(" [{}]", k + 1)).collect();
        let figure = format!("{value} {unit}");
        writeln!(out, "  {field:<23} {}{cited}", figure.trim_end())?;
    }
    Ok(())
}

fn numbers(platform: &Platform) -> Vec<(&'static str, String)> {
    let n = platform.numbers();
    let mut lines = vec![("matrix products", rate(n.peak_matmul_flops, "FLOP/s"))];
    lines.extend(n.peak_vector_flops.map(|x| ("elementwise arithmetic", rate(x, "FLOP/s"))));
    lines.push(match n.bandwidth_bytes_s {
        Some(x) => ("memory bandwidth", rate(x, "B/s")),
        None => {
            ("memory bandwidth", "not stated: no latency can be estimated without memory_bandwidth_gb_s".to_owned())
        }
    });
    let balance = n.bandwidth_bytes_s.map(|b| n.peak_matmul_flops / b);
    lines.extend(balance.map(|x| ("balance", format!("{} FLOP a byte", count(x)))));
    lines.push(("element", format!("{} bytes", n.bytes_per_element)));
    lines
}

fn rate(x: f64, unit: &str) -> String {
    format!("{}{unit}", count(x))
}

fn write_source(out: &mut dyn Write, number: usize, source: &Source) -> io::Result<()> {
    writeln!(out, "  [{number}] {}, {}", source.title, source.publisher)?;
    let optional = [("", &source.url), ("derived: ", &source.derived), ("note: ", &source.note)];
    for (key, value) in optional {
        if let Some(value) = value {
            writeln!(out, "      {key}{value}")?;
        }
    }
    Ok(())
}
