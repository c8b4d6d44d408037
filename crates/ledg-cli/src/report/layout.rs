//! Places for the nodes of a network: layers from top to bottom, columns for what runs side by side, and right of the columns
//! rails for values that are read later than in the next layer.
//!
//! A general layered layout (rust-sugiyama 0.4 was tried) gives each long edge a place of its own in every layer: a densely
//! connected block of 192 nodes took it 25 s and came out 2,257 columns wide. Here all long edges from one node share one
//! rail, so width grows with the values that are alive and time with the edges.

use serde::Serialize;

/// Where nodes and rails are. Layers count from the top, columns from the left, rails from the inside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Layout {
    /// By node: its layer.
    pub layer: Vec<u32>,
    /// By node: its column.
    pub column: Vec<u32>,
    /// By node: its rail, if a son is further than the next layer.
    pub rail: Vec<Option<u32>>,
    /// By node: how many columns its rail has at its left.
    pub passes: Vec<u32>,
    pub layers: u32,
    pub columns: u32,
    pub rails: u32,
}

impl Layout {
    /// Of `n` nodes in topological order and edges from father to son.
    pub fn new(n: usize, edges: &[[u32; 2]]) -> Self {
        let mut fathers: Vec<Vec<usize>> = vec![Vec::new(); n];
        for &[father, son] in edges {
            fathers[son as usize].push(father as usize);
        }
        let mut layer = vec![0u32; n];
        for son in 0..n {
            layer[son] = fathers[son].iter().map(|&f| layer[f] + 1).max().unwrap_or(0);
        }
        // What nothing precedes (an input's branch, a table) stands just above what reads it.
        let mut first_reader = vec![u32::MAX; n];
        for &[father, son] in edges {
            first_reader[father as usize] = first_reader[father as usize].min(layer[son as usize]);
        }
        for i in (0..n).filter(|&i| fathers[i].is_empty() && first_reader[i] != u32::MAX) {
            layer[i] = first_reader[i].saturating_sub(1);
        }
        let layers = layer.iter().max().map_or(0, |last| last + 1);
        let (column, columns) = columns(&layer, layers, &fathers);
        let end = rail_ends(&layer, edges);
        let (rail, rails) = rails(&layer, &end);
        let mut width = vec![0u32; layers as usize];
        for (&layer, &column) in layer.iter().zip(&column) {
            width[layer as usize] = width[layer as usize].max(column + 1);
        }
        let widest = |from: u32, to: u32| width[from as usize..=to as usize].iter().copied().max().unwrap_or(0);
        let passes = layer.iter().zip(&end).map(|(&from, &to)| if to > 0 { widest(from, to) } else { 0 }).collect();
        Layout { layer, column, rail, passes, layers, columns, rails }
    }
}

/// A node stands below its first father if that place is free, else in the free column next to it.
fn columns(layer: &[u32], layers: u32, fathers: &[Vec<usize>]) -> (Vec<u32>, u32) {
    let mut by_layer: Vec<Vec<usize>> = vec![Vec::new(); layers as usize];
    for (node, &layer) in layer.iter().enumerate() {
        by_layer[layer as usize].push(node);
    }
    let mut column = vec![0u32; layer.len()];
    for nodes in &by_layer {
        let wish = |node: usize| {
            let near = fathers[node].iter().filter(|&&f| layer[f] + 1 == layer[node]).map(|&f| column[f]);
            near.min().unwrap_or(0)
        };
        let mut wishes: Vec<(u32, usize)> = nodes.iter().map(|&node| (wish(node), node)).collect();
        wishes.sort_unstable();
        let mut free = 0;
        for (wish, node) in wishes {
            column[node] = wish.max(free);
            free = column[node] + 1;
        }
        // Wishes pushed to the right must not drift ever further: a layer is no wider than it has to be.
        let width = nodes.len() as u32;
        let excess = free.saturating_sub(width.max(1));
        if width > 1 && excess > 0 {
            let least = nodes.iter().map(|&node| column[node]).min().unwrap_or(0);
            let shift = excess.min(least);
            nodes.iter().for_each(|&node| column[node] -= shift);
        }
    }
    let columns = column.iter().max().map_or(0, |last| last + 1);
    (column, columns)
}

/// By node: the layer of its last reader, if that is further than the next layer, else 0.
fn rail_ends(layer: &[u32], edges: &[[u32; 2]]) -> Vec<u32> {
    let mut end = vec![0u32; layer.len()];
    for &[father, son] in edges {
        let (from, to) = (layer[father as usize], layer[son as usize]);
        if to > from + 1 {
            end[father as usize] = end[father as usize].max(to);
        }
    }
    end
}

