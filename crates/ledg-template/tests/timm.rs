//! All of timm's graphs, if the shared data are there: multiply-adds against the published table, every node known.

use std::collections::BTreeMap;
use std::io::Read;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use ledg_onnx::{OnnxOptions, import_bytes};
use ledg_template::{GraphCosts, LowerOptions, TemplateSet};

fn data() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/timm");
    folder.join("onnx.tar.xz").exists().then_some(folder)
}

/// The files of the archive, unpacked in memory one after another by `tar`.
fn for_each_file(archive: &Path, mut visit: impl FnMut(&str, Vec<u8>)) {
    let mut tar = Command::new("tar")
        .args(["-xJf", &archive.to_string_lossy(), "--to-command"])
        // Each member is written as: name, newline, size, newline, bytes.
        .arg("printf '%s\\n%s\\n' \"$TAR_FILENAME\" \"$TAR_SIZE\"; cat")
        .stdout(Stdio::piped())
        .spawn()
        .expect("tar runs");
    let mut all = Vec::new();
    tar.stdout.take().expect("piped").read_to_end(&mut all).expect("tar's output");
    assert!(tar.wait().expect("tar ends").success());
    let mut rest = all.as_slice();
    let line = |rest: &mut &[u8]| {
        let end = rest.iter().position(|&b| b == b'\n').expect("a line");
        let text = String::from_utf8(rest[..end].to_vec()).expect("text");
        *rest = &rest[end + 1..];
        text
    };
    while !rest.is_empty() {
        let name = line(&mut rest);
        let size: usize = line(&mut rest).parse().expect("a size");
        let (bytes, after) = rest.split_at(size);
        rest = after;
        if name.ends_with(".onnx") {
            visit(name.rsplit('/').next().expect("a name"), bytes.to_vec());
        }
    }
}

#[test]
fn timm() {
    let Some(folder) = data() else {
        // Past the test harness's capture, so that whoever runs the tests sees it.
        writeln!(std::io::stderr(), "skipped: ../shared/data/timm is not there").expect("stderr is open");
        return;
    };
    let table = std::fs::read_to_string(folder.join("graphs.csv")).expect("graphs.csv");
    // graph,model,img_size,reparam,family,nodes,bytes,gmacs,params_m,latency_rows
    let gmacs: BTreeMap<&str, f64> = table
        .lines()
        .skip(1)
        .map(|line| line.split(',').collect::<Vec<_>>())
        .map(|row| (row[0], row[7].parse().expect("a number")))
        .collect();
    let templates = TemplateSet::builtin().expect("built-in templates");
    let (mut n, mut before, mut after) = (0, 0, 0);
    let mut sentences: BTreeMap<String, usize> = BTreeMap::new();
    for_each_file(&folder.join("onnx.tar.xz"), |name, bytes| {
        let graph = import_bytes(name, bytes.into(), &OnnxOptions::default()).unwrap_or_else(|e| panic!("{e}")).graph;
        let lowered = templates.lower(&graph, &LowerOptions::default()).unwrap_or_else(|e| panic!("{e}"));
        let nodes = templates.describe(&lowered);
        let costs = GraphCosts::of(&nodes);
        assert_eq!(costs.n_unknown, 0, "{name}");
        assert!(nodes.iter().all(|n| n.features.iter().all(|f| f.is_finite())), "{name}");
        // No original node is counted twice.
        let mut origins: Vec<&String> = lowered.origins.iter().flatten().collect();
        let named = origins.len();
        origins.sort_unstable();
        origins.dedup();
        assert_eq!(origins.len(), named, "{name}");
        // The table leaves recurrent cells out (three graphs have them).
        let recurrent: f64 = nodes.iter().filter(|n| n.class == "Recur").map(|n| n.macs).sum();
        let share = (costs.macs() - recurrent) / (gmacs[name] * 1e9);
        assert!((share - 1.0).abs() < 0.01, "{name}: {share} times the table's multiply-adds");
        n += 1;
        before += graph.nodes().len();
        after += nodes.len();
        nodes.into_iter().for_each(|n| *sentences.entry(n.sentence).or_default() += 1);
    });
    assert_eq!(n, gmacs.len());
    eprintln!("{n} graphs, nodes a graph {} -> {}, {} distinct sentences", before / n, after / n, sentences.len());
}
