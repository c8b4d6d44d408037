//! Sessions across the C ABI: what they say of an edited graph is what a full query on that graph says.

use std::ptr::{null, null_mut};

use ledg::*;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

fn str(text: &str) -> ledg_str {
    ledg_str { data: text.as_ptr().cast(), len: text.len() }
}

fn text(view: ledg_str) -> String {
    // SAFETY: a view of a live handle.
    let bytes = unsafe { std::slice::from_raw_parts(view.data.cast::<u8>(), view.len) };
    std::str::from_utf8(bytes).unwrap().to_owned()
}

#[track_caller]
fn ok(call: impl FnOnce(*mut *mut ledg_error) -> ledg_status) {
    let mut error = null_mut();
    let status = call(&mut error);
    // SAFETY: NULL or an error of this call.
    assert_eq!(status, LEDG_OK, "{}", unsafe { text(ledg_error_message(error)) });
}

/// Columns of two rows a candidate.
struct Answers {
    numbers: [Vec<f64>; 5],
    status: Vec<i32>,
}

impl Answers {
    fn new(n: usize) -> Self {
        Answers { numbers: std::array::from_fn(|_| vec![7.0; n]), status: vec![7; n] }
    }

    fn columns(&mut self) -> ledg_columns {
        let [latency_s, lo_s, hi_s, known, spread] = &mut self.numbers;
        ledg_columns {
            struct_size: size_of::<ledg_columns>(),
            len: self.status.len(),
            latency_s: latency_s.as_mut_ptr(),
            lo_s: lo_s.as_mut_ptr(),
            hi_s: hi_s.as_mut_ptr(),
            known: known.as_mut_ptr(),
            spread: spread.as_mut_ptr(),
            evidence: null_mut(),
            status: self.status.as_mut_ptr(),
        }
    }
}

const BATCHES: [u64; 2] = [16, 1];

fn unknown_allowed() -> ledg_predict_opts {
    ledg_predict_opts {
        struct_size: size_of::<ledg_predict_opts>(),
        coverage: 0.8,
        threads: 1,
        flags: LEDG_PREDICT_UNKNOWN,
        cancel: null(),
    }
}

struct World {
    model: *mut ledg_model,
    hw: [*mut ledg_hw; 2],
    session: *mut ledg_session,
}

impl World {
    fn new(fixture: &str) -> World {
        let mut w = World { model: null_mut(), hw: [null_mut(); 2], session: null_mut() };
        let path = format!("{}/../../tests/fixtures/{fixture}", env!("CARGO_MANIFEST_DIR"));
        let (mut registry, mut graph, mut single) = (null_mut(), null_mut(), null_mut());
        // SAFETY: places are locals; handles are live, and what is freed is not used again.
        unsafe {
            ok(|e| ledg_model_default(&mut w.model, e));
            ok(|e| ledg_registry_new(&mut registry, e));
            ok(|e| ledg_registry_get(registry, str("rtx4090"), &mut w.hw[0], e));
            ok(|e| ledg_registry_get(registry, str("t4:fp32"), &mut w.hw[1], e));
            ok(|e| ledg_graph_from_onnx_file(str(&path), null(), &mut graph, e));
            ok(|e| ledg_graph_with_batch(graph, 1, &mut single, e));
            let (hw, sizes) = ((&raw const w.hw).cast(), BATCHES.as_ptr());
            ok(|e| ledg_session_new(w.model, single, hw, 2, sizes, 2, &mut w.session, e));
            ledg_graph_free(single);
            ledg_graph_free(graph);
            ledg_registry_free(registry);
        }
        w
    }

    fn graph(&self) -> *mut ledg_graph {
        let mut graph = null_mut();
        // SAFETY: live handles.
        unsafe { ok(|e| ledg_session_graph(self.session, &mut graph, e)) };
        graph
    }

    fn predict(&self, candidates: &[ledg_candidate]) -> Answers {
        let mut answers = Answers::new(2 * candidates.len());
        let (columns, opts) = (answers.columns(), unknown_allowed());
        let (candidates, n) = (candidates.as_ptr(), candidates.len());
        // SAFETY: live handles; the columns have room for all rows.
        unsafe { ok(|e| ledg_session_predict(self.session, candidates, n, &opts, &columns, e)) };
        answers
    }

