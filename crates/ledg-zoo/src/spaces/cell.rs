//! Cells alone, without the network around them: the operators of a search space's cell and what each one reads.
//!
//! **Invariant:** equal cells up to isomorphism give equal [`CellGraph`]s. What does not reach the output from the input is gone,
//! identities are gone (their readers read what they read), and the operators stand in one canonical order.

/// An operator of a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CellOp {
    /// What the cell is given.
    Input,
    /// 3x3 convolution.
    Conv3x3,
    /// 1x1 convolution.
    Conv1x1,
    /// 3x3 average.
    AvgPool3x3,
    /// 3x3 maximum.
    MaxPool3x3,
    /// What the cell gives.
    Output,
}

/// A place in a cell.
#[derive(Debug, Clone, PartialEq)]
pub struct CellNode {
    /// What happens there.
    pub op: CellOp,
    /// The nodes that it reads, ascending, and how often each: identities beside each other add the same value twice.
    pub sources: Vec<(usize, u32)>,
    /// Its channels, as a share of the output's.
    pub width: f64,
}

/// A cell as a graph of its operators: the input first, the output last, sources before readers.
#[derive(Debug, Clone, PartialEq)]
pub struct CellGraph {
    nodes: Vec<CellNode>,
}

impl CellGraph {
    /// The canonical form of a cell given as its inner operators in topological order and what the output reads. Source 0 is the
    /// input, source k the k-th operator from 1.
    pub(crate) fn new(inner: &[CellNode], output: &[(usize, u32)]) -> Self {
        let live = live(inner, output);
        let order = canonical_order(inner, output, &live);
        let mut place = vec![0; inner.len() + 1];
        order.iter().enumerate().for_each(|(new, &old)| place[old] = new + 1);
        let moved = |sources: &[(usize, u32)]| {
            let mut moved: Vec<(usize, u32)> =
                sources.iter().filter(|(s, _)| live[*s]).map(|&(s, n)| (place[s], n)).collect();
            moved.sort_unstable();
            moved
        };
        let mut nodes = vec![CellNode { op: CellOp::Input, sources: Vec::new(), width: 1.0 }];
        nodes.extend(order.iter().map(|&k| CellNode { sources: moved(&inner[k - 1].sources), ..inner[k - 1].clone() }));
        nodes.push(CellNode { op: CellOp::Output, sources: moved(output), width: 1.0 });
        CellGraph { nodes }
    }

    /// The nodes.
    pub fn nodes(&self) -> &[CellNode] {
        &self.nodes
    }

    /// Of every node the nodes that read it, ascending, and how often each.
    pub fn readers(&self) -> Vec<Vec<(usize, u32)>> {
        let mut readers = vec![Vec::new(); self.nodes.len()];
        for (reader, node) in self.nodes.iter().enumerate() {
            node.sources.iter().for_each(|&(source, times)| readers[source].push((reader, times)));
        }
        readers
    }

    /// A text that isomorphic cells share, and no others.
    pub fn key(&self) -> String {
        let node = |n: &CellNode| format!("{:?}{:?}", n.op, n.sources);
        self.nodes.iter().map(node).collect::<Vec<_>>().join(" ")
    }
}

/// What lies on a way from the input (0) to the output; the input always counts.
fn live(inner: &[CellNode], output: &[(usize, u32)]) -> Vec<bool> {
    let mut is_fed = vec![true];
    for node in inner {
        is_fed.push(node.sources.iter().any(|&(s, _)| is_fed[s]));
    }
    let mut is_read = vec![false; inner.len() + 1];
    output.iter().for_each(|&(s, _)| is_read[s] = true);
    for k in (1..=inner.len()).rev().filter(|&k| is_fed[k]) {
        if is_read[k] {
            inner[k - 1].sources.iter().for_each(|&(s, _)| is_read[s] = true);
        }
    }
    let mut live: Vec<bool> = is_fed.iter().zip(is_read).map(|(fed, read)| *fed && read).collect();
    live[0] = true;
    live
}

/// The topological order of the live operators whose description is the least. A cell has at most six, so all are tried.
fn canonical_order(inner: &[CellNode], output: &[(usize, u32)], live: &[bool]) -> Vec<usize> {
    let open: Vec<usize> = (1..=inner.len()).filter(|&k| live[k]).collect();
    let mut best: Option<(Description, Vec<usize>)> = None;
    extend(inner, output, live, &open, &mut Vec::new(), &mut Vec::new(), &mut best);
    best.map(|(_, order)| order).unwrap_or_default()
}

