//! What a block's innermost code costs on a machine with vector registers: a count of instructions and a rough number of cycles.
//!
//! The body is what is unrolled to straight code. A value that it uses more than once is loaded once if all that is used in between fits
//! into the registers; what a reduction writes stays in registers for as long as the loops around the body are reductions. A vectorised
//! loop is one instruction a register where it runs along the rows of a buffer, and one a lane where it does not. Where TVM leaves no
//! vectors, those that LLVM makes by itself are counted: of a loop, and of copies of a statement that lie side by side.
//!
//! **Invariant:** an estimate is a number for a model to learn from or to add to, no prediction: its constants are round and the same for
//! all machines.

use crate::levels::{Levels, unrolled};
use crate::nest::{BlockId, LoopId, Mark, Program, State, extent_of};
use crate::numbers::CAPACITIES;
use crate::task::Access;

// Round numbers, the best of a few that were tried on the tasks that models are trained on.

/// Cycles from one multiply-add to the next of the same accumulator.
const LATENCY: f64 = 8.0;

/// Instructions a cycle, and how many of them may touch memory and multiply.
const INSTRUCTIONS: f64 = 4.0;
const MEMORY: f64 = 1.5;
const MULTIPLY: f64 = 2.0;

/// What a register that does not fit costs each time its value changes, as instructions that touch memory.
const SPILL: f64 = 4.0;

/// By all rules: what results that do not fit cost each time they come and go, and those that are on the stack each time they change;
/// what a value costs that is read again after more than fits.
const COMES_AND_GOES: f64 = 2.0;
const KEPT: f64 = 2.0;

/// Instructions that take a lane out of a vector and put it back.
const LANE: f64 = 3.0;

/// Instructions that are under way at once: so far ahead bodies begin that do not wait for each other.
const AHEAD: f64 = 160.0;

/// Instructions up to which LLVM makes straight code of a loop by itself, as it counts them: so many for a copy of a statement, and
/// so many for each register of its vectors.
const COMPILER_UNROLLS: f64 = 300.0;
const OF_COPY: f64 = 2.0;
const OF_REGISTER: f64 = 6.0;

/// Most copies of a vector that LLVM makes straight code of when it has made the vectors of a loop by itself.
const COPIES_OF_LOOP: f64 = 64.0;

/// Cycles of a function such as the exponential, by all rules: it is called for each lane.
const CALL: f64 = 15.0;

/// Fewest copies side by side that LLVM makes a vector of.
const COPIES_OF_VECTOR: f64 = 4.0;

/// Bytes of the largest buffer that TVM puts on the stack. LLVM keeps it in registers, as vectors as wide as the widest access.
const ON_STACK: f64 = 1024.0;

/// Bytes a cycle beyond each of [`CAPACITIES`]; what goes through registers counts as instructions.
const BYTES_A_CYCLE: [f64; 4] = [f64::INFINITY, 64.0, 32.0, 12.0];

/// What an estimate knows. The nodes' numbers are of [`Rules::Few`], a schedule's cycles of [`Rules::All`]: a model that learns from
/// numbers by few rules errs elsewhere than an estimate by all of them, so that both together choose better than either, and better
/// than a model that learns from numbers by all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rules {
    Few,
    /// Also: values are loaded before loops that do not move them, values that fit into no register are kept on the stack, results
    /// come and go as a whole, short loops that LLVM made vectors of become straight code, and functions are called.
    All,
}

/// An estimate of one block. All counts are positive.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Estimate {
    /// Instructions of the body, and those of them that touch memory.
    pub body: f64,
    pub memory: f64,
    /// Registers that the body's results take, over those that there are.
    pub pressure: f64,
    /// Bodies between two loads of the results.
    pub held: f64,
    /// Share of the accesses that the vectorised loop does lane by lane.
    pub lane_by_lane: f64,
    /// Share of the body that takes vectors apart into lanes and puts them together.
    pub taken_apart: f64,
    /// Instructions by iteration of the statement.
    pub by_iteration: f64,
    /// Cycles of the whole block.
    pub cycles: f64,
}

