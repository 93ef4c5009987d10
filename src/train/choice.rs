//! The panel that an order of genes and the laboratory's rules lead to.
//!
//! Genes are taken by an order, the best first. Where dear or crowded genes keep others out so, genes are ordered by their
//! place and by their weight, the share of the limits that they take; of several exchange rates of the two (the lightest
//! genes first being the last one) that counts whose panel is worth most, the p-th of the order being worth
//! 1 / (1 + p / k). (Whether there is a panel at all is a knapsack problem of several dimensions: what is not found here may
//! exist.)
use super::growing::{Growing, Size};
use super::rules::Rules;
use std::collections::{HashMap, HashSet};

/// Ways of weighing genes that are tried, for each load.
const TRIES: usize = 8;

/// Rates of exchange between places and weights that are tried.
const RATES: i32 = 24;

/// Panels, the best ones, that are improved gene by gene.
const IMPROVED: usize = 4;

/// A panel of `k` genes that keeps all rules: those that are always in, then by `order`.
///
/// # Errors
/// Where none is found, how many genes the largest panel has that was.
pub(super) fn grow(rules: &Rules, order: &[u32], k: usize, size: Size) -> Result<Vec<u32>, usize> {
    let mut always = Growing::new(rules);
    for &gene in &rules.include {
        if always.broken_by(gene).is_some() {
            return Err(0);
        }
        always.take(gene);
    }
    let mut plain = always.clone();
    let none_passed_over = plain.fill(order.iter().copied(), k);
    if plain.done(k, Size::Exact) && none_passed_over {
        return Ok(plain.taken);
    }
    let (light, factors) = lightest(&always, order, k);
    if !light.done(k, size) && !plain.done(k, size) {
        let whole = [&plain, &light].into_iter().filter(|p| p.missing() == 0);
        return Err(whole.map(|p| p.taken.len()).max().unwrap_or(0));
    }
    let place: HashMap<u32, usize> = order.iter().zip(0..).map(|(&g, at)| (g, at)).collect();
    let worth = |at: usize| 1.0 / (1.0 + at as f64 / k as f64);
    let of = |panel: &Growing| -> f64 {
        let places = panel.taken.iter().filter_map(|g| place.get(g));
        places.map(|&at| worth(at)).sum()
    };
    let weights: Vec<f64> = order.iter().map(|&g| always.weight(g, &factors)).collect();
    let by_rate = |rate: f64| {
        let keys = weights
            .iter()
            .enumerate()
            .map(|(at, w)| worth(at) - rate * w);
        let mut keys: Vec<(f64, u32)> = keys.zip(order.iter().copied()).collect();
        keys.sort_by(|a, b| b.0.total_cmp(&a.0));
        let mut panel = always.clone();
        panel.fill(keys.into_iter().map(|(_, g)| g), k);
        panel
    };
    let rated = (0..RATES).map(|i| by_rate(0.03 * 1.8f64.powi(i)));
    let mut all: Vec<Growing> = [plain, light].into_iter().chain(rated).collect();
    all.retain(|p| p.done(k, size));
    all.sort_by(|a, b| of(b).total_cmp(&of(a)));
    all.dedup_by(|a, b| of(a) == of(b));
    all.truncate(IMPROVED);
    all.iter_mut().for_each(|p| improve(p, order, &place));
    let Some(best) = all.into_iter().max_by(|a, b| of(a).total_cmp(&of(b))) else {
        return Err(0);
    };
    let mut taken = best.taken;
    taken[rules.include.len()..].sort_by_key(|g| place.get(g).copied());
    Ok(taken)
}

/// The panel with the lightest genes beside those of `start`, markers before others, and what each load counted for:
/// where there is no panel, a limit that is nearly reached counts for more, again and again.
fn lightest<'a>(start: &Growing<'a>, order: &[u32], k: usize) -> (Growing<'a>, Vec<f64>) {
    let mut factors = vec![1.0; start.loads.len()];
    let mut tries = 0;
    loop {
        let weighed = order.iter().map(|&g| (start.weight(g, &factors), g));
        let mut light: Vec<(f64, u32)> = weighed.collect();
        light.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut panel = start.clone();
        for &(_, gene) in &light {
            if panel.helps(gene) && panel.takes(gene) {
                panel.take(gene);
            }
        }
        panel.fill(light.iter().map(|l| l.1), k);
        tries += 1;
        if panel.done(k, Size::Exact) || tries > TRIES * start.loads.len() {
            return (panel, factors);
        }
        let full = |l: usize| panel.loads[l] / panel.rules.loads[l].most;
        let fullest = (0..factors.len()).max_by(|&a, &b| full(a).total_cmp(&full(b)));
        if let Some(l) = fullest {
            factors[l] *= 1.5;
        }
    }
}

