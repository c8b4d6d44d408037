//! What is known of a session's graph as it stands.

use ledg_graph::{Graph, Relations, Traffic, ValueId};
use ledg_predictor::{Executor, NodeInput, PlatformRows, Standing, Store};
use ledg_template::{GraphView, Lowering, OpId, Step, TemplateSet, traffic_of_kept};

use super::Sentences;
use crate::describe::reads_operand_order;
use crate::error::Result;
use crate::model::CostModel;

/// No row.
pub(super) const NONE: u32 = u32::MAX;

/// A graph lowered and described. A *place* is a node of the graph, a *row* a node of the lowered graph.
pub(super) struct Base {
    /// By place: the operator.
    pub ids: Vec<OpId>,
    /// By value: number of elements; whether it depends on no graph input, before fusion and after.
    pub elems: Vec<f64>,
    pub fixed: [Vec<bool>; 2],
    /// Whether shapes are known, no fusion makes something that is left out, and the model does not read the order of operands.
    pub fit: bool,
    /// By place: its component under [`TemplateSet::may_fuse`], and the places of each component.
    component_of: Vec<u32>,
    components: Vec<Vec<u32>>,
    pub rows: Vec<Row>,
    /// By row.
    pub inputs: Vec<NodeInput>,
    /// By place: the row that stands for it, or [`NONE`].
    pub row_of: Vec<u32>,
    /// By value: the row that it comes from, past what was left out, or [`NONE`].
    pub source: Vec<u32>,
    /// Operations as far as they matter to memory, in order of places; by row what they move.
    pub steps: Vec<Step>,
    pub traffic: Vec<Traffic>,
    /// Rows that no template covers.
    pub unknown: Vec<u32>,
    relations: Relations,
    pub standing: Standing,
}

/// A node of the lowered graph.
pub(super) struct Row {
    /// Where it stands: the last of the places it stands for.
    pub place: u32,
    /// Places of the nodes it stands for, ascending.
    pub members: Vec<u32>,
    pub op: OpId,
    /// Values it reads.
    pub reads: Vec<ValueId>,
}

impl Base {
    pub fn new(model: &CostModel, graph: &Graph, sentences: &mut Sentences) -> Result<Self> {
        let view = GraphView::from(graph);
        let describer = model.describer();
        let templates = describer.templates();
        let ids = templates.op_ids(&view);
        let lowering = templates.lower_view(&view, ids.clone(), describer.options())?;
        let elems = lowering.assumed_elements();
        let steps = templates.steps(&lowering);
        let moved = traffic_of_kept(&steps, &graph.values().iter().collect::<Vec<_>>());
        let (mut rows, mut inputs, mut unknown) = (Vec::new(), Vec::new(), Vec::new());
        let mut row_of = vec![NONE; ids.len()];
        for (row, &traffic) in moved.iter().enumerate() {
            let Some(mut described) = templates.describe_row(&lowering, row, &elems) else { continue };
            described.magnitudes.traffic = traffic;
            inputs.push(sentences.input(model, &described)?);
            if !described.known {
                unknown.push(row as u32);
            }
            lowering.members(row).iter().for_each(|&place| row_of[place as usize] = row as u32);
            rows.push(Row::of(&lowering, row));
        }
        let mut source = vec![NONE; elems.len()];
        for (place, &own) in row_of.iter().enumerate() {
            let Some(node) = lowering.node(place) else { continue };
            let row = match own {
                NONE => node.inputs.first().copied().flatten().map_or(NONE, |v| source[v.index()]),
                row => row,
            };
            node.outputs.iter().filter(|v| !lowering.fixed()[v.index()]).for_each(|v| source[v.index()] = row);
        }
        let left_out = |place: &usize| row_of[*place] == NONE && lowering.node(*place).is_some();
        let as_given =
            |place: usize| lowering.node(place).is_some_and(|node| std::ptr::eq(node, &graph.nodes()[place]));
        // An edit changes where the nodes around it stand among operands, which a standing graph does not follow.
        let fit = !reads_operand_order(&model.header().normalization)
            && graph.values().iter().all(|v| v.shape.is_some())
            && (0..ids.len()).filter(left_out).all(|place| as_given(place) || folds(&lowering, place));
        let fixed = [lowering.fixed_before().to_vec(), lowering.fixed().to_vec()];
        let (component_of, components) = components(graph, templates, &ids, &fixed[0]);
        Ok(Base {
            fit,
            relations: lowering.relations,
            ids,
            elems,
            fixed,
            component_of,
            components,
            rows,
            inputs,
            row_of,
            source,
            steps,
            traffic: moved,
            unknown,
            standing: Standing::default(),
        })
    }

    /// Makes the graph stand on platforms.
    pub fn stand(
        &mut self,
        executor: &Executor,
        platforms: &PlatformRows,
        batches: &[u64],
        store: &mut Store,
    ) -> Result<()> {
        let queries: Vec<(usize, f64)> = batches.iter().enumerate().map(|(i, &batch)| (i, batch as f64)).collect();
        let on = (platforms, &queries[..]);
        Ok(executor.stand(&self.inputs, &self.relations, on, store, &mut self.standing)?)
    }

    /// The places that could be fused with a place, directly or through others; the place itself among them.
    pub fn component(&self, place: u32) -> &[u32] {
        &self.components[self.component_of[place as usize] as usize]
    }

    /// The fathers of a row, ascending.
    pub fn fathers(&self, row: u32) -> &[u32] {
        self.relations.fathers.row(row as usize)
    }
}

/// Whether all that a node gives depends on no graph input.
fn folds(lowering: &Lowering<'_>, place: usize) -> bool {
    lowering.node(place).is_some_and(|node| node.outputs.iter().all(|v| lowering.fixed()[v.index()]))
}

impl Row {
    pub fn of(lowering: &Lowering<'_>, row: usize) -> Self {
        let place = lowering.place(row);
        Row {
            place: place as u32,
            members: lowering.members(row).to_vec(),
            op: lowering.op(row),
            reads: lowering.node(place).map(|node| node.present_inputs().collect()).unwrap_or_default(),
        }
    }
}

fn components(graph: &Graph, templates: &TemplateSet, ids: &[OpId], fixed: &[bool]) -> (Vec<u32>, Vec<Vec<u32>>) {
    // By place: one of its component, whose own is itself (union by path halving).
    let mut root: Vec<u32> = (0..ids.len() as u32).collect();
    fn find(root: &mut [u32], mut i: u32) -> u32 {
        while root[i as usize] != i {
            root[i as usize] = root[root[i as usize] as usize];
            i = root[i as usize];
        }
        i
    }
    for (place, node) in graph.nodes().iter().enumerate() {
        for v in node.present_inputs() {
            let Some(producer) = graph.producer(v).map(|p| p.index()) else { continue };
            if templates.may_fuse((node, ids[place]), ids[producer], |v| fixed[v.index()]) {
                let (a, b) = (find(&mut root, place as u32), find(&mut root, producer as u32));
                root[a.max(b) as usize] = a.min(b);
            }
        }
    }
    let (mut component_of, mut components) = (vec![0; ids.len()], Vec::<Vec<u32>>::new());
    for place in 0..ids.len() as u32 {
        // The least of a component comes first.
        let own = match find(&mut root, place) {
            first if first == place => {
                components.push(Vec::new());
                components.len() as u32 - 1
            }
            first => component_of[first as usize],
        };
        component_of[place as usize] = own;
        components[own as usize].push(place);
    }
    (component_of, components)
}
