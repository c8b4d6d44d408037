//! Building small graphs in tests: one call an operator.
#![allow(dead_code)] // each test file uses its part

use std::sync::LazyLock;

use ledg_graph::{Attr, Attrs, ConstData, DType, Graph, GraphBuilder, OpType, ValueId};
use ledg_template::{LowerOptions, Lowered, NodeDescription, TemplateSet};

/// A graph under construction.
pub struct Net {
    builder: GraphBuilder,
    made: usize,
}

impl Net {
    pub fn new() -> Self {
        Net { builder: GraphBuilder::new("net"), made: 0 }
    }

    fn fresh(&mut self, prefix: &str) -> String {
        self.made += 1;
        format!("{prefix}{}", self.made)
    }

    pub fn input(&mut self, shape: &[u64]) -> ValueId {
        let name = self.fresh("x");
        self.builder.input(name, DType::F32, shape)
    }

    pub fn weight(&mut self, shape: &[u64]) -> ValueId {
        let name = self.fresh("w");
        self.builder.weight(name, DType::F32, shape)
    }

    pub fn scalar(&mut self, number: f64) -> ValueId {
        let name = self.fresh("c");
        self.builder.constant(name, DType::F32, &[], Some(ConstData::Floats(vec![number])))
    }

    /// An integer without axes.
    pub fn number(&mut self, number: i64) -> ValueId {
        let name = self.fresh("c");
        self.builder.constant(name, DType::I64, &[], Some(ConstData::Ints(vec![number])))
    }

    pub fn ints(&mut self, ints: &[i64]) -> ValueId {
        let name = self.fresh("c");
        let data = Some(ConstData::Ints(ints.to_vec()));
        self.builder.constant(name, DType::I64, &[ints.len() as u64], data)
    }

    /// A node named after its operator (`Conv3` is the third thing made) with one output of that shape.
    pub fn op(&mut self, op: &str, attrs: Attrs, inputs: &[ValueId], shape: &[u64]) -> ValueId {
        self.ops(op, attrs, inputs, &[Some(shape)])[0]
    }

    /// A node with several outputs, or outputs of unknown shape.
    pub fn ops(&mut self, op: &str, attrs: Attrs, inputs: &[ValueId], shapes: &[Option<&[u64]>]) -> Vec<ValueId> {
        let name = self.fresh(op);
        let outputs: Vec<ValueId> = shapes
            .iter()
            .enumerate()
            .map(|(i, shape)| self.builder.activation(format!("{name}.{i}"), DType::F32, *shape))
            .collect();
        let op = op.rsplit_once('.').map_or(OpType::onnx(op), |(domain, name)| OpType::new(domain, name));
        let inputs: Vec<Option<ValueId>> = inputs.iter().copied().map(Some).collect();
        self.builder.node(name, op, attrs, &inputs, &outputs);
        outputs
    }

    pub fn finish(mut self, outputs: &[ValueId]) -> Graph {
        outputs.iter().for_each(|&v| self.builder.output(v));
        self.builder.finish().expect("a valid graph")
    }
}

pub fn none() -> Attrs {
    Attrs::new()
}

pub fn int(name: &str, v: i64) -> Attrs {
    Attrs::new().with(name, Attr::Int(v))
}

pub fn ints(name: &str, v: &[i64]) -> Attrs {
    Attrs::new().with(name, Attr::Ints(v.to_vec()))
}

pub fn templates() -> &'static TemplateSet {
    static BUILTIN: LazyLock<TemplateSet> = LazyLock::new(|| TemplateSet::builtin().unwrap_or_else(|e| panic!("{e}")));
    &BUILTIN
}

pub fn lower(graph: &Graph) -> Lowered {
    templates().lower(graph, &LowerOptions::default()).expect("lowers")
}

pub fn describe(graph: &Graph) -> Vec<NodeDescription> {
    let templates = templates();
    templates.describe(&lower(graph))
}

pub fn sentences(graph: &Graph) -> Vec<String> {
    describe(graph).into_iter().map(|n| n.sentence).collect()
}
