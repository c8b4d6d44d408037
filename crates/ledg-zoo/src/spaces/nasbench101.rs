//! NAS-Bench-101 (Ying et al., 2019): cells of up to seven vertices, three stacks of three cells on images of 32.

use ledg_graph::{Attrs, DType, Graph};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::cell::{CellGraph, CellNode, CellOp};
use super::{bad, imported};
use crate::ZooError;
use crate::net::{Act, Map, Net, Window};

const SPACE: &str = "NAS-Bench-101";

const MOST_VERTICES: usize = 7;
const MOST_EDGES: usize = 9;

/// What a vertex between input and output does; convolutions have norm and ReLU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum VertexOp {
    /// 3x3 convolution.
    Conv3x3,
    /// 1x1 convolution.
    Conv1x1,
    /// 3x3 maximum.
    MaxPool3x3,
}

/// A cell: a graph from the input, vertex 0, to the output, the last one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Cell {
    /// `edges[i][j]`: whether vertex i feeds vertex j.
    edges: Vec<Vec<bool>>,
    /// Operators of the vertices between.
    ops: Vec<VertexOp>,
}

impl Cell {
    /// A cell from its adjacency matrix, row by row.
    ///
    /// # Errors
    /// [`ZooError::BadArchitecture`] unless the matrix is square, of the operators' number plus two, of an acyclic graph
    /// (above the diagonal), and every vertex lies between input and output.
    pub fn new(edges: Vec<Vec<bool>>, ops: Vec<VertexOp>) -> Result<Self, ZooError> {
        let n = ops.len() + 2;
        let error = |why: &str| bad(SPACE, &written(&edges), why);
        if edges.len() != n || edges.iter().any(|row| row.len() != n) {
            return Err(error("the matrix has a row and a column a vertex"));
        }
        if (0..n).any(|i| (0..=i).any(|j| edges[i][j])) {
            return Err(error("an edge goes from an earlier to a later vertex"));
        }
        let is_fed = |j: usize| (0..j).any(|i| edges[i][j]);
        let feeds = |i: usize| (i + 1..n).any(|j| edges[i][j]);
        if (1..n).any(|j| !is_fed(j)) || (0..n - 1).any(|i| !feeds(i)) {
            return Err(error("every vertex lies on a way from input to output"));
        }
        Ok(Cell { edges, ops })
    }

    /// Reads an adjacency matrix as a row of `0` and `1`, and operators as `-1-0-2-…--2`: -1 input, 0 3x3 convolution, 1
    /// 1x1 convolution, 2 3x3 maximum, -2 output.
    ///
    /// # Errors
    /// As [`Cell::new`], and for other characters.
    pub fn parse(adjacency: &str, ops: &str) -> Result<Self, ZooError> {
        let inner = ops.strip_prefix("-1-").and_then(|o| o.strip_suffix("-2")).and_then(|o| match o {
            "" => Some(""),
            o => o.strip_suffix('-'),
        });
        let inner = inner.ok_or_else(|| bad(SPACE, ops, "operators begin with -1 and end with -2"))?;
        let op = |text: &str| match text {
            "0" => Ok(VertexOp::Conv3x3),
            "1" => Ok(VertexOp::Conv1x1),
            "2" => Ok(VertexOp::MaxPool3x3),
            _ => Err(bad(SPACE, ops, format!("`{text}` is no operator"))),
        };
        let ops: Vec<VertexOp> = inner.split('-').filter(|_| !inner.is_empty()).map(op).collect::<Result<_, _>>()?;
        let n = ops.len() + 2;
        let bits: Option<Vec<bool>> = adjacency.chars().map(|c| c.to_digit(2).map(|d| d == 1)).collect();
        let bits = bits.filter(|b| b.len() == n * n);
        let bits = bits.ok_or_else(|| bad(SPACE, adjacency, format!("{n} vertices have {} digits 0 or 1", n * n)))?;
        Cell::new(bits.chunks(n).map(<[bool]>::to_vec).collect(), ops)
    }

    /// A cell drawn by a seed: three to seven vertices, at most nine edges, as the benchmark has them, drawn until it is one.
    pub fn random(seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        loop {
            let n = rng.random_range(3..=MOST_VERTICES);
            let mut edges = vec![vec![false; n]; n];
            for (i, row) in edges.iter_mut().enumerate() {
                row[i + 1..].iter_mut().for_each(|e| *e = rng.random_bool(0.4));
            }
            let ops = [VertexOp::Conv3x3, VertexOp::Conv1x1, VertexOp::MaxPool3x3];
            let ops = (2..n).map(|_| ops[rng.random_range(0..3)]).collect();
            let n_edges = edges.iter().flatten().filter(|e| **e).count();
            if let (..=MOST_EDGES, Ok(cell)) = (n_edges, Cell::new(edges, ops)) {
                return cell;
            }
        }
    }

