//! The data set that an experiment's `[data]` names: its parts, one after the other.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use ledg_cost_model::Describer;
use ledg_cost_model::template::hardware::HardwareRegistry;
use sha2::{Digest, Sha256};

use super::config::{DataConfig, NetworksConfig};
use super::timm::load_timm;
use super::{Dataset, accel_nasbench, fbnet, nasbench201, neusight, nnlqp, records};

type Loader = fn(&NetworksConfig, &Describer, &HardwareRegistry) -> Result<Dataset>;

/// Loads all parts.
///
/// # Errors
/// Names the part, and what it cannot read.
pub fn load(config: &DataConfig, describer: &Describer, registry: &HardwareRegistry) -> Result<Dataset> {
    let mut parts: Vec<(&str, Dataset)> = Vec::new();
    if let Some(dir) = &config.timm {
        parts.push(("timm", load_timm(dir, &config.hardware, describer, registry).context("data.timm")?));
    }
    let tables: [(&str, &Option<NetworksConfig>, Loader); 5] = [
        ("nasbench201", &config.nasbench201, nasbench201::load_table),
        ("nn_meter", &config.nn_meter, nasbench201::load_nn_meter),
        ("nnlqp_nasbench201", &config.nnlqp_nasbench201, nasbench201::load_nnlqp),
        ("fbnet", &config.fbnet, fbnet::load),
        ("accel_nasbench", &config.accel_nasbench, accel_nasbench::load),
    ];
    for (name, table, loader) in tables {
        if let Some(table) = table {
            let part = loader(table, describer, registry).with_context(|| format!("data.{name}"))?;
            parts.push((name, only(part, &config.hardware, registry)?));
        }
    }
    if let Some(operators) = &config.neusight {
        let part = neusight::load(operators, describer, registry).context("data.neusight")?;
        parts.push(("neusight", only(part, &config.hardware, registry)?));
    }
    if let Some(layout) = &config.nnlqp {
        let part = nnlqp::load(layout, describer, registry).context("data.nnlqp")?;
        parts.push(("nnlqp", only(part, &config.hardware, registry)?));
    }
    if let Some(list) = &config.records {
        let part = records::load(list, describer, registry).context("data.records")?;
        parts.push(("records", only(part, &config.hardware, registry)?));
    }
    joined(parts)
}

/// The records of the named devices, and the graphs and platforms they need; everything if none is named.
fn only(mut data: Dataset, hardware: &[String], registry: &HardwareRegistry) -> Result<Dataset> {
    if hardware.is_empty() {
        return Ok(data);
    }
    let devices: BTreeSet<String> =
        hardware.iter().map(|name| Ok(registry.device(name)?.name.clone())).collect::<Result<_>>()?;
    data.records.retain(|r| devices.contains(&data.platforms[r.platform].device));
    let platforms = kept(&mut data.platforms, data.records.iter().map(|r| r.platform));
    let graphs = kept(&mut data.graphs, data.records.iter().map(|r| r.graph));
    for record in &mut data.records {
        (record.platform, record.graph) = (platforms[record.platform], graphs[record.graph]);
    }
    Ok(data)
}

/// Keeps the items in use; returns the new place of each.
fn kept<T>(items: &mut Vec<T>, used: impl Iterator<Item = usize>) -> Vec<usize> {
    let used: BTreeSet<usize> = used.collect();
    let mut places = vec![usize::MAX; items.len()];
    used.iter().enumerate().for_each(|(new, &old)| places[old] = new);
    let mut old = 0;
    items.retain(|_| {
        old += 1;
        used.contains(&(old - 1))
    });
    places
}

/// One data set of all parts. A single part keeps its own hash.
fn joined(parts: Vec<(&str, Dataset)>) -> Result<Dataset> {
    let mut hasher = Sha256::new();
    parts.iter().for_each(|(name, part)| hasher.update(format!("{name}:{}\n", part.hash)));
    let hash = match &parts[..] {
        [(_, only)] => only.hash.clone(),
        _ => format!("{:x}", hasher.finalize()),
    };
    let mut all = Dataset::default();
    parts.into_iter().for_each(|(_, part)| all.append(part));
    all.hash = hash;
    ensure!(!all.records.is_empty(), "`data` has no latencies, or none of the devices named in `data.hardware`");
    Ok(all)
}
