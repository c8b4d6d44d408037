//! Writes networks of the zoo as ONNX files without weights: `generate OUTDIR [NAME...]`; without names, all of them.

use std::path::Path;

use anyhow::Context;
use ledg_onnx::WriteOptions;
use ledg_zoo::{ZooConfig, names, onnx};

fn main() -> anyhow::Result<()> {
    let mut args = std::env::args().skip(1);
    let dir = args.next().context("usage: generate OUTDIR [NAME...]")?;
    let wanted: Vec<String> = args.collect();
    let wanted = if wanted.is_empty() { names().map(str::to_owned).collect() } else { wanted };
    std::fs::create_dir_all(&dir).with_context(|| dir.clone())?;
    for name in wanted {
        let options = WriteOptions { value_info: true, ..WriteOptions::default() };
        let bytes = onnx(&name, &ZooConfig::default(), &options)?;
        let path = Path::new(&dir).join(format!("{name}.onnx"));
        std::fs::write(&path, &bytes).with_context(|| path.display().to_string())?;
        println!("{} ({} bytes)", path.display(), bytes.len());
    }
    Ok(())
}
