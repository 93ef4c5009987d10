//! Tables of text: dense (a row a cell, or a row a gene) or long (cell, gene, value).
use super::input::Result;
use super::loaded::Loaded;
use super::text::{self, unreadable};
use super::triples::Triples;
use super::values::Values;
use crate::error::DataError;
use csv::StringRecord;
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

const HINT: &str = "a table has a header and a row a cell (name, then a number a gene), or the three columns \
                    cell, gene, value";

/// Opens a table and reads its header; the separator is the one that the header has most of.
pub(crate) fn reader(path: &Path) -> Result<(csv::Reader<impl Read + use<>>, Vec<String>)> {
    let mut text = text::open(path)?;
    let mut head = Vec::new();
    text.read_until(b'\n', &mut head)
        .map_err(|e| unreadable(path, &e))?;
    let count = |s: u8| head.iter().filter(|b| **b == s).count();
    let separator = b"\t,; "
        .iter()
        .copied()
        .max_by_key(|s| (count(*s), *s != b' '));
    let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&head).to_vec();
    let rest = BufReader::new(std::io::Cursor::new(head).chain(text));
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(separator.unwrap_or(b','))
        .flexible(true)
        .has_headers(true)
        .from_reader(rest);
    let header = reader.headers().map_err(|e| bad(path, &e))?;
    let header: Vec<String> = header.iter().map(|f| f.trim().to_owned()).collect();
    if header.len() < 2 {
        return Err(DataError::new(
            format!(
                "{}: the header has {} columns",
                path.display(),
                header.len()
            ),
            HINT,
        ));
    }
    Ok((reader, header))
}

/// The error of a record that cannot be read.
pub(crate) fn bad(path: &Path, e: &csv::Error) -> DataError {
    let line = e
        .position()
        .map_or(String::new(), |p| format!("line {}: ", p.line()));
    let what = match e.kind() {
        csv::ErrorKind::Utf8 { .. } => "it is not UTF-8".to_owned(),
        _ => e.to_string(),
    };
    let hint = if matches!(e.kind(), csv::ErrorKind::Io(_)) {
        "the file may be cut short: copy or download it again"
    } else {
        "the table must be text in UTF-8; save it again from the program that made it"
    };
    DataError::new(format!("{}: {line}{what}", path.display()), hint)
}

/// Whether a field says that there is no value.
pub(crate) fn is_missing(field: &str) -> bool {
    ["", "NA", "NaN", "nan", "NULL", "null", "None", "N/A"].contains(&field)
}

/// Reads a table; `columns` are columns of `obs` although they may hold numbers.
pub(crate) fn read(path: &Path, columns: &[String]) -> Result<Loaded> {
    let (mut reader, mut header) = reader(path)?;
    let mut record = StringRecord::new();
    let mut first = Vec::new();
    // the kind of the table is told by its first rows
    while first.len() < 20 && reader.read_record(&mut record).map_err(|e| bad(path, &e))? {
        first.push(record.clone());
    }
    let Some(row) = first.first() else {
        return Err(DataError::new(
            format!("{}: the table has no rows", path.display()),
            HINT,
        ));
    };
    // R leaves the name of the first column out
    if row.len() == header.len() + 1 {
        header.insert(0, String::new());
    }
    let number = |f: &str| is_missing(f.trim()) || f.trim().parse::<f64>().is_ok();
    let text_column = |i: usize| first.iter().any(|r| r.get(i).is_some_and(|f| !number(f)));
    let rest = std::iter::from_fn(|| match reader.read_record(&mut record) {
        Ok(true) => Some(Ok(record.clone())),
        Ok(false) => None,
        Err(e) => Some(Err(bad(path, &e))),
    });
    let rows = first.iter().cloned().map(Ok).chain(rest);
    if header.len() == 3 && text_column(0) && text_column(1) && !text_column(2) {
        long(path, &header, rows)
    } else {
        let apart: Vec<bool> = (0..header.len())
            .map(|i| i > 0 && (columns.contains(&header[i]) || text_column(i)))
            .collect();
        dense(path, &header, &apart, rows)
    }
}

fn wrong(path: &Path, row: &StringRecord, what: &str) -> DataError {
    let line = row.position().map_or(0, csv::Position::line);
    DataError::new(format!("{}: line {line}: {what}", path.display()), HINT)
}

fn value(path: &Path, row: &StringRecord, i: usize, column: &str) -> Result<f32> {
    let field = row.get(i).unwrap_or_default().trim();
    field.parse().map_err(|_| {
        wrong(
            path,
            row,
            &format!("{field:?} in column {column:?} is no number"),
        )
    })
}

