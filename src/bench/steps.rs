//! Times of whole training steps and of the kernels inside them, on one device.
use super::agree::State;
use super::schema::{Ceilings, Clock, KernelResult, StepResult};
use super::simulate::Size;
use super::spread::quantile;
use super::target::Target;
use super::watch::{Launch, Watched};
use crate::data::cells::TrainingData;
use crate::error::{DeviceError, TrainError};
use crate::ops::Ops;
use crate::train::steps::{Phase, Steps};
use std::time::{Duration, Instant};

type Result<T> = std::result::Result<T, TrainError>;

/// What is measured, on whatever device.
pub(super) struct Work<'a> {
    pub(super) data: &'a TrainingData,
    pub(super) size: Size,
    /// Samples of each kernel, timed steps at least.
    pub(super) repeats: u32,
    /// Nonzeros of a cell, on average.
    pub(super) nonzeros: f64,
}

/// Steps before anything is timed.
const WARM_UP: u32 = 5;
/// Whole steps are timed for as long as this, where `repeats` of them take less.
const LONG_ENOUGH: Duration = Duration::from_millis(500);
/// Submissions whose host time is taken.
const BURSTS: usize = 9;
/// Most timed steps.
const MOST_STEPS: u32 = 20_000;

/// A phase with some networks on a device, its first step done.
pub(super) struct Run<'w, 'a, D> {
    work: &'w Work<'a>,
    phase: Phase,
    models: usize,
    steps: Steps<'w, Watched<D>>,
}

impl<'w, 'a, D: Target> Run<'w, 'a, D> {
    /// Puts all on the device and does the first step.
    pub(super) fn begin(
        ops: &'w mut Watched<D>,
        settings: &'w crate::train::settings::Settings,
        work: &'w Work<'a>,
        phase: Phase,
        models: usize,
    ) -> Result<Self> {
        let mut steps = Steps::new(ops, work.data, settings, models)?;
        steps.step()?;
        steps.ops().sync()?;
        Ok(Self {
            work,
            phase,
            models,
            steps,
        })
    }

    /// What the first step came to.
    pub(super) fn state(&mut self) -> Result<State> {
        State::of(&mut self.steps)
    }

    /// Times whole steps; the idle share is left to who knows the kernels' times.
    pub(super) fn whole(&mut self) -> Result<StepResult> {
        let begin = Instant::now();
        for _ in 0..WARM_UP {
            self.steps.step()?;
        }
        self.steps.ops().sync()?;
        let each = begin.elapsed() / WARM_UP;
        let enough = LONG_ENOUGH.as_secs_f64() / each.as_secs_f64().max(1e-9);
        let n = (enough as u32).clamp(self.work.repeats, MOST_STEPS.max(self.work.repeats));
        let first_loss = self.steps.loss()?;
        let (launches, before) = (self.steps.ops().launches, self.steps.ops().inner.counters());
        let begin = Instant::now();
        for _ in 0..n {
            self.steps.step()?;
        }
        self.steps.ops().sync()?;
        let wall = begin.elapsed().as_secs_f64();
        let ops = self.steps.ops();
        let (after, per) = (ops.inner.counters(), |count: u64| {
            count as f64 / f64::from(n)
        });
        let dispatches = per(ops.launches - launches);
        let device_bytes = ops.inner.bytes();
        let bind_groups_made = after.bind_groups - before.bind_groups;
        let submissions = per(after.submissions - before.submissions);
        let host = self.host_us(dispatches)?;
        let host_us = host.map(|(record, _)| record);
        let rate = f64::from(n) / wall;
        let models = self.models as f64;
        Ok(StepResult {
            phase: self.phase.name().into(),
            models: self.models as u64,
            steps: n.into(),
            steps_per_s: rate,
            cells_per_s: rate * self.work.size.batch as f64 * models,
            models_per_s: rate * models,
            dispatches,
            submissions,
            host_us,
            submit_us: host.map(|(_, submit)| submit),
            host_us_per_dispatch: host_us.map(|us| us / dispatches.max(1.0)),
            idle_share: None,
            bind_groups_made,
            device_bytes,
            losses: [first_loss, self.steps.loss()?].map(f64::from),
        })
    }

