//! Predictions in batches across the C ABI: a row has the bits that it has alone, however rows, graphs, platforms and threads are
//! put together; a row that fails does so alone; cancelled calls write nothing; the log hears of what failed.

use std::ffi::c_void;
use std::ptr::{null, null_mut};
use std::sync::Mutex;
use std::time::Duration;

use ledg::*;

/// The log belongs to the process, and these tests to several threads.
static LOG: Mutex<()> = Mutex::new(());

fn str(text: &str) -> ledg_str {
    ledg_str { data: text.as_ptr().cast(), len: text.len() }
}

struct World {
    model: *mut ledg_model,
    graphs: Vec<*mut ledg_graph>,
    hw: Vec<*mut ledg_hw>,
}

fn world() -> World {
    let mut w = World { model: null_mut(), graphs: Vec::new(), hw: Vec::new() };
    let mut registry = null_mut();
    // SAFETY: places are locals; the registry is freed once.
    unsafe {
        assert_eq!(ledg_model_default(&mut w.model, null_mut()), LEDG_OK);
        for name in ["resnet18", "mobilenet_v2", "vit_b16"] {
            let path = format!("{}/../../tests/fixtures/{name}.onnx", env!("CARGO_MANIFEST_DIR"));
            let mut graph = null_mut();
            assert_eq!(ledg_graph_from_onnx_file(str(&path), null(), &mut graph, null_mut()), LEDG_OK, "{name}");
            w.graphs.push(graph);
        }
        assert_eq!(ledg_registry_new(&mut registry, null_mut()), LEDG_OK);
        for spec in ["rtx4090", "t4:fp32", "rtx3090"] {
            let mut hw = null_mut();
            assert_eq!(ledg_registry_get(registry, str(spec), &mut hw, null_mut()), LEDG_OK);
            w.hw.push(hw);
        }
        ledg_registry_free(registry);
    }
    w
}

fn free(w: World) {
    // SAFETY: each is freed once.
    unsafe {
        w.graphs.into_iter().for_each(|g| ledg_graph_free(g));
        w.hw.into_iter().for_each(|h| ledg_hw_free(h));
        ledg_model_free(w.model);
    }
}

/// All columns, as bits, so that NaN is itself.
#[derive(Clone, Debug, PartialEq)]
struct Answers {
    numbers: [Vec<u64>; 5],
    evidence: Vec<u8>,
    status: Vec<ledg_status>,
}

impl Answers {
    fn row(&self, row: usize) -> Answers {
        Answers {
            numbers: self.numbers.each_ref().map(|column| vec![column[row]]),
            evidence: vec![self.evidence[row]],
            status: vec![self.status[row]],
        }
    }
}

fn opts(threads: u32, cancel: *const ledg_cancel) -> ledg_predict_opts {
    ledg_predict_opts { struct_size: size_of::<ledg_predict_opts>(), coverage: 0.8, threads, flags: 0, cancel }
}

/// Asks for `n` rows; the lists have one element or `n`.
fn predict(
    w: &World,
    n: usize,
    graphs: &[*mut ledg_graph],
    hw: &[*mut ledg_hw],
    sizes: &[u64],
    opts: &ledg_predict_opts,
) -> (ledg_status, Answers) {
    let mut numbers: [Vec<f64>; 5] = std::array::from_fn(|_| vec![7.0; n]);
    let (mut evidence, mut status) = (vec![7; n], vec![7; n]);
    let [latency_s, lo_s, hi_s, known, spread] = numbers.each_mut().map(|column| column.as_mut_ptr());
    let batch = ledg_batch {
        struct_size: size_of::<ledg_batch>(),
        n,
        graphs: graphs.as_ptr().cast(),
        n_graphs: graphs.len(),
        hw: hw.as_ptr().cast(),
        n_hw: hw.len(),
        batch_sizes: sizes.as_ptr(),
        n_batch_sizes: sizes.len(),
    };
    let columns = ledg_columns {
        struct_size: size_of::<ledg_columns>(),
        len: n,
        latency_s,
        lo_s,
        hi_s,
        known,
        spread,
        evidence: evidence.as_mut_ptr(),
        status: status.as_mut_ptr(),
    };
    // SAFETY: live handles; the columns have room for all rows.
    let called = unsafe { ledg_predict(w.model, &batch, opts, &columns, null_mut()) };
    let numbers = numbers.map(|column| column.into_iter().map(f64::to_bits).collect());
    (called, Answers { numbers, evidence, status })
}

