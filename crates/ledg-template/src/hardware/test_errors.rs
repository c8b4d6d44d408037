//! What is refused, and how the message says it.

use super::registry::HardwareRegistry;
use crate::check::Severity;
use std::fs;

const DEVICE: &str = r#"schema = 1
name = "acme-one"
aliases = ["one"]
vendor = "Acme"
vendor_short = "Acme"
kind = "npu"
architecture = "Roadrunner"
tdp_w = 12.5

[runtime]
framework = "openvino"
version = "2024.0"
compiler = "openvino"
precision = "fp16"
layout = "nchw"

[peak]
fp16 = 2
int8 = 4.25

[[source]]
fields = ["peak.fp16", "peak.int8", "tdp_w"]
title = "Acme One data sheet"
publisher = "Acme"
"#;

/// Adds `DEVICE` with one replacement and gives the error's message.
fn refused(from: &str, to: &str) -> String {
    assert!(DEVICE.contains(from));
    let text = DEVICE.replacen(from, to, 1);
    HardwareRegistry::builtin().add_toml_str("one.toml", &text).expect_err("it is refused").to_string()
}

fn unresolved(spec: &str) -> String {
    HardwareRegistry::builtin().resolve(spec).expect_err("it is refused").to_string()
}

#[test]
fn a_vendor_s_device_is_added_and_loaded() {
    let mut registry = HardwareRegistry::builtin();
    registry.add_toml_str("one.toml", DEVICE).unwrap();
    assert_eq!(registry.resolve("ONE:int8").unwrap().sentence(), "Acme NPU INT8 4.25 Roadrunner 12.5W");

    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("my.toml");
    fs::write(&path, DEVICE).unwrap();
    let builtin = HardwareRegistry::builtin();
    let platform = builtin.resolve(&path.display().to_string()).unwrap();
    assert_eq!(platform.sentence(), "Acme NPU FP16 2 Roadrunner 12.5W");
    assert_eq!(platform.runtime_sentence().unwrap(), "OpenVINO 2024.0 NCHW FP16");
    let integers = builtin.resolve(&format!("{}:int8/nhwc", path.display())).unwrap();
    assert_eq!(integers.runtime.to_string(), "int8/nhwc/openvino/ov2024.0");
    assert!(builtin.device("acme-one").is_err(), "loading does not add");
}

#[test]
fn a_figure_is_a_finite_number_above_zero() {
    let message = refused("int8 = 4.25", "int8 = nan");
    assert_eq!(
        message,
        "one.toml:19:8: peak.int8 = NaN is not a finite number above zero; leave an unknown figure out"
    );
    assert!(refused("tdp_w = 12.5", "tdp_w = inf").starts_with("one.toml:8:9: tdp_w = inf is not"));
    assert!(refused("tdp_w = 12.5", "tdp_w = -1").starts_with("one.toml:8:9: tdp_w = -1 is not"));
    assert!(refused("fp16 = 2", "fp16 = 0").starts_with("one.toml:18:8: peak.fp16 = 0 is not"));
    assert!(refused("fp16 = 2", "fp16 = \"2\"").starts_with("one.toml:18:8: fp16: invalid type: string"));
}

#[test]
fn an_unknown_key_is_named_with_its_line() {
    assert!(refused("tdp_w", "tdp_watts").starts_with("one.toml:8:1: unknown field `tdp_watts`, expected one of"));
    assert!(refused("int8 = 4.25", "int9 = 4").starts_with("one.toml:19:1: unknown field `int9`"));
    assert!(refused("compiler", "compilr").starts_with("one.toml:13:1: unknown field `compilr`"));
    assert!(refused("title", "titel").starts_with("one.toml:23:1: unknown field `titel`"));
    assert!(refused("kind = \"npu\"", "kind = \"brain\"").starts_with("one.toml:6:8: unknown variant `brain`"));
    assert!(refused("vendor = \"Acme\"\n", "").contains("missing field `vendor`"));
    assert_eq!(refused("schema = 1", "schema = 2"), "one.toml:1:10: schema = 2, but this version reads schema 1");
}

#[test]
fn every_figure_needs_a_source_and_every_source_a_figure() {
    assert_eq!(
        refused(", \"tdp_w\"]", "]"),
        "one.toml:8:9: tdp_w has no source; name it in the `fields` of a [[source]]"
    );
    assert_eq!(
        refused("\"tdp_w\"]", "\"tdp_w\", \"units\"]"),
        "one.toml:22:46: a [[source]] names \"units\", which is no figure of this file"
    );
    assert!(refused("\"Acme One data sheet\"", "\" \"").starts_with("one.toml:23:9: source.title"));
}

