//! The phases of a run as a list of segments, and the schedules within them.
use super::settings::Settings;

/// What a segment does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Scores over all genes.
    Select,
    /// First steps on a panel.
    Warm,
    /// A round of `refine`.
    Round(u64),
    /// First steps after all but so many genes of the panel left.
    Thin(usize),
    /// The frozen panel.
    Finish,
}

impl Kind {
    /// Name in `history.csv`.
    #[must_use]
    pub fn phase(self) -> &'static str {
        match self {
            Self::Select => "select",
            Self::Warm | Self::Round(_) | Self::Thin(_) => "refine",
            Self::Finish => "finish",
        }
    }
}

/// A stretch of steps of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// What it does.
    pub kind: Kind,
    /// Its steps.
    pub steps: u64,
    /// Which of the sizes of [`Settings::sizes`] it works on.
    pub size: usize,
}

/// All segments, and how steps make epochs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// In order.
    pub segments: Vec<Segment>,
    /// Steps of the whole run.
    pub steps: u64,
    /// Cells a step.
    pub batch: usize,
    /// Steps an epoch: full batches only.
    pub epoch_steps: u64,
}

impl Plan {
    /// Lays out a run over `n_train` cells. `found`: how many of the panels, the largest first, are found at once (the
    /// largest before the run begins, a smaller one among its genes), without rounds.
    #[must_use]
    pub fn new(settings: &Settings, n_train: usize, found: usize) -> Self {
        let recipe = &settings.recipe;
        let batch = settings.batch_size.clamp(1, n_train.max(1));
        let epoch_steps = (n_train / batch).max(1) as u64;
        let mut segments = Vec::new();
        let mut add = |kind, steps, size| segments.push(Segment { kind, steps, size });
        for (size, &k) in settings.sizes().iter().enumerate() {
            if size > 0 {
                let mut n = settings.sizes()[size - 1];
                while n > k {
                    n = k.max((n as f32 * (1.0 - recipe.thin_share)) as usize);
                    add(Kind::Thin(n), recipe.round_steps, size);
                }
            } else {
                if settings.panel.is_none() && found == 0 {
                    add(Kind::Select, recipe.select_steps, size);
                }
                add(Kind::Warm, recipe.warm_steps, size);
            }
            let mut finish = recipe.finish_steps;
            let (select, mut rounds) = match size {
                0 => (recipe.select_steps, recipe.rounds),
                _ => (0, recipe.nested_rounds),
            };
            if settings.panel.is_some() {
                rounds = 0;
            } else if size < found {
                finish += select + rounds * recipe.round_steps;
                rounds = 0;
            }
            for round in 0..rounds {
                add(Kind::Round(round), recipe.round_steps, size);
            }
            add(Kind::Finish, finish, size);
        }
        let own: u64 = segments.iter().map(|s| s.steps).sum();
        let wanted = settings
            .steps
            .or(settings.epochs.map(|e| e.saturating_mul(epoch_steps)))
            .unwrap_or(own);
        for s in &mut segments {
            let scaled = (s.steps as f64 * wanted as f64 / own.max(1) as f64).round() as u64;
            // what thins or finishes a panel must be passed
            let least = u64::from(matches!(s.kind, Kind::Thin(_) | Kind::Finish));
            s.steps = scaled.max(least);
        }
        segments.retain(|s| s.steps > 0);
        // rounding is made good at the end
        let used = segments
            .iter()
            .fold(0u64, |sum, s| sum.saturating_add(s.steps));
        if let Some(last) = segments.last_mut() {
            last.steps = last
                .steps
                .saturating_add(wanted)
                .saturating_sub(used)
                .max(1);
        }
        let steps = segments
            .iter()
            .fold(0u64, |sum, s| sum.saturating_add(s.steps));
        Self {
            segments,
            steps,
            batch,
            epoch_steps,
        }
    }

    /// Epochs of the whole run, the last one possibly short.
    #[must_use]
    pub fn epochs(&self) -> u64 {
        self.steps.div_ceil(self.epoch_steps)
    }
}

/// Factor on the learning rate at step `t` of a segment of `n`.
#[must_use]
pub fn rate(kind: Kind, t: u64, n: u64) -> f64 {
    let warm = |steps: f64| ((t as f64 + 1.0) / steps).min(1.0);
    let f = t as f64 / n as f64;
    match kind {
        Kind::Select => warm(20.0),
        Kind::Warm | Kind::Round(_) | Kind::Thin(_) => warm(10.0) * (1.0 - 0.8 * f),
        Kind::Finish => warm(20.0) * 0.5 * (1.0 + (std::f64::consts::PI * f).cos()),
    }
}

/// From `ends[0]` to `ends[1]` geometrically as f goes from 0 to 1.
#[must_use]
pub fn geometric(ends: [f32; 2], f: f64) -> f32 {
    let [a, b] = ends.map(f64::from);
    if a <= 0.0 || b <= 0.0 {
        (a + (b - a) * f) as f32
    } else {
        (a * (b / a).powf(f)) as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_elimination_saves_goes_to_the_frozen_panel() {
        let settings = Settings {
            nested: vec![8],
            ..Settings::default()
        };
        let [selected, eliminated, both] = [0, 1, 2].map(|found| Plan::new(&settings, 1000, found));
        assert_eq!(selected.steps, eliminated.steps);
        assert_eq!(selected.steps, both.steps);
        let of = |plan: &Plan, size| -> Vec<Segment> {
            let all = plan.segments.iter().copied();
            all.filter(|s| s.size == size).collect()
        };
        let kinds: Vec<Kind> = of(&eliminated, 0).iter().map(|s| s.kind).collect();
        assert_eq!(kinds, [Kind::Warm, Kind::Finish]);
        assert_eq!(of(&selected, 0).len(), 11);
        assert_eq!(of(&both, 0), of(&eliminated, 0));
        let refined = |s: &Segment| matches!(s.kind, Kind::Round(_));
        assert!(!of(&both, 1).iter().any(refined));
        assert_eq!(of(&both, 1)[0], of(&eliminated, 1)[0]);
        // smaller panels without genes to spare are refined as ever
        assert_eq!(of(&selected, 1), of(&eliminated, 1));
        assert!(of(&eliminated, 1).iter().any(|s| s.kind == Kind::Round(0)));
    }

    #[test]
    fn steps_add_up_whatever_is_asked_for() {
        for wanted in [None, Some(1), Some(7), Some(500), Some(99_999)] {
            let settings = Settings {
                steps: wanted,
                ..Settings::default()
            };
            let plan = Plan::new(&settings, 1000, 0);
            assert_eq!(
                plan.segments.iter().map(|s| s.steps).sum::<u64>(),
                plan.steps
            );
            assert!(
                plan.segments
                    .last()
                    .is_some_and(|s| s.kind == Kind::Finish && s.steps > 0)
            );
            if let Some(w) = wanted.filter(|&w| w > 100) {
                assert_eq!(plan.steps, w);
            }
        }
        let epochs = Plan::new(
            &Settings {
                epochs: Some(10),
                ..Settings::default()
            },
            1000,
            0,
        );
        assert_eq!(
            (epochs.epoch_steps, epochs.steps, epochs.epochs()),
            (7, 70, 10)
        );
    }
}
