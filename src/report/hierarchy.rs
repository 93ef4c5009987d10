//! Labels that are parts of one another: whether the predictions agree.
//!
//! A label is taken for a part of another one where its classes lie in one class of the other each,
//! as subtypes lie in types. A few that do not, such as one of cells without a subtype, have no say.
use super::predict::Predicted;
use crate::data::cells::{Targets, TrainingData};
use crate::ops::MISSING;
use serde::Serialize;

/// A finer class lies in a coarser one that has at least this share of its training cells.
const NEARLY: f64 = 0.95;
/// Least share of the training cells whose finer class lies in a coarser one.
const MOST: f64 = 0.8;

/// A finer and a coarser label, and how well their predictions agree.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Hierarchy {
    /// The finer label.
    pub child: String,
    /// The coarser label.
    pub parent: String,
    /// Share of the training cells with both labels whose finer class lies in one coarser class; 1
    /// for a true hierarchy.
    pub in_training: f64,
    /// Share of the test cells whose predicted finer class lies in their predicted coarser one, of
    /// those whose predicted finer class lies in any; NaN where there is none.
    pub consistency: f64,
}

impl Hierarchy {
    /// A line for a person.
    pub(super) fn text(&self) -> String {
        format!(
            "\n{} within {}: {:.1} % of the test cells are predicted a {} of their predicted {}\n",
            self.child,
            self.parent,
            100.0 * self.consistency,
            self.child,
            self.parent
        )
    }
}

/// A finer and a coarser task, and the coarser class that each finer one lies in.
#[derive(Clone, Debug, PartialEq)]
pub struct Link {
    child: (usize, String),
    parent: (usize, String),
    of: Vec<u32>,
    in_training: f64,
}

/// All pairs of tasks of which one is a part of the other in the training cells.
#[must_use]
pub fn links(data: &TrainingData) -> Vec<Link> {
    let mut out = Vec::new();
    for (c, child) in data.tasks.iter().enumerate() {
        for (p, parent) in data.tasks.iter().enumerate() {
            let (finer, coarser) = (child.kind.width(), parent.kind.width());
            let (Targets::Classes(a), Targets::Classes(b)) = (&child.targets, &parent.targets)
            else {
                continue;
            };
            if finer <= coarser {
                continue;
            }
            let mut counts = vec![0usize; finer * coarser];
            for (&a, &b) in a.iter().zip(b).take(data.n_train) {
                if a != MISSING && b != MISSING {
                    counts[a as usize * coarser + b as usize] += 1;
                }
            }
            let (mut inside, mut parents) = (0, vec![false; coarser]);
            let mut parent_of = |row: &[usize]| {
                let most = (0..coarser).fold(0, |m, i| if row[i] > row[m] { i } else { m });
                let cells: usize = row.iter().sum();
                if cells == 0 || (row[most] as f64) < NEARLY * cells as f64 {
                    return MISSING;
                }
                parents[most] = true;
                inside += cells;
                most as u32
            };
            let of: Vec<u32> = counts.chunks_exact(coarser).map(&mut parent_of).collect();
            let in_training = inside as f64 / counts.iter().sum::<usize>().max(1) as f64;
            // where one coarser class has nearly all cells, everything lies in it
            if in_training >= MOST && parents.iter().filter(|p| **p).count() > 1 {
                out.push(Link {
                    child: (c, child.name.clone()),
                    parent: (p, parent.name.clone()),
                    of,
                    in_training,
                });
            }
        }
    }
    out
}

/// How well the predictions of the test cells (a task each, in the order of the tasks) agree.
#[must_use]
pub fn consistency(links: &[Link], predicted: &[Predicted]) -> Vec<Hierarchy> {
    let one = |link: &Link| {
        let (Predicted::Classes(a), Predicted::Classes(b)) =
            (&predicted[link.child.0], &predicted[link.parent.0])
        else {
            return None;
        };
        let pairs = a.iter().zip(b).map(|(a, b)| (link.of[a.0 as usize], b.0));
        let asked: Vec<(u32, u32)> = pairs.filter(|p| p.0 != MISSING).collect();
        let agree = asked.iter().filter(|(own, said)| own == said).count();
        Some(Hierarchy {
            child: link.child.1.clone(),
            parent: link.parent.1.clone(),
            in_training: link.in_training,
            consistency: agree as f64 / asked.len() as f64,
        })
    };
    links.iter().filter_map(one).collect()
}
