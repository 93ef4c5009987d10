//! Cells as a file has them, in memory and in a temporary file: the same as a plain reading, value by value; and
//! training that takes them in windows.
use super::*;
use yoto_gpu::data::cells::{SealedTest, TrainingData, Transform};
use yoto_gpu::data::matrix::Matrix;
use yoto_gpu::data::open_rows;
use yoto_gpu::data::packed::unpack;
use yoto_gpu::data::prepare::{InputChoice, prepare, prepare_matrix};
use yoto_gpu::data::split::{SplitSettings, SplitSummary, split};
use yoto_gpu::data::store::Room;
use yoto_gpu::data::stream::{BLOCK, Windows};
use yoto_gpu::simulate::{Compression, Settings, Simulation, write};

const CSR: [&str; 4] = [
    "csr_lzf.h5ad",
    "csr_f32_gzip.h5ad",
    "csr_u16.h5ad",
    "csr_i64_index64.h5ad",
];

fn asking(columns: &[&str]) -> Options {
    Options {
        columns: names(columns),
        ..Options::default()
    }
}

fn open(path: &Path, disk: bool) -> Result<(Dataset, Matrix), DataError> {
    let dir = std::env::temp_dir();
    open_rows(
        path,
        &asking(&["class", "pseudotime", "donor"]),
        &move |_, _, _| {
            Ok(if disk {
                Room::File {
                    dir: dir.clone(),
                    turning: 1 << 10,
                }
            } else {
                Room::Memory
            })
        },
    )
}

fn bits(x: &Csr) -> (Vec<usize>, Vec<u32>, Vec<u32>) {
    let values = x.values.iter().map(|v| v.to_bits()).collect();
    (x.indptr.clone(), x.indices.clone(), values)
}

#[test]
fn fixtures_read_alike_in_memory_and_on_disk() {
    let wanted = sparse(&counts());
    let all: Vec<u32> = (0..12).collect();
    for name in CSR {
        for disk in [false, true] {
            let room = |_: usize, _: usize, nnz: usize| {
                assert_eq!(nnz, wanted.nnz());
                Ok(if disk {
                    Room::File {
                        dir: std::env::temp_dir(),
                        turning: 1 << 10,
                    }
                } else {
                    Room::Memory
                })
            };
            let (d, x) = open_rows(&fixture(name), &asking(&["cell_type"]), &room).expect(name);
            assert!(d.notices.is_empty() && d.columns.len() == 1);
            let Matrix::Store(store) = &x else {
                panic!("not by rows")
            };
            assert_eq!(store.on_disk(), disk);
            assert!(store.seen().integers && store.seen().bad.is_none());
            assert_eq!(x.take(&all, Transform::AsIs, None).expect("reads"), wanted);
            // any order, some genes
            let some = x
                .take(
                    &[9, 0, 0, 4],
                    Transform::AsIs,
                    Some(&[true, false, true, false, false, false, true]),
                )
                .expect("reads");
            for (i, row) in [9, 0, 0, 4].into_iter().enumerate() {
                let mut full = counts()[row].clone();
                [1, 3, 4, 5].into_iter().for_each(|g| full[g] = 0.0);
                assert_eq!(dense(&some)[i], full);
            }
        }
    }
    // other layouts are read as before in memory, and piece by piece to the disk
    for name in ["csc_i32.h5ad", "dense_i64.h5ad", "formats/loompy.loom"] {
        let (_, x) =
            open_rows(&fixture(name), &asking(&[]), &|_, _, _| Ok(Room::Memory)).expect(name);
        let whole = x.csr().expect(name);
        if !name.ends_with("loom") {
            assert_eq!(whole, &wanted, "{name}");
        }
        let all: Vec<u32> = (0..whole.n_obs as u32).collect();
        // a few values at a time, and all at once
        for turning in [1, 16 * 9, 1 << 20] {
            let room = |n_obs: usize, n_vars: usize, nnz: usize| {
                assert!(nnz >= whole.nnz() && nnz <= n_obs * n_vars, "{name}: {nnz}");
                let dir = std::env::temp_dir();
                Ok(Room::File { dir, turning })
            };
            let (d, x) = open_rows(&fixture(name), &asking(&[]), &room).expect(name);
            assert!(matches!(&x, Matrix::Store(s) if s.on_disk()), "{name}");
            assert_eq!((x.n_obs(), x.n_vars()), (whole.n_obs, whole.n_vars));
            let read = x.take(&all, Transform::AsIs, None).expect("reads");
            assert_eq!(&read, whole, "{name}, {turning} bytes");
            assert!(d.notices.len() <= 1, "{:?}", d.notices);
        }
    }
}

