//! The loops of a program while its schedule is replayed.
//!
//! **Invariant:** an extent is known exactly or not at all. Footprints count a block's own loops, and of the loops of the nest it
//! was moved into those that are known to move along its axes; other loops are outside of them.

use std::collections::BTreeMap;

use crate::task::{Access, Block, Task};

pub(crate) type LoopId = usize;
pub(crate) type BlockId = usize;

/// What becomes of a loop's iterations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mark {
    Serial,
    Parallel,
    Vectorized,
    Unrolled,
    Thread,
}

impl Mark {
    pub fn word(self) -> &'static str {
        match self {
            Mark::Serial => "",
            Mark::Parallel => "parallel",
            Mark::Vectorized => "vectorized",
            Mark::Unrolled => "unrolled",
            Mark::Thread => "thread",
        }
    }
}

/// A loop.
#[derive(Debug, Clone)]
pub(crate) struct Loop {
    pub extent: Option<f64>,
    /// The block whose axes it runs over, and which of them, outermost first; none where that is not known.
    pub owner: BlockId,
    pub axes: Vec<usize>,
    pub mark: Mark,
    /// `pragma_auto_unroll_max_step`.
    pub unroll_limit: f64,
    /// The node that last touched it.
    pub last: Option<u32>,
}

/// A block.
#[derive(Debug, Clone)]
pub(crate) struct State {
    pub name: String,
    pub role: &'static str,
    /// What it computes; without axes for a block that the replay does not know.
    pub block: Block,
    /// Loops around it, outermost first.
    pub nest: Vec<LoopId>,
    pub last: Option<u32>,
    pub inlined: bool,
    /// Functions that one execution calls.
    pub calls: f64,
    /// It reads under a condition on these axes.
    pub conditional: Vec<usize>,
    /// Axes of other blocks whose loops also move along own axes: (block, its axis, own axis).
    pub shared: Vec<(BlockId, usize, usize)>,
}

/// The program.
#[derive(Debug, Clone, Default)]
pub(crate) struct Program {
    pub loops: Vec<Loop>,
    pub blocks: Vec<State>,
    /// Blocks in order of execution.
    pub order: Vec<BlockId>,
    /// Bytes of the target's vector registers.
    pub vector_bytes: u64,
    /// Iterations of the task's blocks.
    pub iterations: f64,
    /// Bytes of its buffers.
    pub bytes: f64,
    /// Names and counts in the trace that the replay could not follow.
    pub unknown: usize,
}

/// Functions that a block's execution calls, by what it is named after.
fn calls(block: &Block) -> f64 {
    let named = block.name.rsplit('_').next().unwrap_or_default();
    f64::from(u8::from(["exp", "erf", "tanh", "sigmoid", "log", "power"].contains(&named)))
}

impl Program {
    pub fn new(task: &Task) -> Program {
        let iterations = task.blocks.iter().map(|b| b.axes.iter().map(|a| a.extent as f64).product::<f64>()).sum();
        let mut buffers: BTreeMap<&str, f64> = BTreeMap::new();
        for block in &task.blocks {
            let full: Vec<f64> = block.axes.iter().map(|a| a.extent as f64).collect();
            for access in &block.accesses {
                let bytes = buffers.entry(&access.buffer).or_default();
                *bytes = bytes.max(footprint(access, &full));
            }
        }
        let bytes = buffers.values().sum();
        let mut program = Program { vector_bytes: task.vector_bytes, iterations, bytes, ..Program::default() };
        for block in &task.blocks {
            let role = if block.axes.iter().any(|a| a.reduce) { "reduction" } else { "compute" };
            let id = program.add_block(block.clone(), role, None);
            program.blocks[id].calls = calls(block);
            program.blocks[id].conditional = padded(block, task);
            program.blocks[id].conditional.extend(irregular(block, task));
            program.own_nest(id);
        }
        program
    }

    /// Adds a block without loops, before or after (`true`) another in execution, or last.
    pub fn add_block(&mut self, block: Block, role: &'static str, beside: Option<(BlockId, bool)>) -> BlockId {
        let id = self.blocks.len();
        self.blocks.push(State {
            name: block.name.clone(),
            role,
            block,
            nest: Vec::new(),
            last: None,
            inlined: false,
            calls: 0.0,
            conditional: Vec::new(),
            shared: Vec::new(),
        });
        let end = self.order.len();
        let place = beside.and_then(|(b, after)| Some(self.order.iter().position(|&o| o == b)? + usize::from(after)));
        self.order.insert(place.unwrap_or(end), id);
        id
    }

    /// A loop for each axis of the block.
    pub fn own_nest(&mut self, id: BlockId) {
        let extents: Vec<f64> = self.blocks[id].block.axes.iter().map(|a| a.extent as f64).collect();
        self.blocks[id].nest =
            extents.into_iter().enumerate().map(|(a, extent)| self.add_loop(Some(extent), id, vec![a])).collect();
    }

