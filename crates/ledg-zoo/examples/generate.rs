//! Writes networks of the zoo as ONNX files without weights.
//!
//! - `generate OUTDIR [NAME...] [--image N]... [--sequence N]...`: well-known networks, by name; without names, all of
//!   them. With sizes, a network is written at its usual size and once more for each size that changes it, as
//!   `NAME-N.onnx`; sizes that a network cannot have are said and left out.
//! - `generate selection OUTDIR [N]`: the selection that hosts are measured with, or N members evenly over it.
//! - `generate KIND OUTDIR N`: N members of a search space or family. KIND is `nb201`, `nb101`, `fbnet`, `anb`,
//!   `transformers`, or `nnlqp-` and one of its families (`nnlqp-alexnet`). Weights are initializers without data, as NNLQP
//!   stores them.

use std::path::Path;

use anyhow::{Context, bail};
use ledg_graph::Graph;
use ledg_onnx::{WeightStyle, WriteOptions, to_onnx};
use ledg_zoo::families::{self, Family};
use ledg_zoo::nasbench201::{Cell, N_CELLS};
use ledg_zoo::{
    ZooConfig, ZooError, accel_nasbench, fbnet, names, nasbench101, nasbench201, onnx, selection, transformers,
};

const USAGE: &str = "usage: generate OUTDIR [NAME...] [--image N]... [--sequence N]..., generate selection OUTDIR [N], or \
    generate KIND OUTDIR N";
const KINDS: [&str; 5] = ["nb201", "nb101", "fbnet", "anb", "transformers"];

fn main() -> anyhow::Result<()> {
    let (mut words, mut sizes) = (Vec::new(), Vec::new());
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut size = || args.next().and_then(|n| n.parse().ok()).with_context(|| format!("{arg} needs a number"));
        match arg.as_str() {
            "--image" => sizes.push(ZooConfig { image: size()?, ..ZooConfig::default() }),
            "--sequence" => sizes.push(ZooConfig { sequence: size()?, ..ZooConfig::default() }),
            flag if flag.starts_with("--") => bail!("there is no option {flag}"),
            _ => words.push(arg),
        }
    }
    let [first, rest @ ..] = &words[..] else { bail!(USAGE) };
    if first == "selection" {
        let ([dir] | [dir, _], []) = (rest, &sizes[..]) else { bail!(USAGE) };
        let n = rest.get(1).map(|n| n.parse().context("N is a number")).transpose()?;
        return selected(Path::new(dir), n);
    }
    if KINDS.contains(&first.as_str()) || first.starts_with("nnlqp-") {
        let ([dir, n], []) = (rest, &sizes[..]) else { bail!(USAGE) };
        return members(first, Path::new(dir), n.parse().context("N is a number")?);
    }
    let wanted = if rest.is_empty() { names().map(str::to_owned).collect() } else { rest.to_vec() };
    for name in wanted {
        write_sizes(Path::new(first), &name, &sizes)?;
    }
    Ok(())
}

fn write_sizes(dir: &Path, name: &str, sizes: &[ZooConfig]) -> anyhow::Result<()> {
    let options = WriteOptions { value_info: true, ..WriteOptions::default() };
    let usual = ZooConfig::default();
    let plain = onnx(name, &usual, &options)?;
    for size in sizes {
        let bytes = match onnx(name, size, &options) {
            Ok(bytes) => bytes,
            Err(error @ ZooError::BadSize { .. }) => {
                println!("left out: {error}");
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        // A size that changes nothing is the usual one, or not one of this network.
        if bytes != plain {
            let n = if size.image != usual.image { size.image } else { size.sequence };
            write(dir, &format!("{name}-{n}"), &bytes)?;
        }
    }
    write(dir, name, &plain)
}

fn selected(dir: &Path, n: Option<usize>) -> anyhow::Result<()> {
    let options = WriteOptions { weights: WeightStyle::EmptyInitializers, value_info: true, ..WriteOptions::default() };
    let all = selection::members();
    let n = n.unwrap_or(all.len()).min(all.len());
    for member in (0..n).map(|i| &all[i * all.len() / n]) {
        write(dir, &member.name, &to_onnx(&member.build()?, &options)?)?;
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