fn answers(
    w: &World,
    n: usize,
    graphs: &[*mut ledg_graph],
    hw: &[*mut ledg_hw],
    sizes: &[u64],
    threads: u32,
) -> Answers {
    let (status, answers) = predict(w, n, graphs, hw, sizes, &opts(threads, null()));
    assert_eq!(status, LEDG_OK);
    answers
}

#[test]
fn a_row_has_the_bits_that_it_has_alone() {
    let _log = LOG.lock().unwrap();
    let w = world();
    // Rows of all graphs and platforms mixed, more of one graph than are answered together, some of which cannot be.
    let n = 240;
    let graphs: Vec<_> = (0..n).map(|i| w.graphs[if i < 90 { 0 } else { i * i % 3 }]).collect();
    let hw: Vec<_> = (0..n).map(|i| w.hw[i % 7 % 3]).collect();
    let sizes: Vec<u64> = (0..n as u64).map(|i| if i % 50 == 49 { 0 } else { 1 + i * 37 % 300 }).collect();
    let alone: Vec<Answers> = (0..n).map(|i| answers(&w, 1, &graphs[i..=i], &hw[i..=i], &sizes[i..=i], 1)).collect();
    let each = |together: &Answers, rows: &[Answers], what: &str| {
        for (i, row) in rows.iter().enumerate() {
            assert_eq!(together.row(i), *row, "{what}: row {i}");
        }
    };
    for threads in [0, 1, 2, 5, 64] {
        each(&answers(&w, n, &graphs, &hw, &sizes, threads), &alone, &format!("{threads} threads"));
    }
    let failed: Vec<usize> = (0..n).filter(|&i| alone[i].status[0] != LEDG_OK).collect();
    assert_eq!(failed, [49, 99, 149, 199]);
    for &i in &failed {
        assert_eq!((alone[i].status[0], alone[i].evidence[0]), (LEDG_E_GRAPH, 0));
        assert!(alone[i].numbers.iter().all(|column| f64::from_bits(column[0]).is_nan()));
    }
    // One graph, one platform, one batch size for all rows, in all ways.
    for mask in 0..8usize {
        let pick = |bit: usize, len: usize| if mask & bit != 0 { 1 } else { len };
        let (g, h, s) = (&graphs[..pick(1, 20)], &hw[..pick(2, 20)], &sizes[..pick(4, 20)]);
        let at = |len: usize, i: usize| if len == 1 { 0 } else { i };
        let rows: Vec<Answers> = (0..20)
            .map(|i| {
                let (a, b, c) = (at(g.len(), i), at(h.len(), i), at(s.len(), i));
                answers(&w, 1, &g[a..=a], &h[b..=b], &s[c..=c], 1)
            })
            .collect();
        each(&answers(&w, 20, g, h, s, 3), &rows, &format!("lists {mask:03b}"));
    }
    // No batch sizes: each graph's own, which is 1.
    let own = answers(&w, 3, &w.graphs, &w.hw, &[], 2);
    assert_eq!(own, answers(&w, 3, &w.graphs, &w.hw, &[1], 1));
    assert_eq!(answers(&w, 0, &w.graphs[..1], &w.hw[..1], &[], 1).status.len(), 0);
    free(w);
}

#[test]
fn scores_are_latencies_in_the_other_direction() {
    let _log = LOG.lock().unwrap();
    let w = world();
    let sizes = [1u64, 64, 0];
    let latencies = answers(&w, 3, &w.graphs, &w.hw, &sizes, 1);
    let batch = ledg_batch {
        struct_size: size_of::<ledg_batch>(),
        n: 3,
        graphs: w.graphs.as_ptr().cast(),
        n_graphs: 3,
        hw: w.hw.as_ptr().cast(),
        n_hw: 3,
        batch_sizes: sizes.as_ptr(),
        n_batch_sizes: 3,
    };
    let (mut scores, mut status) = ([7.0; 3], [7; 3]);
    // SAFETY: live handles; the columns have room for all rows.
    let called =
        unsafe { ledg_rank_scores(w.model, &batch, null(), scores.as_mut_ptr(), status.as_mut_ptr(), 3, null_mut()) };
    assert_eq!((called, status), (LEDG_OK, [LEDG_OK, LEDG_OK, LEDG_E_GRAPH]));
    for (score, latency_s) in scores[..2].iter().zip(&latencies.numbers[0]) {
        assert_eq!(*score, -f64::from_bits(*latency_s).ln());
    }
    assert!(scores[2].is_nan());
    free(w);
}

