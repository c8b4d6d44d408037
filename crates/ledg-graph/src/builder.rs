//! Building a graph: declare values, add nodes in any order, finish.
//!
//! **Invariant:** a [`Graph`] comes from [`GraphBuilder::finish`] only, which checks and sorts.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashSet};

use crate::attr::Attrs;
use crate::dtype::DType;
use crate::error::GraphError;
use crate::graph::{ConstData, Graph, Node, NodeId, OpType, Value, ValueId, ValueKind};

/// Bounds on the size of a graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Most nodes a graph may have. Default 50,000: seven times the largest network of pytorch-image-models.
    pub max_nodes: u64,
    /// Most values a graph may have. Default 400,000.
    pub max_values: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { max_nodes: 50_000, max_values: 400_000 }
    }
}

/// Collects values and nodes of one graph.
#[derive(Debug, Clone)]
pub struct GraphBuilder {
    pub(crate) name: String,
    pub(crate) values: Vec<Value>,
    pub(crate) nodes: Vec<Node>,
    pub(crate) inputs: Vec<ValueId>,
    pub(crate) outputs: Vec<ValueId>,
    limits: Limits,
}

impl GraphBuilder {
    /// An empty graph of that name, with default limits.
    pub fn new(name: impl Into<String>) -> Self {
        GraphBuilder {
            name: name.into(),
            values: Vec::new(),
            nodes: Vec::new(),
            inputs: Vec::new(),
            outputs: Vec::new(),
            limits: Limits::default(),
        }
    }

    /// Replaces the limits.
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Declares a value that the caller gives at run time.
    pub fn input(&mut self, name: impl Into<String>, dtype: DType, shape: &[u64]) -> ValueId {
        let id = self.push(name.into(), dtype, Some(shape.to_vec()), ValueKind::Input, None);
        self.inputs.push(id);
        id
    }

    /// Declares a learned parameter.
    pub fn weight(&mut self, name: impl Into<String>, dtype: DType, shape: &[u64]) -> ValueId {
        self.push(name.into(), dtype, Some(shape.to_vec()), ValueKind::Weight, None)
    }

    /// Declares a constant; `data` may be left out when only its shape matters.
    pub fn constant(
        &mut self,
        name: impl Into<String>,
        dtype: DType,
        shape: &[u64],
        data: Option<ConstData>,
    ) -> ValueId {
        self.push(name.into(), dtype, Some(shape.to_vec()), ValueKind::Constant, data)
    }

    /// Declares a value that a node will produce. `None` for a shape that is not known.
    pub fn activation(&mut self, name: impl Into<String>, dtype: DType, shape: Option<&[u64]>) -> ValueId {
        self.push(name.into(), dtype, shape.map(<[u64]>::to_vec), ValueKind::Activation, None)
    }

    /// Adds a node. Ids must come from this builder.
    pub fn node(
        &mut self,
        name: impl Into<String>,
        op: OpType,
        attrs: Attrs,
        inputs: &[Option<ValueId>],
        outputs: &[ValueId],
    ) {
        self.nodes.push(Node { name: name.into(), op, attrs, inputs: inputs.to_vec(), outputs: outputs.to_vec() });
    }

    /// Marks a value as handed back to the caller.
    pub fn output(&mut self, value: ValueId) {
        self.outputs.push(value);
    }

    /// Number of nodes added so far.
    pub fn node_count(&self) -> usize {
        self.nodes.len()
    }

    fn push(
        &mut self,
        name: String,
        dtype: DType,
        shape: Option<Vec<u64>>,
        kind: ValueKind,
        data: Option<ConstData>,
    ) -> ValueId {
        self.values.push(Value { name, dtype, shape, kind, data });
        ValueId((self.values.len() - 1) as u32)
    }

    /// Checks the graph and sorts its nodes: among nodes that are ready, the one added first comes first, so the
    /// order depends on the input alone.
    ///
    /// # Errors
    /// Empty graph, limits, duplicate names, two producers, dangling reads, element counts that overflow, cycles.
    pub fn finish(self) -> Result<Graph, GraphError> {
        self.check_sizes()?;
        self.check_names()?;
        let producers = self.producers()?;
        let order = self.topological_order(&producers)?;
        let mut place = vec![0u32; self.nodes.len()];
        for (new, &old) in order.iter().enumerate() {
            place[old] = new as u32;
        }
        let producers = producers.into_iter().map(|p| p.map(|old| NodeId(place[old.index()]))).collect();
        let mut slots: Vec<Option<Node>> = self.nodes.into_iter().map(Some).collect();
        let nodes = order.iter().filter_map(|&old| slots[old].take()).collect();
        Ok(Graph { name: self.name, values: self.values, nodes, inputs: self.inputs, outputs: self.outputs, producers })
    }