/// How the vectorised loop moves along a buffer.
#[derive(Clone, Copy, PartialEq)]
enum Along {
    Row,
    Nothing,
    Lanes,
}

/// A block with the body that is unrolled to straight code, by TVM or by LLVM.
struct Body<'a> {
    program: &'a Program,
    id: BlockId,
    levels: &'a Levels,
    /// The level of the body.
    from: usize,
    /// Iterations of the vectorised loop by axis, innermost first; none without such a loop. `lanes` is their product.
    vector: Vec<(usize, f64)>,
    lanes: f64,
    /// Floats in a register.
    register: f64,
    rules: Rules,
}

impl Estimate {
    /// `None` where the nest is not known or the block has no accesses.
    pub fn new(program: &Program, id: BlockId, levels: &Levels, rules: Rules) -> Option<Estimate> {
        let state = &program.blocks[id];
        let total = levels.trips[0]?;
        if state.block.accesses.is_empty() {
            return None;
        }
        let body = Body::new(program, id, levels, rules);
        let inside = levels.trips[body.from]?;
        let (loads, stores, lane_by_lane) = body.touches()?;
        let vectors = (body.lanes / body.register).ceil();
        let work = inside / body.lanes * vectors * (state.block.flops / 2.0).ceil();
        let reduces = state.role == "reduction";
        let held = if reduces { body.held() } else { 1.0 };
        let results = body.results(body.from)?;
        let live = body.live(held, results)?;
        let registers = body.all_registers();
        let mut memory = loads + stores / held;
        if rules == Rules::All {
            memory += KEPT * body.kept()?;
        }
        if reduces {
            memory += stores / held;
            // What does not fit beside a row of what is read is stored and loaded again, each time it changes.
            let fits = (registers - 2.0 - vectors.min(registers / 4.0)).max(1.0);
            if live > fits && work > 0.0 {
                let on_stack = (live - fits) / live * results * (work / results).clamp(1.0, 64.0);
                memory += match rules {
                    Rules::Few => SPILL * on_stack,
                    Rules::All => COMES_AND_GOES * (body.times_written()? + on_stack),
                };
            }
        }
        let (taken_apart, branches) = body.lanes_and_branches(held, inside, stores);
        let count = memory + work + taken_apart + branches + 1.0;
        let chain = if reduces && results > 0.0 { LATENCY * work / results } else { 0.0 };
        let chain = chain / (1.0 + AHEAD / (count * held));
        let straight = (count / INSTRUCTIONS).max(memory / MEMORY).max(work / MULTIPLY).max(chain) + 0.5;
        let by_compiler = body.by_compiler();
        let mut cycles = straight * by_compiler * total / inside;
        if rules == Rules::All {
            cycles += CALL * state.calls * total;
        }
        for (capacity, rate) in CAPACITIES.into_iter().zip(BYTES_A_CYCLE) {
            // What the whole program touches and keeps from run to run is not loaded again.
            let beyond = (program.bytes / capacity).min(1.0).powi(2);
            cycles += beyond * levels.traffic(capacity)? / rate;
        }
        Some(Estimate {
            body: count,
            memory,
            pressure: live.max(1.0) / registers,
            held,
            lane_by_lane,
            taken_apart: taken_apart / count,
            by_iteration: by_compiler * count / inside,
            cycles,
        })
    }
}

impl<'a> Body<'a> {
    fn new(program: &'a Program, id: BlockId, levels: &'a Levels, rules: Rules) -> Self {
        let from = straight_from(program, &program.blocks[id].nest);
        let place = levels.innermost(program, id, |l| program.loops[l].mark == Mark::Vectorized);
        let vector = place.filter(|&p| p >= from).map(|p| takes(program, id, levels, p)).unwrap_or_default();
        let lanes = vector.iter().map(|v| v.1).product();
        let register = (program.vector_bytes / 4).max(1) as f64;
        let mut body = Body { program, id, levels, from, vector, lanes, register, rules };
        if let Some(copies) = body.side_by_side() {
            body.vector = vec![copies];
            body.lanes = copies.1;
        }
        if rules == Rules::All
            && let Some((place, vector)) = body.loop_of_vectors()
        {
            body.from = place;
            body.vector = vec![vector];
            body.lanes = vector.1;
        }
        body
    }