/// Handles that may be used by many threads, as the header says of const ones.
struct Shared(World, *mut ledg_cancel);
// SAFETY: models, graphs and platforms are immutable, and a flag may be set from any thread.
unsafe impl Sync for Shared {}

#[test]
fn a_call_is_cancelled_while_it_runs() {
    let _log = LOG.lock().unwrap();
    let mut shared = Shared(world(), null_mut());
    // Far more rows than can be answered before the flag is set.
    let n = 1 << 18;
    for threads in [1, 3] {
        // SAFETY: a local place.
        assert_eq!(unsafe { ledg_cancel_new(&mut shared.1, null_mut()) }, LEDG_OK);
        let (status, answers) = std::thread::scope(|scope| {
            let shared = &shared;
            scope.spawn(move || {
                std::thread::sleep(Duration::from_millis(200));
                // SAFETY: a live flag.
                unsafe { ledg_cancel_request(shared.1) };
            });
            predict(&shared.0, n, &shared.0.graphs[..1], &shared.0.hw[..1], &[8], &opts(threads, shared.1))
        });
        assert_eq!(status, LEDG_E_CANCELLED);
        assert!(answers.status.iter().all(|&s| s == 7), "a column was written");
        assert!(answers.numbers.iter().flatten().all(|&x| x == 7f64.to_bits()), "a column was written");
        // SAFETY: freed once, and no call uses it any more.
        unsafe { ledg_cancel_free(shared.1) };
    }
    free(shared.0);
}

unsafe extern "C" fn listen(user: *mut c_void, level: i32, message: ledg_str) {
    // SAFETY: `user` is the list below; the message is UTF-8 of that length.
    let (heard, bytes) = unsafe {
        (&mut *user.cast::<Vec<(i32, String)>>(), std::slice::from_raw_parts(message.data.cast::<u8>(), message.len))
    };
    heard.push((level, std::str::from_utf8(bytes).unwrap().to_owned()));
}

#[test]
fn the_log_hears_what_it_asked_for() {
    let _log = LOG.lock().unwrap();
    let w = world();
    let json = r#"{"ledg_graph":1,"name":"small","values":[{"name":"x","dtype":"f32","shape":[2,8],"kind":"input"},
        {"name":"y","dtype":"f32","shape":[2,8],"kind":"activation"}],
        "nodes":[{"name":"r","op":"Relu","inputs":["x"],"outputs":["y"]}],"inputs":["x"],"outputs":["y"]}"#;
    let said = |level: i32| {
        let mut heard: Vec<(i32, String)> = Vec::new();
        let mut graph = null_mut();
        // SAFETY: the list outlives the calls that speak to it; live handles.
        unsafe {
            ledg_set_log(Some(listen), (&raw mut heard).cast(), level);
            assert_eq!(ledg_graph_from_json(str(json), null(), &mut graph, null_mut()), LEDG_OK);
            predict(&w, 2, &[graph], &w.hw[..1], &[0, 1], &opts(1, null()));
            ledg_set_log(None, null_mut(), 0);
            // Silence.
            predict(&w, 1, &[graph], &w.hw[..1], &[0], &opts(1, null()));
            ledg_graph_free(graph);
        }
        heard
    };
    assert_eq!(said(0), []);
    let warnings = said(LEDG_LOG_WARN);
    assert!(warnings.len() == 1 && warnings[0].0 == LEDG_LOG_WARN, "{warnings:?}");
    assert!(warnings[0].1.starts_with("row 0: ") && warnings[0].1.contains("batch"), "{warnings:?}");
    let all = said(LEDG_LOG_INFO);
    assert_eq!(all[0], (LEDG_LOG_INFO, "graph `small` read, nodes: 1".to_owned()));
    assert_eq!(all[1..], warnings);
    free(w);
}
