//! Every format and layout reads as the counts that it was made from; the files are made by
//! `tests/fixtures/make_formats.py`, by the libraries that users have.
use std::path::{Path, PathBuf};
use yoto_gpu::data::dataset::{Column, Dataset};
use yoto_gpu::data::inspect::{Inspection, inspect};
use yoto_gpu::data::{Conversion, Options, Which, convert, open};
use yoto_gpu::error::DataError;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/formats")
        .join(name)
}

fn counts() -> Vec<Vec<f32>> {
    let text = std::fs::read_to_string(fixture("../counts.csv")).expect("counts.csv");
    let row = |l: &str| l.split(',').map(|v| v.parse().expect("number")).collect();
    let rows: Vec<Vec<f32>> = text.lines().map(row).collect();
    assert_eq!((rows.len(), rows[0].len()), (12, 7));
    rows
}

fn read_as(name: &str, which: Which, columns: &[&str]) -> Result<Dataset, DataError> {
    let options = Options {
        columns: columns.iter().map(ToString::to_string).collect(),
        which,
        labels: None,
    };
    open(&fixture(name), &options)
}

fn layer(name: &str) -> Which {
    Which::Layer(name.into())
}

fn dense(d: &Dataset) -> Vec<Vec<f32>> {
    (0..d.x.n_obs)
        .map(|i| {
            let mut row = vec![0.0; d.x.n_vars];
            let (columns, values) = d.x.row(i);
            assert!(columns.is_sorted_by(|a, b| a < b) && values.iter().all(|v| *v != 0.0));
            for (c, v) in columns.iter().zip(values) {
                row[*c as usize] = *v;
            }
            row
        })
        .collect()
}

fn texts(column: &Column) -> Vec<Option<String>> {
    let Column::Categorical { categories, codes } = column else {
        panic!("numbers");
    };
    let text = |c: &Option<u32>| c.map(|c| categories[c as usize].clone());
    codes.iter().map(text).collect()
}

/// The cell types of the fixtures.
fn types() -> Vec<Option<String>> {
    let half = [
        Some("beta"),
        Some("alpha"),
        None,
        Some("beta"),
        Some("alpha"),
        Some("beta"),
    ];
    let all = [half, half].concat();
    all.into_iter().map(|t| t.map(str::to_owned)).collect()
}

/// What the label column of each file that has one must be, and the names.
#[test]
fn every_format_reads_as_the_same_counts() {
    let labelled = [
        ("modern.h5ad", layer("csr_bool")),
        ("anndata_0.6.h5ad", Which::Raw),
        ("anndata_0.7.h5ad", Which::X),
        ("hdf5_latest.h5ad", Which::X),
        ("hdf5_v108.h5ad", Which::X),
        ("dense.csv", Which::X),
        ("loompy.loom", Which::X),
    ];
    let wanted = counts();
    for (name, which) in labelled {
        let extra: &[&str] = if name == "dense.csv" { &["batch"] } else { &[] };
        let columns = [&["cell_type"], extra].concat();
        let d = read_as(name, which, &columns).unwrap_or_else(|e| panic!("{name}: {e}"));
        if name == "modern.h5ad" {
            let ones = wanted
                .iter()
                .map(|r| r.iter().map(|v| f32::from(*v > 0.0)).collect());
            assert_eq!(dense(&d), ones.collect::<Vec<Vec<f32>>>(), "{name}");
        } else {
            assert_eq!(dense(&d), wanted, "{name}");
        }
        assert_eq!(
            (&*d.obs_names[11], &*d.var_names[6]),
            ("cell11", "GENE6"),
            "{name}"
        );
        let mut types = types();
        if name == "loompy.loom" {
            // loom has no missing text
            types
                .iter_mut()
                .for_each(|t| *t = Some(t.take().unwrap_or_default()));
        }
        assert_eq!(texts(&d.columns["cell_type"]), types, "{name}");
    }
    for name in [
        "tenx_v3.h5",
        "tenx_v2.h5",
        "tenx_v3",
        "tenx_v2",
        "tenx_v2/matrix.mtx",
        "dense_r.tsv.gz",
    ] {
        let d = read_as(name, Which::X, &[]).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(dense(&d), wanted, "{name}");
        assert_eq!(
            (&*d.obs_names[11], &*d.var_names[6]),
            ("cell11", "GENE6"),
            "{name}"
        );
        let told = d
            .notices
            .iter()
            .any(|n| n.contains("1 features") && n.contains("Antibody"));
        assert_eq!(told, name.starts_with("tenx_v3"), "{name}: {:?}", d.notices);
    }
    let d = read_as("genes_in_rows.csv", Which::X, &[]).expect("reads");
    assert_eq!(dense(&d), wanted);
    assert_eq!((&*d.obs_names[11], &*d.var_names[0]), ("cell11", "ACTB"));
    assert!(
        d.notices[0].contains("rows of the table are genes"),
        "{:?}",
        d.notices
    );
    let d = read_as("long.csv.gz", Which::X, &[]).expect("reads");
    assert_eq!(dense(&d), wanted);
    assert_eq!((&*d.obs_names[11], &*d.var_names[6]), ("cell11", "GENE6"));
    // the comparison can fail
    let spliced = read_as("loompy.loom", layer("spliced"), &[]).expect("reads");
    assert_ne!(dense(&spliced), wanted);
}

