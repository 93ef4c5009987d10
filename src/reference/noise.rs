//! Twin of `shaders/noise.wgsl`: Philox4x32-10 (Salmon et al. 2011) to Gumbel noise by integers.
//!
//! `g = -ln(-ln(1 - V))` with `V = r / 2^64`, r the 64 random bits. Everything is fixed-point with
//! 24 fractional bits (Q24) and two tables, so every device makes the same bits; error below
//! 1e-6 before the cut to f32, 4e-6 after (the far tail, around 44).
use super::Real;
use crate::kernels::noise::Noise;

/// Stream (high key word) of the selection noise.
pub const STREAM_GUMBEL: u32 = 1;
/// Stream of the input dropout.
pub const STREAM_INPUT: u32 = 2;
/// Stream of the dropout after hidden layer 0; layer i uses this + i.
pub const STREAM_HIDDEN: u32 = 16;
/// Stream of the order of the minibatches.
pub const STREAM_SHUFFLE: u32 = 3;
/// Stream of the initial weights.
pub const STREAM_INIT: u32 = 4;

/// Entries of the table of `ln(1 + i/1024)`.
pub const LN_ENTRIES: usize = 1025;
/// Entries of the table of `ln(-ln(1 - V) / V)`, `V = i/1024`.
pub const TAIL_ENTRIES: usize = 513;
/// ln 2 in Q24.
pub const LN2_Q24: u32 = 11_629_080;
const Q24: f64 = 16_777_216.0;

/// Four random words for a counter and a key.
#[inline(always)]
#[must_use]
pub fn philox(counter: [u32; 4], key: [u32; 2]) -> [u32; 4] {
    let ([mut c0, mut c1, mut c2, mut c3], [mut k0, mut k1]) = (counter, key);
    for _ in 0..10 {
        let (p0, p1) = (u64::from(c0) * 0xD251_1F53, u64::from(c2) * 0xCD9E_8D57);
        (c0, c1, c2, c3) = (
            (p1 >> 32) as u32 ^ c1 ^ k0,
            p1 as u32,
            (p0 >> 32) as u32 ^ c3 ^ k1,
            p0 as u32,
        );
        (k0, k1) = (k0.wrapping_add(0x9E37_79B9), k1.wrapping_add(0xBB67_AE85));
    }
    [c0, c1, c2, c3]
}

/// Counters that [`philox_lanes`] takes at a time.
pub const LANES: usize = 16;

/// [`philox`] of the counters `(first + l, step, 0, 0)`, for l below [`LANES`] side by side: word j of
/// counter l at `4 l + j`.
#[inline(always)]
#[must_use]
pub fn philox_lanes(first: u32, step: u32, key: [u32; 2]) -> [u32; 4 * LANES] {
    let mut c = [[0u32; LANES]; 4];
    c[0] = std::array::from_fn(|l| first.wrapping_add(l as u32));
    c[1] = [step; LANES];
    let [mut k0, mut k1] = key;
    for _ in 0..10 {
        let [c0, c1, c2, c3] = c;
        for l in 0..LANES {
            let p0 = u64::from(c0[l]) * 0xD251_1F53;
            let p1 = u64::from(c2[l]) * 0xCD9E_8D57;
            c[0][l] = (p1 >> 32) as u32 ^ c1[l] ^ k0;
            c[1][l] = p1 as u32;
            c[2][l] = (p0 >> 32) as u32 ^ c3[l] ^ k1;
            c[3][l] = p0 as u32;
        }
        (k0, k1) = (k0.wrapping_add(0x9E37_79B9), k1.wrapping_add(0xBB67_AE85));
    }
    std::array::from_fn(|i| c[i % 4][i / 4])
}

/// The two tables, one after the other, in Q24: [`LN_ENTRIES`] of `ln(1 + i/1024)`, then
/// [`TAIL_ENTRIES`] of `ln(-ln(1 - V) / V)`.
#[must_use]
pub fn tables() -> Vec<u32> {
    let ln = (0..LN_ENTRIES).map(|i| (i as f64 / 1024.0).ln_1p());
    let tail = (0..TAIL_ENTRIES).map(|i| {
        let v = i as f64 / 1024.0;
        if i == 0 {
            0.0
        } else {
            (-(-v).ln_1p() / v).ln()
        }
    });
    ln.chain(tail).map(|x| (x * Q24).round() as u32).collect()
}

/// Linear interpolation at `index` with 17 fractional bits.
#[inline(always)]
fn interpolate(tables: &[u32], index: u32, fraction: u32) -> u32 {
    let (a, b) = (tables[index as usize], tables[index as usize + 1]);
    a + (((b - a) * fraction) >> 17)
}

/// `ln(m / 2^31)` in Q24 for a word with its top bit set.
#[inline(always)]
fn ln_mantissa(tables: &[u32], m: u32) -> u32 {
    interpolate(tables, (m >> 21) & 1023, (m >> 4) & 0x1ffff)
}

/// `-ln(r / 2^64)` in Q24; r = 0 counts as 1.
#[inline(always)]
fn minus_ln(tables: &[u32], hi: u32, lo: u32) -> u32 {
    let lo = if hi == 0 && lo == 0 { 1 } else { lo };
    let (shift, word, next) = if hi == 0 { (32, lo, 0) } else { (0, hi, lo) };
    let z = word.leading_zeros();
    let low = if z == 0 { 0 } else { next >> (32 - z) };
    (shift + z + 1) * LN2_Q24 - ln_mantissa(tables, (word << z) | low)
}

