//! Writes networks of the zoo as ONNX files without weights.
//!
//! - `generate OUTDIR [NAME...]`: well-known networks, by name; without names, all of them.
//! - `generate KIND OUTDIR N`: N members of a search space or family. KIND is `nb201`, `nb101`, `fbnet`, `anb`,
//!   `transformers`, or `nnlqp-` and one of its families (`nnlqp-alexnet`). Weights are initializers without data, as NNLQP
//!   stores them.

use std::path::Path;

use anyhow::{Context, bail};
use ledg_graph::Graph;
use ledg_onnx::{WeightStyle, WriteOptions, to_onnx};
use ledg_zoo::families::{self, Family};
use ledg_zoo::nasbench201::{Cell, N_CELLS};
use ledg_zoo::{ZooConfig, accel_nasbench, fbnet, names, nasbench101, nasbench201, onnx, transformers};

const USAGE: &str = "usage: generate OUTDIR [NAME...], or generate KIND OUTDIR N";
const KINDS: [&str; 5] = ["nb201", "nb101", "fbnet", "anb", "transformers"];

fn main() -> anyhow::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [first, rest @ ..] = &args[..] else { bail!(USAGE) };
    if KINDS.contains(&first.as_str()) || first.starts_with("nnlqp-") {
        let [dir, n] = rest else { bail!(USAGE) };
        return members(first, Path::new(dir), n.parse().context("N is a number")?);
    }
    let options = WriteOptions { value_info: true, ..WriteOptions::default() };
    let wanted = if rest.is_empty() { names().map(str::to_owned).collect() } else { rest.to_vec() };
    for name in wanted {
        write(Path::new(first), &name, &onnx(&name, &ZooConfig::default(), &options)?)?;
    }
    Ok(())
}

fn members(kind: &str, dir: &Path, n: u64) -> anyhow::Result<()> {
    let options = WriteOptions { weights: WeightStyle::EmptyInitializers, value_info: true, ..WriteOptions::default() };
    for i in 0..n {
        let graph = member(kind, i, n)?;
        write(dir, graph.name(), &to_onnx(&graph, &options)?)?;
    }
    Ok(())
}

fn member(kind: &str, i: u64, n: u64) -> anyhow::Result<Graph> {
    Ok(match kind {
        // Evenly over the space.
        "nb201" => {
            let cell = Cell::from_code((i * u64::from(N_CELLS) / n.max(1)) as u32)?;
            nasbench201::build(&cell, &nasbench201::Config::default())?
        }
        "nb101" => nasbench101::build(&format!("nasbench101-{i}"), &nasbench101::Cell::random(i), 1)?,
        "fbnet" => fbnet::build(&fbnet::Architecture::random(i), fbnet::Target::default(), 1)?,
        "anb" => accel_nasbench::build(&accel_nasbench::random(i), accel_nasbench::Activation::default(), 1)?,
        "transformers" => {
            let (transformer, config) = transformers::random(i);
            transformers::build(&format!("transformer-{i}"), &transformer, &config)?
        }
        other => {
            let name = other.trim_start_matches("nnlqp-");
            let known = Family::ALL.map(Family::name).join(", ");
            let family = Family::from_name(name).with_context(|| format!("no family `{name}`; there are {known}"))?;
            families::build(family, i, 1)?
        }
    })
}

fn write(dir: &Path, name: &str, bytes: &[u8]) -> anyhow::Result<()> {
    std::fs::create_dir_all(dir).with_context(|| dir.display().to_string())?;
    let path = dir.join(format!("{name}.onnx"));
    std::fs::write(&path, bytes).with_context(|| path.display().to_string())?;
    println!("{} ({} bytes)", path.display(), bytes.len());
    Ok(())
}
