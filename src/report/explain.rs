//! What each gene of a panel is for: the classes it tells apart, and what is lost without it.
//!
//! The first is measured on the training cells, in the transformed and clipped values that training
//! saw. The second is exact, by masking: every prediction of the test cells is made again with the
//! gene at its training mean, which is 0 for the network, and all else as it is.
use super::genes::{self, Facts};
use super::predict::{most_probable, panel_values, reported};
use crate::data::cells::{Targets, Task, TaskKind, TestCells, TrainingData};
use crate::data::packed::unpack;
use crate::metrics;
use crate::model::panel_model::PanelModel;
use crate::ops::MISSING;
use rayon::prelude::*;
use serde::Serialize;

/// A gene marks the classes whose AUROC, one against the rest, is at least this.
pub const MARKS: f64 = 0.8;
/// Most classes that a list of [`Explanation`] names; `explanations.csv` has all of them.
const SHOWN: usize = 3;
/// Most test cells that the masking runs over, evenly spread.
const MOST_CELLS: usize = 16_384;

/// What one gene is to one task.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Explanation {
    /// Gene.
    pub gene: String,
    /// Task.
    pub task: String,
    /// By the kind of the task.
    #[serde(flatten)]
    pub role: Role,
}

/// What one gene is to a task of classes or of numbers.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Role {
    /// Of classes.
    Classes {
        /// Classes with an AUROC of at least [`MARKS`], the largest first.
        marks: Vec<String>,
        /// The classes that the gene tells best from the rest, by |AUROC - 0.5|.
        separates: Vec<OfClass>,
        /// Accuracy on the test cells minus that without the gene.
        accuracy_drop: f64,
        /// Macro-F1 on the test cells minus that without the gene.
        macro_f1_drop: f64,
        /// Classes whose recall falls without the gene, the most first.
        loses: Vec<LostClass>,
        /// All classes in code order.
        #[serde(skip)]
        classes: Vec<OfClass>,
    },
    /// Of numbers.
    Value {
        /// Pearson's correlation with the gene over the training cells; NaN where undefined.
        correlation: f64,
        /// R2 on the test cells minus that without the gene.
        r2_drop: f64,
    },
    /// Of the components.
    Reconstruction {
        /// Share of the test cells' variance that is explained, minus that without the gene.
        explained_drop: f64,
    },
}

/// A gene in the cells of one class.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OfClass {
    /// Class.
    pub class: String,
    /// Its training cells.
    pub cells: usize,
    /// Mean over them, in transformed units.
    pub mean: f64,
    /// Share of them where the gene was detected.
    pub detected: f64,
    /// Probability that a cell of the class has more of the gene than one of another class, ties by
    /// half; NaN where there is only one class.
    pub auroc: f64,
    /// Recall on the test cells; NaN where none is of the class.
    #[serde(skip)]
    pub recall: f64,
    /// The same without the gene.
    #[serde(skip)]
    pub recall_without: f64,
}

/// A class that is found less often without a gene.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LostClass {
    /// Class.
    pub class: String,
    /// Recall minus that without the gene.
    pub recall_drop: f64,
}

/// What the training cells say of each gene and task.
#[derive(Clone, Debug, PartialEq)]
pub struct Separation {
    /// Of each gene, a task each.
    tasks: Vec<Vec<Trained>>,
    /// Of each gene.
    facts: Vec<Facts>,
}

#[derive(Clone, Debug, PartialEq)]
enum Trained {
    Classes(Vec<OfClass>),
    Value(f64),
    Component,
}

/// Measures each gene of the panel on the training cells; the test cells have no part in it.
#[must_use]
pub fn separation(model: &PanelModel, data: &TrainingData) -> Separation {
    let of_gene = |index: u32| {
        // a panel's genes are genes of the data it was trained on
        let column = data.gene_index.binary_search(&index).ok();
        let values: Vec<f32> = (0..data.n_train)
            .map(|cell| {
                let entries = data.cells.cell(cell);
                let at = column.and_then(|g| {
                    entries
                        .binary_search_by_key(&g, |&entry| unpack(entry).0)
                        .ok()
                });
                at.map_or(0.0, |at| unpack(entries[at]).1)
            })
            .collect();
        let task = |task: &Task| match (&task.kind, &task.targets) {
            (TaskKind::Component { .. }, _) => Trained::Component,
            (TaskKind::Classification { classes }, Targets::Classes(labels)) => {
                let mut all = of_classes(&values, &labels[..data.n_train], classes);
                let profile = data.profiles.iter().find(|p| p.label == task.name);
                if let (Some(p), Some(g)) = (profile, column) {
                    for (c, of) in all.iter_mut().enumerate().filter(|(c, _)| p.cells[*c] > 0) {
                        of.cells = p.cells[c];
                        of.mean = f64::from(p.level[c][g]);
                        of.detected = f64::from(p.detected[c][g]);
                    }
                }
                Trained::Classes(all)
            }
            (_, Targets::Values(targets)) => {
                Trained::Value(metrics::regression(&targets[..data.n_train], &values).pearson)
            }
            _ => Trained::Value(f64::NAN),
        };
        data.tasks.iter().map(task).collect()
    };
    let genes: Vec<u32> = model.genes.iter().map(|g| g.index).collect();
    Separation {
        tasks: genes.into_par_iter().map(of_gene).collect(),
        facts: genes::facts(model, data),
    }
}

