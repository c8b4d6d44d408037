//! NAS-Bench-201 (Dong and Yang, 2020): 5⁶ cells of four nodes, five cells a stage, on images of 32.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use ledg_graph::Graph;

use super::cell::{CellGraph, CellNode, CellOp};
use super::{bad, imported};
use crate::ZooError;
use crate::net::{Act, Map, Net, Window};

const SPACE: &str = "NAS-Bench-201";

/// Number of cells of the space.
pub const N_CELLS: u32 = 15_625;

/// From and to which node each edge goes, in the order in which an architecture is written.
const EDGES: [(usize, usize); 6] = [(0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3)];

/// What happens on an edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EdgeOp {
    /// Nothing: zeros.
    None,
    /// Average over 3x3.
    AvgPool3x3,
    /// ReLU, 3x3 convolution, norm.
    Conv3x3,
    /// ReLU, 1x1 convolution, norm.
    Conv1x1,
    /// The value itself.
    Skip,
}

/// In the order of NNLQP's digits, with the names that architectures are written in.
const OPS: [(EdgeOp, &str); 5] = [
    (EdgeOp::None, "none"),
    (EdgeOp::AvgPool3x3, "avg_pool_3x3"),
    (EdgeOp::Conv3x3, "nor_conv_3x3"),
    (EdgeOp::Conv1x1, "nor_conv_1x1"),
    (EdgeOp::Skip, "skip_connect"),
];

/// A cell: the operators of its six edges, in the order 0→1, 0→2, 1→2, 0→3, 1→3, 2→3.
///
/// Written as the benchmark does: `|nor_conv_3x3~0|+|none~0|skip_connect~1|+|none~0|none~1|avg_pool_3x3~2|`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Cell(pub [EdgeOp; 6]);

impl Cell {
    /// The cell of that number in base 5, first edge first, digits in the order of [`EdgeOp`]: NNLQP's codes. The
    /// benchmark's own index is a shuffle that only its table knows.
    ///
    /// # Errors
    /// [`ZooError::BadArchitecture`] from [`N_CELLS`] on.
    pub fn from_code(code: u32) -> Result<Self, ZooError> {
        if code >= N_CELLS {
            return Err(bad(SPACE, &code.to_string(), format!("a code is below {N_CELLS}")));
        }
        let digit = |i: u32| OPS[(code / 5u32.pow(5 - i) % 5) as usize].0;
        Ok(Cell([0, 1, 2, 3, 4, 5].map(digit)))
    }

    /// The code of [`from_code`](Cell::from_code).
    pub fn code(&self) -> u32 {
        let digit = |op: &EdgeOp| OPS.iter().position(|(o, _)| o == op).unwrap_or_default() as u32;
        self.0.iter().fold(0, |code, op| code * 5 + digit(op))
    }

    /// The cell alone, in canonical form.
    pub fn graph(&self) -> CellGraph {
        let mut inner: Vec<CellNode> = Vec::new();
        // By node of the cell: what adds up to its value.
        let mut values: Vec<Vec<(usize, u32)>> = vec![vec![(0, 1)]];
        for to in 1..=3 {
            let mut value: BTreeMap<usize, u32> = BTreeMap::new();
            for (&op, (from, _)) in self.0.iter().zip(EDGES).filter(|(_, (_, t))| *t == to) {
                let op = match op {
                    EdgeOp::None => continue,
                    EdgeOp::Skip => {
                        values[from].iter().for_each(|&(source, n)| *value.entry(source).or_default() += n);
                        continue;
                    }
                    EdgeOp::AvgPool3x3 => CellOp::AvgPool3x3,
                    EdgeOp::Conv3x3 => CellOp::Conv3x3,
                    EdgeOp::Conv1x1 => CellOp::Conv1x1,
                };
                inner.push(CellNode { op, sources: values[from].clone(), width: 1.0 });
                value.insert(inner.len(), 1);
            }
            values.push(value.into_iter().collect());
        }
        CellGraph::new(&inner, &values[3])
    }
}

impl FromStr for Cell {
    type Err = ZooError;

    fn from_str(text: &str) -> Result<Self, ZooError> {
        let nodes: Vec<&str> = text.split('+').collect();
        if nodes.len() != 3 {
            return Err(bad(SPACE, text, "it has three nodes joined by +"));
        }
        let mut ops = Vec::with_capacity(6);
        for (i, node) in nodes.into_iter().enumerate() {
            let inner = node.strip_prefix('|').and_then(|n| n.strip_suffix('|'));
            let edges: Vec<&str> = inner.unwrap_or_default().split('|').collect();
            if edges.len() != i + 1 {
                return Err(bad(SPACE, text, format!("node {} has {} edge(s) between |", i + 1, i + 1)));
            }
            for (from, edge) in edges.into_iter().enumerate() {
                let name = edge.strip_suffix(&format!("~{from}"));
                let found = name.and_then(|name| OPS.iter().find(|(_, n)| *n == name));
                let (op, _) = found.ok_or_else(|| bad(SPACE, text, format!("`{edge}` is no operator~{from}")))?;
                ops.push(*op);
            }
        }
        Ok(Cell(ops.try_into().unwrap_or([EdgeOp::None; 6])))
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (op, (from, to))) in self.0.iter().zip(EDGES).enumerate() {
            if from == 0 {
                f.write_str(if i == 0 { "|" } else { "+|" })?;
            }
            let name = OPS.iter().find(|(o, _)| o == op).map_or("none", |(_, name)| name);
            write!(f, "{name}~{from}|")?;
            debug_assert!(from < to);
        }
        Ok(())
    }
}