/// A file by genes whose values do not fit into one piece: 1,100 cells x 2,000 genes, none of them 0.
fn by_genes(path: &Path) -> impl Fn(usize, usize) -> f32 {
    let (n_obs, n_vars) = (1100usize, 2000usize);
    let value = |cell: usize, gene: usize| ((cell * 31 + gene * 17) % 13 + 1) as f32;
    let file = hdf5::File::create(path).expect("creates");
    let text = |s: &str| s.parse::<hdf5::types::VarLenUnicode>().expect("text");
    for (name, n) in [("obs", n_obs), ("var", n_vars)] {
        let group = file.create_group(name).expect("group");
        let names: Vec<_> = (0..n).map(|i| text(&format!("{name}{i}"))).collect();
        let set = group.new_dataset_builder().with_data(&names);
        set.create("_index").expect("names");
        let index = group.new_attr::<hdf5::types::VarLenUnicode>();
        let index = index.create("_index").expect("attribute");
        index.write_scalar(&text("_index")).expect("attribute");
    }
    let x = file.create_group("X").expect("group");
    let encoding = x.new_attr::<hdf5::types::VarLenUnicode>();
    let encoding = encoding.create("encoding-type").expect("attribute");
    encoding
        .write_scalar(&text("csc_matrix"))
        .expect("attribute");
    let shape = x.new_attr::<i64>().shape(2).create("shape");
    let shape = shape.expect("attribute");
    shape.write(&[n_obs as i64, n_vars as i64]).expect("shape");
    let each = || (0..n_vars).flat_map(|gene| (0..n_obs).map(move |cell| (cell, gene)));
    let data: Vec<f32> = each().map(|(cell, gene)| value(cell, gene)).collect();
    let indices: Vec<i32> = each().map(|(cell, _)| cell as i32).collect();
    let indptr: Vec<i64> = (0..=n_vars).map(|g| (g * n_obs) as i64).collect();
    let set = x.new_dataset_builder().with_data(&data);
    set.create("data").expect("data");
    let set = x.new_dataset_builder().with_data(&indices);
    set.create("indices").expect("indices");
    let set = x.new_dataset_builder().with_data(&indptr);
    set.create("indptr").expect("indptr");
    value
}

#[test]
fn many_pieces_by_genes_become_cells() {
    let dir = tempfile::tempdir().expect("tempdir");
    let path = dir.path().join("genes.h5ad");
    let value = by_genes(&path);
    // three passes over three pieces
    let turning = 16 * 2000 * 400;
    let room = |_: usize, _: usize, nnz: usize| {
        assert_eq!(nnz, 1100 * 2000);
        let dir = dir.path().into();
        Ok(Room::File { dir, turning })
    };
    let (_, x) = open_rows(&path, &asking(&[]), &room).expect("reads");
    let some = [0u32, 399, 400, 1099];
    let read = x.take(&some, Transform::AsIs, None).expect("reads");
    for (row, cell) in some.into_iter().enumerate() {
        let own = read.indptr[row]..read.indptr[row + 1];
        assert_eq!(own.len(), 2000, "cell {cell}");
        for (at, gene) in own.zip(0..) {
            let found = (read.indices[at], read.values[at]);
            let wanted = (gene, value(cell as usize, gene as usize));
            assert_eq!(found, wanted, "cell {cell}, gene {gene}");
        }
    }
}

/// A file with several chunks in X: counts, or with values that the short form cannot hold from a
/// cell on.
fn file(dir: &Path, compression: Compression, spoil: Option<(usize, f32)>) -> PathBuf {
    let path = dir.join("cells.h5ad");
    let made = Simulation::new(Settings {
        cells: 3000,
        genes: 400,
        density: 0.15,
        markers: 8,
        classes: 4,
        gradients: 4,
        donors: 5,
        seed: 3,
        ..Settings::default()
    })
    .expect("makes");
    write(&made, &path, compression, true).expect("writes");
    if let Some((at, value)) = spoil {
        let file = hdf5::File::open_rw(&path).expect("opens");
        let data = file.dataset("X/data").expect("data");
        data.write_slice(&[value], at..at + 1).expect("writes");
    }
    path
}

#[test]
fn every_layout_and_value_comes_through() {
    let dir = tempfile::tempdir().expect("tempdir");
    let late = 150_000;
    for (compression, spoil) in [
        (Compression::Gzip, None),
        (Compression::None, None),
        (Compression::Gzip, Some((late, 0.5))),
        (Compression::Gzip, Some((late, 70_000.0))),
        (Compression::None, Some((late, 0.0))),
    ] {
        let path = file(dir.path(), compression, spoil);
        let plain = read_path(&path, &[]).expect("reads");
        assert!(plain.x.nnz() > late);
        let all: Vec<u32> = (0..3000).collect();
        for (input, transform) in [
            (InputChoice::AsIs, Transform::AsIs),
            (InputChoice::Log, Transform::Log),
            (InputChoice::LogCounts, Transform::LogCounts),
            (InputChoice::Binary, Transform::Binary),
        ] {
            let columns = read_path(&path, &["class"]).expect("reads");
            let wanted = prepare(columns, &names(&["class"]), &[], input).expect("prepares");
            let wanted = wanted.x.csr().expect("in memory");
            for disk in [false, true] {
                let (_, x) = open(&path, disk).expect("opens");
                let got = x.take(&all, transform, None).expect("reads");
                assert_eq!(bits(&got), bits(wanted), "{spoil:?} {transform:?} {disk}");
            }
        }
        let (_, x) = open(&path, true).expect("opens");
        let integers = spoil.is_none_or(|(_, v)| v.fract() == 0.0);
        assert_eq!(x.seen().integers, integers);
    }
    // the first bad value is named, whatever the block
    let path = file(dir.path(), Compression::Gzip, Some((late, -3.0)));
    let (d, x) = open(&path, true).expect("opens");
    let plain = read_path(&path, &[]).expect("reads").x;
    let row = plain.indptr.partition_point(|p| *p <= late) - 1;
    refuses(
        prepare_matrix(d, x, &names(&["class"]), &[], InputChoice::Auto),
        &["negative value -3", &format!("(row {row})")],
    );
}

