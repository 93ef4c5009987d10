//! The laboratory's rules, and the choice of a panel that keeps them.
use super::choice::grow;
use super::growing::{Growing, Size};
use crate::error::DataError;

/// Genes of which a panel may hold only so many.
#[derive(Clone, Debug, PartialEq)]
pub struct Family {
    /// Its name.
    pub name: String,
    /// Considered genes in it.
    pub genes: Vec<u32>,
    /// How many of them a panel may hold.
    pub most: usize,
}

/// What genes add up to, and the most that a panel may hold of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Load {
    /// What it is, as the user knows it: a flag and, for crowding, the class.
    pub name: String,
    /// Of each considered gene.
    pub each: Vec<f64>,
    /// Of a panel.
    pub most: f64,
}

/// Rules that every panel keeps; the default has none.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rules {
    /// Considered genes that are always in.
    pub include: Vec<u32>,
    /// Whether a considered gene may be in (`--min-mean`, `--max-mean`); empty where all may.
    pub allowed: Vec<bool>,
    /// Genes that count together.
    pub families: Vec<Family>,
    /// Costs and expression that add up.
    pub loads: Vec<Load>,
    /// Cost of each considered gene, by which a gene's worth is divided; empty where all are alike. Where there are
    /// costs, a panel may have fewer than k genes.
    pub costs: Vec<f64>,
    /// Class that each considered gene marks, if any; empty where [`Rules::least_markers`] is 0.
    pub marks: Vec<Option<u32>>,
    /// Names of those classes.
    pub classes: Vec<String>,
    /// Genes that must mark each class.
    pub least_markers: usize,
    /// A panel that keeps the rules, for when an order of genes has none.
    pub standing: Vec<u32>,
}

impl Rules {
    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether a gene may be in a panel at all.
    #[must_use]
    pub fn allows(&self, gene: u32) -> bool {
        self.allowed.get(gene as usize).copied().unwrap_or(true)
    }

    /// The rule that keeps a gene from the place of the last one of a panel (genes by rank), if any.
    #[must_use]
    pub fn against(&self, panel: &[u32], gene: u32) -> Option<&str> {
        if !self.allows(gene) {
            return Some("--min-mean or --max-mean");
        }
        let mut others = Growing::new(self);
        let last = panel.iter().rposition(|g| !self.include.contains(g));
        for (at, &g) in panel.iter().enumerate() {
            if Some(at) != last {
                others.take(g);
            }
        }
        others.broken_by(gene)
    }

    /// A gene's worth by what it costs.
    #[must_use]
    pub fn worth(&self, gene: u32, value: f64) -> f64 {
        match self.costs.get(gene as usize) {
            // what is of no use does not become better by costing more
            Some(&cost) if value > 0.0 => value / cost,
            _ => value,
        }
    }

    /// `k` genes that keep all rules, by `order`, genes that are always in before all; `None` where none was found.
    #[must_use]
    pub fn choose(&self, order: &[u32], k: usize) -> Option<Vec<u32>> {
        grow(self, order, k, Size::Exact).ok()
    }

    /// As [`Rules::choose`], and where the order has no such panel the standing one; ascending.
    #[must_use]
    pub fn panel(&self, order: &[u32], k: usize) -> Vec<u32> {
        let chosen = self
            .choose(order, k)
            .or_else(|| self.choose(&self.standing, k));
        let mut genes = chosen.unwrap_or_else(|| order[..k].to_vec());
        genes.sort_unstable();
        genes
    }

    /// A panel of `k` genes from `order`, or of fewer where a budget allows no more.
    ///
    /// # Errors
    /// Rules that cannot be met together, named.
    pub fn reach(&self, order: &[u32], k: usize, names: &[String]) -> Result<Vec<u32>, DataError> {
        let name = |g: u32| names.get(g as usize).map_or("?", String::as_str);
        let fail = |what: String, hint: &str| Err(DataError::new(what, hint));
        if self.include.len() > k {
            let n = self.include.len();
            let what = format!("--include-genes names {n} genes, --genes asks for {k}");
            return fail(
                what,
                "raise --genes, or name fewer genes that are always in",
            );
        }
        let mut always = Growing::new(self);
        for &gene in &self.include {
            if !self.allows(gene) {
                let what = format!(
                    "--include-genes wants {}, --min-mean and --max-mean leave it out",
                    name(gene)
                );
                return fail(what, "widen the bounds, or do not include the gene");
            }
            if let Some(rule) = always.broken_by(gene) {
                let what = format!(
                    "--include-genes and {rule} cannot be met together: {} is one too many",
                    name(gene)
                );
                return fail(what, "relax one of the two");
            }
            always.take(gene);
        }
        if always.missing() + self.include.len() > k {
            let what = format!(
                "--min-markers-per-class {} over {} classes{} needs {} genes, --genes asks for {k}",
                self.least_markers,
                self.classes.len(),
                if self.include.is_empty() {
                    ""
                } else {
                    " beside --include-genes"
                },
                always.missing() + self.include.len(),
            );
            return fail(what, "raise --genes, or lower --min-markers-per-class");
        }
        for (class, needs) in self.classes.iter().zip(always.needs()) {
            let marks = |g: &&u32| {
                let class_of = self.marks[**g as usize].map(|c| self.classes[c as usize].as_str());
                class_of == Some(class) && self.allows(**g) && !self.include.contains(g)
            };
            let there = order.iter().filter(marks).count();
            if there < needs {
                let what = format!(
                    "--min-markers-per-class wants {needs} more genes that mark {class:?}; there are {there}"
                );
                return fail(
                    what,
                    "lower --min-markers-per-class, or widen what leaves genes out",
                );
            }
        }
        let size = if self.costs.is_empty() {
            Size::Exact
        } else {
            Size::UpTo
        };
        let most = match grow(self, order, k, size) {
            Ok(panel) => return Ok(panel),
            Err(most) => most,
        };
        if let Some((rule, least)) = self.too_much(order, k) {
            let what = format!("{rule}: the lowest that {k} genes add up to is {least:.4}");
            return fail(what, "raise the limit, or lower --genes");
        }
        let mut active: Vec<&str> = Vec::new();
        let names = self.families.iter().map(|f| f.name.as_str());
        active.extend(names);
        // a limit in each of many classes is one rule
        let flag = |l: &'_ Load| l.name.split(" in ").next().unwrap_or_default().len();
        active.extend(self.loads.iter().map(|l| &l.name[..flag(l)]));
        active.dedup();
        if self.least_markers > 0 {
            active.push("--min-markers-per-class");
        }
        if !self.allowed.is_empty() {
            active.push("--min-mean and --max-mean");
        }
        active.truncate(8);
        let what = format!(
            "no panel of {k} genes was found that keeps these rules together: {}; {}",
            active.join(", "),
            match most {
                0 => "nor one of fewer".into(),
                n => format!("the largest that was found has {n}"),
            }
        );
        fail(what, "relax one of them, or lower --genes")
    }

