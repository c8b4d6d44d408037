//! The schedule graph: nodes with sentences and numbers, and who is whose father.

use std::collections::HashMap;

use ledg_graph::{EdgeList, Relations};
use serde::{Deserialize, Serialize};

use crate::error::{Result, ScheduleError};
use crate::estimate::{Estimate, Rules};
use crate::levels::Levels;
use crate::nest::{BlockId, Mark, Program, footprint, written};
use crate::numbers::{CAPACITIES, N_ACCESSES, N_NUMBERS, Numbers, at};
use crate::replay::Replay;
use crate::task::{Access, Task, limit};
use crate::trace;
use crate::words::ScheduleWords;

/// Version of the JSON form of a schedule graph.
pub const SCHEDULE_WIRE_VERSION: u32 = 2;

/// Most nodes of a schedule graph.
const MAX_NODES: usize = 1 << 15;

/// One node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScheduleNode {
    /// What it comes from: a primitive's name, `operator`, `loop` or `block`.
    pub primitive: String,
    /// What the language model reads.
    pub sentence: String,
    /// Its numbers, shape ([`N_NUMBERS`]), see [`crate::NUMBER_NAMES`].
    pub numbers: Vec<f32>,
}

/// A candidate of an auto-scheduler as a graph. Nodes are in topological order.
///
/// ```
/// use ledg_schedule::{ScheduleError, ScheduleGraph, ScheduleWords, Task};
///
/// let task = Task::from_json(
///     r#"{"name": "fill", "blocks": [{
///         "name": "Y", "axes": [{"extent": 64, "reduce": false}], "flops": 0.0,
///         "accesses": [{"buffer": "Y", "element_bytes": 4, "write": true, "dims": [[[0, 1]]]}]}]}"#,
/// )?;
/// let words = ScheduleWords::builtin()?;
/// let trace = r#"b0 = sch.get_sblock(name="Y", func_name="main")
///     l1, = sch.get_loops(block=b0)
///     sch.vectorize(loop=l1)"#;
/// let graph = ScheduleGraph::new(&task, trace, words)?;
/// let primitives: Vec<&str> = graph.nodes.iter().map(|node| node.primitive.as_str()).collect();
/// assert_eq!(primitives, ["operator", "vectorize", "loop", "block"]);
/// // The loop of the final program is the son of the primitive that touched it last.
/// assert_eq!(graph.relations.fathers.row(2), [1]);
/// assert_eq!(ScheduleGraph::from_json(&graph.to_json())?, graph);
///
/// // A primitive that no sentence covers is an error, a block that the task does not have is counted.
/// let unknown = ScheduleGraph::new(&task, "sch.frobnicate(l1)", words);
/// assert!(matches!(unknown, Err(ScheduleError::UnknownPrimitive { line: 1, .. })));
/// assert_eq!(ScheduleGraph::new(&task, r#"b0 = sch.get_sblock(name="Z", func_name="main")"#, words)?.unknown, 1);
/// # Ok::<(), ScheduleError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct ScheduleGraph {
    /// The nodes.
    pub nodes: Vec<ScheduleNode>,
    /// Relations between them.
    pub relations: Relations,
    /// How often the trace named what the replay could not follow; the numbers of what it touches are marked unknown.
    pub unknown: usize,
    /// An estimate of how long the program runs: log2 of its cycles by the task's iterations, 0 where a nest is not known. It knows
    /// rules of compilers that the nodes' numbers do not.
    pub cycles: f64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct GraphWire {
    version: u32,
    nodes: Vec<ScheduleNode>,
    /// (father, son)
    edges: Vec<(u32, u32)>,
    unknown: usize,
    cycles: f64,
}

/// Nodes while they are made.
#[derive(Default)]
pub(crate) struct Nodes {
    nodes: Vec<ScheduleNode>,
    fathers: Vec<Vec<u32>>,
}

