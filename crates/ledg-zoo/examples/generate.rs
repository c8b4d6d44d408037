//! Writes networks of the zoo as ONNX files without weights:
//! `generate OUTDIR [NAME...] [--image N]... [--sequence N]...`; without names, all of them.
//!
//! With sizes, a network is written at its usual size and once more for each size that changes it, as `NAME-N.onnx`; sizes
//! that a network cannot have are said and left out.

use std::path::Path;

use anyhow::{Context, bail};
use ledg_onnx::WriteOptions;
use ledg_zoo::{ZooConfig, ZooError, names, onnx};

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
    if words.is_empty() {
        bail!("usage: generate OUTDIR [NAME...] [--image N]... [--sequence N]...");
    }
    let dir = words.remove(0);
    let wanted = if words.is_empty() { names().map(str::to_owned).collect() } else { words };
    std::fs::create_dir_all(&dir).with_context(|| dir.clone())?;
    for name in wanted {
        write_sizes(Path::new(&dir), &name, &sizes)?;
    }
    Ok(())
}

fn write_sizes(dir: &Path, name: &str, sizes: &[ZooConfig]) -> anyhow::Result<()> {
    let options = WriteOptions { value_info: true, ..WriteOptions::default() };
    let usual = ZooConfig::default();
    if sizes.is_empty() {
        return write(dir, name, &onnx(name, &usual, &options)?);
    }
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

fn write(dir: &Path, name: &str, bytes: &[u8]) -> anyhow::Result<()> {
    let path = dir.join(format!("{name}.onnx"));
    std::fs::write(&path, bytes).with_context(|| path.display().to_string())?;
    println!("{} ({} bytes)", path.display(), bytes.len());
    Ok(())
}