#[test]
fn layers_of_every_width_and_index_read_alike() {
    let wanted = counts();
    let mut read = 0;
    for name in ["modern.h5ad", "hdf5_latest.h5ad", "hdf5_v108.h5ad"] {
        for matrix in inspect(&fixture(name)).expect("inspects").matrices {
            let which = layer(&matrix.name);
            let is_layer = matrix.flag.starts_with("--layer");
            if !is_layer || ["bool", "csr_bool", "holes"].contains(&&*matrix.name) {
                continue;
            }
            let d = read_as(name, which, &[]).unwrap_or_else(|e| panic!("{}: {e}", matrix.name));
            assert_eq!(dense(&d), wanted, "{name} {}", matrix.name);
            read += 1;
        }
    }
    assert_eq!(read, 13 + 2 * 11, "layers of the three files");
    let holes = dense(&read_as("hdf5_latest.h5ad", layer("holes"), &[]).expect("reads"));
    assert_eq!(
        (&holes[..4], &holes[4..]),
        (&wanted[..4], &vec![vec![9.0; 7]; 8][..])
    );
    let ones = read_as("modern.h5ad", layer("bool"), &[]).expect("reads");
    assert_eq!(
        dense(&ones)[0],
        wanted[0]
            .iter()
            .map(|v| f32::from(*v > 0.0))
            .collect::<Vec<_>>()
    );
}

#[test]
fn filters_are_undone_or_named() {
    let wanted = read_as("filters.h5ad", Which::X, &[]).expect("reads").x;
    assert_eq!((wanted.n_obs, wanted.n_vars), (240, 21));
    let (mut read, mut refused) = (0, Vec::new());
    for matrix in inspect(&fixture("filters.h5ad"))
        .expect("inspects")
        .matrices
    {
        if matrix.name == "X" {
            continue;
        }
        match read_as("filters.h5ad", layer(&matrix.name), &[]) {
            Ok(d) => {
                assert_eq!(d.x, wanted, "{}", matrix.name);
                read += 1;
            }
            Err(e) => {
                assert!(e.hint.contains("compression=\"gzip\""), "{}", e.hint);
                assert!(
                    e.what.contains(&format!("layers/{}", matrix.name)),
                    "{}",
                    e.what
                );
                assert!(matrix.error.is_some());
                refused.push(matrix.name);
            }
        }
    }
    assert_eq!(
        refused,
        [
            "bitshuffle",
            "blosc2",
            "blosc_snappy_1",
            "bzip2",
            "scaleoffset"
        ]
    );
    assert_eq!(read, 12);
}

