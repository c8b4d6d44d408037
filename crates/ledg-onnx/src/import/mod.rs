//! From bytes to a graph: reading and checking here, then a walk over the nodes that infers and folds (`walk.rs`), then
//! the graph (`emit.rs`).

mod attributes;
mod constants;
mod defaults;
mod emit;
mod inline;
mod inputs;
mod operator;
mod order;
mod slots;
mod walk;

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use bytes::Bytes;
use ledg_graph::GraphError;
use prost::Message;

use crate::error::OnnxError;
use crate::options::{Imported, OnnxOptions};
use crate::proto::{GraphProto, ModelProto, OperatorSetIdProto};
use crate::scan::measure;

/// Files below this size are read; larger ones hold weights and are mapped.
const MAP_FROM_BYTES: u64 = 1 << 20;

/// Imports a model from a file. Weights, inside the file or beside it, are not read.
///
/// # Errors
/// As [`import_bytes`], and when the file cannot be read.
pub fn import_file(path: &Path, options: &OnnxOptions) -> Result<Imported, OnnxError> {
    let io = |source| OnnxError::Io { file: path.display().to_string(), source };
    // Asked before opening: a pipe without a writer blocks there, and a device has neither a length nor an end.
    regular(path, &std::fs::metadata(path).map_err(io)?)?;
    let file = std::fs::File::open(path).map_err(io)?;
    let metadata = file.metadata().map_err(io)?;
    regular(path, &metadata)?;
    check_file_size(&path.display().to_string(), metadata.len(), options)?;
    let bytes = if metadata.len() < MAP_FROM_BYTES {
        let mut bytes = Vec::with_capacity(metadata.len() as usize);
        // No more than was checked, should the file grow meanwhile.
        file.take(metadata.len()).read_to_end(&mut bytes).map_err(io)?;
        Bytes::from(bytes)
    } else {
        map(&file).map_err(io)?
    };
    let name = path.file_name().map_or_else(|| path.display().to_string(), |n| n.to_string_lossy().into_owned());
    import(&path.display().to_string(), &name, bytes, options)
}

fn regular(path: &Path, metadata: &std::fs::Metadata) -> Result<(), OnnxError> {
    let file = path.display().to_string();
    if metadata.is_dir() {
        return Err(OnnxError::Io { file, source: std::io::Error::from(std::io::ErrorKind::IsADirectory) });
    }
    if metadata.is_file() { Ok(()) } else { Err(OnnxError::SpecialFile { file }) }
}

#[allow(unsafe_code)]
fn map(file: &std::fs::File) -> std::io::Result<Bytes> {
    // SAFETY: the mapping is read-only and private, and every read of it is bounds-checked; should another process
    // rewrite the file meanwhile, we read other bytes, which decoding treats as untrusted anyway, and should it truncate
    // the file the process gets SIGBUS, as with every mapped file. Only files that hold weights are mapped.
    let mapping = unsafe { memmap2::Mmap::map(file)? };
    Ok(Bytes::from_owner(mapping))
}

/// Imports a model from bytes; `name` becomes the graph's name and names the model in messages.
///
/// Which values are data and which are weights: an initializer is a weight if it holds more than one floating-point
/// number, or quantised weights; other initializers are constants. A graph input is a weight
/// 1. if an operator reads it as a parameter: Conv's kernel and bias, and so on;
/// 2. once one input is a weight by rule 1 (the model was exported without its initializers): data inputs then come
///    first, namely the first input and the integer inputs that follow it. The next floating-point input and all after it
///    are weights, but for those that a convolution, a recurrent or a normalising operator reads as its data.
///
/// [`OnnxOptions::inputs`] overrides both.
///
/// # Errors
/// [`OnnxError`] says what is wrong with the model, with its limits or with the options.
pub fn import_bytes(name: &str, bytes: Bytes, options: &OnnxOptions) -> Result<Imported, OnnxError> {
    check_file_size(name, bytes.len() as u64, options)?;
    import(name, name, bytes, options)
}

fn check_file_size(file: &str, found: u64, options: &OnnxOptions) -> Result<(), OnnxError> {
    let file = file.to_owned();
    if found == 0 {
        return Err(OnnxError::EmptyFile { file });
    }
    let limit = options.max_file_bytes;
    if found > limit {
        return Err(OnnxError::TooLarge { file, what: "the file", found, limit, option: "max_file_bytes" });
    }
    Ok(())
}

fn import(file: &str, name: &str, bytes: Bytes, options: &OnnxOptions) -> Result<Imported, OnnxError> {
    let (model, graph) = decode(file, bytes, options)?;
    let producer = [&model.producer_name, &model.producer_version].into_iter().flatten().map(String::as_str);
    let producer = producer.filter(|s| !s.is_empty()).collect::<Vec<_>>().join(" ");
    let opsets = opsets(&model.opset_import);
    let walked = walk::walk(file, &graph, &model.functions, &opsets, options)?;
    let emitted = emit::emit(file, name, walked, options)?;
    Ok(Imported {
        graph: emitted.graph,
        unknown: emitted.unknown,
        contradictions: emitted.contradictions,
        folded_nodes: emitted.folded_nodes,
        unused_nodes: emitted.unused_nodes,
        opsets,
        producer,
    })
}

/// Measures, checks limits, decodes; the graph is taken out of the model.
fn decode(file: &str, bytes: Bytes, options: &OnnxOptions) -> Result<(ModelProto, GraphProto), OnnxError> {
    let broken = |why: String| OnnxError::Decode { file: file.to_owned(), why };
    let size = measure(&bytes).map_err(broken)?;
    let limit = options.max_structure_bytes;
    if size.structure_bytes > limit {
        return Err(OnnxError::TooLarge {
            file: file.to_owned(),
            what: "the description of the graph",
            found: size.structure_bytes,
            limit,
            option: "max_structure_bytes",
        });
    }
    if size.nodes > options.limits.max_nodes {
        let (graph, found, limit) = (file.to_owned(), size.nodes, options.limits.max_nodes);
        let source = Box::new(GraphError::Limit { graph, what: "nodes", found, limit });
        return Err(OnnxError::Graph { file: file.to_owned(), source });
    }
    let mut model = ModelProto::decode(bytes).map_err(|e| broken(e.to_string()))?;
    let graph = model.graph.take().ok_or_else(|| broken("it has no graph".to_owned()))?;
    if graph.node.is_empty() && model.opset_import.is_empty() && model.ir_version.is_none() {
        return Err(broken("it has no version, no operator set and no nodes".to_owned()));
    }
    Ok((model, graph))
}

/// Domain to version; ONNX's own domain is the empty name.
pub(crate) fn opsets(imports: &[OperatorSetIdProto]) -> BTreeMap<String, i64> {
    let domain = |o: &OperatorSetIdProto| attributes::normal_domain(o.domain.as_deref()).to_owned();
    imports.iter().map(|o| (domain(o), o.version.unwrap_or(1))).collect()
}
