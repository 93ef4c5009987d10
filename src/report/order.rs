//! What a laboratory orders a panel by: ids, expression and flags of its genes, and the next best candidates
//! with the reason why each is not in it.
use super::gene_flags::{Limits, flags};
use crate::data::cells::TrainingData;
use crate::data::gene_ids::GeneIds;
use crate::data::profile::Profile;
use crate::train::beside::Beside;
use crate::train::consensus::correlations;
use crate::train::rules::Rules;
use crate::train::settings::Fit;
use crate::train::trail::{Left, When};

/// Correlation (its size) of genes that say much the same.
pub const REDUNDANT: f64 = 0.7;

/// A gene as it is ordered.
#[derive(Clone, Debug, PartialEq)]
pub struct GeneOrder {
    /// Name in `var`.
    pub gene: String,
    /// Index in `var`.
    pub index: u32,
    /// Ensembl id, where known.
    pub ensembl: Option<String>,
    /// Symbol, where the name is an id.
    pub symbol: Option<String>,
    /// Mean over the training cells with a label, in the units of [`Profile`].
    pub mean: f32,
    /// Share of these that detect it.
    pub detected: f32,
    /// Highest class mean, and the class.
    pub highest_mean: (f32, String),
    /// Highest share of a class that detects it, and the class.
    pub highest_detected: (f32, String),
    /// What probe designers avoid.
    pub flags: Vec<String>,
}

/// A gene below the line.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// The gene.
    pub order: GeneOrder,
    /// How much of the training loss it would save beside the panel, as [`Beside`] says.
    pub gain: f32,
    /// The gene of the panel that it correlates with most, and Pearson's r over the training cells.
    pub nearest: (String, f64),
    /// Why it is not in the panel.
    pub reason: String,
}

/// Mean and share detected of the panel's genes in one class.
#[derive(Clone, Debug, PartialEq)]
pub struct InClass {
    /// Label.
    pub label: String,
    /// Class.
    pub class: String,
    /// Training cells.
    pub cells: usize,
    /// Mean of each gene.
    pub mean: Vec<f32>,
    /// Share detected of each gene.
    pub detected: Vec<f32>,
}

/// A panel as it is ordered.
#[derive(Clone, Debug, PartialEq)]
pub struct Order {
    /// Its genes by rank.
    pub genes: Vec<GeneOrder>,
    /// The same genes in each class of each label.
    pub classes: Vec<InClass>,
    /// The next best genes, the best first.
    pub candidates: Vec<Candidate>,
}

/// What orders need to know beside the data.
#[derive(Clone, Copy, Debug)]
pub struct Ordering<'a> {
    /// Ids of the genes of the file.
    pub ids: &'a GeneIds,
    /// What panels keep to.
    pub rules: &'a Rules,
    /// Bounds of the flags.
    pub limits: Limits,
}

impl Order {
    /// Describes the panel of `fit`.
    #[must_use]
    pub fn new(fit: &Fit, data: &TrainingData, how: &Ordering) -> Self {
        let profiles = &data.profiles;
        let considered = |index: u32| data.gene_index.binary_search(&index).ok();
        let panel: Vec<usize> = (fit.model.genes.iter())
            .filter_map(|g| considered(g.index))
            .collect();
        let name = |g: usize| {
            let symbol = how.ids.symbol(data.gene_index[g]);
            symbol.unwrap_or(&data.gene_names[g]).to_owned()
        };
        let names: Vec<String> = panel.iter().map(|&g| name(g)).collect();
        let others: Vec<&str> = names.iter().map(String::as_str).collect();
        let ordered = |g: usize| one(g, data, profiles, how, &others);
        let classes = profiles.iter().flat_map(|p| {
            let of = |c: usize| InClass {
                label: p.label.clone(),
                class: p.classes[c].clone(),
                cells: p.cells[c],
                mean: panel.iter().map(|&g| p.mean[c][g]).collect(),
                detected: panel.iter().map(|&g| p.detected[c][g]).collect(),
            };
            (0..p.classes.len()).map(of)
        });
        Self {
            genes: panel.iter().map(|&g| ordered(g)).collect(),
            classes: classes.collect(),
            candidates: candidates(fit, data, &panel, how.rules, &ordered),
        }
    }
}

