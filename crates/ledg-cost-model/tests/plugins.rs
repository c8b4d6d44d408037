//! The plugins that come along: no problem in any, their operators by hand, and what loading them leaves as it was.

use std::path::{Path, PathBuf};

use ledg_cost_model::graph::{Attrs, DType, GraphBuilder, OpType};
use ledg_cost_model::plugin::{PluginFolder, is_plugin, scaffold};
use ledg_cost_model::template::check::Severity;
use ledg_cost_model::template::{LowerOptions, TemplateSet};
use ledg_cost_model::{CostModel, Plugins, plugin};

fn shipped() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../plugins");
    let mut dirs: Vec<PathBuf> = std::fs::read_dir(root).unwrap().map(|e| e.unwrap().path()).collect();
    dirs.retain(|d| is_plugin(d));
    dirs.sort();
    dirs
}

#[test]
fn no_shipped_plugin_has_a_problem() {
    let known = Plugins::new();
    let dirs = shipped();
    assert!(dirs.len() > 20, "{}", dirs.len());
    for dir in dirs {
        let folder = PluginFolder::read(&dir).unwrap();
        assert_eq!(folder.manifest.name, dir.file_name().unwrap().to_str().unwrap());
        let mut problems = known.hardware.check_files(&folder.hardware).problems;
        // A chip may be listed without a figure that its maker does not publish: bandwidth, or the power of a GPU within a chip.
        let unpublished = ["memory_bandwidth_gb_s is not stated", "tdp_w is not stated"];
        problems.retain(|p| p.severity == Severity::Error || !unpublished.contains(&p.message.as_str()));
        problems.extend(known.template_set().unwrap().check_files(&folder.templates).problems);
        assert_eq!(problems, [], "{}", dir.display());
    }
}

#[test]
fn adding_all_of_them_adds_operators_and_no_device_twice() {
    let mut plugins = Plugins::new();
    let n_devices = plugins.hardware.devices().len();
    for dir in shipped() {
        plugins.add_dir(&dir).unwrap();
        plugins.add_dir(&dir).unwrap();
    }
    assert_eq!(plugins.added.len(), shipped().len());
    assert_eq!(plugins.hardware.devices().len(), n_devices, "their data sheets are compiled in");
    assert!(plugins.operators().contains(&OpType::new("com.microsoft", "MatMulNBits")));
    let model = CostModel::default_model().unwrap();
    assert!(plugins.extend(&model).is_ok());
}

/// Sentence, multiply-adds and weights of an operator of the shipped templates with one input.
fn described(op: &str, input: &[u64], output: &[u64]) -> (String, f64, f64) {
    let mut plugins = Plugins::new();
    shipped().iter().for_each(|dir| plugins.add_dir(dir).unwrap());
    let set: TemplateSet = plugins.template_set().unwrap();
    let mut b = GraphBuilder::new("g");
    let x = b.input("x", DType::F32, input);
    let y = b.activation("y", DType::F32, Some(output));
    let (domain, name) = op.rsplit_once('.').unwrap_or(("", op));
    b.node("n", OpType::new(domain, name), Attrs::new(), &[Some(x)], &[y]);
    b.output(y);
    let lowered = set.lower(&b.finish().unwrap(), &LowerOptions::default()).unwrap();
    let node = set.describe(&lowered).remove(0);
    assert!(node.known);
    (node.sentence, node.macs, node.magnitudes.weight_elems)
}

#[test]
fn a_product_whose_weight_is_an_attribute_is_counted() {
    // 128 rows of 768 by a matrix of 768 x 3072, and a bias.
    let (sentence, macs, weights) = described("CustomFCPluginDynamic", &[1, 128, 768], &[1, 128, 3072]);
    assert_eq!((sentence.as_str(), macs, weights), ("ParamL MatMul", 128.0 * 768.0 * 3072.0, 768.0 * 3072.0 + 3072.0));
}

