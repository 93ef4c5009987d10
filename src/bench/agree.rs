//! Whether a device computes what the CPU twins compute, before anything is timed: the known cases of
//! every kernel ([`crate::check`]), then one training step on both from the same state, at the size
//! that is measured.
//!
//! Of the step are compared Adam's moments after the first step, which are the gradients and their squares but for
//! a factor (the parameters themselves move by `lr` along the gradient's sign, which says nothing where
//! it is nearly 0), and the loss. A value may be off by [`BOUND`] of the largest of its arena; one in
//! [`RARE`] may be off by more, where a sum so near to 0 that rounding decides its sign opens or closes
//! a ReLU. The twins run in f64.
use super::schema::{Check, KernelCheck};
use super::simulate::Size;
use crate::check::table::{Fault, Row, Target, run_all};
use crate::cpu::Cpu;
use crate::data::cells::TrainingData;
use crate::error::TrainError;
use crate::ops::Ops;
use crate::train::steps::{Phase, Steps};

/// Largest error as a share of the largest value.
const BOUND: f64 = 1e-4;
/// One value in so many may be off by more.
const RARE: usize = 1000;

/// Moments and loss after the first step of a phase.
#[derive(Clone, Debug)]
pub(super) struct State {
    moments: Vec<f32>,
    loss: f32,
}

impl State {
    /// Reads them where one step was done.
    pub(super) fn of<O: Ops>(steps: &mut Steps<'_, O>) -> Result<Self, TrainError> {
        let moments = steps.moments();
        Ok(Self {
            loss: steps.loss()?,
            moments: steps.ops().read_f(moments)?,
        })
    }

    /// What the twins come to.
    pub(super) fn of_twins(
        data: &TrainingData,
        size: &Size,
        phase: Phase,
        seed: u64,
        models: usize,
    ) -> Result<Self, TrainError> {
        let mut ops = Cpu::<f64>::default();
        let settings = phase.settings(size.k, size.hidden, size.batch, seed);
        let mut steps = Steps::new(&mut ops, data, &settings, models)?;
        steps.step()?;
        Self::of(&mut steps)
    }
}

/// The known cases of every kernel on a device: the worst shares, and what was wrong.
pub(super) fn known_cases(target: Target) -> (Vec<KernelCheck>, Vec<String>) {
    let table = run_all(&[target], |_| {});
    let one = |row: &Row| KernelCheck {
        name: format!("{}/{}", row.kernel, row.entry),
        share: row.shares.first().copied().flatten(),
    };
    let told = |f: &Fault| format!("{}: {}", f.case, f.what);
    let kernels = table.kernels.iter().map(one).collect();
    (kernels, table.faults.iter().map(told).collect())
}

/// Whether a kernel may be timed.
pub(super) fn is_right(checked: &[KernelCheck], variant: &str) -> bool {
    // the CPU path has no tiles: every shape's twin is the same function
    let fits = |name: &str| match (name.split_once('/'), variant.split_once('/')) {
        (Some((file, entry)), Some((own, wanted))) => {
            entry == wanted && (file == own || (own == "linear" && file.starts_with("linear_")))
        }
        _ => false,
    };
    let mut known = checked.iter().filter(|k| fits(&k.name)).peekable();
    known.peek().is_some() && known.all(|k| k.share.is_some_and(|s| s <= 1.0))
}

