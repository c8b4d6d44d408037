//! A hash of what a graph computes, not of what its parts are called.
//!
//! **Invariant:** names never enter the hash; attributes enter in sorted order. Nodes enter in topological order, so a
//! graph whose independent nodes were declared in another order hashes differently.

use sha2::{Digest, Sha256};

use crate::attr::Attr;
use crate::graph::{ConstData, Graph, ValueKind};

/// SHA-256 of a graph's content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ContentHash(pub [u8; 32]);

impl std::fmt::Display for ContentHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
    }
}

impl Graph {
    /// The hash of the graph's operators, attributes, dtypes, shapes and edges.
    pub fn content_hash(&self) -> ContentHash {
        let mut sink = Sink(Sha256::new());
        sink.text("ledg-graph/1");
        // Values are numbered in the order in which the nodes first touch them.
        let mut number = vec![u64::MAX; self.values.len()];
        let mut next = 0;
        let touch = |id: usize, sink: &mut Sink, number: &mut Vec<u64>, next: &mut u64| {
            if number[id] == u64::MAX {
                number[id] = *next;
                *next += 1;
                self.hash_value(id, sink);
            }
            sink.int(number[id]);
        };
        for node in &self.nodes {
            sink.text(&node.op.domain);
            sink.text(&node.op.name);
            let mut attrs: Vec<_> = node.attrs.iter().collect();
            attrs.sort_by_key(|(name, _)| *name);
            sink.int(attrs.len() as u64);
            for (name, attr) in attrs {
                sink.text(name);
                sink.attr(attr);
            }
            sink.int(node.inputs.len() as u64);
            for input in &node.inputs {
                match input {
                    Some(id) => touch(id.index(), &mut sink, &mut number, &mut next),
                    None => sink.int(u64::MAX),
                }
            }
            sink.int(node.outputs.len() as u64);
            for output in &node.outputs {
                touch(output.index(), &mut sink, &mut number, &mut next);
            }
        }
        sink.int(self.outputs.len() as u64);
        for output in &self.outputs {
            touch(output.index(), &mut sink, &mut number, &mut next);
        }
        ContentHash(sink.0.finalize().into())
    }

    fn hash_value(&self, id: usize, sink: &mut Sink) {
        let value = &self.values[id];
        sink.text(value.dtype.name());
        sink.int(match value.kind {
            ValueKind::Input => 0,
            ValueKind::Weight => 1,
            ValueKind::Constant => 2,
            ValueKind::Activation => 3,
        });
        match &value.shape {
            Some(shape) => {
                sink.int(shape.len() as u64);
                shape.iter().for_each(|&d| sink.int(d));
            }
            None => sink.int(u64::MAX),
        }
        match &value.data {
            None => sink.int(0),
            Some(ConstData::Ints(v)) => {
                sink.int(1);
                sink.ints(v);
            }
            Some(ConstData::Floats(v)) => {
                sink.int(2);
                sink.floats(v);
            }
        }
    }
}

/// Feeds length-prefixed fields, so that neighbouring fields cannot run into each other.
struct Sink(Sha256);

impl Sink {
    fn int(&mut self, v: u64) {
        self.0.update(v.to_le_bytes());
    }

    fn text(&mut self, s: &str) {
        self.int(s.len() as u64);
        self.0.update(s.as_bytes());
    }

    fn ints(&mut self, v: &[i64]) {
        self.int(v.len() as u64);
        v.iter().for_each(|&x| self.int(x as u64));
    }

    fn floats(&mut self, v: &[f64]) {
        self.int(v.len() as u64);
        v.iter().for_each(|x| self.int(x.to_bits()));
    }

    fn attr(&mut self, attr: &Attr) {
        match attr {
            Attr::Int(v) => {
                self.text("int");
                self.int(*v as u64);
            }
            Attr::Float(v) => {
                self.text("float");
                self.int(v.to_bits());
            }
            Attr::Str(v) => {
                self.text("str");
                self.text(v);
            }
            Attr::Ints(v) => {
                self.text("ints");
                self.ints(v);
            }
            Attr::Floats(v) => {
                self.text("floats");
                self.floats(v);
            }
            Attr::Strs(v) => {
                self.text("strs");
                self.int(v.len() as u64);
                v.iter().for_each(|s| self.text(s));
            }
        }
    }
}
