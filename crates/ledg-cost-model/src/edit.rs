//! Edits of a graph as data: what a compiler's pass would do next, by names.

use std::collections::{BTreeMap, HashMap};

use ledg_graph::{
    Attr, Attrs, DType, Graph, GraphEdit, GraphError, Node, NodeId, OpType, Shape, Value, ValueId, ValueKind,
};
use serde::{Deserialize, Serialize};

use crate::error::{CostModelError, Result};

/// One change of a graph. Names are those of the graph's nodes and values, or of what earlier edits of the list added.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Edit {
    /// Sets an attribute of a node.
    SetAttribute {
        /// The node.
        node: String,
        /// The attribute.
        name: String,
        /// Its new value.
        value: Attr,
    },
    /// Gives a value another shape. Shapes of other values do not follow: say all that change.
    SetShape {
        /// The value.
        value: String,
        /// Its new shape.
        shape: Shape,
    },
    /// Replaces a node's operator, attributes and inputs; its name and outputs stay.
    Replace {
        /// The node.
        node: String,
        /// Domain of the new operator, `""` for ONNX's own.
        #[serde(default)]
        domain: String,
        /// The new operator.
        op: String,
        /// The new attributes.
        #[serde(default)]
        attrs: Attrs,
        /// The new inputs, values by name; `None` leaves them as they are.
        #[serde(default)]
        inputs: Option<Vec<Option<String>>>,
    },
    /// Adds a node with one output.
    Insert {
        /// The new node's name.
        node: String,
        /// Domain of the operator, `""` for ONNX's own.
        #[serde(default)]
        domain: String,
        /// The operator.
        op: String,
        /// Its attributes.
        #[serde(default)]
        attrs: Attrs,
        /// Its inputs, values by name.
        inputs: Vec<Option<String>>,
        /// Name of its output, which is a new value.
        output: String,
        /// Element type of the output.
        dtype: DType,
        /// Shape of the output.
        shape: Shape,
        /// A value whose readers, and whose place among the graph's outputs, the new output takes over.
        #[serde(default)]
        replaces: Option<String>,
    },
    /// Removes a node with one output; who read that reads the node's first input instead.
    Remove {
        /// The node.
        node: String,
    },
}

/// Names of a graph, looked up once.
#[derive(Debug, Clone, Default)]
pub(crate) struct Names {
    nodes: HashMap<String, u32>,
    values: HashMap<String, u32>,
    /// By value: the places of its readers.
    readers: Vec<Vec<u32>>,
}

impl Names {
    pub fn of(graph: &Graph) -> Self {
        let nodes = graph.nodes().iter().enumerate().map(|(i, n)| (n.name.clone(), i as u32));
        let values = graph.values().iter().enumerate().map(|(i, v)| (v.name.clone(), i as u32));
        let readers = graph.consumers().into_iter().map(|ids| ids.iter().map(|id| id.index() as u32).collect());
        Names { nodes: nodes.collect(), values: values.collect(), readers: readers.collect() }
    }

    /// The places of the nodes that read a value; none for one that the graph does not have.
    pub fn readers(&self, v: ValueId) -> &[u32] {
        self.readers.get(v.index()).map_or(&[], Vec::as_slice)
    }
}

/// What a list of edits does to a graph, before any graph is built.
#[derive(Debug, Default)]
pub(crate) struct Draft {
    /// By place: the node that stands there now, if not the graph's own.
    pub changed: BTreeMap<u32, Node>,
    pub removed: Vec<u32>,
    /// New nodes, each behind a place of the graph.
    pub inserted: Vec<(u32, Node)>,
    /// By value: what it is now, if not the graph's own.
    pub values: BTreeMap<u32, Value>,
    /// Values beyond the graph's.
    pub new_values: Vec<Value>,
    /// The graph's outputs.
    pub outputs: Vec<ValueId>,
}

/// A node of the graph or of the draft.
#[derive(Clone, Copy)]
enum Place {
    Given(u32),
    Inserted(usize),
}

struct Drafting<'g> {
    graph: &'g Graph,
    names: &'g Names,
    draft: Draft,
}