#[test]
fn raw_and_layers_are_asked_for_by_name() {
    let d = read_as("modern.h5ad", Which::Raw, &[]).expect("reads");
    assert_eq!((d.x.n_vars, &*d.var_names[7]), (8, "ONLY_RAW"));
    assert_eq!(dense(&d)[3][7], 3.0);
    assert!(!d.has_raw, "raw itself was read");
    assert!(
        read_as("modern.h5ad", Which::X, &[])
            .expect("reads")
            .has_raw
    );
    let e = read_as("modern.h5ad", layer("count"), &[]).expect_err("no such layer");
    assert!(
        e.what.contains("\"count\"") && e.hint.contains("csc_uint8"),
        "{e} {}",
        e.hint
    );
    let e = read_as("anndata_0.7.h5ad", Which::Raw, &[]).expect_err("no raw");
    assert!(e.what.contains("no raw"), "{e}");
}

#[test]
fn old_columns_keep_their_kinds() {
    let d = read_as("anndata_0.6.h5ad", Which::X, &["site", "score", "large"]).expect("reads");
    assert_eq!(
        texts(&d.columns["site"])[..2],
        [Some("µ".into()), Some("left".into())]
    );
    assert_eq!(
        texts(&d.columns["large"])[6..8],
        [Some("False".into()), Some("True".into())]
    );
    assert!(matches!(&d.columns["score"], Column::Numeric(v) if v[11] == 2.75));
    assert_eq!(dense(&d)[4], [-1.0; 7]);
}

#[test]
fn labels_come_from_a_table_by_cell_name() {
    let options = Options {
        columns: vec!["kind".into(), "age".into()],
        which: Which::X,
        labels: Some(fixture("labels.tsv")),
    };
    let d = open(&fixture("tenx_v2"), &options).expect("reads");
    // the table is upside down, row 5 (cell06) is not in it
    let mut wanted: Vec<_> = types().into_iter().rev().collect();
    wanted[6] = None;
    assert_eq!(texts(&d.columns["kind"]), wanted);
    assert!(matches!(&d.columns["age"], Column::Numeric(v) if v[0] == 5.5 && v[6].is_nan()));
    assert!(
        d.notices[0].contains("11 of 12 cells") && d.notices[0].contains("1 rows are of cells"),
        "{:?}",
        d.notices
    );
    let e = open(
        &fixture("filters.h5ad"),
        &Options {
            labels: Some(fixture("labels.tsv")),
            ..options.clone()
        },
    )
    .expect_err("no cell is named so");
    assert!(
        e.what.contains("labels.tsv") && e.hint.contains("\"obs0\""),
        "{e} {}",
        e.hint
    );
    let e = open(
        &fixture("tenx_v2"),
        &Options {
            columns: vec!["kinds".into()],
            ..options
        },
    )
    .expect_err("no such column");
    assert!(e.hint.contains("did you mean \"kind\""), "{}", e.hint);
}

#[test]
fn a_file_is_described_without_being_read() {
    let found = inspect(&fixture("modern.h5ad")).expect("inspects");
    assert_eq!((found.n_obs, found.n_vars), (12, 7));
    let matrix = |name: &str| {
        found
            .matrices
            .iter()
            .find(|m| m.name == name)
            .expect("matrix")
    };
    assert_eq!(matrix("X").looks_like, "scaled");
    assert_eq!(
        (matrix("raw").looks_like, matrix("raw").n_vars),
        ("counts", 8)
    );
    assert_eq!(
        (&*matrix("float16").dtype, &*matrix("float16").encoding),
        ("float16", "dense")
    );
    let kinds: Vec<_> = found
        .obs
        .iter()
        .map(|c| (&*c.name, c.kind, c.values, c.missing))
        .collect();
    let wanted = [
        ("cell_type", "categorical", 2, 2),
        ("size", "categorical", 2, 0),
        ("note", "text", 11, 1),
    ];
    assert_eq!(kinds, wanted);
    assert!(
        found.next.contains("--label cell_type --raw"),
        "{}",
        found.next
    );
    assert!(
        found.text().contains("cell_type   categorical  2       2"),
        "{}",
        found.text()
    );
}

