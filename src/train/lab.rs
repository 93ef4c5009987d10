//! From what a laboratory asks for to rules over the considered genes.
use super::rank::aurocs;
use super::rules::{Family, Load, Rules};
use super::settings::Settings;
use super::start::first_order;
use crate::data::cells::{TaskKind, TrainingData};
use crate::data::gene_ids::is_ensembl;
use crate::data::lookup::Lookup;
use crate::data::profile::Profile;
use crate::error::DataError;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Least AUROC of a marker of a class against the rest.
const MARKER: f32 = 0.7;

/// What a laboratory asks for, by gene names.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Lab {
    /// Most genes of one family.
    pub max_per_family: Option<usize>,
    /// Families of a gene; where it is empty, the letters of the symbol before the first digit or dash.
    pub families: BTreeMap<String, Vec<String>>,
    /// Least of a gene's highest class mean (linear units).
    pub min_mean: Option<f32>,
    /// Most of it.
    pub max_mean: Option<f32>,
    /// Most that the class means of a panel add up to, in each class.
    pub max_crowding: Option<f64>,
    /// Cost of a gene; 1 for those not named.
    pub costs: BTreeMap<String, f64>,
    /// What a panel may cost.
    pub budget: Option<f64>,
    /// Genes that mark each class.
    pub min_markers_per_class: usize,
}

/// The rules that follow; genes always in are those of `data`.
///
/// # Errors
/// Markers asked for without classes, families by names that are ids, a family or cost table that names no gene of
/// the data, a gene that costs two things by two names.
pub fn rules(data: &TrainingData, lab: &Lab) -> Result<Rules, DataError> {
    let n = data.cells.n_genes;
    let mut rules = Rules {
        include: data.include.clone(),
        ..Rules::default()
    };
    let called = Lookup::new(&data.gene_names, &data.gene_ids);
    let (families, costs) = (lab.families.keys(), lab.costs.keys());
    for (what, names) in [
        ("--families", families.collect::<Vec<_>>()),
        ("--costs", costs.collect()),
    ] {
        if !names.is_empty() && names.iter().all(|g| called.all(g).is_empty()) {
            return Err(DataError::new(
                format!(
                    "{what} names no gene that is considered (the first is {:?})",
                    names[0]
                ),
                "give genes by their names in var, as inspect shows them, by symbols or by Ensembl ids",
            ));
        }
    }
    if let Some(most) = lab.max_per_family {
        let mut members: BTreeMap<&str, Vec<u32>> = BTreeMap::new();
        for (gene, families) in &lab.families {
            for family in families {
                members.entry(family).or_default().extend(called.all(gene));
            }
        }
        if lab.families.is_empty() {
            for (g, name) in (0u32..).zip(&data.gene_names) {
                if let Some(family) = by_name(data.gene_ids.symbol_or(g, name)) {
                    members.entry(family).or_default().push(g);
                }
            }
        }
        // a gene that a table has by two names is in its family once
        for genes in members.values_mut() {
            genes.sort_unstable();
            genes.dedup();
        }
        members.retain(|_, genes| !genes.is_empty());
        if members.is_empty() && data.gene_names.iter().any(|g| is_ensembl(g)) {
            return Err(DataError::new(
                "--max-per-family: genes are named by Ensembl ids, which say nothing of families",
                "give a table of ids and families with --families, or symbols in a column of var such as feature_name",
            ));
        }
        // one that has no more genes than it may have binds nothing
        let binding = members.into_iter().filter(|(_, genes)| genes.len() > most);
        rules.families = binding
            .map(|(family, genes)| Family {
                name: format!("--max-per-family {most} ({family})"),
                genes,
                most,
            })
            .collect();
    }
    if let (Some(min), Some(max)) = (lab.min_mean, lab.max_mean)
        && min > max
    {
        return Err(DataError::new(
            format!("--min-mean {min} is above --max-mean {max}"),
            "leave room between the two",
        ));
    }
    if lab.min_mean.is_some() || lab.max_mean.is_some() {
        let (min, max) = (
            lab.min_mean.unwrap_or(0.0),
            lab.max_mean.unwrap_or(f32::INFINITY),
        );
        rules.allowed = (0..n)
            .map(|g| {
                let highest = data.profiles.iter().map(|p| p.highest_mean(g).1);
                (min..=max).contains(&highest.fold(0.0, f32::max))
            })
            .collect();
    }
    if let Some(most) = lab.max_crowding {
        let of = |p: &Profile| -> Vec<Load> {
            let each = p.classes.iter().zip(&p.mean);
            let load = |(class, mean): (&String, &Vec<f32>)| Load {
                name: format!("--max-crowding {most} in {class}"),
                each: mean.iter().map(|&m| f64::from(m)).collect(),
                most,
            };
            each.map(load).collect()
        };
        rules.loads = data.profiles.iter().flat_map(of).collect();
    }
    if let Some(most) = lab.budget {
        rules.costs = costs_of(lab, data, &called)?;
        rules.loads.push(Load {
            name: format!("--budget {most}"),
            each: rules.costs.clone(),
            most,
        });
    }
    if lab.min_markers_per_class > 0 {
        let of_classes =
            |t: &&crate::data::cells::Task| matches!(t.kind, TaskKind::Classification { .. });
        let Some(task) = data.tasks.iter().find(of_classes) else {
            return Err(DataError::new(
                "--min-markers-per-class without a label of classes",
                "name one with --label",
            ));
        };
        if let TaskKind::Classification { classes } = &task.kind {
            rules.classes.clone_from(classes);
        }
        let of_class = aurocs(data, task);
        let best = |g: usize| {
            let each = of_class.iter().map(|a| a[g]).enumerate();
            let (class, auroc) = each.fold((0, 0.0), |b, c| if c.1 > b.1 { c } else { b });
            (auroc >= MARKER).then_some(class as u32)
        };
        rules.marks = (0..n).map(best).collect();
        rules.least_markers = lab.min_markers_per_class;
    }
    Ok(rules)
}

