//! Calls: builders of graphs, edits of sessions.

use std::ptr::{null, null_mut};

use ledg::*;
use rand::RngCore;

use crate::{ONNX, fuzz, str, use_graph};

#[test]
fn builders() {
    let mut model = null_mut();
    // SAFETY: a local place.
    assert_eq!(unsafe { ledg_model_default(&mut model, null_mut()) }, LEDG_OK);
    fuzz("builder", |rng| {
        let mut builder = null_mut();
        let names: [&[u8]; 8] = [b"a", b"b", b"c", b"d", b"Conv", b"a\0b", b"\0", b"\xff"];
        let kinds: [&[u8]; 6] = [b"Conv", b"MatMul", b"Add", b"Reshape", b"Softmax", b"Nonsense"];
        let sizes = [0u64, 1, 2, 3, 64, 1 << 31, u64::MAX];
        // SAFETY: live handles, texts and places; what is made is freed once.
        unsafe {
            assert_eq!(ledg_builder_new(str(b"f"), null(), &mut builder, null_mut()), LEDG_OK);
            let mut worst = LEDG_OK;
            for step in 0..2 + rng.next_u32() % 12 {
                let mut pick = |n: usize| rng.next_u32() as usize % n;
                let dims: Vec<u64> = (0..pick(5)).map(|_| sizes[pick(sizes.len())]).collect();
                let name = format!("{}{step}", pick(30)).into_bytes();
                let name = if pick(4) == 0 { names[pick(8)].to_vec() } else { name };
                let (dtype, mut id) = (pick(24) as i32, 0);
                let status = match pick(6) {
                    0 => ledg_builder_input(builder, str(&name), dtype, dims.as_ptr(), dims.len(), &mut id, null_mut()),
                    1 => {
                        ledg_builder_weight(builder, str(&name), dtype, dims.as_ptr(), dims.len(), &mut id, null_mut())
                    }
                    2 => {
                        let ints = [i64::MIN, -1, 0, 1, i64::MAX, 2, 3, 4];
                        let n = pick(9);
                        ledg_builder_const(
                            builder,
                            str(&name),
                            LEDG_I64,
                            [n as u64].as_ptr(),
                            1,
                            ints.as_ptr(),
                            null(),
                            n,
                            &mut id,
                            null_mut(),
                        )
                    }
                    5 => ledg_builder_output(builder, pick(12) as u32, null_mut()),
                    _ => {
                        let inputs: Vec<u32> =
                            (0..pick(4)).map(|_| if pick(9) == 0 { LEDG_NO_VALUE } else { pick(8) as u32 }).collect();
                        let ints = [i64::MIN, 0, 1, 3];
                        let attr = ledg_attr {
                            name: str([b"pads".as_slice(), b"axis", b"group", b"perm"][pick(4)]),
                            ints: ints.as_ptr(),
                            floats: null(),
                            strs: null(),
                            len: pick(5),
                            kind: pick(7) as i32,
                            reserved: 0,
                        };
                        let output =
                            ledg_tensor { name: str(&name), dims: dims.as_ptr(), rank: dims.len(), dtype, reserved: 0 };
                        let op = ledg_op {
                            struct_size: size_of::<ledg_op>(),
                            domain: str(b""),
                            kind: str(kinds[pick(6)]),
                            name: str(&name),
                            inputs: inputs.as_ptr(),
                            n_inputs: inputs.len(),
                            outputs: &output,
                            n_outputs: 1,
                            attrs: &attr,
                            n_attrs: pick(2),
                        };
                        ledg_builder_op(builder, &op, &mut id, null_mut())
                    }
                };
                worst = worst.min(status);
            }
            let mut graph = null_mut();
            let status = ledg_builder_finish(builder, &mut graph, null_mut());
            ledg_builder_free(builder);
            if status != LEDG_OK {
                return status.min(worst);
            }
            let (mut share, mut unknown) = (0.0, 0);
            let status = ledg_graph_coverage(model, graph, &mut share, &mut unknown, null_mut());
            let mut text = null_mut();
            let explained = ledg_explain(model, graph, LEDG_EXPLAIN_MASKS, &mut text, null_mut());
            assert_eq!(explained == LEDG_OK, status == LEDG_OK, "{explained} and {status}");
            ledg_string_free(text);
            use_graph(graph);
            if worst == LEDG_E_PANIC { worst } else { status }
        }
    });
    // SAFETY: made above, freed once.
    unsafe { ledg_model_free(model) };
}

