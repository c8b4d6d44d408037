//! The library starts no thread that outlives a call. One test, as threads are counted for the whole process.
#![cfg(target_os = "linux")]

use ledg_cost_model::encoder::Encoder;
use ledg_cost_model::ranking::{ScheduleModel, ScheduleRecords, UpdateOptions};

/// Threads of this process; those that are ending get two seconds for it.
fn threads(expected: usize) -> usize {
    let count = || std::fs::read_dir("/proc/self/task").unwrap().count();
    for _ in 0..200 {
        if expected == 0 || count() == expected {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    count()
}

#[test]
fn embedding_and_learning_leave_no_thread_behind() {
    let before = threads(0);
    let encoder = Encoder::pretrained().unwrap();
    // Many, and one as long as may be, so that every tensor is worth dividing.
    let few = |i| format!("ParamL Frobnicate {i} 3 5 7 stride 2 groups 4 dilation 9");
    let sentences: Vec<String> = (0..40).map(few).chain(["conv ".repeat(250)]).collect();
    let vectors = encoder.embed(&sentences.iter().map(String::as_str).collect::<Vec<_>>()).unwrap();
    assert_eq!((vectors.len(), encoder.stats().model_runs), (41, 41));
    assert_eq!(threads(before), before, "after embedding");

    let cases: serde_json::Value = serde_json::from_str(include_str!("../../ledg-schedule/tests/traces.json")).unwrap();
    let case = &cases["matmul"];
    let mut lines = vec![serde_json::json!({"version": 1, "task": case["task"]}).to_string()];
    for (i, trace) in case["traces"].as_array().unwrap().iter().enumerate() {
        let runs_s = [1e-3 * (i + 1) as f64];
        let name = &case["task"]["name"];
        lines.push(serde_json::json!({"version": 1, "of": name, "trace": trace, "runs_s": runs_s}).to_string());
    }
    let records = ScheduleRecords::from_jsonl(&lines.join("\n"), "r.jsonl").unwrap();
    let learned = ScheduleModel::untrained(None, 0).unwrap().update(&records, &UpdateOptions::default()).unwrap();
    assert!(learned.is_trained());
    assert_eq!(threads(before), before, "after learning");
}
