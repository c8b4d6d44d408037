//! A plugin to start from.

use std::path::{Path, PathBuf};

use crate::error::{CostModelError, Result};
use crate::files;

const MANIFEST: &str = r#"# What this plugin is. Only `schema` and `name` are required.
schema = 1
name = "{slug}"
version = "0.1.0"
about = "Data sheets and operators of {vendor}."
"#;

const DEVICE: &str = r#"# A data sheet: one file a device. The keys, their units and where to find them: configs/hardware/README.md of ledg.
# Replace every figure by that of a public document and name the document; leave out what no document says.
schema = 1
name = "{slug}-one"
aliases = ["{slug}1"]
vendor = "{vendor}"
vendor_short = "{vendor}"
kind = "npu"
architecture = "One"
year = 2025
tdp_w = 12.5
memory_gb = 8
memory_bandwidth_gb_s = 68.3
default_runtime = "{slug}-rt1-fp16-nchw"

[peak]
fp16 = 8
int8 = 16

[[source]]
fields = ["year", "tdp_w", "memory_gb", "memory_bandwidth_gb_s", "peak.fp16", "peak.int8"]
title = "{vendor} One data sheet, 2025 (an example: there is no such document)"
publisher = "{vendor}"
"#;

const RUNTIMES: &str = r#"# How graphs run on the devices: a framework with its words, and profiles that data sheets name. Leave this file out where
# a built-in runtime fits (`ledg-cost hardware show t4` names some).
schema = 1

[[framework]]
name = "{slug}-rt"
prefix = "{prefix}"
words = "{vendor} RT"
compilers = { {slug} = "" }

[[runtime]]
name = "{slug}-rt1-fp16-nchw"
framework = "{slug}-rt"
version = "1.0"
compiler = "{slug}"
precision = "fp16"
layout = "nchw"
"#;

const OPERATORS: &str = r#"# Operators of your own: what they are called and what they compute. The keys, fields and variables:
# configs/templates/README.md of ledg. Leave this file out if your compiler has ONNX's operators only.
schema = 1

[[operator]]
op = "com.{domain}.ConvSwish"
class = "ParamL"
sentence = "ConvSwish {kernel} [stride {stride}] [{depthwise}]"
dims = "conv"
macs = "out_elems * cin / groups * kernel_elems"
flops = "2 * out_elems * cin / groups * kernel_elems + 9 * out_elems"
"#;

/// Writes a plugin to start from: a data sheet, a runtime and an operator, which pass [`super::check()`] as they are. Gives the
/// files that were written.
///
/// # Errors
/// A folder that holds something already, a vendor's name without letters, and files that cannot be written.
pub fn scaffold(dir: &Path, vendor: &str) -> Result<Vec<PathBuf>> {
    let refused = |why: String| CostModelError::Plugin { dir: dir.to_owned(), why };
    let words = vendor.split(|c: char| !c.is_ascii_alphanumeric()).filter(|w| !w.is_empty());
    let slug = words.map(str::to_lowercase).collect::<Vec<_>>().join("-");
    let letters: String = slug.chars().filter(char::is_ascii_lowercase).collect();
    let printable = vendor.trim() == vendor && vendor.chars().count() <= 40 && !vendor.contains(['"', '\\']);
    if letters.is_empty() || !printable || vendor.chars().any(char::is_control) {
        return Err(refused(format!(
            "the vendor's name {vendor:?} needs letters, and neither quotes nor more than 40 characters"
        )));
    }
    let failed = |source| CostModelError::File { path: dir.to_owned(), what: "written", source };
    if dir.exists() && std::fs::read_dir(dir).map_err(failed)?.next().is_some() {
        return Err(refused("the folder is not empty; name another".to_owned()));
    }
    let parts = [
        ("plugin.toml", MANIFEST),
        ("hardware/one.toml", DEVICE),
        ("hardware/runtimes.toml", RUNTIMES),
        ("templates/operators.toml", OPERATORS),
    ];
    let mut written = Vec::new();
    for (file, text) in parts {
        let path = dir.join(file);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(failed)?;
        }
        let text = text.replace("{vendor}", vendor).replace("{slug}", &slug);
        let text = text.replace("{prefix}", &format!("{letters}rt")).replace("{domain}", &letters);
        files::write(&path, text.as_bytes())?;
        written.push(path);
    }
    Ok(written)
}
