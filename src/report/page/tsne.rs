//! Points of many dimensions in the plane: t-SNE (van der Maaten and Hinton 2008), exact, from the two leading
//! principal components (Kobak and Berens 2019).
//!
//! Nothing in it is random and every sum has a fixed order, so the same points are the same picture, on any
//! number of threads: a random start, or sums in the order of the threads, would not do.
use rayon::prelude::*;

/// Points that each one keeps near, on average.
const PERPLEXITY: f64 = 30.0;
/// Rounds with the neighbours' pull strengthened, by this factor, and rounds after.
const EARLY: (usize, f32) = (150, 12.0);
const ROUNDS: usize = 350;
/// Least length of a step; more for many points (Belkina et al. 2019).
const RATE: f32 = 200.0;
/// Sums side by side, so that the processor can take them at once.
const LANES: usize = 8;
/// Fewer points are laid out by their principal components.
pub(super) const FEWEST: usize = 12;

/// Lays points out: `rows` of one width, finite; a place each.
#[must_use]
pub(super) fn layout(rows: &[Vec<f32>]) -> Vec<[f32; 2]> {
    let start = components(rows);
    if rows.len() < FEWEST {
        return start;
    }
    let pull = affinities(rows);
    let spread = start.iter().map(|p| p[0] * p[0]).sum::<f32>() / rows.len() as f32;
    let scale = 1e-4 / spread.sqrt().max(1e-20);
    let mut x: Vec<f32> = start.iter().map(|p| p[0] * scale).collect();
    let mut y: Vec<f32> = start.iter().map(|p| p[1] * scale).collect();
    let n = rows.len();
    let rate = RATE.max(n as f32 / EARLY.1);
    let mut speed = vec![[0.0f32; 2]; n];
    let mut gain = vec![[1.0f32; 2]; n];
    for round in 0..EARLY.0 + ROUNDS {
        let early = round < EARLY.0;
        let (strength, momentum) = if early { (EARLY.1, 0.5) } else { (1.0, 0.8) };
        let forces: Vec<[f32; 5]> = (0..n)
            .into_par_iter()
            .map(|i| force(i, &x, &y, &pull[i]))
            .collect();
        let total: f64 = forces.iter().map(|f| f64::from(f[0])).sum();
        let total = (total as f32).max(f32::MIN_POSITIVE);
        for (i, [_, px, py, qx, qy]) in forces.into_iter().enumerate() {
            let slope = [strength * px - qx / total, strength * py - qy / total];
            for (d, slope) in slope.into_iter().enumerate() {
                let same = (slope > 0.0) == (speed[i][d] > 0.0);
                let g = &mut gain[i][d];
                *g = if same { *g * 0.8 } else { *g + 0.2 }.max(0.01);
                speed[i][d] = momentum * speed[i][d] - rate * *g * slope;
            }
            x[i] += speed[i][0];
            y[i] += speed[i][1];
        }
    }
    x.into_iter().zip(y).map(|(x, y)| [x, y]).collect()
}

/// Of point i: the sum of `1 / (1 + d^2)` over the others, its neighbours' pull, and the push of all.
fn force(i: usize, x: &[f32], y: &[f32], pull: &[(u32, f32)]) -> [f32; 5] {
    let (own_x, own_y) = (x[i], y[i]);
    let mut sums = [[0.0f32; LANES]; 3];
    let mut add = |x: &[f32], y: &[f32]| {
        for (lane, (&x, &y)) in x.iter().zip(y).enumerate() {
            let (dx, dy) = (own_x - x, own_y - y);
            let q = 1.0 / (1.0 + dx * dx + dy * dy);
            sums[0][lane] += q;
            sums[1][lane] += q * q * dx;
            sums[2][lane] += q * q * dy;
        }
    };
    let (xs, rest_x) = x.as_chunks::<LANES>();
    let (ys, rest_y) = y.as_chunks::<LANES>();
    xs.iter().zip(ys).for_each(|(x, y)| add(x, y));
    add(rest_x, rest_y);
    let [q, qx, qy] = sums.map(|lanes| lanes.iter().sum::<f32>());
    let (mut px, mut py) = (0.0, 0.0);
    for &(j, p) in pull {
        let (dx, dy) = (own_x - x[j as usize], own_y - y[j as usize]);
        let near = p / (1.0 + dx * dx + dy * dy);
        px += near * dx;
        py += near * dy;
    }
    // less its own 1 / (1 + 0)
    [q - 1.0, px, py, qx, qy]
}

/// Each point's neighbours and how much it is drawn to each, symmetric, of sum 1 over all.
fn affinities(rows: &[Vec<f32>]) -> Vec<Vec<(u32, f32)>> {
    let n = rows.len();
    let perplexity = PERPLEXITY.min((n - 1) as f64 / 3.0);
    let neighbours = ((3.0 * perplexity) as usize).clamp(1, n - 1);
    let one = |i: usize| {
        let distance = |j: usize| -> f32 {
            let pairs = rows[i].iter().zip(&rows[j]);
            pairs.map(|(a, b)| (a - b) * (a - b)).sum()
        };
        let others = (0..n).filter(|&j| j != i);
        let mut near: Vec<(f32, u32)> = others.map(|j| (distance(j), j as u32)).collect();
        near.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        near.truncate(neighbours);
        let shares = shares(&near, perplexity.ln());
        let pairs = near.iter().zip(shares);
        pairs
            .map(|(&(_, j), p)| (j, p))
            .collect::<Vec<(u32, f64)>>()
    };
    let directed: Vec<Vec<(u32, f64)>> = (0..n).into_par_iter().map(one).collect();
    let mut both: Vec<Vec<(u32, f64)>> = directed.clone();
    for (i, row) in directed.iter().enumerate() {
        row.iter()
            .for_each(|&(j, p)| both[j as usize].push((i as u32, p)));
    }
    let merged = both.into_iter().map(|mut row| {
        row.sort_by_key(|r| r.0);
        let mut out: Vec<(u32, f32)> = Vec::with_capacity(row.len());
        for (j, p) in row {
            let p = (p / (2.0 * n as f64)) as f32;
            match out.last_mut() {
                Some(last) if last.0 == j => last.1 += p,
                _ => out.push((j, p)),
            }
        }
        out
    });
    merged.collect()
}

