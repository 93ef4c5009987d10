//! A file of a text format, which is read whole when it is opened.
use super::dataset::Csr;
use super::input::{Axis, Described, Input, Result, SAMPLE, Which, no_matrix};
use super::values::Values;
use crate::error::DataError;

/// Everything that a text format has.
#[derive(Debug)]
pub(crate) struct Loaded {
    /// Its name.
    pub(crate) format: &'static str,
    /// The matrix, tidy.
    pub(crate) x: Csr,
    /// Names of cells.
    pub(crate) obs_names: Vec<String>,
    /// Names of genes.
    pub(crate) var_names: Vec<String>,
    /// Columns of cells.
    pub(crate) obs: Vec<(String, Values)>,
    /// Columns of genes.
    pub(crate) var: Vec<(String, Values)>,
    /// What was noticed on reading.
    pub(crate) notices: Vec<String>,
}

impl Loaded {
    fn side(&self, axis: Axis) -> &[(String, Values)] {
        match axis {
            Axis::Obs => &self.obs,
            Axis::Var => &self.var,
        }
    }
}

impl Input for Loaded {
    fn format(&self) -> &'static str {
        self.format
    }
    fn obs_names(&self) -> Result<Vec<String>> {
        Ok(self.obs_names.clone())
    }
    fn var_names(&self, _: &Which) -> Result<Vec<String>> {
        Ok(self.var_names.clone())
    }
    fn columns(&self, axis: Axis) -> Vec<String> {
        self.side(axis).iter().map(|c| c.0.clone()).collect()
    }
    fn column(&self, axis: Axis, name: &str) -> Result<Values> {
        let found = self.side(axis).iter().find(|c| c.0 == name);
        found.map(|c| c.1.clone()).ok_or_else(|| {
            DataError::new(
                format!("there is no column {name:?}"),
                "name another column",
            )
        })
    }
    fn describe(&self, which: &Which) -> Result<Described> {
        match which {
            Which::X => Ok(Described {
                n_obs: self.x.n_obs,
                n_vars: self.x.n_vars,
                stored: Some(self.x.nnz() as u64),
                encoding: "text",
                kind: "text".into(),
            }),
            _ => Err(no_matrix(self, which)),
        }
    }
    fn sample(&self, which: &Which) -> Result<Vec<f32>> {
        self.describe(which)?;
        Ok(self.x.values.iter().copied().take(SAMPLE).collect())
    }
    fn read(&self, which: &Which, notices: &mut Vec<String>) -> Result<Csr> {
        self.describe(which)?;
        notices.extend(self.notices.iter().cloned());
        Ok(self.x.clone())
    }
}
