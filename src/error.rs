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
    /// Its content is no model of this program.
    #[error("model: {0}")]
    Broken(String),
}

impl ModelError {
    /// What the user can do.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::File { .. } => "check the path and its permissions",
            Self::Broken(_) => "use a model.safetensors that yoto-gpu train wrote, or train anew",
        }
    }
}
