//! Every encoding of X reads the same; every kind of column; errors of reading.
use super::*;
use yoto_gpu::data::demo;

const VARIANTS: [&str; 8] = [
    "csr_lzf.h5ad",
    "csr_f32_gzip.h5ad",
    "csr_u16.h5ad",
    "csr_i64_index64.h5ad",
    "csc_f64_gzip.h5ad",
    "csc_i32.h5ad",
    "dense_f32_gzip.h5ad",
    "dense_i64.h5ad",
];

#[test]
fn all_encodings_read_alike() {
    let wanted = sparse(&counts());
    for name in VARIANTS {
        let d = read_columns(name, &["cell_type"]).expect(name);
        assert_eq!(d.x, wanted, "{name}");
        assert_eq!(d.obs_names[11], "cell11", "{name}");
        assert_eq!(d.var_names[6], "GENE6", "{name}");
        assert_eq!(d.columns.len(), 1);
        assert!(d.notices.is_empty(), "{name}: {:?}", d.notices);
        assert!(d.path.ends_with(name));
    }
    // the comparison can fail
    let mut other = counts();
    other[3][2] += 1.0;
    let d = read_columns(VARIANTS[3], &[]).expect("reads");
    assert_ne!(d.x, sparse(&other));
    assert!(d.columns.is_empty(), "only the columns asked for are read");
}

#[test]
fn columns_of_every_kind() {
    let asked = [
        "cell_type",
        "donor",
        "site",
        "score",
        "batch",
        "large",
        "maybe",
        "passages",
        "year",
        "nothing",
    ];
    let d = read_columns("csr_f32_gzip.h5ad", &asked).expect("reads");
    assert_eq!(d.columns.len(), asked.len());
    let cats = |name: &str| match &d.columns[name] {
        Column::Categorical { categories, codes } => (categories.clone(), codes.clone()),
        Column::Numeric(_) => panic!("{name} is numeric"),
    };
    let numbers = |name: &str| match &d.columns[name] {
        Column::Numeric(v) => v.clone(),
        Column::Categorical { .. } => panic!("{name} is categorical"),
    };
    let half = [Some(0), Some(2), None, Some(0), Some(2), Some(0)];
    assert_eq!(
        cats("cell_type"),
        (names(&["beta", "delta", "alpha"]), [half, half].concat())
    );
    assert_eq!(cats("donor").0, names(&["d0", "d1", "d2", "d3"]));
    let (site, codes) = cats("site");
    assert_eq!(site, names(&["left", "right", "µ"]), "text is sorted");
    assert_eq!(codes[..4], [Some(0), Some(1), Some(0), Some(2)]);
    assert_eq!(cats("year").0, names(&["2020", "2021"]));
    let (large, codes) = cats("large");
    assert_eq!(large, names(&["False", "True"]));
    assert_eq!((codes[6], codes[7]), (Some(0), Some(1)));
    let (_, codes) = cats("maybe");
    assert_eq!(codes[..3], [Some(1), None, Some(1)]);
    assert_eq!(cats("nothing").1, vec![None; 12]);
    let score = numbers("score");
    assert!(score[3].is_nan());
    assert_eq!((score[2], score[11]), (0.5, 2.75));
    assert_eq!(numbers("batch")[..4], [10.0, 11.0, 12.0, 10.0]);
    let passages = numbers("passages");
    assert!(passages[2].is_nan());
    assert_eq!(passages[11], 110.0);
}

#[test]
fn files_that_are_not_h5ad() {
    refuses(
        read_columns("absent.h5ad", &[]),
        &["absent.h5ad", "no such file"],
    );
    refuses(
        read_path(&fixture(""), &[]),
        &["no matrix.mtx in this directory"],
    );
    let dir = tempfile::tempdir().expect("tempdir");
    let gz = dir.path().join("a.h5ad");
    std::fs::write(&gz, [0x1f, 0x8b, 8, 0, 0, 0, 0, 0]).expect("write");
    refuses(read_path(&gz, &[]), &["gzip", "gunzip"]);
    std::fs::write(&gz, []).expect("write");
    refuses(read_path(&gz, &[]), &["not an HDF5 file"]);
    let whole = std::fs::read(fixture("csr_f32_gzip.h5ad")).expect("fixture");
    std::fs::write(&gz, &whole[..whole.len() / 2]).expect("write");
    refuses(read_path(&gz, &[]), &["cut short"]);
}

#[test]
fn absent_columns_offer_the_nearest() {
    refuses(
        read_columns("csr_f32_gzip.h5ad", &["Cell-Type"]),
        &[
            "\"Cell-Type\"",
            "did you mean \"cell_type\"",
            "donor",
            "passages",
        ],
    );
    let e = read_columns("csr_f32_gzip.h5ad", &["zzz"]).expect_err("no such column");
    assert!(
        !e.hint.contains("did you mean") && e.hint.contains("cell_type"),
        "{}",
        e.hint
    );
    assert!(!e.hint.contains("_index"), "{}", e.hint);
    refuses(
        read_columns("csr_f32_gzip.h5ad", &["_index"]),
        &["no obs column"],
    );
    refuses(
        read_columns("csr_f32_gzip.h5ad", &["../var/_index"]),
        &["no obs column"],
    );
}

#[test]
fn the_demo_reads() {
    let d = demo::dataset(&names(&[demo::LABEL, "donor"])).expect("demo");
    assert_eq!(d.path, "demo");
    assert_eq!((d.x.n_obs, d.x.n_vars), (1042, 2000));
    assert_eq!(d.x.nnz(), 931_090);
    let sum: f64 = d.x.values.iter().map(|v| f64::from(*v)).sum();
    assert_eq!(sum, 4_242_839.0);
    assert!(d.notices.is_empty());
    let e = demo::dataset(&names(&["cell_tipe"])).expect_err("no such column");
    assert!(e.what.starts_with("demo: "), "{}", e.what);
}
