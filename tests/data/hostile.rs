//! Files that lie about themselves: an error each, never a panic or a giant allocation.
use super::*;
use hdf5::types::VarLenUnicode;
use hdf5::{File, Group, H5Type};
use std::str::FromStr;

/// Copies a fixture, changes it, reads it.
fn changed(name: &str, change: impl FnOnce(&File)) -> Result<Dataset, DataError> {
    let dir = tempfile::tempdir().expect("tempdir");
    let path = dir.path().join("changed.h5ad");
    std::fs::write(&path, std::fs::read(fixture(name)).expect("fixture")).expect("write");
    {
        let file = File::open_rw(&path).expect("opens");
        change(&file);
        file.close().expect("closes");
    }
    read_path(&path, &["cell_type"])
}

fn replace<T: H5Type>(at: &Group, name: &str, values: &[T]) {
    at.unlink(name).expect("unlink");
    at.new_dataset_builder()
        .with_data(values)
        .create(name)
        .expect("create");
}

fn values<T: H5Type>(file: &File, name: &str) -> Vec<T> {
    file.dataset(name).expect(name).read_raw().expect(name)
}

fn text(s: &str) -> VarLenUnicode {
    VarLenUnicode::from_str(s).expect("text")
}

const CSR: &str = "csr_f32_gzip.h5ad";
const CSC: &str = "csc_i32.h5ad";

#[test]
fn an_unchanged_copy_reads() {
    for name in [CSR, CSC] {
        assert_eq!(changed(name, |_| {}).expect("reads").x, sparse(&counts()));
    }
}

#[test]
fn indices_and_pointers_are_checked() {
    for (name, limit) in [(CSR, 7), (CSC, 12)] {
        for bad in [limit, -1, i32::MAX] {
            let result = changed(name, |f| {
                let mut v: Vec<i32> = values(f, "X/indices");
                v[5] = bad;
                replace(&f.group("X").expect("X"), "indices", &v);
            });
            refuses(result, &["X/indices", &format!("below {limit}")]);
        }
        for (at, bad) in [(0, 1), (3, 40), (3, -1), (2, i32::MAX)] {
            let result = changed(name, |f| {
                let mut v: Vec<i32> = values(f, "X/indptr");
                v[at] = bad;
                replace(&f.group("X").expect("X"), "indptr", &v);
            });
            refuses(result, &["X/indptr"]);
        }
        let result = changed(name, |f| {
            let v: Vec<i32> = values(f, "X/indices");
            replace(&f.group("X").expect("X"), "indices", &v[1..]);
        });
        refuses(result, &["as many indices as values"]);
        let result = changed(name, |f| {
            let x = f.group("X").expect("X");
            x.unlink("indptr").expect("unlink");
        });
        refuses(result, &["X/indptr is missing"]);
    }
}

#[test]
fn shapes_are_held_against_each_other() {
    for shape in [[12i64, 8], [1 << 40, 7], [-1, 7], [7, 12]] {
        let result = changed(CSR, |f| {
            let x = f.group("X").expect("X");
            x.delete_attr("shape").expect("delete");
            x.new_attr_builder()
                .with_data(&shape)
                .create("shape")
                .expect("create");
        });
        refuses(result, &["X "]);
    }
    let result = changed(CSR, |f| {
        f.group("obs/cell_type")
            .map(|g| replace(&g, "codes", &[0i8; 11]))
            .expect("obs")
    });
    refuses(result, &["11 values", "12 rows"]);
    let result = changed(CSR, |f| {
        f.group("obs/cell_type")
            .map(|g| replace(&g, "codes", &[3i8; 12]))
            .expect("obs")
    });
    refuses(result, &["code 3", "3 categories"]);
    refuses(
        changed("dense_i64.h5ad", |f| replace(f, "X", &[1.0f32; 84])),
        &["1 dimensions"],
    );
    let result = changed("dense_i64.h5ad", |f| replace(f, "X", &[text("a")]));
    refuses(result, &["X "]);
}

#[test]
fn an_extent_without_bytes_is_not_allocated() {
    for (name, ndim) in [("X/data", 1), ("X/indptr", 1), ("var/_index", 1), ("X", 2)] {
        let result = changed(if ndim == 1 { CSR } else { "dense_i64.h5ad" }, |f| {
            f.unlink(name).expect("unlink");
            let set = f.new_dataset::<f32>().chunk(vec![1024; ndim]).deflate(4);
            set.shape(vec![1usize << (40 / ndim); ndim])
                .create(name)
                .expect("create");
        });
        refuses(result, &[name, "bytes are stored"]);
    }
}

