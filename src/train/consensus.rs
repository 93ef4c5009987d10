//! What runs with different seeds agree on: how often each gene is chosen, which genes replace each
//! other, and the panel of the majority.
use super::batches::order;
use super::rules::Rules;
use crate::data::cells::TrainingData;
use crate::data::packed::unpack;
use std::collections::BTreeMap;

/// Cells that correlations are taken over, at most.
const CELLS: usize = 4096;
/// Least correlation of genes that can replace each other.
const ALIKE: f64 = 0.5;

/// A gene that some run chose.
#[derive(Clone, Debug, PartialEq)]
pub struct Choice {
    /// Considered gene.
    pub gene: u32,
    /// Share of the runs that chose it.
    pub share: f64,
}

/// Genes of which the runs take one or another: correlated, and seldom together in a panel.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// Its genes, the one chosen most often first.
    pub genes: Vec<Choice>,
    /// Share of the runs that chose any of them.
    pub share: f64,
}

/// Groups of the genes of `panels` (considered genes of each run), by descending share. Most have one
/// gene.
///
/// A gene joins the first group whose most frequent gene correlates with it by at least 0.5 over the
/// training cells (Pearson, transformed values) and stands beside it in fewer panels than if the two
/// were chosen independently.
#[must_use]
pub fn groups(data: &TrainingData, panels: &[Vec<u32>]) -> Vec<Group> {
    let mut counts: BTreeMap<u32, usize> = BTreeMap::new();
    panels
        .iter()
        .flatten()
        .for_each(|&g| *counts.entry(g).or_default() += 1);
    let n = panels.len().max(1) as f64;
    let mut genes: Vec<(u32, usize)> = counts.into_iter().collect();
    genes.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
    let columns = standardised(data, &genes.iter().map(|g| g.0).collect::<Vec<_>>());
    let has = |p: &[u32], g: u32| p.contains(&g);
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for (i, &(gene, count)) in genes.iter().enumerate() {
        let replaces = |group: &&mut Vec<usize>| {
            let (head, head_count) = genes[group[0]];
            let together = panels
                .iter()
                .filter(|p| has(p, gene) && has(p, head))
                .count();
            let expected = count as f64 * head_count as f64 / n;
            let r: f64 = columns[i]
                .iter()
                .zip(&columns[group[0]])
                .map(|(a, b)| a * b)
                .sum();
            (together as f64) < expected && r >= ALIKE
        };
        match groups.iter_mut().find(replaces) {
            Some(group) => group.push(i),
            None => groups.push(vec![i]),
        }
    }
    let mut groups: Vec<Group> = groups
        .into_iter()
        .map(|members| {
            let of = |&i: &usize| Choice {
                gene: genes[i].0,
                share: genes[i].1 as f64 / n,
            };
            let any = |p: &&Vec<u32>| members.iter().any(|&i| has(p, genes[i].0));
            Group {
                share: panels.iter().filter(any).count() as f64 / n,
                genes: members.iter().map(of).collect(),
            }
        })
        .collect();
    groups.sort_by(|a, b| {
        b.share
            .total_cmp(&a.share)
            .then(a.genes[0].gene.cmp(&b.genes[0].gene))
    });
    groups
}

/// Values of genes over the training cells (a sample of them), centred and of length 1.
fn standardised(data: &TrainingData, genes: &[u32]) -> Vec<Vec<f64>> {
    let mut cells = order(data.n_train, 0, u64::MAX);
    cells.truncate(CELLS);
    let mut place = vec![usize::MAX; data.cells.n_genes];
    genes
        .iter()
        .enumerate()
        .for_each(|(i, &g)| place[g as usize] = i);
    let mut columns = vec![vec![0.0; cells.len()]; genes.len()];
    for (row, &cell) in cells.iter().enumerate() {
        for &entry in data.cells.cell(cell as usize) {
            let (gene, value) = unpack(entry);
            if let Some(column) = columns.get_mut(place[gene]) {
                column[row] = f64::from(value);
            }
        }
    }
    for column in &mut columns {
        let mean = column.iter().sum::<f64>() / column.len().max(1) as f64;
        column.iter_mut().for_each(|x| *x -= mean);
        let length = column.iter().map(|x| x * x).sum::<f64>().sqrt().max(1e-12);
        column.iter_mut().for_each(|x| *x /= length);
    }
    columns
}

/// Pearson's r of each of some genes with each of some others (considered genes), over the training cells
/// (a sample of 4,096 where there are more), transformed values.
#[must_use]
pub fn correlations(data: &TrainingData, genes: &[u32], others: &[u32]) -> Vec<Vec<f64>> {
    let (genes, others) = (standardised(data, genes), standardised(data, others));
    let r = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(x, y)| x * y).sum();
    let row = |a: &Vec<f64>| others.iter().map(|b| r(a, b)).collect();
    genes.iter().map(row).collect()
}

/// The panel of the majority: of each group the gene chosen most often, groups by descending share,
/// then the other genes by theirs, then the rest of `within`; `k` of them that keep the rules and, where `within` is
/// given, lie in it. Ascending; `None` where there is none.
#[must_use]
pub fn consensus(
    groups: &[Group],
    rules: &Rules,
    k: usize,
    within: Option<&[u32]>,
) -> Option<Vec<u32>> {
    let may = |c: &&Choice| within.is_none_or(|w| w.contains(&c.gene));
    let (mut order, mut rest) = (Vec::new(), Vec::new());
    for group in groups {
        let mut members = group.genes.iter().filter(may);
        order.extend(members.next().map(|c| c.gene));
        rest.extend(members);
    }
    rest.sort_by(|a, b| b.share.total_cmp(&a.share).then(a.gene.cmp(&b.gene)));
    order.extend(rest.iter().map(|c| c.gene));
    let others = within
        .unwrap_or_default()
        .iter()
        .filter(|g| !order.contains(g));
    let others: Vec<u32> = others.copied().collect();
    order.extend(others);
    let mut panel = rules.choose(&order, k)?;
    panel.sort_unstable();
    Some(panel)
}