#[test]
fn words_and_names_are_checked() {
    assert!(refused("\"acme-one\"", "\"Acme One\"").starts_with("one.toml:2:8: name = \"Acme One\": an id is"));
    assert!(refused("[\"one\"]", "[\"one:two\"]").starts_with("one.toml:3:12: aliases = \"one:two\""));
    assert!(refused("\"Roadrunner\"", "\"Road\\nrunner\"").starts_with("one.toml:7:16: architecture"));
}

#[test]
fn a_runtime_has_to_exist_and_to_have_a_peak() {
    assert_eq!(
        refused("precision = \"fp16\"", "precision = \"amp_bf16\""),
        "one.toml:10:1: runtime \"runtime\" runs in amp_bf16, but [peak] has no bf16"
    );
    let message = refused("framework = \"openvino\"", "framework = \"openvion\"");
    assert!(message.starts_with("one.toml:11:13: framework = \"openvion\" is unknown; known: "), "{message}");
    assert!(message.contains("openvino, poplar, pytorch"), "{message}");
    let message = refused("tdp_w = 12.5", "tdp_w = 12.5\nruntimes = [\"nothing\"]");
    assert!(message.starts_with("one.toml:9:13: runtimes = \"nothing\" is unknown; known: "), "{message}");
    let message = refused("tdp_w = 12.5", "tdp_w = 12.5\ndefault_runtime = \"vitis-ai-int8\"");
    assert_eq!(
        message,
        "one.toml: state either `default_runtime` (a profile's name) or a [runtime] table, and not both"
    );
}

#[test]
fn a_taken_name_is_an_error() {
    let owner = "is taken by device nvidia-t4 of configs/hardware/nvidia/t4.toml; choose another";
    assert_eq!(refused("\"one\"", "\"T-4\""), format!("one.toml:3:12: the name \"T-4\" {owner}"));
    assert_eq!(refused("\"acme-one\"", "\"nvidia-t4\""), format!("one.toml:2:8: the name \"nvidia-t4\" {owner}"));

    let mut registry = HardwareRegistry::builtin();
    registry.add_toml_str("one.toml", DEVICE).unwrap();
    registry.add_toml_str("copy.toml", DEVICE).expect("the same sheet is no clash");
    let other = DEVICE.replace("12.5", "15");
    let message = registry.add_toml_str("other.toml", &other).unwrap_err().to_string();
    assert_eq!(
        message,
        "other.toml:2:8: the name \"acme-one\" is taken by device acme-one of one.toml; choose another"
    );
    let runtimes = "schema = 1\n[[framework]]\nname = \"pytorch\"\nprefix = \"py\"\nwords = \"P\"\ncompilers = {}\n";
    let message = registry.add_toml_str("r.toml", runtimes).unwrap_err().to_string();
    assert!(
        message.starts_with("r.toml:3:8: the name \"pytorch\" is taken by a framework of configs/hardware/runtimes")
    );
}

#[test]
fn a_name_that_a_rule_gives_is_taken_as_well() {
    // No file says `h100-sxm` or `nvidia-geforce-rtx-4090`, but both are answered.
    for (name, owner) in [("h100-sxm", "nvidia-h100-sxm"), ("NVIDIA GeForce RTX 4090", "nvidia-rtx-4090")] {
        let message = refused("\"one\"", &format!("\"{name}\""));
        assert!(message.contains(&format!("the name {name:?} is taken by device {owner} of")), "{message}");
    }
    // A twin in all but the vendor leaves the short name where it was.
    let mut registry = HardwareRegistry::builtin();
    registry.add_toml_str("one.toml", &DEVICE.replace("acme-one", "acme-h100-sxm")).unwrap();
    assert_eq!(registry.device("h100-sxm").unwrap().name, "nvidia-h100-sxm");
    assert_eq!(registry.device("acme-h100-sxm").unwrap().name, "acme-h100-sxm");
}