/// Shares that fall with the squared distance, as narrow as gives this entropy; they add up to 1.
fn shares(near: &[(f32, u32)], entropy: f64) -> Vec<f64> {
    let first = near.first().map_or(0.0, |n| f64::from(n.0));
    let away: Vec<f64> = near.iter().map(|n| f64::from(n.0) - first).collect();
    let (mut low, mut high, mut beta) = (0.0f64, f64::INFINITY, 1.0f64);
    let mut p = vec![0.0; near.len()];
    for _ in 0..60 {
        p.iter_mut()
            .zip(&away)
            .for_each(|(p, d)| *p = (-beta * d).exp());
        let sum: f64 = p.iter().sum();
        let mean: f64 = p.iter().zip(&away).map(|(p, d)| p * d).sum::<f64>() / sum;
        let off = sum.ln() + beta * mean - entropy;
        p.iter_mut().for_each(|p| *p /= sum);
        if off.abs() < 1e-6 || beta > 1e30 {
            break;
        }
        if off > 0.0 {
            low = beta;
            beta = if high.is_finite() {
                (beta + high) / 2.0
            } else {
                beta * 2.0
            };
        } else {
            high = beta;
            beta = (low + beta) / 2.0;
        }
    }
    p
}

/// The two leading principal components, by power iteration from the widest dimension.
fn components(rows: &[Vec<f32>]) -> Vec<[f32; 2]> {
    let width = rows.first().map_or(0, Vec::len);
    let mut centred: Vec<Vec<f64>> = rows
        .iter()
        .map(|r| r.iter().map(|&v| f64::from(v)).collect())
        .collect();
    let n = rows.len().max(1) as f64;
    for d in 0..width {
        let mean = centred.iter().map(|r| r[d]).sum::<f64>() / n;
        centred.iter_mut().for_each(|r| r[d] -= mean);
    }
    let mut places = vec![[0.0f32; 2]; rows.len()];
    for axis in 0..2 {
        let spread = |d: usize| centred.iter().map(|r| r[d] * r[d]).sum::<f64>();
        let spreads: Vec<f64> = (0..width).map(spread).collect();
        let widest = (0..width).fold(0, |m, d| if spreads[d] > spreads[m] { d } else { m });
        let mut along = vec![0.0; width];
        if let Some(first) = along.get_mut(widest) {
            *first = 1.0;
        }
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        for _ in 0..60 {
            let mut next = vec![0.0; width];
            for row in &centred {
                let length = dot(row, &along);
                next.iter_mut().zip(row).for_each(|(s, r)| *s += length * r);
            }
            let norm = dot(&next, &next).sqrt();
            if norm <= 0.0 {
                break;
            }
            next.iter_mut().for_each(|v| *v /= norm);
            along = next;
        }
        for (place, row) in places.iter_mut().zip(&mut centred) {
            let length = dot(row, &along);
            place[axis] = length as f32;
            row.iter_mut()
                .zip(&along)
                .for_each(|(r, a)| *r -= length * a);
        }
    }
    places
}

#[cfg(test)]
mod tests {
    use super::layout;

    /// Three clouds in eight dimensions, far apart; which cloud a point is of.
    fn clouds(n: usize) -> (Vec<Vec<f32>>, Vec<usize>) {
        let of: Vec<usize> = (0..n).map(|i| i % 3).collect();
        let wave = |i: usize, d: usize| ((i * 31 + d * 17) as f32 * 0.7).sin();
        let value = |i: usize, d: usize| wave(i, d) + if d == i % 3 { 12.0 } else { 0.0 };
        let row = |i: usize| (0..8).map(|d| value(i, d)).collect();
        ((0..n).map(row).collect(), of)
    }

    #[test]
    fn clouds_stay_apart_and_bytes_the_same() {
        let (rows, of) = clouds(90);
        let places = layout(&rows);
        let distance = |a: [f32; 2], b: [f32; 2]| (a[0] - b[0]).hypot(a[1] - b[1]);
        for i in 0..90 {
            let others = (0..90).filter(|&j| j != i);
            let nearest = others.min_by(|&a, &b| {
                distance(places[i], places[a]).total_cmp(&distance(places[i], places[b]))
            });
            assert_eq!(nearest.map(|j| of[j]), Some(of[i]), "point {i}");
        }
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(1)
            .build()
            .unwrap();
        assert_eq!(pool.install(|| layout(&rows)), places);
    }

    #[test]
    fn few_or_equal_points_have_places() {
        for n in [0, 1, 2, 5, 12, 13] {
            for rows in [clouds(n).0, vec![vec![1.0; 4]; n], vec![Vec::new(); n]] {
                let places = layout(&rows);
                assert_eq!(places.len(), n);
                assert!(places.iter().flatten().all(|v| v.is_finite()), "{n}");
            }
        }
    }
}