#[test]
fn parts_that_are_missing_or_unknown() {
    refuses(
        changed(CSR, |f| f.unlink("X").expect("X")),
        &["no X", "adata.X"],
    );
    refuses(
        changed(CSR, |f| f.unlink("obs").expect("obs")),
        &["obs is missing"],
    );
    refuses(
        changed(CSR, |f| f.unlink("var/_index").expect("index")),
        &["no index column"],
    );
    let result = changed(CSR, |f| {
        let x = f.group("X").expect("X");
        x.delete_attr("encoding-type").expect("delete");
        x.new_attr::<VarLenUnicode>()
            .create("encoding-type")
            .and_then(|a| a.write_scalar(&text("coo_matrix")))
            .expect("attr");
    });
    refuses(result, &["coo_matrix", "csr_matrix"]);
    let result = changed(CSR, |f| {
        f.unlink("obs/cell_type").expect("unlink");
        let obs = f.group("obs").expect("obs");
        obs.new_dataset_builder()
            .with_data(&[0i8; 12])
            .create("cell_type")
            .expect("codes");
        let old = obs.create_group("__categories").expect("group");
        old.new_dataset_builder()
            .with_data(&[text("a")])
            .create("cell_type")
            .expect("categories");
    });
    assert_eq!(
        result.expect("0.7 keeps categories apart").columns["cell_type"],
        categorical(&["a"], vec![Some(0); 12])
    );
}

#[test]
fn disorder_is_put_right_with_a_notice() {
    let wanted = sparse(&counts());
    let swapped = changed(CSR, |f| {
        let x = f.group("X").expect("X");
        let (mut i, mut v): (Vec<i32>, Vec<f32>) = (values(f, "X/indices"), values(f, "X/data"));
        i[..3].reverse();
        v[..3].reverse();
        replace(&x, "indices", &i);
        replace(&x, "data", &v);
    })
    .expect("reads");
    assert_eq!(swapped.x, wanted);
    assert!(
        swapped.notices[0].contains("1 cells"),
        "{:?}",
        swapped.notices
    );

    // row 1 is 3 1 2 . . . 2: as 1+2, 1, 2, 2 and a stored zero
    let doubled = changed(CSR, |f| {
        let x = f.group("X").expect("X");
        let (mut i, mut v): (Vec<i32>, Vec<f32>) = (values(f, "X/indices"), values(f, "X/data"));
        let mut p: Vec<i32> = values(f, "X/indptr");
        assert_eq!(v[3..7], [3.0, 1.0, 2.0, 2.0]);
        v.splice(3..7, [1.0, 1.0, 2.0, 2.0, 2.0, 0.0]);
        i.splice(3..7, [0, 1, 2, 6, 0, 4]);
        for q in &mut p[2..] {
            *q += 2;
        }
        replace(&x, "indices", &i);
        replace(&x, "data", &v);
        replace(&x, "indptr", &p);
    })
    .expect("reads");
    assert_eq!(doubled.x, wanted);
    assert!(
        doubled.notices.iter().any(|n| n.contains("summed")),
        "{:?}",
        doubled.notices
    );
}

#[test]
fn double_names_are_told_apart() {
    let genes = ["A", "B", "A", "A-1", "A", "B", "C"].map(text);
    let d = changed(CSR, |f| {
        replace(&f.group("var").expect("var"), "_index", &genes)
    })
    .expect("reads");
    // anndata.utils.make_index_unique gives the same
    assert_eq!(
        d.var_names,
        names(&["A", "B", "A-2", "A-1", "A-3", "B-1", "C"])
    );
    assert!(d.notices[0].contains("3 gene names"), "{:?}", d.notices);
    let cells = [(); 12].map(|()| text("same"));
    let d = changed(CSR, |f| {
        replace(&f.group("obs").expect("obs"), "_index", &cells)
    })
    .expect("reads");
    assert_eq!(d.obs_names[11], "same");
    assert!(
        d.notices[0].contains("11 of 12 cell names"),
        "{:?}",
        d.notices
    );
}

#[test]
fn flipped_bytes_never_panic() {
    let dir = tempfile::tempdir().expect("tempdir");
    let path = dir.path().join("flipped.h5ad");
    let whole = std::fs::read(fixture("csc_i32.h5ad")).expect("fixture");
    let (mut read, mut refused) = (0, 0);
    for k in 0..600u64 {
        let mut bytes = whole.clone();
        let at = (k.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20) as usize % bytes.len();
        bytes[at] ^= 1 << (k % 8);
        bytes[(at * 7 + 13) % whole.len()] = k as u8;
        std::fs::write(&path, &bytes).expect("write");
        match read_path(&path, &["cell_type"]) {
            Ok(_) => read += 1,
            Err(e) => {
                assert!(!e.what.is_empty());
                refused += 1;
            }
        }
    }
    assert!(read > 50 && refused > 20, "{read} read, {refused} refused");
}
