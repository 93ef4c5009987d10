//! A simulation as an `.h5ad` file, block by block.
use super::{Cell, Role, Simulation};
use crate::error::DataError;
use crate::leftovers::file_at;
use hdf5::types::VarLenUnicode;
use hdf5::{Dataset, File, Group, H5Type, Location};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Cells that stand in memory at once.
const BLOCK: usize = 4096;
/// Values of a chunk (256 KiB).
const CHUNK: usize = 1 << 16;
/// Fast, and within a few percent of the best for counts.
const LEVEL: u8 = 1;

/// How X is stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Compression {
    /// Deflate.
    #[default]
    Gzip,
    /// Not at all.
    None,
}

type Result<T> = hdf5::Result<T>;

/// Writes the file beside its place and renames it there; gives the stored values.
///
/// # Errors
/// A file that is there already (unless `force`), or that cannot be written.
pub fn write(
    simulation: &Simulation,
    path: &Path,
    compression: Compression,
    force: bool,
) -> std::result::Result<usize, DataError> {
    let shown = path.display();
    if path.exists() && !force {
        return Err(DataError::new(
            format!("{shown} exists"),
            "name another file, or use --force to replace it",
        ));
    }
    let beside = Beside::of(path);
    let cannot = |e: String| {
        DataError::new(
            format!("{shown} cannot be written: {e}"),
            "name a file in a directory that you may write to, with space for it",
        )
    };
    let nnz = content(simulation, &beside.0, compression)
        .map_err(|e| cannot(e.to_string().lines().next().unwrap_or_default().to_owned()))?;
    std::fs::rename(&beside.0, path).map_err(|e| cannot(e.to_string()))?;
    Ok(nnz)
}

/// The file while it is written; removed where it was not renamed.
struct Beside(PathBuf);

impl Beside {
    fn of(path: &Path) -> Self {
        let mut name = std::ffi::OsString::from(".");
        name.push(path.file_name().unwrap_or_default());
        name.push(".tmp");
        Self(path.with_file_name(name))
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        // absent where it was renamed
        let _ = std::fs::remove_file(&self.0);
    }
}

fn content(simulation: &Simulation, path: &Path, compression: Compression) -> Result<usize> {
    let s = simulation.settings();
    let file = file_at(path, || File::create(path))?;
    encoding(&file, "anndata", "0.1.0")?;
    let x = file.create_group("X")?;
    encoding(&x, "csr_matrix", "0.1.0")?;
    let shape = [s.cells as i64, s.genes as i64];
    x.new_attr_builder().with_data(&shape).create("shape")?;
    let data = growing::<f32>(&x, "data", compression)?;
    // scipy wants indices and pointers of one type, and pointers must reach the stored values
    let expected = s.cells as f64 * s.genes as f64 * s.density;
    let wide = expected * 1.2 > f64::from(i32::MAX);
    let indices = if wide {
        growing::<i64>(&x, "indices", compression)?
    } else {
        growing::<i32>(&x, "indices", compression)?
    };
    let mut indptr = vec![0i64];
    let (mut class, mut donor, mut pseudotime) = (Vec::new(), Vec::new(), Vec::new());
    let mut nnz = 0;
    for first in (0..s.cells).step_by(BLOCK) {
        let cells: Vec<Cell> = simulation.block(first..s.cells.min(first + BLOCK));
        let counts: Vec<f32> = cells
            .iter()
            .flat_map(|c| &c.counts)
            .map(|&n| n as f32)
            .collect();
        let genes: Vec<i32> = cells
            .iter()
            .flat_map(|c| &c.genes)
            .map(|&g| g as i32)
            .collect();
        for (set, n) in [(&data, counts.len()), (&indices, genes.len())] {
            set.resize(nnz + n)?;
        }
        data.write_slice(&counts, nnz..nnz + counts.len())?;
        indices.write_slice(&genes, nnz..nnz + genes.len())?;
        for cell in &cells {
            indptr.push(indptr[indptr.len() - 1] + cell.genes.len() as i64);
            class.push(cell.class as i16);
            donor.push(cell.donor as i16);
            pseudotime.push(cell.pseudotime);
        }
        nnz += counts.len();
    }
    if wide {
        x.new_dataset_builder()
            .with_data(&indptr)
            .create("indptr")?;
    } else {
        let narrow: Vec<i32> = indptr.iter().map(|&p| p as i32).collect();
        x.new_dataset_builder()
            .with_data(&narrow)
            .create("indptr")?;
    }
    let numbered =
        |prefix: &str, n: usize| (0..n).map(|i| format!("{prefix}{i}")).collect::<Vec<_>>();
    let obs = frame(
        &file,
        "obs",
        &["class", "donor", "pseudotime"],
        &numbered("cell", s.cells),
    )?;
    categorical(&obs, "class", &numbered("class", s.classes), &class)?;
    categorical(&obs, "donor", &numbered("donor", s.donors), &donor)?;
    let set = obs
        .new_dataset_builder()
        .with_data(&pseudotime)
        .create("pseudotime")?;
    encoding(&set, "array", "0.2.0")?;
    variables(&file, simulation)?;
    for name in ["layers", "obsm", "obsp", "uns", "varm", "varp"] {
        let group = file.create_group(name)?;
        encoding(&group, "dict", "0.1.0")?;
    }
    file.flush()?;
    Ok(nnz)
}

