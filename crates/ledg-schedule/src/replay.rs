//! What each primitive does to the loops, and the node it becomes.

use std::collections::HashMap;

use crate::error::{Result, ScheduleError};
use crate::graph::{Nodes, ScheduleNode};
use crate::nest::{BlockId, LoopId, Mark, Program, written};
use crate::numbers::{N_FACTORS, Numbers, at};
use crate::task::{Access, Block};
use crate::trace::{Instruction, Value};
use crate::words::{ScheduleWords, fill, in_words};

/// What a name in the trace stands for.
#[derive(Debug, Clone, PartialEq)]
enum Meaning {
    Block(BlockId),
    /// The block around all.
    Root,
    Loop(LoopId),
    /// A sampled number and the node that sampled it.
    Number(f64, u32),
    /// Where a block is computed: a loop of another block's nest, at the root, or inline.
    Place(Option<LoopId>, Location, u32),
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Location {
    Loop,
    Root,
    Inline,
}

/// Replays a trace.
pub(crate) struct Replay<'a> {
    pub program: Program,
    names: HashMap<&'a str, Meaning>,
    words: &'a ScheduleWords,
    /// The node that last touched the root.
    root_last: Option<u32>,
}

/// What an instruction names.
#[derive(Default)]
struct Named {
    loops: Vec<LoopId>,
    blocks: Vec<BlockId>,
    fathers: Vec<u32>,
    root: bool,
}

impl<'a> Replay<'a> {
    pub fn new(program: Program, words: &'a ScheduleWords) -> Self {
        Replay { program, names: HashMap::new(), words, root_last: None }
    }

    /// Replays one primitive, adding its node.
    pub fn step(&mut self, it: &Instruction<'a>, nodes: &mut Nodes) -> Result<()> {
        let primitive = self.words.primitive(it.name).ok_or_else(|| ScheduleError::UnknownPrimitive {
            line: it.line,
            primitive: it.name.chars().take(64).collect(),
        })?;
        if primitive.lookup {
            self.look_up(it);
            return Ok(());
        }
        let named = self.named(it);
        let kind = named.loops.first().map_or("", |&l| {
            let first = self.program.kind(l);
            if named.loops.iter().all(|&l| self.program.kind(l) == first) { first } else { "mixed" }
        });
        let key = match it.get("ann_key") {
            Some(Value::Text(text)) => in_words(text.trim_start_matches("meta_schedule.")),
            _ => String::new(),
        };
        let (parts, loops) = (it.outputs.len().to_string(), named.loops.len().to_string());
        let fields = [("parts", parts.as_str()), ("loops", &loops), ("kind", kind), ("key", &key)];
        let sentence = fill(&primitive.sentence, &fields);
        let mut numbers = Numbers::ZERO;
        let extent = named.loops.iter().map(|&l| self.program.loops[l].extent).product::<Option<f64>>();
        if !named.loops.is_empty() {
            numbers.flag(at::UNKNOWN, extent.is_none()).log(at::EXTENT, extent.unwrap_or(0.0));
        }
        let node = nodes
            .add(ScheduleNode { primitive: it.name.to_owned(), sentence, numbers: Vec::new() }, named.fathers.clone());
        self.act(it, &named, node, &mut numbers);
        nodes.set_numbers(node, numbers);
        named.loops.iter().for_each(|&l| self.program.loops[l].last = Some(node));
        named.blocks.iter().for_each(|&b| self.program.blocks[b].last = Some(node));
        if named.root {
            self.root_last = Some(node);
        }
        Ok(())
    }

    /// Loops, blocks and fathers among the arguments.
    fn named(&self, it: &Instruction<'a>) -> Named {
        let mut out = Named::default();
        for name in it.names() {
            match self.names.get(name) {
                Some(&Meaning::Loop(l)) => {
                    let owner = self.program.loops[l].owner;
                    out.fathers.extend(self.program.loops[l].last.or(self.program.blocks[owner].last));
                    out.loops.push(l);
                }
                Some(&Meaning::Block(b)) => {
                    out.fathers.extend(self.program.blocks[b].last);
                    out.blocks.push(b);
                }
                Some(Meaning::Root) => {
                    out.fathers.extend(self.root_last);
                    out.root = true;
                }
                Some(&Meaning::Number(_, node) | &Meaning::Place(_, _, node)) => out.fathers.push(node),
                None => {}
            }
        }
        out.fathers.sort_unstable();
        out.fathers.dedup();
        out
    }