/// What becomes of `none` edges and of what they cut off; runtimes differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ZeroEdges {
    /// As frameworks without a graph run it: `none` multiplies by zero, and every other edge runs, needed or not.
    #[default]
    Run,
    /// As an exporter leaves it: `none` edges are gone, a node without edges multiplies by zero, and what the output does
    /// not need is left out.
    Drop,
    /// As an optimising compiler leaves it: what is computed from zeros alone is gone as well.
    Fold,
}

/// Sizes around the cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    /// Images at once. Default 1.
    pub batch: u64,
    /// Height and width of the images, a multiple of 4. Default 32; 16 for ImageNet16-120.
    pub image: u64,
    /// Classes. Default 10 (CIFAR-10); 100 for CIFAR-100, 120 for ImageNet16-120.
    pub classes: u64,
    /// Channels of the first stage. Default 16.
    pub channels: u64,
    /// Cells a stage. Default 5.
    pub cells: usize,
    /// What becomes of `none` edges.
    pub zeros: ZeroEdges,
}

impl Default for Config {
    fn default() -> Self {
        Config { batch: 1, image: 32, classes: 10, channels: 16, cells: 5, zeros: ZeroEdges::Run }
    }
}

/// The network of a cell.
///
/// # Errors
/// [`ZooError::BadSize`] when a size is zero or the image no multiple of 4.
pub fn build(cell: &Cell, config: &Config) -> Result<Graph, ZooError> {
    let sizes = [("batch", config.batch), ("classes", config.classes), ("channels", config.channels)];
    if let Some((what, size)) = sizes.into_iter().find(|(_, size)| *size == 0) {
        return Err(ZooError::BadSize { name: SPACE, what, size, why: "it must be at least 1" });
    }
    if config.image == 0 || !config.image.is_multiple_of(4) {
        return Err(ZooError::BadSize {
            name: SPACE,
            what: "image",
            size: config.image,
            why: "it must be a multiple of 4",
        });
    }
    imported(&format!("nasbench201-{:05}", cell.code()), |net| {
        network(net, cell, config);
        Ok(())
    })
}

fn network(net: &mut Net, cell: &Cell, config: &Config) {
    let x = net.image(config.batch, config.image);
    let mut x = net.conv_norm(x, config.channels, Window::same(3, 1), Act::None);
    for stage in 0..3 {
        if stage > 0 {
            x = reduction(net, x, config.channels << stage);
        }
        for _ in 0..config.cells {
            x = run_cell(net, x, cell, config.zeros);
        }
    }
    let x = net.batch_norm(x);
    let x = net.act(x, Act::Relu);
    let x = net.pooled(x);
    let x = net.gemm(x, config.classes);
    net.output(x.id);
}

/// A residual block that halves the image; its shortcut averages, then convolves without a norm.
fn reduction(net: &mut Net, x: Map, channels: u64) -> Map {
    let y = relu_conv(net, x, channels, Window::same(3, 2));
    let y = relu_conv(net, y, channels, Window::same(3, 1));
    let shortcut = net.average_pool(x, Window::valid(2, 2));
    let shortcut = net.conv_without_bias(shortcut, channels, Window::same(1, 1));
    net.add(shortcut, y)
}

fn relu_conv(net: &mut Net, x: Map, channels: u64, window: Window) -> Map {
    let x = net.act(x, Act::Relu);
    net.conv_norm(x, channels, window, Act::None)
}

fn run_cell(net: &mut Net, x: Map, cell: &Cell, zeros: ZeroEdges) -> Map {
    // `None` is a node that is known to be zero.
    let mut nodes: Vec<Option<Map>> = vec![Some(x)];
    for to in 1..=3 {
        let mut sum: Option<Map> = None;
        for (&op, (from, _)) in cell.0.iter().zip(EDGES).filter(|(_, (_, t))| *t == to) {
            let Some(from) = nodes[from] else { continue };
            let value = match op {
                EdgeOp::None if zeros != ZeroEdges::Run => continue,
                EdgeOp::None => zero(net, from),
                EdgeOp::Skip => from,
                EdgeOp::AvgPool3x3 => net.average_pool(from, Window::same(3, 1)),
                EdgeOp::Conv1x1 => relu_conv(net, from, from.channels, Window::same(1, 1)),
                EdgeOp::Conv3x3 => relu_conv(net, from, from.channels, Window::same(3, 1)),
            };
            sum = Some(match sum {
                Some(sum) => net.add(sum, value),
                None => value,
            });
        }
        let is_needed = zeros != ZeroEdges::Fold || to == 3;
        if sum.is_none() && is_needed {
            sum = Some(zero(net, x));
        }
        nodes.push(sum);
    }
    nodes[3].unwrap_or(x)
}

fn zero(net: &mut Net, x: Map) -> Map {
    let zero = net.scalar(0.0);
    Map { id: net.apply("Mul", &[x.id, zero]), ..x }
}
