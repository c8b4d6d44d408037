//! `[data]` of an experiment: which measurements take part.
//!
//! **Invariant:** what is not named is not loaded, and leaves no trace in the settings' hash.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use serde::{Deserialize, Serialize};

/// Which measurements take part. Paths are relative to the working directory.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataConfig {
    /// Folder of the timm data set: `graphs.csv`, `latency.csv`, `onnx.tar.xz`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timm: Option<PathBuf>,
    /// Devices whose records take part, by name; empty: all.
    #[serde(default)]
    pub hardware: Vec<String>,
    /// NAS-Bench-201 on HELP's and HW-NAS-Bench's devices: `latency_ms.csv`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nasbench201: Option<NetworksConfig>,
    /// NAS-Bench-201 on nn-Meter's devices: `nn_meter_latency_ms.csv`, and `latency_ms.csv` for the cells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nn_meter: Option<NetworksConfig>,
    /// NNLQP's NAS-Bench-201 family on a GTX 1660: `nasbench201_decoded.csv`, with train and test stages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nnlqp_nasbench201: Option<NetworksConfig>,
    /// FBNet for CIFAR-100 on HELP's and HW-NAS-Bench's devices: `latency_ms.csv`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fbnet: Option<NetworksConfig>,
    /// Accel-NASBench: `perf.csv`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accel_nasbench: Option<NetworksConfig>,
    /// NeuSight's single operators: `*.csv.xz`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub neusight: Option<NeuSightConfig>,
    /// A data set in NNLQP's layout: a list of labels and a folder of weightless ONNX files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nnlqp: Option<NnlqpConfig>,
    /// Our own records, JSON by line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub records: Option<RecordsConfig>,
    /// Hosts measured with tract: `host.toml`, `records.jsonl.xz`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<HostConfig>,
    /// Accuracies of NAS-Bench-201: `accuracy.csv`. Not together with latencies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nasbench201_accuracy: Option<AccuracyConfig>,
    /// Accuracies of NAS-Bench-101: `accuracy.csv.xz`. Not together with latencies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nasbench101_accuracy: Option<AccuracyConfig>,
}

/// A table of networks by columns of devices.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworksConfig {
    /// Folder of the table.
    pub path: PathBuf,
    /// How many networks take part, drawn by `seed`; all if it is left out.
    #[serde(default)]
    pub networks: Option<usize>,
    /// Columns that take part; empty: all whose device can be estimated and that are not doubtful.
    #[serde(default)]
    pub columns: Vec<String>,
    /// Seed by which networks are drawn.
    #[serde(default)]
    pub seed: u64,
}

/// NeuSight's operators.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NeuSightConfig {
    /// Folder of the tables.
    pub path: PathBuf,
    /// Operators that take part, by the names of their files; empty: all.
    #[serde(default)]
    pub operators: Vec<String>,
    /// How many shapes of each operator take part, evenly over sizes and drawn by `seed`; all if it is left out.
    #[serde(default)]
    pub shapes: Option<usize>,
    /// Seed by which shapes are drawn.
    #[serde(default)]
    pub seed: u64,
    /// Whether each shape is written in one of the ways in which networks hold it, at random: its first size (of a linear layer its
    /// rows) is divided between the batch and a sample, and a linear layer is a product and an addition or a `Gemm`. Else the first
    /// size is the batch, as in the tables, and a linear layer a product and an addition.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub as_in_networks: bool,
}

/// A data set in NNLQP's layout.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NnlqpConfig {
    /// Folder to which the list and the paths in it are relative.
    pub path: PathBuf,
    /// The list of labels: `gt.txt` or `gt_stage.txt`.
    #[serde(default = "gt_stage")]
    pub labels: String,
    /// Platforms by their number in the list; `1` also where the list has no numbers.
    #[serde(default = "gtx1660")]
    pub platforms: BTreeMap<String, String>,
    /// Families that take part; empty: all.
    #[serde(default)]
    pub families: Vec<String>,
    /// How many graphs of each family take part, drawn by `seed`; all if it is left out.
    #[serde(default)]
    pub graphs_per_family: Option<usize>,
    /// Seed by which graphs are drawn.
    #[serde(default)]
    pub seed: u64,
}

fn gt_stage() -> String {
    "gt_stage.txt".into()
}

/// The platform of NNLQP's unseen-structure data set.
fn gtx1660() -> BTreeMap<String, String> {
    BTreeMap::from([("1".into(), "gtx1660:fp32/nchw/tensorrt/trt7.1".into())])
}

/// Our own records.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordsConfig {
    /// The list; graphs are relative to its folder.
    pub path: PathBuf,
}

/// A host measured with tract.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HostConfig {
    /// Folder of the host.
    pub path: PathBuf,
    /// How many records, each a network at a batch size, take part, drawn by `seed`; all if it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub networks: Option<usize>,
    /// How many nodes of each network take part beside the network, each as a graph of its own, drawn by `seed`.
    #[serde(default)]
    pub nodes: usize,
    /// Seed by which networks and nodes are drawn.
    #[serde(default)]
    pub seed: u64,
}

