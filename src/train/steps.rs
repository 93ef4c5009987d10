//! Training steps one at a time, to be measured: nothing is judged, kept or written.
use super::fit::{check, check_repeats};
use super::settings::{Recipe, Settings};
use super::trainer::Trainer;
use crate::data::cells::TrainingData;
use crate::error::TrainError;
use crate::ops::{FBuf, Ops};

type Result<T> = std::result::Result<T, TrainError>;

/// Which steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Of the selection over all genes, relaxed mask, k genes in play.
    Select,
    /// On a frozen panel of k genes.
    Panel,
}

impl Phase {
    /// `select` or `panel`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Select => "select",
            Self::Panel => "panel",
        }
    }

    /// The settings of a run that never leaves the phase.
    #[must_use]
    pub fn settings(self, genes: usize, hidden: usize, batch_size: usize, seed: u64) -> Settings {
        let endless = 1_000_000_000;
        let (select_steps, finish_steps) = match self {
            Self::Select => (endless, 0),
            Self::Panel => (0, endless),
        };
        Settings {
            genes,
            seed,
            hidden: vec![hidden],
            batch_size,
            recipe: Recipe {
                ranking: false,
                select_steps,
                finish_steps,
                warm_steps: 0,
                rounds: 0,
                // the k genes in play from the first step on, the mask never hard
                start_share: 0.0,
                soft_share: 1.0,
                ..Recipe::default()
            },
            ..Settings::default()
        }
    }
}

/// Networks that train side by side.
pub struct Steps<'a, O>(Trainer<'a, O>);

impl<'a, O: Ops> Steps<'a, O> {
    /// Puts data and networks on the device.
    ///
    /// # Errors
    /// Settings that do not fit the data, out of device memory.
    pub fn new(
        ops: &'a mut O,
        data: &'a TrainingData,
        settings: &'a Settings,
        models: usize,
    ) -> Result<Self> {
        check(data, settings)?;
        check_repeats(settings.seed, models)?;
        ops.prepare()?;
        let trainer = Trainer::new(ops, data, settings, models, String::new(), None)?;
        Ok(Self(trainer))
    }
    /// Records (on the CPU path: does) a step of every network.
    ///
    /// # Errors
    /// A device that fails.
    pub fn step(&mut self) -> Result<()> {
        self.0.measured_step()
    }
    /// Steps until the order of the next epoch goes to the device.
    #[must_use]
    pub fn left_in_epoch(&self) -> u64 {
        self.0.left_in_epoch()
    }
    /// The device.
    pub fn ops(&mut self) -> &mut O {
        self.0.ops
    }
    /// Loss of the last step, of the first network; waits for it.
    ///
    /// # Errors
    /// A device that fails.
    pub fn loss(&mut self) -> Result<f32> {
        self.0.last_loss()
    }
    /// Adam's moments of all networks: the first ones, then the second ones, an arena each.
    #[must_use]
    pub fn moments(&self) -> FBuf {
        self.0.stage.net().moments
    }
}
