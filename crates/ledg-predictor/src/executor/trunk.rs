//! The trunk for several members at once: embedding, blocks, and the node's part of the readout.
//!
//! Each level computes the rows that its store lacks, all at once; see `levels` for what a row's key is.

use std::borrow::Borrow;

use candle_nn::VarBuilder;
use ledg_graph::Relations;
use pulp::Arch;

use super::attention::{Widths, attend};
use super::levels::{Masks, Wiring, node_colours, refine, refined};
use super::linear::{Block, Dense, Linear, Then};
use super::norm::Norm;
use super::store::{Level, Scratch, Store};
use super::weights;
use crate::config::{Attention, PredictorConfig};
use crate::error::{PredictorError, Result};
use crate::input::NodeInput;

/// Colours and rows of a graph's nodes at every level, the last of them the rows in `heads`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Record {
    pub colours: Vec<Vec<u64>>,
    pub rows: Vec<Vec<u32>>,
}

/// The weights of the trunk.
#[derive(Debug)]
pub(crate) struct Trunk {
    widths: Widths,
    attention: Attention,
    sentence: Option<Linear>,
    numbers: Option<(Linear, Vec<Linear>)>,
    blocks: Vec<TrunkBlock>,
    head: Vec<Linear>,
}

#[derive(Debug)]
struct TrunkBlock {
    /// Norm, projections and output by member.
    attention: Option<(Norm, Vec<Linear>, Vec<Linear>)>,
    ffn_norm: Norm,
    ffn: Vec<(Linear, Linear)>,
}

/// One layer a member, packed each by itself.
fn by_member(vbs: &[VarBuilder], layer: impl Fn(&VarBuilder) -> Result<Dense>) -> Result<Vec<Linear>> {
    vbs.iter().map(|vb| Ok(Linear::side_by_side(&[layer(vb)?]))).collect()
}

/// The same layer of all members side by side: they read the same input.
fn joined(vbs: &[VarBuilder], layer: impl Fn(&VarBuilder) -> Result<Dense>) -> Result<Linear> {
    Ok(Linear::side_by_side(&vbs.iter().map(layer).collect::<Result<Vec<_>>>()?))
}

impl Trunk {
    pub fn load(config: &PredictorConfig, vbs: &[VarBuilder]) -> Result<Self> {
        let d = config.d_model;
        let n_masks = match config.attention {
            Attention::Dgsa | Attention::Fixed => 3,
            Attention::NnFormer => 4,
            Attention::Global => 1,
            Attention::None => 0,
        };
        let dynamic = config.attention == Attention::Dgsa;
        let sentence = match config.sentences {
            true => Some(joined(vbs, |vb| weights::dense(config.sentence_dim, d, vb.pp("nodes.sentence")))?),
            false => None,
        };
        let numbers = match config.numbers {
            true => Some((
                joined(vbs, |vb| weights::dense(config.n_features, d, vb.pp("nodes.numbers.0")))?,
                by_member(vbs, |vb| weights::dense(d, d, vb.pp("nodes.numbers.1")))?,
            )),
            false => None,
        };
        let blocks = (0..config.n_layers).map(|i| TrunkBlock::load(config, vbs, &format!("blocks.{i}")));
        Ok(Trunk {
            widths: Widths { d, n_heads: config.n_heads, n_masks, members: vbs.len(), dynamic },
            attention: config.attention,
            sentence,
            numbers,
            blocks: blocks.collect::<Result<_>>()?,
            head: by_member(vbs, |vb| weights::dense(d, config.d_readout, vb.pp("readout.node")))?,
        })
    }

    /// Computes what the store lacks of a graph's rows. Afterwards `store.scratch.rows` has each node's row in `heads`.
    /// `record` receives colours and rows of every level.
    pub fn run<N: Borrow<NodeInput>>(
        &self,
        arch: Arch,
        nodes: &[N],
        relations: &Relations,
        store: &mut Store,
        mut record: Option<&mut Record>,
    ) -> Result<()> {
        check(nodes)?;
        store.begin(self.blocks.len());
        let masks = Masks::new(relations, self.attention);
        let Store { levels, heads, scratch, .. } = store;
        scratch.colours.clear();
        node_colours(nodes, &mut scratch.known, &mut scratch.colours);
        for l in 0..=self.blocks.len() {
            let level = levels.get_mut(l).unwrap_or(heads);
            level.assign(&scratch.colours, &mut scratch.next_rows, &mut scratch.new);
            if let Some(record) = &mut record {
                record.colours.push(scratch.colours.clone());
                record.rows.push(scratch.next_rows.clone());
            }
            self.fill(arch, l, (levels, heads), (nodes, 0), &masks, scratch);
            if l < self.blocks.len() {
                scratch.next_colours.clear();
                refine(&scratch.colours, &masks, &mut scratch.heard, &mut scratch.next_colours);
                std::mem::swap(&mut scratch.colours, &mut scratch.next_colours);
            }
            std::mem::swap(&mut scratch.rows, &mut scratch.next_rows);
        }
        Ok(())
    }

