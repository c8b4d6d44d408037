//! Lowering a part of a view: what an edit can change, and nothing else.
//!
//! Nodes that no fusion could ever bring together do not influence each other's lowering but through the values between
//! them: whether these are fixed, and who reads them. [`TemplateSet::may_fuse`] says who could be brought together; parts
//! that are closed under it are lowered by themselves.
//!
//! **Invariant:** the nodes of a closed part lower as they do in the whole view.

use ledg_graph::{EdgeList, Node, Relations, ValueId};

use crate::error::TemplateError;
use crate::fusion::Fusion;
use crate::fusion::pattern::{Arg, Pattern};
use crate::lower::{LowerOptions, Lowering};
use crate::set::{OpId, TemplateSet};
use crate::view::GraphView;

/// Which operators fusions could bring together.
#[derive(Debug, Clone, Default)]
pub(crate) struct Neighbours {
    n_ids: usize,
    /// By consumer and producer: fixed inputs that the consumer needs for it; [`NEVER`] if nothing helps.
    needs: Vec<u8>,
}

const NEVER: u8 = u8::MAX;

impl Neighbours {
    pub fn of(fusions: &[Fusion], n_ids: usize) -> Self {
        let patterns = || fusions.iter().flat_map(|f| f.patterns().map(move |p| (f.id(), p)));
        // What a node may have become by the time a pattern looks at it: as a producer, if it was the root of a fusion; as a
        // consumer, if it was any of its lines, because the fused node reads what they read.
        let mut made_of_root = identity(n_ids);
        let mut made_of_line = identity(n_ids);
        for (made, pattern) in patterns() {
            let Some(made) = made.index() else { continue };
            for id in pattern.lines().filter_map(|line| line.id.index()) {
                made_of_line[id][made] = true;
            }
            if let Some(root) = pattern.root_id().index() {
                made_of_root[root][made] = true;
            }
        }
        let (made_of_root, made_of_line) = (closed(made_of_root), closed(made_of_line));
        let mut direct = vec![NEVER; n_ids * n_ids];
        for (_, pattern) in patterns() {
            for line in pattern.lines() {
                let Some(consumer) = line.id.index() else { continue };
                let fixed = line.args.iter().filter(|a| matches!(a, Arg::Number(_) | Arg::Scalar(_) | Arg::Fixed(_)));
                let fixed = fixed.count().min(usize::from(NEVER - 1)) as u8;
                let mut producers = Vec::new();
                line.args.iter().for_each(|arg| reach(pattern, arg, &mut producers));
                for producer in producers.into_iter().filter_map(OpId::index) {
                    let need = &mut direct[consumer * n_ids + producer];
                    *need = fixed.min(*need);
                }
            }
        }
        let mut needs = vec![NEVER; n_ids * n_ids];
        for consumer in 0..n_ids {
            for producer in 0..n_ids {
                let mut need = NEVER;
                for &later in &made_of_line[consumer] {
                    for &made in &made_of_root[producer] {
                        let direct = direct[later * n_ids + made];
                        // Inputs of a fused node are not those of the node it was.
                        need = need.min(if later == consumer || direct == NEVER { direct } else { 0 });
                    }
                }
                needs[consumer * n_ids + producer] = need;
            }
        }
        Neighbours { n_ids, needs }
    }
}

/// The operators that can stand where an argument does: its line's, and past optional lines those behind it.
fn reach(pattern: &Pattern, arg: &Arg, found: &mut Vec<OpId>) {
    let Arg::Bind(name) = arg else { return };
    let Some(line) = pattern.line_of(*name) else { return };
    found.push(line.id);
    if let (true, Some(first)) = (line.optional, line.args.first()) {
        reach(pattern, first, found);
    }
}

fn identity(n: usize) -> Vec<Vec<bool>> {
    (0..n).map(|i| (0..n).map(|j| i == j).collect()).collect()
}

/// The transitive closure, as lists.
fn closed(mut reaches: Vec<Vec<bool>>) -> Vec<Vec<usize>> {
    for k in 0..reaches.len() {
        let through = reaches[k].clone();
        for row in reaches.iter_mut().filter(|row| row[k]) {
            row.iter_mut().zip(&through).for_each(|(own, through)| *own |= through);
        }
    }
    let list = |row: Vec<bool>| row.iter().enumerate().filter(|(_, reached)| **reached).map(|(i, _)| i).collect();
    reaches.into_iter().map(list).collect()
}

impl TemplateSet {
    /// Whether a fusion could bring a node and the producer of one of its inputs together, `fixed` telling which values
    /// depend on no graph input. If not, they lower independently of each other.
    pub fn may_fuse(&self, (node, id): (&Node, OpId), producer: OpId, fixed: impl Fn(ValueId) -> bool) -> bool {
        let (Some(consumer), Some(producer)) = (id.index(), producer.index()) else { return false };
        match self.neighbours().needs[consumer * self.neighbours().n_ids + producer] {
            NEVER => false,
            0 => true,
            need => node.present_inputs().filter(|&v| fixed(v)).count() >= usize::from(need),
        }
    }

    /// Lowers a part of a graph: `view` has all values and the part's nodes alone, which are closed under
    /// [`TemplateSet::may_fuse`]; its outputs name every value of the part that others read. `given` tells by value whether
    /// it depends on no graph input, before fusion and after, where the part does not produce it.
    ///
    /// Nothing may be left of a part; relations are those of no nodes.
    ///
    /// # Errors
    /// A disabled fusion that does not exist.
    pub fn lower_part<'g>(
        &self,
        view: &'g GraphView<'g>,
        ids: Vec<OpId>,
        options: &LowerOptions,
        given: [&[bool]; 2],
    ) -> Result<Lowering<'g>, TemplateError> {
        let none = || Relations::from_fathers(EdgeList::with_capacity(0, 0));
        self.lowering(view, ids, options, Some(given), |_, _, _| none())
    }
}