    fn check_sizes(&self) -> Result<(), GraphError> {
        if self.nodes.is_empty() {
            return Err(GraphError::Empty { graph: self.name.clone() });
        }
        let counted = [
            ("nodes", self.nodes.len() as u64, self.limits.max_nodes),
            ("values", self.values.len() as u64, self.limits.max_values),
        ];
        for (what, found, limit) in counted {
            if found > limit {
                return Err(GraphError::Limit { graph: self.name.clone(), what, found, limit });
            }
        }
        for value in &self.values {
            // 2^53 elements are counted exactly in an f64 and are beyond any memory.
            let count = value.shape.iter().flatten().try_fold(1u64, |n, &d| n.checked_mul(d));
            if count.is_none_or(|n| n > 1 << 53) {
                return Err(GraphError::ShapeOverflow {
                    graph: self.name.clone(),
                    value: value.name.clone(),
                    shape: value.shape.clone().unwrap_or_default(),
                });
            }
        }
        Ok(())
    }

    fn check_names(&self) -> Result<(), GraphError> {
        let duplicate =
            |what, name: &str| GraphError::DuplicateName { graph: self.name.clone(), what, name: name.to_owned() };
        let mut seen = HashSet::with_capacity(self.values.len());
        if let Some(v) = self.values.iter().find(|v| !seen.insert(v.name.as_str())) {
            return Err(duplicate("value", &v.name));
        }
        seen.clear();
        if let Some(n) = self.nodes.iter().find(|n| !seen.insert(n.name.as_str())) {
            return Err(duplicate("node", &n.name));
        }
        Ok(())
    }

    fn producers(&self) -> Result<Vec<Option<NodeId>>, GraphError> {
        let mut producers = vec![None; self.values.len()];
        for (i, node) in self.nodes.iter().enumerate() {
            for &out in &node.outputs {
                let slot = &mut producers[out.index()];
                if slot.is_some() || self.values[out.index()].kind != ValueKind::Activation {
                    return Err(GraphError::TwoProducers {
                        graph: self.name.clone(),
                        value: self.values[out.index()].name.clone(),
                        node: node.name.clone(),
                    });
                }
                *slot = Some(NodeId(i as u32));
            }
        }
        for node in &self.nodes {
            for input in node.present_inputs() {
                let value = &self.values[input.index()];
                if value.kind == ValueKind::Activation && producers[input.index()].is_none() {
                    return Err(GraphError::Dangling {
                        graph: self.name.clone(),
                        node: node.name.clone(),
                        value: value.name.clone(),
                    });
                }
            }
        }
        Ok(producers)
    }

    /// Kahn's algorithm with a heap on the order of insertion.
    fn topological_order(&self, producers: &[Option<NodeId>]) -> Result<Vec<usize>, GraphError> {
        let n = self.nodes.len();
        let mut waiting = vec![0usize; n];
        let mut readers: Vec<Vec<usize>> = vec![Vec::new(); n];
        for (i, node) in self.nodes.iter().enumerate() {
            for producer in node.present_inputs().filter_map(|v| producers[v.index()]) {
                waiting[i] += 1;
                readers[producer.index()].push(i);
            }
        }
        let mut ready: BinaryHeap<Reverse<usize>> = (0..n).filter(|&i| waiting[i] == 0).map(Reverse).collect();
        let mut order = Vec::with_capacity(n);
        while let Some(Reverse(i)) = ready.pop() {
            order.push(i);
            for &reader in &readers[i] {
                waiting[reader] -= 1;
                if waiting[reader] == 0 {
                    ready.push(Reverse(reader));
                }
            }
        }
        if order.len() < n {
            let nodes = (0..n).filter(|&i| waiting[i] > 0).map(|i| self.nodes[i].name.clone()).collect();
            return Err(GraphError::Cycle { graph: self.name.clone(), nodes });
        }
        Ok(order)
    }
}