#[test]
fn converted_files_read_as_their_source() {
    let dir = tempfile::tempdir().expect("tempdir");
    let to = dir.path().join("out.h5ad");
    let mut how = Conversion::default();
    for name in [
        "anndata_0.6.h5ad",
        "anndata_0.7.h5ad",
        "tenx_v3",
        "loompy.loom",
        "dense.csv",
    ] {
        convert(&fixture(name), &to, &how).expect(name);
        how.force = true;
        let (a, b) = (
            inspect(&fixture(name)).expect(name),
            inspect(&to).expect(name),
        );
        let shape = |i: &Inspection| {
            let obs: Vec<_> = i
                .obs
                .iter()
                .map(|c| (c.name.clone(), c.values, c.missing))
                .collect();
            (i.n_obs, i.n_vars, obs, i.var.clone())
        };
        assert_eq!(shape(&a), shape(&b), "{name}");
        let columns: Vec<String> = a.obs.iter().map(|c| c.name.clone()).collect();
        for m in &a.matrices {
            let options = Options {
                columns: columns.clone(),
                which: match &*m.name {
                    "X" => Which::X,
                    "raw" => Which::Raw,
                    other => layer(other),
                },
                labels: None,
            };
            let old = open(&fixture(name), &options).expect(name);
            let new = open(&to, &options).expect(name);
            assert_eq!(old.x, new.x, "{name} {}", m.name);
            assert_eq!(
                (old.obs_names, old.var_names),
                (new.obs_names, new.var_names)
            );
            for c in &columns {
                match (&old.columns[c], &new.columns[c]) {
                    (Column::Numeric(a), Column::Numeric(b)) => assert_eq!(a, b, "{name} {c}"),
                    (a, b) => assert_eq!(texts(a), texts(b), "{name} {c}"),
                }
            }
        }
    }
    how.force = false;
    let e = convert(&fixture("tenx_v2"), &to, &how).expect_err("it is there");
    assert!(
        e.what.contains("already") && e.hint.contains("--force"),
        "{e}"
    );
    assert_eq!(
        std::fs::read_dir(dir.path()).expect("dir").count(),
        1,
        "nothing is left behind"
    );
}

#[test]
fn conversion_keeps_what_raw_says_of_its_genes() {
    let dir = tempfile::tempdir().expect("tempdir");
    let (from, to) = (dir.path().join("in.h5ad"), dir.path().join("out.h5ad"));
    std::fs::copy(fixture("modern.h5ad"), &from).expect("copy");
    let values = {
        let file = hdf5::File::open_rw(&from).expect("open");
        let var = file.group("raw/var").expect("raw/var");
        let n = var.dataset("_index").expect("index").size();
        let values: Vec<f64> = (0..n).map(|i| i as f64 / 4.0).collect();
        let builder = var.new_dataset_builder().with_data(&values);
        let column = builder.create("mean").expect("column");
        // as AnnData marks one
        for (key, value) in [("encoding-type", "array"), ("encoding-version", "0.2.0")] {
            let value: hdf5::types::VarLenUnicode = value.parse().expect("text");
            let attr = column.new_attr::<hdf5::types::VarLenUnicode>();
            let attr = attr.create(key).expect("attribute");
            attr.write_scalar(&value).expect("attribute");
        }
        let name: hdf5::types::VarLenUnicode = "mean".parse().expect("text");
        var.delete_attr("column-order").expect("attribute");
        let order = var.new_attr::<hdf5::types::VarLenUnicode>().shape(1);
        let order = order.create("column-order").expect("attribute");
        order.write(&[name]).expect("attribute");
        values
    };
    let conversion = |which| Conversion {
        which,
        force: true,
        ..Conversion::default()
    };
    let read = |place: &str| {
        let file = hdf5::File::open(&to).expect("open");
        file.dataset(place).and_then(|d| d.read_raw::<f64>())
    };
    convert(&from, &to, &conversion(Which::X)).expect("converts");
    assert_eq!(read("raw/var/mean").expect("column"), values);
    assert!(read("var/mean").is_err(), "a column of the other genes");
    convert(&from, &to, &conversion(Which::Raw)).expect("converts");
    assert_eq!(read("var/mean").expect("column"), values);
}
