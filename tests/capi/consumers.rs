//! Consumers, compiled and run: C, C++, Python, dlopen, pkg-config, CMake.

use std::path::PathBuf;
use std::process::Command;

use crate::stage::{built, cc, cxx, fixture, folder, has, prefix, program, released, root, run, skip, stdout};

#[test]
fn c_predicts_an_onnx_file_on_two_devices() {
    let program = program(&cc(), "-std=c99", &root().join("examples/c/predict.c"), "predict");
    let text = stdout(Command::new(&program).arg(fixture("resnet18.onnx")).args(["rtx4090", "t4", "8"]));
    let lines: Vec<&str> = text.lines().collect();
    assert!(
        lines.len() == 2 && lines[0].starts_with("nvidia-rtx-4090:") && lines[1].starts_with("nvidia-t4:"),
        "{text}"
    );
    let seconds = |line: &str| line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap();
    assert!(0.0 < seconds(lines[0]) && seconds(lines[0]) < seconds(lines[1]), "{text}");

    let output = Command::new(&program).args(["/nowhere.onnx", "rtx4090", "t4"]).output().unwrap();
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(message.starts_with("predict: LEDG_E_IO: /nowhere.onnx: "), "{message}");
}

#[test]
fn c_builds_a_graph_by_calls() {
    let program = program(&cc(), "-std=c99", &root().join("examples/c/build.c"), "build");
    let text = stdout(Command::new(&program).arg("rtx3090"));
    let names: Vec<&str> = text.lines().map(|l| l.split([':', ' ']).next().unwrap()).collect();
    assert_eq!(names, ["conv", "relu", "pool", "classify", "together"], "{text}");
}

#[test]
fn cpp_schedules_by_a_thousand_costs() {
    let Some(cxx) = cxx("cpp_schedules_by_a_thousand_costs") else { return };
    let program = program(&cxx, "-std=c++17", &root().join("examples/cpp/scheduler.cpp"), "scheduler");
    let text = stdout(Command::new(&program).args(["rtx4090", "rtx3090"]));
    assert!(text.starts_with("1024 costs; ") && text.contains("\nbest: "), "{text}");
}

#[test]
fn cpp_reaches_everything() {
    let Some(cxx) = cxx("cpp_reaches_everything") else { return };
    for standard in ["c++17", "c++20"] {
        let name = format!("everything-{standard}");
        let program = program(&cxx, &format!("-std={standard}"), &root().join("tests/capi/everything.cpp"), &name);
        let text = stdout(Command::new(&program).arg(fixture("resnet18.onnx")).arg(folder(&name)));
        assert_eq!(text.trim(), "all is well");
    }
}

/// The environment in which Python finds library and package.
fn python(arguments: &[&str]) -> Command {
    let mut command = Command::new("python3");
    command.env("LEDG_LIBRARY", prefix().join("lib/libledg.so.1"));
    command.env("PYTHONPATH", root().join("plugins/python/ledg/src")).env("PYTHONDONTWRITEBYTECODE", "1");
    command.args(arguments);
    command
}

fn has_numpy(test: &str) -> bool {
    let found = has("python3") && python(&["-c", "import numpy"]).output().is_ok_and(|o| o.status.success());
    if !found {
        skip(test, "there is no python3 with numpy");
    }
    found
}

#[test]
fn python_ranks_a_folder_of_models() {
    if !has_numpy("python_ranks_a_folder_of_models") {
        return;
    }
    let models = folder("models");
    // BERT's sizes are not bound: it is skipped, the others are ranked.
    for name in ["resnet18.onnx", "mobilenet_v2.onnx", "vit_b16.onnx", "bert_base.onnx"] {
        std::fs::copy(fixture(name), models.join(name)).unwrap();
    }
    let script = root().join("examples/python/rank.py");
    let text = stdout(python(&[]).arg(script).arg(&models).args(["rtx4090", "t4"]));
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 8, "{text}");
    for block in lines.chunks(4) {
        assert!(block[3].trim().starts_with("vit_b16.onnx: "), "the largest model comes last: {text}");
    }
}

#[test]
fn python_reaches_everything() {
    if !has_numpy("python_reaches_everything") {
        return;
    }
    let script = root().join("plugins/python/ledg/tests/check.py");
    let text = stdout(python(&[]).arg(script).arg(fixture("resnet18.onnx")).arg(folder("python")));
    assert_eq!(text.trim(), "all is well");
}