fn parts(
    path: &Path,
    disk: Option<bool>,
    windows: Option<Windows>,
) -> (TrainingData, SealedTest, SplitSummary) {
    let label = names(&["class"]);
    let regress = names(&["pseudotime"]);
    let prepared = match disk {
        Some(disk) => {
            let (d, x) = open(path, disk).expect("opens");
            prepare_matrix(d, x, &label, &regress, InputChoice::Auto)
        }
        None => {
            let columns = ["class", "pseudotime", "donor"];
            prepare(
                read_path(path, &columns).expect("reads"),
                &label,
                &regress,
                InputChoice::Auto,
            )
        }
    };
    let settings = SplitSettings {
        windows,
        page_words: 1 << 15,
        ..SplitSettings::default()
    };
    split(prepared.expect("prepares"), &settings).expect("splits")
}

#[test]
fn a_split_is_the_same_from_every_place() {
    let dir = tempfile::tempdir().expect("tempdir");
    let path = file(dir.path(), Compression::Gzip, None);
    let (a, test, s) = parts(&path, None, None);
    assert!(a.cells.pages.len() > 1);
    let test = test.open(None).expect("opens");
    for disk in [false, true] {
        let (b, other, t) = parts(&path, Some(disk), None);
        assert_eq!(
            (&a.cells, &a.stats, &a.tasks, &s),
            (&b.cells, &b.stats, &b.tasks, &t)
        );
        assert!(b.stream.is_none());
        assert_eq!(other.open(None).expect("opens").x, test.x);
    }

    let windows = Windows {
        window: 200 << 10,
        core: 150 << 10,
    };
    let (b, other, t) = parts(&path, Some(true), Some(windows));
    let stream = b.stream.as_ref().expect("streams");
    assert_eq!((&a.stats, &s), (&b.stats, &t));
    assert!(b.n_train < s.train / 2 && b.n_train + b.n_validation == b.cells.n_cells);
    assert!(b.n_validation > 50);
    assert_eq!((stream.n_train(), b.all_train()), (s.train, s.train));
    // the core's cells are cells of the whole
    let known: std::collections::HashSet<&[u32]> = (0..s.train).map(|c| a.cells.cell(c)).collect();
    assert!((0..b.n_train).all(|c| known.contains(b.cells.cell(c))));

    // an epoch's windows hold each training cell once, with its labels, in another order each time
    let steps = stream.window_steps(32);
    assert!(steps > 3 && steps * 32 * 3 < s.train, "{steps} steps");
    let mut firsts = Vec::new();
    for epoch in [0, 1] {
        let mut seen = Vec::new();
        for w in 0..s.train.div_ceil(steps * 32) {
            let (cells, tasks) = stream.window(epoch, w, steps * 32).expect("reads");
            for c in 0..cells.n_cells {
                let labels: Vec<String> = tasks
                    .iter()
                    .map(|t| format!("{:?}", t.subset(&[c as u32])))
                    .collect();
                seen.push((cells.cell(c).to_vec(), labels));
            }
        }
        // more than one block
        firsts.push(seen[..BLOCK + 8].to_vec());
        let mut wanted: Vec<_> = (0..s.train)
            .map(|c| {
                let labels = a
                    .tasks
                    .iter()
                    .map(|t| format!("{:?}", t.subset(&[c as u32])));
                (a.cells.cell(c).to_vec(), labels.collect::<Vec<String>>())
            })
            .collect();
        wanted.sort();
        seen.sort();
        assert!(seen == wanted, "epoch {epoch}");
    }
    assert_ne!(firsts[0], firsts[1]);

    // the test cells come from the file, with the genes that are asked for
    let genes = [a.gene_index[3], a.gene_index[7]];
    let some = other.open(Some(&genes)).expect("opens");
    assert_eq!(some.obs_names, test.obs_names);
    let mut found = 0;
    for i in 0..some.x.n_obs {
        let wanted: Vec<(u32, f32)> = test
            .x
            .row(i)
            .0
            .iter()
            .copied()
            .zip(test.x.row(i).1.iter().copied())
            .filter(|(g, _)| genes.contains(g))
            .collect();
        let got: Vec<(u32, f32)> = some
            .x
            .row(i)
            .0
            .iter()
            .copied()
            .zip(some.x.row(i).1.iter().copied())
            .collect();
        assert_eq!(got, wanted);
        found += got.len();
    }
    assert!(found > 0 && unpack(a.cells.cell(0)[0]).1 > 0.0);
}
