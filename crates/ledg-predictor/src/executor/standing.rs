//! A graph that stands, asked about again and again with a few nodes changed.
//!
//! Colours tell how far a change reaches (see `levels`): from level to level only nodes that hear a change are coloured
//! anew, and only rows that no query before had are computed. What the readout makes of a row depends on the rest of the graph in one number,
//! its share of the graph's time; all else of it is kept by platform.
//!
//! **Invariant:** answers are those of [`Executor::graph`] and [`Executor::price`] on the graph as patched, but for the order
//! in which seconds are summed.

use std::borrow::Borrow;
use std::collections::HashMap;

use ledg_graph::Relations;

use super::levels::Wiring;
use super::simd::padded;
use super::store::Store;
use super::trunk::Record;
use super::{Answer, Class, Executor, GraphRows, PlatformRows, Times, lane, set_lanes, set_physical};
use crate::config::Attention;
use crate::error::{PredictorError, Result};
use crate::input::NodeInput;
use crate::roofline;

/// A graph with all that is known of it, and of it on platforms.
#[derive(Debug, Clone, Default)]
pub struct Standing {
    record: Record,
    relations: Option<Relations>,
    rows: GraphRows,
    /// By row of the store's heads: the class.
    class_of_row: HashMap<u32, u32>,
    /// The store's when its rows were recorded.
    generation: u64,
    queries: Vec<Kept>,
}

/// What one query keeps.
#[derive(Debug, Clone)]
struct Kept {
    platform: usize,
    batch: f64,
    /// The hidden units' own parts, (blocks, members, d, PANEL): a class a lane.
    own: Vec<f32>,
    times: Times,
}

/// What changes of a standing graph: nodes are its own by number, added ones follow them.
#[derive(Debug, Clone)]
pub struct Patch<N> {
    /// Nodes that go.
    pub removed: Vec<u32>,
    /// Nodes that come.
    pub added: Vec<N>,
    /// Nodes whose fathers are others than before, all added ones among them, each once.
    pub fathers: Vec<(u32, Vec<u32>)>,
}

impl<N> Default for Patch<N> {
    /// Nothing changes.
    fn default() -> Self {
        Patch { removed: Vec::new(), added: Vec::new(), fathers: Vec::new() }
    }
}

/// A standing graph as patched; memory that is used again.
#[derive(Debug, Default)]
pub struct Patched {
    wires: Wires,
    counts: Vec<f32>,
    /// By node, of those that changed: the class.
    class_of: HashMap<u32, u32>,
    /// Classes that the standing graph does not have.
    classes: Vec<Class>,
    class_of_row: HashMap<u32, u32>,
    row_of_class: Vec<u32>,
    lanes: Vec<f32>,
    own: Vec<f32>,
    physical: Vec<f32>,
    share: Vec<f32>,
    factors: Vec<f32>,
    times: Times,
}

const NONE: u32 = u32::MAX;

/// The lists of nodes that hear or are heard by others than before.
#[derive(Debug, Default)]
struct Wires {
    /// By node: where its lists are, or [`NONE`].
    place: Vec<u32>,
    nodes: Vec<u32>,
    /// Grandfathers, fathers, sons.
    lists: Vec<[Vec<u32>; 3]>,
    n_lists: usize,
    n_nodes: usize,
}

impl Wires {
    /// Works out the lists that a patch changes.
    fn set(&mut self, relations: &Relations, n_lists: usize, n_nodes: usize, patch: (&[u32], &[(u32, Vec<u32>)])) {
        let (removed, fathers) = patch;
        self.nodes.drain(..).for_each(|node| self.place[node as usize] = NONE);
        self.lists.clear();
        (self.n_lists, self.n_nodes) = (n_lists, relations.fathers.n_nodes());
        self.place.resize(n_nodes.max(self.place.len()), NONE);
        let old = |node: u32| match (node as usize) < relations.fathers.n_nodes() {
            true => relations.fathers.row(node as usize),
            false => &[],
        };
        for &node in removed {
            let place = self.of(relations, node);
            self.lists[place] = Default::default();
            for &father in old(node) {
                let place = self.of(relations, father);
                self.lists[place][2].retain(|&son| son != node);
            }
        }
        for (node, fathers) in fathers {
            for father in old(*node).iter().filter(|f| !fathers.contains(f)) {
                let place = self.of(relations, *father);
                self.lists[place][2].retain(|son| son != node);
            }
            for father in fathers.iter().filter(|f| !old(*node).contains(f)) {
                let place = self.of(relations, *father);
                self.lists[place][2].push(*node);
            }
            let place = self.of(relations, *node);
            self.lists[place][1].clone_from(fathers);
        }
        // Fathers of fathers, of those whose fathers changed and of their sons.
        for (node, _) in fathers {
            self.set_grandfathers(relations, *node);
            for i in 0..self.sons(relations, *node).len() {
                let son = self.sons(relations, *node)[i];
                self.set_grandfathers(relations, son);
            }
        }
    }