/// Operators with their sources' places, in an order; the output's sources last.
type Description = Vec<(CellOp, Vec<(usize, u32)>)>;

fn extend(
    inner: &[CellNode],
    output: &[(usize, u32)],
    live: &[bool],
    open: &[usize],
    order: &mut Vec<usize>,
    so_far: &mut Description,
    best: &mut Option<(Description, Vec<usize>)>,
) {
    let placed = |sources: &[(usize, u32)], order: &[usize]| -> Option<Vec<(usize, u32)>> {
        let place = |s: usize| if s == 0 { Some(0) } else { order.iter().position(|&o| o == s).map(|p| p + 1) };
        let placed = sources.iter().filter(|(s, _)| live[*s]).map(|&(s, n)| Some((place(s)?, n)));
        let mut placed = placed.collect::<Option<Vec<_>>>()?;
        placed.sort_unstable();
        Some(placed)
    };
    if order.len() == open.len() {
        so_far.push((CellOp::Output, placed(output, order).unwrap_or_default()));
        if best.as_ref().is_none_or(|(least, _)| *so_far < *least) {
            *best = Some((so_far.clone(), order.clone()));
        }
        so_far.pop();
        return;
    }
    for k in open.iter().copied().filter(|k| !order.contains(k)).collect::<Vec<_>>() {
        let Some(sources) = placed(&inner[k - 1].sources, order) else { continue };
        so_far.push((inner[k - 1].op, sources));
        order.push(k);
        extend(inner, output, live, open, order, so_far, best);
        order.pop();
        so_far.pop();
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use crate::{nasbench101, nasbench201};

    fn key(cell: &str) -> String {
        cell.parse::<nasbench201::Cell>().unwrap().graph().key()
    }

    #[test]
    fn identities_zeros_and_dead_ends_leave_no_trace() {
        let plain = key("|nor_conv_3x3~0|+|none~0|none~1|+|none~0|skip_connect~1|none~2|");
        assert_eq!(plain, "Input[] Conv3x3[(0, 1)] Output[(1, 1)]");
        for same in [
            "|none~0|+|none~0|none~1|+|nor_conv_3x3~0|none~1|none~2|",
            "|skip_connect~0|+|none~0|nor_conv_3x3~1|+|none~0|none~1|skip_connect~2|",
            // 0→1 leads nowhere, and 1→3 starts at nothing
            "|none~0|+|nor_conv_3x3~0|nor_conv_1x1~1|+|none~0|avg_pool_3x3~1|skip_connect~2|",
        ] {
            assert_eq!(key(same), plain, "{same}");
        }
        // a shared convolution is not two convolutions, and a sum of equal values not one of them
        let shared = key("|nor_conv_3x3~0|+|none~0|skip_connect~1|+|none~0|skip_connect~1|skip_connect~2|");
        let two = key("|nor_conv_3x3~0|+|nor_conv_3x3~0|none~1|+|none~0|skip_connect~1|skip_connect~2|");
        assert_eq!(shared, "Input[] Conv3x3[(0, 1)] Output[(1, 2)]");
        assert!(two != shared && two != plain);
        assert_eq!(key("|none~0|+|none~0|none~1|+|none~0|none~1|none~2|"), "Input[] Output[]");
    }

    /// Counted by a program apart from this one, which tries all orders of the operators.
    #[test]
    fn nasbench201_has_5425_cells_up_to_isomorphism() {
        let cells = (0..nasbench201::N_CELLS).map(|code| nasbench201::Cell::from_code(code).unwrap().graph().key());
        assert_eq!(cells.collect::<BTreeSet<_>>().len(), 5425);
    }

    #[test]
    fn the_order_of_vertices_does_not_matter() {
        let key = |adjacency, ops| nasbench101::Cell::parse(adjacency, ops).unwrap().graph().key();
        // input → a, b → output, in both orders
        let one = key("0110000100010000", "-1-0-2--2");
        assert_eq!(one, key("0110000100010000", "-1-2-0--2"));
        assert_ne!(one, key("0110000100010000", "-1-1-2--2"));
        assert_eq!(one, "Input[] Conv3x3[(0, 1)] MaxPool3x3[(0, 1)] Output[(1, 1), (2, 1)]");
    }
}
