//! Every entry point that can fail with every argument that must not work: a code, a message, and nothing written.

use std::ffi::c_void;
use std::ptr::{null, null_mut};

use ledg::*;

const POISON: usize = 0x5ee5;

fn str(text: &str) -> ledg_str {
    ledg_str { data: text.as_ptr().cast(), len: text.len() }
}

/// Runs a call, which must fail with that code and a message.
#[track_caller]
fn fails(expected: i32, call: impl FnOnce(*mut *mut ledg_error) -> ledg_status) {
    let mut error = null_mut();
    let status = call(&mut error);
    assert_eq!(status, expected);
    assert!(!error.is_null(), "no error for {expected}");
    // SAFETY: the call stored an error, which is freed once.
    unsafe {
        assert_eq!(ledg_error_code(error), expected);
        assert!(ledg_error_message(error).len > 0);
        ledg_error_free(error);
    }
}

struct World {
    model: *mut ledg_model,
    registry: *mut ledg_registry,
    hw: *mut ledg_hw,
    graph: *mut ledg_graph,
    records: *mut ledg_records,
    builder: *mut ledg_builder,
    session: *mut ledg_session,
}

const GRAPH: &str = r#"{"ledg_graph":1,"name":"t","values":[{"name":"x","dtype":"f32","shape":[2,8],"kind":"input"},
    {"name":"y","dtype":"f32","shape":[2,8],"kind":"activation"}],
    "nodes":[{"name":"r","op":"Relu","inputs":["x"],"outputs":["y"]}],"inputs":["x"],"outputs":["y"]}"#;

fn world() -> World {
    let mut w = World {
        model: null_mut(),
        registry: null_mut(),
        hw: null_mut(),
        graph: null_mut(),
        records: null_mut(),
        builder: null_mut(),
        session: null_mut(),
    };
    let (mut single, err) = (null_mut(), null_mut());
    // SAFETY: places are locals; handles are live.
    unsafe {
        assert_eq!(ledg_model_default(&mut w.model, err), 0);
        assert_eq!(ledg_registry_new(&mut w.registry, err), 0);
        assert_eq!(ledg_registry_get(w.registry, str("t4"), &mut w.hw, err), 0);
        assert_eq!(ledg_graph_from_json(str(GRAPH), null(), &mut w.graph, err), 0);
        assert_eq!(ledg_records_new(&mut w.records, err), 0);
        assert_eq!(ledg_builder_new(str("b"), null(), &mut w.builder, err), 0);
        assert_eq!(ledg_graph_with_batch(w.graph, 1, &mut single, err), 0);
        let hw = &raw const w.hw;
        assert_eq!(ledg_session_new(w.model, single, hw.cast(), 1, null(), 0, &mut w.session, err), 0);
        ledg_graph_free(single);
    }
    w
}

fn free(w: World) {
    // SAFETY: each is freed once.
    unsafe {
        ledg_model_free(w.model);
        ledg_registry_free(w.registry);
        ledg_hw_free(w.hw);
        ledg_graph_free(w.graph);
        ledg_records_free(w.records);
        ledg_builder_free(w.builder);
        ledg_session_free(w.session);
    }
}

/// A place for a handle that must stay as it is.
macro_rules! untouched {
    ($expected:expr, |$out:ident, $err:ident| $call:expr) => {{
        let mut place = std::ptr::without_provenance_mut(POISON);
        fails($expected, |$err| {
            let $out = &raw mut place;
            // SAFETY: arguments are NULL, live, or what the table says.
            unsafe { $call }
        });
        assert_eq!(place.addr(), POISON, "written by a call that failed");
    }};
}

