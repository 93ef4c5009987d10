//! A case and what it should give.
use super::{Device, Inputs, Mode, Rng, Values, seed, share};
use crate::cpu::Cpu;
use crate::error::DeviceError;
use crate::kernels::registry::Entry;
use std::fmt;

type Run<'a> = Box<dyn Fn(&mut dyn Device, &mut Inputs) -> Vec<Values> + 'a>;
type Bound<'a> = Box<dyn Fn(&[Values], &[Values]) -> Vec<Values> + 'a>;

/// A known case of one or more kernel entries.
pub struct Case<'a> {
    /// What and how large; also the seed of its inputs.
    pub name: String,
    /// The entry that writes each output, in order.
    pub outputs: Vec<&'static Entry>,
    run: Run<'a>,
    bound: Bound<'a>,
}

impl fmt::Debug for Case<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Case({})", self.name)
    }
}

impl<'a> Case<'a> {
    /// A case. `run` makes the inputs, runs the kernels and reads the outputs, one for each of
    /// `outputs`; under [`Mode::Fault`] it may give none, where no input can change the result.
    /// `bound` gives the bounds of the outputs from the right values and the outputs under
    /// [`Mode::Size`].
    pub fn new(
        name: impl Into<String>,
        outputs: &[&'static Entry],
        run: impl Fn(&mut dyn Device, &mut Inputs) -> Vec<Values> + 'a,
        bound: impl Fn(&[Values], &[Values]) -> Vec<Values> + 'a,
    ) -> Self {
        Self {
            name: name.into(),
            outputs: outputs.to_vec(),
            run: Box::new(run),
            bound: Box::new(bound),
        }
    }

    /// The outputs under a mode, as they come.
    pub fn run(&self, device: &mut dyn Device, mode: Mode) -> Vec<Values> {
        let rng = Rng(seed(&self.name));
        (self.run)(device, &mut Inputs { rng, mode })
    }

    /// What the twin gives in f64, and how far from it a device may be.
    #[must_use]
    pub fn expected(&self) -> Expected {
        let on_cpu = |mode| self.run(&mut Cpu::<f64>::default(), mode);
        let (want, size) = (on_cpu(Mode::Plain), on_cpu(Mode::Size));
        Expected {
            bounds: (self.bound)(&want, &size),
            faulty: on_cpu(Mode::Fault),
            want,
        }
    }

    /// Runs the case twice on a device.
    ///
    /// # Errors
    /// Whatever the device failed with.
    pub fn verdict(
        &self,
        device: &mut dyn Device,
        expected: &Expected,
    ) -> Result<Verdict, DeviceError> {
        let got = self.run(device, Mode::Plain);
        let again = self.run(device, Mode::Plain);
        device.sync()?;
        Ok(expected.judge(&got, &again))
    }
}

/// The outputs that a case should give.
#[derive(Clone, Debug)]
pub struct Expected {
    /// The twin's outputs in f64.
    pub want: Vec<Values>,
    /// The most that each value may be off.
    pub bounds: Vec<Values>,
    /// The twin's outputs for a slightly wrong input; none where no input can change them.
    pub faulty: Vec<Values>,
}

impl Expected {
    /// The share of the bound of each output; infinite for all where their number is wrong.
    fn shares(&self, got: &[Values], want: &[Values]) -> Vec<f64> {
        let n = self.want.len();
        if (got.len(), want.len(), self.bounds.len()) != (n, n, n) {
            return vec![f64::INFINITY; n.max(1)];
        }
        let of = |i: usize| share(&got[i], &want[i], &self.bounds[i]);
        (0..n).map(of).collect()
    }

    /// Judges the outputs of two runs.
    #[must_use]
    pub fn judge(&self, got: &[Values], again: &[Values]) -> Verdict {
        let bits = |outputs: &[Values]| -> Vec<u64> {
            outputs.iter().flatten().map(|x| x.to_bits()).collect()
        };
        let wrong = || self.shares(got, &self.faulty);
        Verdict {
            shares: self.shares(got, &self.want),
            repeats: bits(got) == bits(again),
            catches: self.faulty.is_empty() || wrong().iter().any(|s| *s > 1.0),
        }
    }
}

/// How a device did.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// Worst error of each output as a share of its bound; at most 1 is right.
    pub shares: Vec<f64>,
    /// Whether two runs gave the same bits.
    pub repeats: bool,
    /// Whether the result of the faulty input would have been refused.
    pub catches: bool,
}

impl Verdict {
    /// Whether all is well.
    #[must_use]
    pub fn passes(&self) -> bool {
        self.fault().is_none()
    }
    /// What is wrong, in a few words.
    #[must_use]
    pub fn fault(&self) -> Option<String> {
        // not the largest by `max`, which NaN would slip through
        let wrong = |s: &f64| s.is_nan() || *s > 1.0;
        if let Some(i) = self.shares.iter().position(wrong) {
            return Some(format!(
                "output {i} is at {:.3} of its bound",
                self.shares[i]
            ));
        }
        match (self.repeats, self.catches) {
            (false, _) => Some("two runs differ".into()),
            (_, false) => Some("a faulty input passes".into()),
            _ => None,
        }
    }
}
