//! Neighbouring nodes that belong together: by their names where these are paths, else by the graph's shape.

use std::collections::BTreeMap;

use indexmap::{IndexMap, IndexSet};
use ledg_cost_model::DescribedGraph;

use super::data::Block;

/// The block of each node, and the blocks in order of their first node.
pub fn blocks(graph: &DescribedGraph) -> (Vec<usize>, Vec<Block>) {
    let names: Vec<&str> = graph.nodes.iter().map(|n| n.name.as_str()).collect();
    let (block_of, labels) = by_name(&names).unwrap_or_else(|| by_shape(graph));
    let mut wording: BTreeMap<usize, Vec<&str>> = BTreeMap::new();
    for (node, &block) in graph.nodes.iter().zip(&block_of) {
        wording.entry(block).or_default().push(&node.sentence);
    }
    let mut kinds: IndexSet<Vec<&str>> = IndexSet::new();
    let blocks = labels.into_iter().enumerate().map(|(block, name)| {
        let (kind, _) = kinds.insert_full(wording.remove(&block).unwrap_or_default());
        Block { name, kind }
    });
    let blocks = blocks.collect();
    (block_of, blocks)
}

/// Blocks by the names' folders, as exporters of module trees write them: `/layer1/layer1.0/conv1/Conv`. `None` where
/// most names are no paths.
fn by_name(names: &[&str]) -> Option<(Vec<usize>, Vec<String>)> {
    let folders = |name: &str| -> Vec<String> {
        let parts: Vec<&str> = name.split('/').filter(|part| !part.is_empty()).collect();
        parts.split_last().map_or(Vec::new(), |(_, folders)| folders.iter().map(|f| (*f).to_owned()).collect())
    };
    let paths: Vec<Vec<String>> = names.iter().map(|name| folders(name)).collect();
    if paths.iter().filter(|path| !path.is_empty()).count() * 2 < names.len() {
        return None;
    }
    let deepest = paths.iter().map(Vec::len).max().unwrap_or(0);
    let grouped = |depth: usize| {
        let mut groups: IndexMap<String, ()> = IndexMap::new();
        let block_of = paths.iter().map(|path| {
            let name = path[..path.len().min(depth)].join("/");
            groups.insert_full(if name.is_empty() { "(no module)".to_owned() } else { name }, ()).0
        });
        let block_of: Vec<usize> = block_of.collect();
        (block_of, groups.into_keys().collect::<Vec<_>>())
    };
    // The deepest level at which blocks still hold several nodes.
    (1..=deepest).rev().map(grouped).find(|(_, groups)| groups.len() * 3 <= names.len()).or_else(|| Some(grouped(1)))
}

/// Blocks between the nodes that all paths pass through. A run of such nodes, a chain, is one block.
fn by_shape(graph: &DescribedGraph) -> (Vec<usize>, Vec<String>) {
    let n = graph.nodes.len();
    let fathers: Vec<&[u32]> = (0..n).map(|i| graph.relations.fathers.row(i)).collect();
    let contraction: Vec<bool> = graph.nodes.iter().map(|node| node.macs > 0.0).collect();
    let all = cut(&fathers, &contraction, |_| true);
    // What is computed beside the network proper and read all along it (a mask, a position) would tie it all together.
    let largest = |ends: &[usize]| ends.windows(2).map(|w| w[1] - w[0]).chain(ends.first().copied()).max().unwrap_or(0);
    let ends = if n > 40 && largest(&all) * 2 > n {
        let mut carries = contraction.clone();
        for i in 0..n {
            carries[i] |= fathers[i].iter().any(|&f| carries[f as usize]);
        }
        cut(&fathers, &contraction, |father| carries[father])
    } else {
        all
    };
    let mut block_of = vec![0; n];
    let mut start = 0;
    for (block, &end) in ends.iter().enumerate() {
        block_of[start..end].fill(block);
        start = end;
    }
    let labels = (1..=ends.len()).map(|k| format!("block {k}")).collect();
    (block_of, labels)
}

/// Where blocks end (exclusive): `counts` says whose edges hold a block together.
fn cut(fathers: &[&[u32]], contraction: &[bool], counts: impl Fn(usize) -> bool) -> Vec<usize> {
    let n = fathers.len();
    // By node: the last node that reads it.
    let mut last = vec![0; n];
    for (son, fathers) in fathers.iter().enumerate() {
        for &father in *fathers {
            if counts(father as usize) {
                last[father as usize] = son;
            }
        }
    }
    // A node is a waist if no edge passes it by.
    let mut reach = 0;
    let mut waist = vec![false; n];
    for i in 0..n {
        waist[i] = reach <= i;
        reach = reach.max(last[i]);
    }
    let mut ends: Vec<usize> = Vec::new();
    let mut start = 0;
    for i in 0..n {
        // A chain ends before a part that is held together by edges around it, such a part at its waist.
        let in_chain = (start..=i).all(|k| waist[k]);
        let next_is_wide = i + 1 < n && !waist[i + 1];
        let ends_here = i + 1 == n || (waist[i] && (!in_chain || next_is_wide));
        if !ends_here {
            continue;
        }
        let has_work = contraction[start..=i].iter().any(|&c| c);
        match ends.last_mut() {
            // A chain without a contraction is the tail of what precedes it.
            Some(end) if in_chain && !has_work => *end = i + 1,
            _ => ends.push(i + 1),
        }
        start = i + 1;
    }
    ends
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_paths_make_blocks() {
        let names =
            ["/stem/Conv", "/l1/l1.0/a/Conv", "/l1/l1.0/b/Conv", "/l1/l1.0/Add", "/l1/l1.1/a/Conv", "/l1/l1.1/Add"];
        let (block_of, labels) = by_name(&names).unwrap();
        assert_eq!(labels, ["stem", "l1"], "three levels would make five blocks of six nodes");
        assert_eq!(block_of, [0, 1, 1, 1, 1, 1]);
        assert!(by_name(&["Conv_0", "Relu_1"]).is_none());
    }

    #[test]
    fn residual_blocks_end_at_their_sums() {
        // 0 stem, 1-3 block with a skip from 0, 4 its activation, 5-7 block with a skip from 4, 8 pool, 9 head.
        let fathers: [&[u32]; 10] = [&[], &[0], &[1], &[2, 0], &[3], &[4], &[5], &[6, 4], &[7], &[8]];
        let work = [0, 1, 2, 5, 6, 9];
        let contraction: Vec<bool> = (0..10).map(|i| work.contains(&i)).collect();
        assert_eq!(cut(&fathers, &contraction, |_| true), [1, 5, 8, 10]);
    }
}
