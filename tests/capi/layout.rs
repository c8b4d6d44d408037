//! The structs: what Rust lays out is what C does, and what older versions of the ABI did.

use std::fmt::Write as _;
use std::mem::offset_of;
use std::process::Command;

use crate::stage::{cc, folder, released, root, run};

macro_rules! layouts {
    ($($name:ident { $($field:ident),* })*) => {{
        let mut text = String::new();
        $(
            let _ = writeln!(text, "sizeof({}) == {}", stringify!($name), size_of::<ledg::$name>());
            $(let _ = writeln!(
                text,
                "offsetof({}, {}) == {}",
                stringify!($name),
                stringify!($field),
                offset_of!(ledg::$name, $field)
            );)*
        )*
        text
    }};
}

fn layouts() -> String {
    layouts! {
        ledg_str { data, len }
        ledg_model_info { struct_size, capabilities, members, graphs, records, platforms, calibrated_platforms, date }
        ledg_graph_opts { struct_size, symbols, symbol_sizes, n_symbols, unknown, reserved, max_nodes, max_values, max_bytes }
        ledg_tensor { name, dims, rank, dtype, reserved }
        ledg_attr { name, ints, floats, strs, len, kind, reserved }
        ledg_op { struct_size, domain, kind, name, inputs, n_inputs, outputs, n_outputs, attrs, n_attrs }
        ledg_builder_opts { struct_size, max_nodes, max_values }
        ledg_batch { struct_size, n, graphs, n_graphs, hw, n_hw, batch_sizes, n_batch_sizes }
        ledg_predict_opts { struct_size, coverage, threads, flags, cancel }
        ledg_columns { struct_size, len, latency_s, lo_s, hi_s, known, spread, evidence, status }
        ledg_node_columns { struct_size, len, latency_s, compute_s, issue_s, memory_s, launch_s, known }
        ledg_edit {
            kind, dtype, node, value, replaces, domain, op, attrs, n_attrs, inputs, n_inputs, dims, rank, reserved
        }
        ledg_candidate { edits, n_edits }
    }
}

fn assert_in_c(name: &str, layouts: &str) {
    let mut text = "#include <ledg.h>\n".to_owned();
    for layout in layouts.lines() {
        let _ = writeln!(text, "_Static_assert({layout}, \"{layout}\");");
    }
    let source = folder("layout").join(name);
    std::fs::write(&source, text).unwrap();
    let include = format!("-I{}", root().join("include").display());
    run(Command::new(cc()).args(["-std=c11", "-Wall", "-Werror", "-fsyntax-only", &include]).arg(source));
}

#[test]
fn rust_and_c_agree() {
    assert_in_c("now.c", &layouts());
}

/// Sizes of structs that grow are left out: they may become larger, and nothing else.
#[test]
#[cfg(target_pointer_width = "64")]
fn offsets_are_those_of_older_versions() {
    for (version, folder) in released() {
        let layout = std::fs::read_to_string(folder.join("layout-64.txt")).unwrap();
        assert_in_c(&format!("{version}.c"), &layout);
    }
}

#[test]
fn python_and_rust_agree() {
    // By names and order of the fields; their types are checked by the Python test's answers.
    let python = std::fs::read_to_string(root().join("plugins/python/ledg/src/ledg/_abi.py")).unwrap();
    let header = std::fs::read_to_string(root().join("include/ledg.h")).unwrap();
    let pairs = [
        ("ModelInfo", "ledg_model_info"),
        ("GraphOpts", "ledg_graph_opts"),
        ("Batch", "ledg_batch"),
        ("PredictOpts", "ledg_predict_opts"),
        ("Columns", "ledg_columns"),
        ("NodeColumns", "ledg_node_columns"),
        ("Attr", "ledg_attr"),
        ("Edit", "ledg_edit"),
        ("Candidate", "ledg_candidate"),
    ];
    for (class, name) in pairs {
        let start = format!("class {class}(ctypes.Structure)");
        let body = python.split(&start).nth(1).and_then(|rest| rest.split("\n    ]").next()).unwrap();
        let fields: Vec<&str> = body.split("(\"").skip(1).filter_map(|part| part.split('"').next()).collect();
        let body =
            header.split(&format!("typedef struct {name} {{")).nth(1).unwrap().split(&format!("}} {name};")).next();
        let declared: Vec<&str> = body
            .unwrap()
            .lines()
            .filter_map(|l| l.strip_suffix(';'))
            .filter_map(|l| l.rsplit([' ', '*']).next())
            .collect();
        assert_eq!(fields, declared, "{class}");
    }
}
