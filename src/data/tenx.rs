//! 10x Genomics `filtered_feature_bc_matrix.h5`: version 3 (`matrix/features`), and version 2, a
//! group a genome.
use super::dataset::Csr;
use super::h5::{Dataset, Group, Object, damaged};
use super::h5ad::frame::values;
use super::input::{Axis, Described, Input, Piece, Result, Which, no_matrix};
use super::keep::{Keep, expression};
use super::stored::{Parts, Stored};
use super::tidy::{tell, tidy};
use super::values::Values;
use crate::error::DataError;

/// An open file.
#[derive(Debug)]
pub(crate) struct Tenx {
    group: Group,
    /// The group of the genes' columns, and whether it is version 3.
    features: Option<Group>,
    /// Genes that are kept.
    keep: Keep,
    columns: Vec<(&'static str, &'static str)>,
}

/// Whether the group holds a matrix as version 2 keeps it.
fn second(group: &Group) -> bool {
    ["barcodes", "gene_names", "indptr"]
        .iter()
        .all(|n| group.has(n))
}

impl Tenx {
    /// Opens what is a matrix of 10x, gives the root back where it is none.
    pub(crate) fn new(root: Group) -> Result<std::result::Result<Self, Group>> {
        if root.has("matrix")
            && let Object::Group(group) = root.get("matrix")?
            && group.has("features")
        {
            let features = group.group("features")?;
            let types = features
                .has("feature_type")
                .then(|| features.dataset("feature_type", 1));
            let types = types.transpose()?.map(|t| t.texts()).transpose()?;
            return Ok(Ok(Self {
                keep: expression(types.as_deref(), features.dataset("name", 1)?.len()),
                columns: [
                    ("gene_ids", "id"),
                    ("feature_types", "feature_type"),
                    ("genome", "genome"),
                ]
                .into_iter()
                .filter(|(_, stored)| features.has(stored))
                .collect(),
                features: Some(features),
                group,
            }));
        }
        let mut genomes = Vec::new();
        for name in root.names() {
            if let Ok(Object::Group(group)) = root.get(name)
                && second(&group)
            {
                genomes.push(group);
            }
        }
        if genomes.len() > 1 {
            let names: Vec<&str> = genomes.iter().map(|g| g.name.as_str()).collect();
            return Err(DataError::new(
                format!(
                    "the file has a matrix for each of the genomes {}",
                    names.join(", ")
                ),
                "read one in Python and save it: sc.read_10x_h5(path, genome=NAME).write_h5ad(out)",
            ));
        }
        Ok(match genomes.pop() {
            Some(group) => Ok(Self {
                keep: expression(None, group.dataset("gene_names", 1)?.len()),
                columns: vec![("gene_ids", "genes")],
                features: None,
                group,
            }),
            None => Err(root),
        })
    }

    fn names(&self) -> Result<Dataset> {
        match &self.features {
            Some(features) => features.dataset("name", 1),
            None => self.group.dataset("gene_names", 1),
        }
    }

    fn matrix(&self, which: &Which) -> Result<Stored> {
        if *which != Which::X {
            return Err(no_matrix(self, which));
        }
        let shape = self.group.dataset("shape", 1)?.numbers::<i64>()?;
        let (cells, genes) = (
            self.group.dataset("barcodes", 1)?.len(),
            self.names()?.len(),
        );
        if shape != [genes as i64, cells as i64] {
            return Err(damaged(format!(
                "{}/shape is {shape:?}, but there are {genes} genes and {cells} barcodes",
                self.group.name
            )));
        }
        Stored::sparse(&self.group, true, [cells, genes])
    }
}

impl Input for Tenx {
    fn format(&self) -> &'static str {
        if self.features.is_some() {
            "10x h5 (version 3)"
        } else {
            "10x h5 (version 2)"
        }
    }
    fn obs_names(&self) -> Result<Vec<String>> {
        self.group.dataset("barcodes", 1)?.texts()
    }
    fn var_names(&self, _: &Which) -> Result<Vec<String>> {
        Ok(self.keep.of(self.names()?.texts()?))
    }
    fn columns(&self, axis: Axis) -> Vec<String> {
        match axis {
            Axis::Obs => Vec::new(),
            Axis::Var => self.columns.iter().map(|c| c.0.to_owned()).collect(),
        }
    }
    fn column(&self, _: Axis, name: &str) -> Result<Values> {
        let stored = self
            .columns
            .iter()
            .find(|c| c.0 == name)
            .map_or(name, |c| c.1);
        let group = self.features.as_ref().unwrap_or(&self.group);
        let texts = values(&group.dataset(stored, 1)?)?.texts();
        Ok(Values::Text(self.keep.of(texts)))
    }
    fn describe(&self, which: &Which) -> Result<Described> {
        let described = self.matrix(which)?.describe();
        Ok(Described {
            n_vars: self.keep.len(),
            ..described
        })
    }
    fn sample(&self, which: &Which) -> Result<Vec<f32>> {
        self.matrix(which)?.sample()
    }
    fn read(&self, which: &Which, notices: &mut Vec<String>) -> Result<Csr> {
        let mut x = self.matrix(which)?.read()?;
        tell(tidy(&mut x), notices);
        self.keep.tell(notices);
        Ok(self.keep.columns_of(x))
    }
    fn rows(&self, which: &Which) -> Result<Option<Parts>> {
        // where features are left out, all is read
        if self.keep.all() {
            self.matrix(which)?.rows()
        } else {
            Ok(None)
        }
    }
    fn pieces(
        &self,
        which: &Which,
        notices: &mut Vec<String>,
        take: &mut dyn FnMut(Piece) -> Result<()>,
    ) -> Result<()> {
        self.keep.tell(notices);
        self.matrix(which)?.pieces(notices, &mut |piece| {
            take(Piece {
                rows: self.keep.columns_of(piece.rows),
                ..piece
            })
        })
    }
}
