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
        let mut edges = EdgeList::with_capacity(rows.len(), rows.iter().map(Vec::len).sum());
        for row in rows {
            edges.push_row(row);
        }
        edges
    }

    /// No rows yet, room for so many.
    pub fn with_capacity(n_rows: usize, n_edges: usize) -> Self {
        let mut offsets = Vec::with_capacity(n_rows + 1);
        offsets.push(0);
        EdgeList { offsets, neighbours: Vec::with_capacity(n_edges) }
    }

    /// Appends a row; it is sorted and its duplicates are removed.
    pub fn push_row(&mut self, row: impl IntoIterator<Item = u32>) {
        let start = self.neighbours.len();
        self.neighbours.extend(row);
        self.neighbours[start..].sort_unstable();
        let mut end = start;
        for i in start..self.neighbours.len() {
            if end == start || self.neighbours[end - 1] != self.neighbours[i] {
                self.neighbours[end] = self.neighbours[i];
                end += 1;
            }
        }
        self.neighbours.truncate(end);
        self.offsets.push(end as u32);
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
        let n = self.n_nodes();
        let mut offsets = vec![0; n + 1];
        self.neighbours.iter().for_each(|&j| offsets[j as usize + 1] += 1);
        (0..n).for_each(|i| offsets[i + 1] += offsets[i]);
        let mut next = offsets.clone();
        let mut neighbours = vec![0; self.neighbours.len()];
        for i in 0..n {
            for &j in self.row(i) {
                let at = &mut next[j as usize];
                neighbours[*at as usize] = i as u32;
                *at += 1;
            }
        }
        EdgeList { offsets, neighbours }
    }

    /// The binarised product `B(self · other)`.
    pub fn compose(&self, other: &EdgeList) -> EdgeList {
        let mut product = EdgeList::with_capacity(self.n_nodes(), self.n_edges());
        for i in 0..self.n_nodes() {
            product.push_row(self.row(i).iter().flat_map(|&k| other.row(k as usize)).copied());
        }
        product
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
    ///
    /// ```
    /// use ledg_graph::{Attrs, DType, GraphBuilder, OpType, Relations};
    /// let mut b = GraphBuilder::new("chain");
    /// let mut last = b.input("x", DType::F32, &[1, 16]);
    /// for name in ["a", "b", "c"] {
    ///     let next = b.activation(format!("{name}.out"), DType::F32, Some(&[1, 16]));
    ///     b.node(name, OpType::onnx("Relu"), Attrs::new(), &[Some(last)], &[next]);
    ///     last = next;
    /// }
    /// b.output(last);
    /// let relations = Relations::of(&b.finish()?);
    /// assert_eq!(relations.fathers.row(2), [1]);
    /// assert_eq!(relations.grandfathers.row(2), [0]);
    /// assert_eq!(relations.sons.row(0), [1]);
    /// # Ok::<(), ledg_graph::GraphError>(())
    /// ```
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