    pub fn add_loop(&mut self, extent: Option<f64>, owner: BlockId, axes: Vec<usize>) -> LoopId {
        self.loops.push(Loop { extent, owner, axes, mark: Mark::Serial, unroll_limit: 0.0, last: None });
        self.loops.len() - 1
    }

    /// `spatial`, `reduction`, `mixed` or `unknown`.
    pub fn kind(&self, id: LoopId) -> &'static str {
        let l = &self.loops[id];
        let axes = &self.blocks[l.owner].block.axes;
        let reduce = l.axes.iter().filter(|&&a| axes[a].reduce).count();
        match (l.axes.len(), reduce) {
            (0, _) => "unknown",
            (_, 0) => "spatial",
            (n, r) if n == r => "reduction",
            _ => "mixed",
        }
    }

    /// Puts other loops in the place of a run of loops, in every nest that has the first of them.
    pub fn replace(&mut self, old: &[LoopId], new: &[LoopId]) {
        for block in &mut self.blocks {
            let Some(place) = block.nest.iter().position(|l| old.contains(l)) else { continue };
            block.nest.retain(|l| !old.contains(l));
            block.nest.splice(place..place, new.iter().copied());
        }
    }

    /// Puts the loops into that order, in the places that they have.
    pub fn reorder(&mut self, order: &[LoopId]) {
        for block in &mut self.blocks {
            let present: Vec<LoopId> = order.iter().copied().filter(|l| block.nest.contains(l)).collect();
            let mut next = present.iter();
            for l in &mut block.nest {
                if order.contains(l)
                    && let Some(&new) = next.next()
                {
                    *l = new;
                }
            }
        }
    }

    /// Makes a block part of those that read what it writes, or (`reverse`) of those that write what it reads: they touch its other
    /// buffers instead of the one between.
    pub fn inline(&mut self, id: BlockId, reverse: bool) {
        self.blocks[id].inlined = true;
        let (own, called) = (self.blocks[id].block.clone(), self.blocks[id].calls);
        let conditional = !self.blocks[id].conditional.is_empty();
        let between: Vec<&Access> = own.accesses.iter().filter(|a| a.write != reverse).collect();
        for (o, host) in self.blocks.iter_mut().enumerate() {
            if o == id || host.inlined {
                continue;
            }
            for here in &between {
                let joined = |a: &Access| a.buffer == here.buffer && a.write == reverse;
                let Some(place) = host.block.accesses.iter().position(joined) else { continue };
                let there = host.block.accesses.remove(place);
                // An axis of the inlined block is what the host has in the dimension that the axis alone moves along.
                let axis = |a: usize| {
                    let dim = here.dims.iter().position(|d| d.as_slice() == [(a, 1)])?;
                    there.dims.get(dim)
                };
                let moved = |dim: &Vec<(usize, i64)>| {
                    let parts = dim.iter().filter_map(|&(a, step)| Some((axis(a)?, step)));
                    parts
                        .flat_map(|(along, step)| along.iter().map(move |&(b, s)| (b, s.saturating_mul(step))))
                        .collect()
                };
                let others = own.accesses.iter().filter(|a| a.buffer != here.buffer);
                let others = others.map(|a| Access { dims: a.dims.iter().map(moved).collect(), ..a.clone() });
                let others: Vec<Access> = others.collect();
                for (k, access) in others.into_iter().enumerate() {
                    let known =
                        |a: &Access| a.buffer == access.buffer && a.write == access.write && a.dims == access.dims;
                    if !host.block.accesses.iter().any(known) {
                        host.block.accesses.insert((place + k).min(host.block.accesses.len()), access);
                    }
                }
                host.block.flops += own.flops;
                host.calls += called;
                if conditional {
                    let slide = there.dims.iter().filter(|d| slides(&host.block, d));
                    host.conditional.extend(slide.flatten().map(|d| d.0));
                }
            }
        }
    }

    /// How much of each axis of a block the loops from `from` inwards cover; `None` if an extent is not known.
    pub fn tile(&self, id: BlockId, from: usize) -> Option<Vec<f64>> {
        let mut tiles = self.tiles(id);
        if from < tiles.len() { tiles.swap_remove(from) } else { tiles.pop().flatten() }
    }

    /// [`Program::tile`] from each place of the nest, and from behind its last loop.
    pub fn tiles(&self, id: BlockId) -> Vec<Option<Vec<f64>>> {
        let state = &self.blocks[id];
        let full = |a: usize| state.block.axes[a].extent as f64;
        let clamped = |tile: &[f64]| tile.iter().enumerate().map(|(a, t)| t.min(full(a))).collect::<Vec<f64>>();
        let n = state.nest.len();
        let mut out = vec![None; n + 1];
        let mut tile = vec![1.0; state.block.axes.len()];
        out[n] = Some(tile.clone());
        for place in (0..n).rev() {
            let l = &self.loops[state.nest[place]];
            // A fused loop fills its innermost axis first.
            let own = self.own_axes(id, l);
            if own.is_empty() && (l.owner != id || l.extent == Some(1.0)) {
                out[place] = Some(clamped(&tile));
                continue;
            }
            let Some(mut left) = l.extent.filter(|_| !own.is_empty()) else { return out };
            for (k, &a) in own.iter().enumerate().rev() {
                let room = (full(a) / tile[a]).max(1.0);
                let take = if k == 0 { left } else { left.min(room) };
                tile[a] *= take;
                left = (left / take).max(1.0);
            }
            out[place] = Some(clamped(&tile));
        }
        out
    }

    /// The axes of a block that a loop moves along, outermost first.
    pub fn own_axes(&self, id: BlockId, l: &Loop) -> Vec<usize> {
        if l.owner == id {
            return l.axes.clone();
        }
        let along = |&a: &usize| self.blocks[id].shared.iter().find(|s| (s.0, s.1) == (l.owner, a)).map(|s| s.2);
        l.axes.iter().filter_map(along).collect()
    }

    /// Iterations of the loops of a nest in a range of places; `None` if an extent is not known.
    pub fn trips(&self, id: BlockId, places: std::ops::Range<usize>) -> Option<f64> {
        self.blocks[id].nest[places].iter().map(|&l| self.loops[l].extent).product()
    }

    /// The region of `buffer` that `consumer` touches in the loops from `from` inwards, by dimension.
    pub fn region(&self, consumer: BlockId, buffer: &str, write: bool, from: usize) -> Option<Vec<f64>> {
        let block = &self.blocks[consumer].block;
        let access = block.accesses.iter().find(|a| a.buffer == buffer && a.write == write)?;
        let tile = self.tile(consumer, from)?;
        Some(access.dims.iter().map(|dim| extent_of(dim, &tile)).collect())
    }
}