    fn look_up(&mut self, it: &Instruction<'a>) {
        let first = it.names().first().and_then(|n| self.names.get(n)).cloned();
        match (it.name, first) {
            ("get_sblock" | "get_block", _) => {
                let Some(&output) = it.outputs.first() else { return };
                let Some(Value::Text(name)) = it.get("name") else { return };
                let found = self.program.blocks.iter().rposition(|b| b.name == *name && !b.inlined);
                let meaning = match found {
                    _ if *name == "root" => Meaning::Root,
                    Some(b) => Meaning::Block(b),
                    None => Meaning::Block(self.stranger(name)),
                };
                self.names.insert(output, meaning);
            }
            ("get_loops", Some(Meaning::Block(b))) => {
                let n = it.outputs.len();
                if self.program.blocks[b].nest.len() != n {
                    self.program.unknown += 1;
                    self.program.blocks[b].nest.truncate(n);
                    while self.program.blocks[b].nest.len() < n {
                        let l = self.program.add_loop(None, b, Vec::new());
                        self.program.blocks[b].nest.push(l);
                    }
                }
                let nest = self.program.blocks[b].nest.iter();
                self.names.extend(it.outputs.iter().copied().zip(nest.map(|&l| Meaning::Loop(l))));
            }
            ("get_child_blocks", Some(Meaning::Root)) => {
                let mut live: Vec<BlockId> = self.program.order.clone();
                live.retain(|&b| !self.program.blocks[b].inlined);
                if live.len() != it.outputs.len() {
                    self.program.unknown += 1;
                }
                for (i, output) in it.outputs.iter().enumerate() {
                    let b = live.get(i).copied().unwrap_or_else(|| self.stranger("block"));
                    self.names.insert(output, Meaning::Block(b));
                }
            }
            ("get_producers" | "get_consumers", Some(Meaning::Block(b))) => {
                let found = self.neighbours(b, it.name == "get_consumers");
                for (i, output) in it.outputs.iter().enumerate() {
                    let b = found.get(i).copied().unwrap_or_else(|| self.stranger("block"));
                    self.names.insert(output, Meaning::Block(b));
                }
            }
            _ => {
                for output in &it.outputs {
                    let b = self.stranger("block");
                    self.names.insert(output, Meaning::Block(b));
                }
            }
        }
    }

    /// A block that the replay knows nothing of.
    fn stranger(&mut self, name: &str) -> BlockId {
        self.program.unknown += 1;
        let block = Block { name: name.to_owned(), axes: Vec::new(), flops: 0.0, accesses: Vec::new() };
        self.program.add_block(block, "unknown", None)
    }

    /// Blocks that read what this one writes, or write what it reads, in order of execution.
    fn neighbours(&self, b: BlockId, consumers: bool) -> Vec<BlockId> {
        let own = &self.program.blocks[b].block;
        let joined = |other: &Block| {
            own.accesses
                .iter()
                .filter(|a| a.write == consumers)
                .any(|a| other.accesses.iter().any(|o| o.write != consumers && o.buffer == a.buffer))
        };
        let live = |&&o: &&BlockId| o != b && !self.program.blocks[o].inlined && joined(&self.program.blocks[o].block);
        self.program.order.iter().filter(live).copied().collect()
    }

    fn number(&self, value: &Value<'a>) -> Option<f64> {
        match value {
            Value::Number(x) => Some(*x),
            Value::Name(name) => match self.names.get(name) {
                Some(Meaning::Number(x, _)) => Some(*x),
                _ => None,
            },
            _ => None,
        }
    }

    fn numbers_of(&self, it: &Instruction<'a>, name: &str) -> Vec<Option<f64>> {
        match it.get(name) {
            Some(Value::List(items)) => items.iter().map(|v| self.number(v)).collect(),
            _ => Vec::new(),
        }
    }