/// Edits that may make no sense, of a graph that they change more and more.
#[test]
fn sessions() {
    let (mut model, mut registry, mut hw, mut graph, mut single) =
        (null_mut(), null_mut(), null_mut(), null_mut(), null_mut());
    // SAFETY: live handles and local places.
    unsafe {
        assert_eq!(ledg_model_default(&mut model, null_mut()), LEDG_OK);
        assert_eq!(ledg_registry_new(&mut registry, null_mut()), LEDG_OK);
        assert_eq!(ledg_registry_get(registry, str(b"t4"), &mut hw, null_mut()), LEDG_OK);
        let made = ledg_graph_from_onnx(str(b"f"), ONNX.as_ptr(), ONNX.len(), null(), &mut graph, null_mut());
        assert_eq!(made, LEDG_OK);
        assert_eq!(ledg_graph_with_batch(graph, 1, &mut single, null_mut()), LEDG_OK);
        ledg_graph_free(graph);
    }
    let mut names: Vec<Vec<u8>> = [&b""[..], b"nobody", b"n1", b"v1", b"\xff"].map(<[u8]>::to_vec).to_vec();
    let json: serde_json::Value = {
        let mut text = null_mut();
        // SAFETY: a live graph; the text is copied and freed.
        unsafe {
            assert_eq!(ledg_graph_to_json(single, &mut text, null_mut()), LEDG_OK);
            let view = ledg_string_view(text);
            let json = serde_json::from_slice(std::slice::from_raw_parts(view.data.cast(), view.len)).unwrap();
            ledg_string_free(text);
            json
        }
    };
    for list in ["nodes", "values"] {
        let all = json[list].as_array().unwrap().iter();
        names.extend(all.map(|item| item["name"].as_str().unwrap().as_bytes().to_vec()));
    }
    let kinds: [&[u8]; 8] = [b"Conv", b"MatMul", b"Add", b"Relu", b"BatchNormalization", b"Identity", b"Nonsense", b""];
    let sizes = [0u64, 1, 1, 2, 64, 1 << 31, u64::MAX];
    let ints = [i64::MIN, 0, 1, 3];
    let mut session: *mut ledg_session = null_mut();
    let mut age = 0;
    fuzz("session", |rng| {
        let mut pick = |n: usize| rng.next_u32() as usize % n;
        // SAFETY: live handles, texts and places; what is made is freed once.
        unsafe {
            if session.is_null() || age > 60 {
                ledg_session_free(session);
                age = 0;
                let made =
                    ledg_session_new(model, single, (&raw const hw).cast(), 1, null(), 0, &mut session, null_mut());
                assert_eq!(made, LEDG_OK);
            }
            age += 1;
            let dims: Vec<u64> = (0..pick(6)).map(|_| sizes[pick(sizes.len())]).collect();
            let inputs: Vec<ledg_str> = (0..1 + pick(3)).map(|_| str(&names[pick(names.len())])).collect();
            let attr = ledg_attr {
                name: str([b"pads".as_slice(), b"axis", b"group", b"strides"][pick(4)]),
                ints: ints.as_ptr(),
                floats: null(),
                strs: null(),
                len: pick(5),
                kind: pick(7) as i32,
                reserved: 0,
            };
            let edits: Vec<ledg_edit> = (0..1 + pick(3))
                .map(|_| ledg_edit {
                    kind: pick(7) as i32,
                    dtype: pick(24) as i32,
                    node: str(&names[pick(names.len())]),
                    value: str(&names[pick(names.len())]),
                    replaces: str(&names[[0, pick(names.len())][pick(2)]]),
                    domain: str(b""),
                    op: str(kinds[pick(8)]),
                    attrs: &attr,
                    n_attrs: pick(2),
                    inputs: inputs.as_ptr(),
                    n_inputs: pick(1 + inputs.len()),
                    dims: dims.as_ptr(),
                    rank: dims.len(),
                    reserved: 0,
                })
                .collect();
            let candidate = ledg_candidate { edits: edits.as_ptr(), n_edits: edits.len() };
            let (mut latency_s, mut status) = (0.0, 0);
            let mut columns: ledg_columns = std::mem::zeroed();
            columns.struct_size = size_of::<ledg_columns>();
            (columns.len, columns.latency_s, columns.status) = (1, &mut latency_s, &mut status);
            let mut opts: ledg_predict_opts = std::mem::zeroed();
            (opts.struct_size, opts.flags) = (size_of::<ledg_predict_opts>(), LEDG_PREDICT_UNKNOWN);
            let called = ledg_session_predict(session, &candidate, 1, &opts, &columns, null_mut());
            if called != LEDG_OK {
                return called;
            }
            assert!(status != LEDG_OK || latency_s.is_finite());
            if pick(4) > 0 {
                return status;
            }
            let applied = ledg_session_apply(session, &candidate, null_mut());
            assert!(applied == LEDG_OK || status != LEDG_OK || applied == LEDG_E_GRAPH, "{status}, but {applied}");
            if applied == LEDG_OK { status } else { applied }
        }
    });
    // SAFETY: made above, freed once.
    unsafe {
        ledg_session_free(session);
        ledg_graph_free(single);
        ledg_hw_free(hw);
        ledg_registry_free(registry);
        ledg_model_free(model);
    }
}