impl Nodes {
    pub fn add(&mut self, node: ScheduleNode, fathers: Vec<u32>) -> u32 {
        self.nodes.push(node);
        self.fathers.push(fathers);
        (self.nodes.len() - 1) as u32
    }

    pub fn set_numbers(&mut self, node: u32, numbers: Numbers) {
        self.nodes[node as usize].numbers = numbers.0.to_vec();
    }

    fn full(&mut self, primitive: &str, sentence: String, numbers: Numbers, fathers: Vec<u32>) -> u32 {
        let node = ScheduleNode { primitive: primitive.to_owned(), sentence, numbers: numbers.0.to_vec() };
        self.add(node, fathers)
    }
}

impl ScheduleGraph {
    /// Replays a trace on a task.
    ///
    /// # Errors
    /// [`ScheduleError::Line`] for a line that is no primitive, [`ScheduleError::UnknownPrimitive`] for a primitive without a
    /// sentence, [`ScheduleError::Limit`] for a trace that is too long or nested, or gives too many nodes.
    pub fn new(task: &Task, trace: &str, words: &ScheduleWords) -> Result<ScheduleGraph> {
        let instructions = trace::parse(trace)?;
        let mut nodes = Nodes::default();
        let mut program = Program::new(task);
        for b in 0..program.blocks.len() {
            let numbers = block_numbers(&program, b, &Levels::new(&program, b));
            let sentence = words.of_operator(&program.blocks[b].name);
            let fathers = producers(&program, b).into_iter().filter_map(|p| program.blocks[p].last).collect();
            program.blocks[b].last = Some(nodes.full("operator", sentence, numbers, fathers));
        }
        let mut replay = Replay::new(program, words);
        for instruction in &instructions {
            replay.step(instruction, &mut nodes)?;
            limit("nodes of a schedule", nodes.nodes.len(), MAX_NODES)?;
        }
        let mut program = replay.program;
        let cycles = finish(&mut program, &mut nodes, words);
        limit("nodes of a schedule", nodes.nodes.len(), MAX_NODES)?;
        let relations = Relations::from_fathers(EdgeList::from_rows(nodes.fathers));
        Ok(ScheduleGraph { nodes: nodes.nodes, relations, unknown: program.unknown, cycles })
    }

    /// The graph as JSON.
    pub fn to_json(&self) -> String {
        let fathers = &self.relations.fathers;
        let edges = (0..fathers.n_nodes()).flat_map(|i| fathers.row(i).iter().map(move |&f| (f, i as u32)));
        let wire = GraphWire {
            version: SCHEDULE_WIRE_VERSION,
            nodes: self.nodes.clone(),
            edges: edges.collect(),
            unknown: self.unknown,
            cycles: self.cycles,
        };
        // Plain data without maps: there is nothing that JSON cannot say.
        serde_json::to_string(&wire).unwrap_or_default()
    }

    /// Reads [`ScheduleGraph::to_json`].
    ///
    /// # Errors
    /// [`ScheduleError::Json`] for text that is no graph; [`ScheduleError::Task`] for another version, nodes out of topological
    /// order and rows of numbers of another width; [`ScheduleError::Limit`] for too many nodes.
    pub fn from_json(text: &str) -> Result<ScheduleGraph> {
        let wire: GraphWire =
            serde_json::from_str(text).map_err(|source| ScheduleError::Json { what: "schedule graph", source })?;
        let bad =
            |field: &str, why: String| ScheduleError::Task { task: "schedule graph".into(), field: field.into(), why };
        if wire.version != SCHEDULE_WIRE_VERSION {
            return Err(bad("version", format!("is {}, this library reads {SCHEDULE_WIRE_VERSION}", wire.version)));
        }
        if !wire.cycles.is_finite() {
            return Err(bad("cycles", format!("is {}, must be finite", wire.cycles)));
        }
        limit("nodes of a schedule", wire.nodes.len(), MAX_NODES)?;
        if let Some(i) = wire.nodes.iter().position(|n| n.numbers.len() != N_NUMBERS) {
            return Err(bad("nodes", format!("node {i} has {} numbers, not {N_NUMBERS}", wire.nodes[i].numbers.len())));
        }
        let mut fathers = vec![Vec::new(); wire.nodes.len()];
        for (father, son) in wire.edges {
            if father >= son || son as usize >= fathers.len() {
                return Err(bad("edges", format!("({father}, {son}) is not from a node to a later one")));
            }
            fathers[son as usize].push(father);
        }
        let relations = Relations::from_fathers(EdgeList::from_rows(fathers));
        Ok(ScheduleGraph { nodes: wire.nodes, relations, unknown: wire.unknown, cycles: wire.cycles })
    }
}

