//! The columns that NAS-Bench-201 and FBNet tables have in common: HELP's and HW-NAS-Bench's devices.

use anyhow::{Context, Result, bail};
use ledg_zoo::nasbench201::ZeroEdges;

use super::source::Platforms;

/// A device of the tables; GPUs have a column a batch size, `NAME_BATCH`.
struct Device {
    name: &'static str,
    /// The platform's name.
    platform: &'static str,
    /// Batch sizes of the columns; empty: one column, batch 1.
    batches: &'static [u64],
    /// What the device's runtime makes of `none` edges.
    zeros: ZeroEdges,
    /// Rounding of the table, seconds.
    resolution_s: f64,
}

const fn device(name: &'static str, platform: &'static str) -> Device {
    Device { name, platform, batches: &[], zeros: ZeroEdges::Run, resolution_s: 0.0 }
}

/// HELP's README asks for PyTorch 1.8.1 and CUDA 10.2; that it measured with them, and on its phones with PyTorch at all, is
/// inferred. A least-squares fit of operator counts gives dead convolutions the price of live ones on GPUs, Xeons, PH-1,
/// A50, S7, and for Eyeriss and the FPGA: all of these run every edge of a cell, needed or not, as no converter leaves
/// them. Pixel 3 and Raspberry Pi 4 (HW-NAS-Bench, TFLite) do not run what the output does not need.
///
/// Pixel 3's and Raspberry Pi 4's times below 0.25 ms are cells without a way from input to output, whose network a
/// converter folds into a constant.
fn devices(batches: &'static [u64]) -> Vec<Device> {
    let gpu = |name, platform| Device { batches, ..device(name, platform) };
    let rounded = |name, platform| Device { resolution_s: 1e-3, ..device(name, platform) };
    let converted = |name| Device { zeros: ZeroEdges::Drop, resolution_s: 0.25e-3, ..device(name, name) };
    vec![
        gpu("1080ti", "1080ti:fp32/nchw/eager/pt1.8.1+cu102"),
        gpu("2080ti", "2080ti:fp32/nchw/eager/pt1.8.1+cu102"),
        rounded("essential_ph_1", "essential_ph_1:fp32/nchw/eager/pt1.8.1"),
        device("eyeriss", "eyeriss"),
        device("fpga", "fpga"),
        device("gold_6226", "gold_6226:fp32/nchw/eager/pt1.8.1"),
        converted("pixel3"),
        converted("raspi4"),
        rounded("samsung_a50", "samsung_a50:fp32/nchw/eager/pt1.8.1"),
        rounded("samsung_s7", "samsung_s7:fp32/nchw/eager/pt1.8.1"),
        device("silver_4114", "silver_4114:fp32/nchw/eager/pt1.8.1"),
        device("silver_4210r", "silver_4210r:fp32/nchw/eager/pt1.8.1"),
        gpu("titan_rtx", "titan_rtx:fp32/nchw/eager/pt1.8.1+cu102"),
        gpu("titanx", "titanx:fp32/nchw/eager/pt1.8.1+cu102"),
    ]
}

/// A column of a table.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    /// Name in the table.
    pub name: String,
    /// The platform's name.
    pub platform: &'static str,
    /// Batch size.
    pub batch: u64,
    /// What the runtime makes of `none` edges.
    pub zeros: ZeroEdges,
    /// Rounding of the table, seconds.
    pub resolution_s: f64,
}

/// The columns of a table whose GPUs have these batch sizes.
pub fn columns(batches: &'static [u64]) -> Vec<Column> {
    let of = |d: Device| {
        let column =
            |name, batch| Column { name, platform: d.platform, batch, zeros: d.zeros, resolution_s: d.resolution_s };
        match d.batches {
            [] => vec![column(d.name.to_owned(), 1)],
            batches => batches.iter().map(|&b| column(format!("{}_{b}", d.name), b)).collect(),
        }
    };
    devices(batches).into_iter().flat_map(of).collect()
}

/// The wanted columns. If none is named: all but the doubtful and those of devices whose data sheet is too short.
pub fn wanted(all: Vec<Column>, named: &[String], doubtful: &[&str], platforms: &Platforms) -> Result<Vec<Column>> {
    if let Some(unknown) = named.iter().find(|n| !all.iter().any(|c| c.name == **n)) {
        let known: Vec<&str> = all.iter().map(|c| c.name.as_str()).collect();
        bail!("there is no column `{unknown}`; there are {}", known.join(", "));
    }
    let mut wanted = Vec::new();
    for column in all {
        if !named.is_empty() {
            if named.contains(&column.name) {
                wanted.push(column);
            }
            continue;
        }
        let can_estimate =
            platforms.can_estimate(column.platform).with_context(|| format!("column {}", column.name))?;
        if can_estimate && !doubtful.contains(&column.name.as_str()) {
            wanted.push(column);
        } else {
            let why = if can_estimate { "doubtful" } else { "its data sheet lacks a figure that an estimate needs" };
            eprintln!("column {} is left out: {why}", column.name);
        }
    }
    Ok(wanted)
}
