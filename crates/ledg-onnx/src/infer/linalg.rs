//! Matrix products.

use std::collections::BTreeMap;

use ledg_graph::{DType, Shape};

use crate::fact::{Call, Fact, Stop};
use crate::infer::Inferred;
use crate::infer::elementwise::broadcast;

/// # Shapes
/// a (…, m, k), b (…, k, n) -> (…, m, n); a vector operand loses its axis.
pub(super) fn matmul_shape(a: &[u64], b: &[u64]) -> Result<Shape, Stop> {
    let mismatch = || Stop::Invalid(format!("shapes {a:?} and {b:?} cannot be multiplied"));
    let (batch_a, m, k_a) = match a {
        [] => return Err(mismatch()),
        [k] => (&a[..0], None, *k),
        [batch @ .., m, k] => (batch, Some(*m), *k),
    };
    let (batch_b, k_b, n) = match b {
        [] => return Err(mismatch()),
        [k] => (&b[..0], *k, None),
        [batch @ .., k, n] => (batch, *k, Some(*n)),
    };
    if k_a != k_b {
        return Err(mismatch());
    }
    let mut shape = broadcast(batch_a, batch_b).map_err(|_| mismatch())?;
    shape.extend(m);
    shape.extend(n);
    Ok(shape)
}

pub(super) fn matmul(call: &Call) -> Inferred {
    call.one(matmul_shape(call.shape(0)?, call.shape(1)?)?)
}

pub(super) fn matmul_integer(call: &Call) -> Inferred {
    Ok(vec![Fact::new(DType::I32, matmul_shape(call.shape(0)?, call.shape(1)?)?)])
}

/// ONNX Runtime's products of quantised operands with a float result.
pub(super) fn matmul_to_float(call: &Call) -> Inferred {
    Ok(vec![Fact::new(DType::F32, matmul_shape(call.shape(0)?, call.shape(1)?)?)])
}

pub(super) fn qlinear_matmul(call: &Call) -> Inferred {
    Ok(vec![Fact::new(call.dtype(7)?, matmul_shape(call.shape(0)?, call.shape(3)?)?)])
}

/// MatMul that may read its operands transposed. `transBatch` moves the first axis before the last one.
pub(super) fn fused_matmul(call: &Call) -> Inferred {
    let operand = |i: usize, batch: &str, plain: &str| -> Result<Shape, Stop> {
        let mut shape = call.shape(i)?.to_vec();
        let rank = shape.len();
        if call.flag(batch, false) && rank > 2 {
            shape[..rank - 1].rotate_left(1);
        }
        if call.flag(plain, false) && rank > 1 {
            shape.swap(rank - 1, rank - 2);
        }
        Ok(shape)
    };
    call.one(matmul_shape(&operand(0, "transBatchA", "transA")?, &operand(1, "transBatchB", "transB")?)?)
}

/// Weights packed to a few bits; their unpacked shape is (K, N).
pub(super) fn matmul_n_bits(call: &Call) -> Inferred {
    let a = call.shape_of_rank(0, 1..=usize::MAX)?;
    let size = |name: &str| call.attrs.int(name).and_then(|v| u64::try_from(v).ok());
    let (k, n) = size("K").zip(size("N")).ok_or("attributes `K` and `N` are missing")?;
    call.one(matmul_shape(a, &[k, n])?)
}

/// # Shapes
/// a (m, k) or (k, m), b (k, n) or (n, k) -> (m, n)
pub(super) fn gemm_shape(call: &Call, a: usize, b: usize) -> Result<Shape, Stop> {
    let (a, b) = (call.shape_of_rank(a, 2..=2)?, call.shape_of_rank(b, 2..=2)?);
    let (m, k_a) = if call.flag("transA", false) { (a[1], a[0]) } else { (a[0], a[1]) };
    let (k_b, n) = if call.flag("transB", false) { (b[1], b[0]) } else { (b[0], b[1]) };
    if k_a != k_b {
        return Err(Stop::Invalid(format!("shapes {a:?} and {b:?} cannot be multiplied")));
    }
    Ok(vec![m, n])
}

pub(super) fn gemm(call: &Call) -> Inferred {
    call.one(gemm_shape(call, 0, 1)?)
}

pub(super) fn det(call: &Call) -> Inferred {
    let x = call.shape_of_rank(0, 2..=usize::MAX)?;
    call.one(x[..x.len() - 2].to_vec())
}

/// Einstein summation: letters name axes, `...` stands for axes that broadcast.
pub(super) fn einsum(call: &Call) -> Inferred {
    let equation = call.attrs.str("equation").ok_or("attribute `equation` is missing")?;
    let equation: String = equation.chars().filter(|c| !c.is_whitespace()).collect();
    let wrong = |why: String| Stop::Invalid(format!("equation `{equation}`: {why}"));
    let (left, right) = match equation.split_once("->") {
        Some((left, right)) => (left, Some(right)),
        None => (equation.as_str(), None),
    };
    let terms: Vec<&str> = left.split(',').collect();
    if terms.len() != call.inputs.len() {
        return Err(wrong(format!("it has {} terms for {} inputs", terms.len(), call.inputs.len())));
    }
    let mut sizes: BTreeMap<char, u64> = BTreeMap::new();
    let mut ellipsis: Shape = Vec::new();
    for (i, term) in terms.iter().enumerate() {
        let shape = call.shape(i)?;
        let (before, after) = term.split_once("...").unwrap_or((term, ""));
        let named = before.chars().count() + after.chars().count();
        let spread = shape.len().checked_sub(named).filter(|&s| s == 0 || term.contains("..."));
        let spread = spread.ok_or_else(|| wrong(format!("term `{term}` does not fit shape {shape:?}")))?;
        let first = before.chars().count();
        ellipsis = broadcast(&ellipsis, &shape[first..first + spread])?;
        let outer = before.chars().zip(shape);
        for (letter, &d) in outer.chain(after.chars().zip(&shape[first + spread..])) {
            let known = sizes.entry(letter).or_insert(d);
            if *known == 1 {
                *known = d;
            } else if d != *known && d != 1 {
                return Err(wrong(format!("`{letter}` is both {known} and {d}")));
            }
        }
    }
    let result = right.map_or_else(|| implicit(&terms), str::to_owned);
    let mut shape = Vec::new();
    let (before, after) = match result.split_once("...") {
        Some((before, after)) => (before, Some(after)),
        None => (result.as_str(), None),
    };
    let size_of = |c: char| sizes.get(&c).copied().ok_or_else(|| wrong(format!("`{c}` is in no term")));
    for c in before.chars() {
        shape.push(size_of(c)?);
    }
    if let Some(after) = after {
        shape.extend(&ellipsis);
        for c in after.chars() {
            shape.push(size_of(c)?);
        }
    }
    call.one(shape)
}

/// Without `->`: what broadcasts, then the letters that occur once, sorted.
fn implicit(terms: &[&str]) -> String {
    let mut times: BTreeMap<char, usize> = BTreeMap::new();
    for c in terms.iter().flat_map(|t| t.chars()).filter(|&c| c != '.') {
        *times.entry(c).or_default() += 1;
    }
    let once: String = times.iter().filter(|(_, n)| **n == 1).map(|(c, _)| *c).collect();
    if terms.iter().any(|t| t.contains("...")) { format!("...{once}") } else { once }
}
