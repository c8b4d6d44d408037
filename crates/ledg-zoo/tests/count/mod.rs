//! Parameters and multiply-adds of graphs, counted as their authors do.

use ledg_graph::{Attr, Graph, Node, ValueKind};

fn elements(graph: &Graph, wanted: impl Fn(&str) -> bool) -> u64 {
    let weights = graph.values().iter().filter(|v| v.kind == ValueKind::Weight && wanted(&v.name));
    weights.map(|v| v.elements().expect("weights have shapes")).sum()
}

/// Parameters as counted before export: a folded norm had two vectors where the convolution now has one, running
/// statistics and attention masks are no parameters, and Swin's gathered biases come from tables of (2·7-1)² a head.
pub fn params(graph: &Graph) -> u64 {
    let all = elements(graph, |_| true);
    let folded = elements(graph, |n| n.ends_with(".folded_bias"));
    let buffers = elements(graph, |n| n.contains(".running_") || n.ends_with(".mask") || n.starts_with("rotary."));
    let gathered = elements(graph, |n| n.ends_with(".position_bias"));
    all + folded - buffers - gathered + gathered / (49 * 49) * 169
}

/// Multiply-adds in 10⁹: convolutions and matrix products.
pub fn gmacs(graph: &Graph) -> f64 {
    graph.nodes().iter().map(|n| macs(graph, n)).sum::<f64>() / 1e9
}

fn macs(graph: &Graph, node: &Node) -> f64 {
    let shape = |i: usize| graph.value(node.inputs[i].expect("present")).shape.clone().expect("known");
    let out: f64 = graph.value(node.outputs[0]).elements().expect("known") as f64;
    match node.op.name.as_str() {
        "Conv" => out * shape(1)[1..].iter().product::<u64>() as f64,
        "MatMul" => out * *shape(0).last().expect("a matrix") as f64,
        "Gemm" => {
            let a = shape(0);
            let k = if node.attrs.get("transA") == Some(&Attr::Int(1)) { a[0] } else { a[1] };
            out * k as f64
        }
        _ => 0.0,
    }
}
