//! Hosts measured with tract: a folder with `host.toml`, the processor, and `records.jsonl.xz`, what it took for plans.
//!
//! The records are those of the library, so that a calibration reads them too; graphs are the optimised plans that ran, as
//! `ledg-cost measure --graphs` wrote them, and times of nodes are kept. A graph's name begins with its family and a dot.
//! [`pack`] makes the folder from what was measured.

use std::collections::HashMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use ledg_cost_model::graph::{EdgeList, Graph, Limits, Relations};
use ledg_cost_model::template::hardware::HardwareRegistry;
use ledg_cost_model::{BatchScaling, DescribedGraph, Describer, Measurement, Outcome, Records};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::config::HostConfig;
use super::source::{Files, Platforms};
use super::{Dataset, GraphEntry, Record};
use crate::files;

const HOST: &str = "host.toml";
const RECORDS: &str = "records.jsonl.xz";

/// Adds a host's processor to the devices that are known.
pub fn add_device(folder: &Path, registry: &mut HardwareRegistry) -> Result<()> {
    let host = folder.join(HOST);
    let device = std::fs::read_to_string(&host).with_context(|| host.display().to_string())?;
    Ok(registry.add_toml_str(&host.display().to_string(), &device)?)
}

/// A host's records, with the hash of its files; the registry knows its device.
pub fn read(folder: &Path, registry: &HardwareRegistry) -> Result<(Records, String)> {
    let mut files = Files::default();
    files.read(&folder.join(HOST))?;
    let list = folder.join(RECORDS);
    let lines = String::from_utf8(files.read(&list)?).with_context(|| list.display().to_string())?;
    let records = Records::from_jsonl(&list.display().to_string(), &lines, registry, Limits::default())?;
    Ok((records, files.hash()))
}

/// The family that a graph's name begins with.
pub fn family(graph: &Graph) -> &str {
    graph.name().split('.').next().unwrap_or_default()
}

/// The records of a host as a data set; the registry knows its device. A network's nodes that take part follow it.
pub fn load(config: &HostConfig, describer: &Describer, registry: &HardwareRegistry) -> Result<Dataset> {
    let (records, hash) = read(&config.path, registry)?;
    let mut platforms = Platforms::new(registry);
    let mut data = Dataset { hash, ..Dataset::default() };
    let mut places: HashMap<&str, usize> = HashMap::new();
    let mut rng = ChaCha8Rng::seed_from_u64(config.seed);
    let mut measured: Vec<_> = records.rows().iter().filter(|row| row.latency_s().is_some()).collect();
    if let Some(networks) = config.networks.filter(|&n| n < measured.len()) {
        measured.shuffle(&mut ChaCha8Rng::seed_from_u64(config.seed));
        measured.truncate(networks);
    }
    for row in measured {
        let Some(latency_s) = row.latency_s() else { continue };
        let graph = records.graph(&row.graph).context("a record without its graph")?;
        let entry = |described: DescribedGraph| {
            let family = family(graph).to_owned();
            GraphEntry { group: family.clone(), family, stage: None, graph: Arc::new(described) }
        };
        let place = *places.entry(&row.graph).or_insert(data.graphs.len());
        if place == data.graphs.len() {
            let described = describer.describe(graph)?;
            if let Some(node) = described.nodes.iter().find(|n| !n.known) {
                anyhow::bail!("{}: no template knows {} ({})", graph.name(), node.name, node.op);
            }
            data.graphs.push(entry(described));
        }
        let network = Arc::clone(&data.graphs[place].graph);
        let own_batch_only = matches!(network.scaling, BatchScaling::Fixed { .. });
        ensure!(
            !own_batch_only || row.batch == network.batch,
            "{}: a plan of batch {} was measured at batch {}",
            graph.name(),
            network.batch,
            row.batch
        );
        let platform = platforms.place(&row.hardware.to_string())?;
        let record = Record { graph: place, platform, batch: row.batch, latency_s, resolution_s: 0.0 };
        data.records.push(record);
        let mut timed = timed_nodes(&network, row, latency_s);
        timed.shuffle(&mut rng);
        for (node, latency_s) in timed.into_iter().take(config.nodes) {
            data.records.push(Record { graph: data.graphs.len(), latency_s, ..record });
            data.graphs.push(entry(alone(&network, node)));
        }
    }
    data.platforms = platforms.entries;
    Ok(data)
}

