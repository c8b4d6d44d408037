//! Building a graph by calls.

use std::collections::HashSet;

use ledg_cost_model::graph::{Attr, Attrs, ConstData, DType, GraphBuilder, Limits, OpType, ValueId};

use crate::error::ledg_error;
use crate::graph::{ledg_graph, limits};
use crate::guard;
use crate::pointers::{
    bounded, check, free, growing, handle, handle_mut, list, make, sized, sized_or_default, slice, zero,
};
use crate::status::{Failure, LEDG_E_INVALID, LEDG_E_LIMIT, Result, fail, ledg_status};
use crate::text::{MAX_TEXT, ledg_str};

/// Element type: 32-bit float. Numbers are those of ONNX's `TensorProto.DataType`.
pub const LEDG_F32: i32 = 1;
/// Element type: 8-bit unsigned integer.
pub const LEDG_U8: i32 = 2;
/// Element type: 8-bit integer.
pub const LEDG_I8: i32 = 3;
/// Element type: 16-bit unsigned integer.
pub const LEDG_U16: i32 = 4;
/// Element type: 16-bit integer.
pub const LEDG_I16: i32 = 5;
/// Element type: 32-bit integer.
pub const LEDG_I32: i32 = 6;
/// Element type: 64-bit integer.
pub const LEDG_I64: i32 = 7;
/// Element type: string.
pub const LEDG_STRING: i32 = 8;
/// Element type: boolean.
pub const LEDG_BOOL: i32 = 9;
/// Element type: IEEE half.
pub const LEDG_F16: i32 = 10;
/// Element type: 64-bit float.
pub const LEDG_F64: i32 = 11;
/// Element type: 32-bit unsigned integer.
pub const LEDG_U32: i32 = 12;
/// Element type: 64-bit unsigned integer.
pub const LEDG_U64: i32 = 13;
/// Element type: pair of 32-bit floats.
pub const LEDG_COMPLEX64: i32 = 14;
/// Element type: pair of 64-bit floats.
pub const LEDG_COMPLEX128: i32 = 15;
/// Element type: bfloat16.
pub const LEDG_BF16: i32 = 16;
/// Element type: any 8-bit float.
pub const LEDG_F8: i32 = 17;
/// Element type: 4-bit unsigned integer.
pub const LEDG_U4: i32 = 21;
/// Element type: 4-bit integer.
pub const LEDG_I4: i32 = 22;

const DTYPES: [(i32, DType); 19] = [
    (LEDG_F32, DType::F32),
    (LEDG_U8, DType::U8),
    (LEDG_I8, DType::I8),
    (LEDG_U16, DType::U16),
    (LEDG_I16, DType::I16),
    (LEDG_I32, DType::I32),
    (LEDG_I64, DType::I64),
    (LEDG_STRING, DType::String),
    (LEDG_BOOL, DType::Bool),
    (LEDG_F16, DType::F16),
    (LEDG_F64, DType::F64),
    (LEDG_U32, DType::U32),
    (LEDG_U64, DType::U64),
    (LEDG_COMPLEX64, DType::Complex64),
    (LEDG_COMPLEX128, DType::Complex128),
    (LEDG_BF16, DType::BF16),
    (LEDG_F8, DType::F8),
    (LEDG_U4, DType::U4),
    (LEDG_I4, DType::I4),
];

/// An attribute of one integer; booleans are 0 and 1.
pub const LEDG_ATTR_INT: i32 = 1;
/// An attribute of one number.
pub const LEDG_ATTR_FLOAT: i32 = 2;
/// An attribute of one string.
pub const LEDG_ATTR_STR: i32 = 3;
/// An attribute of integers.
pub const LEDG_ATTR_INTS: i32 = 4;
/// An attribute of numbers.
pub const LEDG_ATTR_FLOATS: i32 = 5;
/// An attribute of strings.
pub const LEDG_ATTR_STRS: i32 = 6;

/// In a list of inputs: an optional input that is left out.
pub const LEDG_NO_VALUE: u32 = 0xFFFF_FFFF;

/// As a rank: the shape is not known.
pub const LEDG_RANK_UNKNOWN: usize = 0xFFFF_FFFF;

/// Most dimensions of a value, and attributes or inputs or outputs of a node.
pub(crate) const MAX_RANK: usize = 64;
pub(crate) const MAX_LIST: usize = 65_536;
/// Most elements of a constant or attribute.
const MAX_ELEMENTS: usize = 1 << 20;