#[test]
fn null_is_told() {
    let w = world();
    let s = str("x");
    untouched!(LEDG_E_NULL, |out, e| ledg_registry_get(null(), s, out, e));
    untouched!(LEDG_E_NULL, |out, e| ledg_model_with_plugins(null(), w.registry, out, e));
    untouched!(LEDG_E_NULL, |out, e| ledg_model_with_plugins(w.model, null(), out, e));
    untouched!(LEDG_E_NULL, |out, e| ledg_model_calibrate(null(), w.records, out, e));
    untouched!(LEDG_E_NULL, |out, e| ledg_model_calibrate(w.model, null(), out, e));
    untouched!(LEDG_E_NULL, |out, e| ledg_model_load_bytes(null(), 8, out, e));
    untouched!(LEDG_E_NULL, |out, e| ledg_graph_from_onnx(s, null(), 8, null(), out, e));
    untouched!(LEDG_E_NULL, |out, e| ledg_graph_to_json(null(), out, e));
    untouched!(LEDG_E_NULL, |out, e| ledg_graph_with_batch(null(), 1, out, e));
    untouched!(LEDG_E_NULL, |out, e| ledg_explain(null(), w.graph, 0, out, e));
    untouched!(LEDG_E_NULL, |out, e| ledg_explain(w.model, null(), 0, out, e));
    untouched!(LEDG_E_NULL, |out, e| ledg_builder_finish(null(), out, e));
    let hw = (&raw const w.hw).cast();
    untouched!(LEDG_E_NULL, |out, e| ledg_session_new(null(), w.graph, hw, 1, null(), 0, out, e));
    untouched!(LEDG_E_NULL, |out, e| ledg_session_new(w.model, null(), hw, 1, null(), 0, out, e));
    untouched!(LEDG_E_NULL, |out, e| ledg_session_new(w.model, w.graph, null(), 1, null(), 0, out, e));
    untouched!(LEDG_E_NULL, |out, e| ledg_session_new(w.model, w.graph, [null()].as_ptr(), 1, null(), 0, out, e));
    untouched!(LEDG_E_NULL, |out, e| ledg_session_new(w.model, w.graph, hw, 1, null(), 1, out, e));
    untouched!(LEDG_E_NULL, |out, e| ledg_session_graph(null(), out, e));
    untouched!(LEDG_E_NULL, |out, e| ledg_predict_nodes(null(), w.graph, w.hw, 1, null(), out, e));
    untouched!(LEDG_E_NULL, |out, e| ledg_predict_nodes(w.model, null(), w.hw, 1, null(), out, e));
    untouched!(LEDG_E_NULL, |out, e| ledg_predict_nodes(w.model, w.graph, null(), 1, null(), out, e));
    let (mut id, mut x) = (9u32, 0f64);
    // SAFETY: arguments are NULL, live, or what the table says.
    unsafe {
        fails(LEDG_E_NULL, |e| ledg_model_default(null_mut(), e));
        fails(LEDG_E_NULL, |e| ledg_model_load(s, null_mut(), e));
        fails(LEDG_E_NULL, |e| ledg_model_save(null(), s, e));
        fails(LEDG_E_NULL, |e| ledg_model_get_info(w.model, null_mut(), e));
        fails(LEDG_E_NULL, |e| ledg_registry_new(null_mut(), e));
        fails(LEDG_E_NULL, |e| ledg_registry_add_dir(null_mut(), s, e));
        fails(LEDG_E_NULL, |e| ledg_registry_add_found(null_mut(), e));
        fails(LEDG_E_NULL, |e| ledg_registry_add_toml(null_mut(), s, s, e));
        fails(LEDG_E_NULL, |e| ledg_registry_add_templates(null_mut(), s, s, e));
        fails(LEDG_E_NULL, |e| ledg_registry_get(w.registry, s, null_mut(), e));
        fails(LEDG_E_NULL, |e| ledg_registry_get(w.registry, ledg_str { data: null(), len: 3 }, &mut null_mut(), e));
        fails(LEDG_E_NULL, |e| ledg_hw_from_toml(null(), s, s, null_mut(), e));
        fails(LEDG_E_NULL, |e| ledg_graph_from_onnx_file(s, null(), null_mut(), e));
        fails(LEDG_E_NULL, |e| ledg_graph_from_json(s, null(), null_mut(), e));
        fails(LEDG_E_NULL, |e| ledg_graph_hash(w.graph, null_mut(), e));
        fails(LEDG_E_NULL, |e| ledg_graph_hash(null(), [0u8; 32].as_mut_ptr(), e));
        fails(LEDG_E_NULL, |e| ledg_graph_coverage(null(), w.graph, null_mut(), null_mut(), e));
        fails(LEDG_E_NULL, |e| ledg_builder_new(s, null(), null_mut(), e));
        fails(LEDG_E_NULL, |e| ledg_builder_input(null_mut(), s, LEDG_F32, null(), 0, &mut id, e));
        fails(LEDG_E_NULL, |e| ledg_builder_input(w.builder, s, LEDG_F32, null(), 2, &mut id, e));
        fails(LEDG_E_NULL, |e| ledg_builder_weight(w.builder, s, LEDG_F32, null(), 0, null_mut(), e));
        fails(LEDG_E_NULL, |e| ledg_builder_op(w.builder, null(), &mut id, e));
        fails(LEDG_E_NULL, |e| ledg_builder_output(null_mut(), 0, e));
        fails(LEDG_E_NULL, |e| ledg_records_new(null_mut(), e));
        fails(LEDG_E_NULL, |e| ledg_records_push(null_mut(), w.graph, w.hw, 1, &x, 1, e));
        fails(LEDG_E_NULL, |e| ledg_records_push(w.records, null(), w.hw, 1, &x, 1, e));
        fails(LEDG_E_NULL, |e| ledg_records_push(w.records, w.graph, null(), 1, &x, 1, e));
        fails(LEDG_E_NULL, |e| ledg_records_push(w.records, w.graph, w.hw, 1, null(), 1, e));
        fails(LEDG_E_NULL, |e| ledg_records_push_failed(w.records, null(), w.hw, 1, s, e));
        fails(LEDG_E_NULL, |e| ledg_records_load(s, null(), null_mut(), e));
        fails(LEDG_E_NULL, |e| ledg_records_save(null(), s, e));
        fails(LEDG_E_NULL, |e| ledg_cancel_new(null_mut(), e));
        fails(LEDG_E_NULL, |e| ledg_session_new(w.model, w.graph, hw, 1, null(), 0, null_mut(), e));
        fails(LEDG_E_NULL, |e| ledg_session_graph(w.session, null_mut(), e));
        fails(LEDG_E_NULL, |e| ledg_session_apply(null_mut(), &ledg_candidate { edits: null(), n_edits: 0 }, e));
        fails(LEDG_E_NULL, |e| ledg_session_apply(w.session, null(), e));
        fails(LEDG_E_NULL, |e| ledg_session_apply(w.session, &ledg_candidate { edits: null(), n_edits: 1 }, e));
        fails(LEDG_E_NULL, |e| ledg_session_predict(null_mut(), null(), 0, null(), null(), e));
        fails(LEDG_E_NULL, |e| ledg_session_predict(w.session, null(), 0, null(), null(), e));
        fails(LEDG_E_NULL, |e| ledg_node_costs_columns(null(), null(), e));
        fails(LEDG_E_NULL, |e| ledg_predict(w.model, null(), null(), null(), e));
        fails(LEDG_E_NULL, |e| ledg_rank_scores(w.model, null(), null(), &mut x, null_mut(), 1, e));
        assert_eq!((id, ledg_records_count(w.records)), (9, 0));
        // What cannot fail answers with nothing.
        assert_eq!(ledg_registry_count(null()) + ledg_graph_node_count(null()) + ledg_node_costs_count(null()), 0);
        assert_eq!(ledg_error_message(null()).len + ledg_hw_name(null()).len + ledg_graph_name(null()).len, 0);
        // No error wanted.
        assert_eq!(ledg_model_default(null_mut(), null_mut()), LEDG_E_NULL);
    }
    free(w);
}