    fn set_grandfathers(&mut self, relations: &Relations, node: u32) {
        let place = self.of(relations, node);
        let mut grandfathers = std::mem::take(&mut self.lists[place][0]);
        grandfathers.clear();
        for &father in &self.lists[place][1] {
            grandfathers.extend_from_slice(self.row(relations, 1, father as usize));
        }
        grandfathers.sort_unstable();
        grandfathers.dedup();
        self.lists[place][0] = grandfathers;
    }

    fn sons<'a>(&'a self, relations: &'a Relations, node: u32) -> &'a [u32] {
        self.row(relations, 2, node as usize)
    }

    /// The place of a node's lists, which become its own to change.
    fn of(&mut self, relations: &Relations, node: u32) -> usize {
        if self.place[node as usize] == NONE {
            self.place[node as usize] = self.lists.len() as u32;
            self.nodes.push(node);
            let node = node as usize;
            self.lists.push(match node < self.n_nodes {
                true => {
                    [&relations.grandfathers, &relations.fathers, &relations.sons].map(|list| list.row(node).to_vec())
                }
                false => Default::default(),
            });
        }
        self.place[node as usize] as usize
    }

    fn row<'a>(&'a self, relations: &'a Relations, list: usize, node: usize) -> &'a [u32] {
        match self.place[node] {
            NONE => [&relations.grandfathers, &relations.fathers, &relations.sons][list].row(node),
            place => &self.lists[place as usize][list],
        }
    }
}

impl Standing {
    /// Whether the store still has the graph's rows.
    pub fn is_current(&self, store: &Store) -> bool {
        self.relations.is_some() && self.generation == store.generation()
    }
}

/// The graph as patched.
struct Wired<'a>(&'a Relations, &'a Wires);

impl Wiring for Wired<'_> {
    fn n_lists(&self) -> usize {
        self.1.n_lists
    }

    fn list(&self, mask: usize, node: usize) -> &[u32] {
        self.1.row(self.0, mask, node)
    }

    fn fathers(&self, node: usize) -> &[u32] {
        self.1.row(self.0, 1, node)
    }

    fn global(&self) -> bool {
        false
    }
}

impl Patched {
    /// The class of a node of the graph as patched.
    pub fn class_of(&self, standing: &Standing, node: u32) -> u32 {
        self.class_of.get(&node).copied().unwrap_or_else(|| standing.rows.class_of[node as usize])
    }

    /// Number of nodes of each class; classes of the standing graph that no node is left of have none.
    pub fn counts(&self) -> &[f32] {
        &self.counts
    }
}

impl Executor {
    /// Whether graphs can stand: nodes hear neighbours alone, of the kinds that patches follow.
    pub fn can_stand(&self) -> bool {
        matches!(self.config.attention, Attention::Dgsa | Attention::Fixed | Attention::None)
    }

    /// Makes a graph stand, asked about on platforms (by number) at batch sizes.
    ///
    /// # Errors
    /// As [`Executor::graph`] and [`Executor::price`].
    pub fn stand<N: Borrow<NodeInput>>(
        &self,
        nodes: &[N],
        relations: &Relations,
        (platforms, queries): (&PlatformRows, &[(usize, f64)]),
        store: &mut Store,
        standing: &mut Standing,
    ) -> Result<()> {
        self.check_widths(nodes)?;
        let Standing { record, rows, class_of_row, .. } = standing;
        (record.colours, record.rows) = Default::default();
        self.trunk.run(self.arch, nodes, relations, store, Some(record))?;
        self.gather(nodes, store, rows);
        class_of_row.clear();
        class_of_row.extend(rows.row_of_class.iter().enumerate().map(|(class, &row)| (row, class as u32)));
        standing.relations = Some(relations.clone());
        standing.generation = store.generation();
        standing.queries.clear();
        let mut physical = Vec::new();
        for &(platform, batch) in queries {
            let on = self.checked(platforms, (platform, batch))?;
            let mut times = Times::default();
            times.set(&rows.classes, on.0, batch);
            set_physical(&mut physical, &rows.classes, on, batch);
            let mut own = vec![0.0; rows.nodes.len()];
            let part = self.part(platforms, platform);
            self.corrections.own_parts(self.arch, &rows.nodes, &physical, part, &mut own);
            standing.queries.push(Kept { platform, batch, own, times });
        }
        Ok(())
    }