/// Puts rules into settings, if they can be met: with a budget, `genes` becomes what it allows, and sizes
/// above it go. `any_size`: so do sizes at which they cannot be met, as long as one is left. Says which sizes went.
///
/// # Errors
/// Rules that cannot be met together, named.
pub fn apply(
    settings: &mut Settings,
    data: &TrainingData,
    mut rules: Rules,
    any_size: bool,
) -> Result<Option<String>, DataError> {
    if rules.is_empty() {
        return Ok(None);
    }
    let order = first_order(data, settings, settings.seed);
    let reach = |order: &[u32], k: usize| rules.reach(order, k, &data.gene_names);
    let sizes = settings.sizes();
    let mut tried = sizes.iter().map(|&k| reach(&order, k));
    let largest = tried.next().unwrap_or_else(|| Ok(Vec::new()));
    let standing = largest.or_else(|e| match tried.find_map(Result::ok) {
        Some(panel) if any_size => Ok(panel),
        _ => Err(e),
    })?;
    let mut nested = Vec::new();
    for k in sizes.iter().copied().filter(|&k| k < standing.len()) {
        match reach(&standing, k) {
            Ok(_) => nested.push(k),
            Err(_) if any_size => {}
            Err(e) => return Err(e),
        }
    }
    (settings.genes, settings.nested) = (standing.len(), nested);
    rules.standing = standing;
    settings.rules = Arc::new(rules);
    let left = settings.sizes();
    let text = |all: Vec<usize>| {
        let all: Vec<String> = all.iter().map(usize::to_string).collect();
        all.join(", ")
    };
    Ok((sizes != left).then(|| {
        format!(
            "under the rules panels have {} genes, not {}",
            text(left.clone()),
            text(sizes.into_iter().filter(|k| !left.contains(k)).collect())
        )
    }))
}

/// What each gene costs; 1 where the table does not name it.
fn costs_of(lab: &Lab, data: &TrainingData, called: &Lookup) -> Result<Vec<f64>, DataError> {
    let mut costs: Vec<Option<(&str, f64)>> = vec![None; data.cells.n_genes];
    for (name, &cost) in &lab.costs {
        for &g in called.all(name) {
            match costs[g as usize].replace((name, cost)) {
                Some((other, before)) if before != cost => {
                    let gene = &data.gene_names[g as usize];
                    return Err(DataError::new(
                        format!(
                            "--costs: the gene {gene:?} costs {before} as {other:?} and {cost} as {name:?}"
                        ),
                        "give every gene one cost",
                    ));
                }
                _ => {}
            }
        }
    }
    let cost = |c: Option<(&str, f64)>| c.map_or(1.0, |(_, cost)| cost);
    Ok(costs.into_iter().map(cost).collect())
}

