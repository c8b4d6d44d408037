//! The schedule graph: nodes with sentences and numbers, and who is whose father.

use std::collections::HashMap;

use ledg_graph::{EdgeList, Relations};
use serde::{Deserialize, Serialize};

use crate::error::{Result, ScheduleError};
use crate::nest::{BlockId, Mark, Program, footprint, written};
use crate::numbers::{N_ACCESSES, N_NUMBERS, Numbers, at};
use crate::replay::Replay;
use crate::task::{Task, limit};
use crate::trace;
use crate::words::ScheduleWords;

/// Version of the JSON form of a schedule graph.
pub const SCHEDULE_WIRE_VERSION: u32 = 1;

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
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct GraphWire {
    version: u32,
    nodes: Vec<ScheduleNode>,
    /// (father, son)
    edges: Vec<(u32, u32)>,
    unknown: usize,
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
            let numbers = block_numbers(&program, b);
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
        finish(&mut program, &mut nodes, words);
        limit("nodes of a schedule", nodes.nodes.len(), MAX_NODES)?;
        let relations = Relations::from_fathers(EdgeList::from_rows(nodes.fathers));
        Ok(ScheduleGraph { nodes: nodes.nodes, relations, unknown: program.unknown })
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
        Ok(ScheduleGraph { nodes: wire.nodes, relations, unknown: wire.unknown })
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

/// The loops and blocks of the final program.
fn finish(program: &mut Program, nodes: &mut Nodes, words: &ScheduleWords) {
    let mut of_loop: HashMap<usize, u32> = HashMap::new();
    let task_numbers = task_numbers(program);
    let order: Vec<BlockId> = program.order.iter().copied().filter(|&b| !program.blocks[b].inlined).collect();
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
            let mut numbers = loop_numbers(program, b, place, limit);
            numbers.0[at::TASK_FLOPS..=at::TASK_BLOCKS].copy_from_slice(&task_numbers);
            let sentence = words.of_loop(program.kind(l), program.loops[l].mark.word());
            let mut fathers: Vec<u32> = enclosing.into_iter().chain(program.loops[l].last).collect();
            if fathers.is_empty() {
                fathers.extend(program.blocks[b].last);
            }
            let node = nodes.full("loop", sentence, numbers, fathers);
            of_loop.insert(l, node);
            enclosing = Some(node);
        }
        let mut numbers = block_numbers(program, b);
        numbers.0[at::TASK_FLOPS..=at::TASK_BLOCKS].copy_from_slice(&task_numbers);
        let mut fathers: Vec<u32> = enclosing.into_iter().chain(program.blocks[b].last).collect();
        fathers.extend(producers(program, b).into_iter().filter_map(|p| program.blocks[p].last));
        let node = nodes.full("block", words.of_block(program.blocks[b].role), numbers, fathers);
        program.blocks[b].last = Some(node);
    }
}

/// Flops, bytes and blocks of the task, as they stand in every row of the final program.
fn task_numbers(program: &Program) -> [f32; 3] {
    let (mut flops, mut bytes) = (0.0, 0.0);
    for state in program.blocks.iter().filter(|s| matches!(s.role, "compute" | "reduction")) {
        let full: Vec<f64> = state.block.axes.iter().map(|a| a.extent as f64).collect();
        flops += state.block.flops * full.iter().product::<f64>();
        bytes += state.block.accesses.iter().map(|a| footprint(a, &full)).sum::<f64>();
    }
    [flops, bytes, program.order.len() as f64].map(|x| (1.0 + x).log2() as f32)
}

/// Numbers of a whole block.
fn block_numbers(program: &Program, b: BlockId) -> Numbers {
    let state = &program.blocks[b];
    let mut numbers = inside(program, b, 0);
    let trips = program.trips(b, 0..state.nest.len());
    numbers.flag(at::UNKNOWN, trips.is_none()).log(at::EXTENT, trips.unwrap_or(0.0));
    numbers.set(at::DEPTH, state.nest.len() as f64 / 8.0);
    numbers
}

/// Numbers of the loop at a place of a block's nest, seen from that block.
fn loop_numbers(program: &Program, b: BlockId, place: usize, unroll_limit: f64) -> Numbers {
    let state = &program.blocks[b];
    let id = state.nest[place];
    let l = &program.loops[id];
    let mut numbers = inside(program, b, place);
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
    let kind = program.kind(id);
    numbers.flag(at::SPATIAL, kind == "spatial").flag(at::REDUCTION, kind == "reduction");
    if let Some(iterations) = program.trips(b, place..n)
        && unroll_limit > 0.0
    {
        numbers.flag(at::OVER_LIMIT, iterations > unroll_limit);
    }
    let axis = l.axes.last().copied().filter(|_| l.owner == b);
    if let Some(axis) = axis
        && !state.block.accesses.is_empty()
    {
        let (mut contiguous, mut invariant, mut largest) = (0.0, 0.0, 0.0f64);
        let tile = program.tile(b, place + 1);
        for access in &state.block.accesses {
            let moves = access.dims.iter().rposition(|d| d.iter().any(|&(a, step)| a == axis && step != 0));
            match moves {
                None => invariant += 1.0,
                Some(dim) => {
                    let step = access.dims[dim].iter().find(|(a, _)| *a == axis).map_or(0, |s| s.1.unsigned_abs());
                    contiguous += f64::from(u8::from(dim + 1 == access.dims.len() && step == 1));
                    let full: Vec<f64> = state.block.axes.iter().map(|a| a.extent as f64).collect();
                    let row: f64 = access.dims[dim + 1..].iter().map(|d| crate::nest::extent_of(d, &full)).product();
                    let jump = tile.as_ref().map_or(1.0, |t| t[axis]) * step as f64 * row * access.element_bytes as f64;
                    largest = largest.max(jump);
                }
            }
        }
        let count = state.block.accesses.len() as f64;
        numbers.set(at::CONTIGUOUS, contiguous / count).set(at::INVARIANT, invariant / count).log(at::STEP, largest);
    }
    numbers
}

/// What the loops from a place inwards do and touch.
fn inside(program: &Program, b: BlockId, place: usize) -> Numbers {
    let state = &program.blocks[b];
    let mut numbers = Numbers::ZERO;
    let (trips, tile) = (program.trips(b, place..state.nest.len()), program.tile(b, place));
    let (Some(trips), Some(tile)) = (trips, tile) else {
        numbers.flag(at::UNKNOWN, true);
        return numbers;
    };
    let (mut read, mut write) = (0.0, 0.0);
    let (mut reads, mut largest) = (Vec::new(), Vec::new());
    for access in &state.block.accesses {
        let bytes = footprint(access, &tile);
        if access.write {
            write += bytes
        } else {
            read += bytes
        }
        if access.write { largest.push(bytes) } else { reads.push(bytes) }
    }
    largest.extend(reads);
    let touched = read + write;
    let flops = state.block.flops * trips;
    numbers.log(at::INSIDE, trips).log(at::FOOTPRINT, touched).log(at::READ, read).log(at::WRITTEN, write);
    numbers.log(at::FLOPS, flops).set(at::INTENSITY, (1.0 + flops).log2() - (1.0 + touched).log2());
    numbers.set(at::BEYOND_L1, (touched / 32768.0).log2().max(0.0));
    numbers.set(at::BEYOND_L2, (touched / 1048576.0).log2().max(0.0));
    for (i, bytes) in largest.into_iter().take(N_ACCESSES).enumerate() {
        numbers.log(at::ACCESSES + i, bytes);
    }
    numbers
}