    /// As [`Trunk::run`], of a graph that differs from a recorded one: `added` nodes follow the recorded ones, `wiring` is
    /// that of the graph as it is now. Afterwards `scratch.changed` has the nodes whose row in `heads` may differ from the
    /// recorded one, all added ones among them.
    ///
    /// `rewired`: nodes whose lists differ; `hearers(j)` appends the nodes that hear node j.
    pub fn run_changes<N: Borrow<NodeInput>>(
        &self,
        arch: Arch,
        (record, added): (&Record, &[N]),
        (wiring, rewired): (&impl Wiring, &[u32]),
        hearers: impl Fn(u32, &mut Vec<u32>),
        store: &mut Store,
    ) -> Result<()> {
        check(added)?;
        let Store { levels, heads, scratch, .. } = store;
        let n = record.colours[0].len();
        let all = n + added.len();
        scratch.colours.clone_from(&record.colours[0]);
        node_colours(added, &mut scratch.known, &mut scratch.colours);
        scratch.changed.clear();
        scratch.changed.extend(n as u32..all as u32);
        for l in 0..=self.blocks.len() {
            scratch.next_rows.clone_from(&record.rows[l]);
            scratch.next_rows.resize(all, 0);
            let level = levels.get_mut(l).unwrap_or(heads);
            level.assign_some(&scratch.changed, &scratch.colours, &mut scratch.next_rows, &mut scratch.new);
            self.fill(arch, l, (levels, heads), (added, n), wiring, scratch);
            if l < self.blocks.len() {
                scratch.next_colours.clone_from(&record.colours[l + 1]);
                scratch.next_colours.resize(all, 0);
                let mut affected = std::mem::take(&mut scratch.affected);
                affected.clear();
                affected.extend_from_slice(rewired);
                affected.extend_from_slice(&scratch.changed);
                scratch.changed.iter().for_each(|&j| hearers(j, &mut affected));
                affected.sort_unstable();
                affected.dedup();
                scratch.changed.clear();
                for &node in &affected {
                    let colour = refined(node as usize, &scratch.colours, wiring, &mut scratch.heard);
                    if node as usize >= n || colour != scratch.next_colours[node as usize] {
                        scratch.next_colours[node as usize] = colour;
                        scratch.changed.push(node);
                    }
                }
                scratch.affected = affected;
                std::mem::swap(&mut scratch.colours, &mut scratch.next_colours);
            }
            std::mem::swap(&mut scratch.rows, &mut scratch.next_rows);
        }
        Ok(())
    }

    /// Computes the new rows of a level; those after the last block are `heads`. `nodes` are those from number `first` on.
    fn fill<N: Borrow<NodeInput>>(
        &self,
        arch: Arch,
        l: usize,
        (levels, heads): (&mut [Level], &mut Level),
        (nodes, first): (&[N], usize),
        wiring: &impl Wiring,
        scratch: &mut Scratch,
    ) {
        let n = scratch.new.len();
        if n == 0 {
            return;
        }
        let (below, here) = levels.split_at_mut(l);
        match below.last() {
            None => {
                let Scratch { new, a, b, c, known, .. } = &mut *scratch;
                c.clear();
                self.embed(arch, (nodes, first), new, (known, a, b), c);
                std::mem::swap(a, c);
            }
            Some(below) => self.block(arch, &self.blocks[l - 1], below, wiring, scratch),
        }
        if let (Some(level), Some(block)) = (here.first_mut(), self.blocks.get(l)) {
            level.x.extend_from_slice(&scratch.a);
            self.project(arch, block, n, level, &mut scratch.b);
            return;
        }
        let (x, width) = (Block { stride: self.width(), offset: 0 }, self.head_width());
        let from = heads.x.len();
        heads.x.resize(from + n * width, 0.0);
        for (m, head) in self.head.iter().enumerate() {
            let x = Block { offset: m * self.widths.block(), ..x };
            let y = Block { stride: width, offset: m * head.d_out() };
            head.apply(arch, n, (&scratch.a, x), (&mut heads.x[from..], y), Then::Set);
        }
    }

