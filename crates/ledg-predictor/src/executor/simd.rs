//! Vector forms of the functions that the layers need, generic over the instruction set.
//!
//! Functions that take a [`Simd`] hold no closures: a closure is compiled without the instruction set of the function around
//! it, unless the compiler happens to inline it.
//!
//! **Invariant:** an element's result depends on that element alone, not on its place in a vector, so a row has the same
//! bits whatever rows are computed beside it.

use pulp::Simd;

/// Widest panel of weights, in floats: two vectors of AVX2.
pub(crate) const PANEL: usize = 16;

/// The next multiple of [`PANEL`].
pub(crate) fn padded(n: usize) -> usize {
    n.next_multiple_of(PANEL)
}

/// e^x to about one unit in the last place: 2^n · p(r) with |r| <= ln 2 / 2 (Cephes' `expf`). NaN stays NaN.
#[inline(always)]
pub(crate) fn exp<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    // Constants first: x86's minimum and maximum return their second operand when one is NaN.
    let x = simd.min_f32s(simd.splat_f32s(88.0), simd.max_f32s(simd.splat_f32s(-87.0), x));
    // Adding 1.5·2^23 rounds to an integer, which then stands in the low bits of the sum.
    let magic = simd.splat_f32s(12_582_912.0);
    let shifted = simd.mul_add_e_f32s(x, simd.splat_f32s(std::f32::consts::LOG2_E), magic);
    let n = simd.sub_f32s(shifted, magic);
    let r = simd.mul_add_e_f32s(n, simd.splat_f32s(-355.0 / 512.0), x);
    let r = simd.mul_add_e_f32s(n, simd.splat_f32s(2.121_944_4e-4), r);
    let mut p = simd.splat_f32s(1.987_569_2e-4);
    for k in [1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5] {
        p = simd.mul_add_e_f32s(p, r, simd.splat_f32s(k));
    }
    let p = simd.add_f32s(simd.mul_add_e_f32s(simd.mul_f32s(r, r), p, r), simd.splat_f32s(1.0));
    let exponent = simd.wrapping_dyn_shl_u32s(simd.transmute_u32s_f32s(shifted), simd.splat_u32s(23));
    simd.transmute_f32s_u32s(simd.add_u32s(simd.transmute_u32s_f32s(p), exponent))
}

/// x · sigmoid(x).
#[inline(always)]
pub(crate) fn silu<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    let e = exp(simd, simd.sub_f32s(simd.splat_f32s(0.0), x));
    simd.div_f32s(x, simd.add_f32s(simd.splat_f32s(1.0), e))
}

/// cap · tanh(x / cap).
#[inline(always)]
pub(crate) fn capped<S: Simd>(simd: S, x: S::f32s, cap: f32) -> S::f32s {
    let e = exp(simd, simd.mul_f32s(x, simd.splat_f32s(2.0 / cap)));
    let one = simd.splat_f32s(1.0);
    let share = simd.div_f32s(simd.splat_f32s(2.0), simd.add_f32s(e, one));
    simd.mul_f32s(simd.splat_f32s(cap), simd.sub_f32s(one, share))
}

/// e^x of every element in place; the length must be a multiple of [`PANEL`], so that no element is treated as a rest.
#[inline(always)]
pub(crate) fn exp_all<S: Simd>(simd: S, values: &mut [f32]) {
    let (values, rest) = S::as_mut_simd_f32s(values);
    debug_assert!(rest.is_empty());
    for v in values {
        *v = exp(simd, *v);
    }
}

#[cfg(test)]
mod tests {
    use pulp::WithSimd;

    use super::*;

    struct Map<'a>(&'a mut [f32], Which);

    #[derive(Clone, Copy)]
    enum Which {
        Exp,
        Silu,
        Capped,
    }

    impl WithSimd for Map<'_> {
        type Output = ();
        fn with_simd<S: Simd>(self, simd: S) {
            for v in S::as_mut_simd_f32s(self.0).0 {
                *v = match self.1 {
                    Which::Exp => exp(simd, *v),
                    Which::Silu => silu(simd, *v),
                    Which::Capped => capped(simd, *v, 1.5),
                };
            }
        }
    }

    fn check(which: Which, exact: impl Fn(f64) -> f64, tolerance: f64) {
        for i in -4000..4000 {
            let x = i as f32 * 0.02;
            let mut lanes = [x; PANEL];
            pulp::Arch::new().dispatch(Map(&mut lanes, which));
            let expected = exact(f64::from(x));
            assert!(lanes.iter().all(|l| l.to_bits() == lanes[0].to_bits()));
            let scale = expected.abs().max(if matches!(which, Which::Exp) { 0.0 } else { 1.0 });
            assert!((f64::from(lanes[0]) - expected).abs() <= tolerance * scale, "{x}: {} {expected}", lanes[0]);
        }
    }

    #[test]
    fn functions_are_accurate() {
        check(Which::Exp, f64::exp, 2.5e-7);
        check(Which::Silu, |x| x / (1.0 + (-x).exp()), 3e-7);
        check(Which::Capped, |x| 1.5 * (x / 1.5).tanh(), 3e-7);
    }

    #[test]
    fn nan_stays_nan_and_extremes_stay_finite() {
        let mut lanes = [f32::NAN; PANEL];
        pulp::Arch::new().dispatch(Map(&mut lanes, Which::Exp));
        assert!(lanes.iter().all(|x| x.is_nan()));
        for (x, low, high) in [(1e30, 1e37, f32::MAX), (-1e30, 0.0, 1e-37)] {
            let mut lanes = [x; PANEL];
            pulp::Arch::new().dispatch(Map(&mut lanes, Which::Exp));
            assert!(lanes[0] > low && lanes[0] < high, "{}", lanes[0]);
        }
    }
}
