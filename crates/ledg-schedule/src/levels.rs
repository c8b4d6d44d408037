//! What a block's nest does at each of its levels: iterations, and the bytes and cache lines that it touches.
//!
//! **Invariant:** level `p` is the loops from place `p` inwards, so level 0 is the whole nest and the last level one execution of the
//! statement. A level is known exactly or not at all; no cache's size decides anything here.

use crate::nest::{BlockId, LoopId, Mark, Program, extent_of};
use crate::task::Access;

/// Bytes of a cache line.
pub(crate) const LINE: f64 = 64.0;

/// Most loops that TVM unrolls inside of each other because of a limit.
const UNROLL_DEPTH: usize = 8;

/// What one access touches at a level.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Touch {
    pub write: bool,
    pub elements: f64,
    pub bytes: f64,
    /// Cache lines of [`LINE`] bytes: rows that are not contiguous do not share any.
    pub lines: f64,
}

/// The levels of a block's nest.
#[derive(Debug, Clone)]
pub(crate) struct Levels {
    /// Iterations by level; `None` where an extent is not known.
    pub trips: Vec<Option<f64>>,
    /// Elements of each axis by level.
    pub tiles: Vec<Option<Vec<f64>>>,
    /// What is touched by level, writes first.
    pub touches: Vec<Vec<Touch>>,
    /// The level from which on all is unrolled, and how many copies of the statement that makes.
    pub unrolled_from: usize,
    pub unrolled: f64,
}

impl Levels {
    pub fn new(program: &Program, id: BlockId) -> Levels {
        let state = &program.blocks[id];
        let n = state.nest.len();
        let tiles: Vec<_> = program.tiles(id);
        let mut trips = vec![Some(1.0); n + 1];
        for place in (0..n).rev() {
            trips[place] = trips[place + 1].zip(program.loops[state.nest[place]].extent).map(|(a, b)| a * b);
        }
        let accesses = || {
            let writes = state.block.accesses.iter().filter(|a| a.write);
            writes.chain(state.block.accesses.iter().filter(|a| !a.write))
        };
        let full: Vec<f64> = state.block.axes.iter().map(|a| a.extent as f64).collect();
        let touches = tiles.iter().map(|tile| match tile {
            Some(tile) => accesses().map(|a| touch(a, tile, &full)).collect(),
            None => Vec::new(),
        });
        let touches = touches.collect();
        let (unrolled_from, unrolled) = unrolled(program, &state.nest, 0.0);
        Levels { trips, tiles, touches, unrolled_from, unrolled }
    }

    /// Bytes that a cache of `capacity` bytes takes in while the nest runs, in whole lines.
    ///
    /// A level whose data fits is loaded once each time it is begun; between levels, data and traffic are interpolated in
    /// logarithms, so that nothing jumps where a tile grows beyond the capacity. `None` if a level is not known.
    pub fn traffic(&self, capacity: f64) -> Option<f64> {
        let total = (*self.trips.first()?)?;
        // (log2 of the data of a level, log2 of the traffic if it is loaded each time), from the innermost level outwards.
        let mut inner: Option<(f64, f64)> = None;
        let wanted = capacity.log2();
        for (trips, touches) in self.trips.iter().zip(&self.touches).rev() {
            let lines: f64 = touches.iter().map(|t| t.lines).sum();
            let (trips, data) = ((*trips)?, lines * LINE);
            if data <= 0.0 {
                return None;
            }
            let here = (data.log2(), (data * total / trips).log2());
            if here.0 >= wanted {
                let traffic = match inner {
                    Some((d, t)) if here.0 > d => t + (here.1 - t) * ((wanted - d) / (here.0 - d)).clamp(0.0, 1.0),
                    _ => here.1,
                };
                return Some(traffic.exp2());
            }
            inner = Some(here);
        }
        inner.map(|(_, traffic)| traffic.exp2())
    }

    /// The innermost place of a loop of more than one iteration that `keep` accepts.
    pub fn innermost(&self, program: &Program, id: BlockId, keep: impl Fn(usize) -> bool) -> Option<usize> {
        let nest = &program.blocks[id].nest;
        (0..nest.len()).rev().find(|&p| program.loops[nest[p]].extent != Some(1.0) && keep(nest[p]))
    }
}

fn touch(access: &Access, tile: &[f64], full: &[f64]) -> Touch {
    let spans: Vec<f64> = access.dims.iter().map(|dim| extent_of(dim, tile)).collect();
    let size = access.element_bytes as f64;
    // What is contiguous: the last dimension, and each before it while all of the ones inside are covered.
    let (mut run, mut rows, mut joined) = (1.0, 1.0, true);
    for (dim, span) in access.dims.iter().zip(&spans).rev() {
        if joined {
            run *= span;
            joined = *span >= extent_of(dim, full);
        } else {
            rows *= span;
        }
    }
    // Along the last dimension, steps of more than a line leave lines out.
    let last = access.dims.last().map_or(1.0, |dim| {
        dim.iter().map(|&(a, step)| if tile[a] > 1.0 { step.unsigned_abs() as f64 } else { 1.0 }).fold(1.0, f64::max)
    });
    let lines = rows * (run * size / LINE.max(last * size)).ceil().max(1.0);
    let elements: f64 = spans.iter().product();
    Touch { write: access.write, elements, bytes: elements * size, lines }
}

/// As TVM's pass does it: from the innermost loop outwards, serial loops are unrolled while the copies of the statement are no more
/// than the limit; a vectorised loop counts as one.
pub(crate) fn unrolled(program: &Program, nest: &[LoopId], least: f64) -> (usize, f64) {
    let limit = nest.iter().map(|&l| program.loops[l].unroll_limit).fold(least, f64::max);
    let (mut from, mut copies, mut depth) = (nest.len(), 1.0, 0);
    for (place, &l) in nest.iter().enumerate().rev() {
        let l = &program.loops[l];
        let Some(extent) = l.extent else { break };
        let goes = match l.mark {
            Mark::Vectorized => true,
            Mark::Unrolled => true,
            Mark::Serial => extent == 1.0 || (copies * extent <= limit && depth <= UNROLL_DEPTH),
            Mark::Parallel | Mark::Thread => false,
        };
        if !goes {
            break;
        }
        from = place;
        if l.mark != Mark::Vectorized && extent > 1.0 {
            copies *= extent;
            depth += 1;
        }
    }
    (from, copies)
}