#[test]
fn malformed_text_is_told() {
    let w = world();
    let bytes = [b'a', 0xff, 0xfe];
    let bad = ledg_str { data: bytes.as_ptr().cast(), len: 3 };
    let huge = ledg_str { data: bytes.as_ptr().cast(), len: usize::MAX };
    let mut id = 9u32;
    for (text, code) in [(bad, LEDG_E_UTF8), (huge, LEDG_E_LIMIT)] {
        untouched!(code, |out, e| ledg_registry_get(w.registry, text, out, e));
        untouched!(code, |out, e| ledg_hw_from_toml(null(), text, str(""), out, e));
        untouched!(code, |out, e| ledg_model_load(text, out, e));
        untouched!(code, |out, e| ledg_graph_from_json(text, null(), out, e));
        untouched!(code, |out, e| ledg_graph_from_onnx_file(text, null(), out, e));
        untouched!(code, |out, e| ledg_graph_from_onnx(text, bytes.as_ptr(), 3, null(), out, e));
        untouched!(code, |out, e| ledg_builder_new(text, null(), out, e));
        untouched!(code, |out, e| ledg_records_load(text, null(), out, e));
        // SAFETY: live handles; the texts are refused before they are read beyond what they have.
        unsafe {
            fails(code, |e| ledg_registry_add_dir(w.registry, text, e));
            fails(code, |e| ledg_registry_add_toml(w.registry, str("o"), text, e));
            fails(code, |e| ledg_registry_add_templates(w.registry, text, str(""), e));
            fails(code, |e| ledg_model_save(w.model, text, e));
            fails(code, |e| ledg_records_save(w.records, text, e));
            fails(code, |e| ledg_records_push_failed(w.records, w.graph, w.hw, 1, text, e));
            fails(code, |e| ledg_builder_input(w.builder, text, LEDG_F32, null(), 0, &mut id, e));
        }
    }
    assert_eq!(id, 9);
    free(w);
}

