//! Predictions into a copy of an `.h5ad`: new members are added by HDF5's own library, all else stays as it
//! is stored.
use super::convert::{Conversion, convert};
use super::h5::Group;
use super::h5ad::frame::Frame;
use super::input::{Result, Which};
use super::open::{make_unique, prefixed};
use super::values::Values;
use super::write::{Hdf5, array, attribute, column, encoded, texts, unicode};
use crate::error::DataError;
use crate::leftovers::file_at;
use hdf5::types::VarLenUnicode;
use hdf5::{File, H5Type};
use std::collections::HashMap;
use std::path::Path;

/// What is added to a file.
#[derive(Clone, Debug, Default)]
pub struct Annotations {
    /// Columns of `obs`, a value a cell.
    pub obs: Vec<(String, Values)>,
    /// Genes of the panel, as the file names them, and their scores: `var["yoto_panel"]` and
    /// `var["yoto_score"]`, NaN of other genes.
    pub genes: Vec<(String, f32)>,
    /// Members of `obsm`: width, then n_obs x width values.
    pub obsm: Vec<(String, usize, Vec<f32>)>,
    /// Name and members of a dictionary in `uns`.
    pub uns: (String, Vec<(String, Entry)>),
}

/// A member of a dictionary.
#[derive(Clone, Debug, PartialEq)]
pub enum Entry {
    /// Text.
    Text(String),
    /// Texts.
    Texts(Vec<String>),
    /// Numbers.
    Numbers(Vec<f64>),
}

const ANEW: &str = "write it anew first: yoto-gpu convert DATA new.h5ad; or ask for --format csv";

/// Whether predictions can be added to a copy of a file as it is: an `.h5ad` whose frames are groups. Others
/// are converted.
fn is_plain(path: &Path) -> bool {
    let Ok(root) = Group::open(path) else {
        return false;
    };
    let group = |name: &str| matches!(Frame::open(&root, name, &root), Ok(Frame::Group(_)));
    root.has("X") && group("obs") && group("var")
}

/// Fills the empty file at `to` with the file at `from` and the annotations; it is `out` for the user. Gives
/// what the user should know.
///
/// # Errors
/// A file that cannot be read or written; one that HDF5's library does not open, such as one whose writer
/// was killed.
pub fn annotate(
    from: &Path,
    (to, out): (&Path, &Path),
    how: &Conversion,
    annotations: &Annotations,
) -> Result<Vec<String>> {
    let shown = from.display().to_string();
    let named = |e: DataError| DataError::new(prefixed(&shown, &e.what), e.hint);
    let mut notices = Vec::new();
    if is_plain(from) {
        copy(from, to).map_err(|e| full(out, &e))?;
    } else {
        notices.push(format!(
            "{shown} is no .h5ad of AnnData 0.7 or later with an X: it is converted first"
        ));
        if how.which != Which::X {
            notices.push(
                "X of the copy is the matrix that was read; other matrices are left out".into(),
            );
        }
        notices.extend(convert(from, to, how)?);
    }
    let root = Group::open(to).map_err(named)?;
    let open = |name: &str| Frame::open(&root, name, &root).map_err(named);
    let (obs, var) = (open("obs")?, open("var")?);
    let genes = genes(annotations, var.names().map_err(named)?, &mut notices);
    let (obs, var) = (obs.columns(), var.columns());
    for (name, columns) in [("obs", &annotations.obs), ("var", &genes)] {
        let there = if name == "obs" { &obs } else { &var };
        let again: Vec<&str> = columns
            .iter()
            .map(|c| c.0.as_str())
            .filter(|c| there.iter().any(|t| t == c))
            .collect();
        if !again.is_empty() {
            notices.push(format!(
                "columns that {name} has already are replaced in the copy: {}",
                again.join(", ")
            ));
        }
    }
    drop(root);
    let file = File::open_rw(to).map_err(|e| {
        DataError::new(
            format!(
                "{shown}: HDF5's library does not open a copy of it: {}",
                first(&e)
            ),
            ANEW,
        )
    })?;
    let write = || {
        frame(&file, "obs", obs, &annotations.obs)?;
        frame(&file, "var", var, &genes)?;
        for (name, width, values) in &annotations.obsm {
            let group = dictionary(&file, "obsm")?;
            matrix(&group, name, *width, values)?;
        }
        let (name, members) = &annotations.uns;
        let group = dictionary(&file, "uns")?;
        if group.link_exists(name) {
            group.unlink(name)?;
        }
        let group = group.create_group(name)?;
        encoded(&group, "dict", "0.1.0")?;
        for (name, entry) in members {
            match entry {
                Entry::Text(text) => {
                    let set = group.new_dataset::<VarLenUnicode>().create(name.as_str())?;
                    set.write_scalar(&unicode(text))?;
                    encoded(&set, "string", "0.2.0")?;
                }
                Entry::Texts(all) => texts(&group, name, all)?,
                Entry::Numbers(all) => array(&group, name, all)?,
            }
        }
        file.flush()
    };
    write().map_err(|e| {
        DataError::new(
            format!(
                "{shown}: predictions cannot be added to a copy of it: {}",
                first(&e)
            ),
            "check that the disk of --out has space for a copy of the file; or ask for --format csv",
        )
    })?;
    file.close().map_err(|e| full(out, &e))?;
    Ok(notices)
}

