//! Search spaces and families with parameters: networks by the thousand, each from a few numbers.
//!
//! **Invariant:** the same description gives the same graph; what a description cannot mean is an error that quotes it.

pub mod accel_nasbench;
pub mod families;
pub mod fbnet;
pub mod nasbench101;
pub mod nasbench201;
pub mod operators;

use std::collections::BTreeMap;

use ledg_graph::Graph;
use ledg_onnx::{OnnxOptions, WriteOptions, import_bytes, to_onnx};

use crate::ZooError;
use crate::net::Net;

/// Writes a network down and reads it back, as every graph of the zoo: what a user's file of it gives.
pub(crate) fn imported(name: &str, generate: impl FnOnce(&mut Net) -> Result<(), ZooError>) -> Result<Graph, ZooError> {
    let net = Net::new(name, BTreeMap::new());
    imported_from(name, net, generate)
}

/// The same, into a net that was begun.
pub(crate) fn imported_from(
    name: &str,
    mut net: Net,
    generate: impl FnOnce(&mut Net) -> Result<(), ZooError>,
) -> Result<Graph, ZooError> {
    generate(&mut net)?;
    let graph = net.finish()?;
    let bytes = to_onnx(&graph, &WriteOptions::default())?;
    // Single operators are too short for the importer to tell weights by their use.
    let inputs = graph.inputs().iter().map(|&v| graph.value(v).name.clone()).collect();
    Ok(import_bytes(name, bytes.into(), &OnnxOptions { inputs: Some(inputs), ..OnnxOptions::default() })?.graph)
}

/// An error about a description of a network.
pub(crate) fn bad(space: &'static str, text: &str, why: impl Into<String>) -> ZooError {
    ZooError::BadArchitecture { space, text: text.to_owned(), why: why.into() }
}