/// A table of accuracies.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccuracyConfig {
    /// Folder of the table.
    pub path: PathBuf,
    /// Column of the accuracy: `cifar10_test_acc`, `val_acc_108`, ...
    pub target: String,
    /// How many networks take part, drawn by `seed`; all if it is left out.
    #[serde(default)]
    pub networks: Option<usize>,
    /// Seed by which networks are drawn.
    #[serde(default)]
    pub seed: u64,
}

impl DataConfig {
    /// Refuses settings that no data set can follow from.
    pub fn check(&self) -> Result<()> {
        let tables = [&self.nasbench201, &self.nn_meter, &self.nnlqp_nasbench201, &self.fbnet, &self.accel_nasbench];
        let files = self.timm.is_some()
            || self.neusight.is_some()
            || self.nnlqp.is_some()
            || self.records.is_some()
            || !self.hosts.is_empty();
        let is_latency = files || tables.iter().any(|t| t.is_some());
        let n_accuracy =
            usize::from(self.nasbench201_accuracy.is_some()) + usize::from(self.nasbench101_accuracy.is_some());
        ensure!(is_latency || n_accuracy > 0, "`data` names no data set");
        ensure!(
            usize::from(is_latency) + n_accuracy < 2,
            "`data` names latencies and accuracies, or several accuracies"
        );
        let empty = |n: Option<usize>| n == Some(0);
        let accuracies = [&self.nasbench201_accuracy, &self.nasbench101_accuracy];
        ensure!(
            !accuracies.iter().any(|t| t.as_ref().is_some_and(|t| empty(t.networks))),
            "`networks` must be at least 1"
        );
        let graphs = self.nnlqp.as_ref().and_then(|n| n.graphs_per_family);
        ensure!(!empty(graphs), "`data.nnlqp.graphs_per_family` must be at least 1");
        ensure!(!tables.iter().any(|t| t.as_ref().is_some_and(|t| empty(t.networks))), "`networks` must be at least 1");
        ensure!(!self.neusight.as_ref().is_some_and(|n| empty(n.shapes)), "`data.neusight.shapes` must be at least 1");
        Ok(())
    }
}

/// HELP's tables with HW-NAS-Bench's figures.
const HELP: &str = "NAS-Bench-201 and FBNet latencies of HELP and HW-NAS-Bench (MIT), HayeonLee/HELP 45f70eb92d0d";

impl DataConfig {
    /// Where the data come from and under which licence, in the order of the fields, each once.
    pub fn sources(&self) -> Vec<&'static str> {
        let named = [
            (
                self.timm.is_some(),
                "pytorch-image-models benchmark results (Apache-2.0), huggingface/pytorch-image-models aa4b5850c154",
            ),
            (self.nasbench201.is_some() || self.fbnet.is_some(), HELP),
            (
                self.nn_meter.is_some(),
                "nn-Meter's NAS-Bench-201 latencies (MIT), microsoft/nn-Meter 28e982e3, 7a9aa1ba",
            ),
            (
                self.nnlqp_nasbench201.is_some(),
                "NNLQP's labels (MIT; NNLQP Apache-2.0), yuny220/NAR-Former-V2 c6cbc83de8ea",
            ),
            (self.accel_nasbench.is_some(), "Accel-NASBench (Apache-2.0), afzalxo/Accel-NASBench 42603572d530"),
            (self.neusight.is_some(), "NeuSight's operator measurements (MIT), sitar-lab/NeuSight 6945927d9afc"),
            (self.nnlqp.is_some(), "a data set in NNLQP's layout, as its owner licences it"),
            (self.records.is_some(), "own measurements"),
            (!self.hosts.is_empty(), "plans of tract measured by this project (Apache-2.0)"),
            (
                self.nasbench201_accuracy.is_some(),
                "NATS-Bench accuracies (no licence stated), v-tao/nats-bench-landscape b307ae5",
            ),
            (
                self.nasbench101_accuracy.is_some(),
                "NAS-Bench-101 accuracies (ISC), tiga1231/nasbench-vis 7aec0e7, a6f5839",
            ),
        ];
        named.into_iter().filter(|(is_named, _)| *is_named).map(|(_, source)| source).collect()
    }
}

impl NetworksConfig {
    /// A file of the folder.
    pub fn file(&self, name: &str) -> PathBuf {
        Path::new(&self.path).join(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<DataConfig> {
        let config: DataConfig = toml::from_str(text)?;
        config.check()?;
        Ok(config)
    }

    #[test]
    fn sources_are_those_of_the_named_sets() {
        let config = parse("nasbench201 = { path = \"a\" }\nfbnet = { path = \"b\", networks = 3 }").unwrap();
        assert_eq!(config.sources(), [HELP]);
        let sources = parse("timm = \"a\"\nneusight = { path = \"b\" }").unwrap().sources();
        assert!(sources.len() == 2 && sources[0].contains("Apache-2.0") && sources[1].contains("NeuSight"));
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let error = |text: &str| format!("{:#}", parse(text).unwrap_err());
        assert!(error("").contains("names no data set"));
        assert!(error("fbnet = { path = \"b\", networks = 0 }").contains("at least 1"));
        assert!(error("fbnet = { path = \"b\", network = 5 }").contains("network"));
        assert!(error("timm = \"a\"\nnasbench201_accuracy = { path = \"b\", target = \"c\" }").contains("accuracies"));
    }
}
