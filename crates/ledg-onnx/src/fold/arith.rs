//! Element-wise arithmetic and reductions on constants.

use ledg_graph::ConstData;

use crate::fact::{Call, Fact};
use crate::fold::layout::{broadcast_places, pick};
use crate::fold::stored;
use crate::infer::reduced_axes;

/// Evaluates an operator that computes.
pub(super) fn evaluate(call: &Call, out: &Fact, shape: &[u64]) -> Option<ConstData> {
    let result = if let Some(reduction) = reduction(call.op) {
        reduce(call, reduction)?
    } else if call.op == "Where" {
        select(call, shape)?
    } else if call.inputs.len() == 1 && unary(call.op).is_some() {
        each(call.input(0)?.data.as_deref()?, &unary(call.op)?)?
    } else {
        fold_pairs(call, shape)?
    };
    Some(stored(result, out.dtype))
}

/// An operation on integers and the same on floats; `None` where it is not defined.
struct Pair<const N: usize> {
    ints: fn([i64; N]) -> Option<i64>,
    floats: fn([f64; N]) -> Option<f64>,
}

fn unary(op: &str) -> Option<Pair<1>> {
    let not_on_ints = |_: [i64; 1]| None;
    Some(match op {
        "Abs" => Pair { ints: |[x]| x.checked_abs(), floats: |[x]| Some(x.abs()) },
        "Neg" => Pair { ints: |[x]| x.checked_neg(), floats: |[x]| Some(-x) },
        "Sign" => Pair { ints: |[x]| Some(x.signum()), floats: |[x]| Some(if x == 0.0 { 0.0 } else { x.signum() }) },
        "Relu" => Pair { ints: |[x]| Some(x.max(0)), floats: |[x]| Some(x.max(0.0)) },
        "Not" => Pair { ints: |[x]| Some(i64::from(x == 0)), floats: |_| None },
        "Floor" => Pair { ints: not_on_ints, floats: |[x]| Some(x.floor()) },
        "Ceil" => Pair { ints: not_on_ints, floats: |[x]| Some(x.ceil()) },
        "Round" => Pair { ints: not_on_ints, floats: |[x]| Some(x.round_ties_even()) },
        "Sqrt" => Pair { ints: not_on_ints, floats: |[x]| Some(x.sqrt()) },
        "Reciprocal" => Pair { ints: not_on_ints, floats: |[x]| Some(1.0 / x) },
        "Exp" => Pair { ints: not_on_ints, floats: |[x]| Some(x.exp()) },
        "Log" => Pair { ints: not_on_ints, floats: |[x]| Some(x.ln()) },
        _ => return None,
    })
}

fn binary(call: &Call) -> Option<Pair<2>> {
    Some(match call.op {
        "Add" | "Sum" => Pair { ints: |[a, b]| Some(a.wrapping_add(b)), floats: |[a, b]| Some(a + b) },
        "Sub" => Pair { ints: |[a, b]| Some(a.wrapping_sub(b)), floats: |[a, b]| Some(a - b) },
        "Mul" => Pair { ints: |[a, b]| Some(a.wrapping_mul(b)), floats: |[a, b]| Some(a * b) },
        // ONNX leaves rounding of negative quotients open; runtimes truncate, as C does.
        "Div" => Pair { ints: |[a, b]| a.checked_div(b), floats: |[a, b]| Some(a / b) },
        "Mod" if call.flag("fmod", false) => Pair { ints: |[a, b]| a.checked_rem(b), floats: |[a, b]| Some(a % b) },
        // Without fmod the result has the sign of the divisor, as in Python.
        "Mod" => Pair {
            ints: |[a, b]| a.checked_rem(b).map(|r| if r != 0 && (r < 0) != (b < 0) { r + b } else { r }),
            floats: |_| None,
        },
        "Pow" => Pair {
            ints: |[a, b]| u32::try_from(b).ok().and_then(|b| a.checked_pow(b)),
            floats: |[a, b]| Some(a.powf(b)),
        },
        "Max" => Pair { ints: |[a, b]| Some(a.max(b)), floats: |[a, b]| Some(a.max(b)) },
        "Min" => Pair { ints: |[a, b]| Some(a.min(b)), floats: |[a, b]| Some(a.min(b)) },
        "And" => Pair { ints: |[a, b]| Some(i64::from(a != 0 && b != 0)), floats: |_| None },
        "Or" => Pair { ints: |[a, b]| Some(i64::from(a != 0 || b != 0)), floats: |_| None },
        "Xor" => Pair { ints: |[a, b]| Some(i64::from((a != 0) != (b != 0))), floats: |_| None },
        // Comparisons of floats answer with integers, so they are no pair.
        _ => return None,
    })
}

fn comparison(op: &str) -> Option<fn(std::cmp::Ordering) -> bool> {
    Some(match op {
        "Equal" => |o| o.is_eq(),
        "Greater" => |o| o.is_gt(),
        "GreaterOrEqual" => |o| o.is_ge(),
        "Less" => |o| o.is_lt(),
        "LessOrEqual" => |o| o.is_le(),
        _ => return None,
    })
}

fn each(data: &ConstData, op: &Pair<1>) -> Option<ConstData> {
    Some(match data {
        ConstData::Ints(v) => ConstData::Ints(v.iter().map(|&x| (op.ints)([x])).collect::<Option<_>>()?),
        ConstData::Floats(v) => ConstData::Floats(v.iter().map(|&x| (op.floats)([x])).collect::<Option<_>>()?),
    })
}

