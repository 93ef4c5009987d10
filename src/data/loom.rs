//! `.loom`, version 3 and earlier: a dense matrix of genes x cells with an attribute list for each side.
use super::dataset::Csr;
use super::h5::{Dataset, Group, Object};
use super::h5ad::frame::values;
use super::input::{Axis, Described, Input, Piece, Result, Which, no_matrix};
use super::stored::Stored;
use super::tidy::{tell, tidy};
use super::values::Values;

/// An open file.
#[derive(Debug)]
pub(crate) struct Loom {
    root: Group,
    rows: Group,
    columns: Group,
}

/// Names that hold the names of genes and of cells, the first one that is there.
const GENES: [&str; 4] = ["Gene", "var_names", "GeneName", "Accession"];
const CELLS: [&str; 4] = ["CellID", "obs_names", "cell_id", "barcode"];

impl Loom {
    /// Opens what has a `matrix`, `row_attrs` and `col_attrs`.
    pub(crate) fn new(root: Group) -> Result<Self> {
        Ok(Self {
            rows: root.group("row_attrs")?,
            columns: root.group("col_attrs")?,
            root,
        })
    }

    fn side(&self, axis: Axis) -> (&Group, Option<&'static str>) {
        let (group, names) = match axis {
            Axis::Obs => (&self.columns, CELLS),
            Axis::Var => (&self.rows, GENES),
        };
        (group, names.into_iter().find(|n| group.has(n)))
    }

    fn names(&self, axis: Axis) -> Result<Vec<String>> {
        let (group, name) = self.side(axis);
        let Some(name) = name else {
            // loompy itself asks for no names: number them
            let set = self.root.dataset("matrix", 2)?;
            let n = set.shape[usize::from(axis == Axis::Obs)];
            return Ok((0..n).map(|i| i.to_string()).collect());
        };
        let names = values(&group.dataset(name, 1)?)?.texts();
        Ok(names.into_iter().map(Option::unwrap_or_default).collect())
    }

    fn matrix(&self, which: &Which) -> Result<Stored> {
        let set: Dataset = match which {
            Which::X => self.root.dataset("matrix", 2)?,
            Which::Layer(name) if self.layers().contains(name) => {
                self.root.group("layers")?.dataset(name, 2)?
            }
            _ => return Err(no_matrix(self, which)),
        };
        let (cells, genes) = (self.names(Axis::Obs)?.len(), self.names(Axis::Var)?.len());
        Stored::dense(set, false)?.expect(cells, genes)
    }
}

impl Input for Loom {
    fn format(&self) -> &'static str {
        "loom"
    }
    fn obs_names(&self) -> Result<Vec<String>> {
        self.names(Axis::Obs)
    }
    fn var_names(&self, _: &Which) -> Result<Vec<String>> {
        self.names(Axis::Var)
    }
    fn columns(&self, axis: Axis) -> Vec<String> {
        let (group, names) = self.side(axis);
        let flat = |n: &&str| {
            Some(*n) != names
                && matches!(group.get(n), Ok(Object::Dataset(s)) if s.shape.len() == 1)
        };
        group.names().filter(flat).map(str::to_owned).collect()
    }
    fn column(&self, axis: Axis, name: &str) -> Result<Values> {
        values(&self.side(axis).0.dataset(name, 1)?)
    }
    fn layers(&self) -> Vec<String> {
        match self.root.has("layers").then(|| self.root.group("layers")) {
            Some(Ok(layers)) => layers.names().map(str::to_owned).collect(),
            _ => Vec::new(),
        }
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
    fn pieces(
        &self,
        which: &Which,
        notices: &mut Vec<String>,
        take: &mut dyn FnMut(Piece) -> Result<()>,
    ) -> Result<()> {
        self.matrix(which)?.pieces(notices, take)
    }
    fn others(&self) -> Vec<String> {
        let graph = |n: &&str| self.root.group(n).is_ok_and(|g| g.names().next().is_some());
        let all = ["row_graphs", "col_graphs"].into_iter().filter(graph);
        all.map(str::to_owned).collect()
    }
}