/// A tensor that a node produces. This struct never changes.
#[allow(non_camel_case_types)]
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ledg_tensor {
    /// Name, unique in the graph.
    pub name: ledg_str,
    /// Sizes of its dimensions, outermost first.
    pub dims: *const u64,
    /// Number of dimensions; `LEDG_RANK_UNKNOWN` for a shape that is not known.
    pub rank: usize,
    /// Element type, such as `LEDG_F32`.
    pub dtype: i32,
    /// Zero.
    pub reserved: i32,
}

/// An attribute of a node. The one of `ints`, `floats` and `strs` that `kind` names holds `len` elements, one for the kinds of
/// one. This struct never changes.
#[allow(non_camel_case_types)]
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ledg_attr {
    /// Name, unique in the node.
    pub name: ledg_str,
    /// Elements of `LEDG_ATTR_INT` and `LEDG_ATTR_INTS`.
    pub ints: *const i64,
    /// Elements of `LEDG_ATTR_FLOAT` and `LEDG_ATTR_FLOATS`; finite.
    pub floats: *const f64,
    /// Elements of `LEDG_ATTR_STR` and `LEDG_ATTR_STRS`.
    pub strs: *const ledg_str,
    /// Number of elements.
    pub len: usize,
    /// `LEDG_ATTR_*`.
    pub kind: i32,
    /// Zero.
    pub reserved: i32,
}

/// A node. Set `struct_size`, zero what is not needed.
#[allow(non_camel_case_types)]
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ledg_op {
    /// `sizeof(ledg_op)`.
    pub struct_size: usize,
    /// Domain of the operator; empty for ONNX's own.
    pub domain: ledg_str,
    /// Operator, such as `Conv`.
    pub kind: ledg_str,
    /// Name of the node, unique in the graph.
    pub name: ledg_str,
    /// Values read, in the operator's order; `LEDG_NO_VALUE` for an optional one that is left out.
    pub inputs: *const u32,
    /// Number of inputs.
    pub n_inputs: usize,
    /// Values produced, in the operator's order.
    pub outputs: *const ledg_tensor,
    /// Number of outputs, at least 1.
    pub n_outputs: usize,
    /// Attributes.
    pub attrs: *const ledg_attr,
    /// Number of attributes.
    pub n_attrs: usize,
}
growing!(ledg_op, n_attrs);

/// Bounds on a graph that is built. Set `struct_size`, zero the rest; zero is the default of every field.
#[allow(non_camel_case_types)]
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ledg_builder_opts {
    /// `sizeof(ledg_builder_opts)`.
    pub struct_size: usize,
    /// Most nodes, up to 16,777,216; 0 means 50,000.
    pub max_nodes: u64,
    /// Most values, up to 16,777,216; 0 means 400,000.
    pub max_values: u64,
}
growing!(ledg_builder_opts, max_values);

/// A graph that is being built: values are declared, nodes read and produce them. For one thread at a time. A call that fails
/// leaves it as it was.
#[allow(non_camel_case_types)]
pub struct ledg_builder {
    builder: GraphBuilder,
    values: Vec<ValueId>,
    names: HashSet<String>,
    node_names: HashSet<String>,
    limits: Limits,
}

impl ledg_builder {
    fn new_value(&self, name: &str) -> Result<()> {
        if self.values.len() as u64 >= self.limits.max_values {
            return fail(LEDG_E_LIMIT, format!("there are {} values already, as many as the limit", self.values.len()));
        }
        if self.names.contains(name) {
            return fail(LEDG_E_INVALID, format!("the value name `{name}` is used twice"));
        }
        Ok(())
    }

    fn add(&mut self, name: &str, id: ValueId) -> u32 {
        self.names.insert(name.to_owned());
        self.values.push(id);
        (self.values.len() - 1) as u32
    }

    fn value(&self, id: u32, what: &str) -> Result<ValueId> {
        match self.values.get(id as usize) {
            Some(id) => Ok(*id),
            None => fail(LEDG_E_INVALID, format!("`{what}`: there is no value {id}, there are {}", self.values.len())),
        }
    }
}

