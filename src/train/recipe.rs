//! The recipe: the phases of a run and their regularisation.
use serde::{Deserialize, Serialize};

/// The phases of a run and their regularisation; step counts are of a run of the recipe's own
/// length and scale with `steps` or `epochs`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Recipe {
    /// Whether scores (and the panel, where `select_steps` is 0) start from a ranking by
    /// one-versus-rest rank-sum tests, genes taken from each class in turn; else from zero.
    pub ranking: bool,
    /// Genes an output (class or number) from which on the panel is found by elimination from a ridge regression; it
    /// then takes the place of `select` and the rounds, whose steps go to `finish`.
    pub eliminate_from: f32,
    /// Most genes, the first of the ranking, that it starts from; at least twice k.
    pub eliminate_candidates: usize,
    /// Genes of the panel that it takes to be there at a time: the ridge is k over this.
    pub eliminate_seen: f32,
    /// What of the covariance of a gene and a class does not count: this over the square of Welch's t.
    pub eliminate_chance: f64,
    /// Most training cells for which a panel by boosting is tried against that of the rounds, by cross-validation; 0 never
    /// tries it.
    pub boost_cells: usize,
    /// What the cross-validated loss of a panel by boosting must be below, as a share of that of the rounds.
    pub boost_below: f64,
    /// Steps of `select`; 0 leaves the choice to the ranking and `refine`.
    pub select_steps: u64,
    /// Learning rate of the scores.
    pub lr_scores: f32,
    /// Spread of the starting scores: `-scale ln(1 + rank / genes)`.
    pub ranking_scale: f32,
    /// Genes in play when `select` starts, as a share of all; shrinks geometrically to k.
    pub start_share: f32,
    /// Share of `select` over which the genes in play shrink and the forward mask is relaxed.
    pub soft_share: f32,
    /// Temperature at the start and the end of `select` (geometric).
    pub tau: [f32; 2],
    /// Noise scale at the start and the end of `select` (geometric).
    pub beta: [f32; 2],
    /// Steps on the first panel before it is refined.
    pub warm_steps: u64,
    /// Rounds of adding and dropping genes.
    pub rounds: u64,
    /// Steps of each round.
    pub round_steps: u64,
    /// Genes added in the first and the last round, as a share of k.
    pub add: [f32; 2],
    /// Most genes that leave at once on the way to a smaller panel, as a share of those in play.
    pub thin_share: f32,
    /// Rounds of adding and dropping genes of a smaller panel, from the genes of the larger one.
    pub nested_rounds: u64,
    /// Steps on the frozen panel.
    pub finish_steps: u64,
    /// Weight decay before `finish`.
    pub weight_decay: f32,
    /// Weight decay of `finish`.
    pub finish_weight_decay: f32,
    /// Dropout on the hidden activations before `finish`.
    pub dropout: f32,
    /// Dropout on the hidden activations in `finish`.
    pub finish_dropout: f32,
    /// Dropout on the panel's genes before `finish`.
    pub input_dropout: f32,
    /// Dropout p on the panel's genes in `finish`: `p / (1 - p)` is this times k over the labelled training cells (of
    /// several tasks the harmonic mean, by their weights), and p at most 0.5. Many cells for few genes need none, few cells
    /// for many genes over-fit without.
    pub finish_input_noise: f32,
    /// Class weights are (mean n / n_c)^this.
    pub class_weight_power: f64,
    /// The same where a round judges genes: rare classes count for more.
    pub judge_class_weight_power: f64,
    /// Most of the panel's genes that are left out at random where a round judges genes, as a share, so that
    /// genes count that make up for others; of few outputs fewer, a sixteenth for each.
    pub judge_dropout: f32,
    /// Genes a class (or number) that a panel needs before any is left out: of k genes and C classes
    /// `1 - this C / k` are.
    pub judge_needed: f32,
    /// Genes are divided by sd^this (times a constant); 1 is unit variance.
    pub scale_power: f64,
    /// Most training cells that the statistics of a round are taken over.
    pub statistic_cells: usize,
}

