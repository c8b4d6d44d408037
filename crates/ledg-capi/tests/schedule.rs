//! Schedule models over the ABI: refusal, learning, scores of batches and of their parts, files.

use std::ptr::{null, null_mut};

use ledg::*;
use serde_json::{Value, json};

fn str(text: &str) -> ledg_str {
    ledg_str { data: text.as_ptr().cast(), len: text.len() }
}

fn ok(call: impl FnOnce(*mut *mut ledg_error) -> ledg_status) {
    let mut error = null_mut();
    let status = call(&mut error);
    if status != LEDG_OK {
        // SAFETY: an error of this call, whose message is UTF-8 and lives as long.
        let message = unsafe {
            let message = ledg_error_message(error);
            std::slice::from_raw_parts(message.data.cast::<u8>(), message.len)
        };
        panic!("{status}: {}", String::from_utf8_lossy(message));
    }
}

fn fails(expected: i32, call: impl FnOnce(*mut *mut ledg_error) -> ledg_status) {
    let mut error = null_mut();
    assert_eq!(call(&mut error), expected);
    // SAFETY: the call stored an error, which is freed once.
    unsafe {
        assert!(ledg_error_message(error).len > 0);
        ledg_error_free(error);
    }
}

/// A task and traces that TVM printed.
fn matmul() -> (String, Vec<String>) {
    let cases: Value = serde_json::from_str(include_str!("../../ledg-schedule/tests/traces.json")).unwrap();
    let case = &cases["matmul"];
    let traces = case["traces"].as_array().unwrap().iter().map(|t| t.as_str().unwrap().to_owned()).collect();
    (case["task"].to_string(), traces)
}

/// The traces as measured, each 1 ms slower than the one before.
fn records(task: &str, traces: &[String]) -> String {
    let task: Value = serde_json::from_str(task).unwrap();
    let mut lines = vec![json!({"version": 1, "task": &task}).to_string()];
    for (i, trace) in traces.iter().enumerate() {
        let runs_s = [1e-3 * (i + 1) as f64];
        lines.push(json!({"version": 1, "of": &task["name"], "trace": trace, "runs_s": runs_s}).to_string());
    }
    lines.join("\n")
}

fn scores(model: *const ledg_schedule_model, task: &str, traces: &[String]) -> (Vec<f64>, Vec<i32>) {
    let texts: Vec<ledg_str> = traces.iter().map(|t| str(t)).collect();
    let (mut scores, mut status) = (vec![7.0; texts.len()], vec![7; texts.len()]);
    // SAFETY: a live model, texts that live, columns of that length.
    ok(|e| unsafe {
        ledg_schedule_score(model, str(task), texts.as_ptr(), texts.len(), scores.as_mut_ptr(), status.as_mut_ptr(), e)
    });
    (scores, status)
}

#[test]
fn a_model_learns_and_ranks() {
    let (task, traces) = matmul();
    let (mut empty, mut model) = (null_mut(), null_mut());
    // SAFETY: live handles, texts that live, places that are locals; each handle is freed once.
    unsafe {
        ok(|e| ledg_schedule_model_new(3, &mut empty, e));
        assert_eq!(ledg_schedule_model_records(empty), 0);
        let first = str(&traces[0]);
        let mut untouched = 7.0;
        fails(LEDG_E_MODEL, |e| ledg_schedule_score(empty, str(&task), &first, 1, &mut untouched, null_mut(), e));
        assert_eq!(untouched, 7.0);

        let lines = records(&task, &traces);
        ok(|e| ledg_model_update(empty, str(&lines), &mut model, e));
        assert_eq!(ledg_schedule_model_records(model), traces.len() as u64);
        assert_eq!(ledg_schedule_model_records(empty), 0, "the given model stays as it is");

        // A trace that is none fails alone, and a batch is its parts.
        let mut some = traces.clone();
        some.push("sch.frobnicate(1)".into());
        let (together, status) = scores(model, &task, &some);
        assert!(together[traces.len()].is_nan() && status[traces.len()] == LEDG_E_UNKNOWN_OP);
        for (i, trace) in traces.iter().enumerate() {
            assert_eq!(status[i], LEDG_OK);
            let (alone, _) = scores(model, &task, std::slice::from_ref(trace));
            assert_eq!(alone[0].to_bits(), together[i].to_bits());
        }
        assert!(together[0] > together[traces.len() - 1], "the fastest above the slowest: {together:?}");

        // No records change nothing; a file keeps everything.
        let (mut same, mut read) = (null_mut(), null_mut());
        ok(|e| ledg_model_update(model, str(""), &mut same, e));
        assert_eq!(scores(same, &task, &traces).0, together[..traces.len()]);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.ledg");
        ok(|e| ledg_schedule_model_save(model, str(path.to_str().unwrap()), e));
        ok(|e| ledg_schedule_model_load(str(path.to_str().unwrap()), &mut read, e));
        assert_eq!(scores(read, &task, &traces).0, together[..traces.len()]);
        for handle in [empty, model, same, read] {
            ledg_schedule_model_free(handle);
        }
    }
}