    /// Host time of a step, microseconds: recording, and a step's share of submitting; as many steps as
    /// fit a submission and an epoch, while the device has nothing else to do.
    fn host_us(&mut self, dispatches: f64) -> Result<Option<(f64, f64)>> {
        let Some(most) = self.steps.ops().inner.per_submit() else {
            return Ok(None);
        };
        let most = (most as f64 / dispatches.max(1.0)) as u64;
        let (mut record, mut submit) = (Vec::new(), Vec::new());
        for _ in 0..BURSTS {
            // begin right after the order of an epoch went to the device
            for _ in 0..self.steps.left_in_epoch() {
                self.steps.step()?;
            }
            self.steps.ops().sync()?;
            let n = most.min(self.steps.left_in_epoch() - 1).max(1);
            let begin = Instant::now();
            for _ in 0..n {
                self.steps.step()?;
            }
            let recorded = begin.elapsed();
            self.steps.ops().submit()?;
            let each = |time: Duration| time.as_nanos() as f64 / 1e3 / n as f64;
            record.push(each(recorded));
            submit.push(each(begin.elapsed() - recorded));
        }
        self.steps.ops().sync()?;
        let median = |v: &mut Vec<f64>| quantile(v, 0.5);
        Ok(Some((median(&mut record), median(&mut submit))))
    }

    /// Times each kernel in `repeats` steps, each launch done `dispatches` times over.
    pub(super) fn kernels(&mut self, dispatches: u32) -> Result<Vec<Samples>> {
        self.steps.ops().sync()?;
        self.steps.ops().inner.start_profile(dispatches)?;
        let mut starts = Vec::new();
        self.steps.ops().begin();
        let mut noted = Vec::new();
        for _ in 0..self.work.repeats {
            self.steps.step()?;
            // no long submissions, which drivers reset
            self.steps.ops().submit()?;
            let mut more = self.steps.ops().end();
            starts.push(noted.len());
            noted.append(&mut more);
            self.steps.ops().begin();
        }
        self.steps.ops().end();
        let clock = Clock::of(self.steps.ops().inner.has_timestamps());
        let times: Vec<(String, f64)> = match self.steps.ops().inner.end_profile()? {
            None => noted
                .iter()
                .map(|l| (l.name.to_owned(), l.host_ns))
                .collect(),
            Some(times) if times.len() == noted.len() => times
                .into_iter()
                .map(|t| (format!("{}/{}", t.name.0, t.name.1), t.ns))
                .collect(),
            Some(times) => {
                let what = format!("{} times of {} launches", times.len(), noted.len());
                return Err(DeviceError::Failed(what).into());
            }
        };
        Ok(sorted(
            &noted, &times, &starts, self.phase, clock, dispatches,
        ))
    }
}

/// Times of one launch of a step.
pub(super) struct Samples {
    launch: Launch,
    variant: String,
    phase: Phase,
    place: u64,
    clock: Clock,
    dispatches: u32,
    us: Vec<f64>,
}

/// Times by launch: the i-th launch of a kernel in a step belongs to the i-th ones in the others.
fn sorted(
    noted: &[Launch],
    times: &[(String, f64)],
    starts: &[usize],
    phase: Phase,
    clock: Clock,
    dispatches: u32,
) -> Vec<Samples> {
    let mut all: Vec<Samples> = Vec::new();
    for (i, &start) in starts.iter().enumerate() {
        let end = starts.get(i + 1).copied().unwrap_or(noted.len());
        for at in start..end {
            let launch = noted[at];
            let place = noted[start..at].iter().filter(|l| l.name == launch.name);
            let place = place.count() as u64;
            let us = times[at].1 / 1e3;
            let known = |s: &&mut Samples| s.launch.name == launch.name && s.place == place;
            match all.iter_mut().find(known) {
                Some(samples) => samples.us.push(us),
                None => all.push(Samples {
                    launch,
                    variant: times[at].0.clone(),
                    phase,
                    place,
                    clock,
                    dispatches,
                    us: vec![us],
                }),
            }
        }
    }
    all
}

impl Samples {
    /// `file/entry` that ran.
    pub(super) fn variant(&self) -> &str {
        &self.variant
    }
}