impl Draft {
    /// Applies edits in order.
    ///
    /// # Errors
    /// [`CostModelError::Edit`], which names the edit, for names that do not exist or exist already, for nodes that cannot be
    /// removed, for shapes beyond counting.
    pub fn new(graph: &Graph, names: &Names, edits: &[Edit]) -> Result<Self> {
        let draft = Draft { outputs: graph.outputs().to_vec(), ..Draft::default() };
        let mut drafting = Drafting { graph, names, draft };
        for (index, edit) in edits.iter().enumerate() {
            drafting.apply(edit).map_err(|why| CostModelError::Edit { graph: graph.name().to_owned(), index, why })?;
        }
        Ok(drafting.draft)
    }

    /// The edited graph, with all of a graph's checks.
    ///
    /// # Errors
    /// What [`GraphEdit::finish`] refuses: cycles, a graph without nodes.
    pub fn graph(&self, graph: &Graph) -> std::result::Result<Graph, GraphError> {
        let mut edit = GraphEdit::new(graph);
        for value in &self.new_values {
            edit.add_activation(value.name.clone(), value.dtype, value.shape.as_deref().unwrap_or_default());
        }
        for (&v, value) in &self.values {
            if let Some(shape) = &value.shape {
                edit.set_shape(ValueId::from_index(v as usize), shape.clone());
            }
        }
        let add = |edit: &mut GraphEdit<'_>, place: u32, n: &Node| {
            let place = NodeId::from_index(place as usize);
            edit.add_node(place, n.name.clone(), n.op.clone(), n.attrs.clone(), &n.inputs, &n.outputs);
        };
        self.removed.iter().for_each(|&p| edit.remove(NodeId::from_index(p as usize)));
        for (&place, node) in &self.changed {
            edit.remove(NodeId::from_index(place as usize));
            add(&mut edit, place, node);
        }
        self.inserted.iter().for_each(|(place, node)| add(&mut edit, *place, node));
        edit.set_outputs(self.outputs.clone());
        edit.finish()
    }
}

