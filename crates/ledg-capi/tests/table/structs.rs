//! Fields of the structs that graphs, builders and records are made from.

use std::ffi::c_void;
use std::ptr::{null, null_mut};

use ledg::*;

use crate::world::{GRAPH, fails, free, str, untouched, world};

const ONNX: &[u8] = include_bytes!("../../../../tests/fixtures/resnet18.onnx");

#[test]
fn builder_records_and_options_check_their_numbers() {
    let w = world();
    let (mut id, s) = (9u32, str("v"));
    let dims = [2u64; 65];
    let graph_opts = |change: fn(&mut ledg_graph_opts)| {
        // SAFETY: plain data.
        let mut o: ledg_graph_opts = unsafe { std::mem::zeroed() };
        o.struct_size = size_of::<ledg_graph_opts>();
        change(&mut o);
        o
    };
    let options = [
        (LEDG_E_STRUCT_SIZE, graph_opts(|o| o.struct_size = 8)),
        (LEDG_E_INVALID, graph_opts(|o| o.reserved = 1)),
        (LEDG_E_INVALID, graph_opts(|o| o.unknown = 7)),
        (LEDG_E_LIMIT, graph_opts(|o| o.max_nodes = u64::MAX)),
        (LEDG_E_NULL, graph_opts(|o| o.n_symbols = 1)),
    ];
    for (code, o) in &options {
        untouched!(*code, |out, e| ledg_graph_from_onnx(s, [1u8].as_ptr(), 1, o, out, e));
    }
    for (code, o) in &options[..4] {
        untouched!(*code, |out, e| ledg_graph_from_json(str(GRAPH), o, out, e));
    }
    // Symbols: bad names, endless lists, sizes of 0, twice the same, none that a JSON graph could have.
    let bytes = [0xffu8, 0xfe];
    let names = [ledg_str { data: bytes.as_ptr().cast(), len: 2 }, str("n"), str("n")];
    let symbols = |at: usize, n: usize, sizes: &'static [u64]| {
        let mut o = graph_opts(|_| ());
        (o.symbols, o.symbol_sizes, o.n_symbols) = (&names[at], sizes.as_ptr(), n);
        o
    };
    let table = [
        (LEDG_E_UTF8, symbols(0, 1, &[1])),
        (LEDG_E_SYMBOL, symbols(1, 1, &[0])),
        (LEDG_E_SYMBOL, symbols(1, 2, &[1, 1])),
        (LEDG_E_LIMIT, symbols(1, usize::MAX, &[1])),
        (LEDG_E_LIMIT, symbols(1, 1 << 40, &[1])),
    ];
    for (code, o) in &table {
        untouched!(*code, |out, e| ledg_graph_from_onnx(s, [1u8].as_ptr(), 1, o, out, e));
        untouched!(LEDG_E_SYMBOL, |out, e| ledg_graph_from_json(str(GRAPH), o, out, e));
    }
    // Limits that the caller sets hold.
    untouched!(LEDG_E_LIMIT, |out, e| ledg_graph_from_json(str(GRAPH), &graph_opts(|o| o.max_bytes = 5), out, e));
    untouched!(LEDG_E_LIMIT, |out, e| ledg_graph_from_json(str(GRAPH), &graph_opts(|o| o.max_values = 1), out, e));
    untouched!(LEDG_E_LIMIT, |out, e| ledg_graph_from_onnx(
        s,
        ONNX.as_ptr(),
        ONNX.len(),
        &graph_opts(|o| o.max_nodes = 5),
        out,
        e
    ));
    untouched!(LEDG_E_LIMIT, |out, e| ledg_graph_from_onnx(
        s,
        ONNX.as_ptr(),
        ONNX.len(),
        &graph_opts(|o| o.max_bytes = 5),
        out,
        e
    ));
    untouched!(LEDG_E_LIMIT, |out, e| ledg_graph_from_onnx(s, dims.as_ptr().cast(), usize::MAX, null(), out, e));
    untouched!(LEDG_E_GRAPH, |out, e| ledg_graph_with_batch(w.graph, 0, out, e));
    untouched!(LEDG_E_GRAPH, |out, e| ledg_builder_finish(w.builder, out, e));
    untouched!(LEDG_E_INVALID, |out, e| ledg_explain(w.model, w.graph, 1 << 9, out, e));
    let runs = [1.0, f64::NAN];
    // SAFETY: live handles; what is wrong is refused before it is used.
    unsafe {
        fails(LEDG_E_INVALID, |e| ledg_builder_input(w.builder, s, 999, dims.as_ptr(), 2, &mut id, e));
        fails(LEDG_E_LIMIT, |e| ledg_builder_input(w.builder, s, LEDG_F32, dims.as_ptr(), 65, &mut id, e));
        fails(LEDG_E_LIMIT, |e| ledg_builder_input(w.builder, s, LEDG_F32, dims.as_ptr(), usize::MAX, &mut id, e));
        fails(LEDG_E_INVALID, |e| ledg_builder_input(w.builder, str(""), LEDG_F32, dims.as_ptr(), 2, &mut id, e));
        fails(LEDG_E_INVALID, |e| ledg_builder_output(w.builder, 5, e));
        let ints = [1i64; 3];
        fails(LEDG_E_INVALID, |e| {
            ledg_builder_const(w.builder, s, LEDG_I64, dims.as_ptr(), 2, ints.as_ptr(), null(), 3, &mut id, e)
        });
        fails(LEDG_E_LIMIT, |e| {
            ledg_builder_const(w.builder, s, LEDG_I64, dims.as_ptr(), 2, ints.as_ptr(), null(), usize::MAX, &mut id, e)
        });
        let mut op: ledg_op = std::mem::zeroed();
        fails(LEDG_E_STRUCT_SIZE, |e| ledg_builder_op(w.builder, &op, &mut id, e));
        op.struct_size = size_of::<ledg_op>();
        (op.kind, op.name) = (str("Relu"), s);
        fails(LEDG_E_INVALID, |e| ledg_builder_op(w.builder, &op, &mut id, e));
        op.n_outputs = usize::MAX;
        fails(LEDG_E_LIMIT, |e| ledg_builder_op(w.builder, &op, &mut id, e));
        assert_eq!(id, 9);
        fails(LEDG_E_RECORDS, |e| ledg_records_push(w.records, w.graph, w.hw, 1, runs.as_ptr(), 2, e));
        fails(LEDG_E_RECORDS, |e| ledg_records_push(w.records, w.graph, w.hw, 0, runs.as_ptr(), 1, e));
        fails(LEDG_E_RECORDS, |e| ledg_records_push(w.records, w.graph, w.hw, 1, runs.as_ptr(), 0, e));
        fails(LEDG_E_LIMIT, |e| ledg_records_push(w.records, w.graph, w.hw, 1, runs.as_ptr(), usize::MAX, e));
        let misaligned = (&raw const runs).cast::<u8>().add(1).cast();
        fails(LEDG_E_INVALID, |e| ledg_records_push(w.records, w.graph, w.hw, 1, misaligned, 1, e));
        assert_eq!(ledg_records_count(w.records), 0);
        ledg_set_log(None, null_mut::<c_void>(), 0);
    }
    free(w);
}