fn batch(w: &World) -> ledg_batch {
    ledg_batch {
        struct_size: size_of::<ledg_batch>(),
        n: 1,
        graphs: (&raw const w.graph).cast(),
        n_graphs: 1,
        hw: (&raw const w.hw).cast(),
        n_hw: 1,
        batch_sizes: null(),
        n_batch_sizes: 0,
    }
}

fn opts() -> ledg_predict_opts {
    ledg_predict_opts {
        struct_size: size_of::<ledg_predict_opts>(),
        coverage: 0.0,
        threads: 0,
        flags: 0,
        cancel: null(),
    }
}

/// Predicts with these arguments, which must fail and leave the columns alone.
#[track_caller]
fn predict_fails(w: &World, expected: i32, batch: &ledg_batch, opts: &ledg_predict_opts, size: usize, len: usize) {
    let (mut latency_s, mut status) = ([7.0; 4], [7; 4]);
    let columns = ledg_columns {
        struct_size: size,
        len,
        latency_s: latency_s.as_mut_ptr(),
        lo_s: null_mut(),
        hi_s: null_mut(),
        known: null_mut(),
        spread: null_mut(),
        evidence: null_mut(),
        status: status.as_mut_ptr(),
    };
    // SAFETY: live handles; what is wrong is refused before it is used.
    fails(expected, |e| unsafe { ledg_predict(w.model, batch, opts, &columns, e) });
    assert_eq!((latency_s, status), ([7.0; 4], [7; 4]));
    let mut scores = [7.0; 4];
    if size == size_of::<ledg_columns>() && len == 4 {
        // SAFETY: as above.
        fails(expected, |e| unsafe { ledg_rank_scores(w.model, batch, opts, scores.as_mut_ptr(), null_mut(), 4, e) });
    }
    assert_eq!(scores, [7.0; 4]);
}

