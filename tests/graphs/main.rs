//! What the cost model is told of well-known networks, as `ledg-cost explain` prints it.

mod coverage;
mod formats;
mod masks;
mod sentences;

use ledg_cost_model::{DescribedGraph, Describer};
use ledg_graph::Graph;
use ledg_zoo::ZooConfig;

fn described(graph: &Graph) -> DescribedGraph {
    Describer::builtin().unwrap().describe(graph).unwrap()
}

fn network(name: &str) -> DescribedGraph {
    described(&ledg_zoo::build(name, &ZooConfig::default()).unwrap())
}