/// The nodes that were timed, each with its part of the network's time: a profile says what is slow, the whole how slow.
fn timed_nodes(network: &DescribedGraph, row: &ledg_cost_model::Record, latency_s: f64) -> Vec<(usize, f64)> {
    let all: f64 = row.nodes_s.values().sum();
    let took = |names: &[String]| names.iter().filter_map(|name| row.nodes_s.get(name)).sum::<f64>();
    let timed = network.origins.iter().map(|names| took(names) * latency_s / all).enumerate();
    timed.filter(|&(_, seconds)| seconds > 0.0).collect()
}

/// A node as a graph of its own.
pub fn alone(network: &DescribedGraph, node: usize) -> DescribedGraph {
    DescribedGraph {
        name: format!("{}/{}", network.name, network.nodes[node].name),
        nodes: vec![network.nodes[node].clone()],
        origins: vec![network.origins[node].clone()],
        relations: Relations::from_fathers(EdgeList::from_rows(vec![vec![]])),
        ..network.clone()
    }
}

/// Makes a host's folder of what `ledg-cost measure --record FILE --graphs DIR` wrote, and says what it holds. Times are
/// kept to four digits.
pub fn pack(list: &Path, graphs: &Path, host: &Path, output: &Path) -> Result<String> {
    let device = std::fs::read_to_string(host).with_context(|| host.display().to_string())?;
    let mut registry = HardwareRegistry::builtin();
    registry.add_toml_str(&host.display().to_string(), &device)?;
    let on = Arc::new(registry.resolve(&registry.load_file(host)?.name)?);
    let text = std::fs::read_to_string(list).with_context(|| list.display().to_string())?;
    let measured = Measurement::parse_lines(&list.display().to_string(), &text)?;
    let (first, last) = (measured.iter().map(|(_, m)| &m.date).min(), measured.iter().map(|(_, m)| &m.date).max());
    let (Some(first), Some(last)) = (first, last) else { anyhow::bail!("{}: no record", list.display()) };
    let mut records = Records::new();
    for (line, m) in &measured {
        let context = || format!("{}, line {line}", list.display());
        ensure!(
            m.cpu == measured[0].1.cpu && m.runtime == measured[0].1.runtime,
            "{}: another processor or engine than the first record's",
            context()
        );
        let file = Path::new(&m.graph).file_name().unwrap_or_default();
        let path: PathBuf = graphs.join(file);
        let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let graph = Graph::from_json(&text, Limits::default()).with_context(|| path.display().to_string())?;
        ensure!(graph.content_hash().to_string() == m.graph_hash, "{}: is of another graph", context());
        let runs = m.runs_s.iter().map(|&s| rounded(s)).collect();
        let nodes = m.nodes_s().into_iter().map(|(name, s)| (name, rounded(s))).collect();
        records.push_profiled(&Arc::new(graph), &on, m.batch, Outcome::Runs(runs), nodes).with_context(context)?;
    }
    let packed = compressed(records.to_jsonl()?.as_bytes())?;
    files::write(&output.join(RECORDS), &packed)?;
    files::write(&output.join(HOST), device.as_bytes())?;
    let m = &measured[0].1;
    Ok(format!(
        "{} records of {} on {} by {}, {first} to {last}: {} bytes in {}\n",
        records.len(),
        on.device.name,
        m.cpu,
        m.runtime,
        packed.len(),
        output.display()
    ))
}

/// A time to four digits; what is measured has no more.
fn rounded(seconds: f64) -> f64 {
    format!("{seconds:.3e}").parse().unwrap_or(seconds)
}

fn compressed(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut writer = lzma_rust2::XzWriter::new(Vec::new(), lzma_rust2::XzOptions::with_preset(9))?;
    writer.write_all(bytes)?;
    Ok(writer.finish()?)
}

#[cfg(test)]
pub mod tests {
    use ledg_cost_model::NodeTime;
    use ledg_zoo::ZooConfig;

    use super::*;

