//! Cells as the scorer takes them: a sentence and numbers a node.
//!
//! The sentences of convolutions and pools are those of the built-in templates. The numbers say where in the cell a node stands.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context, Result};
use ledg_cost_model::Describer;
use ledg_cost_model::encoder::Encoder;
use ledg_cost_model::graph::{Attr, Attrs, DType, EdgeList, GraphBuilder, Magnitudes, OpType, Relations, ValueId};
use ledg_cost_model::predictor::{GraphInput, NodeInput, QuotientGraph, ScoreConfig, Standardizer};
use ledg_zoo::cell::{CellGraph, CellOp};

/// Numbers of a node.
pub const N_NUMBERS: usize = 14;

/// Ends of a cell are no operators, so no template has words for them.
const ENDS: [(CellOp, &str); 2] = [(CellOp::Input, "View Input"), (CellOp::Output, "View Output")];

/// Operators of cells in ONNX, and their kernels.
const OPERATORS: [(CellOp, &str, i64); 4] = [
    (CellOp::Conv3x3, "Conv", 3),
    (CellOp::Conv1x1, "Conv", 1),
    (CellOp::AvgPool3x3, "AveragePool", 3),
    (CellOp::MaxPool3x3, "MaxPool", 3),
];

/// Cells ready for a scorer.
pub struct Inputs {
    sentences: BTreeMap<CellOp, Arc<[f32]>>,
    numbers: Standardizer,
}

impl Inputs {
    /// Sentences embedded; statistics of the numbers from these cells, each of which counts the same.
    ///
    /// # Errors
    /// Templates that cannot describe a cell's operators.
    pub fn new<'a>(training: impl Iterator<Item = &'a CellGraph>) -> Result<Self> {
        let words = words()?;
        let vectors = Encoder::pretrained()?.embed(&words.values().map(String::as_str).collect::<Vec<_>>())?;
        let width = vectors.first().context("there are no sentences")?.len();
        let statistics = Standardizer::fit(width, vectors.iter().map(|v| (&v[..], 1.0)));
        let sentences = words.keys().zip(&vectors).map(|(&op, v)| (op, statistics.apply(v).into()));
        let rows: Vec<_> = training.map(numbers).collect();
        let rows = rows.iter().flat_map(|cell| cell.iter().map(|row| (&row[..], 1.0 / cell.len() as f64)));
        Ok(Inputs { sentences: sentences.collect(), numbers: Standardizer::fit(N_NUMBERS, rows) })
    }

    /// Width of a sentence vector.
    pub fn sentence_dim(&self) -> usize {
        self.sentences.values().next().map_or(0, |v| v.len())
    }

    /// A cell as the scorer takes it.
    ///
    /// # Errors
    /// Numbers that are not finite.
    pub fn graph(&self, cell: &CellGraph, config: &ScoreConfig) -> Result<QuotientGraph> {
        let nodes = cell.nodes().iter().zip(numbers(cell)).map(|(node, row)| NodeInput {
            sentence: Arc::clone(&self.sentences[&node.op]),
            features: self.numbers.apply(&row),
            magnitudes: Magnitudes::default(),
            contraction: false,
        });
        let fathers = cell.nodes().iter().map(|n| n.sources.iter().map(|&(s, _)| s as u32).collect());
        let relations = Relations::from_fathers(EdgeList::from_rows(fathers.collect()));
        let input = GraphInput { nodes: nodes.collect(), relations };
        Ok(QuotientGraph::new(&input, config.attention, config.n_layers)?)
    }
}

/// The sentence of every operator of a cell.
fn words() -> Result<BTreeMap<CellOp, String>> {
    // Any extents do: sentences of these operators do not name them.
    let shape = [1, 16, 32, 32];
    let mut builder = GraphBuilder::new("cell");
    let mut x = builder.input("x", DType::F32, &shape);
    for (op, name, kernel) in OPERATORS {
        let y = builder.activation(format!("{op:?}.y"), DType::F32, Some(&shape));
        let mut inputs: Vec<Option<ValueId>> = vec![Some(x)];
        if name == "Conv" {
            let k = kernel as u64;
            inputs.push(Some(builder.weight(format!("{op:?}.w"), DType::F32, &[shape[1], shape[1], k, k])));
        }
        let mut attrs = Attrs::new();
        attrs.insert("kernel_shape", Attr::Ints(vec![kernel; 2]));
        attrs.insert("pads", Attr::Ints(vec![kernel / 2; 4]));
        builder.node(format!("{op:?}"), OpType::onnx(name), attrs, &inputs, &[y]);
        x = y;
    }
    builder.output(x);
    let described = Describer::builtin()?.describe(&builder.finish()?)?;
    let mut words: BTreeMap<CellOp, String> = ENDS.map(|(op, sentence)| (op, sentence.to_owned())).into();
    for (op, ..) in OPERATORS {
        let node = described.nodes.iter().find(|n| n.name == format!("{op:?}") && n.known);
        words.insert(op, node.with_context(|| format!("no template describes {op:?}"))?.sentence.clone());
    }
    Ok(words)
}

