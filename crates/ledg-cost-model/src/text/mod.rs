//! What a model is told of a graph, as text for people: one printer for the command, the C ABI and the snapshots.

mod table;
pub mod units;

use std::fmt::Write as _;

use ledg_graph::EdgeList;

pub use self::table::TextTable;
use self::units::{count, share};
use crate::describe::{BatchScaling, DescribedGraph};

/// Most names that a cell or a note spells out.
const NAMES: usize = 3;

/// The graph as a whole; `more` are lines about where it comes from, `n_nodes` its nodes before lowering.
pub fn summary(label: &str, n_nodes: usize, more: &[(&str, String)], described: &DescribedGraph) -> String {
    let mut lines: Vec<(&str, String)> = vec![("graph", label.to_owned())];
    lines.extend_from_slice(more);
    lines.push(("batch", batch_note(described)));
    let fused = described.origins.iter().filter(|o| o.len() > 1).count();
    let stood_for: usize = described.origins.iter().map(Vec::len).sum();
    let (all, n) = (n_nodes, described.nodes.len());
    let left_out = all.saturating_sub(stood_for);
    lines.push((
        "nodes",
        format!("{all} in the graph; {left_out} are views or fixed, the others make {n} that cost something, {fused} of these fused"),
    ));
    lines.push(("coverage", coverage_note(described)));
    let total = described.magnitudes();
    lines.push((
        // Where the batch cannot be followed, magnitudes are those of the graph as it is.
        if matches!(described.scaling, BatchScaling::Followed) { "one sample" } else { "as it is" },
        format!(
            "{}FLOP, of these {}MAC in contractions; {} activation elements read, {} written; {} parameters",
            spaced(total.flops),
            spaced(described.macs()),
            count(total.read_elems),
            count(total.write_elems),
            count(total.params)
        ),
    ));
    let mut text = String::new();
    for (key, value) in lines {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{key:<11} {value}");
    }
    text
}

/// A count before a unit: `3.64 G`FLOP, `512 `FLOP.
fn spaced(n: f64) -> String {
    let text = count(n);
    if text.contains(' ') { text } else { text + " " }
}

/// What batch sizes can be asked for.
fn batch_note(described: &DescribedGraph) -> String {
    let own = described.batch;
    match &described.scaling {
        BatchScaling::Followed => format!("{own}; any other can be asked for"),
        BatchScaling::Proportional { why } => {
            format!(
                "{own}; for others its work is taken to be in proportion, as its batch dimension cannot be followed: {why}"
            )
        }
        BatchScaling::Fixed { why } => {
            format!("only as it is, as its batch dimension cannot be followed: {why}")
        }
    }
}

fn coverage_note(described: &DescribedGraph) -> String {
    let unknown: Vec<String> = described.nodes.iter().filter(|n| !n.known).map(|n| n.op.to_string()).collect();
    if unknown.is_empty() {
        return "100 %: a template covers every node".to_owned();
    }
    let n = described.nodes.len();
    format!("{} of the nodes; not known: {}", share(1.0 - unknown.len() as f64 / n as f64), tally(unknown.into_iter()))
}

/// The first nodes with their sentences and magnitudes.
pub fn nodes(described: &DescribedGraph, limit: usize) -> String {
    let headers = [">#", "node", "sentence", ">FLOP", ">read", ">written", ">parameters", "fused from"];
    let mut table = TextTable::new(&headers);
    for (i, (node, origins)) in described.nodes.iter().zip(&described.origins).enumerate().take(limit) {
        let sentence = if node.known { node.sentence.clone() } else { format!("{} (not known)", node.sentence) };
        table.row(&[
            i.to_string(),
            node.name.clone(),
            sentence,
            count(node.magnitudes.flops),
            count(node.magnitudes.read_elems),
            count(node.magnitudes.write_elems),
            count(node.magnitudes.params),
            fused_from(origins),
        ]);
    }
    let mut text = table.to_string();
    if let Some(more) = described.nodes.len().checked_sub(limit).filter(|&more| more > 0) {
        let _ = writeln!(text, "{more} more nodes");
    }
    text
}

fn fused_from(origins: &[String]) -> String {
    if origins.len() < 2 {
        return String::new();
    }
    let shown = origins.iter().take(NAMES).map(String::as_str).collect::<Vec<_>>().join(", ");
    if origins.len() > NAMES { format!("{shown} and {} more", origins.len() - NAMES) } else { shown }
}

/// The distinct sentences in order of first appearance, each with the number of its nodes.
pub fn sentences(described: &DescribedGraph) -> String {
    let mut table = TextTable::new(&[">nodes", "sentence"]);
    for sentence in described.sentences() {
        let same = described.nodes.iter().filter(|n| n.sentence == sentence);
        let note = if same.clone().all(|n| n.known) { "" } else { " (not known)" };
        table.row(&[same.count().to_string(), format!("{sentence}{note}")]);
    }
    table.to_string()
}

/// The attention masks as grids, each row with its node's name.
pub fn masks(described: &DescribedGraph) -> String {
    let relations = &described.relations;
    let grids = [("father", &relations.fathers), ("son", &relations.sons), ("grandfather", &relations.grandfathers)];
    grids.map(|(name, edges)| mask(name, edges, described)).join("\n")
}

fn mask(name: &str, edges: &EdgeList, described: &DescribedGraph) -> String {
    let mut text = format!("{name} + identity\n");
    for (line, node) in edges.to_grid().lines().zip(&described.nodes) {
        let _ = writeln!(text, "{line}  {}", node.name);
    }
    text
}

/// Names with how often each occurs, most frequent first: `3 x Foo, 1 x com.acme.Bar`.
pub fn tally(names: impl Iterator<Item = String>) -> String {
    const SHOWN: usize = 8;
    let mut counts: Vec<(String, usize)> = Vec::new();
    let mut sorted: Vec<String> = names.collect();
    sorted.sort_unstable();
    for name in sorted {
        match counts.last_mut() {
            Some((last, n)) if *last == name => *n += 1,
            _ => counts.push((name, 1)),
        }
    }
    counts.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
    let mut parts: Vec<String> = counts.iter().take(SHOWN).map(|(name, n)| format!("{n} x {name}")).collect();
    if counts.len() > SHOWN {
        parts.push(format!("{} more", counts.len() - SHOWN));
    }
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_frequent_comes_first() {
        let names = ["b", "a", "c", "a"].map(String::from);
        assert_eq!(tally(names.into_iter()), "2 x a, 1 x b, 1 x c");
    }
}
