//! Writing a graph as ONNX without weights.
//!
//! **Invariant:** what is written imports to the graph it came from, but for constants of several floating-point
//! numbers, which ONNX does not tell from weights. The same graph gives the same bytes.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use ledg_graph::{Attr, Attrs, ConstData, DType, Graph, Node, Value, ValueId, ValueKind};
use prost::Message;

use crate::error::OnnxError;
use crate::proto::{
    AttributeProto, Dimension, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto, TensorShapeProto,
    TensorType, TypeProto, ValueInfoProto, attribute_type,
};
use crate::tensor::dtype_code;

/// How weights, which have no values, are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WeightStyle {
    /// As graph inputs after the data inputs, as an export without parameters does. A valid model.
    #[default]
    Inputs,
    /// As initializers with dimensions and no data, as NNLQP stores its models. Most runtimes refuse these.
    EmptyInitializers,
}

/// How to write a graph.
#[derive(Debug, Clone, Default)]
pub struct WriteOptions {
    /// How weights are written.
    pub weights: WeightStyle,
    /// Whether the shapes of all activations are written. Not together with `symbols`.
    pub value_info: bool,
    /// Names for input dimensions, by `input.axis`: these are written as symbols instead of sizes. The graph must not
    /// depend on their sizes elsewhere, as in the target of a Reshape.
    pub symbols: BTreeMap<String, String>,
}

/// The operator set written: the one that PyTorch's exporter settled on.
const OPSET: i64 = 17;
const IR_VERSION: i64 = 8;

/// Writes a graph as an ONNX model, operator set 17.
///
/// ```
/// use ledg_graph::{Attrs, DType, GraphBuilder, OpType};
/// use ledg_onnx::{OnnxOptions, WriteOptions, import_bytes, to_onnx};
/// let mut b = GraphBuilder::new("toy");
/// let x = b.input("x", DType::F32, &[1, 3, 8, 8]);
/// let w = b.weight("w", DType::F32, &[4, 3, 3, 3]);
/// let y = b.activation("y", DType::F32, Some(&[1, 4, 6, 6]));
/// b.node("conv", OpType::onnx("Conv"), Attrs::new(), &[Some(x), Some(w)], &[y]);
/// b.output(y);
/// let bytes = to_onnx(&b.finish()?, &WriteOptions::default())?;
/// let back = import_bytes("toy.onnx", bytes.into(), &OnnxOptions::default())?;
/// // Shapes were inferred again; no weight was written or read.
/// let graph = back.graph;
/// assert_eq!(graph.value(graph.outputs()[0]).shape.as_deref(), Some(&[1, 4, 6, 6][..]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`OnnxError::NoSuchDim`] for a symbol whose input or axis does not exist, [`OnnxError::Tensor`] for a constant whose
/// data and shape differ in size or whose element type has no data here.
pub fn to_onnx(graph: &Graph, options: &WriteOptions) -> Result<Vec<u8>, OnnxError> {
    check_symbols(graph, options)?;
    let mut proto = GraphProto { name: Some(graph.name().to_owned()), ..GraphProto::default() };
    proto.node = graph.nodes().iter().map(|n| node(graph, n)).collect();
    proto.input = graph.inputs().iter().map(|&v| value_info(graph.value(v), Some(&options.symbols))).collect();
    for value in graph.values() {
        match (value.kind, &value.data, options.weights) {
            (ValueKind::Constant, Some(data), _) => proto.initializer.push(tensor(graph, value, Some(data))?),
            (ValueKind::Constant | ValueKind::Weight, _, WeightStyle::EmptyInitializers) => {
                proto.initializer.push(tensor(graph, value, None)?);
            }
            (ValueKind::Constant | ValueKind::Weight, _, WeightStyle::Inputs) => {
                proto.input.push(value_info(value, None))
            }
            (ValueKind::Input | ValueKind::Activation, _, _) => {}
        }
    }
    let is_symbolic = !options.symbols.is_empty();
    let shown = |v: &Value| if is_symbolic { without_sizes(v) } else { value_info(v, None) };
    let outputs: BTreeSet<ValueId> = graph.outputs().iter().copied().collect();
    proto.output = graph.outputs().iter().map(|&v| shown(graph.value(v))).collect();
    if options.value_info && !is_symbolic {
        let inner = graph.value_ids().filter(|v| !outputs.contains(v)).map(|v| graph.value(v));
        proto.value_info = inner.filter(|v| v.kind == ValueKind::Activation).map(|v| value_info(v, None)).collect();
    }
    let domains: BTreeSet<&str> =
        graph.nodes().iter().map(|n| n.op.domain.as_str()).filter(|d| !d.is_empty()).collect();
    let opset = |domain: &str, version| OperatorSetIdProto { domain: Some(domain.to_owned()), version: Some(version) };
    let model = ModelProto {
        ir_version: Some(IR_VERSION),
        producer_name: Some("ledg".to_owned()),
        producer_version: None,
        graph: Some(proto),
        opset_import: std::iter::once(opset("", OPSET)).chain(domains.into_iter().map(|d| opset(d, 1))).collect(),
        functions: Vec::new(),
    };
    Ok(model.encode_to_vec())
}

