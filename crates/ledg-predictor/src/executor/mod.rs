//! Inference without tensors: all members of an ensemble at once, over rows instead of graphs.
//!
//! `Predictor` is what the model *is*, and what is trained; this executor computes the same from the same weights. Tests
//! hold the two together on random graphs. One module an equation group:
//!
//! | module | what |
//! |---|---|
//! | `levels`, `store` | which rows are distinct, and which have been computed before |
//! | `trunk` | (1): embedding; the blocks; the node's part of the readout |
//! | `attention` | (3)-(8) |
//! | `platforms` | (2): platform vectors |
//! | `readout` | the sum readout, rows in the lanes of vectors |
//! | `linear`, `norm`, `simd`, `weights` | arithmetic and loading |
//!
//! **Invariant:** a row's bits depend on its colour alone: not on the graph, the batch or the store it is computed in. No
//! threads, no global state, no allocation once the buffers have grown.

mod attention;
mod levels;
mod linear;
mod norm;
mod platforms;
mod readout;
mod score;
mod simd;
mod store;
mod trunk;
mod weights;

use std::borrow::Borrow;

use candle_nn::VarBuilder;
use ledg_graph::{Magnitudes, Relations};
use pulp::Arch;

use crate::config::{PredictorConfig, Readout};
use crate::error::{PredictorError, Result};
use crate::input::{GraphInput, NodeInput, PlatformInput, PlatformRates};
use crate::ops::N_TERMS;
use crate::predictor::NodeCost;
use crate::roofline::{self, N_PHYSICAL, NodeLogs, PlatformLogs};
use platforms::Platforms;
use readout::Corrections;
pub use score::ScoreExecutor;
use simd::{PANEL, padded};
pub use store::Store;
use trunk::Trunk;

/// The members of an ensemble, ready for inference.
#[derive(Debug)]
pub struct Executor {
    arch: Arch,
    trunk: Trunk,
    platforms: Platforms,
    corrections: Corrections,
    members: usize,
    config: PredictorConfig,
}

/// A graph after the trunk: all that platforms and batch sizes share.
#[derive(Debug, Clone, Default)]
pub struct GraphRows {
    /// Node's part of the readout, (blocks, members, d_readout, PANEL): a class a lane.
    nodes: Vec<f32>,
    /// By class of nodes.
    classes: Vec<Class>,
    /// Number of nodes of each class.
    counts: Vec<f32>,
    class_of: Vec<u32>,
    /// By row of the store while a graph is gathered: its class.
    class_of_row: Vec<u32>,
    row_of_class: Vec<u32>,
}

#[derive(Debug, Clone, Copy)]
struct Class {
    magnitudes: Magnitudes,
    contraction: bool,
    logs: NodeLogs,
}

impl GraphRows {
    /// The class of each node: nodes of one class cost the same.
    pub fn class_of(&self) -> &[u32] {
        &self.class_of
    }

    /// Number of nodes of each class.
    pub fn counts(&self) -> &[f32] {
        &self.counts
    }
}

/// Platforms after embedding: all that graphs share.
#[derive(Debug, Clone)]
pub struct PlatformRows {
    /// By platform: (members, padded d_readout).
    hidden: Vec<f32>,
    /// By platform and member.
    base: Vec<[f32; N_TERMS]>,
    rates: Vec<(PlatformRates, PlatformLogs)>,
}

/// The answer to one query.
#[derive(Debug, Clone, Default)]
pub struct Answer {
    /// ln seconds by member.
    pub ln_s: Vec<f64>,
    /// Sum over the members of what one node of each class costs.
    pub classes: Vec<NodeCost>,
}

/// Memory of [`Executor::price`] that is used again.
#[derive(Debug, Default)]
pub struct PriceScratch {
    physical: Vec<f32>,
    factors: Vec<f32>,
    terms_s: Vec<[f64; N_TERMS]>,
}