impl Separation {
    /// What the training cells say of each gene among the others of the panel.
    #[must_use]
    pub fn facts(&self) -> &[Facts] {
        &self.facts
    }
}

/// Means, detection and AUROC (Mann and Whitney 1947) of one gene in each class.
fn of_classes(values: &[f32], labels: &[u32], classes: &[String]) -> Vec<OfClass> {
    let mut order: Vec<usize> = (0..values.len())
        .filter(|&i| labels[i] != MISSING)
        .collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let n = order.len() as f64;
    let mut ranks = vec![0.0f64; classes.len()];
    let mut tie = 0;
    while tie < order.len() {
        let len = order[tie..].partition_point(|&i| values[i] <= values[order[tie]]);
        let rank = tie as f64 + (len as f64 + 1.0) / 2.0;
        for &i in &order[tie..tie + len] {
            ranks[labels[i] as usize] += rank;
        }
        tie += len;
    }
    let (mut cells, mut sums, mut having) = (
        vec![0usize; classes.len()],
        vec![0.0f64; classes.len()],
        vec![0usize; classes.len()],
    );
    for &i in &order {
        let c = labels[i] as usize;
        cells[c] += 1;
        sums[c] += f64::from(values[i]);
        having[c] += usize::from(values[i] != 0.0);
    }
    let one = |(c, class): (usize, &String)| {
        let (m, rest) = (cells[c] as f64, n - cells[c] as f64);
        OfClass {
            class: class.clone(),
            cells: cells[c],
            mean: sums[c] / m,
            detected: having[c] as f64 / m,
            auroc: (ranks[c] - m * (m + 1.0) / 2.0) / (m * rest),
            recall: f64::NAN,
            recall_without: f64::NAN,
        }
    };
    classes.iter().enumerate().map(one).collect()
}

/// Predictions of some test cells as they are and without each gene.
struct Masked {
    cells: Vec<usize>,
    /// Answers of the model at a time: one a task, all components together being the last one.
    n_answers: usize,
    /// Of each cell the answers of the whole panel, then those without each gene.
    rows: Vec<Vec<f32>>,
}

impl Masked {
    fn new(model: &PanelModel, test: &TestCells) -> Self {
        let n = test.x.n_obs.min(MOST_CELLS);
        let cells: Vec<usize> = (0..n).map(|i| i * test.x.n_obs / n.max(1)).collect();
        let columns: Vec<u32> = model.genes.iter().map(|g| g.index).collect();
        let n_answers = reported(model).len();
        let rows = cells
            .par_iter()
            .map(|&cell| {
                let x = panel_values(&test.x, &columns, cell..cell + 1);
                let mut row = Vec::with_capacity((model.genes.len() + 1) * n_answers);
                answers(model, test, cell, &model.logits(&x), &mut row);
                model.logits_without_each(&x, |_, logits| {
                    answers(model, test, cell, logits, &mut row);
                });
                row
            })
            .collect();
        Self {
            cells,
            n_answers,
            rows,
        }
    }

    /// An answer for all cells, without the gene of a rank or (`None`) of the whole panel.
    fn of(&self, without: Option<usize>, answer: usize) -> Vec<f32> {
        let at = without.map_or(0, |rank| rank + 1) * self.n_answers + answer;
        self.rows.iter().map(|row| row[at]).collect()
    }
}

