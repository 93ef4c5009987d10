//! A panel and its network as a safetensors file.
//!
//! Tensors: `layers.N.weight` (n_in x n_out, row-major f32) and `layers.N.bias` (n_out). Metadata:
//! one key, [`KEY`], whose JSON text holds everything else. One key, since the format keeps its
//! metadata in no order: the same model is always the same bytes.
//!
//! Format 2 has the calibration and a checksum over tensors and metadata; files of format 1 are read
//! as models without a calibration.
use super::calibration::Calibration;
use super::checksum;
use super::panel_model::{Dense, ModelTask, PanelGene, PanelModel};
use crate::data::cells::Transform;
use crate::error::ModelError;
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::HashMap;
use std::path::Path;

/// The key of the metadata.
pub const KEY: &str = "yoto_gpu";
/// Version of the layout of the file that is written; those from 1 on are read.
pub const FORMAT: u32 = 2;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Metadata {
    format: u32,
    /// Of tensors and of this text with [`checksum::NONE`] here; absent in format 1.
    #[serde(default)]
    checksum: String,
    version: String,
    transform: Transform,
    genes: Vec<PanelGene>,
    tasks: Vec<ModelTask>,
    layers: usize,
    #[serde(default)]
    calibration: Calibration,
    settings: Value,
}

pub(super) type Result<T> = std::result::Result<T, ModelError>;

pub(super) fn broken(what: impl ToString) -> ModelError {
    ModelError::Broken(what.to_string())
}

impl PanelModel {
    /// The file's bytes; `settings` is kept as it is, for the record.
    ///
    /// # Errors
    /// [`ModelError::Broken`] where shapes do not fit or a value is not finite.
    pub fn to_bytes(&self, settings: &Value) -> Result<Vec<u8>> {
        self.check()?;
        let metadata = Metadata {
            format: FORMAT,
            checksum: checksum::NONE.into(),
            version: env!("CARGO_PKG_VERSION").into(),
            transform: self.transform,
            genes: self.genes.clone(),
            tasks: self.tasks.clone(),
            layers: self.layers.len(),
            calibration: self.calibration.clone(),
            settings: settings.clone(),
        };
        let json = serde_json::to_string(&metadata).map_err(broken)?;
        let bytes: Vec<[Vec<u8>; 2]> = self
            .layers
            .iter()
            .map(|layer| [little_endian(&layer.w), little_endian(&layer.b)])
            .collect();
        let mut tensors = Vec::new();
        for (i, (layer, [w, b])) in self.layers.iter().zip(&bytes).enumerate() {
            let shape = vec![layer.n_in, layer.n_out];
            let weight = TensorView::new(Dtype::F32, shape, w).map_err(broken)?;
            let bias = TensorView::new(Dtype::F32, vec![layer.n_out], b).map_err(broken)?;
            tensors.push((format!("layers.{i}.weight"), weight));
            tensors.push((format!("layers.{i}.bias"), bias));
        }
        let data = bytes.iter().flatten().map(Vec::as_slice);
        let json = checksum::put(&json, data);
        let info = HashMap::from([(KEY.to_string(), json)]);
        safetensors::serialize(tensors, Some(info)).map_err(broken)
    }

    /// The model and its settings from a file's bytes.
    ///
    /// # Errors
    /// [`ModelError::Broken`] where they are no safetensors file, one of another program or of a
    /// newer format, where a tensor is missing, extra or of the wrong shape, or a value not finite.
    pub fn from_bytes(bytes: &[u8]) -> Result<(Self, Value)> {
        if bytes.starts_with(crate::data::HDF5_SIGNATURE) {
            return Err(ModelError::Other("an HDF5 file, such as .h5ad"));
        }
        let (_, header) =
            SafeTensors::read_metadata(bytes).map_err(|e| not_safetensors(bytes, &e))?;
        let json = header.metadata().as_ref().and_then(|m| m.get(KEY));
        let json = json.ok_or(ModelError::Other("a safetensors file without a panel"))?;
        let value: Value = serde_json::from_str(json).map_err(broken)?;
        let format = value.get("format").and_then(Value::as_u64);
        match format {
            Some(f) if (1..=u64::from(FORMAT)).contains(&f) => {}
            Some(f) if f > u64::from(FORMAT) => {
                let version = value["version"].as_str().unwrap_or("of a later version");
                return Err(ModelError::Newer {
                    format: f,
                    version: version.chars().take(40).collect(),
                });
            }
            _ => return Err(broken("it does not say its format")),
        }
        let metadata: Metadata = serde_json::from_value(value).map_err(broken)?;
        let tensors = SafeTensors::deserialize(bytes).map_err(broken)?;
        if Some(tensors.len()) != metadata.layers.checked_mul(2) {
            let what = format!("{} tensors for {} layers", tensors.len(), metadata.layers);
            return Err(broken(what));
        }
        let mut layers = Vec::new();
        for i in 0..metadata.layers {
            let (shape, w) = floats(&tensors, &format!("layers.{i}.weight"))?;
            let (_, b) = floats(&tensors, &format!("layers.{i}.bias"))?;
            let [n_in, n_out] = shape[..] else {
                return Err(broken(format!("layers.{i}.weight is no matrix")));
            };
            layers.push(Dense { n_in, n_out, w, b });
        }
        if metadata.format > 1 {
            let parts = layers.iter().flat_map(|l| [&l.w, &l.b]);
            let data: Vec<Vec<u8>> = parts.map(|v| little_endian(v)).collect();
            if !checksum::holds(json, &metadata.checksum, data.iter().map(Vec::as_slice)) {
                return Err(broken("its content does not fit its checksum"));
            }
        }
        let model = Self {
            genes: metadata.genes,
            layers,
            tasks: metadata.tasks,
            transform: metadata.transform,
            calibration: metadata.calibration,
        };
        model.check()?;
        Ok((model, metadata.settings))
    }

