//! Edge lists with counts: a quotient graph's node may stand for several neighbours at once.

use std::ops::Range;

use ledg_graph::EdgeList;

/// For each row its neighbours, each with how many nodes it stands for.
///
/// ```
/// use ledg_predictor::WeightedEdges;
///
/// let mut edges = WeightedEdges::from_rows([vec![], vec![(0, 2.0)]]);
/// assert_eq!(edges.with_self().row(1), (&[0, 1][..], &[2.0, 1.0][..]));
///
/// // A second graph's rows follow, their columns with them.
/// edges.append(&WeightedEdges::from_rows([vec![(0, 1.0)]]));
/// assert_eq!((edges.n_rows(), edges.row(2).0), (3, &[2][..]));
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct WeightedEdges {
    offsets: Vec<u32>,
    columns: Vec<u32>,
    counts: Vec<f32>,
}

impl WeightedEdges {
    /// From rows of (column, count); columns ascending and distinct within a row.
    pub fn from_rows(rows: impl IntoIterator<Item = Vec<(u32, f32)>>) -> Self {
        let mut edges = WeightedEdges { offsets: vec![0], columns: Vec::new(), counts: Vec::new() };
        for row in rows {
            for (column, count) in row {
                edges.columns.push(column);
                edges.counts.push(count);
            }
            edges.offsets.push(edges.columns.len() as u32);
        }
        edges
    }

    /// Every neighbour once.
    pub fn unweighted(edges: &EdgeList) -> Self {
        Self::from_rows((0..edges.n_nodes()).map(|i| edges.row(i).iter().map(|&j| (j, 1.0)).collect()))
    }

    /// Number of rows.
    pub fn n_rows(&self) -> usize {
        self.offsets.len() - 1
    }

    /// Number of edges.
    pub fn n_edges(&self) -> usize {
        self.columns.len()
    }

    /// Columns and counts of a row.
    pub fn row(&self, i: usize) -> (&[u32], &[f32]) {
        let range = self.range(i);
        (&self.columns[range.clone()], &self.counts[range])
    }

    /// Where a row stands in [`WeightedEdges::columns`] and [`WeightedEdges::counts`].
    pub fn range(&self, i: usize) -> Range<usize> {
        self.offsets[i] as usize..self.offsets[i + 1] as usize
    }

    /// The columns of all rows, one after the other.
    pub fn columns(&self) -> &[u32] {
        &self.columns
    }

    /// The counts of all rows, one after the other.
    pub fn counts(&self) -> &[f32] {
        &self.counts
    }

    /// The same with the identity added: one more count at (i, i).
    pub fn with_self(&self) -> Self {
        Self::from_rows((0..self.n_rows()).map(|i| {
            let (columns, counts) = self.row(i);
            let mut row: Vec<(u32, f32)> = columns.iter().copied().zip(counts.iter().copied()).collect();
            match row.binary_search_by_key(&(i as u32), |&(j, _)| j) {
                Ok(place) => row[place].1 += 1.0,
                Err(place) => row.insert(place, (i as u32, 1.0)),
            }
            row
        }))
    }

    /// Appends another graph's edges, its rows following ours.
    pub fn append(&mut self, other: &WeightedEdges) {
        let (rows, edges) = (self.n_rows() as u32, self.n_edges() as u32);
        self.offsets.extend(other.offsets[1..].iter().map(|o| o + edges));
        self.columns.extend(other.columns.iter().map(|c| c + rows));
        self.counts.extend_from_slice(&other.counts);
    }

    /// No rows.
    pub fn empty() -> Self {
        Self::from_rows(std::iter::empty())
    }
}
