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
                // values are kept in single precision, which tells them apart by this much at their size
                let step = mean.abs().max(*sd) * f64::from(f32::EPSILON);
                if *sd > 0.0 && step > *sd / 1000.0 {
                    return Err(DataError::new(
                        format!(
                            "the numbers of {name:?} vary by {sd:.3} around {mean}: too little for their size in single precision"
                        ),
                        "subtract a constant from the column, such as its least value",
                    ));
                }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_single_precision_does_not_tell_apart_are_refused() {
        let of = |offset: f64| {
            let values = (0..50)
                .map(|i| (offset + f64::from(i % 10)) as f32)
                .collect();
            let mut tasks = vec![Task {
                name: "time".into(),
                kind: TaskKind::Regression { mean: 0.0, sd: 1.0 },
                targets: Targets::Values(values),
            }];
            scale(&mut tasks, &(0..50).collect::<Vec<u32>>(), &mut Vec::new())
                .map(|()| tasks[0].kind.scale())
        };
        assert_eq!(of(0.0).ok().map(|s| s.0), Some(4.5));
        assert!(of(1e4).is_ok());
        for offset in [1e6, 1e8, -1e7] {
            let error = of(offset).expect_err("too large");
            assert!(
                error.what.contains("\"time\"") && error.hint().contains("subtract"),
                "{error}"
            );
        }
    }
}