    /// Writes the file.
    ///
    /// # Errors
    /// As [`PanelModel::to_bytes`]; [`ModelError::File`] where it cannot be written.
    pub fn save(&self, path: &Path, settings: &Value) -> Result<()> {
        let bytes = self.to_bytes(settings)?;
        std::fs::write(path, bytes).map_err(|source| ModelError::File {
            path: path.into(),
            source,
        })
    }

    /// Reads a file.
    ///
    /// # Errors
    /// As [`PanelModel::from_bytes`]; [`ModelError::File`] where it cannot be read.
    pub fn load(path: &Path) -> Result<(Self, Value)> {
        let bytes = std::fs::read(path).map_err(|source| ModelError::File {
            path: path.into(),
            source,
        })?;
        Self::from_bytes(&bytes).map_err(|e| e.of(path))
    }
}

/// What is in a file that is no safetensors file: one that was cut short, or something else.
fn not_safetensors(bytes: &[u8], e: &safetensors::SafeTensorError) -> ModelError {
    // 8 bytes of length, then JSON
    if bytes.is_empty() {
        ModelError::Other("an empty file")
    } else if bytes.get(8) == Some(&b'{') {
        broken(format!("it is cut short or damaged: {e}"))
    } else {
        ModelError::Other("a file of another kind")
    }
}

