//! A directory of 10x Genomics: `matrix.mtx`, `features.tsv` or `genes.tsv`, and `barcodes.tsv`,
//! packed with gzip or not, with any common prefix.
//!
//! Source: Matrix Market exchange format, NIST 1996; 10x Genomics, "Feature-barcode matrices".
use super::input::Result;
use super::keep::expression;
use super::loaded::Loaded;
use super::text::{self, bad_line, unreadable};
use super::triples::Triples;
use super::values::Values;
use crate::error::DataError;
use std::io::BufRead;
use std::path::{Path, PathBuf};

const HINT: &str = "a directory of 10x has matrix.mtx, features.tsv (or genes.tsv) and barcodes.tsv, each \
                    with or without .gz";

/// Reads the directory, or the one around a `matrix.mtx`.
pub(crate) fn read(path: &Path) -> Result<Loaded> {
    let (matrix, stem) = if path.is_dir() {
        find(path)?
    } else {
        (path.to_owned(), prefix(path).unwrap_or_default())
    };
    let folder = matrix.parent().unwrap_or(Path::new("."));
    let beside = |names: &[&str]| {
        let all = names
            .iter()
            .flat_map(|n| [format!("{stem}{n}"), format!("{stem}{n}.gz")]);
        let mut there = all.map(|n| folder.join(n)).filter(|p| p.is_file());
        there.next().ok_or_else(|| {
            DataError::new(
                format!(
                    "{}: there is no {stem}{}",
                    folder.display(),
                    names.join(" or ")
                ),
                HINT,
            )
        })
    };
    let features = rows(&beside(&["features.tsv", "genes.tsv"])?)?;
    let barcodes = rows(&beside(&["barcodes.tsv"])?)?;
    let mut notices = Vec::new();
    let column = |at: usize| -> Option<Vec<String>> {
        features.iter().map(|r| r.get(at).cloned()).collect()
    };
    let first = |r: &Vec<String>| r.first().cloned().unwrap_or_default();
    let ids: Vec<String> = features.iter().map(first).collect();
    let types = column(2);
    let keep = expression(types.as_deref(), features.len());
    let x = matrix_market(&matrix, barcodes.len(), features.len(), &mut notices)?;
    keep.tell(&mut notices);
    let text = |v: Vec<String>| Values::Text(keep.of(v).into_iter().map(Some).collect());
    let mut var = vec![("gene_ids".to_owned(), text(ids.clone()))];
    if let Some(types) = types.clone() {
        var.push(("feature_types".into(), text(types)));
    }
    Ok(Loaded {
        format: "10x directory",
        x: keep.columns_of(x),
        obs_names: barcodes.iter().map(first).collect(),
        var_names: keep.of(column(1).unwrap_or(ids)),
        obs: Vec::new(),
        var,
        notices,
    })
}

/// What stands before `matrix.mtx` in a file's name.
fn prefix(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_str()?;
    let name = name.strip_suffix(".gz").unwrap_or(name);
    Some(name.strip_suffix("matrix.mtx")?.to_owned())
}

fn find(folder: &Path) -> Result<(PathBuf, String)> {
    let entries = std::fs::read_dir(folder).map_err(|e| unreadable(folder, &e))?;
    let mut found: Vec<(PathBuf, String)> = entries
        .filter_map(|e| {
            let path = e.ok()?.path();
            let stem = prefix(&path)?;
            Some((path, stem))
        })
        .collect();
    found.sort();
    found.dedup_by(|a, b| a.1 == b.1);
    match found.len() {
        0 => Err(DataError::new(
            format!(
                "{}: there is no matrix.mtx in this directory",
                folder.display()
            ),
            HINT,
        )),
        1 => Ok(found.remove(0)),
        n => Err(DataError::new(
            format!(
                "{}: there are {n} matrices in this directory",
                folder.display()
            ),
            format!("name one of them, such as {}", found[0].0.display()),
        )),
    }
}

/// The fields of each line, split at tabs.
fn rows(path: &Path) -> Result<Vec<Vec<String>>> {
    let mut rows = Vec::new();
    for (i, line) in (1..).zip(text::open(path)?.lines()) {
        let line = line.map_err(|e| match e.kind() {
            std::io::ErrorKind::InvalidData => bad_line(path, i, &e.to_string(), HINT),
            _ => unreadable(path, &e),
        })?;
        let line = line.trim_end_matches('\r');
        rows.push(
            line.split('\t')
                .map(|f| f.trim_matches('"').to_owned())
                .collect(),
        );
    }
    Ok(rows)
}