/// As `pip install .` does it, with what is on the machine and from a copy, as setuptools leaves files beside the sources.
#[test]
fn python_installs_the_package() {
    let test = "python_installs_the_package";
    if !has_numpy(test) {
        return;
    }
    // Old versions of setuptools make wheels with the package of that name.
    let builds = "import setuptools, pip\ntry: import setuptools.command.bdist_wheel\nexcept ImportError: import wheel";
    if !python(&["-c", builds]).output().is_ok_and(|o| o.status.success()) {
        return skip(test, "this python3 has no pip, or no setuptools that makes wheels");
    }
    let (from, to) = (folder("pip/from"), folder("pip/to"));
    let package = root().join("plugins/python/ledg");
    std::fs::create_dir_all(from.join("src/ledg")).unwrap();
    for file in ["pyproject.toml", "README.md", "src/ledg/__init__.py", "src/ledg/_abi.py", "src/ledg/py.typed"] {
        std::fs::copy(package.join(file), from.join(file)).unwrap();
    }
    let install = ["-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--no-build-isolation", "--upgrade"];
    run(python(&install).arg("--target").arg(&to).arg(&from));
    assert!(to.join("ledg/py.typed").exists(), "typed");
    let ask = "import ledg, sys; print(ledg.__file__); print(len(ledg.Registry()) > 100, ledg.Model.default().info.members > 0)";
    let text = stdout(python(&["-c", ask]).env("PYTHONPATH", &to));
    assert!(text.starts_with(&to.display().to_string()) && text.ends_with("\nTrue True\n"), "{text}");
}

/// All that MetaSchedule asks of a cost model, its own candidates and results included.
#[test]
fn metaschedule_ranks_by_it() {
    let test = "metaschedule_ranks_by_it";
    if !has_numpy(test) {
        return;
    }
    if !python(&["-c", "import tvm"]).output().is_ok_and(|o| o.status.success()) {
        return skip(test, "this python3 has no apache-tvm (plugins/tvm/README.md says which)");
    }
    let packages = ["plugins/python/ledg/src", "plugins/tvm/src"].map(|package| root().join(package));
    let script = root().join("plugins/tvm/tests/check.py");
    let text = stdout(python(&[]).arg(script).env("PYTHONPATH", std::env::join_paths(packages).unwrap()));
    assert_eq!(text.trim(), "plugins/tvm: all checks passed");
}

#[test]
fn rust_opens_the_library_at_run_time() {
    let built = std::env::current_exe().unwrap();
    let example: PathBuf = built.parent().unwrap().parent().unwrap().join("examples/dlopen");
    if !example.exists() {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        run(Command::new(cargo).current_dir(root()).args([
            "build",
            "--locked",
            "-p",
            "ledg-capi",
            "--example",
            "dlopen",
        ]));
    }
    let text =
        stdout(Command::new(&example).arg(prefix().join("lib/libledg.so.1")).arg(fixture("resnet18.onnx")).arg("t4"));
    assert!(text.starts_with("ABI 1.") && text.contains("resnet18.onnx on nvidia-t4:"), "{text}");
}

const SMALL: &str = "#include <ledg.h>\nint main(void) { return ledg_abi_check(LEDG_ABI_MAJOR, LEDG_ABI_MINOR); }\n";

const FOUND: &str = r#"
#include <ledg.h>
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv) {
    ledg_registry *registry = NULL;
    ledg_error *error = NULL;
    ledg_hw *hw = NULL;
    ledg_str spec = {argv[1], strlen(argv[1])};
    if (argc != 2 || ledg_registry_new(&registry, NULL) != LEDG_OK) return 2;
    if (ledg_registry_add_found(registry, &error) == LEDG_OK &&
        ledg_registry_get(registry, spec, &hw, &error) == LEDG_OK) {
        printf("%.*s\n", (int)ledg_hw_name(hw).len, ledg_hw_name(hw).data);
    } else {
        printf("refused: %.*s\n", (int)ledg_error_message(error).len, ledg_error_message(error).data);
    }
    ledg_error_free(error);
    ledg_hw_free(hw);
    ledg_registry_free(registry);
    return 0;
}
"#;

