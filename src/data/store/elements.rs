//! Numbers of a one-dimensional dataset, of any type, converted and in parallel where it can be.
use super::chunks::Direct;
use crate::data::h5ad::raw::{damaged, descriptor, slice};
use crate::error::DataError;
use hdf5::Dataset;
use hdf5::types::{FloatSize, IntSize, TypeDescriptor as TD};
use rayon::prelude::*;
use std::fs::File;
use std::ops::Range;

/// A dataset of numbers.
pub(super) struct Numbers {
    set: Dataset,
    direct: Option<(Direct, TD)>,
}

/// What numbers are converted to.
pub(super) trait Number: Send + Sync + Clone + Default {
    /// From the bytes of elements of a type; `false` where it is no type of numbers.
    fn convert(kind: &TD, bytes: &[u8], out: &mut [Self]) -> bool;
    /// By HDF5.
    fn slow(set: &Dataset, range: Range<usize>) -> Result<Vec<Self>, DataError>;
}

macro_rules! each {
    ($ty:ty, $bytes:expr, $out:expr, $to:expr) => {{
        for (o, b) in $out.iter_mut().zip($bytes.chunks_exact(size_of::<$ty>())) {
            let mut array = [0; size_of::<$ty>()];
            array.copy_from_slice(b);
            *o = $to(<$ty>::from_le_bytes(array));
        }
        true
    }};
}

impl Number for f32 {
    fn convert(kind: &TD, bytes: &[u8], out: &mut [Self]) -> bool {
        match kind {
            TD::Float(FloatSize::U4) => each!(f32, bytes, out, |v| v),
            TD::Float(FloatSize::U8) => each!(f64, bytes, out, |v: f64| v as f32),
            TD::Integer(IntSize::U1) => each!(i8, bytes, out, f32::from),
            TD::Integer(IntSize::U2) => each!(i16, bytes, out, f32::from),
            TD::Integer(IntSize::U4) => each!(i32, bytes, out, |v: i32| v as f32),
            TD::Integer(IntSize::U8) => each!(i64, bytes, out, |v: i64| v as f32),
            TD::Unsigned(IntSize::U1) => each!(u8, bytes, out, f32::from),
            TD::Unsigned(IntSize::U2) => each!(u16, bytes, out, f32::from),
            TD::Unsigned(IntSize::U4) => each!(u32, bytes, out, |v: u32| v as f32),
            TD::Unsigned(IntSize::U8) => each!(u64, bytes, out, |v: u64| v as f32),
            _ => false,
        }
    }
    fn slow(set: &Dataset, range: Range<usize>) -> Result<Vec<Self>, DataError> {
        slice::<f32>(set, range)
    }
}

/// An index; what is no u32 becomes `u32::MAX`, which is above every limit.
impl Number for u32 {
    fn convert(kind: &TD, bytes: &[u8], out: &mut [Self]) -> bool {
        match kind {
            TD::Integer(IntSize::U4) => {
                each!(i32, bytes, out, |v| u32::try_from(v).unwrap_or(u32::MAX))
            }
            TD::Integer(IntSize::U8) => {
                each!(i64, bytes, out, |v| u32::try_from(v).unwrap_or(u32::MAX))
            }
            TD::Unsigned(IntSize::U4) => each!(u32, bytes, out, |v| v),
            TD::Unsigned(IntSize::U8) => {
                each!(u64, bytes, out, |v| u32::try_from(v).unwrap_or(u32::MAX))
            }
            _ => false,
        }
    }
    fn slow(set: &Dataset, range: Range<usize>) -> Result<Vec<Self>, DataError> {
        Ok(slice::<i64>(set, range)?
            .into_iter()
            .map(|v| u32::try_from(v).unwrap_or(u32::MAX))
            .collect())
    }
}

impl Numbers {
    /// `file`: the same file, for reads past HDF5; `None` leaves all to HDF5.
    pub(super) fn new<T: Number>(file: Option<&File>, set: &Dataset) -> Result<Self, DataError> {
        let kind = descriptor(set)?;
        let direct = file
            .filter(|_| T::convert(&kind, &[], &mut []))
            .and_then(|file| Direct::new(file, set))
            .filter(|direct| direct.width() == kind.size());
        Ok(Self {
            set: set.clone(),
            direct: direct.map(|d| (d, kind)),
        })
    }

    /// Reads a range into `out`, which becomes as long.
    pub(super) fn read<T: Number>(
        &self,
        range: Range<usize>,
        out: &mut Vec<T>,
    ) -> Result<(), DataError> {
        let Some((direct, kind)) = &self.direct else {
            *out = T::slow(&self.set, range)?;
            return Ok(());
        };
        out.resize(range.len(), T::default());
        let pieces = direct.pieces(range);
        let mut work = Vec::with_capacity(pieces.len());
        let mut rest: &mut [T] = out;
        for piece in pieces {
            let (own, others) = std::mem::take(&mut rest).split_at_mut(piece.len());
            work.push((piece, own));
            rest = others;
        }
        work.into_par_iter()
            .try_for_each_init(
                || (Vec::new(), Vec::new()),
                |(bytes, scratch), (piece, out)| {
                    direct.read(piece, bytes, scratch)?;
                    T::convert(kind, bytes, out);
                    Ok(())
                },
            )
            .map_err(|e: std::io::Error| {
                damaged(format!(
                    "{} cannot be read: {e}",
                    self.set.name().trim_start_matches('/')
                ))
            })
    }
}
