//! Against 1,629 models of pytorch-image-models, whose files declare every shape. The data is not part of the repository:
//! the test reads `../shared/data/timm` beside the workspace, or the folder that `LEDG_TIMM` names, and passes with a
//! message where there is none.

mod common;

use std::collections::BTreeMap;
use std::io::Read;
use std::io::Write;
use std::path::PathBuf;

use common::Msg;
use ledg_graph::{Graph, ValueKind};
use ledg_onnx::{OnnxOptions, WriteOptions, import_bytes, to_onnx};

fn archive() -> Option<PathBuf> {
    let beside = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/timm");
    let dir = std::env::var_os("LEDG_TIMM").map_or_else(beside, PathBuf::from);
    Some(dir.join("onnx.tar.xz")).filter(|p| p.exists())
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let (mut value, mut shift) = (0, 0);
    loop {
        let (byte, rest) = bytes.split_first().expect("complete");
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        shift += 7;
        if byte & 0x80 == 0 {
            return value;
        }
    }
}

/// The fields of a message that has numbers and nested messages only: the field's number, and its content.
fn fields(mut bytes: &[u8]) -> Vec<(u32, Result<&[u8], u64>)> {
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let key = varint(&mut bytes);
        let content = if key & 7 == 2 {
            let len = varint(&mut bytes) as usize;
            let (content, rest) = bytes.split_at(len);
            bytes = rest;
            Ok(content)
        } else {
            Err(varint(&mut bytes))
        };
        fields.push(((key >> 3) as u32, content));
    }
    fields
}

/// The model without the shapes of its inner values and outputs.
fn without_shapes(model: &[u8]) -> Vec<u8> {
    const GRAPH: u32 = 7;
    let stripped = fields(model).into_iter().fold(Msg::new(), |stripped, (field, content)| match content {
        Ok(graph) if field == GRAPH => stripped.msg(GRAPH, graph_without_shapes(graph)),
        Ok(content) => stripped.bytes(field, content),
        Err(number) => stripped.int(field, number as i64),
    });
    stripped.0
}

fn graph_without_shapes(graph: &[u8]) -> Msg {
    const OUTPUT: u32 = 12;
    const VALUE_INFO: u32 = 13;
    fields(graph).into_iter().fold(Msg::new(), |stripped, (field, content)| match content.expect("nested") {
        _ if field == VALUE_INFO => stripped,
        // Of an output only the name, its first field, stays.
        output if field == OUTPUT => stripped.msg(OUTPUT, Msg::new().bytes(1, fields(output)[0].1.expect("a name"))),
        content => stripped.bytes(field, content),
    })
}

/// The shapes of all values by name.
fn shapes(graph: &Graph) -> BTreeMap<&str, &Option<Vec<u64>>> {
    graph.values().iter().map(|v| (v.name.as_str(), &v.shape)).collect()
}

/// Calls `check` on the name and the bytes of every model; prints a message where there are none.
fn for_every_model(mut check: impl FnMut(&str, Vec<u8>)) {
    let Some(path) = archive() else {
        // Past the test harness's capture, so that whoever runs the tests sees it.
        writeln!(
            std::io::stderr(),
            "skipped: no shared/data/timm/onnx.tar.xz beside the workspace (set LEDG_TIMM to its folder)"
        )
        .expect("stderr is open");
        return;
    };
    let file = std::io::BufReader::new(std::fs::File::open(path).unwrap());
    let mut models = 0;
    let mut archive = tar::Archive::new(lzma_rust2::XzReader::new(file, false));
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let name = entry.path().unwrap().file_name().unwrap().to_string_lossy().into_owned();
        if !name.ends_with(".onnx") {
            continue;
        }
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        check(&name, bytes);
        models += 1;
    }
    assert_eq!(models, 1629);
}

#[test]
fn every_model_imports_and_inference_agrees_with_every_declared_shape() {
    for_every_model(|name, bytes| {
        let bare = without_shapes(&bytes);
        assert!(bare.len() < bytes.len());
        let imported = import_bytes(name, bytes.into(), &OnnxOptions::default()).unwrap();
        // Inference runs on every node; what the files declare differently would be listed.
        assert_eq!(imported.contradictions, [], "{name}");
        assert!(imported.unknown.is_empty());
        let graph = &imported.graph;
        let inputs: Vec<&str> = graph.inputs().iter().map(|&v| graph.value(v).name.as_str()).collect();
        assert_eq!(inputs, ["input"], "{name}: weights must not be taken for data");
        assert!(graph.values().iter().any(|v| v.kind == ValueKind::Weight));
        let bare = import_bytes(name, bare.into(), &OnnxOptions::default()).unwrap();
        assert_eq!(shapes(&bare.graph), shapes(graph), "{name}");
    });
}

/// Models whose files, all written at batch 1, are right at that batch only.
const AT_BATCH_1_ONLY: [(&str, &str); 2] = [
    // Attention over `q.T` of a (batch, tokens) matrix: samples attend to each other.
    ("csatv2", "along different axes"),
    // PyTorch's einsum puts axes of size 1, here the batch, inside the axis that a product sums over.
    ("mvitv2", "no axis of"),
];

#[test]
fn every_model_rescales_to_shapes_that_inference_confirms_and_back() {
    let mut refused = 0;
    for_every_model(|name, bytes| {
        let graph = import_bytes(name, bytes.into(), &OnnxOptions::default()).unwrap().graph;
        let three = match graph.rescale_batch(3) {
            Ok(three) => three,
            Err(error) => {
                let message = error.to_string();
                let known = AT_BATCH_1_ONLY.iter().any(|(model, why)| name.starts_with(model) && message.contains(why));
                assert!(known, "{message}");
                refused += 1;
                return;
            }
        };
        let options = WriteOptions { value_info: true, ..WriteOptions::default() };
        let written = to_onnx(&three, &options).unwrap();
        let read = import_bytes(name, written.into(), &OnnxOptions::default()).unwrap();
        assert_eq!(read.contradictions, [], "{name}");
        let back = three.rescale_batch(1).unwrap();
        // Constants that spell out shapes get new names, and nodes may have been put in.
        let (before, after) = (shapes(&graph), shapes(&back));
        for value in graph.values().iter().filter(|v| v.kind != ValueKind::Constant) {
            assert_eq!(after.get(value.name.as_str()), before.get(value.name.as_str()), "{name}: {}", value.name);
        }
        assert_eq!(back.rescale_batch(3).unwrap().content_hash(), three.content_hash(), "{name}");
    });
    assert!(archive().is_none() || refused == 11, "{refused} models are refused");
}