fn matrix_market(
    path: &Path,
    cells: usize,
    genes: usize,
    notices: &mut Vec<String>,
) -> Result<super::dataset::Csr> {
    let hint =
        "write it again as a coordinate matrix of genes x cells, such as scipy.io.mmwrite does";
    let bad = |line: u64, what: &str| bad_line(path, line, what, hint);
    let mut text = text::open(path)?;
    let (mut line, mut n) = (Vec::new(), 0u64);
    let mut next = |line: &mut Vec<u8>| -> Result<Option<u64>> {
        loop {
            line.clear();
            let read = text.read_until(b'\n', line);
            n += 1;
            match read.map_err(|e| unreadable(path, &e))? {
                0 => return Ok(None),
                _ if n > 1 && line.starts_with(b"%") => {}
                _ if n > 1 && line.trim_ascii().is_empty() => {}
                _ => return Ok(Some(n)),
            }
        }
    };
    next(&mut line)?;
    let head = String::from_utf8_lossy(&line).to_lowercase();
    let words: Vec<&str> = head.split_ascii_whitespace().collect();
    let pattern = match words[..] {
        ["%%matrixmarket", "matrix", "coordinate", kind, "general"]
            if ["integer", "real", "pattern"].contains(&kind) =>
        {
            kind == "pattern"
        }
        _ => {
            return Err(bad(
                1,
                "it must begin with %%MatrixMarket matrix coordinate (integer, real or pattern) general",
            ));
        }
    };
    let at = next(&mut line)?.ok_or_else(|| bad(2, "the sizes are missing"))?;
    let sizes: Vec<u64> = fields(&line).filter_map(whole).collect();
    let [a, b, nnz] = sizes[..] else {
        return Err(bad(at, "expected three sizes: rows, columns, values"));
    };
    // genes are rows; some write the transpose
    let turned = (a, b) == (cells as u64, genes as u64) && cells != genes;
    if !turned && (a, b) != (genes as u64, cells as u64) {
        let what =
            format!("the matrix is {a} x {b}, but there are {genes} genes and {cells} barcodes");
        return Err(bad(at, &what));
    }
    if turned {
        notices
            .push("the matrix is stored as cells x genes, the transpose of what 10x writes".into());
    }
    let mut triples = Triples::default();
    while let Some(at) = next(&mut line)? {
        let mut f = fields(&line);
        let place = (f.next().and_then(whole), f.next().and_then(whole));
        let value = if pattern {
            Some(1.0)
        } else {
            f.next().and_then(real)
        };
        let ((Some(row), Some(column)), Some(value)) = (place, value) else {
            return Err(bad(at, "expected row, column and value"));
        };
        if row == 0 || row > a || column == 0 || column > b {
            let what = format!("the place ({row}, {column}) lies outside of {a} x {b}");
            return Err(bad(at, &what));
        }
        let (gene, cell) = if turned { (column, row) } else { (row, column) };
        triples.push(cell as u32 - 1, gene as u32 - 1, value);
        if triples.len() as u64 > nnz {
            break;
        }
    }
    if triples.len() as u64 != nnz {
        let what = format!(
            "the sizes say {nnz} values, but there are {}{}",
            triples.len(),
            if triples.len() as u64 > nnz {
                " or more"
            } else {
                ": it is cut short"
            }
        );
        return Err(bad(at, &what));
    }
    triples.matrix(cells, genes, notices)
}

fn fields(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(u8::is_ascii_whitespace)
        .filter(|f| !f.is_empty())
}

fn whole(field: &[u8]) -> Option<u64> {
    if field.len() > 10 {
        return None;
    }
    field.iter().try_fold(0u64, |n, b| {
        b.is_ascii_digit().then(|| n * 10 + u64::from(b - b'0'))
    })
}

fn real(field: &[u8]) -> Option<f32> {
    match whole(field) {
        Some(n) => Some(n as f32),
        None => std::str::from_utf8(field).ok()?.parse().ok(),
    }
}