    fn act(&mut self, it: &Instruction<'a>, named: &Named, node: u32, numbers: &mut Numbers) {
        match it.name {
            "sample_perfect_tile" | "sample_partitioned_tile" => {
                let decision = self.numbers_of(it, "decision");
                for (i, output) in it.outputs.iter().enumerate() {
                    if let Some(x) = decision.get(i).copied().flatten() {
                        self.names.insert(output, Meaning::Number(x, node));
                        if i < N_FACTORS {
                            numbers.log(at::FACTORS + i, x);
                        }
                    }
                }
            }
            "sample_categorical" => {
                let place = it.get("decision").and_then(|v| self.number(v)).unwrap_or(0.0) as usize;
                let value = self.numbers_of(it, "candidates").get(place).copied().flatten().unwrap_or(0.0);
                self.names.extend(it.outputs.iter().map(|&o| (o, Meaning::Number(value, node))));
                numbers.log(at::VALUE, value);
            }
            "sample_compute_location" => self.sample_location(it, named, node, numbers),
            "split" | "loop_partition" => self.split(it, named, node, numbers),
            "fuse" | "merge" => self.fuse(it, named, node),
            "reorder" => self.program.reorder(&named.loops),
            "add_unit_loop" => {
                let owner = named.loops.first().map(|&l| self.program.loops[l].owner).or(named.blocks.first().copied());
                if let (Some(owner), Some(&output)) = (owner, it.outputs.first()) {
                    let l = self.program.add_loop(Some(1.0), owner, vec![]);
                    let nest = &mut self.program.blocks[owner].nest;
                    let place =
                        named.loops.first().and_then(|&l| nest.iter().position(|&m| m == l)).unwrap_or(nest.len());
                    nest.insert(place, l);
                    self.names.insert(output, Meaning::Loop(l));
                }
            }
            "parallel" => self.mark(named, Mark::Parallel),
            "vectorize" => self.mark(named, Mark::Vectorized),
            "unroll" => self.mark(named, Mark::Unrolled),
            "bind" => self.mark(named, Mark::Thread),
            "annotate" => {
                let value = it.get("ann_val").and_then(|v| self.number(v)).unwrap_or(0.0);
                numbers.log(at::VALUE, value);
                if matches!(it.get("ann_key"), Some(Value::Text("pragma_auto_unroll_max_step"))) {
                    named.loops.iter().for_each(|&l| self.program.loops[l].unroll_limit = value);
                }
            }
            "compute_at" | "reverse_compute_at" => self.compute_at(it, named, numbers),
            "compute_inline" | "reverse_compute_inline" => {
                named.blocks.iter().for_each(|&b| self.program.inline(b, it.name == "reverse_compute_inline"));
            }
            "cache_read" | "cache_write" | "reindex" => self.cache(it, named, node),
            "rfactor" => self.rfactor(it, named, node),
            "decompose_reduction" => self.decompose(it, named, node),
            // The rest leaves the loops as they are, as far as they are followed here; what it gives is not known.
            _ => {
                for output in &it.outputs {
                    let b = self.stranger("block");
                    self.program.blocks[b].last = Some(node);
                    self.names.insert(output, Meaning::Block(b));
                }
            }
        }
    }

    fn mark(&mut self, named: &Named, mark: Mark) {
        named.loops.iter().for_each(|&l| self.program.loops[l].mark = mark);
    }

    fn sample_location(&mut self, it: &Instruction<'a>, named: &Named, node: u32, numbers: &mut Numbers) {
        let (Some(&output), Some(&block)) = (it.outputs.first(), named.blocks.first()) else { return };
        let decision = it.get("decision").and_then(|v| self.number(v)).unwrap_or(-1.0);
        numbers.set(at::VALUE, decision / 8.0);
        let consumer = self.neighbours(block, true).first().copied();
        let nest = consumer.map(|c| self.program.blocks[c].nest.clone()).unwrap_or_default();
        let meaning = match decision as i64 {
            -2 => Meaning::Place(None, Location::Inline, node),
            place if place >= 0 => {
                if nest.get(place as usize).is_none() {
                    self.program.unknown += 1;
                }
                Meaning::Place(nest.get(place as usize).copied(), Location::Loop, node)
            }
            _ => Meaning::Place(None, Location::Root, node),
        };
        self.names.insert(output, meaning);
    }