    /// A folder of a made-up host: three families of one network each. Nodes take as long as they have letters.
    pub fn packed(dir: &Path) -> PathBuf {
        let host = dir.join("made-up.toml");
        let device = "schema = 1\nname = \"made-up\"\nvendor = \"AMD\"\nvendor_short = \"AMD\"\nkind = \"cpu\"\n\
            architecture = \"Zen 3\"\nunits = 1\nmemory_bandwidth_gb_s = 20.0\n\
            default_runtime = \"tract0.23-fp32-nchw\"\nruntimes = [\"tract0.23-fp32-nchw\"]\n\n[peak]\nfp32 = 0.06\n\n\
            [[source]]\nfields = [\"units\", \"memory_bandwidth_gb_s\", \"peak.fp32\"]\ntitle = \"t\"\npublisher = \"p\"\n";
        std::fs::write(&host, device).unwrap();
        let mut lines = String::new();
        for (family, network) in [("alexnet", "alexnet"), ("resnet", "resnet18"), ("squeezenet", "squeezenet1_1")] {
            let graph = ledg_zoo::build(network, &ZooConfig::default()).unwrap();
            let json = graph.to_json().unwrap();
            let json = json.replacen(&format!("\"name\":\"{}\"", graph.name()), &format!("\"name\":\"{family}.n\""), 1);
            std::fs::write(dir.join(format!("{family}.n.json")), json).unwrap();
            let time = |name: &String| name.len() as f64 * 1.000_049e-5;
            let names: Vec<String> = graph.nodes().iter().map(|n| n.name.clone()).collect();
            let nodes: Vec<NodeTime> =
                names.iter().map(|name| NodeTime { name: name.clone(), median_s: time(name) }).collect();
            let measured = Measurement {
                graph: format!("graphs/{family}.n.json"),
                graph_hash: graph.content_hash().to_string(),
                hardware: "elsewhere.toml".into(),
                batch: 1,
                runs_s: vec![names.iter().map(time).sum()],
                median_s: 0.0,
                spread: 0.0,
                cpu: "c".into(),
                runtime: "r".into(),
                date: "2025-01-01".into(),
                nodes,
            };
            lines.push_str(&(serde_json::to_string(&measured).unwrap() + "\n"));
        }
        std::fs::write(dir.join("r.jsonl"), &lines).unwrap();
        let output = dir.join("made-up");
        let said = pack(&dir.join("r.jsonl"), dir, &host, &output).unwrap();
        assert!(said.starts_with("3 records of made-up on c by r"), "{said}");
        output
    }

    #[test]
    fn what_was_packed_is_a_data_set() {
        let dir = tempfile::tempdir().unwrap();
        let folder = packed(dir.path());
        let mut registry = HardwareRegistry::builtin();
        add_device(&folder, &mut registry).unwrap();
        let load = |nodes, networks| {
            let config = HostConfig { path: folder.clone(), networks, nodes, seed: 0 };
            load(&config, &Describer::builtin().unwrap(), &registry).unwrap()
        };
        let data = load(0, None);
        let families: Vec<&str> = data.graphs.iter().map(|g| g.family.as_str()).collect();
        assert_eq!(families, ["alexnet", "resnet", "squeezenet"]);
        assert_eq!((data.platforms.len(), data.platforms[0].device.as_str()), (1, "made-up"));
        let (records, _) = read(&folder, &registry).unwrap();
        let times: Vec<&f64> = records.rows()[0].nodes_s.values().collect();
        assert!(!times.is_empty() && times.iter().all(|s| (*s * 1e5).fract() < 1e-9 || (*s * 1e5).fract() > 0.999));
        assert_eq!(data.records[1].latency_s, records.rows()[1].latency_s().unwrap());

        assert_eq!((load(0, Some(2)).graphs.len(), load(0, Some(9)).graphs.len()), (2, 3));

        let with_nodes = load(3, None);
        assert_eq!((with_nodes.graphs.len(), with_nodes.records.len()), (12, 12));
        let families: Vec<&str> = with_nodes.graphs[..4].iter().map(|g| g.family.as_str()).collect();
        assert_eq!(families, ["alexnet"; 4]);
        for record in &with_nodes.records[1..4] {
            let graph = &with_nodes.graphs[record.graph].graph;
            assert_eq!((graph.nodes.len(), graph.origins.len(), graph.relations.fathers.n_nodes()), (1, 1, 1));
            let letters: usize = graph.origins[0].iter().map(String::len).sum();
            assert!((record.latency_s / (letters as f64 * 1e-5) - 1.0).abs() < 1e-3, "{}", graph.name);
        }
        // All of a network's nodes together take as long as it does, but for views, which are dropped.
        let all = load(usize::MAX, None);
        let first = all.records.iter().take_while(|r| all.graphs[r.graph].family == "alexnet");
        let times: Vec<f64> = first.map(|r| r.latency_s).collect();
        let share = times[1..].iter().sum::<f64>() / times[0];
        assert!(share > 0.8 && share < 1.0, "{share}");
    }
}
