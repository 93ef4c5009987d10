//! `--task-weight NAME=W`.
use serde::{Deserialize, Serialize};
use std::str::FromStr;

/// A task and the weight of its loss.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaskWeight {
    /// Column of `obs`.
    pub name: String,
    /// Above 0.
    pub weight: f32,
}

impl FromStr for TaskWeight {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        // the name may hold a "=", the weight may not
        let parts = text.rsplit_once('=');
        let weight = parts.and_then(|(_, w)| w.trim().parse::<f32>().ok());
        match (parts, weight) {
            (Some((name, _)), Some(weight))
                if !name.is_empty() && weight > 0.0 && weight.is_finite() =>
            {
                Ok(Self {
                    name: name.into(),
                    weight,
                })
            }
            _ => Err("it must be a task's name, =, and a number above 0, such as donor=0.5".into()),
        }
    }
}

/// Refuses weights of tasks that are not there, and two weights of one task.
///
/// # Errors
/// A sentence for the user (wrong usage).
pub(super) fn weights_fit(weights: &[TaskWeight], tasks: &[String]) -> Result<(), String> {
    for (i, w) in weights.iter().enumerate() {
        if !tasks.contains(&w.name) {
            return Err(format!(
                "--task-weight names {:?}, which is no task; the tasks are {}",
                w.name,
                tasks.join(", ")
            ));
        }
        if weights[..i].iter().any(|other| other.name == w.name) {
            return Err(format!("--task-weight names {:?} twice", w.name));
        }
    }
    Ok(())
}