/// Blocks that write what this one reads.
fn producers(program: &Program, b: BlockId) -> Vec<BlockId> {
    let reads: Vec<&str> =
        program.blocks[b].block.accesses.iter().filter(|a| !a.write).map(|a| a.buffer.as_str()).collect();
    let writes = |o: &&BlockId| {
        **o != b && written(&program.blocks[**o].block).is_some_and(|w| reads.contains(&w.buffer.as_str()))
    };
    program.order.iter().filter(writes).copied().collect()
}

/// The loops and blocks of the final program; the estimate of [`ScheduleGraph::cycles`].
fn finish(program: &mut Program, nodes: &mut Nodes, words: &ScheduleWords) -> f64 {
    let mut of_loop: HashMap<usize, u32> = HashMap::new();
    let task = TaskNumbers::new(program);
    let order: Vec<BlockId> = program.order.iter().copied().filter(|&b| !program.blocks[b].inlined).collect();
    let views: HashMap<BlockId, Levels> = order.iter().map(|&b| (b, Levels::new(program, b))).collect();
    let estimates: HashMap<BlockId, Estimate> =
        views.iter().filter_map(|(&b, levels)| Some((b, Estimate::new(program, b, levels, Rules::Few)?))).collect();
    // In order of execution, so that the sum is the same each time.
    let cycles: f64 = order.iter().filter_map(|b| estimates.get(b)).map(|e| e.cycles).sum();
    let works = order.iter().filter(|&&b| !program.blocks[b].block.accesses.is_empty());
    let all: Option<f64> = works.map(|b| Some(Estimate::new(program, *b, &views[b], Rules::All)?.cycles)).sum();
    let of_all = all.map_or(0.0, |cycles| (cycles / task.iterations).max(1e-6).log2());
    for b in order {
        let mut enclosing = None;
        let mut limit = 0.0f64;
        let nest = program.blocks[b].nest.clone();
        for (place, &l) in nest.iter().enumerate() {
            limit = limit.max(program.loops[l].unroll_limit);
            if let Some(&node) = of_loop.get(&l) {
                enclosing = Some(node);
                continue;
            }
            // A loop of one iteration is no loop in the program that runs.
            if program.loops[l].extent == Some(1.0) {
                continue;
            }
            // A loop around several blocks is seen from the one whose axes it moves along.
            let owner = program.loops[l].owner;
            let seen = views.contains_key(&owner).then(|| program.blocks[owner].nest.iter().position(|&o| o == l));
            let (from, place) = seen.flatten().map_or((b, place), |p| (owner, p));
            let mut numbers = loop_numbers(program, from, &views[&from], place, limit);
            task.write(&mut numbers);
            let sentence = words.of_loop(program.kind(l), program.loops[l].mark.word());
            let mut fathers: Vec<u32> = enclosing.into_iter().chain(program.loops[l].last).collect();
            if fathers.is_empty() {
                fathers.extend(program.blocks[b].last);
            }
            let node = nodes.full("loop", sentence, numbers, fathers);
            of_loop.insert(l, node);
            enclosing = Some(node);
        }
        let mut numbers = block_numbers(program, b, &views[&b]);
        task.write(&mut numbers);
        let flops = program.blocks[b].block.flops * program.trips(b, 0..nest.len()).unwrap_or(0.0);
        numbers.set(at::TASK_SHARE, flops / task.flops.max(1.0));
        if let Some(estimate) = estimates.get(&b) {
            estimated(estimate, views[&b].trips[0].unwrap_or(1.0), cycles, &task, &mut numbers);
        }
        let mut fathers: Vec<u32> = enclosing.into_iter().chain(program.blocks[b].last).collect();
        fathers.extend(producers(program, b).into_iter().filter_map(|p| program.blocks[p].last));
        let node = nodes.full("block", words.of_block(program.blocks[b].role), numbers, fathers);
        program.blocks[b].last = Some(node);
    }
    of_all
}