/// Operators of two inputs, or of any number combined two by two.
fn fold_pairs(call: &Call, shape: &[u64]) -> Option<ConstData> {
    let mut result = spread(call.input(0)?, shape)?;
    for i in 1..call.inputs.len() {
        let next = spread(call.input(i)?, shape)?;
        result = match (comparison(call.op), result, next) {
            (Some(holds), ConstData::Ints(a), ConstData::Ints(b)) => {
                ConstData::Ints(a.iter().zip(&b).map(|(a, b)| i64::from(holds(a.cmp(b)))).collect())
            }
            (Some(holds), ConstData::Floats(a), ConstData::Floats(b)) => {
                // NaN compares as false with everything.
                let compare = |(a, b): (&f64, &f64)| i64::from(a.partial_cmp(b).is_some_and(holds));
                ConstData::Ints(a.iter().zip(&b).map(compare).collect())
            }
            (None, ConstData::Ints(a), ConstData::Ints(b)) => {
                let op = binary(call)?.ints;
                ConstData::Ints(a.into_iter().zip(b).map(|(a, b)| op([a, b])).collect::<Option<_>>()?)
            }
            (None, ConstData::Floats(a), ConstData::Floats(b)) => {
                let op = binary(call)?.floats;
                ConstData::Floats(a.into_iter().zip(b).map(|(a, b)| op([a, b])).collect::<Option<_>>()?)
            }
            _ => return None,
        };
    }
    // One input alone: Max, Min and Sum are the identity, anything else is not ours.
    (call.inputs.len() > 1 || matches!(call.op, "Max" | "Min" | "Sum")).then_some(result)
}

/// A constant broadcast to a shape.
fn spread(fact: &Fact, shape: &[u64]) -> Option<ConstData> {
    let data = fact.data.as_deref()?;
    let from = fact.shape.as_deref()?;
    if from == shape {
        return Some(data.clone());
    }
    let places = broadcast_places(from, shape)?;
    pick(data, &places)
}

fn select(call: &Call, shape: &[u64]) -> Option<ConstData> {
    let condition = spread(call.input(0)?, shape)?;
    let condition = condition.ints()?;
    Some(match (spread(call.input(1)?, shape)?, spread(call.input(2)?, shape)?) {
        (ConstData::Ints(a), ConstData::Ints(b)) => ConstData::Ints(
            condition.iter().zip(a.iter().zip(&b)).map(|(&c, (&a, &b))| if c != 0 { a } else { b }).collect(),
        ),
        (ConstData::Floats(a), ConstData::Floats(b)) => ConstData::Floats(
            condition.iter().zip(a.iter().zip(&b)).map(|(&c, (&a, &b))| if c != 0 { a } else { b }).collect(),
        ),
        _ => return None,
    })
}

struct Reduction {
    op: Pair<2>,
    /// The result over nothing, where there is one.
    empty: Option<i64>,
    /// Divides by the number of elements.
    mean: bool,
}

fn reduction(op: &str) -> Option<Reduction> {
    let sum = Pair { ints: |[a, b]: [i64; 2]| a.checked_add(b), floats: |[a, b]: [f64; 2]| Some(a + b) };
    Some(match op {
        "ReduceSum" => Reduction { op: sum, empty: Some(0), mean: false },
        "ReduceMean" => Reduction { op: sum, empty: None, mean: true },
        "ReduceProd" => {
            let op = Pair { ints: |[a, b]: [i64; 2]| a.checked_mul(b), floats: |[a, b]: [f64; 2]| Some(a * b) };
            Reduction { op, empty: Some(1), mean: false }
        }
        "ReduceMax" => {
            let op = Pair { ints: |[a, b]: [i64; 2]| Some(a.max(b)), floats: |[a, b]: [f64; 2]| Some(a.max(b)) };
            Reduction { op, empty: None, mean: false }
        }
        "ReduceMin" => {
            let op = Pair { ints: |[a, b]: [i64; 2]| Some(a.min(b)), floats: |[a, b]: [f64; 2]| Some(a.min(b)) };
            Reduction { op, empty: None, mean: false }
        }
        _ => return None,
    })
}

fn reduce(call: &Call, reduction: Reduction) -> Option<ConstData> {
    let input = call.input(0)?;
    let shape = input.shape.as_deref()?;
    let gone = reduced_axes(call, shape.len()).ok()?;
    let kept: Vec<u64> = shape.iter().enumerate().map(|(i, &d)| if gone.contains(&i) { 1 } else { d }).collect();
    let into = broadcast_places(&kept, shape)?;
    let n_out = kept.iter().product::<u64>() as usize;
    match input.data.as_deref()? {
        ConstData::Ints(v) => {
            let sums = accumulate(v, &into, n_out, reduction.op.ints, reduction.empty)?;
            // A mean of integers: runtimes divide as integers do.
            let share = (v.len() / n_out.max(1)) as i64;
            let sums =
                if reduction.mean { sums.iter().map(|s| s.checked_div(share)).collect::<Option<_>>()? } else { sums };
            Some(ConstData::Ints(sums))
        }
        ConstData::Floats(v) => {
            let mut sums = accumulate(v, &into, n_out, reduction.op.floats, reduction.empty.map(|e| e as f64))?;
            if reduction.mean {
                sums.iter_mut().for_each(|s| *s /= (v.len() / n_out.max(1)) as f64);
            }
            Some(ConstData::Floats(sums))
        }
    }
}

fn accumulate<T: Copy>(
    values: &[T],
    into: &[usize],
    n_out: usize,
    op: fn([T; 2]) -> Option<T>,
    empty: Option<T>,
) -> Option<Vec<T>> {
    let mut results: Vec<Option<T>> = vec![None; n_out];
    for (&v, &place) in values.iter().zip(into) {
        let result = results.get_mut(place)?;
        *result = match *result {
            None => Some(v),
            Some(so_far) => Some(op([so_far, v])?),
        };
    }
    results.into_iter().map(|r| r.or(empty)).collect()
}