#[test]
fn a_folder_is_added_whole_or_not_at_all() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("sub")).unwrap();
    fs::write(dir.path().join("a.toml"), DEVICE).unwrap();
    fs::write(dir.path().join("sub/b.toml"), DEVICE.replace("acme-one", "acme-two")).unwrap();
    let mut registry = HardwareRegistry::builtin();
    let message = registry.add_dir(dir.path()).unwrap_err().to_string();
    assert!(message.contains("b.toml:3:12: the name \"one\" is taken by device acme-one"), "{message}");
    assert!(registry.device("acme-one").is_err());
}

#[test]
fn a_plugin_may_bring_a_framework_but_not_wording() {
    let mut registry = HardwareRegistry::builtin();
    let runtimes = "schema = 1\n[[framework]]\nname = \"acme-rt\"\nprefix = \"ac\"\nwords = \"Acme RT\"\n\
        compilers = { acme = \"\" }\n[[runtime]]\nname = \"acme3\"\nframework = \"acme-rt\"\nversion = \"3.1\"\n\
        compiler = \"acme\"\nprecision = \"int8\"\nlayout = \"nhwc\"\n";
    registry.add_toml_str("runtimes.toml", runtimes).unwrap();
    let inline = &DEVICE[DEVICE.find("[runtime]").unwrap()..DEVICE.find("[peak]").unwrap()];
    registry.add_toml_str("one.toml", &DEVICE.replace(inline, "default_runtime = \"acme3\"\n")).unwrap();
    assert_eq!(registry.resolve("one").unwrap().runtime_sentence().unwrap(), "Acme RT 3.1 NHWC INT8");
    let message = registry.add_toml_str("w.toml", "runtime_sentence = []").unwrap_err().to_string();
    assert!(message.starts_with("w.toml: wording cannot be replaced"));
}

#[test]
fn an_unknown_name_is_answered_with_the_nearest() {
    assert!(unresolved("rtx3900").starts_with("unknown hardware \"rtx3900\"; nearest: rtx3090, "));
    assert!(unresolved("tesla-t44").starts_with("unknown hardware \"tesla-t44\"; nearest: tesla-t4, "));
    assert!(unresolved("").starts_with("unknown hardware \"\"; nearest: "));
    assert!(unresolved("gone.toml:fp16").starts_with("gone.toml: "));
}

#[test]
fn a_runtime_that_cannot_be_is_refused() {
    assert!(unresolved("t4:half").starts_with("\"t4:half\": \"half\" is no precision; known: fp64, fp32, tf32, amp"));
    assert!(unresolved("t4:fp32/hwc").contains("\"hwc\" is no layout; known: nchw, nhwc"));
    assert!(unresolved("t4:fp32/nchw/jit").contains("\"jit\" is no compiler; known: "));
    assert!(unresolved("t4:fp32/nchw/eager/2.4").contains("\"2.4\" is no framework and version; known: "));
    assert!(unresolved("t4:fp32/nchw/eager/trt8").contains("\"eager\" is no compiler of that framework"));
    assert!(unresolved("t4:fp32/nchw/eager/pt2.4.0/x").contains("\"x\" is no part of a runtime"));
    assert_eq!(unresolved("t4:bf16"), "nvidia-t4 has no peak for bf16; its data sheet supports fp32, amp, fp16, int8");
    let message = unresolved("mi100:fp32/nchw/tensorrt");
    assert_eq!(message, "amd-mi100 does not list tensorrt with tensorrt; its file lists pytorch/dynamo, pytorch/eager");
}

#[test]
fn a_version_that_is_none_is_one_problem_and_its_runtime_is_not_used() {
    let runtimes = |version: &str| {
        format!(
            "schema = 1\n[[framework]]\nname = \"acme\"\nprefix = \"ac\"\nwords = \"Acme RT\"\ncompilers = {{ acme = \"\" }}\n\
             [[runtime]]\nname = \"acme1-int8\"\nframework = \"acme\"\nversion = {version}\ncompiler = \"acme\"\n\
             precision = \"int8\"\nlayout = \"nchw\"\n"
        )
    };
    let device = DEVICE.replace("[runtime]", "default_runtime = \"acme1-int8\"\n[x]");
    let (before, after) = device.split_once("[x]").unwrap();
    let device = format!("{before}{}", &after[after.find("[peak]").unwrap()..]);
    let registry = HardwareRegistry::builtin();
    for (version, problem) in [("1.0", "invalid type: floating point"), ("\"v1.0\"", "starts with a digit")] {
        let files = [("runtimes.toml".to_owned(), runtimes(version)), ("one.toml".to_owned(), device.clone())];
        let checked = registry.check_files(&files);
        let errors: Vec<String> =
            checked.problems.iter().filter(|p| p.severity == Severity::Error).map(ToString::to_string).collect();
        assert!(errors.len() == 1 && errors[0].contains(problem), "{errors:?}");
        assert!(checked.devices.is_empty(), "its runtime is not what it says");
    }
    let files = [("runtimes.toml".to_owned(), runtimes("\"1.0\"")), ("one.toml".to_owned(), device)];
    assert_eq!(registry.check_files(&files).devices.len(), 1);
}

