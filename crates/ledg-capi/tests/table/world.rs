//! One live object of each kind, and helpers that expect failures.

use std::ptr::{null, null_mut};

use ledg::*;

pub const POISON: usize = 0x5ee5;

pub fn str(text: &str) -> ledg_str {
    ledg_str { data: text.as_ptr().cast(), len: text.len() }
}

/// Runs a call, which must fail with that code and a message.
#[track_caller]
pub fn fails(expected: i32, call: impl FnOnce(*mut *mut ledg_error) -> ledg_status) {
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

/// A place for a handle that must stay as it is.
macro_rules! untouched {
    ($expected:expr, |$out:ident, $err:ident| $call:expr) => {{
        let mut place = std::ptr::without_provenance_mut($crate::world::POISON);
        fails($expected, |$err| {
            let $out = &raw mut place;
            // SAFETY: arguments are NULL, live, or what the table says.
            unsafe { $call }
        });
        assert_eq!(place.addr(), $crate::world::POISON, "written by a call that failed");
    }};
}
pub(crate) use untouched;

pub const GRAPH: &str = r#"{"ledg_graph":1,"name":"t","values":[{"name":"x","dtype":"f32","shape":[2,8],"kind":"input"},
    {"name":"y","dtype":"f32","shape":[2,8],"kind":"activation"}],
    "nodes":[{"name":"r","op":"Relu","inputs":["x"],"outputs":["y"]}],"inputs":["x"],"outputs":["y"]}"#;

pub const DEVICE: &str = r#"
schema = 1
name = "check-chip"
vendor = "Check"
vendor_short = "Ck"
kind = "npu"
architecture = "One"
memory_bandwidth_gb_s = 100
default_runtime = "pytorch2.1-fp32-nchw-eager"
runtimes = ["pytorch2.1-fp32-nchw-eager"]

[peak]
fp32 = 4

[[source]]
fields = ["memory_bandwidth_gb_s", "peak.fp32"]
title = "A chip of this test"
publisher = "ledg"
"#;

pub const TEMPLATES: &str = r#"schema = 1
[[operator]]
op = "com.acme.Lut"
class = "Act"
sentence = "Lut {kernel}"
dims = "elementwise"
flops = "out_elems * 2"
"#;

pub const TASK: &str = r#"{"name":"t","blocks":[{"name":"B","axes":[{"extent":64,"reduce":false}],"flops":1,"accesses":[
    {"buffer":"A","element_bytes":4,"write":false,"dims":[[[0,1]]]},
    {"buffer":"B","element_bytes":4,"write":true,"dims":[[[0,1]]]}]}]}"#;

pub const TRACES: [&str; 2] = [
    "b0 = sch.get_sblock(name='B')\nl1, = sch.get_loops(block=b0)\nsch.vectorize(loop=l1)",
    "b0 = sch.get_sblock(name='B')\nl1, = sch.get_loops(block=b0)\nsch.unroll(loop=l1)",
];

/// Two measured candidates of the task, as JSON lines.
pub fn updates() -> String {
    let task: serde_json::Value = serde_json::from_str(TASK).unwrap();
    let mut lines = vec![serde_json::json!({"version": 1, "task": task}).to_string()];
    for (trace, seconds) in TRACES.iter().zip([1e-6, 2e-6]) {
        lines.push(serde_json::json!({"version": 1, "of": "t", "trace": trace, "runs_s": [seconds]}).to_string());
    }
    lines.join("\n")
}

pub struct World {
    pub model: *mut ledg_model,
    pub registry: *mut ledg_registry,
    pub hw: *mut ledg_hw,
    /// At batch 2.
    pub graph: *mut ledg_graph,
    /// At batch 1.
    pub single: *mut ledg_graph,
    pub records: *mut ledg_records,
    pub builder: *mut ledg_builder,
    pub session: *mut ledg_session,
    pub costs: *mut ledg_node_costs,
    pub schedules: *mut ledg_schedule_model,
}

pub fn world() -> World {
    let mut w = World {
        model: null_mut(),
        registry: null_mut(),
        hw: null_mut(),
        graph: null_mut(),
        single: null_mut(),
        records: null_mut(),
        builder: null_mut(),
        session: null_mut(),
        costs: null_mut(),
        schedules: null_mut(),
    };
    let (mut untrained, err, text) = (null_mut(), null_mut(), updates());
    // SAFETY: places are locals; handles are live.
    unsafe {
        assert_eq!(ledg_model_default(&mut w.model, err), 0);
        assert_eq!(ledg_registry_new(&mut w.registry, err), 0);
        assert_eq!(ledg_registry_get(w.registry, str("t4"), &mut w.hw, err), 0);
        assert_eq!(ledg_graph_from_json(str(GRAPH), null(), &mut w.graph, err), 0);
        assert_eq!(ledg_records_new(&mut w.records, err), 0);
        assert_eq!(ledg_builder_new(str("b"), null(), &mut w.builder, err), 0);
        assert_eq!(ledg_graph_with_batch(w.graph, 1, &mut w.single, err), 0);
        let hw = (&raw const w.hw).cast();
        assert_eq!(ledg_session_new(w.model, w.single, hw, 1, null(), 0, &mut w.session, err), 0);
        assert_eq!(ledg_predict_nodes(w.model, w.graph, w.hw, 0, null(), &mut w.costs, err), 0);
        assert_eq!(ledg_schedule_model_new(1, &mut untrained, err), 0);
        assert_eq!(ledg_model_update(untrained, str(&text), &mut w.schedules, err), 0);
        ledg_schedule_model_free(untrained);
    }
    w
}

pub fn free(w: World) {
    // SAFETY: each is freed once.
    unsafe {
        ledg_model_free(w.model);
        ledg_registry_free(w.registry);
        ledg_hw_free(w.hw);
        ledg_graph_free(w.graph);
        ledg_graph_free(w.single);
        ledg_records_free(w.records);
        ledg_builder_free(w.builder);
        ledg_session_free(w.session);
        ledg_node_costs_free(w.costs);
        ledg_schedule_model_free(w.schedules);
    }
}