/// The element type of a code.
pub(crate) fn dtype(code: i32, what: &str) -> Result<DType> {
    match DTYPES.iter().find(|(c, _)| *c == code) {
        Some((_, dtype)) => Ok(*dtype),
        None => fail(LEDG_E_INVALID, format!("`{what}`: {code} is no element type")),
    }
}

/// Makes a builder of a graph of that name. `opts` may be NULL. The caller owns `*out`; free it with `ledg_builder_free`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ledg_builder_new(
    graph_name: ledg_str,
    opts: *const ledg_builder_opts,
    out: *mut *mut ledg_builder,
    err: *mut *mut ledg_error,
) -> ledg_status {
    // SAFETY: the header's contract of structs and strings.
    unsafe {
        make(out, err, || {
            let opts = sized_or_default(opts, "opts")?;
            let limits = limits(opts.max_nodes, opts.max_values)?;
            let builder = GraphBuilder::new(graph_name.name("name")?).with_limits(limits);
            let (values, names) = (Vec::new(), HashSet::new());
            Ok(ledg_builder { builder, values, names, node_names: HashSet::new(), limits })
        })
    }
}

/// # Safety
/// The header's contract of handles, slices and strings.
unsafe fn declare(
    builder: *mut ledg_builder,
    value_name: ledg_str,
    dtype_code: i32,
    dims: *const u64,
    rank: usize,
    id: *mut u32,
    add: impl FnOnce(&mut GraphBuilder, &str, DType, &[u64]) -> Result<ValueId>,
) -> Result<()> {
    // SAFETY: the caller's promise is ours; `id` is checked.
    unsafe {
        let builder = handle_mut(builder, "builder")?;
        check(id, "id")?;
        let value_name = value_name.name("name")?;
        let dtype = dtype(dtype_code, "dtype")?;
        let dims = list(dims, rank, MAX_RANK, "dims")?;
        builder.new_value(value_name)?;
        let value = add(&mut builder.builder, value_name, dtype, dims)?;
        id.write(builder.add(value_name, value));
        Ok(())
    }
}

/// Declares an input of the graph and writes its number to `*id`. Dimension 0 is the batch's where all inputs agree on it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ledg_builder_input(
    builder: *mut ledg_builder,
    name: ledg_str,
    dtype: i32,
    dims: *const u64,
    rank: usize,
    id: *mut u32,
    err: *mut *mut ledg_error,
) -> ledg_status {
    // SAFETY: the header's contract of handles, slices and strings.
    unsafe {
        guard::call(err, || {
            declare(builder, name, dtype, dims, rank, id, |b, name, dtype, dims| Ok(b.input(name, dtype, dims)))
        })
    }
}

/// Declares a learned parameter and writes its number to `*id`. Its data is never needed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ledg_builder_weight(
    builder: *mut ledg_builder,
    name: ledg_str,
    dtype: i32,
    dims: *const u64,
    rank: usize,
    id: *mut u32,
    err: *mut *mut ledg_error,
) -> ledg_status {
    // SAFETY: the header's contract of handles, slices and strings.
    unsafe {
        guard::call(err, || {
            declare(builder, name, dtype, dims, rank, id, |b, name, dtype, dims| Ok(b.weight(name, dtype, dims)))
        })
    }
}

/// Declares a constant that is part of what the graph computes, such as a shape, an axis or a scalar, and writes its number to
/// `*id`. Its elements are `ints` or `floats`, at most one of them not NULL, `len` of them, which is the product of `dims` and
/// at most 1,048,576; with neither, only its shape is known and `len` is 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ledg_builder_const(
    builder: *mut ledg_builder,
    name: ledg_str,
    dtype: i32,
    dims: *const u64,
    rank: usize,
    ints: *const i64,
    floats: *const f64,
    len: usize,
    id: *mut u32,
    err: *mut *mut ledg_error,
) -> ledg_status {
    // SAFETY: the header's contract of handles, slices and strings.
    unsafe {
        guard::call(err, || {
            declare(builder, name, dtype, dims, rank, id, |b, name, dtype, dims| {
                bounded(len, MAX_ELEMENTS, "len")?;
                let data = match (ints.is_null(), floats.is_null()) {
                    (true, true) if len == 0 => None,
                    (false, true) => Some(ConstData::Ints(slice(ints, len, "ints")?.to_vec())),
                    (true, false) => Some(ConstData::Floats(slice(floats, len, "floats")?.to_vec())),
                    _ => {
                        return fail(
                            LEDG_E_INVALID,
                            "`ints` or `floats`: one of them must hold the elements, or none and `len` be 0",
                        );
                    }
                };
                let elements = dims.iter().try_fold(1u64, |n, &d| n.checked_mul(d));
                if data.is_some() && elements != Some(len as u64) {
                    return fail(LEDG_E_INVALID, format!("`len` is {len}, {dims:?} has another number of elements"));
                }
                Ok(b.constant(name, dtype, dims, data))
            })
        })
    }
}