#[test]
fn nodes_check_their_fields() {
    let w = world();
    let (mut id, bytes, dims, input) = (9u32, [0xffu8, 0xfe], [2u64, 8], [0u32]);
    let bad = ledg_str { data: bytes.as_ptr().cast(), len: 2 };
    let tensor = ledg_tensor { name: str("y"), dims: dims.as_ptr(), rank: 2, dtype: LEDG_F32, reserved: 0 };
    let tensors = [
        (LEDG_E_UTF8, ledg_tensor { name: bad, ..tensor }),
        (LEDG_E_INVALID, ledg_tensor { name: str(""), ..tensor }),
        (LEDG_E_INVALID, ledg_tensor { name: str("x"), ..tensor }),
        (LEDG_E_NULL, ledg_tensor { dims: null(), ..tensor }),
        (LEDG_E_LIMIT, ledg_tensor { rank: 65, ..tensor }),
        (LEDG_E_LIMIT, ledg_tensor { rank: usize::MAX, ..tensor }),
        (LEDG_E_INVALID, ledg_tensor { dtype: 0, ..tensor }),
        (LEDG_E_INVALID, ledg_tensor { reserved: 1, ..tensor }),
    ];
    let (ints, floats, strs) = ([1i64, 2], [1.0, 2.0], [str("a"), bad]);
    let attr = ledg_attr {
        name: str("axis"),
        ints: ints.as_ptr(),
        floats: floats.as_ptr(),
        strs: strs.as_ptr(),
        len: 1,
        kind: LEDG_ATTR_INT,
        reserved: 0,
    };
    let (nan, infinite) = ([f64::NAN], [f64::NEG_INFINITY]);
    let attrs = [
        (LEDG_E_UTF8, ledg_attr { name: bad, ..attr }),
        (LEDG_E_INVALID, ledg_attr { name: str(""), ..attr }),
        (LEDG_E_NULL, ledg_attr { ints: null(), ..attr }),
        (LEDG_E_INVALID, ledg_attr { ints: attr.ints.wrapping_byte_add(1), ..attr }),
        (LEDG_E_INVALID, ledg_attr { len: 0, ..attr }),
        (LEDG_E_INVALID, ledg_attr { len: 2, ..attr }),
        (LEDG_E_LIMIT, ledg_attr { kind: LEDG_ATTR_INTS, len: usize::MAX, ..attr }),
        (LEDG_E_LIMIT, ledg_attr { kind: LEDG_ATTR_FLOATS, len: 1 << 40, ..attr }),
        (LEDG_E_INVALID, ledg_attr { kind: LEDG_ATTR_FLOAT, floats: nan.as_ptr(), ..attr }),
        (LEDG_E_INVALID, ledg_attr { kind: LEDG_ATTR_FLOATS, floats: infinite.as_ptr(), ..attr }),
        (LEDG_E_NULL, ledg_attr { kind: LEDG_ATTR_STRS, strs: null(), ..attr }),
        (LEDG_E_UTF8, ledg_attr { kind: LEDG_ATTR_STRS, len: 2, ..attr }),
        (LEDG_E_INVALID, ledg_attr { kind: 0, ..attr }),
        (LEDG_E_INVALID, ledg_attr { kind: 99, ..attr }),
        (LEDG_E_INVALID, ledg_attr { reserved: 1, ..attr }),
    ];
    // SAFETY: plain data.
    let mut op: ledg_op = unsafe { std::mem::zeroed() };
    op.struct_size = size_of::<ledg_op>();
    (op.kind, op.name) = (str("Relu"), str("r"));
    (op.inputs, op.n_inputs, op.outputs, op.n_outputs, op.attrs, op.n_attrs) =
        (input.as_ptr(), 1, &tensor, 1, &attr, 1);
    let (two, twice, strange) = ([tensor; 2], [attr; 2], [5u32]);
    let mut table = vec![
        (LEDG_E_UTF8, ledg_op { name: bad, ..op }),
        (LEDG_E_INVALID, ledg_op { name: str(""), ..op }),
        (LEDG_E_UTF8, ledg_op { kind: bad, ..op }),
        (LEDG_E_INVALID, ledg_op { kind: str(""), ..op }),
        (LEDG_E_UTF8, ledg_op { domain: bad, ..op }),
        (LEDG_E_LIMIT, ledg_op { domain: ledg_str { len: 1 << 20, ..bad }, ..op }),
        (LEDG_E_NULL, ledg_op { inputs: null(), ..op }),
        (LEDG_E_LIMIT, ledg_op { n_inputs: usize::MAX, ..op }),
        (LEDG_E_INVALID, ledg_op { inputs: strange.as_ptr(), ..op }),
        (LEDG_E_NULL, ledg_op { outputs: null(), ..op }),
        (LEDG_E_INVALID, ledg_op { n_outputs: 0, ..op }),
        (LEDG_E_LIMIT, ledg_op { n_outputs: 1 << 40, ..op }),
        (LEDG_E_INVALID, ledg_op { outputs: two.as_ptr(), n_outputs: 2, ..op }),
        (LEDG_E_NULL, ledg_op { attrs: null(), ..op }),
        (LEDG_E_LIMIT, ledg_op { n_attrs: usize::MAX, ..op }),
        (LEDG_E_INVALID, ledg_op { attrs: twice.as_ptr(), n_attrs: 2, ..op }),
    ];
    table.extend(tensors.iter().map(|(code, tensor)| (*code, ledg_op { outputs: tensor, ..op })));
    table.extend(attrs.iter().map(|(code, attr)| (*code, ledg_op { attrs: attr, ..op })));
    // SAFETY: live handles; what is wrong is refused before it is used.
    unsafe {
        assert_eq!(ledg_builder_input(w.builder, str("x"), LEDG_F32, dims.as_ptr(), 2, &mut id, null_mut()), 0);
        id = 9;
        for (i, (code, op)) in table.iter().enumerate() {
            let mut error = null_mut();
            let status = ledg_builder_op(w.builder, op, &mut id, &mut error);
            assert!(status == *code && !error.is_null() && id == 9, "row {i}: {status} in place of {code}");
            ledg_error_free(error);
        }
        fails(LEDG_E_INVALID, |e| {
            ledg_builder_const(w.builder, str("c"), LEDG_I64, dims.as_ptr(), 2, null(), null(), 16, &mut id, e)
        });
        // None of that stayed: the node and its names are still free, once.
        assert_eq!(ledg_builder_op(w.builder, &op, &mut id, null_mut()), 0);
        assert_eq!(id, 1);
        fails(LEDG_E_INVALID, |e| ledg_builder_op(w.builder, &op, &mut id, e));
    }
    free(w);
}