    /// Computes what a patch changes; `false` if the store has forgotten the graph's rows since, which must be made to stand
    /// again then. `node` gives the standing graph's nodes.
    ///
    /// # Errors
    /// As [`Executor::graph`].
    pub fn patch<'n, N: Borrow<NodeInput>>(
        &self,
        standing: &Standing,
        node: impl Fn(u32) -> &'n NodeInput,
        patch: &Patch<N>,
        store: &mut Store,
        patched: &mut Patched,
    ) -> Result<bool> {
        let Some(relations) = standing.relations.as_ref().filter(|_| standing.is_current(store)) else {
            return Ok(false);
        };
        self.check_widths(&patch.added)?;
        let n = standing.rows.class_of.len();
        let n_lists = if self.config.attention == Attention::None { 0 } else { 3 };
        let Patched { wires, counts, class_of, classes, class_of_row, row_of_class, lanes, .. } = patched;
        wires.set(relations, n_lists, n + patch.added.len(), (&patch.removed, &patch.fathers));
        let wired = Wired(relations, wires);
        let gone = |node: &u32| patch.removed.contains(node);
        let rewired: Vec<u32> = wires.nodes.iter().copied().filter(|node| !gone(node)).collect();
        // Who is father, son or grandson of a node hears it.
        let hearers = |node: u32, hearers: &mut Vec<u32>| {
            let node = node as usize;
            hearers.extend_from_slice(wired.list(1, node));
            for &son in wired.list(2, node) {
                hearers.push(son);
                hearers.extend_from_slice(wired.list(2, son as usize));
            }
        };
        let hearers = |node: u32, found: &mut Vec<u32>| {
            if n_lists > 0 {
                hearers(node, found);
            }
        };
        let rewired = if n_lists > 0 { &rewired[..] } else { &[] };
        let changes = (&standing.record, &patch.added[..]);
        self.trunk.run_changes(self.arch, changes, (&wired, rewired), hearers, store)?;
        counts.clone_from(&standing.rows.counts);
        class_of.clear();
        classes.clear();
        class_of_row.clear();
        row_of_class.clear();
        let was = |node: u32| standing.rows.class_of[node as usize] as usize;
        patch.removed.iter().for_each(|&node| counts[was(node)] -= 1.0);
        for &changed in &store.scratch.changed {
            if (changed as usize) < n {
                counts[was(changed)] -= 1.0;
            }
            let row = store.scratch.rows[changed as usize];
            let class = match standing.class_of_row.get(&row) {
                Some(&class) => class,
                None => *class_of_row.entry(row).or_insert_with(|| {
                    let own = (changed as usize).checked_sub(n).map(|i| patch.added[i].borrow());
                    classes.push(Class::of(own.unwrap_or_else(|| node(changed))));
                    row_of_class.push(row);
                    counts.push(0.0);
                    (counts.len() - 1) as u32
                }),
            };
            counts[class as usize] += 1.0;
            class_of.insert(changed, class);
        }
        set_lanes(lanes, row_of_class, &store.heads.x, self.head_shape());
        Ok(true)
    }

    /// What a patched graph costs in query number `query` of those that the graph stands for. Costs by class are computed if
    /// `by_class`; else `answer` has none.
    ///
    /// # Errors
    /// [`PredictorError::Query`] if there is no such query.
    pub fn price_patched(
        &self,
        standing: &Standing,
        patched: &mut Patched,
        (platforms, query, by_class): (&PlatformRows, usize, bool),
        answer: &mut Answer,
    ) -> Result<()> {
        let unknown = || PredictorError::Query { query, why: "the graph does not stand for it" };
        let kept = standing.queries.get(query).ok_or_else(unknown)?;
        let on = self.checked(platforms, (kept.platform, kept.batch))?;
        let Patched { counts, classes, lanes, own, physical, share, factors, times, .. } = patched;
        times.set(classes, on.0, kept.batch);
        set_physical(physical, classes, on, kept.batch);
        own.resize(lanes.len(), 0.0);
        let part = self.part(platforms, kept.platform);
        self.corrections.own_parts(self.arch, lanes, physical, part, own);
        let (standing_counts, new_counts) = counts.split_at(kept.times.time_s.len());
        let parts = [(&kept.times, &kept.own, standing_counts), (&*times, &*own, new_counts)];
        let seconds = |(times, _, counts): &(&Times, &Vec<f32>, &[f32])| -> f64 {
            times.time_s.iter().zip(*counts).map(|(t, &n)| if n > 0.0 { f64::from(n) * t } else { 0.0 }).sum()
        };
        let ln_total = parts.iter().map(seconds).sum::<f64>().ln();
        answer.begin(self.members, if by_class { counts.len() } else { 0 });
        let mut first = 0;
        for (times, own, counts) in parts {
            share.clear();
            share.resize(padded(counts.len()), 0.0);
            for (c, ln_time) in times.ln_time.iter().enumerate() {
                share[lane(c, 1)] = roofline::share(*ln_time, ln_total);
            }
            factors.resize(self.members * crate::ops::N_TERMS * padded(counts.len()), 0.0);
            self.corrections.factors_of(self.arch, own, share, part.base, factors);
            let classes = by_class.then(|| &mut answer.classes[first..]);
            self.sum_up(&times.terms_s, counts, factors, (&mut answer.ln_s, classes));
            first += counts.len();
        }
        answer.ln_s.iter_mut().for_each(|total| *total = total.ln());
        Ok(())
    }
}