/// Numbers of the task, as they stand in every row of the final program.
struct TaskNumbers {
    flops: f64,
    bytes: f64,
    blocks: f64,
    inlined: f64,
    vector_bytes: f64,
    iterations: f64,
}

impl TaskNumbers {
    fn new(program: &Program) -> TaskNumbers {
        let (mut flops, mut bytes) = (0.0, 0.0);
        for state in program.blocks.iter().filter(|s| matches!(s.role, "compute" | "reduction")) {
            let full: Vec<f64> = state.block.axes.iter().map(|a| a.extent as f64).collect();
            flops += state.block.flops * full.iter().product::<f64>();
            bytes += state.block.accesses.iter().map(|a| footprint(a, &full)).sum::<f64>();
        }
        let inlined = program.blocks.iter().filter(|s| s.inlined).count() as f64;
        let vector_bytes = program.vector_bytes as f64;
        TaskNumbers {
            flops,
            bytes,
            blocks: program.order.len() as f64,
            inlined,
            vector_bytes,
            iterations: program.iterations.max(1.0),
        }
    }

    fn write(&self, numbers: &mut Numbers) {
        for (i, x) in [self.flops, self.bytes, self.blocks].into_iter().enumerate() {
            numbers.log(at::TASK_FLOPS + i, x);
        }
        numbers.log(at::INLINED, self.inlined).set(at::VECTOR_BYTES, self.vector_bytes.log2());
    }
}

/// Numbers of a whole block.
fn block_numbers(program: &Program, b: BlockId, levels: &Levels) -> Numbers {
    let state = &program.blocks[b];
    let n = state.nest.len();
    let mut numbers = inside(program, b, levels, 0);
    let trips = levels.trips[0];
    numbers.flag(at::UNKNOWN, trips.is_none()).log(at::EXTENT, trips.unwrap_or(0.0));
    numbers.set(at::DEPTH, n as f64 / 8.0).log(at::COPIES, levels.unrolled);
    let mark = |mark: Mark| move |l: usize| program.loops[l].mark == mark;
    if let Some(place) = levels.innermost(program, b, |_| true) {
        let l = &program.loops[state.nest[place]];
        numbers.log(at::INNERMOST, l.extent.unwrap_or(0.0));
        numbers.flag(at::UNROLLED_BY_LIMIT, l.mark == Mark::Serial && place >= levels.unrolled_from);
        kind(program, state.nest[place], &mut numbers);
        steps(program, b, levels, place, &mut numbers);
    }
    if let Some(place) = levels.innermost(program, b, mark(Mark::Vectorized)) {
        lanes(program, b, program.loops[state.nest[place]].extent, &mut numbers);
        numbers.flag(at::VECTORIZED, true);
    }
    if let Some(place) = levels.innermost(program, b, |l| program.kind(l) == "reduction") {
        let written: f64 = levels.touches[place + 1].iter().filter(|t| t.write).map(|t| t.elements).sum();
        let read: f64 = levels.touches[place + 1].iter().filter(|t| !t.write).map(|t| t.elements).sum();
        numbers.log(at::ACCUMULATORS, written);
        let outwards = state.nest[..=place].iter().rev();
        let run = outwards.take_while(|&&l| program.kind(l) == "reduction" || program.loops[l].extent == Some(1.0));
        numbers.log(at::REDUCED, run.map(|&l| program.loops[l].extent).product::<Option<f64>>().unwrap_or(0.0));
        if let Some(trips) = levels.trips[place + 1] {
            numbers.log(at::LOADS, read / trips);
        }
    }
    let parallel = state.nest.iter().map(|&l| &program.loops[l]).filter(|l| l.mark == Mark::Parallel);
    numbers.log(at::PARALLEL_TRIPS, parallel.filter_map(|l| l.extent).product());
    if let Some(trips) = trips.filter(|t| *t > 0.0) {
        // Initial values are none of a reduction's iterations.
        let axes = state.block.axes.iter().filter(|a| !(a.reduce && state.role == "init"));
        let untouched: f64 = axes.map(|a| a.extent as f64).product();
        numbers.set(at::RECOMPUTED, (trips / untouched).log2());
        for (i, capacity) in CAPACITIES.into_iter().enumerate() {
            if let Some(bytes) = levels.traffic(capacity) {
                numbers.set(at::TRAFFIC + i, (bytes / trips).log2());
            }
        }
    }
    numbers
}