fn check_symbols(graph: &Graph, options: &WriteOptions) -> Result<(), OnnxError> {
    let inputs = graph.inputs().iter().map(|&v| graph.value(v));
    let axes = inputs.flat_map(|v| (0..v.shape.as_ref().map_or(0, Vec::len)).map(|axis| format!("{}.{axis}", v.name)));
    let known: Vec<String> = axes.collect();
    match options.symbols.keys().find(|s| !known.contains(s)) {
        Some(dim) => Err(OnnxError::NoSuchDim { file: graph.name().to_owned(), dim: dim.clone(), known }),
        None => Ok(()),
    }
}

fn node(graph: &Graph, node: &Node) -> NodeProto {
    let name = |v: ValueId| graph.value(v).name.clone();
    NodeProto {
        input: node.inputs.iter().map(|v| v.map(name).unwrap_or_default()).collect(),
        output: node.outputs.iter().copied().map(name).collect(),
        name: Some(node.name.clone()),
        op_type: Some(node.op.name.clone()),
        attribute: attributes(&node.attrs),
        domain: Some(node.op.domain.clone()).filter(|d| !d.is_empty()),
        overload: None,
    }
}

fn attributes(attrs: &Attrs) -> Vec<AttributeProto> {
    let text = |s: &String| Bytes::copy_from_slice(s.as_bytes());
    let attribute = |(name, attr): (&str, &Attr)| {
        let mut a = AttributeProto { name: Some(name.to_owned()), ..AttributeProto::default() };
        a.r#type = Some(match attr {
            Attr::Int(v) => {
                a.i = Some(*v);
                attribute_type::INT
            }
            Attr::Float(v) => {
                a.f = Some(*v as f32);
                attribute_type::FLOAT
            }
            Attr::Str(v) => {
                a.s = Some(text(v));
                attribute_type::STRING
            }
            Attr::Ints(v) => {
                a.ints.clone_from(v);
                attribute_type::INTS
            }
            Attr::Floats(v) => {
                a.floats = v.iter().map(|&f| f as f32).collect();
                attribute_type::FLOATS
            }
            Attr::Strs(v) => {
                a.strings = v.iter().map(text).collect();
                attribute_type::STRINGS
            }
        });
        a
    };
    attrs.iter().map(attribute).collect()
}

fn value_info(value: &Value, symbols: Option<&BTreeMap<String, String>>) -> ValueInfoProto {
    let dimension = |(axis, &size): (usize, &u64)| {
        let symbol = symbols.and_then(|s| s.get(&format!("{}.{axis}", value.name)));
        match symbol {
            Some(symbol) => Dimension { dim_value: None, dim_param: Some(symbol.clone()) },
            None => Dimension { dim_value: i64::try_from(size).ok(), dim_param: None },
        }
    };
    let shape = value.shape.as_ref().map(|s| TensorShapeProto { dim: s.iter().enumerate().map(dimension).collect() });
    typed(value, shape)
}

