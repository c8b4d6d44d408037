//! What an operator set leaves to its defaults, spelled out, so that nothing downstream need know which set a graph is of.

use ledg_graph::{Attr, Attrs, OpType};

/// The operator set in which Softmax and its kin came to work along one axis, the last one if none is given.
const SOFTMAX_ALONG_ONE_AXIS: i64 = 13;
/// The operator set in which Clip's bounds became inputs.
const CLIP_BY_INPUTS: i64 = 11;

/// Gives the node the axis that it has without naming one.
///
/// Before operator set 13 Softmax takes all axes from `axis` on together; these are then listed in `axes` as well.
pub(super) fn spell_out_axis(op: &OpType, opset: i64, rank: Option<usize>, attrs: &mut Attrs) {
    if !op.domain.is_empty() {
        return;
    }
    let flattens = matches!(op.name.as_str(), "Softmax" | "LogSoftmax" | "Hardmax") && opset < SOFTMAX_ALONG_ONE_AXIS;
    let default = match op.name.as_str() {
        _ if flattens => 1,
        "Softmax" | "LogSoftmax" | "Hardmax" => -1,
        "LayerNormalization" | "RMSNormalization" | "SimplifiedLayerNormalization" => -1,
        "ArgMax" | "ArgMin" => 0,
        _ => return,
    };
    if attrs.get("axis").is_none() {
        attrs.insert("axis", Attr::Int(default));
    }
    if let (true, Some(axis), Some(rank)) = (flattens, attrs.int("axis"), rank.and_then(|r| i64::try_from(r).ok())) {
        let first = if axis < 0 { axis.saturating_add(rank) } else { axis };
        if (0..rank - 1).contains(&first) {
            attrs.insert("axes", Attr::Ints((first..rank).collect()));
        }
    }
}

/// The lower and the upper bound of a Clip that has them as attributes.
pub(super) fn clip_bounds(op: &OpType, opset: i64, attrs: &Attrs) -> Option<[Option<f64>; 2]> {
    let is_old = op.domain.is_empty() && op.name == "Clip" && opset < CLIP_BY_INPUTS;
    // What exporters write for no bound at all: the largest number of single precision.
    let bound = |name| attrs.float(name).filter(|b| b.abs() < f64::from(f32::MAX));
    is_old.then(|| [bound("min"), bound("max")])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn axes(op: &str, opset: i64, rank: usize, axis: Option<i64>) -> (Option<i64>, Option<Vec<i64>>) {
        let mut attrs: Attrs = axis.map(|axis| ("axis", Attr::Int(axis))).into_iter().collect();
        spell_out_axis(&OpType::onnx(op), opset, Some(rank), &mut attrs);
        (attrs.int("axis"), attrs.ints("axes").map(<[i64]>::to_vec))
    }

    #[test]
    fn softmax_works_along_one_axis_since_set_13() {
        assert_eq!(axes("Softmax", 13, 4, None), (Some(-1), None));
        assert_eq!(axes("Softmax", 13, 4, Some(1)), (Some(1), None));
        assert_eq!(axes("Softmax", 11, 4, None), (Some(1), Some(vec![1, 2, 3])));
        assert_eq!(axes("LogSoftmax", 7, 2, None), (Some(1), None));
        assert_eq!(axes("Softmax", 11, 4, Some(-2)), (Some(-2), Some(vec![2, 3])));
        assert_eq!(axes("Softmax", 11, 4, Some(3)), (Some(3), None));
        // Out of range: whatever reads it refuses it.
        assert_eq!(axes("Softmax", 11, 0, None), (Some(1), None));
        assert_eq!(axes("Softmax", 11, 4, Some(i64::MIN)), (Some(i64::MIN), None));
    }

    #[test]
    fn others_have_one_default() {
        assert_eq!(axes("ArgMax", 7, 3, None).0, Some(0));
        assert_eq!(axes("LayerNormalization", 17, 4, None).0, Some(-1));
        assert_eq!(axes("ReduceMean", 17, 4, None).0, None);
    }
}