/// Puts genes of `order` in the place of others that stand behind them, as far as the rules allow.
fn improve(panel: &mut Growing, order: &[u32], place: &HashMap<u32, usize>) {
    let at = |g: &u32| place.get(g).copied();
    let include: HashSet<u32> = panel.rules.include.iter().copied().collect();
    let mut inside: HashSet<u32> = panel.taken.iter().copied().collect();
    let others = panel.taken.iter().filter(|g| !include.contains(g));
    let mut behind: Vec<(usize, u32)> = others.filter_map(|g| Some((at(g)?, *g))).collect();
    behind.sort_unstable_by(|a, b| b.cmp(a));
    for (at, &gene) in order.iter().enumerate() {
        if behind.first().is_none_or(|worst| worst.0 < at) {
            break;
        }
        if inside.contains(&gene) || !panel.rules.allows(gene) {
            continue;
        }
        let mut worse = behind.iter().take_while(|(place, _)| *place > at);
        if let Some(i) = worse.position(|&(_, other)| panel.may_replace(gene, other)) {
            let (_, other) = behind.remove(i);
            panel.drop(other);
            panel.take(gene);
            inside.remove(&other);
            inside.insert(gene);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::rules::{Family, Load};

    fn load(each: &[f64], most: f64) -> Load {
        Load {
            name: format!("at most {most}"),
            each: each.to_vec(),
            most,
        }
    }

    /// Whether there is a panel that keeps the rules: by trying all.
    fn exists(rules: &Rules, n: u32, k: usize) -> bool {
        let mut sets = (0..1u32 << n).filter(|s| s.count_ones() as usize == k);
        sets.any(|s| {
            keeps(
                rules,
                &(0..n).filter(|g| s >> g & 1 == 1).collect::<Vec<u32>>(),
            )
        })
    }

    fn keeps(rules: &Rules, genes: &[u32]) -> bool {
        let within = |l: &Load| genes.iter().map(|&g| l.each[g as usize]).sum::<f64>() <= l.most;
        let few = |f: &Family| genes.iter().filter(|g| f.genes.contains(g)).count() <= f.most;
        let marks = |c: usize| {
            let own = genes
                .iter()
                .filter(|&&g| rules.marks[g as usize] == Some(c as u32));
            own.count() >= rules.least_markers
        };
        rules.loads.iter().all(within)
            && rules.families.iter().all(few)
            && (rules.least_markers == 0 || (0..rules.classes.len()).all(marks))
    }

    /// With a budget up to k genes, else k.
    fn grow(rules: &Rules, order: &[u32], k: usize) -> Result<Vec<u32>, usize> {
        let size = if rules.costs.is_empty() {
            Size::Exact
        } else {
            Size::UpTo
        };
        super::grow(rules, order, k, size)
    }

    #[test]
    fn dear_genes_that_come_first_leave_room_for_a_whole_panel() {
        let rules = Rules {
            loads: vec![load(&[6.0, 5.0, 4.0, 1.0, 2.0, 1.0], 9.0)],
            ..Rules::default()
        };
        let order = [0, 1, 2, 3, 4, 5];
        // by the order alone 0, then 3 and 4: at most 3
        assert_eq!(grow(&rules, &order, 3), Ok(vec![0, 3, 4]));
        assert_eq!(grow(&rules, &order, 4), Ok(vec![1, 3, 4, 5]));
        assert_eq!(grow(&rules, &order, 5), Err(4));
    }

    #[test]
    fn a_marker_that_costs_too_much_gives_way_to_another() {
        let rules = Rules {
            loads: vec![load(&[9.0, 1.0, 3.0, 4.0, 1.0], 10.0)],
            costs: vec![9.0, 1.0, 3.0, 4.0, 1.0],
            marks: vec![Some(0), None, Some(1), Some(0), None],
            classes: vec!["a".into(), "b".into()],
            least_markers: 1,
            ..Rules::default()
        };
        assert_eq!(grow(&rules, &[0, 1, 2, 3, 4], 4), Ok(vec![1, 2, 3, 4]));
        // one marker of each class, and as many genes as the budget has
        assert_eq!(grow(&rules, &[0, 2, 3, 4, 1], 5), Ok(vec![2, 3, 4, 1]));
        let dear = Rules {
            loads: vec![load(&[9.0, 1.0, 3.0, 8.0, 1.0], 10.0)],
            ..rules
        };
        assert_eq!(grow(&dear, &[0, 1, 2, 3, 4], 4), Err(0));
    }

    #[test]
    fn a_budget_buys_as_many_genes_as_it_can_and_the_best_of_those() {
        let each = [5.0, 10.0, 2.0, 1.0, 1.0, 1.0, 1.0, 3.0];
        let rules = |most: f64| Rules {
            loads: vec![load(&each, most)],
            costs: each.to_vec(),
            ..Rules::default()
        };
        let order = [0, 1, 2, 3, 4, 5, 6, 7];
        assert_eq!(grow(&rules(8.0), &order, 4), Ok(vec![0, 3, 4, 5]));
        assert_eq!(grow(&rules(4.0), &order, 8), Ok(vec![3, 4, 5, 6]));
        assert_eq!(grow(&rules(5.0), &order, 8), Ok(vec![2, 3, 4, 5]));
        assert_eq!(grow(&rules(0.5), &order, 8), Err(0));
        // without a budget there are k genes or none
        let limit = Rules {
            costs: Vec::new(),
            ..rules(5.0)
        };
        assert_eq!(grow(&limit, &order, 8), Err(4));
    }

    #[test]
    fn decimal_costs_fill_a_decimal_budget() {
        for (cost, n) in [(0.1, 32), (12.35, 32), (0.3, 7)] {
            let rules = Rules {
                loads: vec![load(&vec![cost; n + 1], cost * n as f64)],
                costs: vec![cost; n + 1],
                ..Rules::default()
            };
            let order: Vec<u32> = (0..=n as u32).collect();
            assert_eq!(grow(&rules, &order, n + 1).map(|p| p.len()), Ok(n));
        }
    }

    /// Of rules of all kinds at random: a panel that is given keeps them, and wherever trying all finds one, so does
    /// this, but for one in a hundred.
    #[test]
    fn what_keeps_the_rules_is_found() {
        use crate::reference::noise::philox;
        let (n, mut there, mut missed, mut repaired) = (11u32, 0, 0, 0);
        for case in 0..600 {
            let word = |a: u32, b: u32| philox([case, a, b, 0], [7, 0])[0];
            let each =
                |l: u32| -> Vec<f64> { (0..n).map(|g| f64::from(word(g, l) % 10)).collect() };
            let rules = Rules {
                loads: (0..1 + case % 3)
                    .map(|l| load(&each(l), f64::from(8 + word(50, l) % 20)))
                    .collect(),
                families: vec![Family {
                    name: "family".into(),
                    genes: (0..n).filter(|g| word(*g, 9) % 3 == 0).collect(),
                    most: 2,
                }],
                marks: (0..n)
                    .map(|g| word(g, 8).checked_rem(4).filter(|c| *c < 2))
                    .collect(),
                classes: vec!["a".into(), "b".into()],
                least_markers: (case % 2) as usize,
                ..Rules::default()
            };
            let (order, k) = ((0..n).collect::<Vec<u32>>(), 5);
            let exists = exists(&rules, n, k);
            let found = grow(&rules, &order, k);
            if let Ok(panel) = &found {
                assert!(
                    panel.len() == k && keeps(&rules, panel),
                    "{rules:?} {panel:?}"
                );
            }
            let mut plain = Growing::new(&rules);
            plain.fill(order.iter().copied(), k);
            there += usize::from(exists);
            missed += usize::from(exists && found.is_err());
            repaired += usize::from(found.is_ok() && !plain.done(k, Size::Exact));
        }
        assert!(there > 200 && repaired > 50, "{there} {repaired}");
        assert!(missed * 100 <= there, "{missed} of {there}");
    }
}
