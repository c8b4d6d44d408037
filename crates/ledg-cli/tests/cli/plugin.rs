//! `ledg-cost plugin`, and what plugins change for the other commands.

use std::path::{Path, PathBuf};

use assert_cmd::Command;
use ledg_cost_model::graph::{Attrs, DType, GraphBuilder, OpType};

use super::support::{Bench, Run, redacted, tiny};

/// The repository's own plugins.
fn shipped() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../plugins").canonicalize().unwrap()
}

/// Runs with variables; the user's folder of plugins is the bench's.
fn run_with(bench: &Bench, variables: &[(&str, &str)], args: &str) -> Run {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ledg-cost"));
    command.current_dir(bench.path()).env("XDG_CONFIG_HOME", bench.path().join("config")).args(args.split_whitespace());
    let output = command.envs(variables.iter().copied()).output().unwrap();
    Run {
        code: output.status.code().expect("no signal"),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

#[test]
fn what_new_makes_passes_the_check() {
    let bench = Bench::new();
    let made = bench.run("plugin new acme --vendor Acme");
    assert_eq!(made.code, 0, "{made:?}");
    assert_eq!(made.stdout.lines().count(), 4);
    let report = bench.ok("plugin check acme");
    redacted().bind(|| insta::assert_snapshot!(without_neighbours(&report)));
    for part in ["nearest by sentence: ", "nearest by figures: ", "resnet18", "mobilenet_v2", "bert_base"] {
        assert!(report.contains(part), "{part}: {report}");
    }
    assert!(bench.fails(1, "plugin new acme --vendor Acme").contains("the folder is not empty"));
    assert!(bench.fails(1, "plugin new other --vendor 123").contains("needs letters"));
}

/// Which devices are nearest changes with what is built in; predictions change with the weights.
fn without_neighbours(report: &str) -> String {
    let kept = |line: &&str| {
        !["nearest by", "| resnet18", "| mobilenet_v2", "| bert_base"].iter().any(|p| line.trim().starts_with(p))
    };
    report
        .lines()
        .filter(kept)
        .map(|l| format!("{}\n", if l.starts_with("| network") { "| network" } else { l }))
        .collect()
}

#[test]
fn check_draws_every_problem_with_its_place() {
    let bench = Bench::new();
    bench.run("plugin new acme --vendor Acme");
    let edit = |file: &str, edits: &[(&str, &str)]| {
        let mut text = std::fs::read_to_string(bench.path().join(file)).unwrap();
        for (from, to) in edits {
            assert!(text.contains(from), "{from}");
            text = text.replacen(from, to, 1);
        }
        bench.file(file, text);
    };
    edit(
        "acme/hardware/one.toml",
        &[
            ("tdp_w = 12.5", "tdp_watts = 12.5"),
            ("fp16 = 8", "fp16 = -8"),
            ("\"acme1\"", "\"T4\""),
            ("kind = \"npu\"", "kind = \"nqu\""),
        ],
    );
    edit("acme/templates/operators.toml", &[("* kernel_elems\"", "* kernel_elem\""), ("{kernel}", "{kernal}")]);
    edit("acme/plugin.toml", &[("name =", "nmae =")]);
    let run = bench.run("plugin check acme");
    assert_eq!((run.code, run.stderr.as_str()), (1, ""));
    insta::assert_snapshot!(run.stdout);
    let json = bench.run("plugin check acme --format json");
    let report: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    let problems = report["problems"].as_array().unwrap();
    assert_eq!(problems.len(), run.stdout.matches("error: ").count());
    for problem in problems {
        assert!(problem["line"].as_u64() > Some(0) && problem["column"].as_u64() > Some(0), "{problem}");
        assert!(!problem["suggestion"].as_str().unwrap().is_empty(), "{problem}");
    }
}

#[test]
fn plugins_are_found_by_flag_variable_and_folder() {
    let bench = Bench::new();
    bench.onnx("tiny.onnx", &tiny());
    bench.run("plugin new acme --vendor Acme");
    let ask = "predict tiny.onnx --hardware acme-one --format csv";
    let by_flag = run_with(&bench, &[], &format!("{ask} --plugin acme"));
    assert_eq!((by_flag.code, by_flag.stderr.as_str()), (0, ""));
    let by_variable = run_with(&bench, &[("LEDG_PLUGIN_PATH", "acme")], ask);
    assert_eq!(by_variable.stdout, by_flag.stdout);
    let both = run_with(&bench, &[("LEDG_PLUGIN_PATH", "acme")], &format!("{ask} --plugin acme"));
    assert_eq!(both.stdout, by_flag.stdout, "a folder that is found twice is one plugin");
    assert!(run_with(&bench, &[], ask).stderr.contains("unknown hardware"));
    std::fs::create_dir_all(bench.path().join("config/ledg/plugins")).unwrap();
    std::fs::rename(bench.path().join("acme"), bench.path().join("config/ledg/plugins/acme")).unwrap();
    assert_eq!(run_with(&bench, &[], ask).stdout, by_flag.stdout);
    assert!(run_with(&bench, &[], &format!("{ask} --no-plugins")).stderr.contains("unknown hardware"));
    let list = run_with(&bench, &[], "plugin list --format csv").stdout;
    assert!(list.lines().nth(1).unwrap().starts_with("acme,0.1.0,"), "{list}");
    let broken = run_with(&bench, &[("LEDG_PLUGIN_PATH", "gone")], ask);
    assert!(broken.code == 1 && broken.stderr.contains("LEDG_PLUGIN_PATH names it, but there is no such folder"));
}

#[test]
fn a_plugin_s_operator_is_known_where_the_plugin_is() {
    let bench = Bench::new();
    bench.run("plugin new acme --vendor Acme");
    let mut b = GraphBuilder::new("own.onnx");
    let x = b.input("x", DType::F32, &[1, 3, 8, 8]);
    let w = b.weight("w", DType::F32, &[4, 3, 3, 3]);
    let y = b.activation("y", DType::F32, Some(&[1, 4, 6, 6]));
    b.node("own", OpType::new("com.acme", "ConvSwish"), Attrs::new(), &[Some(x), Some(w)], &[y]);
    b.output(y);
    bench.onnx("own.onnx", &b.finish().unwrap());
    assert!(bench.fails(1, "predict own.onnx --hardware t4").contains("com.acme"));
    // Which of its inputs is a weight only ONNX's own operators tell, so that it warns of the batch.
    let answered = bench.run("predict own.onnx --hardware t4 --plugin acme --format json");
    assert!(answered.code == 0 && answered.stdout.contains("\"known\":1.0"), "{answered:?}");
    assert!(bench.ok("explain own.onnx --plugin acme").contains("ParamL ConvSwish 3"));
    assert!(bench.ok("graph own.onnx --plugin acme --lowered").contains("ConvSwish"));
}

#[test]
fn the_shipped_plugins_change_no_answer_that_does_not_use_them() {
    let bench = Bench::new();
    bench.onnx("tiny.onnx", &tiny());
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures").canonicalize().unwrap();
    let models = ["resnet18", "mobilenet_v2"].map(|m| fixtures.join(m).with_extension("onnx").display().to_string());
    let ask = format!("predict {} tiny.onnx --hardware t4 --hardware rtx4090 --format csv", models.join(" "));
    let path = shipped().display().to_string();
    let with = run_with(&bench, &[("LEDG_PLUGIN_PATH", path.as_str())], &ask);
    let without = run_with(&bench, &[], &ask);
    assert_eq!((with.code, with.stderr.as_str()), (0, ""));
    assert_eq!(with.stdout, without.stdout);
}

#[test]
fn every_shipped_plugin_is_listed_without_error() {
    let bench = Bench::new();
    let path = shipped().display().to_string();
    let list = run_with(&bench, &[("LEDG_PLUGIN_PATH", path.as_str())], "plugin list --format csv");
    assert_eq!(list.code, 0, "{list:?}");
    assert!(list.stdout.lines().count() > 20);
    // Their data sheets are compiled in; their operators are not.
    let columns = |l: &str| l.split(',').map(str::to_owned).collect::<Vec<_>>();
    for line in list.stdout.lines().skip(1) {
        assert!(line.ends_with(','), "no error: {line}");
    }
    assert!(list.stdout.lines().any(|l| columns(l)[0] == "nvidia"));
}

#[test]
fn check_takes_an_installed_plugin_for_itself_alone() {
    let bench = Bench::new();
    bench.run("plugin new acme --vendor Acme");
    let alone = bench.ok("plugin check acme");
    let installed = run_with(&bench, &[("LEDG_PLUGIN_PATH", "acme")], "plugin check acme");
    assert_eq!((installed.code, installed.stdout), (0, alone.clone()), "{}", installed.stderr);
    assert_eq!(bench.ok("plugin check acme --plugin acme"), alone);
    assert_eq!(bench.ok("plugin list --format csv").lines().count(), 1, "the names of the columns");
    let one = run_with(&bench, &[("LEDG_PLUGIN_PATH", "acme")], "plugin list --format csv").stdout;
    assert_eq!(one.lines().next(), bench.ok("plugin list --format csv").lines().next());
}
