//! What the library exports, what it is called and what it needs.

use std::collections::BTreeSet;
use std::process::Command;

use crate::stage::{has, prefix, released, root, skip, stdout};

fn declared() -> BTreeSet<String> {
    let header = std::fs::read_to_string(root().join("include/ledg.h")).unwrap();
    let names =
        header.lines().filter(|l| !l.starts_with([' ', '/', '#']) && l.contains('(') && !l.starts_with("typedef"));
    names
        .filter_map(|l| {
            let before = l.split('(').next()?;
            before.rsplit([' ', '*']).next().filter(|n| n.starts_with("ledg_")).map(str::to_owned)
        })
        .collect()
}

#[test]
fn exports_are_the_headers_functions_and_nothing_else() {
    if !has("nm") {
        return skip("exports_are_the_headers_functions_and_nothing_else", "there is no nm");
    }
    let library = prefix().join("lib/libledg.so");
    let symbols = stdout(Command::new("nm").args(["-D", "--defined-only"]).arg(&library));
    let exported: BTreeSet<String> =
        symbols.lines().filter_map(|l| l.split_whitespace().last()).map(str::to_owned).collect();
    assert_eq!(exported, declared());
    // Names may be added; taking one away is another major version of the ABI.
    for (version, folder) in released() {
        let symbols = std::fs::read_to_string(folder.join("symbols.txt")).unwrap();
        let before: BTreeSet<String> = symbols.lines().map(str::to_owned).collect();
        let lost: Vec<_> = before.difference(&exported).collect();
        assert!(lost.is_empty(), "exported by ABI {version} and no more: {lost:?}");
    }
}

#[test]
fn the_soname_is_the_abis() {
    if !has("readelf") {
        return skip("the_soname_is_the_abis", "there is no readelf");
    }
    let dynamic = stdout(Command::new("readelf").arg("-d").arg(prefix().join("lib/libledg.so")));
    assert!(dynamic.contains("[libledg.so.1]"), "{dynamic}");
}

#[test]
fn it_needs_libraries_of_the_c_runtime_only() {
    if !has("readelf") {
        return skip("it_needs_libraries_of_the_c_runtime_only", "there is no readelf");
    }
    let dynamic = stdout(Command::new("readelf").arg("-d").arg(prefix().join("lib/libledg.so")));
    let needed = dynamic.lines().filter(|l| l.contains("(NEEDED)")).filter_map(|l| l.split(['[', ']']).nth(1));
    for library in needed {
        let stem = library.split(".so").next().unwrap();
        let allowed =
            ["libc", "libm", "libgcc_s", "libpthread", "libdl", "librt", "ld-linux-x86-64", "ld-linux-aarch64"];
        assert!(allowed.contains(&stem), "it needs {library}");
    }
}