/// The rank without sizes.
fn without_sizes(value: &Value) -> ValueInfoProto {
    let shape = value.shape.as_ref().map(|s| TensorShapeProto { dim: vec![Dimension::default(); s.len()] });
    typed(value, shape)
}

fn typed(value: &Value, shape: Option<TensorShapeProto>) -> ValueInfoProto {
    let tensor_type = Some(TensorType { elem_type: Some(dtype_code(value.dtype)), shape });
    ValueInfoProto { name: Some(value.name.clone()), r#type: Some(TypeProto { tensor_type }) }
}

fn tensor(graph: &Graph, value: &Value, data: Option<&ConstData>) -> Result<TensorProto, OnnxError> {
    let error = |why: String| OnnxError::Tensor { file: graph.name().to_owned(), tensor: value.name.clone(), why };
    let shape = value.shape.as_deref().unwrap_or_default();
    let dims: Option<Vec<i64>> = shape.iter().map(|&d| i64::try_from(d).ok()).collect();
    let dims = dims.ok_or_else(|| error(format!("its shape {shape:?} does not fit into ONNX")))?;
    let raw_data = match data {
        None => None,
        Some(data) if value.elements() == Some(data.len() as u64) => Some(
            raw(data, value.dtype).ok_or_else(|| error(format!("data of type {} cannot be written", value.dtype)))?,
        ),
        Some(data) => return Err(error(format!("its shape is {shape:?}, its data has {} element(s)", data.len()))),
    };
    Ok(TensorProto {
        dims,
        data_type: Some(dtype_code(value.dtype)),
        name: Some(value.name.clone()),
        raw_data,
        ..TensorProto::default()
    })
}

fn raw(data: &ConstData, dtype: DType) -> Option<Bytes> {
    let mut bytes = Vec::with_capacity(data.len() * 8);
    match data {
        ConstData::Ints(v) => {
            let width = match dtype {
                DType::I64 | DType::U64 => 8,
                DType::I32 | DType::U32 => 4,
                DType::I16 | DType::U16 => 2,
                DType::I8 | DType::U8 | DType::Bool => 1,
                _ => return None,
            };
            // Little-endian two's complement: narrower types are the low bytes.
            v.iter().for_each(|x| bytes.extend_from_slice(&x.to_le_bytes()[..width]));
        }
        ConstData::Floats(v) => match dtype {
            DType::F32 => v.iter().for_each(|x| bytes.extend_from_slice(&(*x as f32).to_le_bytes())),
            DType::F64 => v.iter().for_each(|x| bytes.extend_from_slice(&x.to_le_bytes())),
            DType::BF16 => v.iter().for_each(|x| bytes.extend_from_slice(&(*x as f32).to_le_bytes()[2..])),
            DType::F16 => v.iter().for_each(|x| bytes.extend_from_slice(&half(*x as f32).to_le_bytes())),
            _ => return None,
        },
    }
    Some(Bytes::from(bytes))
}

/// IEEE half precision, truncating; constants that came from halves are exact.
fn half(x: f32) -> u16 {
    let bits = x.to_bits();
    let sign = (bits >> 16 & 0x8000) as u16;
    let (exponent, mantissa) = ((bits >> 23 & 0xff) as i32 - 127, bits & 0x7f_ffff);
    match exponent {
        128 => sign | 0x7c00 | if mantissa == 0 { 0 } else { 0x200 },
        16.. => sign | 0x7c00,
        -14..=15 => sign | (((exponent + 15) as u16) << 10) | (mantissa >> 13) as u16,
        // Subnormal halves count in units of 2^-24.
        -24..=-15 => sign | ((mantissa | 0x80_0000) >> (-exponent - 1)) as u16,
        _ => sign,
    }
}
