//! Candidates, and columns of sessions.

use std::ptr::{null, null_mut};

use ledg::*;

use crate::batches::opts;
use crate::world::{fails, free, str, untouched, world};

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
