//! Bad files, made by `tests/fixtures/make_hostile.py`: each ends in one clear error that names the
//! file; none panics, hangs or takes memory without bound.
use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;
use yoto_gpu::data::inspect::inspect;
use yoto_gpu::data::prepare::{InputChoice, prepare};
use yoto_gpu::data::{Options, open};
use yoto_gpu::error::DataError;

/// Expected part of the message, and the files, by the name of what is read.
type Pack = BTreeMap<String, (String, Vec<(String, Vec<u8>)>)>;

fn pack() -> Pack {
    let packed: &[u8] = include_bytes!("fixtures/hostile.pack.gz");
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(packed)
        .read_to_end(&mut bytes)
        .expect("pack");
    let mut all = Pack::new();
    let mut rest = &bytes[..];
    while !rest.is_empty() {
        let mut line = || {
            let n = rest.iter().position(|b| *b == b'\n').expect("line");
            let text = std::str::from_utf8(&rest[..n]).expect("text").to_owned();
            rest = &rest[n + 1..];
            text
        };
        let (name, expected) = (line(), line());
        let n: usize = line().parse().expect("number");
        let key = name.split('/').next().unwrap_or_default().to_owned();
        let entry = all.entry(key).or_insert_with(|| (expected, Vec::new()));
        entry.1.push((name, rest[..n].to_vec()));
        rest = &rest[n..];
    }
    all
}

/// As `train` does: reads, then checks the values. A table needs no label to be refused.
fn train(path: &Path, column: &str) -> Result<(), DataError> {
    let options = Options {
        columns: vec![column.to_owned()],
        ..Options::default()
    };
    let dataset = match open(path, &options) {
        Err(e) if e.what.contains("no obs column") => open(path, &Options::default())?,
        other => other?,
    };
    let labels = dataset.columns.keys().cloned().collect::<Vec<_>>();
    if labels.is_empty() {
        // a label of our own, so that the values are looked at
        let mut dataset = dataset;
        let numbers = (0..dataset.x.n_obs).map(|i| i as f64).collect();
        let column = yoto_gpu::data::dataset::Column::Numeric(numbers);
        dataset.columns.insert("number".into(), column);
        return prepare(dataset, &[], &["number".into()], InputChoice::Auto).map(drop);
    }
    prepare(dataset, &labels, &[], InputChoice::Auto).map(drop)
}

#[test]
fn every_bad_file_is_refused_in_one_sentence() {
    let dir = tempfile::tempdir().expect("tempdir");
    let (mut bad, mut wrong) = (0, Vec::new());
    for (name, (expected, files)) in pack() {
        for (file, bytes) in &files {
            let path = dir.path().join(file);
            std::fs::create_dir_all(path.parent().expect("parent")).expect("directory");
            std::fs::write(path, bytes).expect("write");
        }
        let path = dir.path().join(&name);
        let result = train(&path, "cell_type");
        // whatever it answers, it must answer
        let _ = inspect(&path);
        if name.starts_with("sound") {
            result.unwrap_or_else(|e| panic!("{name}: {e}"));
            continue;
        }
        bad += 1;
        match result {
            Ok(()) => wrong.push(format!("{name}: was read")),
            Err(e) => {
                if std::env::var_os("YOTO_SHOW").is_some() {
                    println!("{name}: {} | {}", e.what, e.hint);
                }
                let one = !e.what.contains('\n') && !e.hint.is_empty() && e.what.len() < 500;
                let named = e.what.starts_with(&path.display().to_string());
                if !(one && named && e.what.contains(&expected)) {
                    wrong.push(format!("{name}: expected {expected:?}: {}", e.what));
                }
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {bad}:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert!(bad >= 150, "{bad} bad files");
}