    fn split(&mut self, it: &Instruction<'a>, named: &Named, node: u32, numbers: &mut Numbers) {
        let Some(&old) = named.loops.first() else { return };
        let from = self.program.loops[old].clone();
        let mut factors = self.numbers_of(it, "factors");
        factors.resize(it.outputs.len(), None);
        let known: f64 = factors.iter().flatten().product();
        // One factor may be left to be worked out.
        if factors.iter().filter(|f| f.is_none()).count() == 1
            && let Some(extent) = from.extent
            && let Some(open) = factors.iter_mut().find(|f| f.is_none())
        {
            *open = Some((extent / known).ceil());
        }
        let mut new = Vec::with_capacity(factors.len());
        for (i, (&factor, output)) in factors.iter().zip(&it.outputs).enumerate() {
            let l = self.program.add_loop(factor, from.owner, from.axes.clone());
            self.program.loops[l].last = Some(node);
            self.names.insert(output, Meaning::Loop(l));
            new.push(l);
            if i < N_FACTORS {
                numbers.log(at::FACTORS + i, factor.unwrap_or(0.0));
            }
        }
        self.program.replace(&[old], &new);
    }

    fn fuse(&mut self, it: &Instruction<'a>, named: &Named, node: u32) {
        let (Some(&first), Some(&output)) = (named.loops.first(), it.outputs.first()) else { return };
        let owner = self.program.loops[first].owner;
        let extent = named.loops.iter().map(|&l| self.program.loops[l].extent).product();
        let mut axes = Vec::new();
        for &l in &named.loops {
            let l = &self.program.loops[l];
            // Loops of extent 1 add no axis; loops of another block's axes cannot be followed.
            if l.owner == owner && (l.extent != Some(1.0) || named.loops.len() == 1) {
                axes.extend(l.axes.iter().filter(|a| !axes.contains(*a)).copied().collect::<Vec<_>>());
            }
        }
        if axes.is_empty() {
            axes.clone_from(&self.program.loops[first].axes);
        }
        let l = self.program.add_loop(extent, owner, axes);
        self.program.loops[l].last = Some(node);
        self.program.replace(&named.loops, &[l]);
        self.names.insert(output, Meaning::Loop(l));
    }

    /// Moves a block into another's nest: its own loops then run over what is needed there.
    fn compute_at(&mut self, it: &Instruction<'a>, named: &Named, numbers: &mut Numbers) {
        let Some(&block) = named.blocks.first() else { return };
        let place = it.names().iter().find_map(|n| match self.names.get(n) {
            Some(&Meaning::Place(l, location, _)) => Some((l, location)),
            Some(&Meaning::Loop(l)) => Some((Some(l), Location::Loop)),
            _ => None,
        });
        let target = match place {
            Some((_, Location::Inline)) => {
                self.program.inline(block, it.name == "reverse_compute_at");
                return;
            }
            Some((Some(target), _)) => target,
            // At the root it stays where it is.
            _ => return,
        };
        let reverse = it.name == "reverse_compute_at";
        let host =
            self.neighbours(block, !reverse).into_iter().find(|&o| self.program.blocks[o].nest.contains(&target));
        let host = host.or_else(|| self.program.blocks.iter().position(|b| b.nest.contains(&target)));
        let Some(host) = host.filter(|&h| h != block) else {
            self.program.unknown += 1;
            return;
        };
        let nest = &self.program.blocks[host].nest;
        let depth = nest.iter().position(|&l| l == target).map_or(0, |p| p + 1);
        let outer = nest[..depth].to_vec();
        numbers.set(at::DEPTH, depth as f64 / 8.0);
        let own = &self.program.blocks[block].block;
        let shared = match reverse {
            false => written(own).and_then(|a| self.program.region(host, &a.buffer, false, depth)),
            true => written(&self.program.blocks[host].block)
                .and_then(|a| self.program.region(host, &a.buffer, true, depth)),
        };
        let axes: Vec<(u64, bool)> = own.axes.iter().map(|a| (a.extent, a.reduce)).collect();
        let through = if reverse { own.accesses.iter().find(|a| !a.write) } else { written(own) }.cloned();
        let loops = axes.iter().enumerate().map(|(axis, &(full, reduce))| {
            // The dimension of the buffer that this loop alone moves along.
            let dim = through.as_ref().and_then(|a| a.dims.iter().position(|d| d.as_slice() == [(axis, 1)]));
            let needed = match (reduce, &shared, dim) {
                (true, _, _) => Some(full as f64),
                (false, Some(region), Some(dim)) => region.get(dim).map(|r| r.min(full as f64)),
                _ => None,
            };
            (needed, axis)
        });
        let loops: Vec<(Option<f64>, usize)> = loops.collect();
        let mut nest = outer;
        for (extent, axis) in loops {
            nest.push(self.program.add_loop(extent, block, vec![axis]));
        }
        // Loops of the host move along own axes where both index the same dimension of the buffer between them.
        let between = &self.program.blocks[host].block.accesses;
        let between =
            through.as_ref().and_then(|t| between.iter().find(|a| a.buffer == t.buffer && a.write == reverse));
        let mut along = Vec::new();
        if let (Some(there), Some(here)) = (between, &through) {
            for (theirs, own) in there.dims.iter().zip(&here.dims) {
                if let [(axis, 1)] = own[..] {
                    along.extend(theirs.iter().map(|&(a, _)| (host, a, axis)));
                }
            }
        }
        self.program.blocks[block].shared = along;
        self.program.blocks[block].nest = nest;
        // It now runs beside its host, and beside all that is in the next loop with it.
        self.program.order.retain(|&o| o != block);
        let next = self.program.blocks[host].nest.get(depth).copied();
        let blocks = &self.program.blocks;
        let with_host = |o: &BlockId| *o == host || next.is_some_and(|l| blocks[*o].nest.contains(&l));
        let order = &self.program.order;
        let at = match reverse {
            false => order.iter().position(with_host),
            true => order.iter().rposition(with_host).map(|p| p + 1),
        };
        let at = at.unwrap_or(0);
        self.program.order.insert(at, block);
    }

