//! `.h5ad` as every AnnData since 0.6 wrote it.
//!
//! 0.8 and later say how each part is encoded; 0.7 kept categories in `__categories`; 0.6 wrote
//! `obs` and `var` as compound tables, categories into `uns`, and `raw` as `raw.X` and `raw.var`.
//! Source: the AnnData on-disk format, <https://anndata.readthedocs.io/en/latest/fileformat-prose.html>.
pub(crate) mod frame;

use super::dataset::Csr;
use super::h5::{Group, Object, damaged};
use super::input::{Axis, Described, Input, Piece, Result, Which, no_matrix};
use super::stored::{Parts, Stored};
use super::tidy::{tell, tidy};
use super::values::Values;
use crate::error::DataError;
use frame::Frame;

const RESAVE: &str = "read it in Python with a current anndata (0.8 or later) and save it again: \
    adata.write_h5ad(path)";

/// An open file.
#[derive(Debug)]
pub(crate) struct H5ad {
    root: Group,
    obs: Frame,
    var: Frame,
}

impl H5ad {
    /// Opens the frames.
    pub(crate) fn new(root: Group) -> Result<Self> {
        Ok(Self {
            obs: Frame::open(&root, "obs", &root)?,
            var: Frame::open(&root, "var", &root)?,
            root,
        })
    }

    /// The group and the name that hold a matrix of `raw`.
    fn raw(&self, old: &str, new: &str) -> Result<Option<(Option<Group>, String)>> {
        if self.root.has("raw") {
            let raw = self.root.group("raw")?;
            return Ok(raw.has(new).then(|| (Some(raw), new.to_owned())));
        }
        Ok(self.root.has(old).then(|| (None, old.to_owned())))
    }

    fn var_of(&self, which: &Which) -> Result<Option<Frame>> {
        if *which != Which::Raw {
            return Ok(None);
        }
        match self.raw("raw.var", "var")? {
            Some((group, name)) => {
                Frame::open(group.as_ref().unwrap_or(&self.root), &name, &self.root).map(Some)
            }
            None => Err(no_matrix(self, which)),
        }
    }

    fn matrix(&self, which: &Which) -> Result<Stored> {
        let there = |group: &Group, name: &str| group.has(name);
        let object = match which {
            Which::X if there(&self.root, "X") => self.root.get("X")?,
            Which::Layer(name) if there(&self.root, "layers") => {
                let layers = self.root.group("layers")?;
                if !there(&layers, name) {
                    return Err(no_matrix(self, which));
                }
                layers.get(name)?
            }
            Which::Raw => {
                let (group, name) = self
                    .raw("raw.X", "X")?
                    .ok_or_else(|| no_matrix(self, which))?;
                group.as_ref().unwrap_or(&self.root).get(&name)?
            }
            _ => return Err(no_matrix(self, which)),
        };
        let n_obs = self.obs.len()?;
        let n_vars = self.var_of(which)?.as_ref().unwrap_or(&self.var).len()?;
        let group = match object {
            Object::Dataset(set) => return Stored::dense(set, true)?.expect(n_obs, n_vars),
            Object::Group(group) => group,
        };
        let name = &group.name;
        let encoding = group
            .text("encoding-type")
            .or_else(|| Some(format!("{}_matrix", group.text("h5sparse_format")?)));
        let by_cells = match encoding.as_deref() {
            Some("csr_matrix") => true,
            Some("csc_matrix") => false,
            Some(other) => {
                return Err(DataError::new(
                    format!(
                        "{name} has the encoding {other:?}; csr_matrix, csc_matrix and dense are read"
                    ),
                    RESAVE,
                ));
            }
            None => {
                return Err(DataError::new(
                    format!("{name} is a group that does not say how it is encoded"),
                    RESAVE,
                ));
            }
        };
        let shape = group
            .whole("shape")
            .or_else(|| group.whole("h5sparse_shape"));
        let shape: Option<Vec<usize>> =
            shape.and_then(|s| s.into_iter().map(|n| usize::try_from(n).ok()).collect());
        match shape.as_deref() {
            Some(&[a, b]) if (a, b) == (n_obs, n_vars) => Stored::sparse(&group, by_cells, [a, b]),
            Some(&[a, b]) => Err(damaged(format!(
                "{name} is {a} x {b}, but obs has {n_obs} cells and var {n_vars} genes"
            ))),
            _ => Err(damaged(format!("{name} has no shape of two whole numbers"))),
        }
    }
}

impl Input for H5ad {
    fn format(&self) -> &'static str {
        match (&self.obs, self.root.text("encoding-type").as_deref()) {
            (Frame::Table { .. }, _) => "h5ad (AnnData 0.6)",
            (_, Some(_)) => "h5ad (AnnData 0.8 or later)",
            _ => "h5ad (AnnData 0.7)",
        }
    }
    fn obs_names(&self) -> Result<Vec<String>> {
        self.obs.names()
    }
    fn var_names(&self, which: &Which) -> Result<Vec<String>> {
        self.var_of(which)?.as_ref().unwrap_or(&self.var).names()
    }
    fn columns(&self, axis: Axis) -> Vec<String> {
        match axis {
            Axis::Obs => self.obs.columns(),
            Axis::Var => self.var.columns(),
        }
    }
    fn column(&self, axis: Axis, name: &str) -> Result<Values> {
        match axis {
            Axis::Obs => self.obs.column(name),
            Axis::Var => self.var.column(name),
        }
    }
    fn raw_columns(&self) -> Vec<String> {
        match self.var_of(&Which::Raw) {
            Ok(Some(var)) => var.columns(),
            _ => Vec::new(),
        }
    }
    fn raw_column(&self, name: &str) -> Result<Values> {
        match self.var_of(&Which::Raw)? {
            Some(var) => var.column(name),
            None => Err(no_matrix(self, &Which::Raw)),
        }
    }
    fn layers(&self) -> Vec<String> {
        let layers = self.root.has("layers").then(|| self.root.group("layers"));
        let Some(Ok(layers)) = layers else {
            return Vec::new();
        };
        layers.names().map(str::to_owned).collect()
    }
    fn has_x(&self) -> bool {
        self.root.has("X")
    }
    fn has_raw(&self) -> bool {
        matches!(self.raw("raw.X", "X"), Ok(Some(_)))
    }
    fn describe(&self, which: &Which) -> Result<Described> {
        Ok(self.matrix(which)?.describe())
    }
    fn sample(&self, which: &Which) -> Result<Vec<f32>> {
        self.matrix(which)?.sample()
    }
    fn read(&self, which: &Which, notices: &mut Vec<String>) -> Result<Csr> {
        let mut x = self.matrix(which)?.read()?;
        tell(tidy(&mut x), notices);
        Ok(x)
    }
    fn rows(&self, which: &Which) -> Result<Option<Parts>> {
        self.matrix(which)?.rows()
    }
    fn pieces(
        &self,
        which: &Which,
        notices: &mut Vec<String>,
        take: &mut dyn FnMut(Piece) -> Result<()>,
    ) -> Result<()> {
        self.matrix(which)?.pieces(notices, take)
    }
    fn others(&self) -> Vec<String> {
        ["obsm", "varm", "obsp", "varp", "uns"]
            .into_iter()
            .filter(|n| match self.root.group(n) {
                Ok(group) => group.names().next().is_some(),
                // a table of its own, as AnnData wrote it before 0.7
                Err(_) => self.root.has(n),
            })
            .map(str::to_owned)
            .collect()
    }
}
