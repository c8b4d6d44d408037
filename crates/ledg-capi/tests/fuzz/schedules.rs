//! Tasks, traces, measured candidates and files of schedule models.

use std::ptr::null_mut;

use ledg::*;
use rand::RngCore;
use serde_json::{Value, json};

use crate::{fuzz, mutate, str};

/// A task, traces that TVM printed, and both as measured candidates.
fn seeds() -> (String, Vec<String>, String) {
    let cases: Value = serde_json::from_str(include_str!("../../../ledg-schedule/tests/traces.json")).unwrap();
    let case = &cases["matmul"];
    let traces: Vec<String> =
        case["traces"].as_array().unwrap().iter().map(|t| t.as_str().unwrap().to_owned()).collect();
    let mut lines = vec![json!({"version": 1, "task": &case["task"]}).to_string()];
    for (i, trace) in traces.iter().take(3).enumerate() {
        let of = &case["task"]["name"];
        lines.push(json!({"version": 1, "of": of, "trace": trace, "runs_s": [1e-3 * (i + 1) as f64]}).to_string());
    }
    (case["task"].to_string(), traces, lines.join("\n"))
}

#[test]
fn tasks_and_traces() {
    let (task, traces, _) = seeds();
    let mut model = null_mut();
    // SAFETY: a local place.
    assert_eq!(unsafe { ledg_schedule_model_new(1, &mut model, null_mut()) }, LEDG_OK);
    fuzz("schedules", |rng| {
        // One of them damaged, or both.
        let which = rng.next_u32() % 3;
        let trace = traces[rng.next_u32() as usize % traces.len()].as_bytes();
        let task = if which == 0 { task.clone().into_bytes() } else { mutate(rng, task.as_bytes()) };
        let trace = if which == 1 { trace.to_vec() } else { mutate(rng, trace) };
        let mut text = null_mut();
        // SAFETY: a live model, live texts and a local place; what is made is freed once.
        unsafe {
            let status = ledg_schedule_graph(model, str(&task), str(&trace), &mut text, null_mut());
            ledg_string_free(text);
            status
        }
    });
    // SAFETY: freed once.
    unsafe { ledg_schedule_model_free(model) };
}

#[test]
fn measured_candidates() {
    let (.., lines) = seeds();
    let mut model = null_mut();
    // SAFETY: a local place.
    assert_eq!(unsafe { ledg_schedule_model_new(1, &mut model, null_mut()) }, LEDG_OK);
    fuzz("candidates", |rng| {
        let lines = mutate(rng, lines.as_bytes());
        let mut learned = null_mut();
        // SAFETY: a live model, a live text and a local place; what is made is freed once.
        unsafe {
            let status = ledg_model_update(model, str(&lines), &mut learned, null_mut());
            ledg_schedule_model_free(learned);
            status
        }
    });
    // SAFETY: freed once.
    unsafe { ledg_schedule_model_free(model) };
}

#[test]
fn files_of_models() {
    let (.., lines) = seeds();
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (whole, damaged) = (path("whole.ledg"), path("damaged.ledg"));
    // SAFETY: live handles and texts, local places; what is made is freed once.
    unsafe {
        let (mut model, mut learned) = (null_mut(), null_mut());
        assert_eq!(ledg_schedule_model_new(1, &mut model, null_mut()), LEDG_OK);
        assert_eq!(ledg_model_update(model, str(lines.as_bytes()), &mut learned, null_mut()), LEDG_OK);
        assert_eq!(ledg_schedule_model_save(learned, str(whole.as_bytes()), null_mut()), LEDG_OK);
        ledg_schedule_model_free(model);
        ledg_schedule_model_free(learned);
    }
    let seed = std::fs::read(&whole).unwrap();
    // Half of the damage where it counts: the header.
    let header = seed.len().min(4_000);
    fuzz("schedule models", |rng| {
        let bytes = match rng.next_u32() % 2 {
            0 => mutate(rng, &seed),
            _ => [mutate(rng, &seed[..header]), seed[header..].to_vec()].concat(),
        };
        std::fs::write(&damaged, bytes).unwrap();
        let mut model = null_mut();
        // SAFETY: a live text and a local place; what is made is freed once.
        unsafe {
            let status = ledg_schedule_model_load(str(damaged.as_bytes()), &mut model, null_mut());
            ledg_schedule_model_free(model);
            status
        }
    });
}
