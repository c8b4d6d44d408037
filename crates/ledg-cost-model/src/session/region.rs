//! What an edit changes of the lowered graph.
//!
//! A region of places is lowered by itself: those that the edit touches, those whose readers or values it changes, and all
//! that a fusion could bring together with one of them. Where it turns out that a value has become fixed, or no longer is,
//! its readers join the region and it is lowered again; and so do nodes for which a framework now moves more or less.

use std::collections::HashMap;

use ledg_graph::{Node, Traffic, Value, ValueId};
use ledg_predictor::{NodeInput, Patch};
use ledg_template::{GraphView, Lowering, Step, traffic};

use super::Sentences;
use super::base::{NONE, Row};
use super::edited::Edited;
use crate::error::Result;
use crate::model::CostModel;

/// Rows that come and go. Numbers of rows that come follow those of the base.
pub(super) struct Changes {
    pub patch: Patch<NodeInput>,
    /// Rows that no template covers, and the name of the first.
    pub unknown: Vec<u32>,
    pub unknown_name: Option<String>,
}

/// Memory that queries use again.
#[derive(Default)]
pub(super) struct Scratch {
    /// By place: whether it is in the region.
    inside: Vec<bool>,
    places: Vec<u32>,
    queue: Vec<u32>,
    elems: Vec<f64>,
}

/// Whether values are fixed, before fusion and after, where it is not as in the base.
type Fixed = HashMap<ValueId, [bool; 2]>;

/// What an edit changes; `None` if nothing would be left of the graph.
pub(super) fn changes(
    model: &CostModel,
    edited: &Edited<'_>,
    sentences: &mut Sentences,
    scratch: &mut Scratch,
) -> Result<Option<Changes>> {
    let templates = model.describer().templates();
    scratch.places.drain(..).for_each(|place| scratch.inside[place as usize] = false);
    scratch.inside.resize(edited.n_places().max(scratch.inside.len()), false);
    scratch.queue.clear();
    touched(edited, &mut scratch.queue);
    let values: Vec<&Value> = {
        let mut values: Vec<&Value> = edited.graph.values().iter().collect();
        edited.draft.values.iter().for_each(|(&v, value)| values[v as usize] = value);
        values.extend(&edited.draft.new_values);
        values
    };
    let mut fixed = Fixed::new();
    loop {
        grow(model, edited, &fixed, scratch);
        scratch.places.sort_unstable_by_key(|&place| edited.order(place));
        let nodes: Vec<&Node> = scratch.places.iter().filter_map(|&place| edited.node(place)).collect();
        let ids = scratch.places.iter().map(|&place| edited.id(place)).collect();
        let outputs = outputs(edited, &nodes, &scratch.inside);
        let view = GraphView::new(edited.graph.name(), nodes, values.clone(), &outputs);
        let given = [&edited.base.fixed[0][..], &edited.base.fixed[1][..]];
        let lowering = templates.lower_part(&view, ids, model.describer().options(), given)?;
        for node in view.nodes() {
            for &v in &node.outputs {
                let now = [lowering.fixed_before()[v.index()], lowering.fixed()[v.index()]];
                if now != was_fixed(edited, &fixed, v) {
                    fixed.insert(v, now);
                    scratch.queue.extend(edited.readers(v));
                }
            }
        }
        // Readers inside may now be fused with others, those outside may fold.
        if !scratch.queue.is_empty() {
            continue;
        }
        let moved = moved(edited, &templates.steps(&lowering), &values, scratch);
        let other = |&(place, traffic): &(u32, Traffic)| {
            let row = edited.base.row_of.get(place as usize).copied().unwrap_or(NONE);
            row != NONE && edited.base.traffic[row as usize] != traffic && !scratch.inside[place as usize]
        };
        let joining: Vec<u32> = moved.iter().filter(|moved| other(moved)).map(|(place, _)| *place).collect();
        if joining.is_empty() {
            let moved = moved.into_iter().collect();
            return Local { model, edited, lowering, view: &view, moved }.changes(sentences, scratch);
        }
        scratch.queue.extend(joining);
    }
}