impl Default for Recipe {
    fn default() -> Self {
        Self {
            ranking: true,
            eliminate_from: 2.25,
            eliminate_candidates: 768,
            eliminate_seen: 4.0,
            eliminate_chance: 1.0,
            boost_cells: 1000,
            boost_below: 0.9,
            select_steps: 250,
            lr_scores: 0.01,
            ranking_scale: 1.0,
            start_share: 0.5,
            soft_share: 0.7,
            tau: [1.0, 0.1],
            beta: [0.2, 0.02],
            warm_steps: 120,
            rounds: 8,
            round_steps: 60,
            add: [0.5, 0.1],
            thin_share: 0.3,
            nested_rounds: 4,
            finish_steps: 400,
            weight_decay: 1e-2,
            finish_weight_decay: 0.3,
            dropout: 0.1,
            finish_dropout: 0.2,
            input_dropout: 0.3,
            finish_input_noise: 17.0,
            class_weight_power: 0.5,
            judge_class_weight_power: 0.75,
            judge_dropout: 0.5,
            judge_needed: 2.0,
            scale_power: 1.0,
            statistic_cells: 16_384,
        }
    }
}

impl Recipe {
    /// Classes and numbers that a panel of `k` has genes to spare for ([`Self::eliminate_from`]).
    #[must_use]
    pub fn spare_outputs(&self, k: usize) -> usize {
        (k as f32 / self.eliminate_from) as usize
    }

    /// Dropout on the genes of a panel of `k` in `finish`, by the training cells that are labelled for each task and the
    /// tasks' weights.
    #[must_use]
    pub fn finish_input_dropout(&self, k: usize, labelled: &[usize], weights: &[f32]) -> f32 {
        /// Half of the genes at a time: with more of them missing rarely a class can be told.
        const MOST: f32 = 0.5;
        let shares = labelled.iter().zip(weights);
        let inverse: f32 = shares.map(|(&n, w)| w / n.max(1) as f32).sum();
        let total: f32 = weights.iter().sum();
        let odds = self.finish_input_noise * k as f32 * inverse / total.max(f32::MIN_POSITIVE);
        (odds / (1.0 + odds)).min(MOST)
    }

