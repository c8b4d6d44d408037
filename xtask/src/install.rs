//! The installed tree: libraries, headers, pkg-config and CMake files.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, bail};

/// What the static library needs of the system; `rustc --print native-static-libs` says so.
pub const STATIC_LIBS: &str = "-lgcc_s -lutil -lrt -lpthread -lm -ldl -lc";

/// Builds the library in that profile and installs it.
pub fn build_and_install(root: &Path, prefix: &Path, release: bool) -> anyhow::Result<()> {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(root).args(["build", "--locked", "-p", "ledg-capi", "--lib"]);
    if release {
        cargo.arg("--release");
    }
    if !cargo.status().context("cargo")?.success() {
        bail!("cargo build -p ledg-capi failed");
    }
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), Into::into);
    install(root, &target.join(if release { "release" } else { "debug" }), prefix, true)
}

/// Installs libraries that were built into `built`. Without `with_static` the static library, which is large, stays out.
pub fn install(root: &Path, built: &Path, prefix: &Path, with_static: bool) -> anyhow::Result<()> {
    std::fs::create_dir_all(prefix).with_context(|| prefix.display().to_string())?;
    let prefix = prefix.canonicalize()?;
    let (lib, include) = (prefix.join("lib"), prefix.join("include"));
    let (pkgconfig, cmake) = (lib.join("pkgconfig"), lib.join("cmake/ledg"));
    for dir in [&include, &pkgconfig, &cmake] {
        std::fs::create_dir_all(dir).with_context(|| dir.display().to_string())?;
    }
    for header in ["ledg.h", "ledg.hpp"] {
        copy(&root.join("include").join(header), &include.join(header))?;
    }
    let abi = abi(root)?;
    let (version, soname) = (env!("CARGO_PKG_VERSION"), format!("libledg.so.{}", abi.0));
    let real = format!("{soname}.{}.0", abi.1);
    copy(&built.join("libledg.so"), &lib.join(&real))?;
    link(&real, &lib.join(&soname))?;
    link(&soname, &lib.join("libledg.so"))?;
    if with_static {
        copy(&built.join("libledg.a"), &lib.join("libledg.a"))?;
    }
    let fill = |text: &str| {
        text.replace("@VERSION@", version)
            .replace("@REAL@", &real)
            .replace("@SONAME@", &soname)
            .replace("@STATIC_LIBS@", STATIC_LIBS)
            .replace("@STATIC_LIST@", &STATIC_LIBS.replace("-l", "").replace(' ', ";"))
    };
    // Both find their prefix by their own place, so that the tree can be moved.
    std::fs::write(pkgconfig.join("ledg.pc"), fill(PKG_CONFIG))?;
    std::fs::write(cmake.join("ledgConfig.cmake"), fill(CMAKE))?;
    std::fs::write(cmake.join("ledgConfigVersion.cmake"), fill(CMAKE_VERSION))?;
    Ok(())
}

/// Major and minor version of the ABI.
pub fn abi(root: &Path) -> anyhow::Result<(u32, u32)> {
    let path = root.join("crates/ledg-capi/src/version.rs");
    let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let number = |name: &str| -> anyhow::Result<u32> {
        let rest = text.split(&format!("{name}: u32 = ")).nth(1).and_then(|rest| rest.split(';').next());
        Ok(rest.with_context(|| format!("{}: no {name}", path.display()))?.parse()?)
    };
    Ok((number("LEDG_ABI_MAJOR")?, number("LEDG_ABI_MINOR")?))
}

fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    // Removed first: a library that a process has mapped must not be written into.
    remove(to)?;
    std::fs::copy(from, to).with_context(|| format!("{} to {}", from.display(), to.display()))?;
    Ok(())
}

fn link(target: &str, at: &Path) -> anyhow::Result<()> {
    remove(at)?;
    std::os::unix::fs::symlink(target, at).with_context(|| at.display().to_string())
}

fn remove(path: &Path) -> anyhow::Result<()> {
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(e).with_context(|| path.display().to_string()),
        _ => Ok(()),
    }
}

const PKG_CONFIG: &str = "\
prefix=${pcfiledir}/../..
libdir=${prefix}/lib
includedir=${prefix}/include

Name: ledg
Description: Latency of operator graphs on hardware
Version: @VERSION@
Cflags: -I${includedir}
Libs: -L${libdir} -lledg
Libs.private: @STATIC_LIBS@
";

const CMAKE: &str = "\
# find_package(ledg) defines the targets ledg::ledg (shared) and, where it was installed, ledg::ledg_static.
get_filename_component(_ledg_prefix \"${CMAKE_CURRENT_LIST_DIR}/../../..\" ABSOLUTE)
if(NOT TARGET ledg::ledg)
  add_library(ledg::ledg SHARED IMPORTED)
  set_target_properties(ledg::ledg PROPERTIES
    IMPORTED_LOCATION \"${_ledg_prefix}/lib/@REAL@\"
    IMPORTED_SONAME \"@SONAME@\"
    INTERFACE_INCLUDE_DIRECTORIES \"${_ledg_prefix}/include\")
endif()
if(NOT TARGET ledg::ledg_static AND EXISTS \"${_ledg_prefix}/lib/libledg.a\")
  add_library(ledg::ledg_static STATIC IMPORTED)
  set_target_properties(ledg::ledg_static PROPERTIES
    IMPORTED_LOCATION \"${_ledg_prefix}/lib/libledg.a\"
    INTERFACE_INCLUDE_DIRECTORIES \"${_ledg_prefix}/include\"
    INTERFACE_LINK_LIBRARIES \"@STATIC_LIST@\")
endif()
set(ledg_FOUND TRUE)
unset(_ledg_prefix)
";

const CMAKE_VERSION: &str = "\
set(PACKAGE_VERSION \"@VERSION@\")
if(PACKAGE_FIND_VERSION VERSION_GREATER PACKAGE_VERSION)
  set(PACKAGE_VERSION_COMPATIBLE FALSE)
else()
  set(PACKAGE_VERSION_COMPATIBLE TRUE)
  if(PACKAGE_FIND_VERSION VERSION_EQUAL PACKAGE_VERSION)
    set(PACKAGE_VERSION_EXACT TRUE)
  endif()
endif()
";
