//! Numbers of any width and order, converted.
use super::dataset::Dataset;
use super::kinds::Kind;
use super::{Result, damaged, no_memory, within};
use half::f16;
use rayon::prelude::*;
use std::ops::Range;

/// Elements of one read (16 to 32 MB).
pub(crate) const SLICE: usize = 4 << 20;

/// Elements that a thread converts at one time.
const PIECE: usize = 1 << 17;

/// What numbers are converted to.
pub(crate) trait Number: Copy + Default + Send + Sync {
    /// Whether it holds fractions.
    const REAL: bool;
    /// From a signed whole number.
    fn from_i64(v: i64) -> Self;
    /// From an unsigned whole number.
    fn from_u64(v: u64) -> Self;
    /// From a float.
    fn from_f64(v: f64) -> Self;
}

macro_rules! number {
    ($ty:ty, $real:expr) => {
        impl Number for $ty {
            const REAL: bool = $real;
            #[inline(always)]
            fn from_i64(v: i64) -> Self {
                v as $ty
            }
            #[inline(always)]
            fn from_u64(v: u64) -> Self {
                v as $ty
            }
            #[inline(always)]
            fn from_f64(v: f64) -> Self {
                v as $ty
            }
        }
    };
}
number!(f32, true);
number!(f64, true);
// a u64 beyond i64 becomes negative, which no index or code may be
number!(i64, false);

// an index; what is no u32 becomes `u32::MAX`, which lies above every limit
impl Number for u32 {
    const REAL: bool = false;
    #[inline(always)]
    fn from_i64(v: i64) -> Self {
        Self::try_from(v).unwrap_or(Self::MAX)
    }
    #[inline(always)]
    fn from_u64(v: u64) -> Self {
        Self::try_from(v).unwrap_or(Self::MAX)
    }
    #[inline(always)]
    fn from_f64(v: f64) -> Self {
        v as Self
    }
}

/// Converts elements of `kind`, on all cores; `None` where they are no numbers, or floats where `T` is
/// whole.
pub(super) fn decode<T: Number>(kind: &Kind, bytes: &[u8], out: &mut [T]) -> Option<()> {
    let width = kind.size();
    piece::<T>(kind, &[], &mut [])?;
    out.par_chunks_mut(PIECE)
        .zip(bytes.par_chunks(PIECE * width))
        .map(|(out, bytes)| piece(kind, bytes, out))
        .collect()
}

fn piece<T: Number>(kind: &Kind, bytes: &[u8], out: &mut [T]) -> Option<()> {
    macro_rules! each {
        ($ty:ty, $n:literal, $big:expr, $to:expr) => {{
            let parts = out.iter_mut().zip(bytes.as_chunks::<$n>().0);
            if $big {
                parts.for_each(|(o, b)| *o = $to(<$ty>::from_be_bytes(*b)));
            } else {
                parts.for_each(|(o, b)| *o = $to(<$ty>::from_le_bytes(*b)));
            }
        }};
    }
    let kind = if let Kind::Enum(base) = kind {
        base
    } else {
        kind
    };
    match *kind {
        Kind::Int { size, signed, big } => match (size, signed) {
            (1, true) => each!(i8, 1, big, |v| T::from_i64(i64::from(v))),
            (2, true) => each!(i16, 2, big, |v| T::from_i64(i64::from(v))),
            (4, true) => each!(i32, 4, big, |v| T::from_i64(i64::from(v))),
            (_, true) => each!(i64, 8, big, T::from_i64),
            (1, false) => each!(u8, 1, big, |v| T::from_u64(u64::from(v))),
            (2, false) => each!(u16, 2, big, |v| T::from_u64(u64::from(v))),
            (4, false) => each!(u32, 4, big, |v| T::from_u64(u64::from(v))),
            (_, false) => each!(u64, 8, big, T::from_u64),
        },
        Kind::Float { size, big } if T::REAL => match size {
            2 => each!(f16, 2, big, |v: f16| T::from_f64(v.to_f64())),
            4 => each!(f32, 4, big, |v| T::from_f64(f64::from(v))),
            _ => each!(f64, 8, big, T::from_f64),
        },
        _ => return None,
    }
    Some(())
}

impl Dataset {
    /// Some rows as numbers.
    pub(crate) fn slice<T: Number>(&self, rows: Range<usize>) -> Result<Vec<T>> {
        let bytes = self.bytes(rows)?;
        let mut out = Vec::new();
        let n = bytes.len() / self.kind.size();
        out.try_reserve_exact(n).map_err(|_| no_memory(n))?;
        out.resize(n, T::default());
        decode(&self.kind, &bytes, &mut out).ok_or_else(|| {
            let wanted = if T::REAL { "numbers" } else { "whole numbers" };
            within(
                &self.name,
                damaged(format!("it holds {}, expected {wanted}", self.kind.shown())),
            )
        })?;
        Ok(out)
    }

    /// All of it as numbers, read in slices.
    pub(crate) fn numbers<T: Number>(&self) -> Result<Vec<T>> {
        let (n, rows) = (self.len(), self.shape.first().copied().unwrap_or(1));
        let mut all = Vec::new();
        all.try_reserve_exact(n).map_err(|_| no_memory(n))?;
        for begin in (0..rows).step_by(SLICE) {
            all.extend(self.slice::<T>(begin..rows.min(begin + SLICE))?);
        }
        Ok(all)
    }
}