/// Letters of a gene's name before its first digit, dash or dot; `None` where there are fewer than two, and of ids.
fn by_name(name: &str) -> Option<&str> {
    if is_ensembl(name) {
        return None;
    }
    let end = name
        .find(|c: char| !c.is_ascii_alphabetic())
        .unwrap_or(name.len());
    (end >= 2 && end < name.len()).then(|| &name[..end])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::gene_ids::GeneIds;
    use crate::train::eliminate::tests::training_data;

    #[test]
    fn families_go_by_symbols_where_names_are_ids() {
        let mut data = training_data();
        let n = data.gene_names.len();
        data.gene_names = (0..n).map(|g| format!("ENSG{g:011}")).collect();
        let lab = Lab {
            max_per_family: Some(2),
            ..Lab::default()
        };
        data.gene_ids = GeneIds::default();
        let error = rules(&data, &lab).expect_err("ids have no families");
        assert!(error.what.contains("Ensembl ids"), "{error}");
        let symbol = |g: usize| format!("{}{g}", if g.is_multiple_of(2) { "KRT" } else { "HLA-B" });
        let symbols: Vec<String> = (0..n).map(symbol).collect();
        let some: Vec<Option<&str>> = symbols.iter().map(|s| Some(s.as_str())).collect();
        data.gene_ids = GeneIds::of_symbols(&some);
        let rules = rules(&data, &lab).expect("symbols have");
        let order: Vec<u32> = (0..n as u32)
            .filter(|g| g.is_multiple_of(2) || *g > 9)
            .collect();
        assert_eq!(rules.choose(&order, 4), Some(vec![0, 2, 11, 13]));
        assert_eq!(rules.choose(&order, 5), None);
    }

    #[test]
    fn tables_name_genes_by_name_symbol_or_id() {
        let mut data = training_data();
        let n = data.gene_names.len();
        data.gene_names = (0..n).map(|g| format!("ENSG{g:011}.2")).collect();
        let symbols: Vec<String> = (0..n).map(|g| format!("S{g}")).collect();
        let some: Vec<Option<&str>> = symbols.iter().map(|s| Some(s.as_str())).collect();
        data.gene_ids = GeneIds::of_symbols(&some).with_ids(&data.gene_names);
        let costs = |all: &[(&str, f64)]| Lab {
            costs: all.iter().map(|(g, c)| ((*g).to_owned(), *c)).collect(),
            budget: Some(9.0),
            ..Lab::default()
        };
        let given = costs(&[("S1", 3.0), ("ENSG00000000002", 4.0), ("none", 8.0)]);
        let found = rules(&data, &given).expect("costs").costs;
        assert_eq!(found[..4], [1.0, 3.0, 4.0, 1.0]);
        let error = rules(&data, &costs(&[("S1", 3.0), ("ENSG00000000001", 4.0)]));
        let error = error.expect_err("two costs").what;
        assert!(
            error.contains("costs 4 as") && error.contains("3 as \"S1\""),
            "{error}"
        );
        data.gene_ids = GeneIds::default();
        assert!(rules(&data, &costs(&[("S1", 3.0)])).is_err());
        // one gene by two names fills one place of its family
        data.gene_ids = GeneIds::of_symbols(&some);
        let family = |g: &str| (g.to_owned(), vec!["A".to_owned()]);
        let lab = Lab {
            max_per_family: Some(1),
            families: ["S1", "ENSG00000000001.2", "S2"].map(family).into(),
            ..Lab::default()
        };
        let families = rules(&data, &lab).expect("families").families;
        assert_eq!(families[0].genes, [1, 2]);
    }

    #[test]
    fn families_by_name() {
        assert_eq!(by_name("HLA-DRA"), Some("HLA"));
        assert_eq!(by_name("RPL13A"), Some("RPL"));
        assert_eq!(by_name("INS"), None);
        assert_eq!(by_name("C1QA"), None);
        assert_eq!(by_name("ENSG00000254647"), None);
        assert_eq!(by_name("ENSA1"), Some("ENSA"));
    }
}
