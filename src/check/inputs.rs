//! Inputs of the cases: drawn from a seed, so that every device gets the same.

/// What the inputs of a case are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// As drawn.
    Plain,
    /// One input is a little wrong; the result must not pass for the right one.
    Fault,
    /// Absolute values, so that a sum of products becomes the sum of their sizes.
    Size,
}

/// Small, fast, known: splitmix64 (Steele, Lea and Flood 2014).
#[derive(Clone, Debug)]
pub struct Rng(
    /// State.
    pub u64,
);

impl Rng {
    /// 32 random bits.
    pub fn word(&mut self) -> u32 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) as u32
    }
    /// In `0..n`; 0 where n is 0.
    pub fn below(&mut self, n: usize) -> usize {
        self.word() as usize % n.max(1)
    }
    /// In (-1, 1), never 0.
    pub fn float(&mut self) -> f32 {
        (self.word() >> 8) as f32 / 8_388_608.0 - 1.0 + 1.0 / 33_554_432.0
    }
    /// n of [`Rng::float`].
    pub fn floats(&mut self, n: usize) -> Vec<f32> {
        (0..n).map(|_| self.float()).collect()
    }
}

/// Inputs of a case under a mode.
#[derive(Clone, Debug)]
pub struct Inputs {
    /// Where they are drawn from.
    pub rng: Rng,
    /// What is asked for.
    pub mode: Mode,
}

impl Inputs {
    /// n values in (-1, 1), or their sizes.
    pub fn draw(&mut self, n: usize) -> Vec<f32> {
        let v = self.rng.floats(n);
        self.sized(v)
    }
    /// The sizes of the values under [`Mode::Size`].
    #[must_use]
    pub fn sized(&self, v: Vec<f32>) -> Vec<f32> {
        match self.mode {
            Mode::Size => v.into_iter().map(f32::abs).collect(),
            _ => v,
        }
    }
    /// As [`Inputs::draw`], and the last value is wrong under [`Mode::Fault`].
    pub fn faulty(&mut self, n: usize) -> Vec<f32> {
        let v = self.draw(n);
        self.spoil(v)
    }
    /// Makes the last value wrong under [`Mode::Fault`].
    #[must_use]
    pub fn spoil(&self, mut v: Vec<f32>) -> Vec<f32> {
        if let (Mode::Fault, Some(x)) = (self.mode, v.last_mut()) {
            *x = *x * 1.25 + 0.01;
        }
        v
    }
}

/// Seed of the inputs of the case of a name.
#[must_use]
pub fn seed(name: &str) -> u64 {
    name.bytes()
        .fold(7u64, |h, b| h.wrapping_mul(31).wrapping_add(b.into()))
}