#[test]
fn c_finds_plugins_where_it_asks_for_them() {
    let folder = folder("plugins");
    let sheet = std::fs::read_to_string(root().join("configs/hardware/nvidia/t4.toml")).unwrap();
    let sheet = sheet.replace("nvidia-t4", "acme-one").replace(r#"aliases = ["t4", "tesla-t4"]"#, "aliases = []");
    std::fs::create_dir_all(folder.join("acme/hardware")).unwrap();
    std::fs::write(folder.join("acme/hardware/one.toml"), sheet).unwrap();
    let source = folder.join("found.c");
    std::fs::write(&source, FOUND).unwrap();
    let program = program(&cc(), "-std=c99", &source, "found");
    let ask = |path: &str| {
        let mut command = Command::new(&program);
        command.arg("acme-one:fp16").env("LEDG_PLUGIN_PATH", path).env("XDG_CONFIG_HOME", folder.join("none"));
        stdout(&mut command)
    };
    // The folder of plugins, or the plugin itself.
    for path in [folder.clone(), folder.join("acme")] {
        assert!(ask(&path.display().to_string()).starts_with("acme-one:fp16/"));
    }
    assert!(ask("").starts_with("refused: unknown hardware"), "{}", ask(""));
    assert!(
        ask("/nowhere").starts_with("refused: plugin /nowhere: LEDG_PLUGIN_PATH names it, but"),
        "{}",
        ask("/nowhere")
    );
}

#[test]
fn pkg_config_finds_it() {
    if !has("pkg-config") {
        return skip("pkg_config_finds_it", "there is no pkg-config");
    }
    let paths = prefix().join("lib/pkgconfig");
    let ask = |what: &[&str]| stdout(Command::new("pkg-config").env("PKG_CONFIG_PATH", &paths).args(what).arg("ledg"));
    assert_eq!(ask(&["--modversion"]).trim(), env!("CARGO_PKG_VERSION"));
    let flags = ask(&["--cflags", "--libs"]);
    let (source, executable) = (folder("pkg-config").join("small.c"), folder("pkg-config").join("small"));
    std::fs::write(&source, SMALL).unwrap();
    run(Command::new(cc()).arg(&source).args(flags.split_whitespace()).arg("-o").arg(&executable));
    run(Command::new(&executable).env("LD_LIBRARY_PATH", prefix().join("lib")));
}

/// What `libledg.a` needs besides itself is what the pkg-config and CMake files say.
#[test]
fn the_static_library_links() {
    let library = built().join("libledg.a");
    if !library.exists() {
        return skip("the_static_library_links", "cargo did not build libledg.a for this run");
    }
    let executable = folder("programs").join("build-static");
    let include = format!("-I{}", prefix().join("include").display());
    let mut command = Command::new(cc());
    command.args(["-std=c99", &include]).arg(root().join("examples/c/build.c")).arg("-o").arg(&executable);
    run(command.arg(library).args(xtask::install::STATIC_LIBS.split_whitespace()));
    let text = stdout(Command::new(&executable).arg("rtx3090"));
    assert!(text.contains("\ntogether"), "{text}");
}

#[test]
fn cmake_finds_it() {
    if !has("cmake") {
        return skip("cmake_finds_it", "there is no cmake");
    }
    let project = folder("cmake");
    let lists = "cmake_minimum_required(VERSION 3.10)\nproject(small C)\nfind_package(ledg 0.1 REQUIRED)\n\
                 add_executable(small small.c)\ntarget_link_libraries(small PRIVATE ledg::ledg)\n\
                 find_package(ledg 99 QUIET)\nif(ledg_FOUND)\n  message(FATAL_ERROR \"99 is no version of it\")\nendif()\n";
    std::fs::write(project.join("CMakeLists.txt"), lists).unwrap();
    std::fs::write(project.join("small.c"), SMALL).unwrap();
    let build = project.join("build");
    let prefix_path = format!("-DCMAKE_PREFIX_PATH={}", prefix().display());
    run(Command::new("cmake").arg("-S").arg(&project).arg("-B").arg(&build).arg(prefix_path));
    run(Command::new("cmake").arg("--build").arg(&build));
    run(&mut Command::new(build.join("small")));
}

/// Clients of every minor version, compiled with the header of then, in the oldest and the newest C, on the library of now.
#[test]
fn clients_of_older_versions_still_work() {
    for (version, from) in released() {
        for standard in ["-std=c99", "-std=gnu2x"] {
            let executable = folder("programs").join(format!("client-{version}{standard}"));
            let include = format!("-I{}", from.display());
            let mut command = Command::new(cc());
            command.args([standard, "-Wall", "-Wextra", "-pedantic", "-Werror", &include]).arg(from.join("client.c"));
            run(command.arg("-o").arg(&executable).args(crate::stage::link_arguments()).args(["-lpthread", "-lm"]));
            let text = stdout(Command::new(&executable).arg(folder("skew")));
            assert_eq!(text.trim(), format!("client of ABI {version}: all is well"));
        }
    }
}
