//! The built-in files, the sentences of every device, and names that resolve.

use super::builtin;
use super::registry::HardwareRegistry;
use super::{Platform, Precision};
use std::fmt::Write as _;
use std::path::Path;

fn resolve(spec: &str) -> Platform {
    HardwareRegistry::builtin().resolve(spec).unwrap_or_else(|e| panic!("{e}"))
}

#[test]
fn a_name_may_stand_without_its_vendor() {
    assert_eq!(resolve("H100 SXM").device.name, "nvidia-h100-sxm");
    let registry = HardwareRegistry::builtin();
    for device in registry.devices() {
        let (_, rest) = device.name.split_once('-').unwrap();
        let twins = registry.devices().filter(|d| d.name.split_once('-').is_some_and(|(_, r)| r == rest)).count();
        assert!(twins > 1 || registry.device(rest).is_ok(), "{rest}");
    }
    assert!(registry.device("nvidia").is_err());
}

#[test]
fn an_alias_may_stand_after_its_vendor() {
    assert_eq!(resolve("NVIDIA GeForce RTX 4090").device.name, "nvidia-rtx-4090");
    assert_eq!(resolve("AMD Instinct MI300X:fp16").device.name, "amd-mi300x");
    assert_eq!(resolve("Apple M1").device.name, "apple-m1-gpu");
    assert!(HardwareRegistry::builtin().device("AMD GeForce RTX 4090").is_err(), "another's vendor");
}

#[test]
fn the_t4_is_said_as_in_the_paper() {
    let t4 = resolve("t4");
    assert_eq!(t4.sentence(), "Nv GPU FP32 8.1 Turing 70W");
    assert_eq!(t4.runtime_sentence(), None);
    assert_eq!(resolve("Tesla T4:fp16").sentence(), "Nv GPU FP16 65 Turing 70W");
}

#[test]
fn no_name_of_a_built_in_device_is_used_twice() {
    let mut owners = std::collections::BTreeMap::new();
    for (i, (file, _, names)) in builtin::DEVICES.iter().enumerate() {
        // The build script lists the names that the file's reader finds.
        assert_eq!(builtin::device(i).names().collect::<Vec<_>>(), *names, "{file}");
        for name in *names {
            let key = name.replace(['-', '_', ' '], "").to_lowercase();
            let other = owners.insert(key, i).filter(|other| *other != i);
            assert_eq!(other, None, "{name} of {file} is a name of another file");
        }
    }
}

#[test]
fn every_device_has_a_sentence() {
    let registry = HardwareRegistry::builtin();
    let mut text = String::new();
    for device in registry.devices() {
        let platform = resolve(&device.name);
        let runtime = platform.runtime_sentence().map(|r| format!(" | {r}")).unwrap_or_default();
        writeln!(text, "{} -> {}{runtime}", device.name, platform.sentence()).unwrap();
    }
    insta::assert_snapshot!("sentences", text);
}

#[test]
fn every_device_has_sources_and_every_listed_runtime_resolves() {
    let registry = HardwareRegistry::builtin();
    assert!(registry.devices().len() > 100);
    for device in registry.devices() {
        assert!(!device.sources.is_empty(), "{}", device.name);
        let place = ["configs/hardware/", "plugins/"].iter().find(|p| device.origin.starts_with(**p));
        assert!(place.is_some(), "{}", device.origin);
        for (profile, runtime) in &device.runtimes {
            let platform = registry.resolve(&format!("{}:{profile}", device.name)).unwrap();
            assert_eq!(&platform.runtime, runtime);
            assert!(platform.numbers().peak_matmul_flops > 1e9, "{platform}");
        }
        for name in device.names() {
            assert_eq!(registry.device(name).unwrap().name, device.name);
        }
    }
}

#[test]
fn no_figure_of_a_built_in_sheet_is_in_doubt() {
    // What their makers do not state: memory of buyers' choice, the power of a part of a chip.
    let (mut without_bandwidth, mut without_power) = (0, 0);
    for device in HardwareRegistry::builtin().devices() {
        let mut doubts = device.doubts();
        let counts = [
            ("memory_bandwidth_gb_s is not stated", &mut without_bandwidth),
            ("tdp_w is not stated", &mut without_power),
        ];
        for (message, count) in counts {
            if let Some(at) = doubts.iter().position(|d| d.message == message) {
                doubts.remove(at);
                *count += 1;
            }
        }
        assert_eq!(doubts, [], "{}", device.name);
        assert!(device.year.is_some_and(|y| (2010.0..2027.0).contains(&y)), "{}: year", device.name);
    }
    assert!(without_bandwidth < 12 && without_power <= 12, "{without_bandwidth}, {without_power}");
}