/// What is moved for each kept node of the edited graph, by its place; `local` are the region's steps.
fn moved(edited: &Edited<'_>, local: &[Step], values: &[&Value], scratch: &Scratch) -> Vec<(u32, Traffic)> {
    let given = edited.base.steps.iter().map(|step| (step.place, step));
    let stays = |&(place, _): &(u32, &Step)| !scratch.inside[place as usize] && edited.node(place).is_some();
    let local = local.iter().map(|step| (scratch.places[step.place as usize], step));
    let mut steps: Vec<(u32, &Step)> = given.filter(stays).chain(local).collect();
    steps.sort_by_key(|&(place, _)| edited.order(place));
    let followed: Vec<&Step> = steps.iter().map(|&(_, step)| step).collect();
    let all = traffic(&followed, values);
    steps.iter().zip(all).filter(|((_, step), _)| step.kept).map(|(&(place, _), traffic)| (place, traffic)).collect()
}

fn was_fixed(edited: &Edited<'_>, fixed: &Fixed, v: ValueId) -> [bool; 2] {
    let given = || edited.base.fixed.each_ref().map(|fixed| fixed.get(v.index()).copied().unwrap_or(false));
    fixed.get(&v).copied().unwrap_or_else(given)
}

/// Places that an edit touches, and whose values are read otherwise than before.
fn touched(edited: &Edited<'_>, queue: &mut Vec<u32>) {
    let draft = edited.draft;
    let producers = |queue: &mut Vec<u32>, node: &Node| {
        queue.extend(node.present_inputs().filter_map(|v| edited.producer(v)));
    };
    for place in edited.own() {
        queue.push(place);
        edited.node(place).into_iter().for_each(|node| producers(queue, node));
    }
    for place in draft.changed.keys().chain(&draft.removed) {
        producers(queue, &edited.graph.nodes()[*place as usize]);
    }
    for &place in &draft.removed {
        queue.extend(edited.base.component(place).iter().filter(|&&p| edited.node(p).is_some()));
    }
    for &v in draft.values.keys() {
        let v = ValueId::from_index(v as usize);
        queue.extend(edited.producer(v));
        queue.extend(edited.readers(v));
    }
    if draft.outputs != edited.graph.outputs() {
        let before = edited.graph.outputs().iter().filter(|v| !draft.outputs.contains(v));
        let now = draft.outputs.iter().filter(|v| !edited.graph.outputs().contains(v));
        queue.extend(before.chain(now).filter_map(|&v| edited.producer(v)));
    }
}

/// Takes the queue into the region, and whom a fusion could bring together with a place of it.
fn grow(model: &CostModel, edited: &Edited<'_>, fixed: &Fixed, scratch: &mut Scratch) {
    let templates = model.describer().templates();
    let is_fixed = |v: ValueId| was_fixed(edited, fixed, v)[0];
    let may_fuse = |reader: u32, producer: u32| {
        let node = edited.node(reader);
        node.is_some_and(|node| templates.may_fuse((node, edited.id(reader)), edited.id(producer), is_fixed))
    };
    let Scratch { inside, places, queue, .. } = scratch;
    // The base's components hold whom its own nodes could be fused with, as far as they read what they read there.
    let mut add = |place: u32| {
        let own = [place];
        let together = match (place as usize) < edited.graph.nodes().len() {
            true => edited.base.component(place),
            false => &own,
        };
        for &place in together {
            if !inside[place as usize] && edited.node(place).is_some() {
                inside[place as usize] = true;
                places.push(place);
            }
        }
    };
    for place in queue.drain(..) {
        add(place);
        let Some(node) = edited.node(place) else { continue };
        for v in node.present_inputs() {
            edited.producer(v).filter(|&producer| may_fuse(place, producer)).into_iter().for_each(&mut add);
        }
        for &v in &node.outputs {
            edited.readers(v).filter(|&reader| may_fuse(reader, place)).for_each(&mut add);
        }
    }
}

