//! Scales of the tasks, from the training cells alone.
use super::cells::{Targets, Task, TaskKind};
use crate::error::DataError;
use crate::ops::MISSING;

/// Sets mean and sd of the regressions from the training cells; tells of absent classes.
pub(super) fn scale(
    tasks: &mut [Task],
    train: &[u32],
    notices: &mut Vec<String>,
) -> Result<(), DataError> {
    for task in tasks {
        let name = &task.name;
        let nothing = || {
            DataError::new(
                format!("no training cell has a value of {name:?}"),
                "lower --test-fraction and --validation-fraction, or label more cells",
            )
        };
        match (&mut task.kind, &task.targets) {
            (TaskKind::Classification { classes }, Targets::Classes(codes)) => {
                let mut count = vec![0usize; classes.len()];
                for code in train.iter().map(|r| codes[*r as usize]) {
                    if code != MISSING {
                        count[code as usize] += 1;
                    }
                }
                let absent: Vec<String> = (0..classes.len())
                    .filter(|c| count[*c] == 0)
                    .map(|c| format!("{:?}", classes[c]))
                    .collect();
                if absent.len() == classes.len() {
                    return Err(nothing());
                }
                if !absent.is_empty() {
                    notices.push(format!(
                        "label {name:?}: no training cell is {}; it cannot be learned",
                        absent.join(" or ")
                    ));
                }
            }
            (TaskKind::Regression { mean, sd }, Targets::Values(values)) => {
                let known: Vec<f64> = train
                    .iter()
                    .map(|r| f64::from(values[*r as usize]))
                    .filter(|v| !v.is_nan())
                    .collect();
                if known.is_empty() {
                    return Err(nothing());
                }
                let n = known.len() as f64;
                *mean = known.iter().sum::<f64>() / n;
                *sd = (known.iter().map(|v| (v - *mean).powi(2)).sum::<f64>() / n).sqrt();
                if *sd <= 0.0 {
                    return Err(DataError::new(
                        format!("all training cells have the same value of {name:?}, {mean}"),
                        "name a column with --regress that varies",
                    ));
                }
            }
            _ => {
                return Err(DataError::new(
                    format!("task {name:?} has targets of another kind"),
                    "this is a fault of yoto-gpu: please report it",
                ));
            }
        }
    }
    Ok(())
}
