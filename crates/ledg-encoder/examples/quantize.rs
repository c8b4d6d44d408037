//! Remakes `assets/`: `cargo run --release -p ledg-encoder --no-default-features --example quantize -- SOURCE_DIR OUT_DIR`
//!
//! SOURCE_DIR holds `model.safetensors` (f32) and `tokenizer.json` of all-MiniLM-L6-v2. Matrices become Q8_0, vectors stay
//! f32; the pooler and the position indices, which mean pooling does not use, are left out; the tokenizer loses its padding and
//! truncation (a sentence is never cut silently) and its white space.
//!
//! **Invariant:** same source, same bytes.

use std::collections::BTreeMap;
use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use candle_core::quantized::{GgmlDType, QTensor, gguf_file};
use candle_core::{DType, Device};
use sha2::{Digest, Sha256};
use tokenizers::Tokenizer;

fn main() -> Result<()> {
    let [source, out] = &std::env::args_os().skip(1).map(PathBuf::from).collect::<Vec<_>>()[..] else {
        bail!("usage: quantize SOURCE_DIR OUT_DIR");
    };
    write(&out.join("all-minilm-l6-v2.q8_0.gguf"), &weights(&source.join("model.safetensors"))?)?;
    write(&out.join("tokenizer.json"), tokenizer(&source.join("tokenizer.json"))?.as_bytes())
}

fn weights(path: &Path) -> Result<Vec<u8>> {
    let bytes = fs::read(path).with_context(|| path.display().to_string())?;
    let mut quantized = BTreeMap::new();
    for (name, tensor) in candle_core::safetensors::load_buffer(&bytes, &Device::Cpu)? {
        if name.starts_with("pooler.") || name == "embeddings.position_ids" {
            continue;
        }
        if tensor.dtype() != DType::F32 {
            bail!("{name} is {:?}, not f32", tensor.dtype());
        }
        let dtype = if tensor.rank() == 2 { GgmlDType::Q8_0 } else { GgmlDType::F32 };
        quantized.insert(name, QTensor::quantize(&tensor, dtype)?);
    }
    let text = |s: &str| gguf_file::Value::String(s.to_owned());
    let metadata = [
        ("general.architecture", text("bert")),
        ("general.name", text("all-MiniLM-L6-v2")),
        ("general.license", text("Apache-2.0")),
        ("general.source.sha256", text(&format!("{:x}", Sha256::digest(&bytes)))),
    ];
    let metadata: Vec<_> = metadata.iter().map(|(k, v)| (*k, v)).collect();
    let tensors: Vec<_> = quantized.iter().map(|(k, v)| (k.as_str(), v)).collect();
    let mut file = Cursor::new(Vec::new());
    gguf_file::write(&mut file, &metadata, &tensors)?;
    Ok(file.into_inner())
}

fn tokenizer(path: &Path) -> Result<String> {
    let mut tokenizer = Tokenizer::from_file(path).map_err(|e| anyhow!("{}: {e}", path.display()))?;
    tokenizer.with_padding(None);
    tokenizer.with_truncation(None).map_err(|e| anyhow!(e))?;
    tokenizer.to_string(false).map_err(|e| anyhow!(e))
}

/// Writes beside the file and renames, so that a broken run leaves the old asset.
fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let part = path.with_extension("part");
    fs::write(&part, bytes).and_then(|()| fs::rename(&part, path)).with_context(|| path.display().to_string())?;
    println!("{} {} bytes, sha256 {:x}", path.display(), bytes.len(), Sha256::digest(bytes));
    Ok(())
}
