//! What a run starts from, and the schedule of the selection.
use super::batches::order;
use super::boost::boosted;
use super::eliminate::{eliminate, eliminated};
use super::plan::geometric;
use super::rank::round_robin;
use super::settings::Settings;
use super::stages::{self, initial};
use super::trail::Left;
use crate::data::cells::TrainingData;
use crate::model::selector::Selection;

/// Genes in play, temperature, noise and mask at share f of `select`.
pub(super) fn selection(settings: &Settings, n: usize, f: f64, seed: u32, step: u32) -> Selection {
    let recipe = &settings.recipe;
    let allowed = settings.rules.allowed.iter();
    // genes that may not be in need no place
    let n = match allowed.filter(|a| **a).count() {
        0 => n,
        allowed => allowed,
    };
    let k0 = (f64::from(recipe.start_share) * n as f64).max(settings.genes as f64);
    let k = settings.genes as f64;
    let shrink = (f / f64::from(recipe.soft_share).max(1e-6)).min(1.0);
    Selection {
        k: ((k0 * (k / k0).powf(shrink)).round() as usize).clamp(1, n),
        tau: geometric(recipe.tau, f),
        beta: geometric(recipe.beta, f),
        hard: f >= f64::from(recipe.soft_share),
        relaxation: settings.relaxation,
        seed,
        step,
    }
}

/// Starting score of a gene that may not be in the panel: far below every other one.
const NEVER: f32 = -100.0;

/// Arena of the selection phase: random weights, scores from the ranking.
pub(super) fn first_scores(
    data: &TrainingData,
    settings: &Settings,
    seed: u64,
    ranking: &[u32],
) -> Vec<f32> {
    let layout = stages::select_layout(data, settings);
    let fan_in =
        ((settings.recipe.start_share * data.cells.n_genes as f32) as usize).max(settings.genes);
    let mut params = initial(&layout, fan_in, seed);
    for g in (0..data.cells.n_genes).filter(|&g| !settings.rules.allows(g as u32)) {
        params[layout.scores.offset + g] = NEVER;
    }
    let allowed = ranking.iter().filter(|g| settings.rules.allows(**g));
    for (rank, &g) in allowed.enumerate() {
        let score =
            -settings.recipe.ranking_scale * (1.0 + rank as f32 / settings.genes as f32).ln();
        params[layout.scores.offset + g as usize] = score;
    }
    params
}

/// The genes in the order in which the first panel takes them: the ranking, or without one a random one.
pub(super) fn first_order(data: &TrainingData, settings: &Settings, seed: u64) -> Vec<u32> {
    if settings.recipe.ranking {
        round_robin(data)
    } else {
        order(data.cells.n_genes, seed, u64::MAX - 1)
    }
}

/// How many of the panels, the largest first, are found with no selection and no rounds.
pub(super) fn found(settings: &Settings, data: &TrainingData) -> usize {
    eliminated(settings, data).max(usize::from(settings.boosts))
}

/// The first panel of a run, ascending, and what left it on the way: the panel that is given; else what boosting
/// takes, what elimination leaves, or the first k genes of `ranking` (of a random order where it is empty), that keep
/// the rules.
pub(super) fn first_panel(
    data: &TrainingData,
    settings: &Settings,
    cells: &[u32],
    seed: u64,
    ranking: &[u32],
) -> (Vec<u32>, Vec<Left>) {
    let (rules, k) = (&settings.rules, settings.genes);
    if let Some(genes) = &settings.panel {
        return (genes.clone(), Vec::new());
    }
    if settings.boosts {
        let order = boosted(data, settings, seed, ranking);
        return (rules.panel(&order, k), Vec::new());
    }
    if eliminated(settings, data) > 0 {
        let all = eliminate(data, settings, cells, seed, ranking);
        return (rules.panel(&all.order, k), all.left);
    }
    let panel = match ranking {
        [] => rules.panel(&first_order(data, settings, seed), k),
        _ => rules.panel(ranking, k),
    };
    (panel, Vec::new())
}
