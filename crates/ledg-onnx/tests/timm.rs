//! Against 1,629 models of pytorch-image-models, whose files declare every shape. The data is not part of the repository:
//! the test reads `../shared/data/timm` beside the workspace, or the folder that `LEDG_TIMM` names, and passes with a
//! message where there is none.

mod common;

use std::collections::BTreeMap;
use std::io::Read;
use std::path::PathBuf;

use common::Msg;
use ledg_graph::{Graph, ValueKind};
use ledg_onnx::{OnnxOptions, import_bytes};

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

#[test]
fn every_model_imports_and_inference_agrees_with_every_declared_shape() {
    let Some(path) = archive() else {
        println!("skipped: no shared/data/timm/onnx.tar.xz beside the workspace (set LEDG_TIMM to its folder)");
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
        let bare = without_shapes(&bytes);
        assert!(bare.len() < bytes.len());
        let imported = import_bytes(&name, bytes.into(), &OnnxOptions::default()).unwrap();
        // Inference runs on every node; what the files declare differently would be listed.
        assert_eq!(imported.contradictions, [], "{name}");
        assert!(imported.unknown.is_empty());
        let graph = &imported.graph;
        let inputs: Vec<&str> = graph.inputs().iter().map(|&v| graph.value(v).name.as_str()).collect();
        assert_eq!(inputs, ["input"], "{name}: weights must not be taken for data");
        assert!(graph.values().iter().any(|v| v.kind == ValueKind::Weight));
        let bare = import_bytes(&name, bare.into(), &OnnxOptions::default()).unwrap();
        assert_eq!(shapes(&bare.graph), shapes(graph), "{name}");
        models += 1;
    }
    assert_eq!(models, 1629);
}
