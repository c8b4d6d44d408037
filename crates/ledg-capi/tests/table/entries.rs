//! Every entry point of the header, with each of its arguments wrong in every way that its type can be, one at a time: a code, a
//! message, nothing written. Then with all of them right, so that it was the wrong one that was refused.
//!
//! **Invariant:** functions and arguments are those of `include/ledg.h`: what is added there and not here fails the test.

use std::collections::BTreeMap;
use std::ptr::{null, null_mut};

use ledg::*;

use crate::places::{Places, columns, node_columns};
use crate::world::{DEVICE, GRAPH, TASK, TEMPLATES, TRACES, str, updates, world};
use crate::wrong::Wrong;

/// What may be so although its type could be wrong that way.
const FINE: [(&str, &str, &str); 20] = [
    // NULL means the built-in hardware.
    ("ledg_hw_from_toml", "registry", "NULL"),
    ("ledg_records_load", "registry", "NULL"),
    // NULL means the defaults.
    ("ledg_graph_from_onnx", "opts", "NULL"),
    ("ledg_graph_from_onnx_file", "opts", "NULL"),
    ("ledg_graph_from_json", "opts", "NULL"),
    ("ledg_builder_new", "opts", "NULL"),
    ("ledg_predict", "opts", "NULL"),
    ("ledg_rank_scores", "opts", "NULL"),
    ("ledg_predict_nodes", "opts", "NULL"),
    ("ledg_session_predict", "opts", "NULL"),
    // NULL means not wanted.
    ("ledg_rank_scores", "status", "NULL"),
    ("ledg_schedule_score", "status", "NULL"),
    ("ledg_graph_coverage", "share", "NULL"),
    ("ledg_graph_coverage", "n_unknown", "NULL"),
    // Room for more than there are rows.
    ("ledg_rank_scores", "len", "huge"),
    ("ledg_rank_scores", "len", "endless"),
    // The graph's own batch size; any seed.
    ("ledg_predict_nodes", "batch", "zero"),
    ("ledg_schedule_model_new", "seed", "zero"),
    // The constant's elements are integers here; without either, `structs.rs` says, the length is a contradiction.
    ("ledg_builder_const", "floats", "NULL"),
    ("ledg_builder_const", "ints", "NULL"),
];

/// What has been asked: functions with their arguments.
struct Table {
    /// What calls write to, and this looks at between them.
    places: *mut Places,
    asked: BTreeMap<&'static str, Vec<&'static str>>,
    function: &'static str,
    n_refused: usize,
}

impl Table {
    fn begin(&mut self, function: &'static str, arguments: &[&'static str]) {
        self.function = function;
        let before = self.asked.insert(function, arguments.to_vec());
        assert!(before.is_none(), "{function} twice");
    }

    /// The call must be refused with one of these codes and a message, and write nothing else.
    fn refuses(
        &mut self,
        argument: &str,
        how: &str,
        codes: &[ledg_status],
        call: impl Fn(*mut *mut ledg_error) -> ledg_status,
    ) {
        let function = self.function;
        if FINE.contains(&(function, argument, how)) {
            return;
        }
        let mut error = null_mut();
        let status = call(&mut error);
        assert!(codes.contains(&status), "{function}: `{argument}` {how}: {status}");
        assert!(!error.is_null(), "{function}: `{argument}` {how}: no error for {status}");
        // SAFETY: the call stored an error, which is freed once.
        unsafe {
            assert_eq!(ledg_error_code(error), status);
            assert!(ledg_error_message(error).len > 10, "{function}: `{argument}` {how}: no message");
            ledg_error_free(error);
        }
        assert_eq!(call(null_mut()), status, "{function}: `{argument}` {how}: without an error");
        // SAFETY: the places live as long as the table.
        let places = unsafe { &*self.places };
        assert_eq!(*places, Places::default(), "{function}: `{argument}` {how}: something was written");
        self.n_refused += 1;
    }

    fn succeeds(&mut self, call: impl FnOnce(*mut *mut ledg_error) -> ledg_status) {
        let mut error = null_mut();
        let status = call(&mut error);
        // SAFETY: NULL, or an error of this call.
        let message = unsafe {
            let view = ledg_error_message(error);
            String::from_utf8_lossy(std::slice::from_raw_parts(view.data.cast(), view.len)).into_owned()
        };
        assert!(status == LEDG_OK && error.is_null(), "{}: {status}: {message}", self.function);
    }

    /// Frees what the last call made.
    fn free<T>(&mut self, free: unsafe extern "C" fn(*mut T)) {
        // SAFETY: the call made it, and it is freed once.
        unsafe { free((*self.places).handle.cast()) };
    }
}

