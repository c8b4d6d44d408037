//! What attention adds to memory where it is no kernel of its own.

use super::{Step, Steps};

/// Passes over the scores, in elements: a product writes them, they are scaled, softmax reads and writes, a product reads them.
pub(super) const SCORE_PASSES: f64 = 6.0;
/// The same under mixed precision, in narrow elements: softmax writes wide ones, which are cast.
pub(super) const MIXED_SCORE_PASSES: f64 = 10.0;
/// A bias is one more pass.
pub(super) const BIAS_PASSES: f64 = 2.0;
/// Under mixed precision a bias is wide, so its pass writes wide scores, which softmax reads.
pub(super) const MIXED_BIAS_PASSES: f64 = 4.0;
/// What a compiler leaves of them: a product writes, one loop reads and writes, a product reads.
pub(super) const COMPILED_SCORE_PASSES: f64 = 4.0;

/// Scores of a step that is attention: heads x queries x keys.
pub(super) fn scores(steps: Steps<'_>, step: &Step) -> f64 {
    let positions = |v: u32| steps.shape(v).iter().rev().skip(1).map(|&d| d as f64);
    let [queries, .., values] = step.inputs[..] else { return 0.0 };
    let values = step.inputs.get(2).copied().unwrap_or(values);
    positions(queries).product::<f64>() * positions(values).next().unwrap_or(1.0)
}

/// Whether it runs operator by operator although it looks like a kernel: `scaled_dot_product_attention` has kernels for operands of
/// four axes, (batch, heads, positions, size), and a bias with values wider than keys is LeViT's and its descendants' own code.
pub(super) fn is_spelled_out(steps: Steps<'_>, step: &Step) -> bool {
    let shape = |at: usize| step.inputs.get(at).map(|&v| steps.shape(v));
    let wider = step.inputs.len() > 2 && shape(2).and_then(<[u64]>::last) != shape(0).and_then(<[u64]>::last);
    shape(0).is_some_and(|q| q.len() != 4) || (is_biased(step) && wider)
}

/// Whether something is added to the scores.
pub(super) fn is_biased(step: &Step) -> bool {
    step.weight || step.inputs.len() > 3
}
