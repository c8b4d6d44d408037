//! Fusions: patterns of operators that frameworks run as one, declared in `configs/templates/fusions.toml`.
//!
//! [`pattern`] reads the lines, [`matcher`] finds them in a graph, [`overlay`] is the graph while it is being rewritten.
//!
//! **Invariant:** a fusion never changes what a graph computes for others: a value inside of it has no reader outside of
//! it and is no output of the graph.

pub(crate) mod matcher;
pub(crate) mod overlay;
pub(crate) mod pattern;

use indexmap::IndexMap;
use ledg_graph::{Attr, Attrs, OpType};
use serde::{Deserialize, Serialize};

use crate::error::TemplateError;
use crate::operator::parse_op;
use crate::set::{OpId, OpIds};
use matcher::Match;
use overlay::Overlay;
use pattern::Pattern;

/// A fusion as written.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FusionWire {
    /// Name, by which it can be disabled.
    pub name: String,
    /// The operator it becomes.
    pub op: String,
    /// Names of the pattern that become the operator's inputs; one that a pattern lacks is left out.
    pub inputs: Vec<String>,
    /// Attributes: numbers, `"s[-1]"` (a dimension), `"r.axes"` (an attribute of a matched node), `"$eps"` (a constant).
    #[serde(default)]
    pub attrs: IndexMap<String, AttrWire>,
    /// The line whose node's attributes are taken over.
    pub copy_attrs: Option<String>,
    /// Patterns, each tried over the whole graph before the next.
    pub patterns: Vec<String>,
}

/// An attribute as written.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum AttrWire {
    Int(i64),
    Expression(String),
}

/// Where an attribute's value comes from.
#[derive(Debug, Clone)]
enum AttrSource {
    Int(i64),
    /// A dimension of a value, counted from the end if negative.
    Dim(usize, i64),
    /// An attribute of the node of a line.
    Copied(usize, String),
    /// A scalar constant.
    Scalar(usize),
}

/// A pattern with what is to be made of its names.
#[derive(Debug, Clone)]
struct Rule {
    pattern: Pattern,
    inputs: Vec<Option<usize>>,
    attrs: Vec<(String, AttrSource)>,
    copy_attrs: Option<usize>,
}

/// A compiled fusion.
#[derive(Debug, Clone)]
pub(crate) struct Fusion {
    pub name: String,
    op: OpType,
    id: OpId,
    rules: Vec<Rule>,
}

impl Fusion {
    /// Compiles a fusion's patterns.
    pub fn compile(wire: &FusionWire, origin: &str, ids: &mut OpIds) -> Result<Fusion, TemplateError> {
        let bad = |line: Option<&str>, why: String| TemplateError::Fusion {
            origin: origin.to_owned(),
            fusion: wire.name.clone(),
            line: line.map(str::to_owned),
            why,
        };
        let mut rules = Vec::with_capacity(wire.patterns.len());
        for text in &wire.patterns {
            let mut pattern = Pattern::parse(text).map_err(|(line, why)| bad(Some(&line), why))?;
            pattern.number(ids);
            let inputs = wire.inputs.iter().map(|name| pattern.name(name)).collect();
            let mut attrs = Vec::with_capacity(wire.attrs.len());
            for (name, value) in &wire.attrs {
                let source = source(value, &pattern).map_err(|why| bad(None, format!("attribute `{name}`: {why}")))?;
                attrs.extend(source.map(|source| (name.clone(), source)));
            }
            let copy_attrs = match &wire.copy_attrs {
                None => None,
                Some(line) => match pattern.name(line) {
                    Some(name) if pattern.is_line(name) => Some(name),
                    _ => return Err(bad(None, format!("`copy_attrs`: a pattern has no line `{line}`"))),
                },
            };
            rules.push(Rule { pattern, inputs, attrs, copy_attrs });
        }
        let unused = (0..wire.inputs.len()).find(|&i| rules.iter().all(|r| r.inputs[i].is_none()));
        if let Some(i) = unused {
            return Err(bad(None, format!("no pattern has the input `{}`", wire.inputs[i])));
        }
        if rules.is_empty() {
            return Err(bad(None, "it has no patterns".into()));
        }
        let op = parse_op(&wire.op);
        Ok(Fusion { name: wire.name.clone(), id: ids.intern(&op), op, rules })
    }

    /// What it makes.
    pub fn id(&self) -> OpId {
        self.id
    }

    /// Its patterns, in order.
    pub fn patterns(&self) -> impl Iterator<Item = &Pattern> {
        self.rules.iter().map(|rule| &rule.pattern)
    }

    /// Fuses every match, in topological order of the last node.
    pub fn apply(&self, overlay: &mut Overlay<'_, '_>) {
        for rule in &self.rules {
            for root in overlay.nodes_of(rule.pattern.root_id()) {
                if !rule.pattern.plausible(overlay, root) {
                    continue;
                }
                if let Some(found) = rule.pattern.find(overlay, root) {
                    let (inputs, attrs) = (rule.inputs(&found), rule.attrs(&found, overlay));
                    overlay.replace(&found, (&self.op, self.id), attrs, inputs);
                }
            }
        }
    }
}

/// Reads an attribute's expression; `None` if the pattern lacks the name, as a variant without an epsilon does.
fn source(value: &AttrWire, pattern: &Pattern) -> Result<Option<AttrSource>, String> {
    let text = match value {
        AttrWire::Int(v) => return Ok(Some(AttrSource::Int(*v))),
        AttrWire::Expression(text) => text.trim(),
    };
    if let Some((name, index)) = text.strip_suffix(']').and_then(|t| t.split_once('[')) {
        let index = index.parse().map_err(|_| format!("`{index}` is no dimension"))?;
        return Ok(pattern.name(name).map(|name| AttrSource::Dim(name, index)));
    }
    if let Some((name, attr)) = text.split_once('.') {
        return Ok(pattern.name(name).map(|name| AttrSource::Copied(name, attr.to_owned())));
    }
    if text.starts_with('$') {
        return Ok(pattern.name(text).map(AttrSource::Scalar));
    }
    Err(format!("`{text}` is none of 3, \"value[-1]\", \"line.attribute\", \"$constant\""))
}

impl Rule {
    fn inputs(&self, found: &Match) -> Vec<Option<ledg_graph::ValueId>> {
        self.inputs.iter().map(|name| name.and_then(|n| found.values[n])).collect()
    }

    fn attrs(&self, found: &Match, overlay: &Overlay<'_, '_>) -> Attrs {
        let node = |name: usize| found.nodes[name].and_then(|i| overlay.node(i));
        let mut attrs = self.copy_attrs.and_then(node).map(|n| n.attrs.clone()).unwrap_or_default();
        for (name, source) in &self.attrs {
            let value = match source {
                AttrSource::Int(v) => Some(Attr::Int(*v)),
                AttrSource::Dim(value, index) => overlay.dimension(found.values[*value], *index).map(Attr::Int),
                AttrSource::Copied(line, attr) => node(*line).and_then(|n| overlay.attribute(n, attr)),
                AttrSource::Scalar(value) => found.values[*value].and_then(|v| overlay.scalar(v)).map(Attr::Float),
            };
            if let Some(value) = value {
                attrs.insert(name.clone(), value);
            }
        }
        attrs
    }
}