/// What is estimated of a block of so many iterations, and of the program that it is part of.
fn estimated(estimate: &Estimate, trips: f64, cycles: f64, task: &TaskNumbers, numbers: &mut Numbers) {
    let of = [
        (at::BODY, estimate.body),
        (at::MEMORY, estimate.memory),
        (at::PRESSURE, estimate.pressure),
        (at::HELD, estimate.held),
        (at::BY_ITERATION, estimate.by_iteration),
        (at::CYCLES, estimate.cycles / trips),
        (at::CYCLES_OF_ALL, cycles / task.iterations),
    ];
    for (place, x) in of {
        numbers.set(place, x.max(1e-6).log2());
    }
    numbers
        .set(at::LANE_BY_LANE, estimate.lane_by_lane)
        .set(at::TAKEN_APART, estimate.taken_apart)
        .set(at::CYCLES_SHARE, estimate.cycles / cycles);
}

fn kind(program: &Program, l: usize, numbers: &mut Numbers) {
    let kind = program.kind(l);
    numbers.flag(at::SPATIAL, kind == "spatial").flag(at::REDUCTION, kind == "reduction");
}

/// Lanes of a vectorised loop, and how much of whole registers they fill: of 8 and 16 floats, and the target's of what the block writes.
fn lanes(program: &Program, b: BlockId, extent: Option<f64>, numbers: &mut Numbers) {
    let Some(extent) = extent else { return };
    let share = |of: f64| extent / ((extent / of).ceil() * of);
    numbers.log(at::LANES, extent).set(at::OF_8_LANES, share(8.0)).set(at::OF_16_LANES, share(16.0));
    let element_bytes = written(&program.blocks[b].block).map_or(4, |w| w.element_bytes);
    let own = (program.vector_bytes / element_bytes).max(1);
    numbers.set(at::OF_TARGET_LANES, share(own as f64));
}

/// Numbers of the loop at a place of a block's nest, seen from that block.
fn loop_numbers(program: &Program, b: BlockId, levels: &Levels, place: usize, unroll_limit: f64) -> Numbers {
    let state = &program.blocks[b];
    let id = state.nest[place];
    let l = &program.loops[id];
    let mut numbers = inside(program, b, levels, place);
    let n = state.nest.len();
    let outside = program.trips(b, 0..place);
    numbers.log(at::EXTENT, l.extent.unwrap_or(0.0));
    if l.extent.is_none() || outside.is_none() {
        numbers.flag(at::UNKNOWN, true);
    }
    numbers.log(at::OUTSIDE, outside.unwrap_or(0.0));
    numbers.set(at::DEPTH, place as f64 / 8.0).set(at::FROM_INNERMOST, (n - 1 - place) as f64 / 8.0);
    numbers.flag(at::PARALLEL, l.mark == Mark::Parallel).flag(at::VECTORIZED, l.mark == Mark::Vectorized);
    numbers.flag(at::UNROLLED, l.mark == Mark::Unrolled).log(at::UNROLL_LIMIT, unroll_limit);
    kind(program, id, &mut numbers);
    if let Some(iterations) = levels.trips[place]
        && unroll_limit > 0.0
    {
        numbers.flag(at::OVER_LIMIT, iterations > unroll_limit);
    }
    if l.mark == Mark::Vectorized {
        lanes(program, b, l.extent, &mut numbers);
    }
    if l.mark == Mark::Serial && place >= levels.unrolled_from {
        numbers.flag(at::UNROLLED_BY_LIMIT, true).log(at::COPIES, levels.unrolled);
    }
    steps(program, b, levels, place, &mut numbers);
    numbers
}

