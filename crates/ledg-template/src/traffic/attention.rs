//! What attention adds to memory where it is no kernel of its own.

use ledg_graph::Traffic;

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

/// Passes that attention without a kernel makes over its scores in single precision, in narrow elements, beyond those of mixed precision:
/// softmax writes wide scores, and its result is compared with minus infinity, the comparison looked through, and copied where a row was
/// masked throughout (`_safe_softmax`).
const WIDE_SCORE_PASSES: f64 = 5.5;
/// A bias is added to wide scores in a pass of its own.
const WIDE_BIAS_PASSES: f64 = 5.0;
/// Operands are cast, and queries and keys scaled.
const WIDE_OPERAND_PASSES: f64 = 6.0;
/// What a compiler leaves of these: wide scores instead of narrow ones, wide operands.
const COMPILED_WIDE_SCORE_PASSES: f64 = 4.0;
const COMPILED_WIDE_OPERAND_PASSES: f64 = 2.0;

/// Scores of a step that is attention: heads x queries x keys.
pub(super) fn scores(steps: Steps<'_>, step: &Step) -> f64 {
    let positions = |v: u32| steps.shape(v).iter().rev().skip(1).map(|&d| d as f64);
    let [queries, .., values] = step.inputs[..] else { return 0.0 };
    let values = step.inputs.get(2).copied().unwrap_or(values);
    positions(queries).product::<f64>() * positions(values).next().unwrap_or(1.0)
}

/// Whether `scaled_dot_product_attention` has no kernel for it and runs operator by operator (its "math" backend): kernels take operands
/// of four axes, (batch, heads, positions, size), with as many heads in the keys as in the queries.
pub(super) fn has_no_kernel(steps: Steps<'_>, step: &Step) -> bool {
    let shape = |at: usize| step.inputs.get(at).map(|&v| steps.shape(v));
    let heads = |at: usize| shape(at).filter(|s| s.len() == 4).map(|s| s[1]);
    shape(0).is_some_and(|q| q.len() != 4) || (step.inputs.len() > 2 && heads(0) != heads(1))
}

/// Whether it runs operator by operator although it looks like a kernel: where there is none, and a bias with values wider than keys, which
/// is LeViT's and its descendants' own code.
pub(super) fn is_spelled_out(steps: Steps<'_>, step: &Step) -> bool {
    let last = |at: usize| step.inputs.get(at).and_then(|&v| steps.shape(v).last());
    has_no_kernel(steps, step) || (is_biased(step) && step.inputs.len() > 2 && last(2) != last(0))
}

/// What attention without a kernel adds where it is computed in single precision, as PyTorch does since 2.5; one by one and compiled, as
/// both follow from the scores alone.
pub(super) fn widen(steps: Steps<'_>, step: &Step, traffic: &mut Traffic) {
    let [queries, .., values] = step.inputs[..] else { return };
    let values = step.inputs.get(2).copied().unwrap_or(values);
    let size = |v: u32| steps.shape(v).last().map_or(1.0, |&d| d as f64);
    let positions = |v: u32| steps.shape(v).iter().rev().nth(1).map_or(1.0, |&d| d as f64);
    let scores = scores(steps, step);
    let sizes = size(queries) + size(values);
    // Queries; keys and values, for every head.
    let operands = scores / positions(values).max(1.0) * size(queries) + scores / positions(queries).max(1.0) * sizes;
    let bias = if is_biased(step) { WIDE_BIAS_PASSES } else { 0.0 };
    traffic.attention_flops += 2.0 * scores * sizes;
    traffic.wide_attention[0] += (WIDE_SCORE_PASSES + bias) * scores + WIDE_OPERAND_PASSES * operands;
    traffic.wide_attention[1] += COMPILED_WIDE_SCORE_PASSES * scores + COMPILED_WIDE_OPERAND_PASSES * operands;
}

/// Whether something is added to the scores.
pub(super) fn is_biased(step: &Step) -> bool {
    step.weight || step.inputs.len() > 3
}
