//! The data set that an experiment's `[data]` names: its parts, one after the other.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use ledg_cost_model::Describer;
use ledg_cost_model::template::hardware::HardwareRegistry;
use sha2::{Digest, Sha256};

use super::config::{DataConfig, NetworksConfig};
use super::timm::load_timm;
use super::{Dataset, accel_nasbench, fbnet, host, nasbench201, neusight, nnlqp, records};

type Loader = fn(&NetworksConfig, &Describer, &HardwareRegistry) -> Result<Dataset>;

/// The devices that the data may name: the built-in ones and its hosts.
///
/// # Errors
/// Names the host's file that cannot be read, or a device that there are two of.
pub fn registry(config: &DataConfig) -> Result<HardwareRegistry> {
    let mut registry = HardwareRegistry::builtin();
    for host in &config.hosts {
        host::add_device(&host.path, &mut registry).context("data.hosts")?;
    }
    Ok(registry)
}

/// Loads all parts, with the devices of [`registry`].
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
            parts.push((name, only(name, part, &config.hardware, registry)?));
        }
    }
    if let Some(operators) = &config.neusight {
        let part = neusight::load(operators, describer, registry).context("data.neusight")?;
        parts.push(("neusight", only("neusight", part, &config.hardware, registry)?));
    }
    if let Some(layout) = &config.nnlqp {
        let part = nnlqp::load(layout, describer, registry).context("data.nnlqp")?;
        parts.push(("nnlqp", only("nnlqp", part, &config.hardware, registry)?));
    }
    if let Some(list) = &config.records {
        let part = records::load(list, describer, registry).context("data.records")?;
        parts.push(("records", only("records", part, &config.hardware, registry)?));
    }
    for host in &config.hosts {
        let part =
            host::load(host, describer, registry).with_context(|| format!("data.hosts: {}", host.path.display()))?;
        parts.push(("host", only("hosts", part, &config.hardware, registry)?));
    }
    let data = joined(parts)?;
    for name in &config.hardware {
        let known = registry.device(name).map_or_else(|_| name.clone(), |device| device.name.clone());
        let is_measured = data.platforms.iter().any(|p| p.device == known);
        ensure!(is_measured, "`data.hardware` names {name}, of which the data has no measurement");
    }
    Ok(data)
}

/// The records of the named devices, and the graphs and platforms they need; everything if none is named.
///
/// # Errors
/// A part without a record, or a device that nobody knows.
fn only(part: &str, mut data: Dataset, hardware: &[String], registry: &HardwareRegistry) -> Result<Dataset> {
    ensure!(!data.records.is_empty(), "data.{part}: there is no record");
    if hardware.is_empty() {
        return Ok(data);
    }
    // A data set may bring devices of its own, which the registry does not know.
    let own = |name: &String| data.platforms.iter().any(|p| p.device == *name);
    let device = |name: &String| Ok(if own(name) { name.clone() } else { registry.device(name)?.name.clone() });
    let devices: BTreeSet<String> = hardware.iter().map(device).collect::<Result<_>>()?;
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

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::path::Path;

    use super::*;

    /// Loads a part of the shared data; nothing, if they are not there.
    fn shared(text: &str) -> Option<Dataset> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
        if !folder.exists() {
            writeln!(std::io::stderr(), "skipped: ../shared/data is not there").unwrap();
            return None;
        }
        let config: DataConfig = toml::from_str(&text.replace("DATA", &folder.display().to_string())).unwrap();
        config.check().unwrap();
        Some(load(&config, &Describer::builtin().unwrap(), &HardwareRegistry::builtin()).unwrap())
    }

    fn devices(data: &Dataset) -> BTreeSet<&str> {
        data.platforms.iter().map(|p| p.device.as_str()).collect()
    }

    #[test]
    fn tables_of_networks() {
        let Some(data) = shared(r#"nasbench201 = { path = "DATA/nasbench201", networks = 40 }"#) else { return };
        // Twenty of the 22 columns: Eyeriss and the A50 have no bandwidth.
        assert_eq!((data.records.len(), devices(&data).len()), (40 * 20, 12));
        assert!(data.graphs.len() > 40 && data.graphs.len() <= 80);
        let Some(data) = shared(r#"nn_meter = { path = "DATA/nasbench201", networks = 30 }"#) else { return };
        assert_eq!((data.graphs.len(), devices(&data).len()), (30, 4));
        let Some(data) = shared(r#"nnlqp_nasbench201 = { path = "DATA/nnlqp", networks = 30 }"#) else { return };
        assert!(data.graphs.iter().all(|g| g.stage.is_some()) && data.records.len() == 30);
        let named = r#"fbnet = { path = "DATA/fbnet", networks = 10, columns = ["gold_6226", "titanx_64"] }"#;
        let Some(data) = shared(named) else { return };
        assert_eq!(devices(&data), BTreeSet::from(["intel-xeon-gold-6226", "nvidia-titan-x-pascal"]));
        assert_eq!(data.records.iter().filter(|r| r.batch == 64).count(), 10);
        let Some(data) = shared(r#"accel_nasbench = { path = "DATA/accel_nasbench", networks = 10 }"#) else { return };
        assert_eq!(devices(&data).len(), 6);
    }

    /// The same draw whatever else is loaded; the named devices alone.
    #[test]
    fn several_parts_share_platforms() {
        let text = "hardware = [\"a100\", \"2080ti\"]\n\
            nasbench201 = { path = \"DATA/nasbench201\", networks = 5 }\n\
            fbnet = { path = \"DATA/fbnet\", networks = 5 }\n\
            neusight = { path = \"DATA/neusight\", operators = [\"softmax\", \"addu\"], shapes = 20 }\n";
        let Some(data) = shared(text) else { return };
        assert_eq!(devices(&data), BTreeSet::from(["nvidia-a100-pcie-40gb", "nvidia-rtx-2080-ti"]));
        let families: BTreeSet<&str> = data.graphs.iter().map(|g| g.family.as_str()).collect();
        assert_eq!(families, BTreeSet::from(["addu", "fbnet", "nasbench201", "softmax"]));
        assert!(data.records.iter().all(|r| r.graph < data.graphs.len() && r.platform < data.platforms.len()));
        assert_eq!(data.platforms.len(), 2, "{:?}", devices(&data));
    }

    #[test]
    fn single_operators() {
        let Some(data) = shared(r#"neusight = { path = "DATA/neusight", shapes = 4 }"#) else { return };
        assert!(data.graphs.iter().all(|g| g.graph.nodes.len() == 1));
        assert_eq!(data.graphs.iter().map(|g| &g.family).collect::<BTreeSet<_>>().len(), 16);
        assert_eq!(devices(&data).len(), 7);
    }

    #[test]
    fn kept_items_have_new_places() {
        let mut items = vec!['a', 'b', 'c', 'd'];
        let places = kept(&mut items, [3, 1, 3].into_iter());
        assert_eq!((items, places[1], places[3]), (vec!['b', 'd'], 0, 1));
    }
}
