//! Twin of `shaders/softsort.wgsl`: sum of the first k rows of SoftSort (Prillo and Eisenschlos
//! 2020) by two scans (method.md, relaxation B).
use super::Real;
use crate::kernels::softsort::SoftSort;
use crate::ops::stride;

/// `e_t = exp(-(y_t - y_{t+1}) / tau)`.
fn decay<T: Real>(p: &SoftSort, scores: &[T], order: &[u32], t: usize) -> T {
    let gap = scores[order[t] as usize] - scores[order[t + 1] as usize];
    (-gap / T::of(f64::from(p.tau))).exp()
}

/// `scanL(x)_t = e_{t-1} (scanL(x)_{t-1} + x_{t-1})`.
fn scan_left<T: Real>(e: &[T], x: impl Fn(usize) -> T, out: &mut [T]) {
    out[0] = T::ZERO;
    for t in 1..out.len() {
        out[t] = e[t - 1] * (out[t - 1] + x(t - 1));
    }
}

/// `scanR(x)_t = e_t (scanR(x)_{t+1} + x_{t+1})`.
fn scan_right<T: Real>(e: &[T], x: impl Fn(usize) -> T, out: &mut [T]) {
    let n = out.len();
    out[n - 1] = T::ZERO;
    for t in (0..n - 1).rev() {
        out[t] = e[t] * (out[t + 1] + x(t + 1));
    }
}

fn decays<T: Real>(p: &SoftSort, scores: &[T], order: &[u32]) -> Vec<T> {
    (0..scores.len().saturating_sub(1))
        .map(|t| decay(p, scores, order, t))
        .collect()
}

/// The mask in gene order; `scratch` (6n) keeps L1, R1, i, A, B in sorted order.
pub fn forward<T: Real>(
    p: &SoftSort,
    scores: &[T],
    order: &[u32],
    scratch: &mut [T],
    mask: &mut [T],
) {
    let n = scores.len();
    let e = decays(p, scores, order);
    let (l1, rest) = scratch.split_at_mut(n);
    let (r1, rest) = rest.split_at_mut(n);
    let (row, rest) = rest.split_at_mut(n);
    let (a, rest) = rest.split_at_mut(n);
    let b = &mut rest[..n];
    scan_left(&e, |_| T::ONE, l1);
    scan_right(&e, |_| T::ONE, r1);
    for t in 0..n {
        row[t] = if t < p.k as usize {
            T::ONE / (T::ONE + l1[t] + r1[t])
        } else {
            T::ZERO
        };
    }
    scan_left(&e, |t| row[t], a);
    scan_right(&e, |t| row[t], b);
    for t in 0..n {
        mask[order[t] as usize] = row[t] + a[t] + b[t];
    }
}

/// `grad = J^T u` in gene order, `u` the sum of its lists.
pub fn backward<T: Real>(
    p: &SoftSort,
    scores: &[T],
    order: &[u32],
    scratch: &[T],
    u: &[T],
    grad: &mut [T],
) {
    let n = scores.len();
    let e = decays(p, scores, order);
    let part = |j: usize| &scratch[j * n..(j + 1) * n];
    let (l1, r1, row, a, b) = (part(0), part(1), part(2), part(3), part(4));
    let lists = || u.chunks(stride(n)).take(p.lists as usize);
    let sum = |i: usize| lists().fold(T::ZERO, |s, list| s + list[i]);
    let us: Vec<T> = order.iter().map(|&i| sum(i as usize)).collect();
    let mut parts = vec![vec![T::ZERO; n]; 4];
    let [lu, ru, c_scan, d_scan] = &mut parts[..] else {
        return;
    };
    scan_left(&e, |t| us[t], lu);
    scan_right(&e, |t| us[t], ru);
    // c i: the row's mean of u, times its weight; zero beyond row k
    let c = |t: usize| (us[t] + lu[t] + ru[t]) / (T::ONE + l1[t] + r1[t]);
    scan_left(&e, |t| c(t) * row[t], c_scan);
    scan_right(&e, |t| c(t) * row[t], d_scan);
    for t in 0..n {
        let own = row[t] * ((lu[t] - c(t) * l1[t]) - (ru[t] - c(t) * r1[t]));
        let sum = (us[t] * a[t] - c_scan[t]) - (us[t] * b[t] - d_scan[t]) + own;
        grad[order[t] as usize] = sum / T::of(f64::from(p.tau));
    }
}
