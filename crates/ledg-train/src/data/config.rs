//! `[data]` of an experiment: which measurements take part.
//!
//! **Invariant:** what is not named is not loaded, and leaves no trace in the settings' hash.

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
}

impl DataConfig {
    /// Refuses settings that no data set can follow from.
    pub fn check(&self) -> Result<()> {
        let tables = [&self.nasbench201, &self.nn_meter, &self.nnlqp_nasbench201, &self.fbnet, &self.accel_nasbench];
        let is_any = self.timm.is_some() || self.neusight.is_some() || tables.iter().any(|t| t.is_some());
        ensure!(is_any, "`data` names no data set");
        let empty = |n: Option<usize>| n == Some(0);
        ensure!(!tables.iter().any(|t| t.as_ref().is_some_and(|t| empty(t.networks))), "`networks` must be at least 1");
        ensure!(!self.neusight.as_ref().is_some_and(|n| empty(n.shapes)), "`data.neusight.shapes` must be at least 1");
        Ok(())
    }
}

impl NetworksConfig {
    /// A file of the folder.
    pub fn file(&self, name: &str) -> PathBuf {
        Path::new(&self.path).join(name)
    }
}