    /// Width of a row of vectors: all members' blocks.
    fn width(&self) -> usize {
        self.widths.members * self.widths.block()
    }

    /// Width of a row of `heads`.
    pub fn head_width(&self) -> usize {
        self.head.iter().map(Linear::d_out).sum()
    }

    /// Equation (1): the vectors of nodes, appended to `out`. Each distinct sentence is projected once.
    fn embed<N: Borrow<NodeInput>>(
        &self,
        arch: Arch,
        (all, first): (&[N], usize),
        nodes: &[u32],
        (distinct, a, b): (&mut Vec<(usize, u64)>, &mut Vec<f32>, &mut Vec<f32>),
        out: &mut Vec<f32>,
    ) {
        let (n, width) = (nodes.len(), self.width());
        let whole = Block { stride: width, offset: 0 };
        let inputs = || nodes.iter().map(|&i| all[i as usize - first].borrow());
        let from = out.len();
        out.resize(from + n * width, 0.0);
        let x = &mut out[from..];
        if let Some(layer) = &self.sentence {
            let key = |node: &NodeInput| node.sentence.as_ptr().addr();
            let place = |distinct: &[(usize, u64)], node: &NodeInput| distinct.iter().rposition(|d| d.0 == key(node));
            distinct.clear();
            a.clear();
            for node in inputs() {
                if place(distinct, node).is_none() {
                    distinct.push((key(node), 0));
                    a.extend_from_slice(&node.sentence);
                }
            }
            let each = Block { stride: a.len() / distinct.len(), offset: 0 };
            resize(b, distinct.len() * width);
            layer.apply(arch, distinct.len(), (a, each), (b, whole), Then::Set);
            for (node, x) in inputs().zip(x.chunks_exact_mut(width)) {
                let at = place(distinct, node).unwrap_or_default();
                x.copy_from_slice(&b[at * width..][..width]);
            }
        }
        if let Some((first, second)) = &self.numbers {
            a.clear();
            inputs().for_each(|node| a.extend_from_slice(&node.features));
            resize(b, n * width);
            let each = Block { stride: a.len() / n, offset: 0 };
            first.apply(arch, n, (a, each), (b, whole), Then::Silu);
            for (m, layer) in second.iter().enumerate() {
                let member = Block { offset: m * self.widths.block(), ..whole };
                layer.apply(arch, n, (b, member), (x, member), Then::Add);
            }
        }
    }

    /// What attention needs of the last `n` rows of a level.
    fn project(&self, arch: Arch, block: &TrunkBlock, n: usize, level: &mut Level, normal: &mut Vec<f32>) {
        let Some((norm, projections, _)) = &block.attention else { return };
        let (width, projected) = (self.width(), self.widths.members * self.widths.projected());
        resize(normal, n * width);
        let first = level.x.len() - n * width;
        norm.apply(arch, &level.x[first..], normal);
        let from = level.projected.len();
        level.projected.resize(from + n * projected, 0.0);
        for (m, layer) in projections.iter().enumerate() {
            let x = Block { stride: width, offset: m * self.widths.block() };
            let y = Block { stride: projected, offset: m * self.widths.projected() };
            layer.apply(arch, n, (normal, x), (&mut level.projected[from..], y), Then::Set);
        }
    }

    /// One block for the new nodes, into `scratch.a`.
    fn block(&self, arch: Arch, block: &TrunkBlock, below: &Level, masks: &impl Wiring, scratch: &mut Scratch) {
        let (n, width) = (scratch.new.len(), self.width());
        let whole = Block { stride: width, offset: 0 };
        scratch.a.clear();
        for &node in &scratch.new {
            let own = scratch.rows[node as usize] as usize;
            scratch.a.extend_from_slice(&below.x[own * width..][..width]);
        }
        if let Some((_, _, outputs)) = &block.attention {
            lists(masks, below, scratch);
            resize(&mut scratch.b, n * width);
            attend(arch, self.widths, &mut scratch.attention, &below.projected, &mut scratch.b);
            for (m, layer) in outputs.iter().enumerate() {
                let member = Block { offset: m * self.widths.block(), ..whole };
                layer.apply(arch, n, (&scratch.b, member), (&mut scratch.a, member), Then::Add);
            }
        }
        resize(&mut scratch.b, n * width);
        block.ffn_norm.apply(arch, &scratch.a, &mut scratch.b);
        for (m, (first, second)) in block.ffn.iter().enumerate() {
            let member = Block { offset: m * self.widths.block(), ..whole };
            let hidden = Block { stride: first.d_out(), offset: 0 };
            resize(&mut scratch.c, n * first.d_out());
            first.apply(arch, n, (&scratch.b, member), (&mut scratch.c, hidden), Then::Silu);
            second.apply(arch, n, (&scratch.c, hidden), (&mut scratch.a, member), Then::Add);
        }
    }
}

