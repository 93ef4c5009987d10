//! What is in a file, without reading its matrices whole (text formats are read whole: they have no other way).
use super::input::{Axis, Described, Input, Result, Which};
use super::open::detect;
use super::prepare::HIGHEST_LOG;
use crate::error::DataError;
use crate::markup::quoted;
use serde::Serialize;
use std::path::Path;

/// Most classes of a label that is suggested.
const MOST_CLASSES: usize = 200;

/// What `inspect` found.
#[derive(Clone, Debug, Serialize)]
pub struct Inspection {
    /// As the user wrote it.
    pub path: String,
    /// Such as `h5ad (AnnData 0.8 or later)`.
    pub format: String,
    /// Cells.
    pub n_obs: usize,
    /// Genes of X.
    pub n_vars: usize,
    /// X (absent where there is none), then raw, then the layers.
    pub matrices: Vec<MatrixInfo>,
    /// Columns of cells.
    pub obs: Vec<ColumnInfo>,
    /// Columns of genes.
    pub var: Vec<String>,
    /// Parts that yoto-gpu does not read.
    pub others: Vec<String>,
    /// A command line to try next.
    pub next: String,
}

/// A matrix of the file.
#[derive(Clone, Debug, Serialize)]
pub struct MatrixInfo {
    /// `X`, `raw`, or the layer's name.
    pub name: String,
    /// The flag that reads it, such as `--layer counts`; empty for X.
    pub flag: String,
    /// Cells.
    pub n_obs: usize,
    /// Genes.
    pub n_vars: usize,
    /// `csr`, `csc`, `dense` or `text`.
    pub encoding: String,
    /// Type of the values, such as `float32`.
    pub dtype: String,
    /// Share of stored values (sparse), or of values that are not 0 among the looked-at ones (dense).
    pub density: f64,
    /// Values that were looked at.
    pub sampled: usize,
    /// Smallest and largest of them, null where there is none.
    pub min: Option<f32>,
    /// See `min`.
    pub max: Option<f32>,
    /// `counts`, `log values`, `scaled`, `not finite`, `normalised, not logs` or `empty`.
    /// Otherwise `unreadable`.
    pub looks_like: &'static str,
    /// Why it cannot be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// A column of `obs`.
#[derive(Clone, Debug, Serialize)]
pub struct ColumnInfo {
    /// Its name.
    pub name: String,
    /// `categorical`, `text`, `boolean`, `integer`, `float`, or `unreadable`.
    pub kind: &'static str,
    /// Distinct values.
    pub values: usize,
    /// Cells without a value.
    pub missing: usize,
    /// Why it cannot be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// Looks into a file of any format.
///
/// # Errors
/// A [`DataError`] whose text begins with the path.
pub fn inspect(path: &Path) -> Result<Inspection> {
    let shown = path.display().to_string();
    look(path).map_err(|e| DataError::new(super::open::prefixed(&shown, &e.what), e.hint))
}

fn look(path: &Path) -> Result<Inspection> {
    let input = detect(path, &[])?;
    let mut matrices = Vec::new();
    let mut all = vec![Which::X];
    all.extend(input.has_raw().then_some(Which::Raw));
    all.extend(input.layers().into_iter().map(Which::Layer));
    let mut first_error = None;
    for which in &all {
        match input
            .describe(which)
            .and_then(|d| matrix(&*input, which, &d))
        {
            Ok(found) => matrices.push(found),
            // a file may have no X
            Err(_) if *which == Which::X && all.len() > 1 && !input.has_x() => {}
            Err(e) => {
                matrices.push(unreadable(which, &e));
                first_error = first_error.or(Some(e));
            }
        }
    }
    let Some(first) = matrices.iter().find(|m| m.error.is_none()) else {
        return Err(first_error.unwrap_or_else(|| super::input::no_matrix(&*input, &Which::X)));
    };
    let (n_obs, n_vars) = (first.n_obs, first.n_vars);
    let mut obs = Vec::new();
    for name in input.columns(Axis::Obs) {
        obs.push(match input.column(Axis::Obs, &name) {
            Ok(v) => ColumnInfo {
                kind: v.kind(),
                values: v.distinct(),
                missing: v.missing(),
                error: None,
                name,
            },
            Err(e) => ColumnInfo {
                name,
                kind: "unreadable",
                values: 0,
                missing: 0,
                error: Some(e.what),
            },
        });
    }
    Ok(Inspection {
        path: path.display().to_string(),
        format: input.format().into(),
        n_obs,
        n_vars,
        next: next(path, &matrices, &obs, n_obs),
        matrices,
        obs,
        var: input.columns(Axis::Var),
        others: input.others(),
    })
}

fn matrix(input: &dyn Input, which: &Which, d: &Described) -> Result<MatrixInfo> {
    let sample = input.sample(which)?;
    let (name, flag) = named(which);
    let extreme = |f: fn(f32, f32) -> f32| sample.iter().copied().reduce(f);
    let (min, max) = (extreme(f32::min), extreme(f32::max));
    let looks_like = if sample.iter().any(|v| !v.is_finite()) {
        "not finite"
    } else if min.is_some_and(|v| v < 0.0) {
        "scaled"
    } else if sample.iter().all(|v| *v == 0.0) {
        "empty"
    } else if sample.iter().all(|v| v.fract() == 0.0) {
        "counts"
    } else if max.is_some_and(|v| v <= HIGHEST_LOG) {
        "log values"
    } else {
        "normalised, not logs"
    };
    let share = |part: f64, whole: f64| if whole > 0.0 { part / whole } else { 0.0 };
    let density = match d.stored {
        Some(n) => share(n as f64, d.n_obs as f64 * d.n_vars as f64),
        None => {
            let set = sample.iter().filter(|v| **v != 0.0).count();
            share(set as f64, sample.len() as f64)
        }
    };
    Ok(MatrixInfo {
        name,
        flag,
        n_obs: d.n_obs,
        n_vars: d.n_vars,
        encoding: d.encoding.into(),
        dtype: d.kind.clone(),
        density,
        sampled: sample.len(),
        min: min.filter(|v| v.is_finite()),
        max: max.filter(|v| v.is_finite()),
        looks_like,
        error: None,
    })
}

/// Name and flag of a matrix.
fn named(which: &Which) -> (String, String) {
    match which {
        Which::X => ("X".into(), String::new()),
        Which::Raw => ("raw".into(), "--raw".into()),
        Which::Layer(name) => (name.clone(), format!("--layer {}", quoted(name))),
    }
}

fn unreadable(which: &Which, e: &DataError) -> MatrixInfo {
    let (name, flag) = named(which);
    MatrixInfo {
        name,
        flag,
        n_obs: 0,
        n_vars: 0,
        encoding: "-".into(),
        dtype: String::new(),
        density: 0.0,
        sampled: 0,
        min: None,
        max: None,
        looks_like: "unreadable",
        error: Some(e.what.clone()),
    }
}

/// The command line to try: the best matrix, the column that most looks like cell types.
fn next(path: &Path, matrices: &[MatrixInfo], obs: &[ColumnInfo], n_obs: usize) -> String {
    let rank = |m: &&MatrixInfo| match m.looks_like {
        "counts" => 0,
        "log values" => 1,
        "normalised, not logs" => 2,
        _ => 3,
    };
    // X goes first among equals, and log values of X before counts elsewhere: that is the user's choice
    let best = match matrices.first() {
        Some(x) if x.flag.is_empty() && rank(&x) < 2 => Some(x),
        _ => matrices.iter().min_by_key(rank),
    };
    let told = [
        "cell_type",
        "celltype",
        "cell type",
        "label",
        "annotation",
        "cluster",
        "louvain",
        "leiden",
    ];
    let likely = |c: &ColumnInfo| {
        let name = c.name.to_lowercase();
        told.iter()
            .position(|t| name.contains(t))
            .unwrap_or(told.len())
    };
    let classes = |c: &&ColumnInfo| {
        let few = (2..=MOST_CLASSES.min(n_obs / 2)).contains(&c.values);
        few && match c.kind {
            "categorical" | "text" | "boolean" => true,
            "integer" => likely(c) < told.len(),
            _ => false,
        }
    };
    let label = obs.iter().filter(classes).min_by_key(|c| likely(c));
    let number = obs.iter().find(|c| c.kind == "float" && c.values > 1);
    let task = match (label, number) {
        (Some(c), _) => format!("--label {}", quoted(&c.name)),
        (None, Some(c)) => format!("--regress {}", quoted(&c.name)),
        _ => "--labels TABLE.csv --label COLUMN".into(),
    };
    let flag = best.map_or("", |m| m.flag.as_str());
    let space = if flag.is_empty() { "" } else { " " };
    let path = quoted(&path.display().to_string());
    format!("yoto-gpu train {path} {task}{space}{flag} --genes 32 --out run")
}

impl Inspection {
    /// As a table.
    #[must_use]
    pub fn text(&self) -> String {
        let mut out = format!(
            "{}: {}, {} cells x {} genes\n\n",
            self.path, self.format, self.n_obs, self.n_vars
        );
        let mut rows = vec![
            [
                "matrix",
                "genes",
                "stored as",
                "not 0",
                "range",
                "looks like",
            ]
            .map(str::to_owned),
        ];
        for m in &self.matrices {
            let range = match (m.min, m.max) {
                (Some(a), Some(b)) => format!("{} to {}", short(a), short(b)),
                _ => "-".into(),
            };
            rows.push([
                m.name.clone(),
                m.n_vars.to_string(),
                format!("{} {}", m.encoding, m.dtype),
                format!("{:.1} %", 100.0 * m.density),
                range,
                m.error
                    .clone()
                    .map_or(m.looks_like.to_owned(), |e| format!("unreadable: {e}")),
            ]);
        }
        out += &aligned(&rows);
        if self.obs.is_empty() {
            out += "\nobs has no columns: --labels takes them from a table\n";
        } else {
            let mut rows = vec![["obs column", "kind", "values", "missing"].map(str::to_owned)];
            for c in &self.obs {
                rows.push([
                    c.name.clone(),
                    c.error
                        .clone()
                        .map_or(c.kind.to_owned(), |e| format!("{}: {e}", c.kind)),
                    c.values.to_string(),
                    c.missing.to_string(),
                ]);
            }
            out += &format!("\n{}", aligned(&rows));
        }
        if !self.others.is_empty() {
            out += &format!("\nnot read: {}\n", self.others.join(", "));
        }
        out + &format!("\nnext: {}\n", self.next)
    }
}

/// In few characters.
fn short(v: f32) -> String {
    if v == 0.0 || (1e-3..1e7).contains(&v.abs()) {
        v.to_string()
    } else {
        format!("{v:e}")
    }
}

fn aligned<const N: usize>(rows: &[[String; N]]) -> String {
    let width = |i: usize| rows.iter().map(|r| r[i].chars().count()).max().unwrap_or(0);
    let mut out = String::new();
    for row in rows {
        let mut line = String::new();
        for (i, field) in row.iter().enumerate() {
            let pad = width(i) - field.chars().count();
            line += &format!("{field}{}  ", " ".repeat(pad));
        }
        out += line.trim_end();
        out.push('\n');
    }
    out
}
