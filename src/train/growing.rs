//! A panel that grows gene by gene, and what the laboratory's rules say of each.
use super::rules::{Load, Rules};
use std::collections::HashMap;

/// Sums may exceed their limit by this share: decimal costs add up to a little more or less in binary.
const SLACK: f64 = 1e-9;

/// How many genes a panel has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Size {
    /// As many as are asked for.
    Exact,
    /// At most as many.
    UpTo,
}

/// A panel that grows.
#[derive(Clone)]
pub(super) struct Growing<'a> {
    pub rules: &'a Rules,
    pub taken: Vec<u32>,
    /// Families of each gene that has any, and how many genes of each are taken.
    of: HashMap<u32, Vec<usize>>,
    families: Vec<usize>,
    /// What the genes add up to, of each load.
    pub loads: Vec<f64>,
    /// Markers of each class that are taken; empty where none are asked for.
    markers: Vec<usize>,
}

impl<'a> Growing<'a> {
    /// Nothing taken yet.
    pub(super) fn new(rules: &'a Rules) -> Self {
        let mut of: HashMap<u32, Vec<usize>> = HashMap::new();
        for (f, family) in rules.families.iter().enumerate() {
            let genes = family.genes.iter();
            genes.for_each(|&g| of.entry(g).or_default().push(f));
        }
        let classes = if rules.least_markers > 0 {
            rules.classes.len()
        } else {
            0
        };
        Self {
            rules,
            taken: Vec::new(),
            of,
            families: vec![0; rules.families.len()],
            loads: vec![0.0; rules.loads.len()],
            markers: vec![0; classes],
        }
    }

    /// The rule that a gene would break, if any.
    pub(super) fn broken_by(&self, gene: u32) -> Option<&'a str> {
        let full = |&&f: &&usize| self.families[f] >= self.rules.families[f].most;
        if let Some(&f) = self.of.get(&gene).and_then(|own| own.iter().find(full)) {
            return Some(&self.rules.families[f].name);
        }
        let mut loads = self.rules.loads.iter().zip(&self.loads);
        let over = loads.find(|(l, sum)| **sum + l.each[gene as usize] > l.most + l.most * SLACK);
        over.map(|(l, _)| l.name.as_str())
    }

    /// Markers that each class still needs.
    pub(super) fn needs(&self) -> impl Iterator<Item = usize> + '_ {
        let least = self.rules.least_markers;
        self.markers.iter().map(move |&n| least.saturating_sub(n))
    }

    /// Markers that all classes still need.
    pub(super) fn missing(&self) -> usize {
        self.needs().sum()
    }

    /// The class that a gene is a marker of, where markers are asked for.
    fn class(&self, gene: u32) -> Option<usize> {
        let class = (*self.rules.marks.get(gene as usize)?)? as usize;
        (class < self.markers.len()).then_some(class)
    }

    /// Whether a gene is a marker of a class that needs one.
    pub(super) fn helps(&self, gene: u32) -> bool {
        (self.class(gene)).is_some_and(|c| self.markers[c] < self.rules.least_markers)
    }

    /// Whether a gene may join.
    pub(super) fn takes(&self, gene: u32) -> bool {
        self.rules.allows(gene) && self.broken_by(gene).is_none() && !self.taken.contains(&gene)
    }

    /// Takes a gene.
    pub(super) fn take(&mut self, gene: u32) {
        self.count(gene, |n| *n += 1, 1.0);
        self.taken.push(gene);
    }

    /// Gives a gene back.
    pub(super) fn drop(&mut self, gene: u32) {
        self.count(gene, |n| *n -= 1, -1.0);
        self.taken.retain(|&g| g != gene);
    }

    fn count(&mut self, gene: u32, one: impl Fn(&mut usize), sign: f64) {
        if let Some(class) = self.class(gene) {
            one(&mut self.markers[class]);
        }
        for &f in self.of.get(&gene).into_iter().flatten() {
            one(&mut self.families[f]);
        }
        for (sum, l) in self.loads.iter_mut().zip(&self.rules.loads) {
            *sum += sign * l.each[gene as usize];
        }
    }

    /// Whether it is a panel of k genes, or of fewer where that will do.
    pub(super) fn done(&self, k: usize, size: Size) -> bool {
        let enough = match size {
            Size::Exact => self.taken.len() == k,
            Size::UpTo => !self.taken.is_empty() && self.taken.len() <= k,
        };
        enough && self.missing() == 0
    }

    /// Takes genes by `order`, places for the markers that are missing being kept free. Whether none was passed over that
    /// may be in.
    pub(super) fn fill(&mut self, order: impl IntoIterator<Item = u32>, k: usize) -> bool {
        let mut all = true;
        for gene in order {
            let room = k.saturating_sub(self.taken.len());
            if room == 0 {
                break;
            }
            if (self.helps(gene) || room > self.missing()) && self.takes(gene) {
                self.take(gene);
            } else {
                all &= !self.rules.allows(gene) || self.taken.contains(&gene);
            }
        }
        all
    }

    /// How much of what is left of all loads a gene would take, each times its factor.
    pub(super) fn weight(&self, gene: u32, factors: &[f64]) -> f64 {
        let loads = self.rules.loads.iter().zip(&self.loads).zip(factors);
        let share = |((l, sum), factor): ((&Load, &f64), &f64)| {
            let each = l.each[gene as usize];
            let room = (l.most - sum).max(l.most * SLACK);
            if each > 0.0 {
                factor * each / room
            } else {
                0.0
            }
        };
        loads.map(share).sum()
    }

    /// Whether the rules hold with a gene in the place of another one.
    pub(super) fn may_replace(&self, gene: u32, other: u32) -> bool {
        let fits = |(l, sum): (&Load, &f64)| {
            sum - l.each[other as usize] + l.each[gene as usize] <= l.most + l.most * SLACK
        };
        if !self.rules.loads.iter().zip(&self.loads).all(fits) {
            return false;
        }
        let of = |gene: u32| self.of.get(&gene).map_or(&[][..], Vec::as_slice);
        let fits =
            |f: &usize| self.families[*f] < self.rules.families[*f].most || of(other).contains(f);
        let least = self.rules.least_markers;
        let needed = self.class(other).filter(|&c| self.markers[c] <= least);
        of(gene).iter().all(fits) && needed.is_none_or(|c| self.class(gene) == Some(c))
    }
}