fn little_endian(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

fn floats(tensors: &SafeTensors, name: &str) -> Result<(Vec<usize>, Vec<f32>)> {
    let tensor = tensors
        .tensor(name)
        .map_err(|e| broken(format!("{name}: {e}")))?;
    if tensor.dtype() != Dtype::F32 {
        return Err(broken(format!("{name} is {:?}, not F32", tensor.dtype())));
    }
    let values = tensor
        .data()
        .chunks_exact(4)
        .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
        .collect();
    Ok((tensor.shape().to_vec(), values))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::cells::TaskKind;
    use crate::model::calibration::{Certainty, Known};

    fn model() -> PanelModel {
        let gene = |i: u32| PanelGene {
            name: format!("G\"{i}"),
            index: i,
            score: 0.1 / (i + 1) as f32,
            mean: 0.3,
            inv_sd: 1.7,
            clip: 3.3,
        };
        let dense = |n_in: usize, n_out: usize| Dense {
            n_in,
            n_out,
            w: (0..n_in * n_out).map(|i| (i as f32).sin()).collect(),
            b: (0..n_out).map(|i| (i as f32).cos()).collect(),
        };
        PanelModel {
            genes: (0..3).map(gene).collect(),
            layers: vec![dense(3, 4), dense(4, 3)],
            tasks: vec![
                ModelTask {
                    name: "type".into(),
                    kind: TaskKind::Classification {
                        classes: vec!["a".into(), "b".into()],
                    },
                },
                ModelTask {
                    name: "age".into(),
                    kind: TaskKind::Regression { mean: 0.1, sd: 3.0 },
                },
            ],
            transform: Transform::Log,
            calibration: Calibration {
                detected_genes: Some(1234),
                cells: 50,
                tasks: vec![
                    Certainty {
                        temperature: 1.37,
                        least_probability: 0.4,
                        least_evidence: Some(-0.2),
                    },
                    Certainty::default(),
                ],
                known: Some(Known {
                    centres: vec![vec![0.1, 0.2, -0.3]; 2],
                    inv_variance: vec![1.1; 3],
                    most: 2.5,
                }),
            },
        }
    }

    #[test]
    fn files_of_format_1_are_read_and_newer_ones_named() {
        let model = model();
        let bytes = model.to_bytes(&Value::Null).unwrap();
        let changed = |change: &dyn Fn(&mut serde_json::Map<String, Value>)| {
            let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
            let json = &header.metadata().as_ref().unwrap()[KEY];
            let mut value: serde_json::Map<String, Value> = serde_json::from_str(json).unwrap();
            change(&mut value);
            let tensors = SafeTensors::deserialize(&bytes).unwrap();
            let json = serde_json::to_string(&value).unwrap();
            let info = HashMap::from([(KEY.to_string(), json)]);
            safetensors::serialize(tensors.tensors(), Some(info)).unwrap()
        };
        let old = changed(&|m| {
            m.insert("format".into(), 1.into());
            m.remove("checksum");
            m.remove("calibration");
        });
        let (loaded, _) = PanelModel::from_bytes(&old).unwrap();
        assert_eq!(loaded.calibration, Calibration::default());
        assert_eq!(loaded.layers, model.layers);
        assert_eq!(loaded.calibration.of(0).temperature, 1.0);
        let new = changed(&|m| {
            m.insert("format".into(), 3.into());
            m.insert("version".into(), "9.1.0".into());
            m.insert("no such field yet".into(), 1.into());
        });
        let text = PanelModel::from_bytes(&new).unwrap_err().to_string();
        assert!(
            text.contains("9.1.0") && text.contains("format 3"),
            "{text}"
        );
        // the same content without its checksum is damaged
        assert!(PanelModel::from_bytes(&changed(&|m| drop(m.remove("checksum")))).is_err());
    }

    #[test]
    fn returns_what_was_saved() {
        let settings = serde_json::json!({"genes": 3, "lr": 0.1});
        let bytes = model().to_bytes(&settings).unwrap();
        assert_eq!(bytes, model().to_bytes(&settings).unwrap());
        let (loaded, kept) = PanelModel::from_bytes(&bytes).unwrap();
        assert_eq!((loaded, kept), (model(), settings));
    }

    #[test]
    fn transforms_of_earlier_files_keep_their_meaning() {
        let read = |word: &str| serde_json::from_value::<Transform>(Value::from(word)).ok();
        assert_eq!(read("counts"), Some(Transform::Log));
        assert_eq!(read("log"), Some(Transform::AsIs));
        assert_eq!(read("binary"), Some(Transform::Binary));
        assert_eq!(read("log-counts"), None);
        for transform in [
            Transform::Log,
            Transform::LogCounts,
            Transform::Binary,
            Transform::AsIs,
        ] {
            let word = serde_json::to_value(transform).unwrap();
            assert_ne!(word, "log", "a word with two meanings is never written");
            assert_eq!(
                serde_json::from_value::<Transform>(word).unwrap(),
                transform
            );
        }
    }

    #[test]
    fn broken_files_are_errors() {
        let bytes = model().to_bytes(&Value::Null).unwrap();
        for len in 0..bytes.len() {
            assert!(
                PanelModel::from_bytes(&bytes[..len]).is_err(),
                "cut at {len}"
            );
        }
        // any byte may be changed: an error or another model, never a panic
        for i in 0..bytes.len() {
            for flip in [1, 0x10, 0x80] {
                let mut changed = bytes.clone();
                changed[i] ^= flip;
                if let Ok((m, _)) = PanelModel::from_bytes(&changed) {
                    // the checksum stands for all but the names of the format's own fields
                    assert_eq!(m, model(), "byte {i}");
                }
            }
        }
    }

    #[test]
    fn parts_that_do_not_fit_are_errors() {
        type Fault = (&'static str, fn(&mut PanelModel));
        let faults: [Fault; 8] = [
            ("a gene too many", |m| m.genes.push(m.genes[0].clone())),
            ("a weight too few", |m| m.layers[0].w.truncate(1)),
            ("a bias too many", |m| m.layers[1].b.push(0.0)),
            ("NaN in a weight", |m| m.layers[1].w[0] = f32::NAN),
            ("infinity in a gene", |m| m.genes[1].clip = f32::INFINITY),
            ("a task too few", |m| drop(m.tasks.pop())),
            ("a temperature of 0", |m| {
                m.calibration.tasks[0].temperature = 0.0;
            }),
            ("a centre of fewer genes", |m| {
                if let Some(known) = &mut m.calibration.known {
                    known.centres[0].pop();
                }
            }),
        ];
        for (name, fault) in faults {
            let mut m = model();
            assert!(m.check().is_ok());
            fault(&mut m);
            assert!(m.to_bytes(&Value::Null).is_err(), "{name}");
        }
    }
}