/// The graph's outputs, and what is read outside of the region.
fn outputs(edited: &Edited<'_>, nodes: &[&Node], inside: &[bool]) -> Vec<ValueId> {
    let mut outputs = edited.draft.outputs.clone();
    let read_outside = |v: &ValueId| edited.readers(*v).any(|reader| !inside[reader as usize]);
    outputs.extend(nodes.iter().flat_map(|node| node.outputs.iter().copied()).filter(read_outside));
    outputs
}

/// A region, lowered.
struct Local<'a> {
    model: &'a CostModel,
    edited: &'a Edited<'a>,
    lowering: Lowering<'a>,
    view: &'a GraphView<'a>,
    /// By place: what is moved.
    moved: HashMap<u32, Traffic>,
}

impl Local<'_> {
    fn changes(self, sentences: &mut Sentences, scratch: &mut Scratch) -> Result<Option<Changes>> {
        let (edited, base) = (self.edited, self.edited.base);
        let Scratch { inside, places, elems, .. } = scratch;
        elems.clone_from(&base.elems);
        let count = |value: &Value| value.elements().map_or(0.0, |n| n as f64);
        edited.draft.values.iter().for_each(|(&v, value)| elems[v as usize] = count(value));
        elems.extend(edited.draft.new_values.iter().map(count));
        let mut patch = Patch::default();
        let mut unknown: Vec<u32> = Vec::new();
        let mut unknown_name = None;
        // Rows of the region: their number, and what they read.
        let mut rows: Vec<(u32, Row)> = Vec::with_capacity(self.lowering.n_kept());
        // By place of the view: the row that stands there.
        let mut row_at = vec![NONE; places.len()];
        for local in 0..self.lowering.n_kept() {
            let row = Row::of(&self.lowering, local);
            let number = match self.as_it_was(&row, places) {
                Some(number) => number,
                None => {
                    let describer = self.model.describer().templates();
                    let Some(mut described) = describer.describe_row(&self.lowering, local, elems) else { continue };
                    described.magnitudes.traffic = self.moved_at(places[row.place as usize]);
                    let number = (base.rows.len() + patch.added.len()) as u32;
                    patch.added.push(sentences.input(self.model, &described)?);
                    if !described.known {
                        unknown.push(number);
                        unknown_name.get_or_insert(described.name);
                    }
                    number
                }
            };
            row_at[row.place as usize] = number;
            rows.push((number, row));
        }
        let stays = |row: u32| rows.iter().any(|(number, _)| *number == row);
        let went = places.iter().filter(|&&p| (p as usize) < base.row_of.len()).chain(&edited.draft.removed);
        patch.removed.extend(went.map(|&p| base.row_of[p as usize]).filter(|&row| row != NONE && !stays(row)));
        patch.removed.sort_unstable();
        patch.removed.dedup();
        if base.rows.len() + patch.added.len() == patch.removed.len() {
            return Ok(None);
        }
        let (source, mut hearing) = self.sources(&row_at, inside);
        let source_of = |v: ValueId| match source.get(&v) {
            Some(&row) => row,
            None => base.source.get(v.index()).copied().unwrap_or(NONE),
        };
        let fathers = |reads: &[ValueId]| {
            let mut fathers: Vec<u32> = reads.iter().map(|&v| source_of(v)).filter(|&row| row != NONE).collect();
            fathers.sort_unstable();
            fathers.dedup();
            fathers
        };
        hearing.retain(|row| !patch.removed.contains(row) && !stays(*row));
        let outside = hearing.iter().map(|&row| (row, &base.rows[row as usize].reads));
        for (row, reads) in rows.iter().map(|(number, row)| (*number, &row.reads)).chain(outside) {
            let now = fathers(reads);
            if row as usize >= base.rows.len() || now != base.fathers(row) {
                patch.fathers.push((row, now));
            }
        }
        let before = base.unknown.iter().copied().find(|row| !patch.removed.contains(row));
        if let Some(row) = before {
            unknown_name = edited.node(base.rows[row as usize].place).map(|node| node.name.clone());
        }
        unknown.extend(base.unknown.iter().filter(|row| !patch.removed.contains(row)));
        Ok(Some(Changes { patch, unknown, unknown_name }))
    }

    fn moved_at(&self, place: u32) -> Traffic {
        self.moved.get(&place).copied().unwrap_or_default()
    }

    /// The base's row, if it is made of the same nodes and all that they touch is as it was.
    fn as_it_was(&self, row: &Row, places: &[u32]) -> Option<u32> {
        let (edited, base) = (self.edited, self.edited.base);
        let place = places[row.place as usize];
        let number = *base.row_of.get(place as usize).filter(|&&row| row != NONE)?;
        let before = &base.rows[number as usize];
        let value_as_it_was = |v: ValueId| {
            let i = v.index();
            edited.is_given_value(v) && self.lowering.fixed()[i] == base.fixed[1][i]
        };
        let node_as_it_was = |&(&local, &place): &(&u32, &u32)| {
            let node = self.view.nodes()[local as usize];
            places[local as usize] == place
                && edited.is_given(place)
                && node.present_inputs().chain(node.outputs.iter().copied()).all(value_as_it_was)
        };
        let same = before.place == place
            && base.traffic[number as usize] == self.moved_at(place)
            && before.op == row.op
            && before.members.len() == row.members.len()
            && row.members.iter().zip(&before.members).all(|pair| node_as_it_was(&pair));
        same.then_some(number)
    }

    /// Values that come from another row than before, and the rows outside of the region that read one.
    fn sources(&self, row_at: &[u32], inside: &[bool]) -> (HashMap<ValueId, u32>, Vec<u32>) {
        let (edited, base) = (self.edited, self.edited.base);
        let mut source: HashMap<ValueId, u32> = HashMap::new();
        let before = |v: ValueId| base.source.get(v.index()).copied().unwrap_or(NONE);
        let mut moved = Vec::new();
        for (local, &own) in row_at.iter().enumerate() {
            let node = self.lowering.node(local);
            let passed = || {
                let first = node?.inputs.first().copied().flatten()?;
                Some(source.get(&first).copied().unwrap_or_else(|| before(first)))
            };
            let row = if own == NONE { passed().unwrap_or(NONE) } else { own };
            for &v in &self.view.nodes()[local].outputs {
                let row = if node.is_none() || self.lowering.fixed()[v.index()] { NONE } else { row };
                if row != before(v) {
                    source.insert(v, row);
                    moved.push(v);
                }
            }
        }
        let mut hearing = Vec::new();
        while let Some(v) = moved.pop() {
            let row = source[&v];
            let mut pass_on = |node: &Node, fixed: &[bool], source: &mut HashMap<ValueId, u32>| {
                for &out in node.outputs.iter().filter(|out| !fixed[out.index()]) {
                    if source.insert(out, row).unwrap_or_else(|| before(out)) != row {
                        moved.push(out);
                    }
                }
            };
            // What was left out hands on its first input.
            let reads_first = |node: &&Node| node.inputs.first() == Some(&Some(v));
            let left_out = row_at.iter().enumerate().filter(|(_, row)| **row == NONE);
            for node in left_out.filter_map(|(local, _)| self.lowering.node(local)).filter(reads_first) {
                pass_on(node, self.lowering.fixed(), &mut source);
            }
            for reader in edited.readers(v).filter(|&reader| !inside[reader as usize]) {
                if base.row_of[reader as usize] != NONE {
                    hearing.push(base.row_of[reader as usize]);
                } else if let Some(node) = edited.node(reader).filter(reads_first) {
                    pass_on(node, &base.fixed[1], &mut source);
                }
            }
        }
        hearing.sort_unstable();
        hearing.dedup();
        (source, hearing)
    }
}