fn long(
    path: &Path,
    header: &[String],
    rows: impl Iterator<Item = Result<StringRecord>>,
) -> Result<Loaded> {
    let is_gene = |h: &String| {
        ["gene", "feature"]
            .iter()
            .any(|g| h.to_lowercase().contains(g))
    };
    let gene_first = is_gene(&header[0]) && !is_gene(&header[1]);
    let mut names: [(Vec<String>, HashMap<String, u32>); 2] = Default::default();
    let mut triples = Triples::default();
    for row in rows {
        let row = row?;
        if row.len() != 3 {
            return Err(wrong(
                path,
                &row,
                &format!("{} columns, expected 3", row.len()),
            ));
        }
        let value = value(path, &row, 2, &header[2])?;
        let mut place = [0; 2];
        for (side, place) in place.iter_mut().enumerate() {
            let name = row[usize::from((side == 1) != gene_first)].trim();
            let (list, known) = &mut names[side];
            *place = match known.get(name) {
                Some(at) => *at,
                None => {
                    let at = list.len() as u32;
                    list.push(name.to_owned());
                    known.insert(name.to_owned(), at);
                    at
                }
            };
        }
        triples.push(place[0], place[1], value);
    }
    let mut notices = Vec::new();
    let [(obs_names, _), (var_names, _)] = names;
    let x = triples.matrix(obs_names.len(), var_names.len(), &mut notices)?;
    Ok(Loaded {
        format: "long table",
        x,
        obs_names,
        var_names,
        obs: Vec::new(),
        var: Vec::new(),
        notices,
    })
}

/// Whether names are those of genes, rather than of cells.
fn of_genes<'a>(names: impl Iterator<Item = &'a String>) -> bool {
    let known = [
        "ACTB", "GAPDH", "B2M", "MALAT1", "RPL13", "RPS6", "EEF1A1", "TMSB4X",
    ];
    let ensembl = |n: &str| {
        let digits = n.trim_start_matches("ENS").trim_start_matches("MUS");
        n.starts_with("ENS") && digits.strip_prefix('G').is_some_and(|d| d.len() >= 9)
    };
    names.into_iter().any(|n| {
        let n = n.to_uppercase();
        known.contains(&n.as_str()) || ensembl(n.split('.').next().unwrap_or_default())
    })
}

fn dense(
    path: &Path,
    header: &[String],
    apart: &[bool],
    rows: impl Iterator<Item = Result<StringRecord>>,
) -> Result<Loaded> {
    let mut names = Vec::new();
    let mut triples = Triples::default();
    let mut columns: Vec<Vec<String>> = vec![Vec::new(); header.len()];
    for row in rows {
        let row = row?;
        if row.len() != header.len() {
            let what = format!("{} columns, but the header has {}", row.len(), header.len());
            return Err(wrong(path, &row, &what));
        }
        let cell = names.len() as u32;
        names.push(row[0].trim().to_owned());
        let mut gene = 0;
        for i in 1..row.len() {
            if apart[i] {
                columns[i].push(row[i].trim().to_owned());
                continue;
            }
            let value = value(path, &row, i, &header[i])?;
            if value != 0.0 {
                triples.push(cell, gene, value);
            }
            gene += 1;
        }
    }
    let numeric = (1..header.len()).filter(|i| !apart[*i]);
    let others: Vec<String> = numeric.map(|i| header[i].clone()).collect();
    if others.is_empty() {
        return Err(DataError::new(
            format!("{}: no column but the first holds numbers", path.display()),
            HINT,
        ));
    }
    let mut notices = Vec::new();
    let turned = of_genes(names.iter()) && !of_genes(others.iter());
    if turned {
        notices.push("the rows of the table are genes, its columns cells".into());
    }
    let x = if turned {
        triples
            .turned()
            .matrix(others.len(), names.len(), &mut notices)?
    } else {
        triples.matrix(names.len(), others.len(), &mut notices)?
    };
    let kept = (1..header.len()).filter(|i| apart[*i]);
    let frame = kept
        .map(|i| (header[i].clone(), typed(std::mem::take(&mut columns[i]))))
        .collect();
    let (obs_names, var_names) = if turned {
        (others, names)
    } else {
        (names, others)
    };
    let (obs, var) = if turned {
        (Vec::new(), frame)
    } else {
        (frame, Vec::new())
    };
    Ok(Loaded {
        format: "dense table",
        x,
        obs_names,
        var_names,
        obs,
        var,
        notices,
    })
}

/// Whole numbers, numbers or text, whatever fits all fields.
pub(crate) fn typed(fields: Vec<String>) -> Values {
    let some = |f: &String| !is_missing(f);
    let there = fields.iter().any(some);
    if there && fields.iter().all(|f| !some(f) || f.parse::<i64>().is_ok()) {
        return Values::Whole(fields.iter().map(|f| f.parse().ok()).collect());
    }
    if there && fields.iter().all(|f| !some(f) || f.parse::<f64>().is_ok()) {
        let number = |f: &String| f.parse().unwrap_or(f64::NAN);
        return Values::Real(fields.iter().map(number).collect());
    }
    Values::Text(fields.into_iter().map(|f| Some(f).filter(some)).collect())
}