    /// A full query of the graph as it stands.
    fn full(&self) -> Answers {
        let graph = self.graph();
        let batch = ledg_batch {
            struct_size: size_of::<ledg_batch>(),
            n: 2,
            graphs: (&raw const graph).cast(),
            n_graphs: 1,
            hw: (&raw const self.hw).cast(),
            n_hw: 2,
            batch_sizes: BATCHES.as_ptr(),
            n_batch_sizes: 2,
        };
        let mut answers = Answers::new(2);
        let (columns, opts) = (answers.columns(), unknown_allowed());
        // SAFETY: live handles; the columns have room for both rows.
        unsafe {
            ok(|e| ledg_predict(self.model, &batch, &opts, &columns, e));
            ledg_graph_free(graph);
        }
        answers
    }

    fn free(self) {
        // SAFETY: each is freed once.
        unsafe {
            ledg_session_free(self.session);
            ledg_model_free(self.model);
            self.hw.iter().for_each(|&hw| ledg_hw_free(hw));
        }
    }
}

#[track_caller]
fn assert_same(row: usize, got: &Answers, expected: &Answers) {
    for h in 0..2 {
        assert_eq!((got.status[row + h], expected.status[h]), (0, 0));
        for (got, expected) in got.numbers.iter().zip(&expected.numbers) {
            assert!((got[row + h] - expected[h]).abs() <= 1e-6 * expected[h].abs().max(1e-6), "{got:?} {expected:?}");
        }
    }
}

/// Names that an edit borrows.
struct Names {
    node: String,
    value: String,
    input: String,
    shape: Vec<u64>,
}

/// The nodes of a graph with their first input and output, from its JSON.
fn nodes(graph: *mut ledg_graph) -> Vec<Names> {
    let mut json = null_mut();
    // SAFETY: live handles, freed once.
    let parsed: serde_json::Value = unsafe {
        ok(|e| ledg_graph_to_json(graph, &mut json, e));
        let parsed = serde_json::from_str(&text(ledg_string_view(json))).unwrap();
        ledg_string_free(json);
        ledg_graph_free(graph);
        parsed
    };
    let shapes: std::collections::HashMap<&str, Vec<u64>> = parsed["values"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|v| {
            let shape = v["shape"].as_array()?.iter().map(|d| d.as_u64().unwrap()).collect();
            Some((v["name"].as_str().unwrap(), shape))
        })
        .collect();
    let node = |node: &serde_json::Value| {
        let value = node["outputs"][0].as_str().unwrap();
        Names {
            node: node["name"].as_str().unwrap().to_owned(),
            value: value.to_owned(),
            input: node["inputs"][0].as_str().unwrap_or_default().to_owned(),
            shape: shapes.get(value).cloned().unwrap_or_default(),
        }
    };
    parsed["nodes"].as_array().unwrap().iter().map(node).collect()
}