/// What a node adds to the depth of a way through it.
#[derive(Clone, Copy)]
enum Step {
    /// One for every operator.
    Operator,
    /// One for every convolution.
    Convolution,
}

impl Step {
    fn of(self, op: CellOp) -> f32 {
        let is_conv = matches!(op, CellOp::Conv3x3 | CellOp::Conv1x1);
        let is_end = matches!(op, CellOp::Input | CellOp::Output);
        f32::from(match self {
            Step::Operator => !is_end,
            Step::Convolution => is_conv,
        })
    }
}

/// The numbers of every node of a cell.
fn numbers(cell: &CellGraph) -> Vec<[f32; N_NUMBERS]> {
    let nodes = cell.nodes();
    let n = nodes.len();
    let sources: Vec<Vec<(usize, u32)>> = nodes.iter().map(|node| node.sources.clone()).collect();
    let readers = cell.readers();
    let (forth, back): (Vec<usize>, Vec<usize>) = ((0..n).collect(), (0..n).rev().collect());
    let depth = |order: &[usize], edges: &[Vec<(usize, u32)>], step: Step, pick: fn(f32, f32) -> f32| -> Vec<f32> {
        let mut depth = vec![0.0; n];
        for &i in order {
            let before = edges[i].iter().map(|&(s, _)| depth[s]).reduce(pick).unwrap_or(0.0);
            depth[i] = before + step.of(nodes[i].op);
        }
        depth
    };
    let ways = |order: &[usize], edges: &[Vec<(usize, u32)>], end: usize| -> Vec<f32> {
        let mut ways = vec![0.0; n];
        ways[end] = 1.0;
        for &i in order.iter().filter(|&&i| i != end) {
            ways[i] = edges[i].iter().map(|&(s, times)| times as f32 * ways[s]).sum();
        }
        ways
    };
    let depths: Vec<Vec<f32>> = [Step::Operator, Step::Convolution]
        .into_iter()
        .flat_map(|step| [f32::max, f32::min].map(|pick| (step, pick)))
        .flat_map(|(step, pick)| [depth(&forth, &sources, step, pick), depth(&back, &readers, step, pick)])
        .collect();
    let (from_input, to_output) = (ways(&forth, &sources, 0), ways(&back, &readers, n - 1));
    let times = |edges: &[(usize, u32)]| edges.iter().map(|&(_, times)| times as f32).sum::<f32>();
    (0..n)
        .map(|i| {
            let mut row = [0.0; N_NUMBERS];
            let own = [
                from_input[i].ln_1p(),
                to_output[i].ln_1p(),
                times(&sources[i]).ln_1p(),
                times(&readers[i]).ln_1p(),
                nodes[i].width as f32,
                f32::from(sources[i].iter().any(|&(s, _)| s == 0)),
            ];
            let all = own.into_iter().chain(depths.iter().map(|d| d[i]));
            row.iter_mut().zip(all).for_each(|(slot, x)| *slot = x);
            row
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use ledg_zoo::nasbench201::Cell;

    use super::*;

    #[test]
    fn words_are_the_templates() {
        let words = words().unwrap();
        assert_eq!(words[&CellOp::Conv3x3], "ParamL Conv 3");
        assert_eq!(words[&CellOp::AvgPool3x3], "Pool Average 3");
        assert_eq!(words.len(), OPERATORS.len() + ENDS.len());
    }

    #[test]
    fn numbers_by_hand() {
        // input → conv a → pool b → output, and input → output, and a → output twice
        let cell = "|nor_conv_3x3~0|+|skip_connect~0|avg_pool_3x3~1|+|none~0|skip_connect~1|skip_connect~2|";
        let cell: CellGraph = cell.parse::<Cell>().unwrap().graph();
        assert_eq!(cell.key(), "Input[] Conv3x3[(0, 1)] AvgPool3x3[(1, 1)] Output[(0, 1), (1, 1), (2, 1)]");
        let rows = numbers(&cell);
        let ln = |x: f32| x.ln_1p();
        // ways, times read and reading, width, fed by the input; then longest and shortest, from and to, in operators and convolutions
        assert_eq!(rows[1], [ln(1.0), ln(2.0), ln(1.0), ln(2.0), 1.0, 1.0, 1.0, 2.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]);
        assert_eq!(rows[3], [ln(3.0), ln(1.0), ln(3.0), 0.0, 1.0, 1.0, 2.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0]);
    }
}