/// `var`: what each gene was planted as, the class it marks, and the marker that it copies.
fn variables(file: &File, simulation: &Simulation) -> Result<()> {
    let names = simulation.var_names();
    let var = frame(file, "var", &["role", "marks", "copy_of"], &names)?;
    let roles = simulation.roles();
    let words = ["marker", "copy", "decoy", "gradient", "plain"].map(String::from);
    let codes: Vec<i16> = roles.iter().map(|r| r.code() as i16).collect();
    categorical(&var, "role", &words, &codes)?;
    let classes: Vec<String> = (0..simulation.settings().classes)
        .map(|c| format!("class{c}"))
        .collect();
    let marker = |role: &Role| match role {
        Role::Copy { of } => roles[*of as usize],
        other => *other,
    };
    let codes: Vec<i16> = roles
        .iter()
        .map(|r| match marker(r) {
            Role::Marker { class } => class as i16,
            _ => -1,
        })
        .collect();
    categorical(&var, "marks", &classes, &codes)?;
    let mut copied: Vec<u32> = roles
        .iter()
        .filter_map(|r| match r {
            Role::Copy { of } => Some(*of),
            _ => None,
        })
        .collect();
    copied.sort_unstable();
    copied.dedup();
    let codes: Vec<i32> = roles
        .iter()
        .map(|r| match r {
            Role::Copy { of } => copied.binary_search(of).map_or(-1, |i| i as i32),
            _ => -1,
        })
        .collect();
    let markers: Vec<String> = copied.iter().map(|g| names[*g as usize].clone()).collect();
    categorical(&var, "copy_of", &markers, &codes)
}

fn unicode(text: &str) -> VarLenUnicode {
    // the texts of this file hold no NUL
    text.parse().unwrap_or_default()
}

fn encoding(at: &Location, kind: &str, version: &str) -> Result<()> {
    for (name, value) in [("encoding-type", kind), ("encoding-version", version)] {
        at.new_attr::<VarLenUnicode>()
            .create(name)?
            .write_scalar(&unicode(value))?;
    }
    Ok(())
}

fn growing<T: H5Type>(group: &Group, name: &str, compression: Compression) -> Result<Dataset> {
    let builder = group.new_dataset::<T>().chunk(CHUNK).shape(0..);
    match compression {
        Compression::Gzip => builder.deflate(LEVEL).create(name),
        Compression::None => builder.create(name),
    }
}

fn texts(group: &Group, name: &str, texts: &[String]) -> Result<()> {
    let values: Vec<VarLenUnicode> = texts.iter().map(|t| unicode(t)).collect();
    let set = group
        .new_dataset_builder()
        .with_data(&values)
        .create(name)?;
    encoding(&set, "string-array", "0.2.0")
}

fn frame(file: &File, name: &str, columns: &[&str], index: &[String]) -> Result<Group> {
    let group = file.create_group(name)?;
    encoding(&group, "dataframe", "0.2.0")?;
    group
        .new_attr::<VarLenUnicode>()
        .create("_index")?
        .write_scalar(&unicode("_index"))?;
    let columns: Vec<VarLenUnicode> = columns.iter().map(|c| unicode(c)).collect();
    group
        .new_attr_builder()
        .with_data(&columns)
        .create("column-order")?;
    texts(&group, "_index", index)?;
    Ok(group)
}

fn categorical<T: H5Type>(
    frame: &Group,
    name: &str,
    categories: &[String],
    codes: &[T],
) -> Result<()> {
    let group = frame.create_group(name)?;
    encoding(&group, "categorical", "0.2.0")?;
    group
        .new_attr::<bool>()
        .create("ordered")?
        .write_scalar(&false)?;
    texts(&group, "categories", categories)?;
    let set = group
        .new_dataset_builder()
        .with_data(codes)
        .create("codes")?;
    encoding(&set, "array", "0.2.0")
}
