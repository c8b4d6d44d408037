//! Loops that the compiler turns into vector instructions of the machine at hand, for f32 and f64 alike.
//!
//! What is called within [`vectorised`] is marked `#[inline(always)]`: a function of its own would be compiled for the least machine.

use super::Real;

/// Partial sums of a reduction: one vector of f32 of AVX2.
const LANES: usize = 8;

/// Calls the function, compiled for each instruction set and chosen at run time.
pub(crate) fn vectorised<R>(f: impl FnOnce() -> R) -> R {
    pulp::Arch::new().dispatch(f)
}

/// Σ a·b, added up in partial sums whose order depends on the length alone.
#[inline(always)]
pub(crate) fn dot<T: Real>(a: &[T], b: &[T]) -> T {
    let mut sums = [T::of(0.0); LANES];
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    for (a, b) in a.iter().zip(b) {
        for lane in 0..LANES {
            sums[lane] += a[lane] * b[lane];
        }
    }
    let mut sum = T::of(0.0);
    for (&a, &b) in a_rest.iter().zip(b_rest) {
        sum += a * b;
    }
    added(sums) + sum
}

/// Σ a.
#[inline(always)]
pub(crate) fn sum<T: Real>(a: &[T]) -> T {
    let mut sums = [T::of(0.0); LANES];
    let (a, rest) = a.as_chunks::<LANES>();
    for a in a {
        for lane in 0..LANES {
            sums[lane] += a[lane];
        }
    }
    let mut sum = T::of(0.0);
    for &a in rest {
        sum += a;
    }
    added(sums) + sum
}

#[inline(always)]
fn added<T: Real>(s: [T; LANES]) -> T {
    ((s[0] + s[4]) + (s[1] + s[5])) + ((s[2] + s[6]) + (s[3] + s[7]))
}

/// y += w · x.
#[inline(always)]
pub(crate) fn add_scaled<T: Real>(y: &mut [T], x: &[T], w: T) {
    for (y, &x) in y.iter_mut().zip(x) {
        *y += w * x;
    }
}

/// The sum of each column of rows of width `d`.
#[inline(always)]
pub(crate) fn column_sums<T: Real>(rows: &[T], d: usize) -> Vec<T> {
    let mut sums = vec![T::of(0.0); d];
    for row in rows.chunks_exact(d) {
        for (sum, &x) in sums.iter_mut().zip(row) {
            *sum += x;
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_those_of_plain_loops() {
        for n in [0, 1, 7, 8, 9, 48, 51] {
            let a: Vec<f64> = (0..n).map(|i| (i as f64 * 0.37).sin()).collect();
            let b: Vec<f64> = (0..n).map(|i| (i as f64 * 0.91).cos()).collect();
            let expected: f64 = a.iter().zip(&b).map(|(a, b)| a * b).sum();
            let (dotted, summed) = vectorised(|| (dot(&a, &b), sum(&a)));
            assert!((dotted - expected).abs() < 1e-12, "{n}: {dotted} {expected}");
            assert!((summed - a.iter().sum::<f64>()).abs() < 1e-12, "{n}");
        }
        assert_eq!(column_sums(&[1.0, 2.0, 3.0, 4.0], 2), [4.0, 6.0]);
    }

    /// The exponential that vectorises against the library's, in units of the value.
    #[test]
    fn exponentials_are_accurate() {
        for i in -4000..4000 {
            let x = i as f32 * 0.02;
            let expected = f64::from(x).exp();
            assert!((f64::from(Real::exp(x)) - expected).abs() <= 3e-7 * expected, "{x}");
        }
        assert!(Real::exp(f32::NAN).is_nan());
        assert!(Real::exp(1e30f32).is_finite());
        assert!(Real::exp(-1e30f32) >= 0.0 && Real::exp(-1e30f32) < 1e-37);
    }
}