#[test]
fn random_edits_give_what_a_full_query_gives() {
    for (fixture, seed) in [("resnet18.onnx", 1), ("mobilenet_v2.onnx", 2), ("vit_b16.onnx", 3)] {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let w = World::new(fixture);
        let (strides, axis) = ([2i64, 1], [-1i64]);
        let mut applied = 0;
        for step in 0..12 {
            let nodes = nodes(w.graph());
            let new: Vec<[String; 2]> = (0..3).map(|k| [format!("n{step}.{k}"), format!("v{step}.{k}")]).collect();
            let picks: Vec<&Names> = (0..3).map(|_| &nodes[rng.random_range(0..nodes.len())]).collect();
            let inputs: Vec<ledg_str> = picks.iter().map(|n| str(&n.value)).collect();
            let own: Vec<ledg_str> = picks.iter().map(|n| str(&n.input)).collect();
            let attrs: Vec<ledg_attr> = [("strides", LEDG_ATTR_INTS, &strides[..]), ("axis", LEDG_ATTR_INT, &axis[..])]
                .map(|(name, kind, ints)| ledg_attr {
                    name: str(name),
                    ints: ints.as_ptr(),
                    floats: null(),
                    strs: null(),
                    len: ints.len(),
                    kind,
                    reserved: 0,
                })
                .to_vec();
            let edits: Vec<ledg_edit> = picks
                .iter()
                .enumerate()
                .map(|(k, names)| {
                    // SAFETY: plain data.
                    let mut edit: ledg_edit = unsafe { std::mem::zeroed() };
                    edit.node = str(&names.node);
                    edit.op = str(["Relu", "Sigmoid", "Tanh", "NoSuchOperator"][rng.random_range(0..4)]);
                    edit.kind = rng.random_range(1..=5);
                    match edit.kind {
                        LEDG_EDIT_ATTRIBUTE => (edit.attrs, edit.n_attrs) = (&attrs[rng.random_range(0..2)], 1),
                        LEDG_EDIT_SHAPE => edit.value = str(&names.value),
                        LEDG_EDIT_INSERT => {
                            (edit.node, edit.value) = (str(&new[k][0]), str(&new[k][1]));
                            (edit.inputs, edit.n_inputs, edit.dtype) = (&inputs[k], 1, LEDG_F32);
                            edit.replaces = str(&names.value);
                        }
                        LEDG_EDIT_REPLACE if !names.input.is_empty() && k > 0 => {
                            (edit.inputs, edit.n_inputs) = (&own[k], 1);
                        }
                        _ => (),
                    }
                    (edit.dims, edit.rank) = (names.shape.as_ptr(), names.shape.len());
                    edit
                })
                .collect();
            let none = ledg_candidate { edits: null(), n_edits: 0 };
            let candidates = [
                none,
                ledg_candidate { edits: edits.as_ptr(), n_edits: 1 },
                ledg_candidate { edits: edits.as_ptr(), n_edits: 3 },
                none,
            ];
            let before = w.full();
            let answers = w.predict(&candidates);
            assert_same(0, &answers, &before);
            assert_same(6, &answers, &before);
            // SAFETY: live handles.
            let status = unsafe { ledg_session_apply(w.session, &candidates[2], null_mut()) };
            assert_eq!(status, answers.status[4]);
            if status == LEDG_OK {
                applied += 1;
                assert_same(4, &answers, &w.full());
            } else {
                assert!(answers.numbers[0][4].is_nan());
                assert_same(0, &w.predict(&[none]), &before);
            }
        }
        assert!(applied >= 4, "{fixture}: {applied} of 12 steps were edits that make sense");
        w.free();
    }
}

#[test]
fn unknown_operators_are_refused_unless_allowed() {
    let w = World::new("resnet18.onnx");
    let relu = nodes(w.graph()).into_iter().find(|n| n.node.to_lowercase().contains("relu")).unwrap();
    // SAFETY: plain data.
    let mut edit: ledg_edit = unsafe { std::mem::zeroed() };
    (edit.kind, edit.node, edit.op) = (LEDG_EDIT_REPLACE, str(&relu.node), str("NoSuchOperator"));
    let candidate = ledg_candidate { edits: &edit, n_edits: 1 };
    let mut answers = Answers::new(2);
    // SAFETY: live handles; the columns have room for both rows.
    unsafe { ok(|e| ledg_session_predict(w.session, &candidate, 1, null(), &answers.columns(), e)) };
    assert!(answers.status == [LEDG_E_UNKNOWN_OP; 2] && answers.numbers[0].iter().all(|x| x.is_nan()));
    let allowed = w.predict(&[candidate]);
    assert!(allowed.status == [0; 2] && allowed.numbers[3].iter().all(|&known| 0.9 < known && known < 1.0));
    w.free();
}

#[test]
fn the_capability_is_told() {
    let w = World::new("resnet18.onnx");
    // SAFETY: plain data; live handles.
    let capabilities = unsafe {
        let mut info: ledg_model_info = std::mem::zeroed();
        info.struct_size = size_of::<ledg_model_info>();
        ok(|e| ledg_model_get_info(w.model, &mut info, e));
        info.capabilities
    };
    assert_ne!(capabilities & LEDG_CAP_DELTA, 0);
    w.free();
}
