//! Finer labels within coarser ones: which pairs are found, and what is counted.
#[path = "common/cells.rs"]
mod cells;

use cells::planted;
use yoto_gpu::data::cells::{Targets, Task, TaskKind, TrainingData};
use yoto_gpu::ops::MISSING;
use yoto_gpu::report::hierarchy::{Link, consistency, links};
use yoto_gpu::report::predict::Predicted;

/// Task 0 has 6 classes, task 1 says `parent` of each cell by its class.
fn with_parent(parent: impl Fn(usize, u32) -> u32) -> TrainingData {
    let mut data = planted(240, 60, 8, 6, 1 << 20, 4);
    let Targets::Classes(fine) = &data.tasks[0].targets else {
        panic!()
    };
    let labels = fine
        .iter()
        .enumerate()
        .map(|(i, &y)| parent(i, y))
        .collect();
    data.tasks.push(Task {
        name: "coarse".into(),
        kind: TaskKind::Classification {
            classes: ["a", "b", "c"].map(String::from).to_vec(),
        },
        targets: Targets::Classes(labels),
    });
    data
}

fn found(data: &TrainingData) -> Vec<Link> {
    links(data)
}

#[test]
fn parts_are_found_and_others_are_not() {
    assert_eq!(found(&with_parent(|_, y| y / 2)).len(), 1);
    // a class that lies in all of them has no say; cells without a label count for nothing
    let loose = with_parent(|i, y| match y {
        5 => (i / 6 % 3) as u32,
        _ if i % 11 == 0 => MISSING,
        _ => y / 2,
    });
    assert_eq!(found(&loose).len(), 1);
    // two of six classes are too many; nor is one coarse class for all a hierarchy
    let looser = with_parent(|i, y| if y > 3 { (i / 6 % 3) as u32 } else { y / 2 });
    assert!(found(&looser).is_empty());
    assert!(found(&with_parent(|_, _| 1)).is_empty());
    assert!(found(&with_parent(|i, _| (i / 6 % 3) as u32)).is_empty());
    // labels of validation cells are not looked at
    let late = with_parent(|i, y| if i < 240 { y / 2 } else { (i / 6 % 3) as u32 });
    assert_eq!(found(&late).len(), 1);
}

#[test]
fn consistency_counts_predictions() {
    let loose = with_parent(|i, y| if y == 5 { (i / 6 % 3) as u32 } else { y / 2 });
    let links = found(&loose);
    let classes = |codes: &[u32]| Predicted::Classes(codes.iter().map(|&c| (c, 1.0)).collect());
    // right, right, wrong, no say, right
    let predicted = [classes(&[0, 3, 2, 5, 4]), classes(&[0, 1, 0, 0, 2])];
    let h = &consistency(&links, &predicted)[0];
    assert_eq!((h.child.as_str(), h.parent.as_str()), ("class", "coarse"));
    assert!((h.consistency - 0.75).abs() < 1e-12, "{h:?}");
    assert!((h.in_training - 5.0 / 6.0).abs() < 1e-12, "{h:?}");
    assert!(
        consistency(&links, &[classes(&[]), classes(&[])])[0]
            .consistency
            .is_nan()
    );
}
