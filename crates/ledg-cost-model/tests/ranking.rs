//! Schedule models as files.

use ledg_cost_model::CostModelError;
use ledg_cost_model::ranking::ScheduleModel;

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
