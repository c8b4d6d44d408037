//! From a graph to what the predictor takes: rescale to one sample, lower, describe, embed.

use std::borrow::Cow;
use std::sync::Arc;

use ledg_encoder::Encoder;
use ledg_graph::{ContentHash, Graph, GraphError, Magnitudes, Relations};
use ledg_predictor::{GraphInput, NodeInput, Normalization};
use ledg_template::{GraphView, LowerOptions, N_FEATURES, NodeDescription, TemplateSet};

use crate::error::Result;

/// A graph in words and numbers, independent of any model's weights. Magnitudes are those of `unit` samples.
#[derive(Debug, Clone)]
pub struct DescribedGraph {
    /// Name of the graph.
    pub name: String,
    /// Content hash of the graph as it was given.
    pub hash: ContentHash,
    /// Batch size of the graph as it was given: dimension 0 of its inputs, 1 if they do not agree on one.
    pub batch: u64,
    /// Samples that the magnitudes are of: 1, or `batch` where the graph could not be rescaled or is a compiled plan.
    pub unit: u64,
    /// How the graph's cost follows the batch size.
    pub scaling: BatchScaling,
    /// The nodes that cost something, in topological order.
    pub nodes: Vec<NodeDescription>,
    /// Names of the given graph's nodes that each node stands for.
    pub origins: Vec<Vec<String>>,
    /// Relations between the nodes.
    pub relations: Relations,
}

/// How a graph's cost follows the batch size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BatchScaling {
    /// The batch dimension was followed through every node.
    Followed,
    /// The inputs have a batch dimension, but it is lost on the way: work is taken to be in proportion to the batch.
    Proportional {
        /// Where it is lost.
        why: String,
    },
    /// The inputs agree on no batch dimension, or the graph is a compiled plan: it is known as it is, at no other batch size.
    Fixed {
        /// What is missing.
        why: String,
    },
}

impl BatchScaling {
    /// Why the batch dimension could not be followed.
    pub fn why(&self) -> Option<&str> {
        match self {
            BatchScaling::Followed => None,
            BatchScaling::Proportional { why } | BatchScaling::Fixed { why } => Some(why),
        }
    }
}

/// Turns graphs into words and numbers by a set of templates.
#[derive(Clone)]
pub struct Describer {
    templates: Arc<TemplateSet>,
    options: LowerOptions,
}

impl Describer {
    /// With the built-in templates and default lowering.
    ///
    /// # Errors
    /// Only if the built-in templates do not parse, which a test excludes.
    pub fn builtin() -> Result<Self> {
        Ok(Describer { templates: Arc::new(TemplateSet::builtin()?), options: LowerOptions::default() })
    }

    /// With other templates or lowering.
    pub fn new(templates: TemplateSet, options: LowerOptions) -> Self {
        Describer { templates: Arc::new(templates), options }
    }

    /// The templates in use.
    pub fn templates(&self) -> &TemplateSet {
        &self.templates
    }

    /// Describes a graph.
    ///
    /// A graph whose batch dimension cannot be followed is described as it is; see [`BatchScaling`].
    ///
    /// # Errors
    /// What the templates refuse.
    pub fn describe(&self, graph: &Graph) -> Result<DescribedGraph> {
        let leading = leading_dimension(graph);
        let (single, unit, scaling) = if self.templates.is_plan(graph) {
            let why = "a compiled plan is made for one batch size".to_owned();
            (Cow::Borrowed(graph), leading.unwrap_or(1), BatchScaling::Fixed { why })
        } else {
            match (rescaled(graph), leading) {
                (Ok(single), _) => (single, 1, BatchScaling::Followed),
                (Err(error), Some(own)) => {
                    (Cow::Borrowed(graph), own, BatchScaling::Proportional { why: error.to_string() })
                }
                (Err(error), None) => (Cow::Borrowed(graph), 1, BatchScaling::Fixed { why: error.to_string() }),
            }
        };
        let view = GraphView::from(&*single);
        let lowering = self.templates.lower_view(&view, self.templates.op_ids(&view), &self.options)?;
        Ok(DescribedGraph {
            name: graph.name().to_owned(),
            hash: graph.content_hash(),
            batch: leading.unwrap_or(1),
            unit,
            scaling,
            nodes: self.templates.describe_view(&lowering),
            origins: (0..lowering.n_kept()).map(|row| lowering.names(row)).collect(),
            relations: lowering.relations,
        })
    }

    /// How graphs are lowered.
    pub(crate) fn options(&self) -> &LowerOptions {
        &self.options
    }
}