    /// A copy of a block's output or input: a block of its own.
    fn cache(&mut self, it: &Instruction<'a>, named: &Named, node: u32) {
        let (Some(&b), Some(&output)) = (named.blocks.first(), it.outputs.first()) else { return };
        let write = it.name == "cache_write";
        let index =
            it.get("write_buffer_index").or_else(|| it.get("read_buffer_index")).or_else(|| it.get("buffer_index"));
        let index = index.and_then(|v| self.number(v)).unwrap_or(0.0) as usize;
        let scope = match it.get("storage_scope") {
            Some(Value::Text(scope)) => *scope,
            _ => "cache",
        };
        let state = &self.program.blocks[b];
        let Some(place) =
            state.block.accesses.iter().enumerate().filter(|(_, a)| a.write == write).map(|(i, _)| i).nth(index)
        else {
            let b = self.stranger("cache");
            self.names.insert(output, Meaning::Block(b));
            return;
        };
        let access = state.block.accesses[place].clone();
        let full: Vec<f64> = state.block.axes.iter().map(|a| a.extent as f64).collect();
        let extents = access.dims.iter().map(|d| crate::nest::extent_of(d, &full) as u64);
        let axes = extents.map(|extent| crate::task::Axis { extent, reduce: false }).collect();
        let dims: Vec<Vec<(usize, i64)>> = (0..access.dims.len()).map(|d| vec![(d, 1)]).collect();
        let copy = format!("{}_{scope}", access.buffer);
        let (source, target) = if write { (&copy, &access.buffer) } else { (&access.buffer, &copy) };
        let one = |buffer: &str, write: bool| Access { buffer: buffer.to_owned(), write, dims: dims.clone(), ..access };
        let block =
            Block { name: copy.clone(), axes, flops: 0.0, accesses: vec![one(source, false), one(target, true)] };
        self.program.blocks[b].block.accesses[place].buffer = copy;
        let id = self.program.add_block(block, "cache", Some((b, write)));
        self.program.own_nest(id);
        self.program.blocks[id].last = Some(node);
        self.names.insert(output, Meaning::Block(id));
    }