    /// The cell alone, in canonical form.
    pub fn graph(&self) -> CellGraph {
        // Divisible by every number of vertices that can share the output's channels, so that shares are exact.
        const CHANNELS: u64 = 60;
        let (channels, last) = (self.channels(CHANNELS, CHANNELS), self.n() - 1);
        let sources = |v: usize| (0..v).filter(|&s| self.edges[s][v]).map(|s| (s, 1)).collect::<Vec<_>>();
        let node = |(v, op): (usize, &VertexOp)| CellNode {
            op: match op {
                VertexOp::Conv3x3 => CellOp::Conv3x3,
                VertexOp::Conv1x1 => CellOp::Conv1x1,
                VertexOp::MaxPool3x3 => CellOp::MaxPool3x3,
            },
            sources: sources(v),
            width: channels[v] as f64 / CHANNELS as f64,
        };
        let inner: Vec<CellNode> = (1..last).zip(&self.ops).map(node).collect();
        CellGraph::new(&inner, &sources(last))
    }

    fn n(&self) -> usize {
        self.ops.len() + 2
    }

    /// Channels of each vertex: those that feed the output share its channels, the others are as wide as their widest
    /// reader.
    fn channels(&self, input: u64, output: u64) -> Vec<u64> {
        let last = self.n() - 1;
        let mut channels = vec![0; self.n()];
        (channels[0], channels[last]) = (input, output);
        let joined: Vec<usize> = (1..last).filter(|&v| self.edges[v][last]).collect();
        let share = output / joined.len().max(1) as u64;
        let left = output - share * joined.len() as u64;
        for (i, &v) in joined.iter().enumerate() {
            channels[v] = share + u64::from((i as u64) < left);
        }
        for v in (1..last).rev().filter(|&v| !self.edges[v][last]) {
            channels[v] = (v + 1..last).filter(|&r| self.edges[v][r]).map(|r| channels[r]).max().unwrap_or(output);
        }
        channels
    }
}

fn written(edges: &[Vec<bool>]) -> String {
    edges.iter().flatten().map(|&e| if e { '1' } else { '0' }).collect()
}

/// The network of a cell: ten classes, images of 32.
///
/// # Errors
/// [`ZooError::BadSize`] for an empty batch.
pub fn build(name: &str, cell: &Cell, batch: u64) -> Result<Graph, ZooError> {
    if batch == 0 {
        return Err(ZooError::BadSize { name: SPACE, what: "batch", size: 0, why: "it must be at least 1" });
    }
    imported(name, |net| {
        let x = net.image(batch, 32);
        let mut x = net.conv_norm(x, 128, Window::same(3, 1), Act::Relu);
        for stack in 0..3 {
            if stack > 0 {
                x = net.max_pool(x, Window::valid(2, 2), false);
            }
            for _ in 0..3 {
                x = run_cell(net, x, cell, 128 << stack);
            }
        }
        let x = net.pooled(x);
        let x = net.gemm(x, 10);
        net.output(x.id);
        Ok(())
    })
}

fn run_cell(net: &mut Net, x: Map, cell: &Cell, width: u64) -> Map {
    let last = cell.n() - 1;
    let channels = cell.channels(x.channels, width);
    let point = Window::same(1, 1);
    let mut vertices = vec![x];
    for (v, op) in (1..last).zip(&cell.ops) {
        let width = channels[v];
        let sources: Vec<usize> = (1..v).filter(|&s| cell.edges[s][v]).collect();
        let mut parts: Vec<Map> = sources.into_iter().map(|s| truncated(net, vertices[s], width)).collect();
        if cell.edges[0][v] {
            parts.push(net.conv_norm(x, width, point, Act::Relu));
        }
        let sum = sum(net, &parts);
        vertices.push(match op {
            VertexOp::Conv3x3 => net.conv_norm(sum, width, Window::same(3, 1), Act::Relu),
            VertexOp::Conv1x1 => net.conv_norm(sum, width, point, Act::Relu),
            VertexOp::MaxPool3x3 => net.max_pool(sum, Window::same(3, 1), false),
        });
    }
    let joined: Vec<Map> = (1..last).filter(|&v| cell.edges[v][last]).map(|v| vertices[v]).collect();
    let mut parts = match joined.len() {
        0 => Vec::new(),
        1 => joined,
        _ => vec![net.concat(&joined)],
    };
    if cell.edges[0][last] {
        parts.push(net.conv_norm(x, width, point, Act::Relu));
    }
    sum(net, &parts)
}

fn sum(net: &mut Net, parts: &[Map]) -> Map {
    let (first, rest) = parts.split_first().expect("a cell's vertices are fed");
    rest.iter().fold(*first, |sum, &part| net.add(sum, part))
}

/// The first channels.
fn truncated(net: &mut Net, x: Map, channels: u64) -> Map {
    if x.channels == channels {
        return x;
    }
    let (start, end, axis) = (net.ints(&[0]), net.ints(&[channels as i64]), net.ints(&[1]));
    let inputs = [x.id, start, end, axis].map(Some);
    Map { id: net.outputs("Slice", Attrs::new(), &inputs, 1, DType::F32)[0], channels }
}