#[test]
fn plugins_come_along_for_many_vendors() {
    let registry = HardwareRegistry::builtin();
    let from_plugins: Vec<_> = registry.devices().filter(|d| d.origin.starts_with("plugins/")).collect();
    let vendors: std::collections::BTreeSet<&str> = from_plugins.iter().map(|d| d.vendor.as_str()).collect();
    assert!(from_plugins.len() >= 100 && vendors.len() >= 8, "{} of {vendors:?}", from_plugins.len());
    let kinds: std::collections::BTreeSet<&str> = registry.devices().map(|d| d.kind.name()).collect();
    for kind in ["gpu", "cpu", "mobile-cpu", "mobile-gpu", "npu", "tpu", "asic"] {
        assert!(kinds.contains(kind), "{kind}");
    }
}

#[test]
fn every_timm_configuration_resolves() {
    let rows = [
        ("cpu-i9_10940x", "fp32/nchw/dynamo", "pt2.2.1"),
        ("cpu-i9_10940x", "fp32/nchw/dynamo", "pt2.4.0"),
        ("rtx3090", "amp/nchw/eager", "pt1.13+cu117"),
        ("rtx3090", "amp/nchw/eager", "pt2.1.0+cu121"),
        ("rtx3090", "amp/nchw/eager", "pt2.4.0+cu124"),
        ("rtx3090", "amp/nhwc/eager", "pt1.13+cu117"),
        ("rtx3090", "amp/nhwc/eager", "pt2.1.0+cu121"),
        ("rtx3090", "amp/nhwc/eager", "pt2.4.0+cu124"),
        ("rtx4090", "amp/nchw/dynamo", "pt2.4.0+cu124"),
        ("rtx4090", "amp/nchw/dynamo", "pt2.9.1+cu128"),
        ("rtx4090", "amp/nchw/eager", "pt2.4.0+cu124"),
        ("rtx4090", "amp/nchw/eager", "pt2.9.1+cu128"),
        ("rtx4090", "amp/nhwc/eager", "pt2.4.0+cu124"),
        ("rtxpro6000maxq", "amp/nchw/dynamo", "pt2.9.1+cu130"),
        ("rtxpro6000maxq", "amp/nchw/eager", "pt2.9.1+cu130"),
        ("rtxpro6000maxq", "amp_bf16/nchw/dynamo", "pt2.9.1+cu130"),
        ("rtxpro6000maxq", "bf16/nchw/dynamo", "pt2.9.1+cu130"),
    ];
    let mut text = String::new();
    for (hardware, config, version) in rows {
        let platform = resolve(&format!("{hardware}:{config}/{version}"));
        assert_eq!(platform.runtime.to_string(), format!("{config}/{version}"));
        let runtime = platform.runtime_sentence().unwrap();
        writeln!(text, "{platform} -> {} | {runtime}", platform.sentence()).unwrap();
    }
    insta::assert_snapshot!("timm", text);
}

#[test]
fn every_device_of_the_other_data_sets_has_a_name() {
    let names = "1080ti 2080ti titan_rtx titanx essential_ph_1 eyeriss fpga gold_6226 pixel3 raspi4 samsung_a50 \
         samsung_s7 silver_4114 silver_4210r cortex-a76-cpu adreno-640-gpu adreno-630-gpu myriad-vpu gtx1660 a100 \
         rtx3090 tpuv2 tpuv3 zcu102 vck190 mi100 p4 p100 v100 t4 a100-80gb";
    for name in names.split_whitespace() {
        resolve(name);
    }
    for name in ["NVIDIA A100-PCIE-40GB", "NVIDIA A100 80GB PCIe", "Tesla P100-PCIE-16GB", "Tesla V100-PCIE-32GB"] {
        resolve(name);
    }
}

#[test]
fn the_devices_that_people_benchmark_answer_to_the_names_they_use() {
    let names = "RTX 5090, RTX 5080, RTX 4080, RTX 4070 Ti, H100 SXM, H100 PCIe, H200, B200, L4, L40S, A100 40GB, \
        A100 80GB, A10G, V100, V100 16GB, V100 32GB, P100, P4, T4, GTX 1080 Ti, Titan X Pascal, \
        Titan X Maxwell, Titan Xp, Titan RTX, MI100, MI210, MI250, MI300X, Core i7-12700H, Core i9-13900K, \
        Xeon Gold 6226, Xeon Gold 6240, Xeon Silver 4114, Xeon Silver 4210R, Ryzen 9 5900X, Ryzen 9 7950X, \
        Apple M1, Apple M2, Jetson TX2, Jetson Nano, Jetson Xavier NX, Jetson AGX Orin, Edge TPU, \
        Coral Edge TPU, Raspberry Pi 3, Raspberry Pi 4, Raspberry Pi 5, Pixel 2, Pixel 3, Galaxy S7, \
        Galaxy A50, Essential PH 1, Snapdragon 8 Gen 3, TPU v2, TPU v3, TPU v4, TPU v5e, TPU v5p, ZCU102, \
        VCK190, Intel Arc A770, Gaudi 2, Ascend 910, Ascend 310, Myriad X";
    for name in names.split(", ") {
        resolve(name);
    }
}

