//! `ledg-cost hardware`.

use super::support::Bench;

const T4: &str = include_str!("../../../../configs/hardware/nvidia/t4.toml");

/// The T4's sheet under another name.
fn own_chip() -> String {
    T4.replace("nvidia-t4", "acme-one").replace(r#"aliases = ["t4", "tesla-t4"]"#, r#"aliases = ["one"]"#)
}

#[test]
fn show_prints_the_sheet_with_its_sources() {
    let bench = Bench::new();
    insta::assert_snapshot!("hardware_show_t4", bench.ok("hardware show t4"));
    let compiled = bench.ok("hardware show t4:fp32/nchw/dynamo/pt2.4.0");
    assert!(compiled.contains("PyTorch 2.4 compiled NCHW FP32"), "{compiled}");
}

#[test]
fn list_has_every_device_in_every_format() {
    let bench = Bench::new();
    let n = ledg_cost_model::HardwareRegistry::builtin().devices().len();
    assert_eq!(bench.ok("hardware list").lines().count(), n + 2);
    assert_eq!(bench.ok("hardware list --format csv").lines().count(), n + 1);
    let json = bench.ok("hardware list --format json");
    assert_eq!(json.lines().count(), n);
    let t4 = json.lines().find(|l| l.contains("\"nvidia-t4\"")).unwrap();
    insta::assert_snapshot!(t4);
}

#[test]
fn own_hardware_comes_from_a_file_or_a_folder() {
    let bench = Bench::new();
    bench.file("chips/one.toml", own_chip());
    assert!(bench.ok("hardware show chips/one.toml").contains("Nv GPU FP32 8.1 Turing 70W"));
    assert!(bench.ok("hardware show one:fp16 --hardware-dir chips").contains("Nv GPU FP16 65 Turing 70W"));
    assert!(bench.ok("hardware list --hardware-dir chips").contains("acme-one"));
}

#[test]
fn check_says_what_a_device_will_be() {
    let bench = Bench::new();
    bench.file("one.toml", own_chip());
    insta::assert_snapshot!(bench.ok("hardware check one.toml"));
}

#[test]
fn check_takes_files_in_any_order() {
    let bench = Bench::new();
    bench.file(
        "one.toml",
        own_chip().replace("default_runtime = \"pytorch2.1-fp32-nchw-eager\"", "default_runtime = \"acme-fast\""),
    );
    let runtimes = "schema = 1\n[[runtime]]\nname = \"acme-fast\"\nframework = \"pytorch\"\nversion = \"2.1.0\"\ncompiler = \"eager\"\nprecision = \"fp16\"\nlayout = \"nchw\"\n";
    bench.file("runtimes.toml", runtimes);
    insta::assert_snapshot!(bench.ok("hardware check one.toml runtimes.toml"));
}

#[test]
fn check_says_that_no_latency_can_be_estimated() {
    let bench = Bench::new();
    let chip = own_chip().replace("memory_bandwidth_gb_s = 320\n", "").replace("\"memory_bandwidth_gb_s\", ", "");
    bench.file("one.toml", chip);
    let out = bench.ok("hardware check one.toml");
    assert!(out.contains("memory_bandwidth_gb_s is not stated"), "{out}");
}

#[test]
fn check_names_file_line_and_remedy() {
    let bench = Bench::new();
    let edits = [
        ("nan.toml", "tdp_w = 70", "tdp_w = nan"),
        ("negative.toml", "peak]\nfp32 = 8.1", "peak]\nfp32 = -8.1"),
        ("unknown-key.toml", "l2_cache_mb = 4", "l2_cache_mbs = 4"),
        ("no-source.toml", "\"tdp_w\", ", ""),
        ("clash.toml", r#"aliases = ["one"]"#, r#"aliases = ["T4"]"#),
        ("runtime.toml", "default_runtime = \"pytorch2.1", "default_runtime = \"torch2.1"),
        ("syntax.toml", "schema = 1", "schema = = 1"),
    ];
    let mut files = Vec::new();
    for (file, from, to) in edits {
        assert!(own_chip().contains(from), "{from}");
        bench.file(file, own_chip().replace(from, to));
        files.push(file);
    }
    bench.file("binary.toml", [0xff, 0xfe, 0x00]);
    let all = format!("hardware check {} binary.toml missing.toml", files.join(" "));
    insta::assert_snapshot!(bench.fails(1, &all));
}

#[test]
fn unknown_hardware_gets_the_nearest_names() {
    let bench = Bench::new();
    insta::assert_snapshot!(bench.fails(1, "hardware show rtx4091"));
    insta::assert_snapshot!(bench.fails(1, "hardware show t4:fp31"));
    insta::assert_snapshot!(bench.fails(1, "hardware show missing.toml"));
}

#[test]
fn check_knows_a_built_in_file_again() {
    let t4 = concat!(env!("CARGO_MANIFEST_DIR"), "/../../configs/hardware/nvidia/t4.toml");
    assert!(Bench::new().ok(&format!("hardware check {t4}")).contains("accepted: device nvidia-t4"));
}

#[test]
fn check_doubts_a_figure_in_another_unit() {
    let bench = Bench::new();
    bench.file(
        "one.toml",
        own_chip().replace("memory_bandwidth_gb_s = 320\n", "memory_bandwidth_gb_s = 320000000000\n"),
    );
    let out = bench.ok("hardware check one.toml");
    assert!(out.contains("  doubtful: memory_bandwidth_gb_s = 320000000000 is outside of"), "{out}");
}

/// A device has no size to be refused for.
#[cfg(unix)]
#[test]
fn a_file_without_end_is_not_read_to_it() {
    let bench = Bench::new();
    std::os::unix::fs::symlink("/dev/zero", bench.path().join("zero.toml")).unwrap();
    for command in ["hardware show zero.toml", "hardware check zero.toml"] {
        assert!(bench.fails(1, command).contains("zero.toml"), "{command}");
    }
}
