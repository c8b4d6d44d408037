//! The JSON wire format, version 1.
//!
//! ```json
//! {"ledg_graph": 1, "name": "toy",
//!  "values": [{"name": "x", "dtype": "f32", "shape": [1, 3], "kind": "input"}, …],
//!  "nodes": [{"name": "relu", "op": "Relu", "inputs": ["x"], "outputs": ["y"], "attrs": {"alpha": {"float": 0.1}}}, …],
//!  "inputs": ["x"], "outputs": ["y"]}
//! ```
//!
//! **Invariant:** the wire types live here and nowhere else; a graph read from JSON goes through the builder, so every
//! check applies to it. Reading what was written gives an equal graph.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::attr::Attrs;
use crate::builder::{GraphBuilder, Limits};
use crate::dtype::DType;
use crate::error::GraphError;
use crate::graph::{ConstData, Graph, Node, OpType, Value, ValueId, ValueKind};

/// Version of the wire format that this library writes and reads.
pub const WIRE_VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireGraph {
    ledg_graph: u32,
    name: String,
    values: Vec<WireValue>,
    nodes: Vec<WireNode>,
    inputs: Vec<String>,
    outputs: Vec<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireValue {
    name: String,
    dtype: DType,
    /// Absent or null: not known.
    #[serde(default)]
    shape: Option<Vec<u64>>,
    kind: WireKind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    data: Option<WireData>,
}

#[derive(Serialize, Deserialize, Clone, Copy)]
#[serde(rename_all = "lowercase")]
enum WireKind {
    Input,
    Weight,
    Constant,
    Activation,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum WireData {
    Ints(Vec<i64>),
    /// Shortest text that reads back as the same number; text, because JSON has no infinity (a mask constant has).
    Floats(Vec<String>),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireNode {
    name: String,
    op: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    domain: String,
    inputs: Vec<Option<String>>,
    outputs: Vec<String>,
    #[serde(default, skip_serializing_if = "Attrs::is_empty")]
    attrs: Attrs,
}

impl Graph {
    /// The graph as JSON, one line.
    ///
    /// ```
    /// use ledg_graph::{Attrs, DType, Graph, GraphBuilder, Limits, OpType};
    /// let mut b = GraphBuilder::new("toy");
    /// let x = b.input("x", DType::F32, &[1, 16]);
    /// let y = b.activation("y", DType::F32, Some(&[1, 16]));
    /// b.node("relu", OpType::onnx("Relu"), Attrs::new(), &[Some(x)], &[y]);
    /// b.output(y);
    /// let graph = b.finish()?;
    /// assert_eq!(Graph::from_json(&graph.to_json()?, Limits::default())?, graph);
    /// # Ok::<(), ledg_graph::GraphError>(())
    /// ```
    ///
    /// # Errors
    /// Only if an attribute holds a number that JSON cannot express (NaN or infinity).
    pub fn to_json(&self) -> Result<String, GraphError> {
        let name = |id: &ValueId| self.value(*id).name.clone();
        let wire = WireGraph {
            ledg_graph: WIRE_VERSION,
            name: self.name.clone(),
            values: self.values.iter().map(wire_value).collect(),
            nodes: self
                .nodes
                .iter()
                .map(|n| WireNode {
                    name: n.name.clone(),
                    op: n.op.name.clone(),
                    domain: n.op.domain.clone(),
                    inputs: n.inputs.iter().map(|v| v.as_ref().map(name)).collect(),
                    outputs: n.outputs.iter().map(name).collect(),
                    attrs: n.attrs.clone(),
                })
                .collect(),
            inputs: self.inputs.iter().map(name).collect(),
            outputs: self.outputs.iter().map(name).collect(),
        };
        Ok(serde_json::to_string(&wire)?)
    }

    /// Reads the wire format, within limits.
    ///
    /// # Errors
    /// Malformed JSON (with line and column), unknown keys, another wire version, references to values that are not
    /// declared, and everything [`GraphBuilder::finish`] refuses.
    pub fn from_json(text: &str, limits: Limits) -> Result<Graph, GraphError> {
        let wire: WireGraph = serde_json::from_str(text)?;
        if wire.ledg_graph != WIRE_VERSION {
            return Err(GraphError::WireVersion { found: wire.ledg_graph, expected: WIRE_VERSION });
        }
        let mut builder = GraphBuilder::new(wire.name).with_limits(limits);
        let mut ids: HashMap<String, ValueId> = HashMap::with_capacity(wire.values.len());
        for (i, v) in wire.values.into_iter().enumerate() {
            ids.insert(v.name.clone(), ValueId(i as u32));
            builder.values.push(value(v)?);
        }
        let find = |name: &str, place: &dyn Fn() -> String| {
            ids.get(name).copied().ok_or_else(|| GraphError::UnknownValue { place: place(), value: name.to_owned() })
        };
        for n in wire.nodes {
            let place = || format!("node `{}`", n.name);
            let inputs: Result<Vec<_>, _> =
                n.inputs.iter().map(|v| v.as_ref().map(|v| find(v, &place)).transpose()).collect();
            let outputs: Result<Vec<_>, _> = n.outputs.iter().map(|v| find(v, &place)).collect();
            let (inputs, outputs) = (inputs?, outputs?);
            builder.nodes.push(Node {
                name: n.name,
                op: OpType { domain: n.domain, name: n.op },
                attrs: n.attrs,
                inputs,
                outputs,
            });
        }
        builder.inputs = wire.inputs.iter().map(|v| find(v, &|| "`inputs`".into())).collect::<Result<_, _>>()?;
        builder.outputs = wire.outputs.iter().map(|v| find(v, &|| "`outputs`".into())).collect::<Result<_, _>>()?;
        builder.finish()
    }
}

fn wire_value(v: &Value) -> WireValue {
    WireValue {
        name: v.name.clone(),
        dtype: v.dtype,
        shape: v.shape.clone(),
        kind: match v.kind {
            ValueKind::Input => WireKind::Input,
            ValueKind::Weight => WireKind::Weight,
            ValueKind::Constant => WireKind::Constant,
            ValueKind::Activation => WireKind::Activation,
        },
        data: v.data.as_ref().map(|d| match d {
            ConstData::Ints(v) => WireData::Ints(v.clone()),
            ConstData::Floats(v) => WireData::Floats(v.iter().map(f64::to_string).collect()),
        }),
    }
}

fn value(v: WireValue) -> Result<Value, GraphError> {
    let floats = |texts: Vec<String>| {
        let parsed: Result<Vec<f64>, _> = texts.iter().map(|t| t.parse()).collect();
        parsed.map_err(|e| {
            let message = format!("value `{}`: data: {e}", v.name);
            GraphError::Json(serde::de::Error::custom(message))
        })
    };
    Ok(Value {
        dtype: v.dtype,
        kind: match v.kind {
            WireKind::Input => ValueKind::Input,
            WireKind::Weight => ValueKind::Weight,
            WireKind::Constant => ValueKind::Constant,
            WireKind::Activation => ValueKind::Activation,
        },
        data: match v.data {
            None => None,
            Some(WireData::Ints(v)) => Some(ConstData::Ints(v)),
            Some(WireData::Floats(texts)) => Some(ConstData::Floats(floats(texts)?)),
        },
        shape: v.shape,
        name: v.name,
    })
}