fn one(
    g: usize,
    data: &TrainingData,
    profiles: &[Profile],
    how: &Ordering,
    others: &[&str],
) -> GeneOrder {
    let p = &profiles[0];
    let index = data.gene_index[g];
    let cells = p.cells.iter().sum::<usize>().max(1) as f64;
    let over_all = |by_class: &[Vec<f32>]| {
        let each = by_class.iter().zip(&p.cells);
        (each.map(|(c, &n)| f64::from(c[g]) * n as f64).sum::<f64>() / cells) as f32
    };
    // rules bind in the classes of every label, and so do flags
    let highest = |of: &dyn Fn(&Profile) -> (usize, f32)| -> (f32, String) {
        let all = profiles.iter().map(|p| (p, of(p)));
        let most = all.reduce(|best, x| if x.1.1 > best.1.1 { x } else { best });
        most.map_or((0.0, String::new()), |(p, (class, x))| {
            let class = &p.classes[class];
            // as in panel_by_class.csv
            let named = format!("{}: {class}", p.label);
            (
                x,
                if profiles.len() > 1 {
                    named
                } else {
                    class.clone()
                },
            )
        })
    };
    let highest_mean = highest(&|p| p.highest_mean(g));
    let highest_detected = highest(&|p| p.highest_detected(g));
    let (gene, symbol) = (data.gene_names[g].clone(), how.ids.symbol(index));
    GeneOrder {
        index,
        ensembl: how.ids.ensembl(index).map(str::to_owned),
        symbol: symbol.map(str::to_owned),
        mean: over_all(&p.mean),
        detected: over_all(&p.detected),
        flags: flags(
            how.limits,
            highest_mean.0,
            highest_detected.0,
            symbol.unwrap_or(&gene),
            others,
        ),
        highest_mean,
        highest_detected,
        gene,
    }
}

/// The genes beside the panel, with reasons.
fn candidates(
    fit: &Fit,
    data: &TrainingData,
    panel: &[usize],
    rules: &Rules,
    ordered: &dyn Fn(usize) -> GeneOrder,
) -> Vec<Candidate> {
    let genes: Vec<usize> = fit.beside.iter().map(|b| b.gene as usize).collect();
    let narrow = |genes: &[usize]| genes.iter().map(|&g| g as u32).collect::<Vec<u32>>();
    let r = correlations(data, &narrow(&genes), &narrow(panel));
    let last = fit.model.genes.last().map(|g| (g.name.as_str(), g.score));
    let ranked = narrow(panel);
    let candidate = |(beside, r): (&Beside, Vec<f64>)| {
        let g = beside.gene as usize;
        let each = r.iter().copied().enumerate();
        let (at, r) = each.fold(
            (0, 0.0f64),
            |b, x| if x.1.abs() > b.1.abs() { x } else { b },
        );
        let nearest = (fit.model.genes[at].name.clone(), r);
        let (order, gain) = (ordered(g), beside.gain);
        let left = fit.left.iter().filter(|l| l.gene == g as u32);
        let reason = match rules.against(&ranked, g as u32) {
            Some(rule) if rule.starts_with("--min-mean") || rule.starts_with("--max-crowding") => {
                format!(
                    "left out by {rule}; highest class mean {:.3} ({})",
                    order.highest_mean.0, order.highest_mean.1
                )
            }
            Some(rule) => format!("left out by {rule}"),
            None if nearest.1.abs() >= REDUNDANT => {
                format!("redundant with {} (r = {:.2})", nearest.0, nearest.1)
            }
            None => match (left.max_by_key(|l| l.size), last) {
                (Some(left), _) => of_trail(left),
                (None, Some((name, score))) => compared(gain, name, score, &fit.left),
                (None, None) => String::new(),
            },
        };
        Candidate {
            order,
            gain,
            nearest,
            reason,
        }
    };
    fit.beside.iter().zip(r).map(candidate).collect()
}

/// What happened to a gene that was in the panel, or tried.
fn of_trail(left: &Left) -> String {
    let less = left.last - left.loss;
    let missed = if less > 0.0 {
        format!("leaving it out cost {less:.4} less than leaving out the last gene kept")
    } else {
        "a rule or its cost spoke against it".to_owned()
    };
    match left.when {
        When::Round {
            round,
            member: true,
        } => format!("was in the panel until round {round}: {missed}"),
        When::Round { round, .. } => format!("was tried in round {round}: {missed}"),
        When::Thinned => format!("left on the way to a smaller panel: {missed}"),
        When::Eliminated { before_last } => {
            let place = match before_last {
                0 => "last".to_owned(),
                n => format!("{n} before the last"),
            };
            let (own, last) = (100.0 * left.loss, 100.0 * left.last);
            format!(
                "left by elimination, {place}: without it the regression explained {own:.3} % less of the labels, \
                 without the last gene kept {last:.3} %"
            )
        }
    }
}

/// `trail`: the genes that were tried, or left; this one is not among them.
fn compared(gain: f32, last: &str, score: f32, trail: &[Left]) -> String {
    let eliminated = |l: &Left| matches!(l.when, When::Eliminated { .. });
    let missed = match trail {
        [] => "",
        left if left.iter().any(eliminated) => "not among the last that elimination took out; ",
        _ => "in no round among the genes most missed; ",
    };
    let saves = match gain {
        0.0 => "would save nothing beside the panel".to_owned(),
        _ => format!("would save {gain:.4} beside the panel"),
    };
    format!("{missed}{saves}, whose last gene, {last}, saves {score:.4}")
}
