//! The header: what the crate says, valid in every standard, documented.

use std::process::Command;

use crate::stage::{cc, cxx, folder, root, run};

#[test]
fn the_header_is_what_the_crate_says() {
    xtask::header::check(&root()).unwrap();
}

#[test]
fn it_compiles_in_every_c_twice() {
    for standard in ["c99", "c11", "c17", "c2x"] {
        compile(&cc(), standard, "c", "#include <ledg.h>\n#include <ledg.h>\nint main(void) { return LEDG_OK; }\n");
    }
}

#[test]
fn it_compiles_in_every_cpp_twice() {
    let Some(cxx) = cxx("it_compiles_in_every_cpp_twice") else { return };
    for standard in ["c++98", "c++11", "c++14", "c++17", "c++20"] {
        compile(&cxx, standard, "cpp", "#include <ledg.h>\n#include <ledg.h>\nint main() { return LEDG_OK; }\n");
    }
    for standard in ["c++17", "c++20"] {
        compile(
            &cxx,
            standard,
            "hpp.cpp",
            "#include <ledg.hpp>\n#include <ledg.hpp>\nint main() { return LEDG_OK; }\n",
        );
    }
}

fn compile(compiler: &str, standard: &str, extension: &str, text: &str) {
    let source = folder("header").join(format!("{standard}.{extension}"));
    std::fs::write(&source, text).unwrap();
    let include = format!("-I{}", root().join("include").display());
    let flags = ["-Wall", "-Wextra", "-pedantic", "-Werror", "-fsyntax-only", &include];
    run(Command::new(compiler).arg(format!("-std={standard}")).args(flags).arg(&source));
}

#[test]
fn every_item_is_documented() {
    let header = std::fs::read_to_string(root().join("include/ledg.h")).unwrap();
    let lines: Vec<&str> = header.lines().collect();
    let mut items = 0;
    for (i, line) in lines.iter().enumerate() {
        let constant = line.starts_with("#define LEDG_") && *line != "#define LEDG_H";
        let function = line.contains(" ledg_") && line.contains('(') && !line.starts_with([' ', '/']);
        if constant || line.starts_with("typedef ") || function {
            items += 1;
            assert_eq!(lines[i - 1].trim(), "*/", "not documented: {line}");
        }
        // Functions that give a handle say who frees it, or as what other function they do all else.
        if function {
            let end = lines[i..].iter().position(|l| l.ends_with(';')).unwrap();
            let makes = lines[i..=i + end].iter().any(|l| l.contains(" **out"));
            let above = lines[..i].iter().rev().take_while(|l| l.trim_start().starts_with(['*', '/']));
            let mut docs: Vec<&str> = above.map(|l| l.trim_start_matches([' ', '*', '/'])).collect();
            docs.reverse();
            let docs = docs.join(" ");
            assert!(!makes || docs.contains("_free`") || docs.contains("Else as `"), "who frees it: {line}");
        }
    }
    assert!(items > 130, "{items} items");
    // And every field of every struct.
    let mut fields = 0;
    for (i, line) in lines.iter().enumerate().filter(|(_, l)| l.starts_with("    ") && l.ends_with(';')) {
        // Arguments of a function are indented further, and end its declaration.
        if !line.starts_with("     ") {
            fields += 1;
            assert_eq!(lines[i - 1].trim(), "*/", "not documented: {line}");
        }
    }
    assert!(fields > 80, "{fields} fields");
}

#[test]
fn what_came_after_the_first_version_says_since_when() {
    let header = std::fs::read_to_string(root().join("include/ledg.h")).unwrap();
    let first = std::fs::read_to_string(root().join("tests/abi/1.0/symbols.txt")).unwrap();
    let lines: Vec<&str> = header.lines().collect();
    let mut later = 0;
    for (i, line) in lines.iter().enumerate() {
        let is_function = line.contains(" ledg_")
            && line.contains('(')
            && !line.starts_with([' ', '/'])
            && !line.starts_with("typedef ");
        let name =
            line.split(['(', ' ', '*']).find(|word| word.starts_with("ledg_") && line.contains(&format!("{word}(")));
        let Some(name) = name.filter(|name| is_function && !first.lines().any(|symbol| symbol == *name)) else {
            continue;
        };
        let docs: Vec<&str> =
            lines[..i].iter().rev().take_while(|l| l.trim_start().starts_with(['*', '/'])).copied().collect();
        assert!(docs.iter().any(|l| l.contains("Since ABI 1.")), "{name}");
        later += 1;
    }
    assert!(later >= 14, "{later}");
}