/// Class code or value of each task. Of the components what they explain of the cell's sum of squares, all together: as
/// many numbers as there are components, of every cell and gene, would take gigabytes.
fn answers(model: &PanelModel, test: &TestCells, cell: usize, logits: &[f32], out: &mut Vec<f32>) {
    let (mut from, mut explained) = (0, None);
    for (t, task) in model.tasks.iter().enumerate() {
        let own = &logits[from..from + task.kind.width()];
        from += own.len();
        let value = || {
            let (mean, sd) = task.kind.scale();
            f64::from(own[0]) * sd + mean
        };
        match (&task.kind, &test.tasks[t].targets) {
            (TaskKind::Classification { .. }, _) => out.push(most_probable(own, 1.0).0 as f32),
            (TaskKind::Component { .. }, Targets::Values(truth)) => {
                let (y, p) = (f64::from(truth[cell]), value());
                *explained.get_or_insert(0.0) += metrics::explained_of(y, p);
            }
            _ => out.push(value() as f32),
        }
    }
    out.extend(explained.map(|sum| sum as f32));
}

/// Explains each gene for each task: genes by rank, tasks in their order.
#[must_use]
pub fn explain(model: &PanelModel, separation: Separation, test: &TestCells) -> Vec<Explanation> {
    let masked = Masked::new(model, test);
    let mut out = Vec::new();
    let whole: Vec<Vec<f32>> = (0..masked.n_answers).map(|a| masked.of(None, a)).collect();
    for (rank, (gene, trained)) in model.genes.iter().zip(separation.tasks).enumerate() {
        let mut trained: Vec<Option<Trained>> = trained.into_iter().map(Some).collect();
        for (answer, (t, task)) in reported(model).into_iter().enumerate() {
            let (whole, without) = (&whole[answer], masked.of(Some(rank), answer));
            let role = match (trained[t].take(), &test.tasks[t].targets) {
                (Some(Trained::Component), _) => {
                    let sum = |of: &[f32]| of.iter().map(|&x| f64::from(x)).sum::<f64>();
                    let total: f64 = masked.cells.iter().map(|&c| test.squares[c]).sum();
                    Role::Reconstruction {
                        explained_drop: (sum(whole) - sum(&without)) / total,
                    }
                }
                (Some(Trained::Classes(classes)), Targets::Classes(labels)) => {
                    let truth: Vec<u32> = masked.cells.iter().map(|&i| labels[i]).collect();
                    classes_role(classes, &truth, whole, &without)
                }
                (Some(Trained::Value(correlation)), Targets::Values(values)) => {
                    let truth: Vec<f32> = masked.cells.iter().map(|&i| values[i]).collect();
                    let r2 = |p: &[f32]| metrics::regression(&truth, p).r2;
                    Role::Value {
                        correlation,
                        r2_drop: r2(whole) - r2(&without),
                    }
                }
                // a model's tasks are those of the data it was trained on
                _ => continue,
            };
            out.push(Explanation {
                gene: gene.name.clone(),
                task,
                role,
            });
        }
    }
    out
}

fn classes_role(mut classes: Vec<OfClass>, truth: &[u32], whole: &[f32], without: &[f32]) -> Role {
    let n = classes.len();
    let codes = |p: &[f32]| p.iter().map(|&c| c as u32).collect::<Vec<u32>>();
    let (whole, without) = (codes(whole), codes(without));
    let scores = |p: &[u32]| metrics::classification(truth, p, n);
    let (a, b) = (scores(&whole), scores(&without));
    let recall = |p: &[u32], c: usize| {
        let own = || truth.iter().zip(p).filter(|(t, _)| **t as usize == c);
        own().filter(|(t, p)| t == p).count() as f64 / own().count() as f64
    };
    for (c, class) in classes.iter_mut().enumerate() {
        (class.recall, class.recall_without) = (recall(&whole, c), recall(&without, c));
    }
    let mut marks: Vec<&OfClass> = classes.iter().filter(|c| c.auroc >= MARKS).collect();
    marks.sort_by(|a, b| b.auroc.total_cmp(&a.auroc));
    let mut separates: Vec<&OfClass> = classes.iter().filter(|c| c.auroc.is_finite()).collect();
    separates.sort_by(|a, b| {
        let far = |c: &OfClass| (c.auroc - 0.5).abs();
        far(b).total_cmp(&far(a))
    });
    let drop = |c: &OfClass| c.recall - c.recall_without;
    let mut loses: Vec<&OfClass> = classes.iter().filter(|c| drop(c) > 0.0).collect();
    loses.sort_by(|a, b| drop(b).total_cmp(&drop(a)));
    let lost = |c: &&OfClass| LostClass {
        class: c.class.clone(),
        recall_drop: drop(c),
    };
    Role::Classes {
        marks: marks.iter().map(|c| c.class.clone()).collect(),
        separates: separates.into_iter().take(SHOWN).cloned().collect(),
        accuracy_drop: a.accuracy - b.accuracy,
        macro_f1_drop: a.macro_f1 - b.macro_f1,
        loses: loses.iter().take(SHOWN).map(lost).collect(),
        classes,
    }
}
