//! Attention as one operator: ONNX's own (operator set 23) and ONNX Runtime's.

use crate::fact::{Call, Fact, Stop};
use crate::infer::Inferred;

fn positive(call: &Call, name: &str) -> Result<u64, Stop> {
    let value = call.attrs.int(name).and_then(|v| u64::try_from(v).ok()).filter(|&v| v > 0);
    value.ok_or_else(|| Stop::Invalid(format!("attribute `{name}` is missing or not positive")))
}

fn plus(a: u64, b: u64) -> Result<u64, Stop> {
    a.checked_add(b).ok_or_else(|| Stop::Invalid("sequence length overflows".to_owned()))
}

fn times(a: u64, b: u64) -> Result<u64, Stop> {
    a.checked_mul(b).ok_or_else(|| Stop::Invalid("hidden size overflows".to_owned()))
}

/// Steps in the past key, input `i`, laid out (batch, heads, steps, size).
fn past_steps(call: &Call, i: usize) -> Result<u64, Stop> {
    if call.has(i) { Ok(call.shape_of_rank(i, 4..=4)?[2]) } else { Ok(0) }
}

/// # Shapes
/// q (batch, heads, steps, size) or (batch, steps, heads·size); present key and value (batch, kv heads, all steps, size)
pub(super) fn attention(call: &Call) -> Inferred {
    let q = call.shape_of_rank(0, 3..=4)?;
    let k = call.shape_of_rank(1, q.len()..=q.len())?;
    let v = call.shape_of_rank(2, q.len()..=q.len())?;
    let past = past_steps(call, 4)?;
    let (heads, steps, kv_heads, kv_steps, size, v_size);
    let y = if q.len() == 4 {
        (heads, steps, kv_heads, kv_steps, size, v_size) = (q[1], q[2], k[1], k[2], q[3], v[3]);
        vec![q[0], heads, steps, v_size]
    } else {
        (heads, kv_heads) = (positive(call, "q_num_heads")?, positive(call, "kv_num_heads")?);
        (steps, kv_steps, size, v_size) = (q[1], k[1], q[2] / heads, v[2] / kv_heads);
        vec![q[0], steps, times(heads, v_size)?]
    };
    let dtype = call.dtype(0)?;
    let all = plus(past, kv_steps)?;
    Ok(vec![
        Fact::new(dtype, y),
        Fact::new(dtype, vec![q[0], kv_heads, all, size]),
        Fact::new(dtype, vec![q[0], kv_heads, all, v_size]),
        Fact::new(dtype, vec![q[0], heads, steps, all]),
    ])
}

/// # Shapes
/// x (batch, steps, hidden), weights (hidden, q + k + v) -> (batch, steps, v), present (2, batch, heads, all steps, size)
pub(super) fn fused_attention(call: &Call) -> Inferred {
    let x = call.shape_of_rank(0, 3..=3)?;
    let weights = call.shape_of_rank(1, 2..=2)?;
    let heads = positive(call, "num_heads")?;
    let v = match call.attrs.ints("qkv_hidden_sizes") {
        Some([_, _, v]) => u64::try_from(*v).map_err(|_| "attribute `qkv_hidden_sizes` is negative")?,
        _ => weights[1] / 3,
    };
    let past = if call.op == "Attention" && call.has(4) { call.shape_of_rank(4, 5..=5)?[3] } else { 0 };
    // QAttention's element type is that of its scales, a float.
    let dtype = if call.op == "Attention" { call.dtype(0)? } else { call.dtype(3)? };
    let present = vec![2, x[0], heads, plus(past, x[1])?, v / heads];
    Ok(vec![Fact::new(dtype, vec![x[0], x[1], v]), Fact::new(dtype, present)])
}

/// # Shapes
/// q (batch, steps, hidden) or packed (batch, steps, heads, 3, size), v (batch, kv steps, v) or (batch, heads, kv steps, size)
pub(super) fn multi_head_attention(call: &Call) -> Inferred {
    let q = call.shape_of_rank(0, 3..=5)?;
    let heads = positive(call, "num_heads")?;
    let past = past_steps(call, 6)?;
    let (v, kv_steps) = match q {
        [_, steps, heads, 3, size] => (times(*heads, *size)?, *steps),
        [_, _, hidden] if !call.has(2) => {
            // Keys and values packed into input 1: (batch, kv steps, heads, 2, size).
            let kv = call.shape_of_rank(1, 5..=5)?;
            (*hidden, kv[1])
        }
        [_, _, _] => match call.shape_of_rank(2, 3..=4)? {
            [_, steps, v] => (*v, *steps),
            [_, heads, steps, size] => (times(*heads, *size)?, *steps),
            _ => return Err("input 2 has no shape of a value".into()),
        },
        _ => return Err(Stop::Invalid(format!("input 0 has shape {q:?}, no shape of a query"))),
    };
    let dtype = call.dtype(0)?;
    let present = Fact::new(dtype, vec![q[0], heads, plus(past, kv_steps)?, v / heads]);
    Ok(vec![Fact::new(dtype, vec![q[0], q[1], v]), present.clone(), present])
}

/// # Shapes
/// q (batch, steps, hidden), or q, k and v packed; present (batch, kv heads, all steps, size)
pub(super) fn group_query_attention(call: &Call) -> Inferred {
    let q = call.shape_of_rank(0, 3..=3)?;
    let (heads, kv_heads) = (positive(call, "num_heads")?, positive(call, "kv_num_heads")?);
    let packed = !call.has(1);
    let all_heads = if packed { plus(heads, times(kv_heads, 2)?)? } else { heads };
    let size = q[2] / all_heads;
    let dtype = call.dtype(0)?;
    let present = Fact::new(dtype, vec![q[0], kv_heads, plus(past_steps(call, 3)?, q[1])?, size]);
    Ok(vec![Fact::new(dtype, vec![q[0], q[1], times(heads, size)?]), present.clone(), present])
}
