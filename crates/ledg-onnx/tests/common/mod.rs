//! A small protobuf writer of its own, so that reading is not tested against the code that it shares structs with.

#![allow(dead_code)] // Every test file uses its own part.

use ledg_onnx::{Imported, OnnxError, OnnxOptions, import_bytes};

/// A protobuf message under construction.
#[derive(Clone, Default)]
pub struct Msg(pub Vec<u8>);

impl Msg {
    pub fn new() -> Self {
        Msg::default()
    }

    fn varint(&mut self, mut v: u64) {
        while v >= 0x80 {
            self.0.push(v as u8 | 0x80);
            v >>= 7;
        }
        self.0.push(v as u8);
    }

    pub fn int(mut self, field: u32, v: i64) -> Self {
        self.varint(u64::from(field) << 3);
        self.varint(v as u64);
        self
    }

    pub fn float(mut self, field: u32, v: f32) -> Self {
        self.varint(u64::from(field) << 3 | 5);
        self.0.extend(v.to_le_bytes());
        self
    }

    pub fn bytes(mut self, field: u32, v: &[u8]) -> Self {
        self.varint(u64::from(field) << 3 | 2);
        self.varint(v.len() as u64);
        self.0.extend(v);
        self
    }

    pub fn str(self, field: u32, v: &str) -> Self {
        self.bytes(field, v.as_bytes())
    }

    pub fn msg(self, field: u32, v: Msg) -> Self {
        self.bytes(field, &v.0)
    }

    /// Packed varints.
    pub fn packed(self, field: u32, values: &[i64]) -> Self {
        let mut inner = Msg::new();
        values.iter().for_each(|&v| inner.varint(v as u64));
        self.bytes(field, &inner.0)
    }
}

pub const F32: i64 = 1;
pub const I64: i64 = 7;
pub const BOOL: i64 = 9;

/// A tensor without data.
pub fn bare_tensor(name: &str, dtype: i64, dims: &[i64]) -> Msg {
    dims.iter().fold(Msg::new(), |m, &d| m.int(1, d)).int(2, dtype).str(8, name)
}

pub fn int_tensor(name: &str, dims: &[i64], values: &[i64]) -> Msg {
    let raw: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    bare_tensor(name, I64, dims).bytes(9, &raw)
}

pub fn float_tensor(name: &str, dims: &[i64], values: &[f32]) -> Msg {
    let raw: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    bare_tensor(name, F32, dims).bytes(9, &raw)
}

/// A dimension: a size, a symbol, or neither.
#[derive(Clone, Copy)]
pub enum Dim {
    Size(i64),
    Symbol(&'static str),
    Blank,
}

pub fn value_info(name: &str, dtype: i64, dims: &[Dim]) -> Msg {
    let shape = dims.iter().fold(Msg::new(), |m, d| {
        m.msg(
            1,
            match *d {
                Dim::Size(v) => Msg::new().int(1, v),
                Dim::Symbol(s) => Msg::new().str(2, s),
                Dim::Blank => Msg::new(),
            },
        )
    });
    Msg::new().str(1, name).msg(2, Msg::new().msg(1, Msg::new().int(1, dtype).msg(2, shape)))
}

pub fn sizes(dims: &[i64]) -> Vec<Dim> {
    dims.iter().map(|&d| Dim::Size(d)).collect()
}

pub fn attr_int(name: &str, v: i64) -> Msg {
    Msg::new().str(1, name).int(3, v).int(20, 2)
}

pub fn attr_float(name: &str, v: f32) -> Msg {
    Msg::new().str(1, name).float(2, v).int(20, 1)
}

pub fn attr_str(name: &str, v: &str) -> Msg {
    Msg::new().str(1, name).str(4, v).int(20, 3)
}

pub fn attr_ints(name: &str, v: &[i64]) -> Msg {
    v.iter().fold(Msg::new().str(1, name), |m, &x| m.int(8, x)).int(20, 7)
}

pub fn attr_floats(name: &str, v: &[f32]) -> Msg {
    v.iter().fold(Msg::new().str(1, name), |m, &x| m.float(7, x)).int(20, 6)
}

pub fn attr_tensor(name: &str, v: Msg) -> Msg {
    Msg::new().str(1, name).msg(5, v).int(20, 4)
}

pub fn attr_graph(name: &str, v: Msg) -> Msg {
    Msg::new().str(1, name).msg(6, v).int(20, 5)
}

/// A node without a name; `domain:Op` for other domains.
pub fn node(op: &str, inputs: &[&str], outputs: &[&str], attrs: &[Msg]) -> Msg {
    let (domain, op) = op.split_once(':').unwrap_or(("", op));
    let mut m = inputs.iter().fold(Msg::new(), |m, i| m.str(1, i));
    m = outputs.iter().fold(m, |m, o| m.str(2, o)).str(4, op);
    m = attrs.iter().fold(m, |m, a| m.msg(5, a.clone()));
    if domain.is_empty() { m } else { m.str(7, domain) }
}

/// A graph under construction.
#[derive(Clone, Default)]
pub struct GraphMsg(pub Msg);

impl GraphMsg {
    pub fn new() -> Self {
        GraphMsg(Msg::new().str(2, "g"))
    }

    pub fn node(self, op: &str, inputs: &[&str], outputs: &[&str], attrs: &[Msg]) -> Self {
        self.raw_node(node(op, inputs, outputs, attrs))
    }

    pub fn raw_node(self, node: Msg) -> Self {
        GraphMsg(self.0.msg(1, node))
    }

    pub fn initializer(self, tensor: Msg) -> Self {
        GraphMsg(self.0.msg(5, tensor))
    }

    pub fn input(self, name: &str, dims: &[i64]) -> Self {
        self.typed_input(name, F32, &sizes(dims))
    }

    pub fn typed_input(self, name: &str, dtype: i64, dims: &[Dim]) -> Self {
        GraphMsg(self.0.msg(11, value_info(name, dtype, dims)))
    }

    pub fn output(self, name: &str) -> Self {
        GraphMsg(self.0.msg(12, Msg::new().str(1, name)))
    }

    pub fn info(self, name: &str, dims: &[Dim]) -> Self {
        GraphMsg(self.0.msg(13, value_info(name, F32, dims)))
    }

    /// The model's bytes.
    pub fn model(self, opset: i64) -> Vec<u8> {
        self.model_with(opset, Msg::new())
    }

    /// The model's bytes, with further fields of the model.
    pub fn model_with(self, opset: i64, more: Msg) -> Vec<u8> {
        let mut bytes = Msg::new().int(1, 8).msg(7, self.0).msg(8, Msg::new().str(1, "").int(2, opset)).0;
        bytes.extend(more.0);
        bytes
    }
}

pub fn import(model: Vec<u8>) -> Result<Imported, OnnxError> {
    import_with(model, &OnnxOptions::default())
}

pub fn import_with(model: Vec<u8>, options: &OnnxOptions) -> Result<Imported, OnnxError> {
    import_bytes("m.onnx", model.into(), options)
}

/// The message of the error that importing gives.
pub fn refusal(model: Vec<u8>) -> String {
    import(model).expect_err("should be refused").to_string()
}

/// Shape of a value of an imported graph.
pub fn shape(imported: &Imported, name: &str) -> Vec<u64> {
    let value = imported.graph.values().iter().find(|v| v.name == name);
    value.unwrap_or_else(|| panic!("no value `{name}`")).shape.clone().expect("a shape")
}

/// Operators of the graph in order, as one line.
pub fn ops(imported: &Imported) -> String {
    imported.graph.nodes().iter().map(|n| n.op.to_string()).collect::<Vec<_>>().join(" ")
}
