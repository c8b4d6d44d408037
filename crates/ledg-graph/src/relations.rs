//! Who is whose father, son and grandfather: the masks of Dynamic Graph Self-Attention as sparse edge lists.
//!
//! With `A[i][j] = 1` where node `j` is a son of node `i` (reads one of its outputs), LeDG-Former's masks are
//! `M_son = A`, `M_father = Aᵀ`, `M_grandfather = B(AᵀAᵀ)`, B binarising. NN-Former's further masks are
//! `AᵀA` (siblings: a common father) and `AAᵀ` (a common son). The identity is *not* part of a list: attention adds it.
//!
//! **Invariant:** neighbours of a row are distinct and ascending, so two graphs that are equal give equal lists.

use crate::graph::Graph;

/// A boolean N×N matrix by rows (compressed sparse rows): row `i` lists the columns that are 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EdgeList {
    offsets: Vec<u32>,
    neighbours: Vec<u32>,
}

impl EdgeList {
    /// From rows; each row is sorted and its duplicates are removed.
    pub fn from_rows(rows: Vec<Vec<u32>>) -> Self {
        let mut offsets = Vec::with_capacity(rows.len() + 1);
        let mut neighbours = Vec::with_capacity(rows.iter().map(Vec::len).sum());
        offsets.push(0);
        for mut row in rows {
            row.sort_unstable();
            row.dedup();
            neighbours.extend_from_slice(&row);
            offsets.push(neighbours.len() as u32);
        }
        EdgeList { offsets, neighbours }
    }

    /// Number of rows N.
    pub fn n_nodes(&self) -> usize {
        self.offsets.len() - 1
    }

    /// Number of ones.
    pub fn n_edges(&self) -> usize {
        self.neighbours.len()
    }

    /// The columns that are 1 in a row, ascending.
    pub fn row(&self, i: usize) -> &[u32] {
        &self.neighbours[self.offsets[i] as usize..self.offsets[i + 1] as usize]
    }

    /// Whether element (i, j) is 1.
    pub fn contains(&self, i: usize, j: usize) -> bool {
        self.row(i).binary_search(&(j as u32)).is_ok()
    }

    /// The transposed matrix.
    pub fn transposed(&self) -> EdgeList {
        let mut rows = vec![Vec::new(); self.n_nodes()];
        for i in 0..self.n_nodes() {
            for &j in self.row(i) {
                rows[j as usize].push(i as u32);
            }
        }
        EdgeList::from_rows(rows)
    }

    /// The binarised product `B(self · other)`.
    pub fn compose(&self, other: &EdgeList) -> EdgeList {
        let rows = (0..self.n_nodes())
            .map(|i| self.row(i).iter().flat_map(|&k| other.row(k as usize)).copied().collect())
            .collect();
        EdgeList::from_rows(rows)
    }

    /// The dense matrix plus identity as a grid, `#` for 1 and `.` for 0, one row a line.
    pub fn to_grid(&self) -> String {
        let n = self.n_nodes();
        let mut grid = String::with_capacity(n * (n + 1));
        for i in 0..n {
            let row = self.row(i);
            let mut next = 0;
            for j in 0..n {
                let hit = next < row.len() && row[next] as usize == j;
                next += usize::from(hit);
                grid.push(if hit || i == j { '#' } else { '.' });
            }
            grid.push('\n');
        }
        grid
    }
}

/// The relations between the nodes of one graph.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relations {
    /// `A`: the nodes that read an output of node i.
    pub sons: EdgeList,
    /// `Aᵀ`: the nodes whose outputs node i reads.
    pub fathers: EdgeList,
    /// `B(AᵀAᵀ)`: the fathers of the fathers of node i.
    pub grandfathers: EdgeList,
}

impl Relations {
    /// The relations of a graph.
    pub fn of(graph: &Graph) -> Self {
        let mut fathers = Vec::with_capacity(graph.nodes().len());
        for node in graph.nodes() {
            fathers.push(node.present_inputs().filter_map(|v| graph.producer(v)).map(|p| p.0).collect());
        }
        Self::from_fathers(EdgeList::from_rows(fathers))
    }

    /// From the father lists alone.
    pub fn from_fathers(fathers: EdgeList) -> Self {
        Relations { sons: fathers.transposed(), grandfathers: fathers.compose(&fathers), fathers }
    }

    /// NN-Former's `AᵀA`: nodes with a common father.
    pub fn siblings_by_father(&self) -> EdgeList {
        self.fathers.compose(&self.sons)
    }

    /// NN-Former's `AAᵀ`: nodes with a common son.
    pub fn siblings_by_son(&self) -> EdgeList {
        self.sons.compose(&self.fathers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 0 -> 1 -> 3, 0 -> 2 -> 3: a diamond.
    fn diamond() -> Relations {
        Relations::from_fathers(EdgeList::from_rows(vec![vec![], vec![0], vec![0], vec![1, 2, 1]]))
    }

    #[test]
    fn diamond_masks() {
        let r = diamond();
        assert_eq!(r.sons.to_grid(), "###.\n.#.#\n..##\n...#\n");
        assert_eq!(r.fathers.to_grid(), "#...\n##..\n#.#.\n.###\n");
        assert_eq!(r.grandfathers.to_grid(), "#...\n.#..\n..#.\n#..#\n");
        assert_eq!(r.siblings_by_father().row(1), &[1, 2]);
        assert_eq!(r.siblings_by_son().row(2), &[1, 2]);
    }

    #[test]
    fn grandfathers_are_the_transposed_grandsons() {
        let r = diamond();
        assert_eq!(r.grandfathers.transposed(), r.sons.compose(&r.sons));
    }
}