/// Gumbel(0, 1) from 64 random bits, in Q24.
#[inline(always)]
#[must_use]
pub fn gumbel_q24(tables: &[u32], hi: u32, lo: u32) -> i32 {
    if hi < 0x8000_0000 {
        let tail = interpolate(tables, LN_ENTRIES as u32 + (hi >> 22), (hi >> 5) & 0x1ffff);
        minus_ln(tables, hi, lo) as i32 - tail as i32
    } else {
        let e = minus_ln(tables, !hi, !lo);
        let z = e.leading_zeros();
        (z as i32 - 7) * LN2_Q24 as i32 - ln_mantissa(tables, e << z) as i32
    }
}

/// A Q24 number as f32, low bits cut where f32 cannot hold them, so that the conversion is exact.
#[inline(always)]
#[must_use]
pub fn q24_to_f32(x: i32) -> f32 {
    let magnitude = x.unsigned_abs();
    let cut = 8u32.saturating_sub(magnitude.leading_zeros());
    let value = ((magnitude >> cut) << cut) as f32 * (1.0 / 16_777_216.0);
    if x < 0 { -value } else { value }
}

/// Noise of element i: words 0 and 1 (even i) or 2 and 3 (odd i) of counter (i / 2, step, 0, 0).
#[inline(always)]
#[must_use]
pub fn gumbel(tables: &[u32], p: &Noise, i: u32) -> f32 {
    let words = philox([i / 2, p.step, 0, 0], [p.seed, p.stream]);
    let at = (i % 2) as usize * 2;
    q24_to_f32(gumbel_q24(tables, words[at], words[at + 1]))
}

/// `out[i] = scores[i] + beta gumbel(first + i)`; `first` is even.
#[inline(always)]
pub fn perturb<T: Real>(p: &Noise, tables: &[u32], first: usize, scores: &[T], out: &mut [T]) {
    let beta = T::of(f64::from(p.beta));
    let parts = out.chunks_mut(2 * LANES).zip(scores.chunks(2 * LANES));
    for (i, (out, scores)) in parts.enumerate() {
        let pair = (first / 2 + i * LANES) as u32;
        let words = philox_lanes(pair, p.step, [p.seed, p.stream]);
        for ((out, &s), words) in out.iter_mut().zip(scores).zip(words.as_chunks::<2>().0) {
            let g = q24_to_f32(gumbel_q24(tables, words[0], words[1]));
            *out = s + beta * T::of(f64::from(g));
        }
    }
}

/// Random words of dropout element i and its neighbours: i has word i % 4 of counter (i / 4, step, 0, 0).
#[inline(always)]
#[must_use]
pub fn dropout_words(seed: u32, stream: u32, step: u32, i: usize) -> [u32; 4] {
    philox([(i / 4) as u32, step, 0, 0], [seed, stream])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lanes_are_single_counters() {
        let (first, step, key) = (u32::MAX - 5, 77, [12, 345]);
        let lanes = philox_lanes(first, step, key);
        for (l, words) in lanes.as_chunks::<4>().0.iter().enumerate() {
            let counter = first.wrapping_add(l as u32);
            assert_eq!(*words, philox([counter, step, 0, 0], key), "lane {l}");
        }
        assert_ne!(lanes, philox_lanes(first, step + 1, key));
    }

    #[test]
    fn philox_known_answers() {
        assert_eq!(
            philox([0; 4], [0; 2]),
            [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]
        );
        assert_eq!(
            philox([u32::MAX; 4], [u32::MAX; 2]),
            [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]
        );
        assert_ne!(philox([1, 0, 0, 0], [0; 2]), philox([0; 4], [0; 2]));
    }

    #[test]
    fn gumbel_follows_its_formula_to_the_tails() {
        let t = tables();
        let mut worst = 0.0f64;
        let mut check = |r: u64| {
            // 1 - V loses the tails in f64, so each half uses the side that is exact
            let (v, w) = (
                r.max(1) as f64 / 2f64.powi(64),
                (!r).max(1) as f64 / 2f64.powi(64),
            );
            let e = if r >> 63 == 0 { -(-v).ln_1p() } else { -w.ln() };
            let got = f64::from(q24_to_f32(gumbel_q24(&t, (r >> 32) as u32, r as u32)));
            let error = (got + e.ln()).abs();
            assert!(error.is_finite());
            worst = worst.max(error);
        };
        for shift in 0..64 {
            for m in 0..200u64 {
                let r = (0x9E37_79B9_7F4A_7C15u64.wrapping_mul(m + 1) | 1 << 63) >> shift;
                check(r);
                check(!r);
            }
        }
        [0, 1, u64::MAX, 1 << 63, (1 << 63) - 1]
            .into_iter()
            .for_each(&mut check);
        assert!(worst < 4e-6, "{worst}"); // f32 itself cuts 44 to 2^-18
        assert!(worst > 1e-9, "the check sees nothing");
    }

    #[test]
    fn gumbel_has_its_moments() {
        let (t, p) = (
            tables(),
            Noise {
                seed: 7,
                stream: 1,
                step: 3,
                beta: 1.0,
                ..Noise::default()
            },
        );
        let n = 200_000u32;
        let g: Vec<f64> = (0..n).map(|i| f64::from(gumbel(&t, &p, i))).collect();
        let mean = g.iter().sum::<f64>() / f64::from(n);
        let var = g.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / f64::from(n);
        assert!((mean - 0.577_215_66).abs() < 0.01, "{mean}");
        assert!((var - 1.644_934).abs() < 0.03, "{var}");
    }
}
