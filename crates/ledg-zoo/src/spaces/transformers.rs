//! Transformers of any size: ViT, BERT, GPT-2, OPT, and decoders of Llama's kind.

use ledg_graph::Graph;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

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

/// A transformer drawn by a seed, and the input to read: kinds in turn, widths of whole heads of 64.
pub fn random(seed: u64) -> (Transformer, ZooConfig) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let heads = rng.random_range(3..=20);
    let (hidden, layers) = (64 * heads, rng.random_range(2..=24));
    let text = TextSizes { hidden, heads, layers, vocabulary: 30_522, positions: 1024 };
    let kv_heads = *(1..=heads).filter(|k| heads % k == 0).collect::<Vec<_>>().choose(&mut rng).unwrap_or(&heads);
    let inner = hidden * rng.random_range(2..=4);
    let llama = LlamaSizes { hidden, heads, kv_heads, layers, inner, vocabulary: 32_000, positions: 4096 };
    let transformer = match seed % 6 {
        0 => Transformer::Vit(VitSizes { hidden, heads, layers, patch: [14, 16, 32][rng.random_range(0..3)] }),
        1 => Transformer::Bert(text),
        2 => Transformer::Gpt2(text),
        3 => Transformer::Opt(text),
        4 => Transformer::Llama(llama, Phase::Prefill),
        _ => Transformer::Llama(llama, Phase::Decode),
    };
    (transformer, ZooConfig { sequence: 1 << rng.random_range(4..=10), ..ZooConfig::default() })
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