    /// Refuses what no run can go by.
    ///
    /// # Errors
    /// The first field that is out of its range, with the range.
    pub fn check(&self) -> Result<(), String> {
        const MOST: f64 = 1e6;
        const STEPS: f64 = 1e9;
        let below_one = f64::from(1.0f32 - f32::EPSILON);
        let f = |x: f32| f64::from(x);
        let fields = [
            ("eliminate_from", f(self.eliminate_from), 0.0, MOST),
            ("eliminate_seen", f(self.eliminate_seen), 1e-3, MOST),
            ("eliminate_chance", self.eliminate_chance, 0.0, MOST),
            ("boost_below", self.boost_below, 0.0, MOST),
            ("lr_scores", f(self.lr_scores), 0.0, MOST),
            ("ranking_scale", f(self.ranking_scale), 0.0, MOST),
            ("start_share", f(self.start_share), 0.0, 1.0),
            ("soft_share", f(self.soft_share), 0.0, 1.0),
            ("tau, the first,", f(self.tau[0]), 1e-6, MOST),
            ("tau, the last,", f(self.tau[1]), 1e-6, MOST),
            ("beta, the first,", f(self.beta[0]), 0.0, MOST),
            ("beta, the last,", f(self.beta[1]), 0.0, MOST),
            ("add, the first,", f(self.add[0]), 0.0, 10.0),
            ("add, the last,", f(self.add[1]), 0.0, 10.0),
            ("thin_share", f(self.thin_share), 1e-3, 1.0),
            ("weight_decay", f(self.weight_decay), 0.0, MOST),
            (
                "finish_weight_decay",
                f(self.finish_weight_decay),
                0.0,
                MOST,
            ),
            ("dropout", f(self.dropout), 0.0, below_one),
            ("finish_dropout", f(self.finish_dropout), 0.0, below_one),
            ("input_dropout", f(self.input_dropout), 0.0, below_one),
            ("finish_input_noise", f(self.finish_input_noise), 0.0, MOST),
            ("judge_dropout", f(self.judge_dropout), 0.0, below_one),
            ("judge_needed", f(self.judge_needed), 0.0, MOST),
            ("class_weight_power", self.class_weight_power, -2.0, 2.0),
            (
                "judge_class_weight_power",
                self.judge_class_weight_power,
                -2.0,
                2.0,
            ),
            ("scale_power", self.scale_power, -2.0, 2.0),
            ("select_steps", self.select_steps as f64, 0.0, STEPS),
            ("warm_steps", self.warm_steps as f64, 0.0, STEPS),
            ("round_steps", self.round_steps as f64, 0.0, STEPS),
            ("finish_steps", self.finish_steps as f64, 0.0, STEPS),
            ("rounds", self.rounds as f64, 0.0, 1000.0),
            ("nested_rounds", self.nested_rounds as f64, 0.0, 1000.0),
            (
                "eliminate_candidates",
                self.eliminate_candidates as f64,
                1.0,
                20_000.0,
            ),
            (
                "statistic_cells",
                self.statistic_cells as f64,
                1.0,
                f64::MAX,
            ),
        ];
        for (name, value, from, to) in fields {
            if (from..=to).contains(&value) {
                continue;
            }
            let range = match to {
                f64::MAX => format!("{from} or more"),
                _ if to == below_one => format!("{from} or more and below 1"),
                _ => format!("from {from} to {to}"),
            };
            return Err(format!("{name} is {value}; it must be {range}"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn genes_are_dropped_where_there_are_many_for_the_cells() {
        let recipe = Recipe::default();
        let of = |k, n| recipe.finish_input_dropout(k, &[n], &[1.0]);
        assert!((of(17, 1000) - 0.2242).abs() < 1e-4, "{}", of(17, 1000));
        assert_eq!((of(64, 64), of(1, 0)), (0.5, 0.5));
        assert!(of(8, 1_000_000) < 1e-3);
        // a label that few cells have counts by its weight
        let two = |weights: [f32; 2]| recipe.finish_input_dropout(1, &[2000, 200], &weights);
        let odds = 17.0 * (3.0 / 2000.0 + 1.0 / 200.0) / 4.0;
        assert!((two([3.0, 1.0]) - odds / (1.0 + odds)).abs() < 1e-6);
        assert_eq!(two([1.0, 0.0]), of(1, 2000));
        let without = Recipe {
            finish_input_noise: 0.0,
            ..recipe
        };
        assert_eq!(without.finish_input_dropout(64, &[64], &[1.0]), 0.0);
    }

    #[test]
    fn a_recipe_that_no_run_can_go_by_is_refused() {
        assert_eq!(Recipe::default().check(), Ok(()));
        let refused = |change: &str| {
            let recipe: Recipe = serde_json::from_str(change).expect("parses");
            recipe.check().expect_err(change)
        };
        assert_eq!(
            refused(r#"{"judge_dropout": 1.0}"#),
            "judge_dropout is 1; it must be 0 or more and below 1"
        );
        // would thin for ever
        assert_eq!(
            refused(r#"{"thin_share": 0.0}"#),
            "thin_share is 0; it must be from 0.001 to 1"
        );
        assert_eq!(
            refused(r#"{"statistic_cells": 0}"#),
            "statistic_cells is 0; it must be 1 or more"
        );
        assert!(refused(r#"{"tau": [1.0, -1.0]}"#).contains("tau, the last,"));
    }
}