/// Adds a node and writes the numbers of its outputs to `output_ids`, which has room for `op->n_outputs`. Nodes may be added
/// in any order as far as the values they read are declared.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ledg_builder_op(
    builder: *mut ledg_builder,
    op: *const ledg_op,
    output_ids: *mut u32,
    err: *mut *mut ledg_error,
) -> ledg_status {
    // SAFETY: the header's contract of handles, slices, structs and strings; `output_ids` is checked.
    unsafe {
        guard::call(err, || {
            let builder = handle_mut(builder, "builder")?;
            check(op, "op")?;
            check(output_ids, "output_ids")?;
            let op: ledg_op = sized(op, "op")?;
            let node = op.name.name("op.name")?;
            let kind = op.kind.name("op.kind")?;
            let domain = op.domain.name_or_empty("op.domain")?;
            if builder.node_names.contains(node) {
                return fail(LEDG_E_INVALID, format!("the node name `{node}` is used twice"));
            }
            if builder.builder.node_count() as u64 >= builder.limits.max_nodes {
                let n = builder.builder.node_count();
                return fail(LEDG_E_LIMIT, format!("there are {n} nodes already, as many as the limit"));
            }
            let input =
                |&id: &u32| if id == LEDG_NO_VALUE { Ok(None) } else { builder.value(id, "op.inputs").map(Some) };
            let inputs: Vec<_> =
                list(op.inputs, op.n_inputs, MAX_LIST, "op.inputs")?.iter().map(input).collect::<Result<_>>()?;
            let attrs = attributes(op.attrs, op.n_attrs, "op.attrs")?;
            let tensors = list(op.outputs, op.n_outputs, MAX_LIST, "op.outputs")?;
            if tensors.is_empty() {
                return fail(LEDG_E_INVALID, format!("node `{node}`: `op.n_outputs` is 0"));
            }
            if builder.values.len() + tensors.len() > builder.limits.max_values as usize {
                return fail(LEDG_E_LIMIT, format!("node `{node}`: its outputs are more values than the limit"));
            }
            let mut outputs = Vec::with_capacity(tensors.len());
            for tensor in tensors {
                outputs.push(output(builder, tensor, &outputs)?);
            }
            // Everything is sound: from here on nothing fails.
            let mut ids = Vec::with_capacity(outputs.len());
            for (i, (name, dtype, dims)) in outputs.into_iter().enumerate() {
                let id = builder.builder.activation(name, dtype, dims);
                output_ids.add(i).write(builder.add(name, id));
                ids.push(id);
            }
            builder.node_names.insert(node.to_owned());
            builder.builder.node(node, OpType::new(domain, kind), attrs, &inputs, &ids);
            Ok(())
        })
    }
}

type Output<'a> = (&'a str, DType, Option<&'a [u64]>);

/// # Safety
/// The header's contract of slices and strings.
unsafe fn output<'a>(builder: &ledg_builder, tensor: &ledg_tensor, before: &[Output]) -> Result<Output<'a>> {
    // SAFETY: the caller's promise is ours.
    unsafe {
        let name = tensor.name.name("op.outputs.name")?;
        builder.new_value(name)?;
        if before.iter().any(|(other, ..)| *other == name) {
            return fail(LEDG_E_INVALID, format!("the value name `{name}` is used twice"));
        }
        zero(tensor.reserved as u64, "op.outputs.reserved")?;
        let dims = match tensor.rank {
            LEDG_RANK_UNKNOWN => None,
            rank => Some(list(tensor.dims, rank, MAX_RANK, "op.outputs.dims")?),
        };
        Ok((name, dtype(tensor.dtype, "op.outputs.dtype")?, dims))
    }
}