/// How far one iteration of the loop at a place of the nest moves each access.
fn steps(program: &Program, b: BlockId, levels: &Levels, place: usize, numbers: &mut Numbers) {
    let state = &program.blocks[b];
    let l = &program.loops[state.nest[place]];
    let Some(axis) = l.axes.last().copied().filter(|_| l.owner == b && !state.block.accesses.is_empty()) else {
        return;
    };
    let full: Vec<f64> = state.block.axes.iter().map(|a| a.extent as f64).collect();
    let inner = levels.tiles[place + 1].as_ref().map_or(1.0, |t| t[axis]);
    let jump = |access: &Access| {
        let dim = access.dims.iter().rposition(|d| d.iter().any(|&(a, step)| a == axis && step != 0))?;
        let step = access.dims[dim].iter().find(|(a, _)| *a == axis).map_or(0, |s| s.1.unsigned_abs());
        let row: f64 = access.dims[dim + 1..].iter().map(|d| crate::nest::extent_of(d, &full)).product();
        let contiguous = dim + 1 == access.dims.len() && step == 1;
        Some((contiguous, inner * step as f64 * row * access.element_bytes as f64))
    };
    let (mut contiguous, mut invariant, mut largest) = (0.0, 0.0, 0.0f64);
    let writes = state.block.accesses.iter().filter(|a| a.write);
    for (i, access) in writes.chain(state.block.accesses.iter().filter(|a| !a.write)).enumerate() {
        match jump(access) {
            None => invariant += 1.0,
            Some((next, bytes)) => {
                contiguous += f64::from(u8::from(next));
                largest = largest.max(bytes);
                if i < N_ACCESSES {
                    numbers.log(at::STEPS + i, bytes);
                }
            }
        }
    }
    let count = state.block.accesses.len() as f64;
    numbers.set(at::CONTIGUOUS, contiguous / count).set(at::INVARIANT, invariant / count).log(at::STEP, largest);
}

/// What the loops from a place inwards do and touch.
fn inside(program: &Program, b: BlockId, levels: &Levels, place: usize) -> Numbers {
    let mut numbers = Numbers::ZERO;
    let (Some(trips), Some(_)) = (levels.trips[place], &levels.tiles[place]) else {
        numbers.flag(at::UNKNOWN, true);
        return numbers;
    };
    let touches = &levels.touches[place];
    let bytes = |write: bool| touches.iter().filter(|t| t.write == write).map(|t| t.bytes).sum::<f64>();
    let (read, write) = (bytes(false), bytes(true));
    let touched = read + write;
    let flops = program.blocks[b].block.flops * trips;
    numbers.log(at::INSIDE, trips).log(at::FOOTPRINT, touched).log(at::READ, read).log(at::WRITTEN, write);
    numbers.log(at::FLOPS, flops).set(at::INTENSITY, (1.0 + flops).log2() - (1.0 + touched).log2());
    numbers.set(at::BEYOND_L1, (touched / 32768.0).log2().max(0.0));
    numbers.set(at::BEYOND_L2, (touched / 1048576.0).log2().max(0.0));
    for (i, touch) in touches.iter().take(N_ACCESSES).enumerate() {
        numbers.log(at::ACCESSES + i, touch.bytes).log(at::LINES + i, touch.lines);
    }
    numbers
}