/// Sum of the medians, microseconds.
pub(super) fn total_us(samples: &mut [Samples]) -> f64 {
    samples.iter_mut().map(|s| quantile(&mut s.us, 0.5)).sum()
}

/// Rates and shares under the ceilings.
pub(super) fn results(mut samples: Vec<Samples>, ceilings: &Ceilings) -> Vec<KernelResult> {
    let total = total_us(&mut samples).max(1e-9);
    samples
        .into_iter()
        .map(|mut s| {
            let median_us = quantile(&mut s.us, 0.5);
            let (bytes, operations) = (s.launch.cost.bytes, s.launch.cost.operations);
            let rate = |count: u64| count as f64 / (median_us.max(1e-6) * 1e3);
            KernelResult {
                name: s.launch.name.into(),
                variant: s.variant,
                phase: s.phase.name().into(),
                launch: s.place,
                samples: s.us.len() as u64,
                dispatches_a_sample: s.dispatches.into(),
                clock: s.clock,
                median_us,
                p10_us: quantile(&mut s.us, 0.1),
                p90_us: quantile(&mut s.us, 0.9),
                bytes,
                operations,
                gb_s: rate(bytes),
                gflop_s: rate(operations),
                roofline_share: roof_us(bytes, operations, ceilings) / median_us.max(1e-6),
                time_share: median_us / total,
            }
        })
        .collect()
}

/// The shortest time that the ceilings allow, microseconds.
fn roof_us(bytes: u64, operations: u64, c: &Ceilings) -> f64 {
    let time = |count: u64, giga: f64| {
        if giga > 0.0 {
            count as f64 / (giga * 1e3)
        } else {
            0.0
        }
    };
    time(bytes, c.copy_gb_s).max(time(operations, c.fp32_gflop_s))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::cost::Cost;

    fn ceilings() -> Ceilings {
        Ceilings {
            copy_gb_s: 100.0,
            copy_bytes: 1,
            fp32_gflop_s: 1000.0,
            f16_gflop_s: None,
            matrix_gflop_s: None,
            empty_dispatch_us: 1.0,
            empty_submit_us: 1.0,
            clock: Clock::Device,
            notes: Vec::new(),
        }
    }

    #[test]
    fn the_roof_is_the_longer_of_both_times() {
        let c = ceilings();
        // 1 MB at 100 GB/s: 10 us; 20 Mflop at 1,000 GFLOP/s: 20 us
        assert!((roof_us(1_000_000, 0, &c) - 10.0).abs() < 1e-9);
        assert!((roof_us(1_000_000, 20_000_000, &c) - 20.0).abs() < 1e-9);
        assert!((roof_us(4_000_000, 20_000_000, &c) - 40.0).abs() < 1e-9);
        let none = Ceilings {
            copy_gb_s: 0.0,
            fp32_gflop_s: 0.0,
            ..c
        };
        assert_eq!(roof_us(1, 1, &none), 0.0);
    }

    #[test]
    fn launches_are_told_apart_by_their_place_in_the_step() {
        let launch = |name, bytes| Launch {
            name,
            cost: Cost {
                bytes,
                operations: 0,
            },
            host_ns: 0.0,
        };
        let step = [launch("a", 10), launch("b", 20), launch("a", 30)];
        let noted = [step, step, step].concat();
        let ns = [1e3, 5e3, 9e3, 2e3, 6e3, 8e3, 3e3, 7e3, 7e3];
        let times: Vec<_> = ns.map(|t| ("x".to_owned(), t)).to_vec();
        let all = sorted(&noted, &times, &[0, 3, 6], Phase::Panel, Clock::Host, 1);
        let rows = results(all, &ceilings());
        let told: Vec<_> = rows
            .iter()
            .map(|r| (r.name.as_str(), r.launch, r.median_us, r.bytes))
            .collect();
        assert_eq!(
            told,
            [("a", 0, 2.0, 10), ("b", 0, 6.0, 20), ("a", 1, 8.0, 30)]
        );
        assert!((rows.iter().map(|r| r.time_share).sum::<f64>() - 1.0).abs() < 1e-9);
        assert!(rows.iter().all(|r| r.samples == 3 && r.phase == "panel"));
        assert!((rows[0].gb_s - 10.0 / 2e3).abs() < 1e-9);
    }
}
