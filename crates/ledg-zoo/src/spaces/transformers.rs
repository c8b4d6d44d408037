//! Transformers of any size: ViT, BERT, GPT-2, OPT, and decoders of Llama's kind.

use ledg_graph::Graph;

use super::{bad, imported};
use crate::text::{bert, gpt2, opt};
use crate::vit::vit;
use crate::{ZooConfig, ZooError};

pub use crate::llama::{LlamaSizes, Phase};
pub use crate::text::TextSizes;
pub use crate::vit::VitSizes;

/// A transformer. Batch, image and sequence come from a [`ZooConfig`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Transformer {
    /// A Vision Transformer.
    Vit(VitSizes),
    /// An encoder on text.
    Bert(TextSizes),
    /// A decoder on text, whole sequences.
    Gpt2(TextSizes),
    /// The same with separate projections and ReLU.
    Opt(TextSizes),
    /// A decoder of Llama's kind.
    Llama(LlamaSizes, Phase),
}

/// The network of a transformer.
///
/// # Errors
/// [`ZooError::BadSize`] for sizes that do not fit each other, [`ZooError::BadArchitecture`] for an empty input.
pub fn build(name: &str, transformer: &Transformer, config: &ZooConfig) -> Result<Graph, ZooError> {
    if config.batch == 0 || config.image == 0 || config.sequence == 0 {
        return Err(bad("transformers", &format!("{config:?}"), "batch, image and sequence are at least 1"));
    }
    imported(name, |net| match transformer {
        Transformer::Vit(sizes) => vit(net, config, "vit", sizes),
        Transformer::Bert(sizes) => bert(net, config, "bert", sizes),
        Transformer::Gpt2(sizes) => gpt2(net, config, "gpt2", sizes),
        Transformer::Opt(sizes) => opt(net, config, "opt", sizes),
        Transformer::Llama(sizes, phase) => crate::llama::llama(net, config, "llama", sizes, *phase),
    })
}