/// The graph at batch 1, which most graphs have already.
fn rescaled(graph: &Graph) -> std::result::Result<Cow<'_, Graph>, GraphError> {
    match graph.batch_axes()?.batch {
        1 => Ok(Cow::Borrowed(graph)),
        _ => graph.rescale_batch(1).map(Cow::Owned),
    }
}

/// Dimension 0 of the graph's inputs, if they have one and agree on it.
fn leading_dimension(graph: &Graph) -> Option<u64> {
    let mut leading = graph.inputs().iter().filter_map(|&v| graph.value(v).shape.as_ref()?.first().copied());
    let first = leading.next().filter(|&d| d > 0)?;
    leading.all(|d| d == first).then_some(first)
}

impl DescribedGraph {
    /// The distinct sentences of the graph, in order of first appearance.
    pub fn sentences(&self) -> Vec<&str> {
        let mut seen = std::collections::HashSet::new();
        self.nodes.iter().map(|n| n.sentence.as_str()).filter(|s| seen.insert(*s)).collect()
    }

    /// Magnitudes of `unit` samples, summed over the nodes.
    pub fn magnitudes(&self) -> Magnitudes {
        self.nodes.iter().map(|n| n.magnitudes).sum()
    }

    /// Multiply-adds of `unit` samples in contractions: convolutions, matrix products, recurrences, attention.
    pub fn macs(&self) -> f64 {
        self.nodes.iter().map(|n| n.macs).sum()
    }

    /// The predictor's input: sentences embedded, numbers standardised.
    ///
    /// # Errors
    /// What the encoder refuses: a sentence that is too long.
    pub fn input(&self, encoder: &Encoder, normalization: &Normalization) -> Result<GraphInput> {
        let sentences = self.sentences();
        let vectors = encoder.embed(&sentences)?;
        let standardised = vectors.iter().map(|v| Arc::<[f32]>::from(normalization.sentence.apply(v)));
        let by_sentence: std::collections::HashMap<&str, Arc<[f32]>> =
            sentences.iter().copied().zip(standardised).collect();
        let ordered = reads_operand_order(normalization).then(|| self.numbers(true));
        let nodes = self.nodes.iter().enumerate().map(|(i, node)| NodeInput {
            sentence: Arc::clone(&by_sentence[node.sentence.as_str()]),
            features: normalization.features.apply(ordered.as_ref().map_or(&node.features[..], |rows| &rows[i])),
            magnitudes: node.magnitudes,
            contraction: node.macs > 0.0,
        });
        Ok(GraphInput { nodes: nodes.collect(), relations: self.relations.clone() })
    }

    /// The numbers of every node as a model reads them: `N_FEATURES` of the node itself and, where `operand_order` says so, where it
    /// stands among the operands of its readers.
    ///
    /// That one is the mean over the readers of two operands or more: 1 where the node is the last of them to run, -1 where it is not; 0
    /// without such a reader. Masks are sets and do not tell, but a compiler that fuses an addition into the convolution that runs
    /// last does.
    pub fn numbers(&self, operand_order: bool) -> Vec<Vec<f32>> {
        let mut rows: Vec<Vec<f32>> = self.nodes.iter().map(|node| node.features.to_vec()).collect();
        if operand_order {
            let order = operand_order_of(&self.relations, self.nodes.len());
            rows.iter_mut().zip(order).for_each(|(row, place)| row.push(place));
        }
        rows
    }
}

/// Numbers of a node for models that read the order of operands; see [`DescribedGraph::numbers`].
pub const N_ORDERED_FEATURES: usize = N_FEATURES + 1;

/// Whether a model of that normalization reads the order of operands.
pub(crate) fn reads_operand_order(normalization: &Normalization) -> bool {
    normalization.features.width() == N_ORDERED_FEATURES
}

fn operand_order_of(relations: &Relations, n_nodes: usize) -> Vec<f32> {
    let (mut sum, mut readers) = (vec![0.0; n_nodes], vec![0.0; n_nodes]);
    for reader in 0..n_nodes {
        // Rows are in the order in which they run.
        let [first @ .., last] = relations.fathers.row(reader) else { continue };
        if first.is_empty() {
            continue;
        }
        for (operand, place) in first.iter().map(|&i| (i, -1.0)).chain([(*last, 1.0)]) {
            sum[operand as usize] += place;
            readers[operand as usize] += 1.0;
        }
    }
    sum.into_iter().zip(readers).map(|(sum, n): (f32, f32)| sum / n.max(1.0)).collect()
}
