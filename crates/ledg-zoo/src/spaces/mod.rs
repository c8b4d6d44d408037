//! Search spaces and families with parameters: networks by the thousand, each from a few numbers.
//!
//! **Invariant:** the same description gives the same graph; what a description cannot mean is an error that quotes it.

pub mod accel_nasbench;
pub mod cell;
pub mod families;
pub mod fbnet;
pub mod nasbench101;
pub mod nasbench201;
pub mod operators;
pub mod transformers;

use std::collections::BTreeMap;

use ledg_graph::Graph;

use crate::net::Net;
use crate::{ZooError, read_back};

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
    read_back(name, &net.finish()?)
}

/// An error about a description of a network.
pub(crate) fn bad(space: &'static str, text: &str, why: impl Into<String>) -> ZooError {
    ZooError::BadArchitecture { space, text: text.to_owned(), why: why.into() }
}