#[test]
fn what_a_name_leaves_out_comes_from_the_default_runtime() {
    let check = |spec: &str, runtime: &str| assert_eq!(resolve(spec).runtime.to_string(), runtime);
    check("rtx3090", "amp/nchw/eager/pt2.4.0+cu124");
    check("rtx3090:fp32", "fp32/nchw/eager/pt2.4.0+cu124");
    check("rtx3090:amp/nhwc", "amp/nhwc/eager/pt2.4.0+cu124");
    check("rtx3090:amp//dynamo", "amp/nchw/dynamo/pt2.4.0+cu124");
    check("rtx3090:///pt2.9.1", "amp/nchw/eager/pt2.9.1");
    check("rtx3090:pytorch2.1-fp32-nchw-eager", "fp32/nchw/eager/pt2.1.0");
    check("t4:fp16/nchw/tensorrt", "fp16/nchw/tensorrt/trt10.0");
    check("gtx1660", "fp32/nchw/tensorrt/trt7.1");
    check("tpuv3", "bf16/nhwc/xla");
}

#[test]
fn a_platform_s_name_resolves_to_it() {
    let registry = HardwareRegistry::builtin();
    for device in registry.devices() {
        for precision in device.peak.precisions() {
            let platform = registry.resolve(&format!("{}:{precision}", device.name)).unwrap();
            assert_eq!(registry.resolve(&platform.to_string()).unwrap(), platform);
        }
    }
}

#[test]
fn the_runtime_is_said_in_words() {
    let check = |spec: &str, words: &str| assert_eq!(resolve(spec).runtime_sentence().as_deref(), Some(words));
    check("rtx3090:amp/nhwc/dynamo/pt2.4.0", "PyTorch 2.4 compiled NHWC mixed FP16");
    check("rtxpro6000maxq:amp_bf16/nchw/dynamo/pt2.9.1+cu130", "PyTorch 2.9 compiled NCHW mixed BF16");
    check("gtx1660", "TensorRT 7.1 NCHW FP32");
    check("tpuv2", "XLA NHWC BF16");
}

#[test]
fn numbers_are_in_si_units_and_missing_ones_are_none() {
    let close = |a: f64, b: f64| (a - b).abs() <= 1e-9 * b.abs();
    let t4 = resolve("t4:amp").numbers();
    assert!(close(t4.peak_matmul_flops, 65e12));
    assert!(close(t4.peak_vector_flops.unwrap(), 8.1e12));
    assert!(close(t4.bandwidth_bytes_s.unwrap(), 320e9));
    assert!(close(t4.cache_bytes.unwrap(), 4.0 * 1024.0 * 1024.0));
    assert!(close(t4.clock_hz.unwrap(), 1.59e9));
    assert_eq!((t4.units, t4.tdp_w, t4.year), (Some(40.0), Some(70.0), Some(2018.0)));
    assert_eq!((t4.bytes_per_element, t4.launch_overhead_s), (2.0, None));
    // GeForce tensor cores halve their rate when they accumulate in fp32, which PyTorch does.
    assert!(close(resolve("rtx3090").numbers().peak_matmul_flops, 71e12));
    let mi100 = resolve("mi100").numbers();
    assert!(close(mi100.peak_matmul_flops, 46.1e12) && close(mi100.peak_vector_flops.unwrap(), 23.1e12));
    let phone = resolve("samsung_a50").numbers();
    assert_eq!((phone.bandwidth_bytes_s, phone.tdp_w), (None, None));
    assert_eq!(resolve("zcu102").numbers().peak_vector_flops, None);
    assert_eq!(resolve("tpuv2").runtime.precision, Precision::Bf16);
}

#[test]
fn the_folder_itself_is_no_clash_with_what_is_built_in() {
    let mut registry = HardwareRegistry::builtin();
    let n_devices = registry.devices().len();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs/hardware");
    registry.add_dir(&folder).unwrap();
    assert_eq!(registry.devices().len(), n_devices);
    let t4 = folder.join("nvidia/t4.toml").display().to_string();
    assert_eq!(registry.resolve(&format!("{t4}:int8")).unwrap().sentence(), "Nv GPU INT8 130 Turing 70W");
}

#[test]
fn the_guide_s_example_is_a_device() {
    let guide = include_str!("../../../../configs/hardware/README.md");
    let example = guide.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let mut registry = HardwareRegistry::builtin();
    registry.add_toml_str("README.md", example).unwrap();
    let sentence = registry.resolve("acme-one").unwrap().sentence();
    assert!(guide.contains(&format!("It is said as `{sentence}`.")), "{sentence}");
}
