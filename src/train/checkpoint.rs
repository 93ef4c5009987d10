//! The state of a run between two epochs, as a file.
//!
//! A safetensors file: the arenas of the network (and of the best one so far) as tensors, the rest
//! as JSON in its metadata. Written beside and renamed, so a killed run leaves the last one whole.
use super::contest::Contest;
use super::settings::{Epoch, Settings};
use super::trail::Left;
use crate::data::cells::{Targets, TrainingData};
use crate::error::TrainError;
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;

/// A panel and its network's parameters on the host.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Snapshot {
    /// Considered genes, in slot order.
    pub genes: Vec<u32>,
    /// Arena of the panel's layout.
    pub params: Vec<f32>,
}

/// The part of the state that is no arena.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Position {
    /// What the checkpoint belongs to.
    pub fingerprint: String,
    /// Steps done.
    pub step: u64,
    /// Segment of the plan.
    pub segment: usize,
    /// Steps done in it.
    pub local: u64,
    /// Adam steps since the moments were zero.
    pub adam: u32,
    /// Slots that are the panel.
    pub kept: usize,
    /// Seconds of training so far.
    pub seconds: f64,
    /// How the way to the first panel was chosen.
    pub contest: Option<Contest>,
    /// What belongs to each network.
    pub runs: Vec<Run>,
}

/// The part of [`Position`] that belongs to one of the networks that train side by side.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// Considered gene of each slot; empty while scores are learned.
    pub genes: Vec<u32>,
    /// A row an epoch.
    pub history: Vec<Epoch>,
    /// The best network of each size so far.
    pub best: Vec<Best>,
    /// Genes that left the panel.
    pub left: Vec<Left>,
}

/// The best network of one size; its parameters stand beside.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Best {
    /// Its genes, in slot order.
    pub genes: Vec<u32>,
    /// Its epoch.
    pub epoch: u64,
    /// Its validation loss; 0 without validation cells.
    pub loss: f64,
    /// Its validation score.
    pub score: Option<f64>,
}

/// The whole state.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    /// Where the run stands.
    pub position: Position,
    /// Parameters, an arena a network.
    pub params: Vec<f32>,
    /// First and second moments, two arenas a network.
    pub moments: Vec<f32>,
    /// Parameters of the best networks: those of all sizes of the first run, of the second, ...
    pub best: Vec<f32>,
}

/// What a checkpoint must agree with: settings, repeats, rules, genes with their statistics, labels, device.
#[must_use]
pub fn fingerprint(
    settings: &Settings,
    repeats: usize,
    data: &TrainingData,
    device: &str,
) -> String {
    let cells = data.cells.n_cells + data.stream.as_ref().map_or(0, |s| s.n_train());
    let mut hash = DefaultHasher::new();
    // rules come from files that may have changed, and stand in no settings
    format!("{:?}", settings.rules).hash(&mut hash);
    data.gene_names.hash(&mut hash);
    let statistics = data.stats.mean.iter().chain(&data.stats.inv_sd);
    statistics.for_each(|x| x.to_bits().hash(&mut hash));
    for task in &data.tasks {
        match &task.targets {
            Targets::Classes(codes) => codes.hash(&mut hash),
            Targets::Values(values) => values.iter().for_each(|v| v.to_bits().hash(&mut hash)),
        }
    }
    let settings = serde_json::to_string(settings).unwrap_or_default();
    format!(
        "{settings}; {repeats} repeats; {cells} cells; {} genes; {:016x}; {device}; {}",
        data.cells.n_genes,
        hash.finish(),
        env!("CARGO_PKG_VERSION")
    )
}

fn error(path: &Path, what: impl ToString) -> TrainError {
    TrainError::Checkpoint {
        path: path.into(),
        what: what.to_string(),
    }
}

/// Writes the state beside `path` and renames it there.
///
/// # Errors
/// A file that cannot be written; the old one stays.
pub fn save(path: &Path, state: &State) -> Result<(), TrainError> {
    let parts = [
        ("params", &state.params),
        ("moments", &state.moments),
        ("best", &state.best),
    ];
    let mut views = Vec::new();
    for (name, data) in parts {
        let bytes = bytemuck::cast_slice(data);
        views.push((
            name,
            TensorView::new(Dtype::F32, vec![data.len()], bytes).map_err(|e| error(path, e))?,
        ));
    }
    let json = serde_json::to_string(&state.position).map_err(|e| error(path, e))?;
    let metadata = HashMap::from([("position".to_string(), json)]);
    let bytes = safetensors::serialize(views, Some(metadata)).map_err(|e| error(path, e))?;
    let beside = path.with_extension("tmp");
    std::fs::write(&beside, bytes)
        .and_then(|()| std::fs::rename(&beside, path))
        .map_err(|e| error(path, e))
}

/// Reads a state.
///
/// # Errors
/// A file that is missing, broken, or of other settings, data or device.
pub fn load(path: &Path, fingerprint: &str) -> Result<State, TrainError> {
    let bytes = std::fs::read(path).map_err(|e| error(path, e))?;
    let (_, header) = SafeTensors::read_metadata(&bytes).map_err(|e| error(path, e))?;
    let json = header.metadata().as_ref().and_then(|m| m.get("position"));
    let json = json.ok_or_else(|| error(path, "it holds no position"))?;
    let position: Position = serde_json::from_str(json).map_err(|e| error(path, e))?;
    if position.fingerprint != fingerprint {
        return Err(error(
            path,
            "it was made with other settings, data or device",
        ));
    }
    let tensors = SafeTensors::deserialize(&bytes).map_err(|e| error(path, e))?;
    let read = |name: &str| -> Result<Vec<f32>, TrainError> {
        let data = tensors.tensor(name).map_err(|e| error(path, e))?;
        Ok(bytemuck::pod_collect_to_vec(data.data()))
    };
    Ok(State {
        params: read("params")?,
        moments: read("moments")?,
        best: read("best")?,
        position,
    })
}