impl Executor {
    /// Reads the weights of every member from its builder, under [`crate::Predictor`]'s names.
    ///
    /// `None` for the paper's readout, which only the predictor has.
    ///
    /// # Errors
    /// A configuration that makes no sense; weights that are missing or of another shape (named); no members.
    pub fn load(config: &PredictorConfig, members: &[VarBuilder]) -> Result<Option<Self>> {
        config.validate()?;
        if members.is_empty() {
            return Err(PredictorError::Config { field: "members", why: "are none".into() });
        }
        if config.readout == Readout::Paper {
            return Ok(None);
        }
        Ok(Some(Executor {
            arch: Arch::new(),
            trunk: Trunk::load(config, members)?,
            platforms: Platforms::load(config, members)?,
            corrections: platforms::corrections(config, members)?,
            members: members.len(),
            config: config.clone(),
        }))
    }

    /// Number of members.
    pub fn members(&self) -> usize {
        self.members
    }

    /// Computes the rows of a graph, as far as the store does not have them already.
    ///
    /// # Errors
    /// [`PredictorError::Width`] and [`PredictorError::NotFinite`] on inputs of the wrong width or with NaN.
    pub fn graph(&self, graph: &GraphInput, store: &mut Store, rows: &mut GraphRows) -> Result<()> {
        self.nodes(&graph.nodes, &graph.relations, store, rows)
    }

    /// [`Executor::graph`] of nodes that are held elsewhere.
    ///
    /// # Errors
    /// As [`Executor::graph`].
    pub fn nodes<N: Borrow<NodeInput>>(
        &self,
        nodes: &[N],
        relations: &Relations,
        store: &mut Store,
        rows: &mut GraphRows,
    ) -> Result<()> {
        for node in nodes {
            let node = node.borrow();
            width("a sentence vector", node.sentence.len(), self.config.sentence_dim)?;
            width("a node's numbers", node.features.len(), self.config.n_features)?;
        }
        self.trunk.run(self.arch, nodes, relations, store)?;
        self.gather(nodes, store, rows);
        Ok(())
    }

    /// Gathers the rows of one graph from the store, in order of first appearance.
    fn gather<N: Borrow<NodeInput>>(&self, inputs: &[N], store: &Store, rows: &mut GraphRows) {
        const NONE: u32 = u32::MAX;
        let GraphRows { nodes, classes, counts, class_of, class_of_row, row_of_class } = rows;
        row_of_class.clear();
        class_of_row.clear();
        class_of_row.resize(store.heads.colours.len(), NONE);
        classes.clear();
        counts.clear();
        class_of.clear();
        for (node, &row) in inputs.iter().zip(&store.scratch.rows) {
            let node = node.borrow();
            let class = &mut class_of_row[row as usize];
            if *class == NONE {
                *class = classes.len() as u32;
                let magnitudes = node.magnitudes;
                let logs = NodeLogs::new(&magnitudes);
                classes.push(Class { magnitudes, contraction: node.contraction, logs });
                counts.push(0.0);
                row_of_class.push(row);
            }
            counts[*class as usize] += 1.0;
            class_of.push(*class);
        }
        let (d, width) = (self.config.d_readout, self.trunk.head_width());
        let own = width / self.members;
        // Lanes beyond the last class keep what was there: nobody reads them.
        nodes.resize(padded(classes.len()) * self.members * d, 0.0);
        let blocks = nodes.chunks_exact_mut(self.members * d * PANEL).zip(row_of_class.chunks(PANEL));
        for (block, block_rows) in blocks {
            let mut heads: [&[f32]; PANEL] = [&[]; PANEL];
            for (m, block) in block.chunks_exact_mut(d * PANEL).enumerate() {
                for (lane, head) in heads.iter_mut().enumerate() {
                    let row = block_rows[lane.min(block_rows.len() - 1)] as usize;
                    *head = &store.heads.x[row * width + m * own..][..d];
                }
                let block = &mut block.as_chunks_mut::<PANEL>().0[..d];
                for (at, lanes) in block.iter_mut().enumerate() {
                    for (lane, head) in lanes.iter_mut().zip(&heads) {
                        *lane = head[at];
                    }
                }
            }
        }
    }