#[test]
fn a_candidate_is_a_graph_to_look_at() {
    let (task, traces) = matmul();
    let (mut model, mut text) = (null_mut(), null_mut());
    // SAFETY: live handles, texts that live, places that are locals; each handle is freed once.
    unsafe {
        ok(|e| ledg_schedule_model_new(0, &mut model, e));
        ok(|e| ledg_schedule_graph(model, str(&task), str(&traces[0]), &mut text, e));
        let view = ledg_string_view(text);
        let bytes = std::slice::from_raw_parts(view.data.cast::<u8>(), view.len);
        let graph: Value = serde_json::from_slice(bytes).unwrap();
        assert!(graph["nodes"].as_array().unwrap().len() > 10, "{graph}");
        ledg_string_free(text);
        ledg_schedule_model_free(model);
        ledg_schedule_model_free(null_mut());
    }
}

#[test]
fn wrong_arguments_are_told_and_nothing_is_written() {
    let (task, traces) = matmul();
    let (t, trace) = (str(&task), str(&traces[0]));
    let (mut model, mut score) = (null_mut(), 7.0);
    let bytes = [b'a', 0xff];
    let bad = ledg_str { data: bytes.as_ptr().cast(), len: 2 };
    // SAFETY: live handles or NULL, texts that live, places that are locals; the model is freed once.
    unsafe {
        ok(|e| ledg_schedule_model_new(0, &mut model, e));
        let (mut other, mut text) = (null_mut(), null_mut());
        fails(LEDG_E_NULL, |e| ledg_schedule_model_new(0, null_mut(), e));
        fails(LEDG_E_NULL, |e| ledg_schedule_model_load(t, null_mut(), e));
        fails(LEDG_E_IO, |e| ledg_schedule_model_load(str("/there/is/none"), &mut other, e));
        fails(LEDG_E_UTF8, |e| ledg_schedule_model_load(bad, &mut other, e));
        fails(LEDG_E_NULL, |e| ledg_schedule_model_save(null(), t, e));
        fails(LEDG_E_NULL, |e| ledg_schedule_score(null(), t, &trace, 1, &mut score, null_mut(), e));
        fails(LEDG_E_NULL, |e| ledg_schedule_score(model, t, null(), 1, &mut score, null_mut(), e));
        fails(LEDG_E_NULL, |e| ledg_schedule_score(model, t, &trace, 1, null_mut(), null_mut(), e));
        fails(LEDG_E_PARSE, |e| ledg_schedule_score(model, trace, &trace, 1, &mut score, null_mut(), e));
        fails(LEDG_E_NULL, |e| ledg_schedule_graph(null(), t, trace, &mut text, e));
        fails(LEDG_E_NULL, |e| ledg_schedule_graph(model, t, trace, null_mut(), e));
        fails(LEDG_E_UNKNOWN_OP, |e| ledg_schedule_graph(model, t, str("sch.frobnicate(1)"), &mut text, e));
        fails(LEDG_E_NULL, |e| ledg_model_update(null(), t, &mut other, e));
        fails(LEDG_E_NULL, |e| ledg_model_update(model, t, null_mut(), e));
        fails(LEDG_E_RECORDS, |e| ledg_model_update(model, str("{}"), &mut other, e));
        let alike = records(&task, &traces[..1]);
        fails(LEDG_E_RECORDS, |e| ledg_model_update(model, str(&alike), &mut other, e));
        assert!(other.is_null() && text.is_null() && score == 7.0);
        ledg_schedule_model_free(model);
    }
}