/// The columns of `var`.
fn genes(
    annotations: &Annotations,
    mut names: Vec<String>,
    notices: &mut Vec<String>,
) -> Vec<(String, Values)> {
    make_unique(&mut names);
    let scores: HashMap<&str, f32> = annotations
        .genes
        .iter()
        .map(|(name, score)| (name.as_str(), *score))
        .collect();
    let of = |name: &String| scores.get(name.as_str()).copied();
    let missing = scores.len() - names.iter().filter(|n| of(n).is_some()).count();
    if missing > 0 {
        // those of raw may be more than those of X
        notices.push(format!(
            "{missing} genes of the panel are not in var of the copy and have no score there"
        ));
    }
    let panel = names.iter().map(|n| Some(of(n).is_some())).collect();
    let score = names.iter().map(|n| of(n).map_or(f64::NAN, f64::from));
    vec![
        ("yoto_panel".into(), Values::Bool(panel)),
        ("yoto_score".into(), Values::Real(score.collect())),
    ]
}

fn first(e: &dyn std::fmt::Display) -> String {
    let text = e.to_string();
    let line = text.lines().next().unwrap_or_default();
    // HDF5 goes on with the time, the file's number and the like
    line.split(": time =").next().unwrap_or(line).to_owned()
}

fn full(to: &Path, e: &dyn std::fmt::Display) -> DataError {
    let to = to.display();
    DataError::new(
        format!("{to}: the copy cannot be written: {}", first(e)),
        "free some space, or name a file on another disk; what was there before is untouched",
    )
}

fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    // not fs::copy: the copy of a file that is read-only must be written
    let mut to = file_at(to, || std::fs::File::create(to))?;
    std::io::copy(&mut std::fs::File::open(from)?, &mut to)?;
    to.sync_all()
}

/// Adds columns to a frame.
fn frame(
    file: &File,
    name: &str,
    mut order: Vec<String>,
    columns: &[(String, Values)],
) -> Hdf5<()> {
    if columns.is_empty() {
        return Ok(());
    }
    let group = file.group(name)?;
    for (name, values) in columns {
        // HDF5 parts paths at slashes
        let name = name.replace(['/', '\0'], "_");
        if group.link_exists(&name) {
            group.unlink(&name)?;
        }
        // as AnnData 0.7 kept it
        let old = format!("__categories/{name}");
        if group.link_exists("__categories") && group.link_exists(&old) {
            group.unlink(&old)?;
        }
        column(&group, &name, values)?;
        if !order.contains(&name) {
            order.push(name);
        }
    }
    if group.attr_names()?.iter().any(|a| a == "column-order") {
        group.delete_attr("column-order")?;
    }
    let order: Vec<VarLenUnicode> = order.iter().map(|n| unicode(n)).collect();
    let builder = group.new_attr_builder().with_data(&order);
    builder.create("column-order")?;
    Ok(())
}

/// A dictionary of the root, made where it is not there.
fn dictionary(file: &File, name: &str) -> Hdf5<hdf5::Group> {
    if file.link_exists(name) {
        return file.group(name);
    }
    let group = file.create_group(name)?;
    encoded(&group, "dict", "0.1.0")?;
    Ok(group)
}

fn matrix<T: H5Type>(group: &hdf5::Group, name: &str, width: usize, values: &[T]) -> Hdf5<()> {
    if group.link_exists(name) {
        group.unlink(name)?;
    }
    let shape = (values.len() / width.max(1), width);
    let set = group.new_dataset::<T>().shape(shape).create(name)?;
    set.write_raw(values)?;
    attribute(&set, "encoding-type", "array")?;
    attribute(&set, "encoding-version", "0.2.0")
}
