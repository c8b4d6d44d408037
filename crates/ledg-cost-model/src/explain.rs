//! Why a graph is judged as it is: sentences, relations, magnitudes, coverage.

use ledg_graph::Magnitudes;
use serde::Serialize;

use crate::describe::DescribedGraph;

/// What the model is told of a graph.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Explanation {
    /// Name of the graph.
    pub graph: String,
    /// Content hash of the graph.
    pub hash: String,
    /// Batch size of the graph as it was given; 1 if its batch dimension cannot be followed.
    pub batch: u64,
    /// Why the batch dimension cannot be followed; magnitudes are then those of the graph as it was given.
    pub batch_error: Option<String>,
    /// The nodes that cost something, in topological order.
    pub nodes: Vec<ExplainedNode>,
    /// Floating-point operations of one sample.
    pub flops: f64,
    /// Of these, multiply-adds in contractions; one counts as two operations.
    pub macs: f64,
    /// Learned parameters.
    pub params: f64,
    /// Activation elements read and written for one sample.
    pub activation_elems: f64,
    /// Share of the nodes that templates cover.
    pub covered: f64,
}

/// What the model is told of one node.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ExplainedNode {
    /// Name.
    pub name: String,
    /// Operator.
    pub op: String,
    /// Sentence for the language model.
    pub sentence: String,
    /// Whether a template covers the operator.
    pub known: bool,
    /// Floating-point operations of one sample.
    pub flops: f64,
    /// Activation elements read.
    pub read_elems: f64,
    /// Activation elements written.
    pub write_elems: f64,
    /// Learned parameters.
    pub params: f64,
    /// Indices of the fathers: nodes whose outputs this one reads.
    pub fathers: Vec<u32>,
    /// Indices of the grandfathers.
    pub grandfathers: Vec<u32>,
    /// Indices of the sons.
    pub sons: Vec<u32>,
    /// Names of the given graph's nodes that this one stands for.
    pub origins: Vec<String>,
}

impl DescribedGraph {
    /// What the model is told of this graph.
    pub fn explain(&self) -> Explanation {
        let total: Magnitudes = self.magnitudes();
        let nodes: Vec<ExplainedNode> = self
            .nodes
            .iter()
            .enumerate()
            .map(|(i, n)| ExplainedNode {
                name: n.name.clone(),
                op: n.op.to_string(),
                sentence: n.sentence.clone(),
                known: n.known,
                flops: n.magnitudes.flops,
                read_elems: n.magnitudes.read_elems,
                write_elems: n.magnitudes.write_elems,
                params: n.magnitudes.params,
                fathers: self.relations.fathers.row(i).to_vec(),
                grandfathers: self.relations.grandfathers.row(i).to_vec(),
                sons: self.relations.sons.row(i).to_vec(),
                origins: self.origins[i].clone(),
            })
            .collect();
        let covered = nodes.iter().filter(|n| n.known).count() as f64 / (nodes.len() as f64).max(1.0);
        Explanation {
            graph: self.name.clone(),
            hash: self.hash.to_string(),
            batch: self.batch,
            batch_error: self.scaling.why().map(str::to_owned),
            flops: total.flops,
            macs: self.macs(),
            params: total.params,
            activation_elems: total.read_elems + total.write_elems,
            covered,
            nodes,
        }
    }
}