    /// Copies of the statement in the straight code that LLVM makes a vector of, and the axis that they lie along. A spatial loop around
    /// them it would have made vectors of before.
    fn side_by_side(&self) -> Option<(usize, f64)> {
        let state = self.state();
        let around = state.nest[..self.from].iter().rev().find(|&&l| self.program.loops[l].extent != Some(1.0));
        let taken = around.is_some_and(|&l| self.program.kind(l) == "spatial");
        if self.lanes != 1.0 || taken || !state.conditional.is_empty() {
            return None;
        }
        let write = state.block.accesses.iter().find(|a| a.write)?;
        let &[(axis, _)] = &write.dims.last()?[..] else { return None };
        let copies = self.levels.tiles[self.from].as_ref()?[axis];
        let vector = (axis, copies.min(self.register).log2().floor().exp2());
        (copies >= COPIES_OF_VECTOR && self.moves_along_rows(&[vector])).then_some(vector)
    }

    /// The loop around the body that LLVM makes vectors of and then straight code, and the vectors.
    fn loop_of_vectors(&self) -> Option<(usize, (usize, f64))> {
        let (place, (axis, take)) = self.made_vectors()?;
        let whole = self.program.loops[self.state().nest[place]].extent == Some(take) && take % self.register == 0.0;
        let copies = take / self.register * self.levels.trips[self.from]?;
        (whole && copies <= COPIES_OF_LOOP).then_some((place, (axis, self.register)))
    }

    /// Whether all accesses move along rows or not at all, and what is written does move.
    fn moves_along_rows(&self, moved: &[(usize, f64)]) -> bool {
        self.state().block.accesses.iter().all(|access| {
            match along(moved, &strides(self.program, self.id, access, self.levels)) {
                Along::Row => true,
                Along::Nothing => !access.write,
                Along::Lanes => false,
            }
        })
    }

    /// Vector registers that there are: of 32 bytes 16 on the machines that have them, of others 32.
    fn all_registers(&self) -> f64 {
        if self.program.vector_bytes == 32 { 16.0 } else { 32.0 }
    }