#[test]
fn batches_that_make_no_sense_are_told() {
    let w = world();
    let whole = size_of::<ledg_columns>();
    let good = batch(&w);
    let with = |change: fn(&mut ledg_batch)| {
        let mut b = batch(&w);
        change(&mut b);
        b
    };
    predict_fails(&w, LEDG_E_LIMIT, &with(|b| b.n = usize::MAX), &opts(), whole, 4);
    predict_fails(&w, LEDG_E_INVALID, &with(|b| b.n_graphs = 3), &opts(), whole, 4);
    predict_fails(&w, LEDG_E_INVALID, &with(|b| b.n_graphs = 0), &opts(), whole, 4);
    predict_fails(&w, LEDG_E_INVALID, &with(|b| b.n_hw = usize::MAX), &opts(), whole, 4);
    predict_fails(&w, LEDG_E_INVALID, &with(|b| b.n_batch_sizes = 2), &opts(), whole, 4);
    predict_fails(&w, LEDG_E_NULL, &with(|b| b.n_batch_sizes = 1), &opts(), whole, 4);
    predict_fails(&w, LEDG_E_NULL, &with(|b| b.graphs = null()), &opts(), whole, 4);
    let none: *const ledg_graph = null();
    let mut b = good;
    b.graphs = &raw const none;
    predict_fails(&w, LEDG_E_NULL, &b, &opts(), whole, 4);
    predict_fails(&w, LEDG_E_INVALID, &good, &opts(), whole, 0);
    for size in [0, 1, whole - 1, whole + 1, whole + 8, 1 << 20, usize::MAX] {
        // One byte or eight more: what lies behind is not zero or not there; only refused sizes are given here.
        if size < whole || size > 1 << 16 {
            predict_fails(&w, LEDG_E_STRUCT_SIZE, &good, &opts(), size, 4);
            predict_fails(
                &w,
                LEDG_E_STRUCT_SIZE,
                &ledg_batch { struct_size: size.min(whole - 9), ..good },
                &opts(),
                whole,
                4,
            );
            predict_fails(
                &w,
                LEDG_E_STRUCT_SIZE,
                &good,
                &ledg_predict_opts { struct_size: size.min(31), ..opts() },
                whole,
                4,
            );
        }
    }
    for coverage in [f64::NAN, f64::INFINITY, -0.5, 1.0, 2.0, -f64::MIN_POSITIVE] {
        predict_fails(&w, LEDG_E_INTERVAL, &good, &ledg_predict_opts { coverage, ..opts() }, whole, 4);
    }
    predict_fails(&w, LEDG_E_LIMIT, &good, &ledg_predict_opts { threads: u32::MAX, ..opts() }, whole, 4);
    predict_fails(&w, LEDG_E_INVALID, &good, &ledg_predict_opts { flags: 2, ..opts() }, whole, 4);
    free(w);
}

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
    untouched!(LEDG_E_LIMIT, |out, e| ledg_graph_from_json(str(GRAPH), &graph_opts(|o| o.max_bytes = 5), out, e));
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

/// An edit of a kind, all else zero.
fn edit(kind: i32) -> ledg_edit {
    // SAFETY: plain data.
    let mut edit: ledg_edit = unsafe { std::mem::zeroed() };
    edit.kind = kind;
    edit
}

