//! Schedule models as files.

use ledg_cost_model::CostModelError;
use ledg_cost_model::ranking::{ScheduleModel, ScheduleRecords, UpdateOptions};

#[test]
fn a_model_of_other_numbers_is_refused() {
    let mut bytes = ScheduleModel::untrained(None, 0).unwrap().to_bytes().unwrap();
    ScheduleModel::from_bytes(&bytes, "m").unwrap();
    // The header is JSON inside of JSON: `\"schema\":2`.
    let schema = br#"\"schema\":"#;
    let at = bytes.windows(schema.len()).position(|w| w == schema).unwrap() + schema.len();
    bytes[at] = b'1';
    let error = ScheduleModel::from_bytes(&bytes, "m").err().unwrap();
    assert!(matches!(error, CostModelError::Mismatch { what: "schema of schedules", .. }), "{error}");
}

#[test]
fn estimated_cycles_are_taken_off_scores_and_the_weight_is_kept() {
    let cases: serde_json::Value = serde_json::from_str(include_str!("../../ledg-schedule/tests/traces.json")).unwrap();
    let case = &cases["matmul"];
    let traces: Vec<&str> = case["traces"].as_array().unwrap().iter().map(|t| t.as_str().unwrap()).collect();
    let name = &case["task"]["name"];
    let mut lines = vec![serde_json::json!({"version": 1, "task": case["task"]}).to_string()];
    for (i, trace) in traces.iter().enumerate() {
        let runs_s = [1e-3 * (i + 1) as f64];
        lines.push(serde_json::json!({"version": 1, "of": name, "trace": trace, "runs_s": runs_s}).to_string());
    }
    let records = ScheduleRecords::from_jsonl(&lines.join("\n"), "r.jsonl").unwrap();
    lines.push(serde_json::json!({"version": 1, "of": name, "trace": "[[], []]]", "failed": "not built"}).to_string());
    let unreadable = ScheduleRecords::from_jsonl(&lines.join("\n"), "r.jsonl").unwrap();
    let refused = ScheduleModel::untrained(None, 0).unwrap().update(&unreadable, &UpdateOptions::default());
    let error = refused.err().unwrap();
    assert!(matches!(error, CostModelError::Record { .. }), "{error}");
    let place = format!("candidate {} of task {name}", traces.len()).replace('"', "`");
    assert!(error.to_string().contains(&place), "{error}");
    let (_, task) = records.tasks().next().unwrap();
    let scores = |model: &ScheduleModel| -> Vec<f64> {
        model.score(&task.task, &traces).unwrap().into_iter().map(Result::unwrap).collect()
    };
    let model = ScheduleModel::untrained(None, 0).unwrap().update(&records, &UpdateOptions::default()).unwrap();
    let plain = scores(&model);
    let model = model.with_estimate(0.5);
    for ((with, without), trace) in scores(&model).into_iter().zip(plain).zip(&traces) {
        let cycles = model.graph(&task.task, trace).unwrap().cycles;
        assert!((without - 0.5 * cycles - with).abs() < 1e-9, "{with}, without {without}, cycles {cycles}");
    }
    let bytes = model.to_bytes().unwrap();
    assert_eq!(ScheduleModel::from_bytes(&bytes, "m").unwrap().header().estimate, 0.5);
    let wrong = model.with_estimate(-1.0).to_bytes().unwrap();
    let error = ScheduleModel::from_bytes(&wrong, "m").err().unwrap().to_string();
    assert!(error.contains("`estimate` is -1, must be at least 0"), "{error}");
}
