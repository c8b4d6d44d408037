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
//! | `standing` | a graph that is asked about again with a few nodes changed |
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
mod standing;
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
use crate::roofline::{self, N_PHYSICAL, NodeLogs, PlatformLogs, SHARE};
use platforms::Platforms;
use readout::{Corrections, PlatformPart};
pub use score::ScoreExecutor;
use simd::{PANEL, padded};
pub use standing::{Patch, Patched, Standing};
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

impl Class {
    fn of(node: &NodeInput) -> Self {
        let magnitudes = node.magnitudes;
        Class { magnitudes, contraction: node.contraction, logs: NodeLogs::new(&magnitudes) }
    }
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
    times: Times,
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
        self.check_widths(nodes)?;
        self.trunk.run(self.arch, nodes, relations, store, None)?;
        self.gather(nodes, store, rows);
        Ok(())
    }

    fn check_widths<N: Borrow<NodeInput>>(&self, nodes: &[N]) -> Result<()> {
        for node in nodes {
            let node = node.borrow();
            width("a sentence vector", node.sentence.len(), self.config.sentence_dim)?;
            width("a node's numbers", node.features.len(), self.config.n_features)?;
        }
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
                classes.push(Class::of(node));
                counts.push(0.0);
                row_of_class.push(row);
            }
            counts[*class as usize] += 1.0;
            class_of.push(*class);
        }
        set_lanes(nodes, row_of_class, &store.heads.x, self.head_shape());
    }

    /// Members, width of a member's part of the readout, width of a row of heads.
    fn head_shape(&self) -> (usize, usize, usize) {
        (self.members, self.config.d_readout, self.trunk.head_width())
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
        let (rates, logs) = self.checked(platforms, (platform, batch))?;
        let PriceScratch { physical, factors, times } = scratch;
        times.set(&graph.classes, rates, batch);
        let total: f64 = times.time_s.iter().zip(&graph.counts).map(|(t, &n)| f64::from(n) * t).sum();
        set_physical(physical, &graph.classes, (rates, logs), batch);
        for (c, ln_time) in times.ln_time.iter().enumerate() {
            physical[lane(c, N_PHYSICAL) + SHARE * PANEL] = roofline::share(*ln_time, total.ln());
        }
        factors.clear();
        factors.resize(self.members * N_TERMS * padded(graph.classes.len()), 0.0);
        let part = self.part(platforms, platform);
        self.corrections.factors(self.arch, &graph.nodes, physical, part, factors);
        answer.begin(self.members, graph.classes.len());
        self.sum_up(&times.terms_s, &graph.counts, factors, (&mut answer.ln_s, Some(&mut answer.classes)));
        answer.ln_s.iter_mut().for_each(|total| *total = total.ln());
        Ok(())
    }

    /// The rates of a platform, for a batch size that makes sense.
    fn checked<'a>(
        &self,
        platforms: &'a PlatformRows,
        (platform, batch): (usize, f64),
    ) -> Result<(&'a PlatformRates, &'a PlatformLogs)> {
        let bad = |why| PredictorError::Query { query: platform, why };
        let (rates, logs) = platforms.rates.get(platform).ok_or_else(|| bad("no platform of that index"))?;
        if !(batch.is_finite() && batch > 0.0) {
            return Err(bad("the batch size is not a positive number"));
        }
        Ok((rates, logs))
    }

    /// The platform's part of the readout.
    fn part<'a>(&self, platforms: &'a PlatformRows, platform: usize) -> PlatformPart<'a> {
        let stride = padded(self.config.d_readout);
        PlatformPart {
            hidden: &platforms.hidden[platform * self.members * stride..][..self.members * stride],
            stride,
            base: &platforms.base[platform * self.members..][..self.members],
        }
    }

    /// Adds the seconds of classes to each member's total, and what one node of each costs to `classes`, if wanted.
    fn sum_up(
        &self,
        terms_s: &[[f64; N_TERMS]],
        counts: &[f32],
        factors: &[f32],
        (totals, mut classes): (&mut [f64], Option<&mut [NodeCost]>),
    ) {
        for (m, total) in totals.iter_mut().enumerate() {
            for (c, (terms, &count)) in terms_s.iter().zip(counts).enumerate() {
                let at = lane(c, self.members * N_TERMS) + m * N_TERMS * PANEL;
                let terms: [f64; N_TERMS] = std::array::from_fn(|k| terms[k] * f64::from(factors[at + k * PANEL]));
                let own = NodeCost::from_terms(terms);
                // A class that no node is left of counts for nothing, whatever it costs.
                if count > 0.0 {
                    *total += f64::from(count) * own.total_s();
                }
                if let Some(classes) = &mut classes {
                    classes[c].add(&own);
                }
            }
        }
    }
}