    /// A limit that no `k` genes keep, and what the lightest ones add up to; none where fewer genes do.
    fn too_much(&self, order: &[u32], k: usize) -> Option<(&str, f64)> {
        if !self.costs.is_empty() {
            return None;
        }
        let others = |&&g: &&u32| self.allows(g) && !self.include.contains(&g);
        self.loads.iter().find_map(|l| {
            let each = |&g: &u32| l.each[g as usize];
            let mut others: Vec<f64> = order.iter().filter(others).map(each).collect();
            others.sort_by(f64::total_cmp);
            let lightest = others.iter().take(k - self.include.len());
            let least = self.include.iter().map(each).sum::<f64>() + lightest.sum::<f64>();
            (least > l.most).then_some((l.name.as_str(), least))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(n: usize) -> Vec<String> {
        (0..n).map(|i| format!("g{i}")).collect()
    }

    fn marked() -> Rules {
        Rules {
            marks: vec![Some(0), Some(0), Some(0), Some(1), None, Some(2)],
            classes: vec!["a".into(), "b".into(), "c".into()],
            least_markers: 1,
            ..Rules::default()
        }
    }

    #[test]
    fn without_rules_the_first_are_taken() {
        let rules = Rules::default();
        assert_eq!(rules.choose(&[3, 1, 2], 2), Some(vec![3, 1]));
        assert_eq!(rules.choose(&[3, 1, 2], 4), None);
    }

    #[test]
    fn every_class_gets_its_markers_at_the_cost_of_better_genes() {
        assert_eq!(
            marked().choose(&[0, 1, 2, 3, 4, 5], 4),
            Some(vec![0, 1, 3, 5])
        );
        assert_eq!(marked().choose(&[0, 1, 2, 4, 5], 4), None);
        let few = marked().reach(&[0, 1, 2, 3, 4, 5], 2, &names(6));
        assert!(few.is_err_and(|e| e.what.contains("needs 3 genes, --genes asks for 2")));
        let none = marked().reach(&[0, 1, 2, 4, 5], 4, &names(6));
        assert!(none.is_err_and(|e| e.what.contains("\"b\"")));
    }

    #[test]
    fn families_loads_and_bounds_hold() {
        let family = Family {
            name: "--max-per-family 1 (RPL)".into(),
            genes: vec![0, 1],
            most: 1,
        };
        let load = Load {
            name: "--budget 10".into(),
            each: vec![1.0, 1.0, 9.0, 2.0, 5.0],
            most: 10.0,
        };
        let rules = Rules {
            include: vec![3],
            allowed: vec![true, true, true, true, false],
            families: vec![family],
            loads: vec![load],
            ..Rules::default()
        };
        assert_eq!(rules.choose(&[0, 1, 2, 3, 4], 2), Some(vec![3, 0]));
        let all = rules.reach(&[0, 1, 2, 3, 4], 3, &names(5));
        assert!(all.is_err_and(|e| e.what.contains("--budget 10") && e.what.contains("has 2")));
        let cheap = Rules {
            costs: vec![1.0; 5],
            ..rules
        };
        let found = cheap.reach(&[0, 1, 2, 3, 4], 3, &names(5));
        assert_eq!(found.ok(), Some(vec![3, 0]));
    }

    #[test]
    fn genes_that_are_always_in_may_break_no_rule() {
        let family = Family {
            name: "--max-per-family 1 (HLA)".into(),
            genes: vec![0, 1],
            most: 1,
        };
        let rules = Rules {
            include: vec![0, 1],
            families: vec![family],
            ..Rules::default()
        };
        let found = rules.reach(&[0, 1, 2], 3, &names(3));
        assert!(found.is_err_and(|e| e.what.contains("HLA") && e.what.contains("g1")));
        let many = rules.reach(&[0, 1, 2], 1, &names(3));
        assert!(many.is_err_and(|e| e.what.contains("--include-genes names 2")));
    }
}
