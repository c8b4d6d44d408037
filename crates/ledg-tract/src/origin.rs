//! From a node of an optimised plan back to the typed convolution that it carries out.
//!
//! Optimisation turns convolutions into matrix products and drops the window. Names keep a prefix of their origin, of the
//! product itself or, where it took over the name of what was fused into it, of the operands that were packed for it.
//! **Invariant:** a name alone proves nothing: an origin counts only if it has the same number of multiply-adds.

use std::collections::HashMap;

use tract_core::internal::*;
use tract_core::ops::cnn::Conv;
use tract_core::ops::cnn::deconv::Deconv;

use crate::facts::Facts;
use crate::product::{Product, product};

/// How far up the operands their names are looked at: a product's packer, what feeds it, and a reshape in between.
const DEPTH: usize = 3;

/// Convolutions of typed models by name.
#[derive(Default)]
pub(crate) struct Origins(HashMap<String, Vec<Product>>);

impl Origins {
    /// Takes up the convolutions of a model.
    pub fn add(&mut self, facts: &Facts<'_>) {
        for node in facts.model.nodes() {
            if (node.op_is::<Conv>() || node.op_is::<Deconv>())
                && let Some(found) = product(facts, node)
            {
                self.0.entry(node.name.clone()).or_default().push(found);
            }
        }
    }

    /// The convolution that a contraction carries out, by the names around it and its multiply-adds.
    pub fn of(&self, model: &TypedModel, node: &TypedNode, macs: u64) -> Option<&Product> {
        if self.0.is_empty() {
            return None;
        }
        let mut level = vec![node.id];
        for _ in 0..=DEPTH {
            let found = level.iter().find_map(|&id| self.by_prefix(&model.node(id).name, macs));
            if found.is_some() {
                return found;
            }
            level = level.iter().flat_map(|&id| model.node(id).inputs.iter().map(|i| i.node)).collect();
        }
        None
    }

    /// The longest prefix of a name, cut at dots, that names a convolution with as many multiply-adds.
    fn by_prefix(&self, name: &str, macs: u64) -> Option<&Product> {
        let cuts = std::iter::once(name.len()).chain(name.rmatch_indices('.').map(|(at, _)| at));
        cuts.filter_map(|end| self.0.get(&name[..end])).flatten().find(|p| p.macs() == macs)
    }
}