fn check<N: Borrow<NodeInput>>(nodes: &[N]) -> Result<()> {
    for (node, input) in nodes.iter().enumerate() {
        let input = input.borrow();
        if !input.features.iter().fold(true, |finite, x| finite & x.is_finite()) {
            return Err(PredictorError::NotFinite { what: "a feature", node });
        }
        let m = &input.magnitudes;
        if [m.flops, m.read_elems, m.write_elems, m.weight_elems]
            .iter()
            .chain(&m.traffic.numbers())
            .any(|x| !x.is_finite() || *x < 0.0)
        {
            return Err(PredictorError::NotFinite { what: "a magnitude", node });
        }
    }
    Ok(())
}

/// Whom the new nodes hear, as rows of the level below.
fn lists(masks: &impl Wiring, below: &Level, scratch: &mut Scratch) {
    let Scratch { rows, new, edges, attention, .. } = scratch;
    attention.clear();
    for &node in new.iter() {
        let node = node as usize;
        let own = rows[node];
        let of = |row: u32| (below.colours[row as usize], row);
        attention.begin(own);
        if masks.global() {
            // Every node, the node itself among them.
            edges.clear();
            edges.extend(rows.iter().map(|&row| of(row)));
            attention.end_mask(edges);
        }
        for mask in 0..masks.n_lists() {
            edges.clear();
            edges.push(of(own));
            edges.extend(masks.list(mask, node).iter().map(|&j| of(rows[j as usize])));
            attention.end_mask(edges);
        }
        edges.clear();
        edges.extend(masks.fathers(node).iter().map(|&j| of(rows[j as usize])));
        edges.sort_unstable();
        attention.fathers.extend(edges.iter().map(|e| e.1));
        attention.end();
    }
}

/// A buffer of that length whose content is of no account.
fn resize(buffer: &mut Vec<f32>, len: usize) {
    buffer.resize(len, 0.0);
}

impl TrunkBlock {
    fn load(config: &PredictorConfig, vbs: &[VarBuilder], name: &str) -> Result<Self> {
        let (d, hidden) = (config.d_model, config.d_model * config.ffn_mult);
        let norm = |part: &str| -> Result<Norm> {
            let members = vbs.iter().map(|vb| weights::norm(d, vb.pp(name).pp(part)));
            Ok(Norm::new(&members.collect::<Result<Vec<_>>>()?))
        };
        let projections = |vb: &VarBuilder| -> Result<Linear> {
            let vb = vb.pp(name).pp("dgsa");
            let part = |part: &str| weights::dense(d, d, vb.pp(part));
            let mut layers = vec![part("q")?, part("k")?, part("v")?];
            if config.attention == Attention::Dgsa {
                let fc = weights::dense(2 * d, 3, vb.pp("dynamic_weights.fc"))?;
                layers.push(fc.columns(0..d, true).stacked(fc.columns(d..2 * d, false)));
            }
            Ok(Linear::side_by_side(&layers))
        };
        let attention = match config.attention {
            Attention::None => None,
            _ => Some((
                norm("norm")?,
                vbs.iter().map(projections).collect::<Result<_>>()?,
                by_member(vbs, |vb| weights::dense(d, d, vb.pp(name).pp("dgsa.out")))?,
            )),
        };
        let first = by_member(vbs, |vb| weights::dense(d, hidden, vb.pp(name).pp("ffn.0")))?;
        let second = by_member(vbs, |vb| weights::dense(hidden, d, vb.pp(name).pp("ffn.1")))?;
        Ok(TrunkBlock { attention, ffn_norm: norm("ffn_norm")?, ffn: first.into_iter().zip(second).collect() })
    }
}