/// A rail from a node's layer to its last reader's; rails that are over are used again.
fn rails(layer: &[u32], end: &[u32]) -> (Vec<Option<u32>>, u32) {
    let mut sources: Vec<usize> = (0..layer.len()).filter(|&i| end[i] > 0).collect();
    sources.sort_unstable_by_key(|&i| (layer[i], i));
    let mut rail = vec![None; layer.len()];
    // By rail: the layer in which it is free again.
    let mut free_from: Vec<u32> = Vec::new();
    for node in sources {
        let k = match free_from.iter().position(|&free| free <= layer[node]) {
            Some(k) => k,
            None => {
                free_from.push(0);
                free_from.len() - 1
            }
        };
        free_from[k] = end[node] + 1;
        rail[node] = Some(k as u32);
    }
    (rail, free_from.len() as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every edge is a step to the next layer or runs on a rail that no other node uses there; no two nodes share a place.
    fn check(n: usize, edges: &[[u32; 2]]) -> Layout {
        let layout = Layout::new(n, edges);
        let mut places: Vec<(u32, u32)> = layout.layer.iter().copied().zip(layout.column.iter().copied()).collect();
        places.sort_unstable();
        places.dedup();
        assert_eq!(places.len(), n, "two nodes in one place");
        let mut used: Vec<(u32, u32, u32)> = Vec::new();
        for i in 0..n {
            let long = edges.iter().filter(|e| e[0] as usize == i).map(|e| layout.layer[e[1] as usize]);
            let end = long.filter(|&to| to > layout.layer[i] + 1).max();
            assert_eq!(end.is_some(), layout.rail[i].is_some());
            if let (Some(end), Some(rail)) = (end, layout.rail[i]) {
                used.push((rail, layout.layer[i], end));
                let beside = (0..n).filter(|&k| (layout.layer[i]..=end).contains(&layout.layer[k]));
                assert!(beside.map(|k| layout.column[k]).all(|column| column < layout.passes[i]), "a rail over a node");
            }
        }
        for (i, a) in used.iter().enumerate() {
            for b in &used[i + 1..] {
                assert!(a.0 != b.0 || a.2 < b.1 || b.2 < a.1, "{a:?} and {b:?} share a rail");
            }
        }
        for e in edges {
            assert!(layout.layer[e[0] as usize] < layout.layer[e[1] as usize], "an edge upwards");
        }
        layout
    }

    #[test]
    fn a_chain_is_one_column_and_a_skip_is_a_rail() {
        let layout = check(5, &[[0, 1], [1, 2], [2, 3], [0, 3], [3, 4]]);
        assert_eq!((layout.layers, layout.columns, layout.rails), (5, 1, 1));
        assert_eq!(layout.rail, [Some(0), None, None, None, None]);
    }

    #[test]
    fn rails_are_used_again() {
        let mut edges: Vec<[u32; 2]> = (0..99).map(|i| [i, i + 1]).collect();
        edges.extend((0..24).map(|i| [4 * i, 4 * i + 3]));
        let layout = check(100, &edges);
        assert_eq!((layout.layers, layout.columns, layout.rails), (100, 1, 1));
    }

    #[test]
    fn branches_stand_side_by_side() {
        // Four branches of two nodes, joined.
        let edges =
            [[0, 1], [0, 2], [0, 3], [0, 4], [1, 5], [2, 6], [3, 7], [4, 8], [5, 9], [6, 9], [7, 9], [8, 9], [9, 10]];
        let layout = check(11, &edges);
        assert_eq!((layout.layers, layout.columns, layout.rails), (5, 4, 0));
        assert_eq!(layout.column[1..5], layout.column[5..9]);
    }

    #[test]
    fn a_dense_block_grows_with_what_is_alive() {
        let mut edges = Vec::new();
        for i in 0..96u32 {
            edges.push([2 * i, 2 * i + 1]);
            edges.extend((0..i).map(|j| [2 * j + 1, 2 * i]));
        }
        let layout = check(192, &edges);
        assert_eq!((layout.layers, layout.columns), (192, 1));
        assert!(layout.rails <= 96);
    }

    #[test]
    fn nothing_has_no_places() {
        assert_eq!(Layout::new(0, &[]).layers, 0);
    }
}