/// One entry point: `function(argument: its right value, ...) => what frees its result`.
macro_rules! entry {
    ($t:ident: $function:ident($($argument:ident: $value:expr),* $(,)?) $(=> $free:ident)?) => {{
        $(let $argument = $value;)*
        $t.begin(stringify!($function), &[$(stringify!($argument)),*]);
        entry!(@each $t $function ($($argument),*) $($argument)*);
        // SAFETY: what the header asks for.
        $t.succeeds(|e| unsafe { $function($($argument,)* e) });
        $($t.free($free);)?
        // SAFETY: the places live as long as the table.
        unsafe { *$t.places = Places::default() };
    }};
    (@each $t:ident $function:ident $all:tt $($argument:ident)*) => {
        $(entry!(@one $t $function $all $argument);)*
    };
    (@one $t:ident $function:ident ($($all:ident),*) $argument:ident) => {
        for (how, codes, wrong) in Wrong::wrong($argument) {
            let $argument = wrong;
            // SAFETY: what the header asks for, but for what is refused before it is used.
            $t.refuses(stringify!($argument), how, codes, |e| unsafe { $function($($all,)* e) });
        }
    };
}

/// A growing struct with its size and nothing else.
macro_rules! sized {
    ($name:ident) => {{
        // SAFETY: plain data.
        let mut value: $name = unsafe { std::mem::zeroed() };
        value.struct_size = size_of::<$name>();
        value
    }};
}

