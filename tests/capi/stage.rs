//! The library installed into a folder of the build, compilers, and running what they make.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

/// The repository.
pub fn root() -> PathBuf {
    xtask::root()
}

/// The folder that holds this test's executable: cargo puts the library beside it, as a dependency of this package.
pub fn built() -> PathBuf {
    let executable = std::env::current_exe().unwrap();
    executable.parent().unwrap().to_owned()
}

/// A prefix with the library, headers, pkg-config and CMake files, installed once a run.
pub fn prefix() -> &'static Path {
    static PREFIX: OnceLock<PathBuf> = OnceLock::new();
    PREFIX.get_or_init(|| {
        let prefix = Path::new(env!("CARGO_TARGET_TMPDIR")).join("capi-prefix");
        xtask::install::install(&root(), &built(), &prefix, false).unwrap();
        prefix
    })
}

/// A folder of this name for what a test makes.
pub fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("capi").join(name);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// Whether a program can be started, asked by its `--version`.
pub fn has(program: &str) -> bool {
    Command::new(program).arg("--version").output().is_ok_and(|o| o.status.success())
}

/// Says that a test is skipped, past the capture of the test harness.
pub fn skip(test: &str, why: &str) {
    // Nobody to tell if there is no standard error.
    let _ = writeln!(
        File::options()
            .write(true)
            .open("/dev/stderr")
            .map_or_else(|_| Box::new(std::io::stderr()) as Box<dyn std::io::Write>, |f| Box::new(f),),
        "skipped: {test}: {why}"
    );
}

/// The C compiler.
pub fn cc() -> String {
    std::env::var("CC").unwrap_or_else(|_| "cc".into())
}

/// The C++ compiler, or `None` after saying that there is none.
pub fn cxx(test: &str) -> Option<String> {
    let cxx = std::env::var("CXX").unwrap_or_else(|_| "c++".into());
    if has(&cxx) {
        return Some(cxx);
    }
    skip(test, &format!("there is no C++ compiler `{cxx}`"));
    None
}

/// Arguments that link a program with the staged library, which it then finds by itself: before the folders of
/// `LD_LIBRARY_PATH`, as cargo lets tests search those that it builds into.
pub fn link_arguments() -> Vec<String> {
    let lib = prefix().join("lib");
    let rpath = format!("-Wl,--disable-new-dtags,-rpath,{}", lib.display());
    vec![format!("-L{}", lib.display()), "-lledg".into(), rpath]
}

/// Runs a command that must succeed; its output.
pub fn run(command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}{}",
        output.status,
        text(&output.stdout),
        text(&output.stderr)
    );
    output
}

/// What a command that must succeed prints.
pub fn stdout(command: &mut Command) -> String {
    String::from_utf8(run(command).stdout).unwrap()
}

/// Compiles a program and links it with the library.
pub fn program(compiler: &str, standard: &str, source: &Path, name: &str) -> PathBuf {
    let executable = folder("programs").join(name);
    let include = format!("-I{}", prefix().join("include").display());
    let mut command = Command::new(compiler);
    command.args([standard, "-O1", "-Wall", "-Wextra", "-pedantic", "-Werror", &include]).arg(source);
    run(command.arg("-o").arg(&executable).args(link_arguments()));
    executable
}

/// Every minor version of the ABI that was released, with the folder that keeps it; the last is that of the header.
pub fn released() -> Vec<(String, PathBuf)> {
    let entries = std::fs::read_dir(root().join("tests/abi")).unwrap().map(|entry| entry.unwrap().path());
    let folders = entries.filter(|path| path.is_dir());
    let named: Vec<(String, PathBuf)> =
        folders.map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), path)).collect();
    let (major, minor) = xtask::install::abi(&root()).unwrap();
    let expected = (0..=minor).map(|minor| format!("{major}.{minor}"));
    let at = |version: &String| named.iter().find(|(name, _)| name == version).map(|(_, path)| path.clone());
    expected.map(|v| (v.clone(), at(&v).unwrap_or_else(|| panic!("tests/abi keeps no {v}")))).collect()
}

/// A fixture of this repository.
pub fn fixture(name: &str) -> PathBuf {
    root().join("tests/fixtures").join(name)
}
