//! LSTM, GRU and RNN.

use crate::fact::{Call, Fact, Stop, size};
use crate::infer::Inferred;

/// # Shapes
/// layout 0: x (steps, batch, in) -> y (steps, directions, batch, hidden), states (directions, batch, hidden);
/// layout 1: x (batch, steps, in) -> y (batch, steps, directions, hidden), states (batch, directions, hidden)
pub(super) fn recurrent(call: &Call) -> Inferred {
    let x = call.shape_of_rank(0, 3..=3)?;
    let directions = match call.attrs.str("direction").unwrap_or("forward") {
        "forward" | "reverse" => 1,
        "bidirectional" => 2,
        other => return Err(Stop::Invalid(format!("attribute `direction` is `{other}`"))),
    };
    let hidden = match call.attrs.int("hidden_size") {
        Some(h) => size(Some(h), "attribute `hidden_size`")?,
        None => call.shape_of_rank(2, 3..=3)?[2],
    };
    let (y, state) = if call.attr_int("layout", 0) == 0 {
        (vec![x[0], directions, x[1], hidden], vec![directions, x[1], hidden])
    } else {
        (vec![x[0], x[1], directions, hidden], vec![x[0], directions, hidden])
    };
    let dtype = call.dtype(0)?;
    let state = Fact::new(dtype, state);
    Ok(vec![Fact::new(dtype, y), state.clone(), state])
}
