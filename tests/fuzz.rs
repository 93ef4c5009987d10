//! Mutated files of every format: whatever comes, an answer comes back. `YOTO_FUZZ` says how many
//! inputs (a few by default), `YOTO_FUZZ_FROM` where to begin; a failure names its number.
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use yoto_gpu::data::inspect::inspect;
use yoto_gpu::data::{Options, Which, open};

const DEFAULT_INPUTS: u64 = 1_500;

/// SplitMix64, one stream an input.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
    fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }
}

/// Sound files: a name and bytes.
fn sound() -> Vec<(String, Vec<u8>)> {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let names = [
        "csr_f32_gzip.h5ad",
        "csc_i32.h5ad",
        "dense_f32_gzip.h5ad",
        "formats/modern.h5ad",
        "formats/anndata_0.6.h5ad",
        "formats/anndata_0.7.h5ad",
        "formats/hdf5_latest.h5ad",
        "formats/hdf5_v108.h5ad",
        "formats/filters.h5ad",
        "formats/tenx_v2.h5",
        "formats/tenx_v3.h5",
        "formats/loompy.loom",
        "formats/dense.csv",
        "formats/dense_r.tsv.gz",
        "formats/long.csv.gz",
        "formats/tenx_v2/matrix.mtx",
    ];
    let read = |n: &&str| {
        let path: PathBuf = fixtures.join(n);
        let name = path
            .file_name()
            .expect("name")
            .to_string_lossy()
            .into_owned();
        (name, std::fs::read(path).expect(n))
    };
    names.iter().map(read).collect()
}

const EXTREME: [u64; 10] = [
    0,
    1,
    0x7f,
    0xff,
    0x7fff,
    0xffff_ffff,
    0x7fff_ffff,
    1 << 40,
    u64::MAX,
    u64::MAX >> 1,
];

fn mutate(bytes: &mut Vec<u8>, r: &mut Random) {
    for _ in 0..=r.below(4) {
        let at = r.below(bytes.len());
        match r.below(10) {
            0..=2 => bytes[at] ^= 1 << r.below(8),
            3 | 4 => bytes[at] = r.next() as u8,
            5 | 6 => {
                let width = 1 << r.below(4);
                let value = EXTREME[r.below(EXTREME.len())].to_le_bytes();
                let end = (at + width).min(bytes.len());
                bytes[at..end].copy_from_slice(&value[..end - at]);
            }
            7 => {
                // a piece of the file over another one: addresses that point elsewhere
                let n = (1 + r.below(64)).min(bytes.len() - at);
                let from = r.below(bytes.len() - n + 1);
                bytes.copy_within(from..from + n, at);
            }
            8 if r.below(4) == 0 => {
                bytes.truncate(at.max(1));
                // old superblocks have no checksum: the end that they tell can be put right
                if bytes.len() > 48 && bytes[8] == 0 {
                    let n = bytes.len() as u64;
                    bytes[40..48].copy_from_slice(&n.to_le_bytes());
                }
            }
            _ => {
                let n = 1 + r.below(16);
                let piece: Vec<u8> = (0..n).map(|_| r.next() as u8).collect();
                let end = (at + n).min(bytes.len());
                bytes[at..end].copy_from_slice(&piece[..end - at]);
            }
        }
    }
}

/// Reads everything that there is; gives whether all of it could be.
fn read_all(path: &Path) -> bool {
    let Ok(found) = inspect(path) else {
        return false;
    };
    assert!(found.n_obs > 0 && found.n_vars > 0);
    let columns = found.obs.iter().filter(|c| c.error.is_none());
    let columns: Vec<String> = columns.map(|c| c.name.clone()).collect();
    let mut whole = true;
    for m in &found.matrices {
        let options = Options {
            columns: columns.clone(),
            which: match (&*m.name, &*m.flag) {
                (_, "") => Which::X,
                (_, "--raw") => Which::Raw,
                (name, _) => Which::Layer(name.into()),
            },
            labels: None,
        };
        match open(path, &options) {
            Ok(d) => {
                assert_eq!(
                    (d.x.n_obs, d.x.n_vars),
                    (d.obs_names.len(), d.var_names.len())
                );
                assert_eq!(
                    (d.x.indptr.len(), d.x.indices.len()),
                    (d.x.n_obs + 1, d.x.nnz())
                );
                for i in 0..d.x.n_obs {
                    let (genes, _) = d.x.row(i);
                    assert!(genes.is_sorted_by(|a, b| a < b), "row {i} is in disorder");
                    assert!(genes.last().is_none_or(|g| (*g as usize) < d.x.n_vars));
                }
            }
            Err(e) => {
                assert!(!e.what.is_empty() && !e.hint.is_empty() && !e.what.contains('\n'));
                whole = false;
            }
        }
    }
    whole
}

fn number(name: &str, otherwise: u64) -> u64 {
    let text = std::env::var(name).ok();
    text.map_or(otherwise, |t| t.parse().expect("a number"))
}

#[test]
fn mutated_files_are_read_or_refused() {
    let sound = sound();
    let from = number("YOTO_FUZZ_FROM", 0);
    let end = from + number("YOTO_FUZZ", DEFAULT_INPUTS);
    let (next, read, refused) = (AtomicU64::new(from), AtomicU64::new(0), AtomicU64::new(0));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let dir = tempfile::tempdir().expect("tempdir");
                for side in ["barcodes.tsv", "genes.tsv"] {
                    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR"))
                        .join("tests/fixtures/formats/tenx_v2");
                    std::fs::copy(fixtures.join(side), dir.path().join(side)).expect("copy");
                }
                loop {
                    let input = next.fetch_add(1, Ordering::Relaxed);
                    if input >= end {
                        break;
                    }
                    let mut r = Random(input.wrapping_mul(0x2545_f491_4f6c_dd1d));
                    let (name, bytes) = &sound[r.below(sound.len())];
                    let mut bytes = bytes.clone();
                    mutate(&mut bytes, &mut r);
                    let path = dir.path().join(name);
                    std::fs::write(&path, &bytes).expect("write");
                    let done = catch_unwind(AssertUnwindSafe(|| read_all(&path)));
                    match done {
                        Ok(true) => read.fetch_add(1, Ordering::Relaxed),
                        Ok(false) => refused.fetch_add(1, Ordering::Relaxed),
                        Err(_) => panic!("input {input}, of {name}"),
                    };
                }
            });
        }
    });
    let (read, refused) = (read.into_inner(), refused.into_inner());
    println!("{read} read, {refused} refused");
    assert_eq!(read + refused, end - from);
    // both sides are met, else the mutations do nothing, or too much
    assert!(
        read * 20 > end - from && refused * 20 > end - from,
        "{read} read, {refused} refused"
    );
}