impl Answer {
    fn begin(&mut self, members: usize, classes: usize) {
        self.ln_s.clear();
        self.ln_s.resize(members, 0.0);
        self.classes.clear();
        self.classes.resize(classes, NodeCost::ZERO);
    }
}

/// Where the lane of a row begins, rows lying in blocks of [`PANEL`] lanes and `depth` numbers each.
fn lane(row: usize, depth: usize) -> usize {
    row / PANEL * depth * PANEL + row % PANEL
}

/// The prior of rows, by class.
#[derive(Debug, Clone, Default)]
struct Times {
    terms_s: Vec<[f64; N_TERMS]>,
    time_s: Vec<f64>,
    ln_time: Vec<f64>,
}

impl Times {
    fn set(&mut self, classes: &[Class], rates: &PlatformRates, batch: f64) {
        self.terms_s.clear();
        self.terms_s.extend(classes.iter().map(|c| roofline::terms_s(&c.magnitudes, c.contraction, rates, batch)));
        self.time_s.clear();
        self.time_s.extend(self.terms_s.iter().map(roofline::time_s));
        self.ln_time.clear();
        self.ln_time.extend(self.time_s.iter().map(|t| t.ln()));
    }
}

/// The dimensionless numbers of classes but for their share of the graph's time, (blocks, N_PHYSICAL, PANEL).
fn set_physical(physical: &mut Vec<f32>, classes: &[Class], on: (&PlatformRates, &PlatformLogs), batch: f64) {
    physical.clear();
    physical.resize(N_PHYSICAL * padded(classes.len()), 0.0);
    for (c, class) in classes.iter().enumerate() {
        let numbers = class.logs.physical(&class.magnitudes, class.contraction, on, batch);
        for (k, x) in numbers.into_iter().enumerate() {
            physical[lane(c, N_PHYSICAL) + k * PANEL] = x;
        }
    }
}

/// Lays the node's part of the readout of rows of the store into lanes, (blocks, members, d, PANEL).
fn set_lanes(lanes: &mut Vec<f32>, rows: &[u32], heads: &[f32], (members, d, width): (usize, usize, usize)) {
    let own = width / members;
    // Lanes beyond the last row keep what was there: nobody reads them.
    lanes.resize(padded(rows.len()) * members * d, 0.0);
    let blocks = lanes.chunks_exact_mut(members * d * PANEL).zip(rows.chunks(PANEL));
    for (block, rows) in blocks {
        let mut of_row: [&[f32]; PANEL] = [&[]; PANEL];
        for (m, block) in block.chunks_exact_mut(d * PANEL).enumerate() {
            for (lane, head) in of_row.iter_mut().enumerate() {
                let row = rows[lane.min(rows.len() - 1)] as usize;
                *head = &heads[row * width + m * own..][..d];
            }
            let block = &mut block.as_chunks_mut::<PANEL>().0[..d];
            for (at, lanes) in block.iter_mut().enumerate() {
                for (lane, head) in lanes.iter_mut().zip(&of_row) {
                    *lane = head[at];
                }
            }
        }
    }
}

fn width(what: &'static str, found: usize, expected: usize) -> Result<()> {
    if found == expected { Ok(()) } else { Err(PredictorError::Width { what, found, expected }) }
}
