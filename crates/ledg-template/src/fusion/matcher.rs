//! Finding a pattern in a graph: from the root against the edges, with backtracking over the order of operands and over
//! optional lines.

use ledg_graph::{Node, ValueId};

use super::overlay::Overlay;
use super::pattern::{Arg, Condition, Line, Pattern};

/// What the names of a pattern stand for.
#[derive(Debug, Clone)]
pub(crate) struct Match {
    /// By name: the value.
    pub values: Vec<Option<ValueId>>,
    /// By name: the node, for lines that are present.
    pub nodes: Vec<Option<usize>>,
    /// The root's node.
    pub root: usize,
}

impl Match {
    /// The places of the matched nodes, ascending, each once: two lines may have found the same node.
    pub fn places(&self) -> Vec<usize> {
        let mut places: Vec<usize> = self.nodes.iter().flatten().copied().collect();
        places.sort_unstable();
        places.dedup();
        places
    }
}

/// Matching is exponential in the optional lines in the worst case; patterns need a few dozen steps.
const MAX_STEPS: usize = 500;

/// Relative tolerance of constants: exporters write 1.4142, 1.41421353816986 or 0.7071.
const TOLERANCE: f64 = 1e-3;

impl Pattern {
    /// The match whose last line is the node `root`, if its values are read inside of it only.
    pub fn find(&self, overlay: &Overlay<'_, '_>, root: usize) -> Option<Match> {
        let node = overlay.node(root)?;
        let line = self.line_of(self.root())?;
        let mut start = Match { values: vec![None; self.n_names()], nodes: vec![None; self.n_names()], root };
        start.values[self.root()] = node.outputs.first().copied();
        start.nodes[self.root()] = Some(root);
        let mut search = Search { pattern: self, overlay, steps: 0 };
        search.node(line, node, Vec::new(), start)
    }
}

impl Pattern {
    /// Whether the node `root` could be the last line as far as its operands alone show: what most nodes fail at, without
    /// the price of a search.
    pub fn plausible(&self, overlay: &Overlay<'_, '_>, root: usize) -> bool {
        let (Some(node), Some(line)) = (overlay.node(root), self.line_of(self.root())) else { return false };
        if node.inputs.len() < line.args.len() {
            return false;
        }
        let fits = |arg: &Arg, slot: usize| {
            let Some(value) = node.inputs[slot] else { return *arg == Arg::Any };
            match arg {
                Arg::Any => true,
                Arg::Number(_) => overlay.scalar(value).is_some(),
                Arg::Scalar(_) | Arg::Fixed(_) => overlay.is_fixed(value),
                Arg::Bind(name) => match self.line_of(*name) {
                    Some(line) if !line.optional => overlay.producer(value).is_some_and(|i| overlay.id(i) == line.id),
                    _ => true,
                },
            }
        };
        let in_order = line.args.iter().enumerate().all(|(slot, arg)| fits(arg, slot));
        in_order || (line.commutes && fits(&line.args[0], 1) && fits(&line.args[1], 0))
    }
}

struct Search<'a> {
    pattern: &'a Pattern,
    overlay: &'a Overlay<'a, 'a>,
    steps: usize,
}

/// A part of the pattern that is still to be found: an argument and the value that has to be it.
type Goal<'a> = (&'a Arg, ValueId);

impl<'a> Search<'a> {
    /// Matches a node against a line, then the remaining goals.
    fn node(&mut self, line: &'a Line, node: &Node, goals: Vec<Goal<'a>>, state: Match) -> Option<Match> {
        let given = node.inputs.len();
        let extra = node.inputs.iter().skip(line.args.len()).any(Option::is_some);
        if given < line.args.len() || (extra && !line.open) || !line.conditions.iter().all(|c| self.holds(c, node)) {
            return None;
        }
        let orders: &[[usize; 2]] = if line.commutes { &[[0, 1], [1, 0]] } else { &[[0, 1]] };
        for order in orders {
            let slot = |i: usize| if line.commutes { order[i] } else { i };
            let mut next = goals.clone();
            let mut absent = false;
            for (i, arg) in line.args.iter().enumerate() {
                match node.inputs[slot(i)] {
                    Some(value) => next.push((arg, value)),
                    None => absent |= *arg != Arg::Any,
                }
            }
            if absent {
                continue;
            }
            // Constants are looked at first (goals are taken from the end): they decide fastest.
            let from = goals.len();
            next[from..].sort_by_key(|(arg, _)| matches!(arg, Arg::Number(_) | Arg::Scalar(_) | Arg::Fixed(_)));
            if let Some(found) = self.goals(next, state.clone()) {
                return Some(found);
            }
        }
        None
    }

    fn goals(&mut self, mut goals: Vec<Goal<'a>>, mut state: Match) -> Option<Match> {
        while let Some((arg, value)) = goals.pop() {
            self.steps += 1;
            if self.steps > MAX_STEPS {
                return None;
            }
            let name = match *arg {
                Arg::Any => continue,
                Arg::Number(wanted) => {
                    let found = self.overlay.scalar(value)?;
                    if (found - wanted).abs() > TOLERANCE * wanted.abs() + 1e-9 {
                        return None;
                    }
                    continue;
                }
                Arg::Scalar(_) if !self.overlay.is_fixed(value) || !self.overlay.is_single(value) => return None,
                Arg::Fixed(_) if !self.overlay.is_fixed(value) => return None,
                Arg::Scalar(name) | Arg::Fixed(name) | Arg::Bind(name) => name,
            };
            if let Some(before) = state.values[name] {
                if before != value {
                    return None;
                }
                continue;
            }
            state.values[name] = Some(value);
            let Some(line) = self.pattern.line_of(name) else { continue };
            let producer = self.overlay.producer(value).and_then(|i| Some((i, self.overlay.node(i)?)));
            if let Some((i, node)) =
                producer.filter(|(i, n)| self.overlay.id(*i) == line.id && n.outputs.first() == Some(&value))
            {
                let mut with = state.clone();
                with.nodes[name] = Some(i);
                if let Some(found) = self.node(line, node, goals.clone(), with) {
                    return Some(found);
                }
            }
            if !line.optional {
                return None;
            }
            goals.extend(line.args.first().map(|first| (first, value)));
        }
        self.overlay.is_closed(&state).then_some(state)
    }

    fn holds(&self, condition: &Condition, node: &Node) -> bool {
        match condition {
            Condition::Last => self.overlay.works_along_last(node),
            Condition::Swap => node.attrs.ints("perm").is_some_and(|perm| {
                let n = perm.len();
                n >= 2
                    && perm.iter().enumerate().all(|(i, &p)| {
                        let wanted = if i + 2 == n {
                            n - 1
                        } else if i + 1 == n {
                            n - 2
                        } else {
                            i
                        };
                        p == wanted as i64
                    })
            }),
            Condition::Int(name, value) => node.attrs.int(name) == Some(*value),
        }
    }
}