#[test]
fn builders_keep_their_limits() {
    let (mut builder, mut id, dims, input) = (null_mut(), 9u32, [2u64], [0u32]);
    // SAFETY: plain data.
    let (mut opts, mut op): (ledg_builder_opts, ledg_op) = unsafe { std::mem::zeroed() };
    (opts.struct_size, opts.max_nodes, opts.max_values) = (size_of::<ledg_builder_opts>(), 1, 3);
    let tensor = |name| ledg_tensor { name: str(name), dims: dims.as_ptr(), rank: 1, dtype: LEDG_F32, reserved: 0 };
    let (one, two) = (tensor("y"), [tensor("y"), tensor("z")]);
    op.struct_size = size_of::<ledg_op>();
    (op.kind, op.name, op.inputs, op.n_inputs) = (str("Relu"), str("r"), input.as_ptr(), 1);
    let beyond = ledg_builder_opts { max_nodes: u64::MAX, ..opts };
    untouched!(LEDG_E_LIMIT, |out, e| ledg_builder_new(str("b"), &beyond, out, e));
    // SAFETY: live handles and local places; the builder is freed once.
    unsafe {
        assert_eq!(ledg_builder_new(str("b"), &opts, &mut builder, null_mut()), 0);
        assert_eq!(ledg_builder_input(builder, str("x"), LEDG_F32, dims.as_ptr(), 1, &mut id, null_mut()), 0);
        assert_eq!(ledg_builder_weight(builder, str("w"), LEDG_F32, dims.as_ptr(), 1, &mut id, null_mut()), 0);
        (op.outputs, op.n_outputs) = (two.as_ptr(), 2);
        fails(LEDG_E_LIMIT, |e| ledg_builder_op(builder, &op, &mut id, e));
        (op.outputs, op.n_outputs) = (&one, 1);
        assert_eq!(ledg_builder_op(builder, &op, &mut id, null_mut()), 0);
        fails(LEDG_E_LIMIT, |e| ledg_builder_input(builder, str("v"), LEDG_F32, dims.as_ptr(), 1, &mut id, e));
        op.name = str("s");
        fails(LEDG_E_LIMIT, |e| ledg_builder_op(builder, &op, &mut id, e));
        ledg_builder_free(builder);
    }
}