/// Compares a device's states with the twins', a pair a phase; `known`: its kernels' known cases.
pub(super) fn compare(
    pairs: &[(Phase, State, State)],
    (kernels, mut failures): (Vec<KernelCheck>, Vec<String>),
) -> Check {
    let mut worst_share = 0.0f64;
    for (phase, got, want) in pairs {
        // a network's first moments, then its second ones, are scales of their own
        let half = want.moments.len() / 2;
        let parts = [
            ("gradients", 0..half),
            ("squared gradients", half..2 * half),
        ];
        let mut judge = |what: &str, share: f64| {
            worst_share = worst_share.max(share);
            if share.is_nan() || share > 1.0 {
                failures.push(format!(
                    "{} step: the {what} are off by {share:.3} of the bound",
                    phase.name()
                ));
            }
        };
        for (what, range) in parts {
            let share = match got.moments.get(range.clone()) {
                Some(got) => share(got, &want.moments[range]),
                None => f64::INFINITY,
            };
            judge(what, share);
        }
        judge("losses", share(&[got.loss], &[want.loss]));
    }
    Check {
        method: format!(
            "{} kernel entries on known cases, then moments and loss of the first step of each phase, \
             all but 1 in {RARE} values within {BOUND:e} of the largest, the twins in f64",
            kernels.len()
        ),
        agrees: failures.is_empty(),
        kernels,
        worst_share: if worst_share.is_finite() {
            worst_share
        } else {
            f64::MAX
        },
        failures,
    }
}

/// The largest error but for one value in [`RARE`], as a share of [`BOUND`]; infinite where a value is
/// no number.
fn share(got: &[f32], want: &[f32]) -> f64 {
    let largest = want.iter().map(|w| f64::from(w.abs())).fold(0.0, f64::max);
    if got.len() != want.len() || !largest.is_finite() || got.iter().any(|g| !g.is_finite()) {
        return f64::INFINITY;
    }
    let error = |(g, w): (&f32, &f32)| (f64::from(*g) - f64::from(*w)).abs();
    let mut errors: Vec<f64> = got.iter().zip(want).map(error).collect();
    let rare = errors.len() / RARE;
    let Some(last) = errors.len().checked_sub(1) else {
        return 0.0;
    };
    let at = last - rare;
    let (_, worst, _) = errors.select_nth_unstable_by(at, f64::total_cmp);
    *worst / (BOUND * largest.max(1e-30))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(change: impl Fn(usize, f32) -> f32) -> State {
        let value = |i: usize| ((i * 37 % 101) as f32 - 50.0) / 50.0;
        State {
            moments: (0..4000).map(|i| change(i, value(i))).collect(),
            loss: change(4000, 2.0),
        }
    }
    fn agrees(got: State) -> bool {
        let check = compare(&[(Phase::Select, got, state(|_, x| x))], Default::default());
        assert_eq!(check.agrees, check.failures.is_empty());
        check.agrees
    }

    #[test]
    fn small_errors_pass_and_others_do_not() {
        assert!(agrees(state(|_, x| x)));
        assert!(agrees(state(|_, x| x + 5e-5)));
        assert!(!agrees(state(|_, x| x + 5e-4)), "all a little off");
        // one of 2,000 may be far off, three may not
        assert!(agrees(state(|i, x| if i == 7 { x + 0.5 } else { x })));
        assert!(!agrees(state(|i, x| if i % 700 == 7 {
            x + 0.5
        } else {
            x
        })));
        assert!(!agrees(state(|i, x| if i == 7 { f32::NAN } else { x })));
        assert!(!agrees(state(|i, x| if i == 4000 { x * 1.01 } else { x })));
        let mut short = state(|_, x| x);
        short.moments.truncate(3000);
        assert!(!agrees(short));
    }

    #[test]
    fn a_kernel_is_right_where_all_its_cases_are() {
        let check = |name: &str, share| KernelCheck {
            name: name.into(),
            share,
        };
        let checked = [
            check("a/f", Some(0.5)),
            check("b/f", Some(1.5)),
            check("c/f", None),
            check("linear_32/update", Some(0.1)),
            check("linear_64/update", Some(2.0)),
            check("linear_64/forward", Some(0.2)),
        ];
        let right = |name| is_right(&checked, name);
        assert!(right("a/f") && right("linear_32/update") && right("linear/forward"));
        assert!(!right("b/f") && !right("c/f") && !right("a/g") && !right("no name"));
        assert!(!right("linear_64/update") && !right("linear/update"));
    }
}
