//! One error enum a stage; every text says what was found and where, and [`hint`](DataError::hint)
//! what to do next.
use std::path::PathBuf;
use thiserror::Error;

/// An error of a device: no adapter, too little memory, a limit, a loss.
#[derive(Debug, Error)]
pub enum DeviceError {
    /// No adapter fits the request.
    #[error("no adapter matches --device {wanted:?}; found: {found}")]
    NoAdapter {
        /// What the user asked for.
        wanted: String,
        /// Names of the adapters there are, or `none`.
        found: String,
    },
    /// The adapter lacks a limit.
    #[error("adapter {adapter:?} allows {limit} = {has}, this run needs {needs}")]
    Limit {
        /// Its name.
        adapter: String,
        /// Name of the limit, as wgpu calls it.
        limit: String,
        /// What it has.
        has: u64,
        /// What is needed.
        needs: u64,
    },
    /// Memory ran out.
    #[error("out of device memory: {what} needs {bytes} bytes ({total} bytes already held)")]
    OutOfMemory {
        /// What was allocated.
        what: String,
        /// How much was asked for.
        bytes: u64,
        /// How much this run already holds.
        total: u64,
    },
    /// The device was lost or refused the work.
    #[error("the device failed: {0}")]
    Failed(String),
}

impl DeviceError {
    /// What the user can do.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NoAdapter { .. } => "use --device auto, or --device cpu, which needs no adapter",
            Self::Limit { .. } => "use --device cpu or another adapter, or lower --hidden",
            Self::OutOfMemory { .. } => "lower --batch-size or --hidden, or use --device cpu",
            Self::Failed(_) => "go on from the last checkpoint with --resume, or use --device cpu",
        }
    }
}

/// An error of the data or of what was asked of it.
#[derive(Debug, Error)]
#[error("{what}")]
pub struct DataError {
    /// What was found, and where (file, group, column, row).
    pub what: String,
    /// What would be right.
    pub hint: String,
}

impl DataError {
    /// A new error with its hint.
    pub fn new(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            hint: hint.into(),
        }
    }
    /// What the user can do.
    #[must_use]
    pub fn hint(&self) -> &str {
        &self.hint
    }
}

/// An error of training: of the device, of the data, or of a checkpoint.
#[derive(Debug, Error)]
pub enum TrainError {
    /// Of the device.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// Of the data.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The loss left the finite numbers.
    #[error("the loss became {loss} at step {step}")]
    Diverged {
        /// Global step.
        step: u64,
        /// Its loss.
        loss: f32,
    },
    /// A checkpoint that cannot be read, written or used.
    #[error("checkpoint {path}: {what}", path = path.display())]
    Checkpoint {
        /// Where.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
}

impl TrainError {
    /// What the user can do.
    #[must_use]
    pub fn hint(&self) -> &str {
        match self {
            Self::Device(e) => e.hint(),
            Self::Data(e) => e.hint(),
            Self::Diverged { .. } => "lower --lr, or check that --input fits the values of X",
            Self::Checkpoint { .. } => {
                "resume with the same data and settings, or start anew without --resume"
            }
        }
    }
}

/// An error of the directory of results, or of a file in it.
#[derive(Debug, Error)]
#[error("{what}")]
pub struct OutputError {
    /// What was found, and where.
    pub what: String,
    /// What would be right.
    pub hint: String,
}

impl OutputError {
    /// A new error with its hint.
    pub fn new(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            hint: hint.into(),
        }
    }
    /// What the user can do.
    #[must_use]
    pub fn hint(&self) -> &str {
        &self.hint
    }
}

/// An error of a saved model.
#[derive(Debug, Error)]
pub enum ModelError {
    /// The file cannot be read or written.
    #[error("model {path}: {source}", path = path.display())]
    File {
        /// Where.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A directory without a model in it.
    #[error("{path} holds no model.safetensors", path = path.display())]
    NoModel {
        /// Where.
        path: PathBuf,
    },
    /// Something else than a model.
    #[error("this is no model but {0}")]
    Other(&'static str),
    /// It was written by a later version, in a format that is not known here.
    #[error(
        "the model was written by yoto-gpu {version} in format {format}; this is {own}, which reads formats up to {known}",
        own = env!("CARGO_PKG_VERSION"), known = crate::model::save::FORMAT
    )]
    Newer {
        /// Its format.
        format: u64,
        /// The version of the program.
        version: String,
    },
    /// Its content is damaged.
    #[error("the model is damaged: {0}")]
    Broken(String),
    /// Another of these, of a file.
    #[error("{path}: {inner}", path = path.display())]
    Of {
        /// Where.
        path: PathBuf,
        /// What.
        inner: Box<ModelError>,
    },
}

impl ModelError {
    /// The error with the file that it is of.
    #[must_use]
    pub fn of(self, path: &std::path::Path) -> Self {
        Self::Of {
            path: path.into(),
            inner: Box::new(self),
        }
    }

    /// What the user can do.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::File { .. } => "check the path and its permissions",
            Self::NoModel { .. } => {
                "give the --out directory of a finished run, or a model.safetensors"
            }
            Self::Other(_) => {
                "the model comes first, then the data: give a model.safetensors, or the --out directory of a run"
            }
            Self::Newer { .. } => {
                "use that version of yoto-gpu, or train the model anew with this one"
            }
            Self::Broken(_) => {
                "copy the file again from where it was made, or train anew with yoto-gpu train"
            }
            Self::Of { inner, .. } => inner.hint(),
        }
    }
}