#[test]
fn what_can_hardly_be_meant_is_doubted() {
    let doubts = |from: &str, to: &str| {
        assert!(DEVICE.contains(from), "{from}");
        let files = [("one.toml".to_owned(), DEVICE.replace(from, to))];
        let problems = HardwareRegistry::builtin().check_files(&files).problems;
        problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    };
    assert!(doubts("\"npu\"", "\"gpu\"").contains("year is not stated; how much of its peak a GPU holds"));
    assert!(!doubts("\"npu\"", "\"gpu\"").contains("tdp_w is not stated"));
    assert!(!doubts("\"npu\"", "\"cpu\"").contains("year is not stated"));
}

#[test]
fn a_check_names_every_problem_with_its_place() {
    let mut text = DEVICE.replace("int8 = 4.25", "int8 = nan\nfp8 = 3").replace("tdp_w = 12.5", "tdp_w = \"12\"");
    for (from, to) in [
        ("\"acme-one\"", "\"Acme One\""),
        ("[\"one\"]", "[\"one\", \"T-4\"]"),
        ("\"npu\"", "\"nqu\""),
        ("vendor = \"Acme\"\n", ""),
        ("\"openvino\"\nprec", "\"openvin\"\nprec"),
        ("\"peak.int8\", ", "\"peak.in8\", "),
    ] {
        assert!(text.contains(from), "{from}");
        text = text.replacen(from, to, 1);
    }
    let files = |text: &str| [("one.toml".to_owned(), text.to_owned())];
    let registry = HardwareRegistry::builtin();
    let lines: Vec<String> = registry.check_files(&files(&text)).problems.iter().map(ToString::to_string).collect();
    insta::assert_snapshot!("every_problem", lines.join("\n"));
    let fine = registry.check_files(&files(DEVICE));
    assert_eq!(fine.devices.len(), 1);
    let lines: Vec<String> = fine.problems.iter().map(ToString::to_string).collect();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains("warning: memory_bandwidth_gb_s is not stated; no latency can be"), "{lines:?}");
}

#[test]
fn a_check_ends_whatever_is_missing() {
    let registry = HardwareRegistry::builtin();
    let lines: Vec<&str> = DEVICE.lines().collect();
    for i in 0..lines.len() {
        let text = [&lines[..i], &lines[i + 1..]].concat().join("\n");
        let (accepted, files) = (registry.clone().add_toml_str("one.toml", &text), [("one.toml".to_owned(), text)]);
        let checked = registry.check_files(&files);
        let errors = checked.problems.iter().filter(|p| p.severity == Severity::Error).count();
        assert_eq!(errors == 0, accepted.is_ok(), "without {:?}: {:?}", lines[i], checked.problems);
        assert!(errors < 8, "one missing line is not many problems: {:?}", checked.problems);
    }
}

#[test]
fn no_text_makes_it_panic() {
    let mut registry = HardwareRegistry::builtin();
    for end in (0..DEVICE.len()).filter(|i| DEVICE.is_char_boundary(*i)) {
        let refused = registry.clone().add_toml_str("cut.toml", &DEVICE[..end]).is_err();
        let checked = registry.check_files(&[("cut.toml".to_owned(), DEVICE[..end].to_owned())]);
        assert!(!refused || !checked.problems.is_empty(), "{end}");
        _ = registry.add_toml_str("cut.toml", &DEVICE[..end]);
    }
    for spec in [":", "::", "t4:", "t4://///", ".toml", ".toml:", "é:é", "t4:/é", "t4:////", "a.tomlé"] {
        _ = registry.resolve(spec);
    }
    let long = "x".repeat(2 << 20);
    assert!(registry.add_toml_str("long.toml", &long).unwrap_err().to_string().contains("the limit is 1048576"));
    assert!(registry.resolve(&long).is_err());
}
