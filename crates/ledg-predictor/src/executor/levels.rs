//! Which nodes of a graph no layer can tell apart, layer by layer.
//!
//! A node's *colour* at level 0 is a hash of all that the model is told of it; at level l it adds the colours of the nodes
//! that layer l lets it hear. Nodes of equal colour have equal vectors after that layer, in this graph and in any other,
//! so a colour is the key under which a row is computed once. (Compare `quotient`, which has one partition for all layers.)
//!
//! **Invariant:** what determines a colour determines the row, up to a collision of 64-bit hashes.

use std::hash::{BuildHasher, Hasher};

use foldhash::quality::FixedState;
use ledg_graph::{EdgeList, Relations};
use pulp::bytemuck::cast_slice;

use crate::config::Attention;
use crate::input::{GraphInput, NodeInput};

/// The edge lists that attention uses, without the identity.
pub(crate) struct Masks<'a> {
    pub lists: Vec<std::borrow::Cow<'a, EdgeList>>,
    pub fathers: &'a EdgeList,
    attention: Attention,
}

impl<'a> Masks<'a> {
    pub fn new(relations: &'a Relations, attention: Attention) -> Self {
        use std::borrow::Cow::{Borrowed, Owned};
        let lists = match attention {
            Attention::Dgsa | Attention::Fixed => {
                vec![Borrowed(&relations.grandfathers), Borrowed(&relations.fathers), Borrowed(&relations.sons)]
            }
            Attention::NnFormer => vec![
                Borrowed(&relations.sons),
                Borrowed(&relations.fathers),
                Owned(relations.siblings_by_father()),
                Owned(relations.siblings_by_son()),
            ],
            Attention::Global | Attention::None => Vec::new(),
        };
        Masks { lists, fathers: &relations.fathers, attention }
    }

    /// Whether every node hears every node.
    pub fn global(&self) -> bool {
        self.attention == Attention::Global
    }
}

const NODE: FixedState = FixedState::with_seed(0x6c65_6467_6e6f_6465);
const ROUND: FixedState = FixedState::with_seed(0x6c65_6467_7275_6e64);

/// Colours at level 0, appended to `colours`.
pub(crate) fn node_colours(graph: &GraphInput, colours: &mut Vec<u64>) {
    // Sentences are shared between nodes; the last one hashed is remembered, and neighbours often have the same.
    let mut known: Vec<(*const f32, u64)> = Vec::with_capacity(64);
    colours.extend(graph.nodes.iter().map(|node| {
        let key = node.sentence.as_ptr();
        let sentence = match known.iter().rev().find(|(k, _)| *k == key) {
            Some((_, hash)) => *hash,
            None => {
                let hash = NODE.hash_one(cast_slice::<f32, u8>(&node.sentence));
                known.push((key, hash));
                hash
            }
        };
        node_colour(node, sentence)
    }));
}

fn node_colour(node: &NodeInput, sentence: u64) -> u64 {
    let m = &node.magnitudes;
    let mut hasher = NODE.build_hasher();
    hasher.write_u64(sentence);
    hasher.write(cast_slice(&node.features));
    hasher.write(cast_slice(&[m.flops, m.read_elems, m.write_elems, m.weight_elems]));
    hasher.write_u8(u8::from(node.contraction));
    hasher.finish()
}

/// Colours of the next level from those of this one, appended to `next`.
pub(crate) fn refine(colours: &[u64], masks: &Masks<'_>, next: &mut Vec<u64>) {
    let mut heard: Vec<u64> = Vec::with_capacity(16);
    if masks.global() {
        heard.extend_from_slice(colours);
        heard.sort_unstable();
        let all = ROUND.hash_one(cast_slice::<u64, u8>(&heard));
        next.extend(colours.iter().map(|&own| ROUND.hash_one([own, all])));
        return;
    }
    next.extend((0..colours.len()).map(|i| {
        heard.clear();
        heard.push(colours[i]);
        // Where dynamic weights are in use their fathers are a mask already.
        for list in &masks.lists {
            let from = heard.len();
            heard.extend(list.row(i).iter().map(|&j| colours[j as usize]));
            heard[from..].sort_unstable();
            heard.push(from as u64);
        }
        ROUND.hash_one(cast_slice::<u64, u8>(&heard))
    }));
}