    fn state(&self) -> &'a State {
        &self.program.blocks[self.id]
    }

    /// Executions of the vectorised statement by axis at a level.
    fn outer(&self, level: usize) -> Option<Vec<f64>> {
        let mut outer = self.levels.tiles[level].clone()?;
        for &(axis, take) in &self.vector {
            outer[axis] = (outer[axis] / take).max(1.0);
        }
        Some(outer)
    }

    fn registers(&self, access: &Access) -> f64 {
        (self.program.vector_bytes / access.element_bytes.max(1)).max(1) as f64
    }

    /// Loads and stores of the body, and the share of the accesses that go lane by lane.
    fn touches(&self) -> Option<(f64, f64, f64)> {
        let outer = self.outer(self.from)?;
        let (mut loads, mut stores, mut apart) = (0.0, 0.0, 0.0);
        let accesses = &self.state().block.accesses;
        for access in accesses {
            let along = along(&self.vector, &strides(self.program, self.id, access, self.levels));
            let one = match along {
                Along::Nothing => 1.0,
                Along::Row => pieces(self.lanes, self.registers(access)),
                Along::Lanes => 2.0 * self.lanes,
            };
            apart += f64::from(u8::from(along == Along::Lanes));
            if access.write {
                stores += one * places(access, &outer);
            } else {
                loads += one * self.times_loaded(access)?;
            }
        }
        Some((loads, stores, apart / accesses.len() as f64))
    }

    /// Loads of what is read in the straight code. By all rules, what the loop around it does not move is loaded before that loop.
    fn times_loaded(&self, access: &Access) -> Option<f64> {
        let (times, inner) = (self.times_used(access)?, self.outer(self.from)?);
        let nest = &self.state().nest;
        let around = nest[..self.from].iter().rposition(|&l| self.program.loops[l].extent != Some(1.0));
        if let Some(level) = around.filter(|_| self.rules == Rules::All && self.fits(&inner)) {
            let outer = self.outer(level)?;
            if places(access, &outer) == places(access, &inner) {
                return Some(times * executions(&inner) / executions(&outer));
            }
        }
        Some(times)
    }

    /// Times that the straight code, in its order, takes a place of an access into registers.
    fn times_used(&self, access: &Access) -> Option<f64> {
        let nest = &self.state().nest;
        let mut inner = self.outer(nest.len())?;
        let mut times = places(access, &inner);
        for level in (self.from..nest.len()).rev() {
            let outer = self.outer(level)?;
            times *= match self.fits(&inner) {
                true => places(access, &outer) / places(access, &inner),
                false => executions(&outer) / executions(&inner),
            };
            inner = outer;
        }
        Some(times)
    }

    /// Registers of results that the straight code takes in, in its order.
    fn times_written(&self) -> Option<f64> {
        let writes = self.state().block.accesses.iter().filter(|a| a.write);
        writes.map(|access| Some(self.times_used(access)? * self.registers_of(access))).sum()
    }

    /// Registers of what the straight code reads again after more than fits into them: LLVM keeps such values on the stack.
    fn kept(&self) -> Option<f64> {
        let outer = self.outer(self.from)?;
        let mut kept = 0.0;
        for access in self.state().block.accesses.iter().filter(|a| !a.write) {
            if !self.fits(&outer) && self.times_used(access)? > places(access, &outer) {
                kept += self.taken(access, &outer);
            }
        }
        Some(kept)
    }

    /// Whether the data of all accesses fits into the registers.
    fn fits(&self, outer: &[f64]) -> bool {
        let used: f64 = self.state().block.accesses.iter().map(|access| self.taken(access, outer)).sum();
        used <= self.all_registers()
    }

    /// Registers that the data of an access takes, of executions of the vectorised statement by axis.
    fn taken(&self, access: &Access, outer: &[f64]) -> f64 {
        places(access, outer) * self.registers_of(access)
    }

    /// Registers of one place of an access.
    fn registers_of(&self, access: &Access) -> f64 {
        let moves = access.dims.iter().flatten().any(|d| self.vector.iter().any(|v| v.0 == d.0));
        if moves { (self.lanes / self.registers(access)).ceil() } else { 1.0 }
    }

    /// Registers that what is written at a level takes.
    fn results(&self, level: usize) -> Option<f64> {
        let outer = self.outer(level)?;
        Some(self.state().block.accesses.iter().filter(|a| a.write).map(|access| self.taken(access, &outer)).sum())
    }

    /// Bodies that follow each other with the same results.
    fn held(&self) -> f64 {
        let outwards = self.state().nest[..self.from].iter().rev().map(|&l| (l, self.program.loops[l].extent));
        let run = outwards.take_while(|&(l, extent)| {
            extent == Some(1.0) || (extent.is_some() && self.program.kind(l) == "reduction")
        });
        run.filter_map(|(_, extent)| extent).product()
    }

    /// Registers that results take at the same time: those that are finished one after the other need none beside each other.
    fn live(&self, held: f64, results: f64) -> Option<f64> {
        if held > 1.0 {
            return Some(results);
        }
        let nest = &self.state().nest;
        let reduces =
            |&p: &usize| self.program.loops[nest[p]].extent != Some(1.0) && self.program.kind(nest[p]) != "spatial";
        (self.from..nest.len()).find(reduces).map_or(Some(1.0), |place| self.results(place))
    }

    /// Instructions of the body that take vectors apart, and those of branches.
    fn lanes_and_branches(&self, held: f64, inside: f64, stores: f64) -> (f64, f64) {
        let state = self.state();
        let copies = inside / self.lanes;
        let odd = self.by_lanes(self.lanes) || held > 1.0 && self.read_by_lanes();
        let by_lane = self.vector.iter().any(|v| state.conditional.contains(&v.0));
        // A condition is a branch, of each lane where it depends on the lane.
        let (apart, branches) = match state.conditional.is_empty() {
            false if by_lane => (copies, 2.0 * copies * self.lanes),
            false => (if odd { copies } else { 0.0 }, 3.0 * copies),
            true if odd => (stores / pieces(self.lanes, self.register), 0.0),
            true => (0.0, 0.0),
        };
        (LANE * self.lanes * apart, branches)
    }

    /// Whether LLVM carries vectors as lanes from one piece of straight code to the next: unless their number is a power of two, or fits
    /// into a register when it is made one.
    fn by_lanes(&self, lanes: f64) -> bool {
        let power = lanes.log2().ceil().exp2();
        power != lanes && power > self.register
    }

    /// Whether results on the stack are read as such vectors later.
    fn read_by_lanes(&self) -> bool {
        let (program, state) = (self.program, self.state());
        let Some(write) = state.block.accesses.iter().find(|a| a.write) else { return false };
        let others = program.blocks.iter().enumerate().filter(|(o, other)| *o != self.id && !other.inlined);
        let readers: Vec<&State> = others.filter(|(_, other)| reads(other, write)).map(|(_, other)| other).collect();
        let common = |other: &&State| state.nest.iter().zip(&other.nest).take_while(|(a, b)| a == b).count();
        let tile = readers.iter().map(common).min().and_then(|depth| self.levels.tiles[depth].as_ref());
        let bytes = |tile: &Vec<f64>| {
            let elements: f64 = write.dims.iter().map(|dim| extent_of(dim, tile)).product();
            elements * write.element_bytes as f64
        };
        tile.is_some_and(|tile| bytes(tile) <= ON_STACK)
            && readers.iter().any(|reader| self.by_lanes(lanes_of(program, &reader.nest)))
    }

    /// Share of the iterations that is left where LLVM vectorises the loop around a body without vectors.
    fn by_compiler(&self) -> f64 {
        let Some((_, (_, take))) = self.made_vectors() else { return 1.0 };
        // Registers of 64 bytes come with masks, so that what is less than one is one.
        if self.program.vector_bytes >= 64 && take < self.register {
            return 1.0 / take;
        }
        ((take / self.register).floor() + take % self.register) / take
    }

    /// The loop around a body without vectors that LLVM vectorises, with the axis it moves along and how far: no other loop may be
    /// inside, and all accesses move along rows or not at all.
    fn made_vectors(&self) -> Option<(usize, (usize, f64))> {
        let (program, state) = (self.program, self.state());
        let mut outwards = (0..self.from).rev();
        let place = outwards.find(|&p| program.loops[state.nest[p]].extent != Some(1.0))?;
        let l = state.nest[place];
        let branches = !state.conditional.is_empty() && self.levels.trips[self.from].is_none_or(|copies| copies > 8.0);
        let serial = matches!(program.loops[l].mark, Mark::Serial | Mark::Parallel);
        if self.lanes != 1.0 || branches || !serial || program.kind(l) != "spatial" || !innermost(program, l) {
            return None;
        }
        let mut moved = takes(program, self.id, self.levels, place);
        moved.truncate(1);
        let vector = *moved.first()?;
        self.moves_along_rows(&moved).then_some((place, vector))
    }
}