    /// Embeds platforms.
    ///
    /// # Errors
    /// [`PredictorError::Width`] if a platform's vectors do not have the configured widths.
    pub fn platforms(&self, platforms: &[PlatformInput]) -> Result<PlatformRows> {
        for p in platforms {
            width("a platform's sentence vector", p.sentence.len(), self.config.sentence_dim)?;
            width("a platform's runtime settings", p.runtime.len(), self.config.n_runtime)?;
            width("a platform's data-sheet numbers", p.sheet.len(), self.config.n_sheet)?;
        }
        let (hidden, base) = self.platforms.run(self.arch, platforms);
        Ok(PlatformRows {
            hidden,
            base,
            rates: platforms.iter().map(|p| (p.rates, PlatformLogs::new(&p.rates))).collect(),
        })
    }

    /// What a graph costs on platform number `platform` at a batch size (in units of the batch at which the graph's
    /// magnitudes were computed).
    ///
    /// # Errors
    /// [`PredictorError::Query`] if there is no such platform or the batch is not a positive number.
    pub fn price(
        &self,
        graph: &GraphRows,
        platforms: &PlatformRows,
        (platform, batch): (usize, f64),
        scratch: &mut PriceScratch,
        answer: &mut Answer,
    ) -> Result<()> {
        let bad = |why| PredictorError::Query { query: platform, why };
        let (rates, logs) = platforms.rates.get(platform).ok_or_else(|| bad("no platform of that index"))?;
        if !(batch.is_finite() && batch > 0.0) {
            return Err(bad("the batch size is not a positive number"));
        }
        let PriceScratch { physical, factors, terms_s } = scratch;
        terms_s.clear();
        terms_s.extend(graph.classes.iter().map(|c| roofline::terms_s(&c.magnitudes, c.contraction, rates, batch)));
        let total: f64 = terms_s.iter().zip(&graph.counts).map(|(t, &n)| f64::from(n) * roofline::time_s(t)).sum();
        physical.clear();
        physical.resize(N_PHYSICAL * padded(graph.classes.len()), 0.0);
        for (c, (class, terms)) in graph.classes.iter().zip(terms_s.iter()).enumerate() {
            let numbers = class.logs.physical(&class.magnitudes, class.contraction, terms, (rates, logs), batch, total);
            let lane = c / PANEL * N_PHYSICAL * PANEL + c % PANEL;
            for (k, x) in numbers.into_iter().enumerate() {
                physical[lane + k * PANEL] = x;
            }
        }
        factors.clear();
        factors.resize(self.members * N_TERMS * padded(graph.classes.len()), 0.0);
        let stride = padded(self.config.d_readout);
        let part = readout::PlatformPart {
            hidden: &platforms.hidden[platform * self.members * stride..][..self.members * stride],
            stride,
            base: &platforms.base[platform * self.members..][..self.members],
        };
        self.corrections.factors(self.arch, &graph.nodes, physical, part, factors);
        answer.ln_s.clear();
        answer.classes.clear();
        answer.classes.resize(graph.classes.len(), NodeCost::ZERO);
        for m in 0..self.members {
            let mut total = 0.0;
            for (c, (terms, cost)) in terms_s.iter().zip(&mut answer.classes).enumerate() {
                let lane = (c / PANEL * self.members + m) * N_TERMS * PANEL + c % PANEL;
                let terms: [f64; N_TERMS] = std::array::from_fn(|k| terms[k] * f64::from(factors[lane + k * PANEL]));
                let own = NodeCost::from_terms(terms);
                total += f64::from(graph.counts[c]) * own.total_s();
                cost.add(&own);
            }
            answer.ln_s.push(total.ln());
        }
        Ok(())
    }
}

fn width(what: &'static str, found: usize, expected: usize) -> Result<()> {
    if found == expected { Ok(()) } else { Err(PredictorError::Width { what, found, expected }) }
}