#[test]
fn a_plugin_s_fusion_fuses_its_own_operators() {
    let mut plugins = Plugins::new();
    shipped().iter().for_each(|dir| plugins.add_dir(dir).unwrap());
    let set = plugins.template_set().unwrap();
    let mut b = GraphBuilder::new("g");
    let x = b.input("x", DType::F32, &[1, 128, 768]);
    let f = b.activation("f", DType::F32, Some(&[1, 128, 3072]));
    let y = b.activation("y", DType::F32, Some(&[1, 128, 3072]));
    b.node("fc", OpType::onnx("CustomFCPluginDynamic"), Attrs::new(), &[Some(x)], &[f]);
    b.node("gelu", OpType::onnx("CustomGeluPluginDynamic"), Attrs::new(), &[Some(f)], &[y]);
    b.output(y);
    let graph = b.finish().unwrap();
    let nodes = set.describe(&set.lower(&graph, &LowerOptions::default()).unwrap());
    assert_eq!(nodes.iter().map(|n| n.sentence.as_str()).collect::<Vec<_>>(), ["ParamL MatMul Gelu"]);
    assert_eq!(nodes[0].macs, 128.0 * 768.0 * 3072.0);
}

#[test]
fn a_folder_that_clashes_adds_nothing() {
    let root = tempfile::tempdir().unwrap();
    scaffold(&root.path().join("a"), "Acme").unwrap();
    let sheet = root.path().join("a/hardware/one.toml");
    let text = std::fs::read_to_string(&sheet).unwrap();
    std::fs::write(&sheet, text.replace("[\"acme1\"]", "[\"t4\"]")).unwrap();
    let mut plugins = Plugins::new();
    let n = plugins.hardware.devices().len();
    let message = plugins.add_dir(&root.path().join("a")).unwrap_err().to_string();
    assert!(message.contains("one.toml:5:12: the name \"t4\" is taken by device nvidia-t4"), "{message}");
    assert_eq!((plugins.hardware.devices().len(), plugins.templates.len(), plugins.added.len()), (n, 0, 0));
    assert!(plugins.add_dir(&root.path().join("gone")).unwrap_err().to_string().contains("there is no such folder"));
    std::fs::create_dir_all(root.path().join("empty/hardware")).unwrap();
    assert!(plugins.add_dir(&root.path().join("empty")).unwrap_err().to_string().contains("it holds no .toml file"));
}

#[test]
fn a_check_compares_with_the_nearest_devices_and_costs_networks() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("acme");
    scaffold(&dir, "Acme").unwrap();
    // An H100 by another name.
    let h100 = include_str!("../../../configs/hardware/nvidia/h100-sxm.toml");
    let h100 = h100
        .replace("nvidia-h100-sxm", "acme-big")
        .replace("aliases = [\"h100\", \"h100-sxm5\", \"h100-sxm-80gb\"]\n", "");
    std::fs::write(dir.join("hardware/big.toml"), h100).unwrap();
    let model = CostModel::default_model().unwrap();
    let report = plugin::check(&dir, &Plugins::new(), &model).unwrap();
    assert_eq!(report.problems, []);
    let big = report.devices.iter().find(|d| d.device.name == "acme-big").unwrap();
    assert_eq!((big.by_words[0].name.as_str(), big.by_sheet[0].name.as_str()), ("nvidia-h100-sxm", "nvidia-h100-sxm"));
    assert!(big.by_words[0].nearness > 0.999 && big.by_sheet[0].nearness < 1.001);
    assert_eq!(big.costs.len(), 6);
    for cost in &big.costs {
        let (name, beside) = cost.beside.clone().unwrap();
        assert_eq!(name, "nvidia-h100-sxm");
        assert!(
            (cost.estimate.latency_s / beside - 1.0).abs() < 1e-9,
            "{}: the same figures cost the same",
            cost.network
        );
        assert!(cost.of_peak > 0.0 && cost.of_peak < 1.0, "{}", cost.of_peak);
    }
    let operator = &report.operators[0];
    assert_eq!(operator.samples[0].1.macs, 56.0 * 56.0 * 128.0 * 64.0 * 9.0);
}
