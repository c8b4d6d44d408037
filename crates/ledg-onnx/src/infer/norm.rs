//! Normalisation.

use ledg_graph::{DType, Shape};

use crate::fact::{Call, Fact, axis};
use crate::infer::Inferred;

/// Further outputs are running statistics, which inference exports do not name.
pub(super) fn batch_norm(call: &Call) -> Inferred {
    let x = call.shape_of_rank(0, 2..=usize::MAX)?;
    let dtype = call.dtype(0)?;
    let statistics = Fact::new(dtype, vec![x[1]]);
    let mut facts = vec![Fact::new(dtype, x.to_vec())];
    facts.resize(call.n_outputs.max(1), statistics);
    Ok(facts)
}

/// Mean and inverse deviation have size 1 from `axis` on.
pub(super) fn layer_norm(call: &Call) -> Inferred {
    let x = call.shape(0)?;
    let from = axis(call.attr_int("axis", -1), x.len())?;
    let reduced: Shape = x.iter().enumerate().map(|(i, &d)| if i < from { d } else { 1 }).collect();
    let statistics = Fact::new(DType::F32, reduced);
    Ok(vec![Fact::new(call.dtype(0)?, x.to_vec()), statistics.clone(), statistics])
}

/// Outputs: result, mean, inverse deviation, sum of input and skip.
pub(super) fn skip_layer_norm(call: &Call) -> Inferred {
    let x = call.shape_of_rank(0, 1..=usize::MAX)?.to_vec();
    let dtype = call.dtype(0)?;
    let mut reduced = x.clone();
    if let Some(last) = reduced.last_mut() {
        *last = 1;
    }
    let statistics = Fact::new(DType::F32, reduced);
    Ok(vec![Fact::new(dtype, x.clone()), statistics.clone(), statistics, Fact::new(dtype, x)])
}

/// # Shapes
/// ids (batch, steps), word embedding (vocabulary, hidden) -> (batch, steps, hidden), mask index (batch), sum
pub(super) fn embed_layer_norm(call: &Call) -> Inferred {
    let ids = call.shape_of_rank(0, 2..=2)?;
    let words = call.shape_of_rank(2, 2..=2)?;
    let dtype = call.dtype(2)?;
    let hidden = Fact::new(dtype, vec![ids[0], ids[1], words[1]]);
    Ok(vec![hidden.clone(), Fact::new(DType::I32, vec![ids[0]]), hidden])
}