/// The level from which on a nest is straight code.
fn straight_from(program: &Program, nest: &[LoopId]) -> usize {
    let registers = (lanes_of(program, nest) / (program.vector_bytes / 4).max(1) as f64).ceil();
    unrolled(program, nest, COMPILER_UNROLLS / (OF_COPY + OF_REGISTER * registers)).0
}

/// Iterations of the vectorised loops of a nest.
fn lanes_of(program: &Program, nest: &[LoopId]) -> f64 {
    let vectors = nest.iter().map(|&l| &program.loops[l]).filter(|l| l.mark == Mark::Vectorized);
    vectors.filter_map(|l| l.extent).product()
}

fn reads(state: &State, write: &Access) -> bool {
    state.block.accesses.iter().any(|a| !a.write && a.buffer == write.buffer)
}

/// Whether all that is inside of a loop is straight code without vectors; those of what is copied under a condition come apart.
fn innermost(program: &Program, l: LoopId) -> bool {
    let one = |m: LoopId| program.loops[m].extent == Some(1.0);
    program.blocks.iter().filter(|b| !b.inlined).all(|b| {
        let Some(place) = b.nest.iter().position(|&m| m == l) else { return true };
        let inner = &b.nest[place + 1..];
        let from = straight_from(program, &b.nest);
        let straight = from <= place + 1 + inner.iter().take_while(|&&m| one(m)).count();
        let scalar = inner.iter().all(|&m| program.loops[m].mark != Mark::Vectorized || one(m));
        straight && (scalar || !b.conditional.is_empty())
    })
}