#[test]
fn sessions_check_candidates_and_columns() {
    let w = world();
    let bytes = [0xffu8, 0xfe];
    let bad = ledg_str { data: bytes.as_ptr().cast(), len: 2 };
    let huge = ledg_str { data: bytes.as_ptr().cast(), len: usize::MAX };
    let no_text = ledg_str { data: null(), len: 5 };
    let (node, dims, nan) = (str("r"), [1u64, 8], [f64::NAN]);
    let attr = |change: fn(&mut ledg_attr)| {
        // SAFETY: plain data.
        let mut attr: ledg_attr = unsafe { std::mem::zeroed() };
        (attr.name, attr.kind, attr.len) = (str("axis"), LEDG_ATTR_FLOAT, 1);
        change(&mut attr);
        attr
    };
    let with = |kind: i32, change: &dyn Fn(&mut ledg_edit)| {
        let mut edit = edit(kind);
        (edit.node, edit.value, edit.op, edit.dtype) = (node, str("y2"), str("Relu"), LEDG_F32);
        (edit.dims, edit.rank) = (dims.as_ptr(), 2);
        change(&mut edit);
        edit
    };
    let mut not_finite = attr(|_| ());
    not_finite.floats = nan.as_ptr();
    let reserved = attr(|a| a.reserved = 1);
    let table: Vec<(i32, ledg_edit)> = vec![
        (LEDG_E_INVALID, with(0, &|_| ())),
        (LEDG_E_INVALID, with(99, &|_| ())),
        (LEDG_E_INVALID, with(LEDG_EDIT_REMOVE, &|e| e.reserved = 1)),
        (LEDG_E_INVALID, with(LEDG_EDIT_REMOVE, &|e| e.node = str(""))),
        (LEDG_E_UTF8, with(LEDG_EDIT_REMOVE, &|e| e.node = bad)),
        (LEDG_E_LIMIT, with(LEDG_EDIT_REMOVE, &|e| e.node = huge)),
        (LEDG_E_NULL, with(LEDG_EDIT_REMOVE, &|e| e.node = no_text)),
        (LEDG_E_NULL, with(LEDG_EDIT_SHAPE, &|e| e.dims = null())),
        (LEDG_E_LIMIT, with(LEDG_EDIT_SHAPE, &|e| e.rank = usize::MAX)),
        (LEDG_E_UTF8, with(LEDG_EDIT_SHAPE, &|e| e.value = bad)),
        (LEDG_E_INVALID, with(LEDG_EDIT_ATTRIBUTE, &|_| ())),
        (LEDG_E_LIMIT, with(LEDG_EDIT_ATTRIBUTE, &|e| (e.attrs, e.n_attrs) = (&not_finite, usize::MAX))),
        (LEDG_E_INVALID, with(LEDG_EDIT_ATTRIBUTE, &|e| (e.attrs, e.n_attrs) = (&not_finite, 1))),
        (LEDG_E_INVALID, with(LEDG_EDIT_ATTRIBUTE, &|e| (e.attrs, e.n_attrs) = (&reserved, 1))),
        (LEDG_E_INVALID, with(LEDG_EDIT_REPLACE, &|e| e.op = str(""))),
        (LEDG_E_UTF8, with(LEDG_EDIT_REPLACE, &|e| e.domain = bad)),
        (LEDG_E_NULL, with(LEDG_EDIT_REPLACE, &|e| e.n_inputs = 1)),
        (LEDG_E_UTF8, with(LEDG_EDIT_INSERT, &|e| (e.inputs, e.n_inputs) = (&bad, 1))),
        (LEDG_E_LIMIT, with(LEDG_EDIT_INSERT, &|e| (e.inputs, e.n_inputs) = (&bad, usize::MAX))),
        (LEDG_E_INVALID, with(LEDG_EDIT_INSERT, &|e| e.dtype = 999)),
        (LEDG_E_UTF8, with(LEDG_EDIT_INSERT, &|e| e.replaces = bad)),
        // What makes no sense in this graph.
        (LEDG_E_EDIT, with(LEDG_EDIT_REMOVE, &|e| e.node = str("nobody"))),
        (LEDG_E_EDIT, with(LEDG_EDIT_SHAPE, &|_| ())),
        (LEDG_E_EDIT, with(LEDG_EDIT_INSERT, &|_| ())),
        (LEDG_E_GRAPH, with(LEDG_EDIT_REMOVE, &|_| ())),
    ];
    let (mut latency_s, mut status) = ([7.0; 4], [7; 4]);
    let columns = ledg_columns {
        struct_size: size_of::<ledg_columns>(),
        len: 4,
        latency_s: latency_s.as_mut_ptr(),
        lo_s: null_mut(),
        hi_s: null_mut(),
        known: null_mut(),
        spread: null_mut(),
        evidence: null_mut(),
        status: status.as_mut_ptr(),
    };
    let none = ledg_candidate { edits: null(), n_edits: 0 };
    // SAFETY: live handles; what is wrong is refused before it is used.
    unsafe {
        for (code, edit) in &table {
            let candidate = ledg_candidate { edits: edit, n_edits: 1 };
            fails(*code, |e| ledg_session_apply(w.session, &candidate, e));
            if [LEDG_E_EDIT, LEDG_E_GRAPH].contains(code) {
                // Sense is the row's own affair: the others are answered.
                let both = [candidate, none];
                assert_eq!(ledg_session_predict(w.session, both.as_ptr(), 2, null(), &columns, null_mut()), 0);
                assert!(status[0] == *code && latency_s[0].is_nan() && status[1] == 0 && latency_s[1] > 0.0);
                (*columns.latency_s, *columns.latency_s.add(1)) = (7.0, 7.0);
                (*columns.status, *columns.status.add(1)) = (7, 7);
                continue;
            }
            fails(*code, |e| ledg_session_predict(w.session, &candidate, 1, null(), &columns, e));
        }
        let fails_whole = |code: i32, n: usize, opts: &ledg_predict_opts, columns: &ledg_columns| {
            fails(code, |e| ledg_session_predict(w.session, &none, n, opts, columns, e));
        };
        fails_whole(LEDG_E_LIMIT, usize::MAX, &opts(), &columns);
        fails_whole(LEDG_E_INVALID, 1, &ledg_predict_opts { threads: 2, ..opts() }, &columns);
        fails_whole(LEDG_E_INVALID, 1, &ledg_predict_opts { flags: 2, ..opts() }, &columns);
        fails_whole(LEDG_E_INTERVAL, 1, &ledg_predict_opts { coverage: f64::NAN, ..opts() }, &columns);
        fails_whole(LEDG_E_STRUCT_SIZE, 1, &ledg_predict_opts { struct_size: 8, ..opts() }, &columns);
        fails_whole(LEDG_E_STRUCT_SIZE, 1, &opts(), &ledg_columns { struct_size: 8, ..columns });
        fails_whole(LEDG_E_INVALID, 1, &opts(), &ledg_columns { len: 0, ..columns });
        let misaligned = columns.latency_s.cast::<u8>().add(1).cast();
        fails_whole(LEDG_E_INVALID, 1, &opts(), &ledg_columns { latency_s: misaligned, ..columns });
        let many = ledg_candidate { edits: table.as_ptr().cast(), n_edits: usize::MAX };
        fails(LEDG_E_LIMIT, |e| ledg_session_predict(w.session, &many, 1, null(), &columns, e));
        let mut cancel = null_mut();
        assert_eq!(ledg_cancel_new(&mut cancel, null_mut()), 0);
        ledg_cancel_request(cancel);
        fails_whole(LEDG_E_CANCELLED, 1, &ledg_predict_opts { cancel, ..opts() }, &columns);
        ledg_cancel_free(cancel);
    }
    assert_eq!((latency_s, status), ([7.0; 4], [7; 4]));
    let (hw, sizes) = ((&raw const w.hw).cast(), [0u64, 1, 2]);
    // The graph of this table has batch 2.
    untouched!(LEDG_E_GRAPH, |out, e| ledg_session_new(w.model, w.graph, hw, 1, null(), 0, out, e));
    untouched!(LEDG_E_INVALID, |out, e| ledg_session_new(w.model, w.graph, hw, 0, null(), 0, out, e));
    untouched!(LEDG_E_LIMIT, |out, e| ledg_session_new(w.model, w.graph, hw, usize::MAX, null(), 0, out, e));
    untouched!(LEDG_E_INVALID, |out, e| ledg_session_new(w.model, w.graph, hw, 1, sizes.as_ptr(), 3, out, e));
    let mut single = null_mut();
    // SAFETY: live handles.
    unsafe { assert_eq!(ledg_graph_with_batch(w.graph, 1, &mut single, null_mut()), 0) };
    untouched!(LEDG_E_GRAPH, |out, e| ledg_session_new(w.model, single, hw, 1, sizes.as_ptr(), 1, out, e));
    // SAFETY: freed once.
    unsafe { ledg_graph_free(single) };
    free(w);
}
