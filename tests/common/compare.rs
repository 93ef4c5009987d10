//! What the tests of the kernels share: random inputs, and a comparison that NaN never passes and
//! that is itself put to the test each time.
use yoto_gpu::cpu::Cpu;
use yoto_gpu::gpu::Gpu;
use yoto_gpu::ops::{FBuf, Ops, UBuf};

/// 2^-23, the unit of the bounds.
pub const U: f64 = 1.0 / 8_388_608.0;

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

/// A device as the cases see it: buffers made of slices, outputs read as f64.
pub trait Device: Ops {
    fn get(&mut self, b: FBuf) -> Vec<f64>;
    fn words(&mut self, b: UBuf) -> Vec<f64> {
        let words = self.read_u(b).expect("read");
        words.into_iter().map(f64::from).collect()
    }
    fn f(&mut self, data: &[f32]) -> FBuf {
        let b = self.alloc_f("test input", data.len()).expect("alloc");
        self.write_f(b, data).expect("write");
        b
    }
    fn u(&mut self, data: &[u32]) -> UBuf {
        self.adopt_u("test input", data.to_vec()).expect("upload")
    }
    /// An output, full of NaN.
    fn poison(&mut self, len: usize) -> FBuf {
        self.f(&vec![f32::NAN; len])
    }
    /// An integer output, full of ones.
    fn poison_u(&mut self, len: usize) -> UBuf {
        self.u(&vec![u32::MAX; len])
    }
}

impl Device for Gpu {
    fn get(&mut self, b: FBuf) -> Vec<f64> {
        let values = self.read_f(b).expect("read");
        values.into_iter().map(f64::from).collect()
    }
}

impl Device for Cpu<f64> {
    fn get(&mut self, b: FBuf) -> Vec<f64> {
        self.values(b)
    }
}

/// Small, fast, known: splitmix64 (Steele, Lea and Flood 2014).
pub struct Rng(pub u64);

impl Rng {
    pub fn word(&mut self) -> u32 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) as u32
    }
    pub fn below(&mut self, n: usize) -> usize {
        self.word() as usize % n
    }
    /// In (-1, 1), never 0.
    pub fn float(&mut self) -> f32 {
        (self.word() >> 8) as f32 / 8_388_608.0 - 1.0 + 1.0 / 33_554_432.0
    }
    pub fn floats(&mut self, n: usize) -> Vec<f32> {
        (0..n).map(|_| self.float()).collect()
    }
}

/// Inputs of a case under a mode.
pub struct Inputs {
    pub rng: Rng,
    pub mode: Mode,
}

impl Inputs {
    /// n values in (-1, 1), or their sizes.
    pub fn draw(&mut self, n: usize) -> Vec<f32> {
        let v = self.rng.floats(n);
        self.sized(v)
    }
    /// The sizes of the values under [`Mode::Size`].
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
    pub fn spoil(&self, mut v: Vec<f32>) -> Vec<f32> {
        if let (Mode::Fault, Some(x)) = (self.mode, v.last_mut()) {
            *x = *x * 1.25 + 0.01;
        }
        v
    }
}

/// Worst |got - want| as a share of its bound; infinite where `got` is NaN or beyond a bound of 0.
pub fn share(got: &[f64], want: &[f64], bound: &[f64]) -> f64 {
    assert_eq!((got.len(), bound.len()), (want.len(), want.len()));
    assert!(want.iter().all(|w| w.is_finite()), "a reference is finite");
    assert!(
        bound.iter().all(|b| b.is_finite() && *b >= 0.0),
        "{bound:?}"
    );
    let one = |((g, w), b): ((&f64, &f64), &f64)| {
        let error = (g - w).abs();
        match error {
            e if e.is_nan() => f64::INFINITY,
            0.0 => 0.0,
            e => e / b,
        }
    };
    got.iter().zip(want).zip(bound).map(one).fold(0.0, f64::max)
}

/// Prints and checks the share of the bound, and that a wrong or NaN element would have failed.
pub fn check(name: &str, got: &[f64], want: &[f64], bound: &[f64]) {
    let worst = share(got, want, bound);
    println!("{name}: {worst:.3} of the bound, {} values", got.len());
    assert!(worst <= 1.0, "{name}: {worst} of the bound");
    for (i, wrong) in [(0, f64::NAN), (got.len() / 2, f64::INFINITY)] {
        if let Some(&g) = got.get(i) {
            let mut spoiled = got.to_vec();
            spoiled[i] = wrong;
            assert!(share(&spoiled, want, bound) > 1.0, "{name}: {wrong} passes");
            spoiled[i] = g + 2.1 * bound[i] + 1e-30 + 1e-6 * g.abs() * f64::from(bound[i] == 0.0);
            assert!(share(&spoiled, want, bound) > 1.0, "{name}: a fault passes");
        }
    }
}

/// One output.
pub type Values = Vec<f64>;
/// A case: builds its inputs, runs its kernel, and reads its outputs.
pub type Run<'a> = &'a dyn Fn(&mut dyn Device, &mut Inputs) -> Vec<Vec<f64>>;
/// Bounds of the outputs from the right values and the outputs under [`Mode::Size`].
pub type Bound<'a> = &'a dyn Fn(&[Vec<f64>], &[Vec<f64>]) -> Vec<Vec<f64>>;

/// Seed of the inputs of a case.
pub fn seed(name: &str) -> u64 {
    name.bytes()
        .fold(7u64, |h, b| h.wrapping_mul(31).wrapping_add(b.into()))
}

/// Runs a case on the CPU in f64 and twice on the GPU: within the bound, bit for bit the same again,
/// and out of bounds for the CPU's result of a faulty input.
pub fn compare(name: &str, gpu: &mut Gpu, run: Run<'_>, bound: Bound<'_>) {
    let inputs = |mode| Inputs {
        rng: Rng(seed(name)),
        mode,
    };
    let on_cpu = |mode| run(&mut Cpu::<f64>::default(), &mut inputs(mode));
    let (want, size) = (on_cpu(Mode::Plain), on_cpu(Mode::Size));
    let bounds = bound(&want, &size);
    let got = run(gpu, &mut inputs(Mode::Plain));
    let again = run(gpu, &mut inputs(Mode::Plain));
    let faulty = on_cpu(Mode::Fault);
    // a case that no input can change gives nothing under a fault
    assert_eq!(got.len(), want.len());
    let mut caught = faulty.is_empty();
    for (i, want) in want.iter().enumerate() {
        check(&format!("{name} [{i}]"), &got[i], want, &bounds[i]);
        let bits = |v: &[f64]| v.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
        assert!(bits(&got[i]) == bits(&again[i]), "{name}: two runs differ");
        caught |= !faulty.is_empty() && share(&got[i], &faulty[i], &bounds[i]) > 1.0;
    }
    assert!(caught, "{name}: a faulty input passes");
}

/// The bound of sums of `terms` products: `(terms + 4) 2^-23 sum |a b|`.
pub fn sums(terms: usize) -> impl Fn(&[Values], &[Values]) -> Vec<Values> {
    move |_, size| {
        let bound = |s: &f64| (terms as f64 + 4.0) * U * s + 1e-37;
        size.iter().map(|v| v.iter().map(bound).collect()).collect()
    }
}

/// Equality.
pub fn equal(want: &[Vec<f64>], _: &[Vec<f64>]) -> Vec<Vec<f64>> {
    want.iter().map(|v| vec![0.0; v.len()]).collect()
}
