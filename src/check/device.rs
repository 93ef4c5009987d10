//! A device as the cases see it.
use crate::cpu::Cpu;
use crate::error::DeviceError;
use crate::gpu::{Form, Gpu};
use crate::ops::{FBuf, Ops, UBuf};
use crate::reference::Real;

/// A device as the cases see it: buffers made of slices, outputs read as f64.
///
/// Nothing here fails at once: a GPU remembers its first failure, gives NaN from then on, and
/// reports at the next [`Ops::sync`], which whoever runs a case calls.
pub trait Device: Ops {
    /// A buffer with these values.
    fn f(&mut self, data: &[f32]) -> FBuf;
    /// A buffer with these integers.
    fn u(&mut self, data: &[u32]) -> UBuf;
    /// Runs what was recorded and reads; in full precision on the CPU.
    fn get(&mut self, b: FBuf) -> Vec<f64>;
    /// As [`Device::get`], of integers.
    fn words(&mut self, b: UBuf) -> Vec<f64>;
    /// Makes dense layers use the tiles of this shape (an index into
    /// [`TILES`](crate::kernels::linear::TILES)), where the device has any.
    fn shape_tiles(&mut self, shape: usize);
    /// Makes the first layer take its dense-tile form or its sparse one, where the device has both.
    fn tile_first_layer(&mut self, tiled: bool);
    /// A buffer for an output, full of NaN.
    fn poison(&mut self, len: usize) -> FBuf {
        self.f(&vec![f32::NAN; len])
    }
    /// A buffer for an output of integers, full of ones.
    fn poison_u(&mut self, len: usize) -> UBuf {
        self.u(&vec![u32::MAX; len])
    }
}

/// Id of a buffer that could not be made.
const NOWHERE: u32 = u32::MAX;

impl Gpu {
    fn or_remember<T>(&self, made: Result<T, DeviceError>, otherwise: T) -> T {
        made.unwrap_or_else(|e| {
            self.fail(match e {
                DeviceError::Failed(message) => message,
                other => other.to_string(),
            });
            otherwise
        })
    }
}

impl Device for Gpu {
    fn f(&mut self, data: &[f32]) -> FBuf {
        let len = data.len();
        let made = self.alloc_f("input of a check", len);
        let made = made.and_then(|b| self.write_f(b, data).map(|()| b));
        let nowhere = FBuf {
            id: NOWHERE,
            offset: 0,
            len,
        };
        self.or_remember(made, nowhere)
    }
    fn u(&mut self, data: &[u32]) -> UBuf {
        let made = self.adopt_u("input of a check", data.to_vec());
        let nowhere = UBuf {
            id: NOWHERE,
            offset: 0,
            len: data.len(),
        };
        self.or_remember(made, nowhere)
    }
    fn get(&mut self, b: FBuf) -> Vec<f64> {
        let read = self.read_f(b);
        let values = self.or_remember(read, vec![f32::NAN; b.len]);
        values.into_iter().map(f64::from).collect()
    }
    fn shape_tiles(&mut self, shape: usize) {
        self.set_tile(shape);
    }
    fn tile_first_layer(&mut self, tiled: bool) {
        self.set_form(if tiled { Form::Tiled } else { Form::Sparse });
    }
    fn words(&mut self, b: UBuf) -> Vec<f64> {
        let read = self.read_u(b);
        let words = read.map(|words| words.into_iter().map(f64::from).collect());
        self.or_remember(words, vec![f64::NAN; b.len])
    }
}

impl<T: Real> Device for Cpu<T> {
    fn f(&mut self, data: &[f32]) -> FBuf {
        self.hold(data.iter().map(|&x| T::of(f64::from(x))).collect())
    }
    fn u(&mut self, data: &[u32]) -> UBuf {
        self.hold_words(data.to_vec())
    }
    fn get(&mut self, b: FBuf) -> Vec<f64> {
        self.values(b).into_iter().map(Real::f64).collect()
    }
    fn shape_tiles(&mut self, _shape: usize) {}
    fn tile_first_layer(&mut self, _tiled: bool) {}
    fn words(&mut self, b: UBuf) -> Vec<f64> {
        self.integers(b).iter().copied().map(f64::from).collect()
    }
}