impl Drafting<'_> {
    fn apply(&mut self, edit: &Edit) -> std::result::Result<(), String> {
        match edit {
            Edit::SetAttribute { node, name, value } => {
                self.node_mut(node)?.attrs.insert(name.clone(), value.clone());
            }
            Edit::SetShape { value, shape } => {
                check_shape(shape)?;
                let v = self.value(value)?;
                self.value_mut(v).shape = Some(shape.clone());
            }
            Edit::Replace { node, domain, op, attrs, inputs } => {
                let inputs = inputs.as_ref().map(|inputs| self.inputs(inputs)).transpose()?;
                let changed = self.node_mut(node)?;
                (changed.op, changed.attrs) = (OpType::new(domain, op), attrs.clone());
                if let Some(inputs) = inputs {
                    changed.inputs = inputs;
                }
            }
            Edit::Insert { node, domain, op, attrs, inputs, output, dtype, shape, replaces } => {
                check_shape(shape)?;
                if self.place(node).is_ok() {
                    return Err(format!("there is a node `{node}` already"));
                }
                if self.value(output).is_ok() {
                    return Err(format!("there is a value `{output}` already"));
                }
                let inputs = self.inputs(inputs)?;
                let old = replaces.as_ref().map(|name| self.value(name)).transpose()?;
                let out = ValueId::from_index(self.n_values());
                self.draft.new_values.push(Value {
                    name: output.clone(),
                    dtype: *dtype,
                    shape: Some(shape.clone()),
                    kind: ValueKind::Activation,
                    data: None,
                });
                if let Some(old) = old {
                    self.redirect(old, out);
                }
                let behind = inputs.iter().flatten().filter_map(|&v| self.produced_at(v)).max().unwrap_or(0);
                let node = Node {
                    name: node.clone(),
                    op: OpType::new(domain, op),
                    attrs: attrs.clone(),
                    inputs,
                    outputs: vec![out],
                };
                self.draft.inserted.push((behind, node));
            }
            Edit::Remove { node } => self.remove(node)?,
        }
        Ok(())
    }

    fn remove(&mut self, name: &str) -> std::result::Result<(), String> {
        let place = self.place(name)?;
        let node = self.node(place);
        let [out] = node.outputs[..] else {
            return Err(format!("node `{name}` has {} outputs, and only one can be bridged", node.outputs.len()));
        };
        let first = node.inputs.first().copied().flatten();
        let first =
            first.ok_or_else(|| format!("node `{name}` has no first input that could take its output's place"))?;
        match place {
            Place::Given(place) => {
                self.draft.changed.remove(&place);
                self.draft.removed.push(place);
            }
            Place::Inserted(i) => _ = self.draft.inserted.remove(i),
        }
        self.redirect(out, first);
        Ok(())
    }

    /// Every reader of `old` reads `new`.
    fn redirect(&mut self, old: ValueId, new: ValueId) {
        let swap = |node: &mut Node| node.inputs.iter_mut().flatten().filter(|v| **v == old).for_each(|v| *v = new);
        self.draft.changed.values_mut().for_each(swap);
        self.draft.inserted.iter_mut().for_each(|(_, node)| swap(node));
        for &reader in self.names.readers(old) {
            if !self.draft.removed.contains(&reader) && !self.draft.changed.contains_key(&reader) {
                let mut node = self.graph.nodes()[reader as usize].clone();
                swap(&mut node);
                self.draft.changed.insert(reader, node);
            }
        }
        self.draft.outputs.iter_mut().filter(|v| **v == old).for_each(|v| *v = new);
    }

    fn place(&self, name: &str) -> std::result::Result<Place, String> {
        if let Some(i) = self.draft.inserted.iter().position(|(_, n)| n.name == name) {
            return Ok(Place::Inserted(i));
        }
        let place = self.names.nodes.get(name).copied().filter(|p| !self.draft.removed.contains(p));
        place.map(Place::Given).ok_or_else(|| format!("there is no node `{name}`"))
    }

    fn node(&self, place: Place) -> &Node {
        match place {
            Place::Given(p) => self.draft.changed.get(&p).unwrap_or(&self.graph.nodes()[p as usize]),
            Place::Inserted(i) => &self.draft.inserted[i].1,
        }
    }

    fn node_mut(&mut self, name: &str) -> std::result::Result<&mut Node, String> {
        Ok(match self.place(name)? {
            Place::Given(p) => {
                let given = &self.graph.nodes()[p as usize];
                self.draft.changed.entry(p).or_insert_with(|| given.clone())
            }
            Place::Inserted(i) => &mut self.draft.inserted[i].1,
        })
    }

    fn n_values(&self) -> usize {
        self.graph.values().len() + self.draft.new_values.len()
    }

    fn value(&self, name: &str) -> std::result::Result<ValueId, String> {
        let new = self.draft.new_values.iter().position(|v| v.name == name);
        let place = new.map(|i| i + self.graph.values().len());
        let place = place.or_else(|| self.names.values.get(name).map(|&v| v as usize));
        place.map(ValueId::from_index).ok_or_else(|| format!("there is no value `{name}`"))
    }

    fn value_mut(&mut self, v: ValueId) -> &mut Value {
        let given = self.graph.values();
        match v.index().checked_sub(given.len()) {
            Some(new) => &mut self.draft.new_values[new],
            None => self.draft.values.entry(v.index() as u32).or_insert_with(|| given[v.index()].clone()),
        }
    }

    fn inputs(&self, names: &[Option<String>]) -> std::result::Result<Vec<Option<ValueId>>, String> {
        names.iter().map(|name| name.as_ref().map(|name| self.value(name)).transpose()).collect()
    }

    /// The place behind which a value exists.
    fn produced_at(&self, v: ValueId) -> Option<u32> {
        let inserted = self.draft.inserted.iter().find(|(_, n)| n.outputs.contains(&v));
        inserted.map(|(place, _)| *place).or_else(|| {
            let given = (v.index() < self.graph.values().len()).then(|| self.graph.producer(v)).flatten();
            given.map(|id| id.index() as u32)
        })
    }
}

fn check_shape(shape: &[u64]) -> std::result::Result<(), String> {
    match shape.iter().try_fold(1u64, |n, &d| n.checked_mul(d)) {
        Some(n) if n <= 1 << 53 => Ok(()),
        _ => Err(format!("shape {shape:?} has more elements than can be counted")),
    }
}