/// Elements along a dimension that a tile spans.
pub(crate) fn extent_of(dim: &[(usize, i64)], tile: &[f64]) -> f64 {
    1.0 + dim.iter().map(|&(a, step)| step.unsigned_abs() as f64 * (tile[a] - 1.0)).sum::<f64>()
}

/// Bytes of a buffer that a tile touches.
pub(crate) fn footprint(access: &Access, tile: &[f64]) -> f64 {
    access.dims.iter().map(|dim| extent_of(dim, tile)).product::<f64>() * access.element_bytes as f64
}

/// The buffer that a block writes.
pub(crate) fn written(block: &Block) -> Option<&Access> {
    block.accesses.iter().find(|a| a.write)
}

/// The axes along which a block of a task fills in what its input lacks: it copies element by element without moving any, and what
/// reads the copy slides along them.
fn padded(block: &Block, task: &Task) -> Vec<usize> {
    let [a, b] = &block.accesses[..] else { return Vec::new() };
    if block.flops > 0.0 || a.write == b.write || a.dims != b.dims {
        return Vec::new();
    }
    let copy = if a.write { a } else { b };
    let mut axes = Vec::new();
    for reader in &task.blocks {
        for read in reader.accesses.iter().filter(|r| !r.write && r.buffer == copy.buffer) {
            let slides = read.dims.iter().zip(&copy.dims).filter(|(dim, _)| slides(reader, dim));
            axes.extend(slides.filter_map(|(_, own)| Some(own.first()?.0)));
        }
    }
    axes.sort_unstable();
    axes.dedup();
    axes
}

/// The reduction axes along which a block of a task reads what another writes by a rule that is not linear, as a transposed
/// convolution does: some of what it reads is not there.
fn irregular(block: &Block, task: &Task) -> Vec<usize> {
    let mut axes = Vec::new();
    for read in block.accesses.iter().filter(|a| !a.write) {
        let lost = |by: &Block| {
            let copy = written(by).filter(|w| w.buffer == read.buffer);
            let moves = |dim: &[(usize, i64)]| dim.iter().any(|(a, _)| by.axes[*a].extent > 1);
            copy.is_some_and(|w| read.dims.iter().zip(&w.dims).any(|(here, there)| here.is_empty() && moves(there)))
        };
        if task.blocks.iter().any(lost) {
            let used = |a: usize| read.dims.iter().flatten().any(|d| d.0 == a);
            axes.extend((0..block.axes.len()).filter(|&a| block.axes[a].reduce && !used(a)));
        }
    }
    axes
}

/// Whether a block moves along a dimension with several axes at once, as a window does.
fn slides(block: &Block, dim: &[(usize, i64)]) -> bool {
    dim.iter().filter(|(a, _)| block.axes[*a].extent > 1).count() > 1
}