/// Attributes from a list of them.
///
/// # Safety
/// The header's contract of slices and strings.
pub(crate) unsafe fn attributes(attrs: *const ledg_attr, n_attrs: usize, what: &str) -> Result<Attrs> {
    let mut read = Attrs::new();
    // SAFETY: the caller's promise is ours.
    for attr in unsafe { list(attrs, n_attrs, MAX_LIST, what)? } {
        // SAFETY: as above.
        let (name, value) = unsafe { attribute(attr, what)? };
        if read.get(name).is_some() {
            return fail(LEDG_E_INVALID, format!("`{what}`: the attribute `{name}` is there twice"));
        }
        read.insert(name, value);
    }
    Ok(read)
}

/// An attribute with its name; `what` names it in messages.
///
/// # Safety
/// The header's contract of slices and strings.
pub(crate) unsafe fn attribute<'a>(attr: &ledg_attr, what: &str) -> Result<(&'a str, Attr)> {
    // SAFETY: the caller's promise is ours.
    unsafe { attribute_value(attr).and_then(|value| Ok((attr.name.name("name")?, value))) }
        .map_err(|f| Failure { message: format!("in `{what}`: {}", f.message), ..f })
}

/// # Safety
/// The header's contract of slices and strings.
unsafe fn attribute_value(attr: &ledg_attr) -> Result<Attr> {
    zero(attr.reserved as u64, "reserved")?;
    if matches!(attr.kind, LEDG_ATTR_INT | LEDG_ATTR_FLOAT | LEDG_ATTR_STR) && attr.len != 1 {
        return fail(LEDG_E_INVALID, format!("`len` is {}, an attribute of that kind has one element", attr.len));
    }
    // SAFETY: the caller's promise is ours.
    unsafe {
        let ints = || list(attr.ints, attr.len, MAX_ELEMENTS, "ints");
        let floats = || {
            let floats = list(attr.floats, attr.len, MAX_ELEMENTS, "floats")?;
            match floats.iter().find(|x| !x.is_finite()) {
                Some(x) => fail(LEDG_E_INVALID, format!("`floats`: {x} is not finite")),
                None => Ok(floats.to_vec()),
            }
        };
        let strs = || {
            let strs = list(attr.strs, attr.len, MAX_ELEMENTS, "strs")?;
            strs.iter().map(|s| Ok(s.get("strs", MAX_TEXT)?.to_owned())).collect::<Result<Vec<String>>>()
        };
        Ok(match attr.kind {
            LEDG_ATTR_INT => Attr::Int(ints()?[0]),
            LEDG_ATTR_FLOAT => Attr::Float(floats()?[0]),
            LEDG_ATTR_STR => Attr::Str(strs()?.swap_remove(0)),
            LEDG_ATTR_INTS => Attr::Ints(ints()?.to_vec()),
            LEDG_ATTR_FLOATS => Attr::Floats(floats()?),
            LEDG_ATTR_STRS => Attr::Strs(strs()?),
            other => return fail(LEDG_E_INVALID, format!("`kind`: {other} is no LEDG_ATTR_*")),
        })
    }
}

/// Marks a value as an output of the graph.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ledg_builder_output(
    builder: *mut ledg_builder,
    id: u32,
    err: *mut *mut ledg_error,
) -> ledg_status {
    // SAFETY: the header's contract of handles.
    unsafe {
        guard::call(err, || {
            let builder = handle_mut(builder, "builder")?;
            let value = builder.value(id, "id")?;
            builder.builder.output(value);
            Ok(())
        })
    }
}

/// Checks what was built and gives it as a graph. The builder stays as it is, so that variants can be built on. The caller owns
/// `*out`; free it with `ledg_graph_free`.
///
/// A graph without an output is a fragment: all of its nodes count.
///
/// Errors: `LEDG_E_GRAPH` for a cycle, a value that nothing makes, and the like.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ledg_builder_finish(
    builder: *const ledg_builder,
    out: *mut *mut ledg_graph,
    err: *mut *mut ledg_error,
) -> ledg_status {
    // SAFETY: the header's contract of handles.
    unsafe {
        make(out, err, || {
            let builder = handle(builder, "builder")?;
            Ok(ledg_graph::new(builder.builder.clone().finish()?))
        })
    }
}

/// Frees a builder. NULL is fine. Graphs that it gave stay valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ledg_builder_free(builder: *mut ledg_builder) {
    // SAFETY: NULL or a builder that this library made and the caller frees once, by the contract of handles.
    unsafe { free(builder) }
}