    /// A reduction in two stages: the first keeps one loop of the reduction apart.
    fn rfactor(&mut self, it: &Instruction<'a>, named: &Named, node: u32) {
        let (Some(&l), Some(&output)) = (named.loops.first(), it.outputs.first()) else { return };
        let b = self.program.loops[l].owner;
        let state = self.program.blocks[b].clone();
        let (Some(target), Some(place)) = (written(&state.block).cloned(), state.nest.iter().position(|&n| n == l))
        else {
            self.program.unknown += 1;
            return;
        };
        let kept = self.program.loops[l].extent.unwrap_or(1.0).max(1.0);
        // The first stage: the loop that is kept apart becomes an axis of its own.
        let mut first = state.block.clone();
        first.name = format!("{}_rf", state.name);
        let axis = first.axes.len();
        first.axes.push(crate::task::Axis { extent: kept as u64, reduce: false });
        let partial = format!("{}_rf", target.buffer);
        for access in &mut first.accesses {
            if access.write {
                access.buffer.clone_from(&partial);
                access.dims.push(vec![(axis, 1)]);
            }
        }
        let id = self.program.add_block(first, "reduction", Some((b, false)));
        let nest = state.nest.iter().map(|&n| {
            let from = self.program.loops[n].clone();
            let axes = if n == l { vec![axis] } else { from.axes };
            self.program.add_loop(from.extent, id, axes)
        });
        let nest: Vec<LoopId> = nest.collect();
        self.program.blocks[id].nest = nest;
        self.program.blocks[id].calls = state.calls;
        self.program.blocks[b].calls = 0.0;
        self.program.blocks[id].last = Some(node);
        self.names.insert(output, Meaning::Block(id));
        // The second stage reads what the first wrote: its spatial loops and the one that was kept apart.
        let spatial: Vec<usize> = (0..state.block.axes.len()).filter(|&a| !state.block.axes[a].reduce).collect();
        let mut axes: Vec<_> = spatial.iter().map(|&a| state.block.axes[a]).collect();
        let reduced = axes.len();
        axes.push(crate::task::Axis { extent: kept as u64, reduce: true });
        let moved = |dims: &[Vec<(usize, i64)>]| -> Vec<Vec<(usize, i64)>> {
            let to = |a: usize| spatial.iter().position(|&s| s == a);
            dims.iter().map(|d| d.iter().filter_map(|&(a, step)| Some((to(a)?, step))).collect()).collect()
        };
        let mut read = Access { buffer: partial, write: false, dims: moved(&target.dims), ..target.clone() };
        read.dims.push(vec![(reduced, 1)]);
        let write = Access { dims: moved(&target.dims), ..target };
        let block = Block { name: state.name.clone(), axes, flops: 1.0, accesses: vec![read, write] };
        let mut nest = Vec::new();
        for (i, &n) in state.nest.iter().enumerate() {
            let from = self.program.loops[n].clone();
            let own: Vec<usize> = from.axes.iter().filter_map(|a| spatial.iter().position(|s| s == a)).collect();
            if i == place {
                nest.push(self.program.add_loop(from.extent, b, vec![reduced]));
            } else if !own.is_empty() {
                nest.push(self.program.add_loop(from.extent, b, own));
            }
        }
        let state = &mut self.program.blocks[b];
        (state.block, state.nest, state.last) = (block, nest, Some(node));
    }

    /// The initial values of a reduction become a block before the loop.
    fn decompose(&mut self, it: &Instruction<'a>, named: &Named, node: u32) {
        let (Some(&b), Some(&output)) = (named.blocks.first(), it.outputs.first()) else { return };
        let state = self.program.blocks[b].clone();
        let depth = named.loops.first().and_then(|l| state.nest.iter().position(|n| n == l)).unwrap_or(0);
        let n_axes = state.block.axes.len();
        let block = Block {
            name: format!("{}_init", state.name),
            flops: 0.0,
            accesses: state.block.accesses.iter().filter(|a| a.write).cloned().collect(),
            ..state.block
        };
        let id = self.program.add_block(block, "init", Some((b, false)));
        let mut nest = state.nest[..depth].to_vec();
        for &n in &state.nest[depth..] {
            let from = self.program.loops[n].clone();
            if from.owner == b && self.program.kind(n) == "spatial" {
                let l = self.program.add_loop(from.extent, id, from.axes);
                (self.program.loops[l].mark, self.program.loops[l].last) = (from.mark, from.last);
                nest.push(l);
            }
        }
        let shared = (0..n_axes).map(|a| (b, a, a)).collect();
        let init = &mut self.program.blocks[id];
        (init.nest, init.last, init.shared) = (nest, Some(node), shared);
        let update = &mut self.program.blocks[b];
        update.name = format!("{}_update", update.name);
        self.names.insert(output, Meaning::Block(id));
    }
}