/// Iterations of the loop at a place by own axis, innermost first, without those of one.
fn takes(program: &Program, id: BlockId, levels: &Levels, place: usize) -> Vec<(usize, f64)> {
    let state = &program.blocks[id];
    let l = &program.loops[state.nest[place]];
    let (Some(mut left), Some(tile)) = (l.extent, &levels.tiles[place + 1]) else {
        return Vec::new();
    };
    let mut out = Vec::new();
    let axes = program.own_axes(id, l);
    for (k, &a) in axes.iter().enumerate().rev() {
        let room = (state.block.axes[a].extent as f64 / tile[a]).max(1.0);
        let take = if k == 0 { left } else { left.min(room) };
        left = (left / take).max(1.0);
        if take > 1.0 {
            out.push((a, take));
        }
    }
    out
}

/// Elements that one step along each axis moves the access by. A buffer that only lives inside common loops has no more rows than are
/// needed there.
fn strides(program: &Program, id: BlockId, access: &Access, levels: &Levels) -> Vec<f64> {
    let state = &program.blocks[id];
    let mut depth = None;
    for (o, other) in program.blocks.iter().enumerate() {
        if o == id || other.inlined || !other.block.accesses.iter().any(|a| a.buffer == access.buffer) {
            continue;
        }
        let common = state.nest.iter().zip(&other.nest).take_while(|(a, b)| a == b).count();
        depth = Some(depth.map_or(common, |d: usize| d.min(common)));
    }
    let full: Vec<f64> = state.block.axes.iter().map(|a| a.extent as f64).collect();
    let alive = depth.and_then(|d| levels.tiles.get(d)?.clone()).unwrap_or(full);
    let mut out = vec![0.0; state.block.axes.len()];
    let mut row = 1.0;
    for dim in access.dims.iter().rev() {
        for &(axis, step) in dim {
            out[axis] += step.unsigned_abs() as f64 * row;
        }
        row *= extent_of(dim, &alive);
    }
    out
}

fn along(vector: &[(usize, f64)], strides: &[f64]) -> Along {
    if vector.iter().all(|&(axis, _)| strides[axis] == 0.0) {
        return Along::Nothing;
    }
    let mut run = 1.0;
    for &(axis, take) in vector {
        if strides[axis] != run {
            return Along::Lanes;
        }
        run *= take;
    }
    Along::Row
}

/// Loads of so many lanes in a row: whole registers, and powers of two of the rest.
fn pieces(lanes: f64, register: f64) -> f64 {
    let rest = lanes % register;
    (lanes / register).floor() + f64::from((rest as u64).count_ones())
}

/// Executions of a statement in a tile.
fn executions(tile: &[f64]) -> f64 {
    tile.iter().product()
}

/// Positions of an access that a tile has.
fn places(access: &Access, tile: &[f64]) -> f64 {
    access.dims.iter().map(|dim| distinct(dim, tile)).product()
}

/// Positions along a dimension that a tile has.
fn distinct(dim: &[(usize, i64)], tile: &[f64]) -> f64 {
    let all: f64 = dim.iter().map(|&(a, _)| tile[a]).product();
    all.min(extent_of(dim, tile))
}
