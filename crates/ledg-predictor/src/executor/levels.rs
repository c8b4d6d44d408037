//! Which nodes of a graph no layer can tell apart, layer by layer.
//!
//! A node's *colour* at level 0 is a hash of all that the model is told of it; at level l it adds the colours of the nodes
//! that layer l lets it hear. Nodes of equal colour have equal vectors after that layer, in this graph and in any other,
//! so a colour is the key under which a row is computed once. (Compare `quotient`, which has one partition for all layers.)
//!
//! **Invariant:** what determines a colour determines the row, up to a collision of 64-bit hashes.

use std::borrow::{Borrow, Cow};
use std::hash::{BuildHasher, Hasher};

use foldhash::quality::FixedState;
use ledg_graph::{EdgeList, Relations};
use pulp::bytemuck::cast_slice;

use crate::config::Attention;
use crate::input::NodeInput;

/// Whom nodes hear: by the relations of a graph, or of one that is patched.
pub(crate) trait Wiring {
    /// Number of masks that are lists, in the order in which the dynamic weights number them.
    fn n_lists(&self) -> usize;
    /// Whom a node hears through a mask, the node itself left out.
    fn list(&self, mask: usize, node: usize) -> &[u32];
    /// A node's fathers.
    fn fathers(&self, node: usize) -> &[u32];
    /// Whether every node hears every node.
    fn global(&self) -> bool;
}

/// The edge lists that attention uses, without the identity.
pub(crate) struct Masks<'a> {
    lists: [Option<Cow<'a, EdgeList>>; MAX_MASKS],
    fathers: &'a EdgeList,
    attention: Attention,
}

impl<'a> Masks<'a> {
    pub fn new(relations: &'a Relations, attention: Attention) -> Self {
        let given = |list| Some(Cow::Borrowed(list));
        let lists = match attention {
            Attention::Dgsa | Attention::Fixed => {
                [given(&relations.grandfathers), given(&relations.fathers), given(&relations.sons), None]
            }
            Attention::NnFormer => [
                given(&relations.sons),
                given(&relations.fathers),
                Some(Cow::Owned(relations.siblings_by_father())),
                Some(Cow::Owned(relations.siblings_by_son())),
            ],
            Attention::Global | Attention::None => [None, None, None, None],
        };
        Masks { lists, fathers: &relations.fathers, attention }
    }
}

impl Wiring for Masks<'_> {
    fn n_lists(&self) -> usize {
        self.lists.iter().flatten().count()
    }

    fn list(&self, mask: usize, node: usize) -> &[u32] {
        self.lists[mask].as_ref().map_or(&[], |list| list.row(node))
    }

    fn fathers(&self, node: usize) -> &[u32] {
        self.fathers.row(node)
    }

    fn global(&self) -> bool {
        self.attention == Attention::Global
    }
}

/// Most masks an attention has (NN-Former's).
pub(crate) const MAX_MASKS: usize = 4;

const NODE: FixedState = FixedState::with_seed(0x6c65_6467_6e6f_6465);
const ROUND: FixedState = FixedState::with_seed(0x6c65_6467_7275_6e64);

/// Colours at level 0, appended to `colours`; `known` is scratch memory.
pub(crate) fn node_colours<N: Borrow<NodeInput>>(nodes: &[N], known: &mut Vec<(usize, u64)>, colours: &mut Vec<u64>) {
    // Equal sentences share one vector within a graph, so few are hashed.
    known.clear();
    colours.extend(nodes.iter().map(|node| {
        let node = node.borrow();
        let key = node.sentence.as_ptr().addr();
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
    hasher.write(cast_slice(&m.traffic.numbers()));
    hasher.write_u8(u8::from(node.contraction));
    hasher.finish()
}

/// Colours of the next level from those of this one, appended to `next`; `heard` is scratch memory.
pub(crate) fn refine(colours: &[u64], masks: &impl Wiring, heard: &mut Vec<u64>, next: &mut Vec<u64>) {
    if masks.global() {
        heard.clear();
        heard.extend_from_slice(colours);
        heard.sort_unstable();
        let all = ROUND.hash_one(cast_slice::<u64, u8>(heard));
        next.extend(colours.iter().map(|&own| ROUND.hash_one([own, all])));
        return;
    }
    next.extend((0..colours.len()).map(|i| refined(i, colours, masks, heard)));
}

/// The colour of one node at the next level, where nodes hear neighbours alone.
pub(crate) fn refined(node: usize, colours: &[u64], masks: &impl Wiring, heard: &mut Vec<u64>) -> u64 {
    heard.clear();
    heard.push(colours[node]);
    // Where dynamic weights are in use their fathers are a mask already.
    for mask in 0..masks.n_lists() {
        let from = heard.len();
        heard.extend(masks.list(mask, node).iter().map(|&j| colours[j as usize]));
        heard[from..].sort_unstable();
        heard.push(from as u64);
    }
    ROUND.hash_one(cast_slice::<u64, u8>(heard))
}
