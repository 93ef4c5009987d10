//! Reading, preparing and splitting; fixtures are made by `tests/fixtures/make_fixtures.py`.
#[path = "data/filters.rs"]
mod filters;
#[path = "data/hostile.rs"]
mod hostile;
#[path = "data/packed.rs"]
mod packed;
#[path = "data/prepare.rs"]
mod prepare;
#[path = "data/read.rs"]
mod read;
#[path = "data/split.rs"]
mod split;
#[path = "data/store.rs"]
mod store;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use yoto_gpu::data::dataset::{Column, Csr, Dataset};
use yoto_gpu::data::{Options, open};
use yoto_gpu::error::DataError;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name)
}

/// The counts that all fixtures hold.
fn counts() -> Vec<Vec<f32>> {
    let text = std::fs::read_to_string(fixture("counts.csv")).expect("counts.csv");
    let rows: Vec<Vec<f32>> = text
        .lines()
        .map(|l| l.split(',').map(|v| v.parse().expect("number")).collect())
        .collect();
    assert_eq!((rows.len(), rows[0].len()), (12, 7));
    rows
}

fn sparse(rows: &[Vec<f32>]) -> Csr {
    let mut x = Csr {
        n_obs: rows.len(),
        n_vars: rows[0].len(),
        indptr: vec![0],
        indices: vec![],
        values: vec![],
    };
    for row in rows {
        for (j, v) in row.iter().enumerate().filter(|(_, v)| **v != 0.0) {
            x.indices.push(j as u32);
            x.values.push(*v);
        }
        x.indptr.push(x.values.len());
    }
    x
}

fn dense(x: &Csr) -> Vec<Vec<f32>> {
    (0..x.n_obs)
        .map(|i| {
            let mut row = vec![0.0; x.n_vars];
            let (columns, values) = x.row(i);
            for (c, v) in columns.iter().zip(values) {
                row[*c as usize] = *v;
            }
            row
        })
        .collect()
}

fn names(of: &[&str]) -> Vec<String> {
    of.iter().map(ToString::to_string).collect()
}

fn read_columns(name: &str, columns: &[&str]) -> Result<Dataset, DataError> {
    read_path(&fixture(name), columns)
}

fn read_path(path: &Path, columns: &[&str]) -> Result<Dataset, DataError> {
    let options = Options {
        columns: names(columns),
        ..Options::default()
    };
    open(path, &options)
}

fn categorical(categories: &[&str], codes: Vec<Option<u32>>) -> Column {
    Column::Categorical {
        categories: names(categories),
        codes,
    }
}

/// A data set in memory.
fn dataset(rows: &[Vec<f32>], columns: Vec<(&str, Column)>) -> Dataset {
    Dataset {
        path: "memory".into(),
        x: sparse(rows),
        obs_names: (0..rows.len()).map(|i| format!("cell{i}")).collect(),
        var_names: (0..rows[0].len()).map(|j| format!("gene{j}")).collect(),
        columns: columns
            .into_iter()
            .map(|(n, c)| (n.to_string(), c))
            .collect::<BTreeMap<_, _>>(),
        notices: vec![],
        gene_ids: yoto_gpu::data::gene_ids::GeneIds::default(),
        has_raw: false,
    }
}

/// Asserts an error that says all of `parts` in its text or hint, in one line each.
#[track_caller]
fn refuses<T>(result: Result<T, DataError>, parts: &[&str]) {
    let Err(e) = result else {
        panic!("no error, expected one that says {parts:?}");
    };
    let all = format!("{} | {}", e.what, e.hint);
    assert!(
        !e.what.is_empty() && !e.hint.is_empty() && !all.contains('\n'),
        "{all}"
    );
    for part in parts {
        assert!(all.contains(part), "{part:?} is not in: {all}");
    }
}
