//! Lists the hardware files of `configs/hardware` and of the plugins that come along (`plugins/*/hardware`) so that they are
//! compiled in: a new device is a new file and no code. Devices are listed with their names, so that a process reads the
//! sheets that it needs and no others.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it")).join("../..").canonicalize()?;
    let mut files = Vec::new();
    collect_toml(&root.join("configs/hardware"), &mut files)?;
    for entry in fs::read_dir(root.join("plugins"))? {
        let folder = entry?.path().join("hardware");
        if folder.is_dir() {
            collect_toml(&folder, &mut files)?;
        }
    }
    files.sort();
    let (mut devices, mut shared) = (String::from("&[\n"), String::from("&[\n"));
    for path in &files {
        let name =
            path.strip_prefix(&root).expect("it was found below the root").display().to_string().replace('\\', "/");
        let text = format!("include_str!({:?})", path.display().to_string());
        let file: toml::Table = toml::from_str(&fs::read_to_string(path)?).unwrap_or_else(|e| panic!("{name}: {e}"));
        if !file.contains_key("peak") {
            writeln!(shared, "    ({name:?}, {text}),").expect("a string accepts text");
            continue;
        }
        let mut names = vec![file["name"].as_str().unwrap_or_else(|| panic!("{name}: `name` is no string"))];
        names.extend(file.get("aliases").and_then(|a| a.as_array()).into_iter().flatten().filter_map(|a| a.as_str()));
        writeln!(devices, "    ({name:?}, {text}, &{names:?}),").expect("a string accepts text");
    }
    devices.push_str("]\n");
    shared.push_str("]\n");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    fs::write(out.join("hardware_devices.rs"), devices)?;
    fs::write(out.join("hardware_shared.rs"), shared)?;
    println!("cargo::rerun-if-changed=build.rs");
    for folder in ["configs/hardware", "plugins"] {
        println!("cargo::rerun-if-changed={}", root.join(folder).display());
    }
    Ok(())
}

fn collect_toml(dir: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            collect_toml(&path, files)?;
        } else if path.extension().is_some_and(|e| e == "toml") {
            files.push(path);
        }
    }
    Ok(())
}