#[test]
#[expect(clippy::redundant_locals, reason = "arguments are named as in the header, and some locals after them")]
fn every_argument_of_every_function() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (bundle, measured, ranking) = (path("m.ledg"), path("r.jsonl"), path("s.ledg"));
    let plugin = path("plugin");
    std::fs::create_dir(&plugin).unwrap();
    std::fs::write(path("plugin/one.toml"), DEVICE.replace("check-chip", "another-chip")).unwrap();
    let onnx_path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/resnet18.onnx");
    let onnx = std::fs::read(onnx_path).unwrap();
    let w = world();
    let mut places = Places::default();
    let p = &raw mut places;
    let mut t = Table { places: p, asked: BTreeMap::new(), function: "", n_refused: 0 };
    // SAFETY: the places live as long as the table.
    let (hash, count) = unsafe { (&raw mut (*p).bytes[0], &raw mut (*p).count) };
    // SAFETY: as above.
    let (id, status, scores) = unsafe { (&raw mut (*p).ids[0], &raw mut (*p).status[0], &raw mut (*p).numbers[0]) };
    macro_rules! out {
        () => {
            // SAFETY: the place of a handle.
            unsafe { &raw mut (*p).handle }.cast()
        };
    }

    let (graph_opts, builder_opts, opts) =
        (sized!(ledg_graph_opts), sized!(ledg_builder_opts), sized!(ledg_predict_opts));
    let batch = ledg_batch {
        n: 1,
        graphs: (&raw const w.graph).cast(),
        n_graphs: 1,
        hw: (&raw const w.hw).cast(),
        n_hw: 1,
        ..sized!(ledg_batch)
    };
    let (columns, node_columns) = (columns(p), node_columns(p));
    let (dims, ints, runs, text) = ([2u64, 1], [7i64, 8], [3e-5f64, 3.2e-5], updates());
    let (model, graph, hw) = (w.model.cast_const(), w.graph.cast_const(), w.hw.cast_const());
    let registry = w.registry.cast_const();

    entry!(t: ledg_cancel_new(out: out!()) => ledg_cancel_free);
    entry!(t: ledg_registry_new(out: out!()) => ledg_registry_free);
    entry!(t: ledg_registry_add_dir(registry: w.registry, path: str(&plugin)));
    entry!(t: ledg_registry_add_found(registry: w.registry));
    entry!(t: ledg_registry_add_toml(registry: w.registry, origin: str("o"), text: str(DEVICE)));
    entry!(t: ledg_registry_add_templates(registry: w.registry, origin: str("o"), text: str(TEMPLATES)));
    entry!(t: ledg_registry_get(registry: registry, spec: str("check-chip"), out: out!()) => ledg_hw_free);
    entry!(t: ledg_hw_from_toml(registry: null(), text: str(DEVICE), runtime: str(""), out: out!()) => ledg_hw_free);

    entry!(t: ledg_model_default(out: out!()) => ledg_model_free);
    entry!(t: ledg_model_save(model: model, path: str(&bundle)));
    entry!(t: ledg_model_load(path: str(&bundle), out: out!()) => ledg_model_free);
    let bytes = std::fs::read(&bundle).unwrap();
    entry!(t: ledg_model_load_bytes(data: bytes.as_ptr(), len: bytes.len(), out: out!()) => ledg_model_free);
    entry!(t: ledg_model_with_plugins(model: model, registry: registry, out: out!()) => ledg_model_free);
    let mut info = sized!(ledg_model_info);
    entry!(t: ledg_model_get_info(model: model, info: &raw mut info));

    entry!(t: ledg_graph_from_onnx(name: str("g"), data: onnx.as_ptr(), len: onnx.len(), opts: &raw const graph_opts, out: out!()) => ledg_graph_free);
    entry!(t: ledg_graph_from_onnx_file(path: str(onnx_path), opts: &raw const graph_opts, out: out!()) => ledg_graph_free);
    entry!(t: ledg_graph_from_json(text: str(GRAPH), opts: &raw const graph_opts, out: out!()) => ledg_graph_free);
    entry!(t: ledg_graph_to_json(graph: graph, out: out!()) => ledg_string_free);
    entry!(t: ledg_graph_with_batch(graph: graph, batch: 3u64, out: out!()) => ledg_graph_free);
    entry!(t: ledg_graph_hash(graph: graph, out32: hash));
    entry!(t: ledg_graph_coverage(model: model, graph: graph, share: scores, n_unknown: count));

    entry!(t: ledg_builder_new(graph_name: str("g"), opts: &raw const builder_opts, out: out!()) => ledg_builder_free);
    let builder = w.builder;
    entry!(t: ledg_builder_input(builder: builder, name: str("x"), dtype: LEDG_F32, dims: dims.as_ptr(), rank: 2, id: id));
    entry!(t: ledg_builder_weight(builder: builder, name: str("w"), dtype: LEDG_F32, dims: dims.as_ptr(), rank: 2, id: id));
    entry!(t: ledg_builder_const(builder: builder, name: str("c"), dtype: LEDG_I64, dims: dims.as_ptr(), rank: 2, ints: ints.as_ptr(), floats: null(), len: 2, id: id));
    let output = ledg_tensor { name: str("y"), dims: dims.as_ptr(), rank: 2, dtype: LEDG_F32, reserved: 0 };
    let input = 0u32;
    let op = ledg_op {
        kind: str("Relu"),
        name: str("r"),
        inputs: &input,
        n_inputs: 1,
        outputs: &output,
        n_outputs: 1,
        ..sized!(ledg_op)
    };
    entry!(t: ledg_builder_op(builder: builder, op: &raw const op, output_ids: id));
    entry!(t: ledg_builder_output(builder: builder, id: 3));
    entry!(t: ledg_builder_finish(builder: builder.cast_const(), out: out!()) => ledg_graph_free);

    entry!(t: ledg_predict(model: model, batch: &raw const batch, opts: &raw const opts, columns: &raw const columns));
    entry!(t: ledg_rank_scores(model: model, batch: &raw const batch, opts: &raw const opts, scores: scores, status: status, len: 1));
    entry!(t: ledg_predict_nodes(model: model, graph: graph, hw: hw, batch: 1u64, opts: &raw const opts, out: out!()) => ledg_node_costs_free);
    entry!(t: ledg_node_costs_columns(costs: w.costs.cast_const(), columns: &raw const node_columns));
    entry!(t: ledg_explain(model: model, graph: graph, flags: 0u32, out: out!()) => ledg_string_free);

    entry!(t: ledg_records_new(out: out!()) => ledg_records_free);
    entry!(t: ledg_records_push(records: w.records, graph: graph, hw: hw, batch: 2u64, runs_s: runs.as_ptr(), n_runs: 2));
    entry!(t: ledg_records_push_failed(records: w.records, graph: graph, hw: hw, batch: 4u64, why: str("memory")));
    entry!(t: ledg_records_save(records: w.records.cast_const(), path: str(&measured)));
    entry!(t: ledg_records_load(path: str(&measured), registry: registry, out: out!()) => ledg_records_free);
    entry!(t: ledg_model_calibrate(model: model, records: w.records.cast_const(), out: out!()) => ledg_model_free);

    let hws: *const *const ledg_hw = (&raw const w.hw).cast();
    let candidate = ledg_candidate { edits: null(), n_edits: 0 };
    entry!(t: ledg_session_new(model: model, graph: w.single.cast_const(), hw: hws, n_hw: 1, batch_sizes: dims.as_ptr(), n_batch_sizes: 1, out: out!()) => ledg_session_free);
    entry!(t: ledg_session_predict(session: w.session, candidates: &raw const candidate, n_candidates: 1, opts: &raw const opts, columns: &raw const columns));
    entry!(t: ledg_session_apply(session: w.session, candidate: &raw const candidate));
    entry!(t: ledg_session_graph(session: w.session.cast_const(), out: out!()) => ledg_graph_free);

    let (schedules, trace) = (w.schedules.cast_const(), str(TRACES[0]));
    entry!(t: ledg_schedule_model_new(seed: 1u64, out: out!()) => ledg_schedule_model_free);
    entry!(t: ledg_schedule_model_save(model: schedules, path: str(&ranking)));
    entry!(t: ledg_schedule_model_load(path: str(&ranking), out: out!()) => ledg_schedule_model_free);
    entry!(t: ledg_schedule_score(model: schedules, task: str(TASK), traces: &raw const trace, n: 1, scores: scores, status: status));
    entry!(t: ledg_schedule_graph(model: schedules, task: str(TASK), trace: trace, out: out!()) => ledg_string_free);
    entry!(t: ledg_model_update(model: schedules, records: str(&text), out: out!()) => ledg_schedule_model_free);

    // What was refused changed nothing: one call that succeeded of each kind.
    // SAFETY: live handles.
    unsafe { assert_eq!(ledg_records_count(w.records), 2) };
    assert!(t.n_refused > 300, "{} calls were refused", t.n_refused);
    let declared: BTreeMap<String, Vec<String>> = crate::header::functions()
        .into_iter()
        .filter(|f| f.result == "ledg_status" && f.arguments.last().is_some_and(|a| a == "err"))
        .map(|f| (f.name, f.arguments.into_iter().filter(|a| a != "err").collect()))
        .collect();
    let asked: BTreeMap<String, Vec<String>> =
        t.asked.iter().map(|(f, a)| ((*f).to_owned(), a.iter().map(|a| (*a).to_owned()).collect())).collect();
    assert_eq!(asked, declared);
    crate::world::free(w);
}
