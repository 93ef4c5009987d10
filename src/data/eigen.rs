//! Two small dense pieces of linear algebra: orthonormal columns, and eigenvectors of a small matrix.

/// Makes the columns of a tall matrix (rows x width, row-major) orthonormal: Gram and Schmidt, each
/// column twice (which is enough: Giraud et al. 2005). A column that depends on those before
/// it becomes 0.
pub(super) fn orthonormalise(a: &mut [f64], width: usize) {
    let rows = a.len() / width.max(1);
    // by columns: each one is then a stretch of memory
    let mut columns: Vec<Vec<f64>> = (0..width)
        .map(|j| (0..rows).map(|i| a[i * width + j]).collect())
        .collect();
    let dot = |a: &[f64], b: &[f64]| -> f64 { a.iter().zip(b).map(|(x, y)| x * y).sum() };
    for j in 0..width {
        let (before, rest) = columns.split_at_mut(j);
        let own = &mut rest[0];
        let first = dot(own, own).sqrt();
        for _ in 0..2 {
            for other in before.iter() {
                let along = dot(own, other);
                own.iter_mut().zip(other).for_each(|(x, y)| *x -= along * y);
            }
        }
        let norm = dot(own, own).sqrt();
        let factor = if norm > 1e-12 * first {
            1.0 / norm
        } else {
            0.0
        };
        own.iter_mut().for_each(|x| *x *= factor);
    }
    for (i, row) in a.chunks_exact_mut(width).enumerate() {
        row.iter_mut().zip(&columns).for_each(|(x, c)| *x = c[i]);
    }
}

/// Eigenvalues, descending, and eigenvectors (columns, n x n row-major) of a symmetric matrix, by
/// Jacobi's rotations in cyclic order.
pub(super) fn eigen(matrix: &[f64], n: usize) -> (Vec<f64>, Vec<f64>) {
    let mut a = matrix.to_vec();
    let mut v = vec![0.0f64; n * n];
    (0..n).for_each(|i| v[i * n + i] = 1.0);
    for _ in 0..60 {
        let off: f64 = (0..n * n)
            .filter(|i| i / n != i % n)
            .map(|i| a[i] * a[i])
            .sum();
        let all: f64 = a.iter().map(|x| x * x).sum();
        if off <= 1e-26 * all {
            break;
        }
        for p in 0..n {
            for q in p + 1..n {
                let apq = a[p * n + q];
                if apq == 0.0 {
                    continue;
                }
                let theta = (a[q * n + q] - a[p * n + p]) / (2.0 * apq);
                let t = theta.signum() / (theta.abs() + (theta * theta + 1.0).sqrt());
                let c = 1.0 / (t * t + 1.0).sqrt();
                let s = t * c;
                for i in 0..n {
                    let (x, y) = (a[i * n + p], a[i * n + q]);
                    (a[i * n + p], a[i * n + q]) = (c * x - s * y, s * x + c * y);
                }
                for i in 0..n {
                    let (x, y) = (a[p * n + i], a[q * n + i]);
                    (a[p * n + i], a[q * n + i]) = (c * x - s * y, s * x + c * y);
                    let (x, y) = (v[i * n + p], v[i * n + q]);
                    (v[i * n + p], v[i * n + q]) = (c * x - s * y, s * x + c * y);
                }
            }
        }
    }
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&i, &j| a[j * n + j].total_cmp(&a[i * n + i]).then(i.cmp(&j)));
    let values = order.iter().map(|&i| a[i * n + i]).collect();
    let vectors = (0..n * n).map(|at| v[at / n * n + order[at % n]]).collect();
    (values, vectors)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A made-up symmetric matrix.
    fn symmetric(n: usize) -> Vec<f64> {
        let one = |i: usize, j: usize| ((i * j + i + j) as f64 * 0.7).sin() + f64::from(i == j);
        (0..n * n).map(|at| one(at / n, at % n)).collect()
    }

    #[test]
    fn eigenvectors_are_turned_into_multiples_of_themselves() {
        let n = 7;
        let a = symmetric(n);
        let (values, v) = eigen(&a, n);
        assert!(values.windows(2).all(|w| w[0] >= w[1]));
        let worst = |a: &[f64]| {
            let mut worst = 0.0f64;
            for d in 0..n {
                for i in 0..n {
                    let product: f64 = (0..n).map(|j| a[i * n + j] * v[j * n + d]).sum();
                    worst = worst.max((product - values[d] * v[i * n + d]).abs());
                }
            }
            worst
        };
        assert!(worst(&a) < 1e-10, "{}", worst(&a));
        let mut other = a;
        other[3] += 0.01;
        assert!(worst(&other) > 1e-4, "another matrix is told from it");
    }

    #[test]
    fn columns_become_orthonormal_and_a_dependent_one_zero() {
        let (rows, width) = (9, 4);
        let mut a: Vec<f64> = (0..rows * width)
            .map(|i| ((i * i) as f64 * 1.3).cos())
            .collect();
        for row in a.chunks_exact_mut(width) {
            row[2] = row[0] - 2.0 * row[1];
        }
        orthonormalise(&mut a, width);
        for i in 0..width {
            for j in 0..width {
                let dot: f64 = a.chunks_exact(width).map(|r| r[i] * r[j]).sum();
                let expected = f64::from(i == j && i != 2);
                assert!((dot - expected).abs() < 1e-10, "{i} {j}: {dot}");
            }
        }
    }
}
