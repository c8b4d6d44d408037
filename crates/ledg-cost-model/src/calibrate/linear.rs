//! Positive definite systems, by Cholesky's factors. Matrices are given by the rows of their lower triangles; what rows hold beyond
//! is not looked at.

/// Σ a·b in partial sums, which vectorise.
pub(super) fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; 8];
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    for (a, b) in a.iter().zip(b) {
        for lane in 0..8 {
            sums[lane] += a[lane] * b[lane];
        }
    }
    sums.iter().sum::<f64>() + a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum::<f64>()
}

/// The Cholesky factor: lower, with a positive diagonal.
fn factor(mut a: Vec<Vec<f64>>) -> Vec<Vec<f64>> {
    for i in 0..a.len() {
        let (above, below) = a.split_at_mut(i);
        let row = &mut below[0];
        for (j, other) in above.iter().enumerate() {
            row[j] = (row[j] - dot(&row[..j], &other[..j])) / other[j];
        }
        // Priors and noise on the diagonal keep every pivot above zero.
        row[i] = (row[i] - dot(&row[..i], &row[..i])).sqrt();
    }
    a
}

/// The inverse of the Cholesky factor, by the rows of its lower triangle.
///
/// # Shapes
/// a (n, n) → (n, n)
pub(super) fn inverse_factor(a: Vec<Vec<f64>>) -> Vec<Vec<f64>> {
    let l = factor(a);
    let mut inverse: Vec<Vec<f64>> = Vec::with_capacity(l.len());
    for (i, row) in l.iter().enumerate() {
        let mut own = vec![0.0; i + 1];
        for (k, above) in inverse.iter().enumerate() {
            own[..=k].iter_mut().zip(above).for_each(|(own, x)| *own -= row[k] * x);
        }
        own[i] = 1.0;
        own.iter_mut().for_each(|x| *x /= row[i]);
        inverse.push(own);
    }
    inverse
}

/// The solution of a system.
///
/// # Shapes
/// a (n, n), b (n) → (n)
pub(super) fn solve(a: Vec<Vec<f64>>, mut b: Vec<f64>) -> Vec<f64> {
    let l = factor(a);
    let n = b.len();
    for i in 0..n {
        b[i] = (b[i] - dot(&l[i][..i], &b[..i])) / l[i][i];
    }
    for i in (0..n).rev() {
        b[i] /= l[i][i];
        let (before, own) = b.split_at_mut(i);
        before.iter_mut().zip(&l[i]).for_each(|(x, l)| *x -= l * own[0]);
    }
    b
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_system_of_two_by_hand() {
        // 4x + 2y = 10, 2x + 3y = 9 → x = 1.5, y = 2; what is above the diagonal does not matter.
        for above in [2.0, f64::NAN] {
            let x = solve(vec![vec![4.0, above], vec![2.0, 3.0]], vec![10.0, 9.0]);
            assert!((x[0] - 1.5).abs() < 1e-12 && (x[1] - 2.0).abs() < 1e-12, "{x:?}");
        }
        // The factor is [2 0; 1 √2], its inverse [1/2 0; -1/(2√2) 1/√2].
        let inverse = inverse_factor(vec![vec![4.0], vec![2.0, 3.0]]);
        let root = 2f64.sqrt();
        let expected = [vec![0.5], vec![-0.5 / root, 1.0 / root]];
        assert!(inverse.iter().flatten().zip(expected.iter().flatten()).all(|(a, b)| (a - b).abs() < 1e-12));
    }

    #[test]
    fn dots_of_any_length() {
        for n in [0, 3, 8, 19] {
            let a: Vec<f64> = (0..n).map(f64::from).collect();
            assert_eq!(dot(&a, &vec![2.0; a.len()]), a.iter().sum::<f64>() * 2.0);
        }
    }
}
