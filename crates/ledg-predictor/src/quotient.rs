//! Merging nodes that no layer of the model can tell apart.
//!
//! Repeated blocks make most nodes of a network copies of each other. Colour refinement (Weisfeiler-Lehman) over the
//! masks that attention uses, run for as many rounds as the model has layers, gives classes of nodes whose vectors are
//! equal after every layer; one representative a class is computed and counted as often as it stands for. This is exact,
//! not an approximation: a layer sees a node's own vector and its neighbours', and attention over a class that stands
//! for `c` equal neighbours is attention with `ln c` added to the logit.
//!
//! **Invariant:** a quotient graph gives the same latency as the graph it came from, up to rounding.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use ledg_graph::{EdgeList, Relations};

use crate::config::Attention;
use crate::edges::WeightedEdges;
use crate::error::{PredictorError, Result};
use crate::input::{GraphInput, NodeInput};

/// A graph with structurally identical nodes merged, ready for batching.
///
/// ```
/// use ledg_graph::{EdgeList, Magnitudes, Relations};
/// use ledg_predictor::{Attention, GraphInput, NodeInput, QuotientGraph};
///
/// // Three equal nodes in a row.
/// let node = NodeInput {
///     sentence: [1.0, 2.0].into(),
///     features: vec![0.5],
///     magnitudes: Magnitudes { flops: 1e6, ..Magnitudes::default() },
///     contraction: false,
/// };
/// let fathers = EdgeList::from_rows(vec![vec![], vec![0], vec![1]]);
/// let graph = GraphInput { nodes: vec![node; 3], relations: Relations::from_fathers(fathers) };
///
/// // Without attention they are one; a layer that hears neighbours tells first, middle and last apart.
/// assert_eq!(QuotientGraph::new(&graph, Attention::None, 1)?.counts, [3.0]);
/// assert_eq!(QuotientGraph::new(&graph, Attention::Dgsa, 1)?.class_of, [0, 1, 2]);
/// # Ok::<(), ledg_predictor::PredictorError>(())
/// ```
#[derive(Debug, Clone)]
pub struct QuotientGraph {
    /// One representative a class, in order of first appearance.
    pub nodes: Vec<NodeInput>,
    /// How many nodes each class stands for.
    pub counts: Vec<f32>,
    /// The class of each original node.
    pub class_of: Vec<u32>,
    /// One edge list a mask of the attention in use, without the identity.
    pub masks: Vec<WeightedEdges>,
    /// Fathers, for the dynamic weights.
    pub fathers: WeightedEdges,
}

impl QuotientGraph {
    /// Merges what `n_layers` layers of that attention cannot tell apart.
    ///
    /// # Errors
    /// [`PredictorError::NotFinite`] if a number of a node is NaN or infinite.
    pub fn new(graph: &GraphInput, attention: Attention, n_layers: usize) -> Result<Self> {
        let n = graph.nodes.len();
        for (node, input) in graph.nodes.iter().enumerate() {
            if input.features.iter().any(|x| !x.is_finite()) {
                return Err(PredictorError::NotFinite { what: "a feature", node });
            }
            let m = &input.magnitudes;
            if [m.flops, m.read_elems, m.write_elems, m.weight_elems]
                .iter()
                .chain(&m.traffic.numbers())
                .any(|x| !x.is_finite() || *x < 0.0)
            {
                return Err(PredictorError::NotFinite { what: "a magnitude", node });
            }
        }
        let masks = masks_of(&graph.relations, attention);
        let fathers = &graph.relations.fathers;
        let mut colours: Vec<u64> = graph.nodes.iter().map(node_colour).collect();
        for _ in 0..n_layers {
            colours = refine(&colours, &masks, fathers, attention);
        }
        let mut classes: HashMap<u64, u32> = HashMap::with_capacity(n);
        let mut representatives = Vec::new();
        let mut counts: Vec<f32> = Vec::new();
        let mut class_of = Vec::with_capacity(n);
        for (i, &colour) in colours.iter().enumerate() {
            let class = *classes.entry(colour).or_insert_with(|| {
                representatives.push(i);
                counts.push(0.0);
                (representatives.len() - 1) as u32
            });
            counts[class as usize] += 1.0;
            class_of.push(class);
        }
        let project = |edges: &EdgeList| {
            WeightedEdges::from_rows(representatives.iter().map(|&r| {
                let mut row: Vec<u32> = edges.row(r).iter().map(|&j| class_of[j as usize]).collect();
                row.sort_unstable();
                row.chunk_by(|a, b| a == b).map(|run| (run[0], run.len() as f32)).collect()
            }))
        };
        let masks = match attention {
            // Every class sees every class; the identity that attention adds accounts for one count of its own.
            Attention::Global => vec![WeightedEdges::from_rows((0..counts.len()).map(|i| {
                let others = counts.iter().enumerate().map(|(j, &c)| (j as u32, if i == j { c - 1.0 } else { c }));
                others.filter(|&(_, c)| c > 0.0).collect()
            }))],
            _ => masks.iter().map(&project).collect(),
        };
        Ok(QuotientGraph {
            fathers: project(fathers),
            nodes: representatives.iter().map(|&r| graph.nodes[r].clone()).collect(),
            counts,
            class_of,
            masks,
        })
    }
}

/// The masks of an attention, without the identity. Global attention has none here: see [`QuotientGraph::new`].
fn masks_of(relations: &Relations, attention: Attention) -> Vec<EdgeList> {
    match attention {
        Attention::Dgsa | Attention::Fixed => {
            vec![relations.grandfathers.clone(), relations.fathers.clone(), relations.sons.clone()]
        }
        Attention::NnFormer => vec![
            relations.sons.clone(),
            relations.fathers.clone(),
            relations.siblings_by_father(),
            relations.siblings_by_son(),
        ],
        Attention::Global | Attention::None => Vec::new(),
    }
}

/// The colour of a node before any layer: all that the model is told of it.
fn node_colour(node: &NodeInput) -> u64 {
    let mut hasher = DefaultHasher::new();
    // Equal sentences share one vector, so its address would do; its bits also hold for vectors built apart.
    node.sentence.iter().for_each(|x| x.to_bits().hash(&mut hasher));
    node.features.iter().for_each(|x| x.to_bits().hash(&mut hasher));
    let m = &node.magnitudes;
    [m.flops, m.read_elems, m.write_elems, m.weight_elems]
        .iter()
        .chain(&m.traffic.numbers())
        .for_each(|x| x.to_bits().hash(&mut hasher));
    node.contraction.hash(&mut hasher);
    hasher.finish()
}

/// One round: a node's colour and the sorted colours of its neighbours by mask.
fn refine(colours: &[u64], masks: &[EdgeList], fathers: &EdgeList, attention: Attention) -> Vec<u64> {
    if matches!(attention, Attention::Global | Attention::None) {
        // Global attention sees the same multiset of nodes everywhere; no attention sees nothing.
        return colours.to_vec();
    }
    let mut neighbours = Vec::new();
    (0..colours.len())
        .map(|i| {
            let mut hasher = DefaultHasher::new();
            colours[i].hash(&mut hasher);
            for edges in masks.iter().chain([fathers]) {
                neighbours.clear();
                neighbours.extend(edges.row(i).iter().map(|&j| colours[j as usize]));
                neighbours.sort_unstable();
                neighbours.hash(&mut hasher);
            }
            hasher.finish()
        })
        .collect()
}
