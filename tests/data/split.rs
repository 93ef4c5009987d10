//! Splits, the seal on the test cells, and statistics against a dense computation.
use super::*;
use std::collections::BTreeSet;
use yoto_gpu::data::cells::{SealedTest, Targets, TaskKind, TrainingData};
use yoto_gpu::data::filter::GeneFilter;
use yoto_gpu::data::packed::{quantise, unpack};
use yoto_gpu::data::prepare::{InputChoice, prepare};
use yoto_gpu::data::split::{SplitSettings, SplitSummary, split};

const N: usize = 200;
type Parts = (TrainingData, SealedTest, SplitSummary);

/// 200 cells x 40 genes of log values; gene 7 is silent, gene 8 constant, gene 9 has an outlier.
fn rows() -> Vec<Vec<f32>> {
    (0..N)
        .map(|i| {
            (0..40)
                .map(|j| match j {
                    7 => 0.0,
                    8 => 1.1,
                    9 => {
                        if i == 11 {
                            500.0
                        } else {
                            f32::from(u8::from(i % 3 == 0))
                        }
                    }
                    _ if (i * 13 + j * 7) % 5 < 3 => 0.0,
                    _ => ((i * 31 + j * 17) % 97) as f32 / 13.0 + 0.1,
                })
                .collect()
        })
        .collect()
}

/// 100 a, 60 b, 31 c, 5 d, 3 e, 1 f.
fn classes() -> Column {
    let ends = [100, 160, 191, 196, 199, 200];
    let code = |i: usize| Some(ends.iter().filter(|e| **e <= i).count() as u32);
    // 7 is prime to 200: the classes are strewn over the file
    categorical(
        &["a", "b", "c", "d", "e", "f"],
        (0..N).map(|i| code(i * 7 % N)).collect(),
    )
}

fn donors(n: usize) -> Column {
    let all = ["d0", "d1", "d2", "d3", "d4", "d5", "d6", "d7", "d8", "d9"];
    categorical(
        &all[..n],
        (0..N).map(|i| Some((i * i % n) as u32)).collect(),
    )
}

fn run(
    columns: Vec<(&str, Column)>,
    rows: &[Vec<f32>],
    settings: &SplitSettings,
) -> Result<Parts, DataError> {
    let p = prepare(
        dataset(rows, columns),
        &names(&["y"]),
        &[],
        InputChoice::AsIs,
    )?;
    split(p, settings)
}

fn seed(seed: u64) -> SplitSettings {
    SplitSettings {
        seed,
        ..SplitSettings::default()
    }
}

#[track_caller]
fn disjoint(s: &SplitSummary, left_out: usize) {
    let mut all: Vec<u32> = s
        .training_rows
        .iter()
        .chain(&s.test_rows)
        .copied()
        .collect();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), s.n_obs - left_out);
    assert_eq!(s.train + s.validation, s.training_rows.len());
    assert_eq!(s.test, s.test_rows.len());
}

fn class_counts(targets: &Targets) -> Vec<usize> {
    let Targets::Classes(codes) = targets else {
        panic!("not classes")
    };
    (0..6)
        .map(|c| codes.iter().filter(|x| **x == c).count())
        .collect()
}

#[test]
fn sizes_strata_and_seeds() {
    let (a, test, s) = run(vec![("y", classes())], &rows(), &seed(3)).expect("splits");
    assert_eq!((s.train, s.validation, s.test), (140, 20, 40));
    assert_eq!((a.n_train, a.n_validation, test.len()), (140, 20, 40));
    disjoint(&s, 0);
    assert_eq!((s.n_obs, s.n_vars), (200, 40));
    let Targets::Classes(codes) = &a.tasks[0].targets else {
        panic!("not classes")
    };
    let train = class_counts(&Targets::Classes(codes[..140].to_vec()));
    let opened = test.clone().open(None).expect("opens");
    let tested = class_counts(&opened.tasks[0].targets);
    // 20 % of 100, 60, 31, 5, 3, 1 by largest remainder; nothing of the class of one cell
    assert_eq!(tested, [20, 12, 6, 1, 1, 0]);
    assert!(
        train[0] == 70 && train[1] == 42 && train.iter().all(|n| *n > 0),
        "{train:?}"
    );
    assert_eq!(opened.obs_names[0], format!("cell{}", s.test_rows[0]));
    assert_eq!(dense(&opened.x)[5], rows()[s.test_rows[5] as usize]);
    assert_eq!(
        s.training_names[150],
        format!("cell{}", s.training_rows[150])
    );

    let (b, _, again) = run(vec![("y", classes())], &rows(), &seed(3)).expect("splits");
    assert_eq!((&s, &a.cells, &a.stats), (&again, &b.cells, &b.stats));
    let (_, _, other) = run(vec![("y", classes())], &rows(), &seed(4)).expect("splits");
    assert_ne!(s.test_rows, other.test_rows);
    let plain = SplitSettings {
        stratify: false,
        ..seed(3)
    };
    let (_, test, s) = run(vec![("y", classes())], &rows(), &plain).expect("splits");
    assert_eq!((s.train, s.validation, s.test), (140, 20, 40));
    assert_ne!(
        class_counts(&test.open(None).expect("opens").tasks[0].targets),
        tested
    );
}

#[test]
fn fractions_may_be_zero_and_must_leave_training_cells() {
    let with = |test, validation| {
        let settings = SplitSettings {
            test_fraction: test,
            validation_fraction: validation,
            ..seed(0)
        };
        run(vec![("y", classes())], &rows(), &settings)
    };
    let (data, test, s) = with(0.0, 0.0).expect("splits");
    assert_eq!(
        (s.train, s.validation, test.is_empty(), data.n_train),
        (200, 0, true, 200)
    );
    let (_, _, s) = with(0.5, 0.0).expect("splits");
    assert_eq!((s.train, s.validation, s.test), (100, 0, 100));
    for (t, v) in [
        (1.0, 0.0),
        (-0.1, 0.1),
        (f64::NAN, 0.1),
        (0.6, 0.4),
        (0.1, f64::INFINITY),
    ] {
        refuses(with(t, v), &["--"]);
    }
    let few = |n: usize| {
        let y = categorical(&["a", "b"], (0..n as u32).map(|i| Some(i % 2)).collect());
        run(vec![("y", y)], &rows()[..n], &seed(0)).map(|(_, _, s)| (s.train, s.validation, s.test))
    };
    assert_eq!(few(4).expect("splits"), (2, 1, 1));
    assert_eq!(few(2).map_or((9, 9, 9), |s| s), (2, 0, 0));
}

#[test]
fn every_class_and_side_keeps_a_cell() {
    for s in 0..10 {
        let settings = SplitSettings {
            test_fraction: 0.45,
            validation_fraction: 0.45,
            ..seed(s)
        };
        let (data, _, s) = run(vec![("y", classes())], &rows(), &settings).expect("splits");
        let Targets::Classes(codes) = &data.tasks[0].targets else {
            panic!("not classes")
        };
        let train = class_counts(&Targets::Classes(codes[..s.train].to_vec()));
        assert!(train.iter().all(|n| *n > 0), "{train:?}");
        // three donors whose sizes would tempt the test side to take two
        let settings = SplitSettings {
            test_fraction: 0.6,
            group_by: Some("donor".into()),
            ..seed(0)
        };
        let donor = categorical(
            &["x", "y", "z"],
            (0..N as u32).map(|i| Some(i % 3)).collect(),
        );
        let columns = vec![("y", classes()), ("donor", donor)];
        let (_, _, s) = run(columns, &rows(), &settings).expect("splits");
        assert!(s.train.min(s.validation).min(s.test) >= 66, "{s:?}");
    }
}

#[test]
fn groups_stay_on_one_side() {
    for n in [3, 4, 10] {
        for s in 0..5 {
            let settings = SplitSettings {
                group_by: Some("donor".into()),
                ..seed(s)
            };
            let columns = vec![("y", classes()), ("donor", donors(n))];
            let Column::Categorical { codes, .. } = donors(n) else {
                panic!("donors")
            };
            let groups = codes.iter().collect::<BTreeSet<_>>().len();
            let result = run(columns, &rows(), &settings);
            if groups < 3 {
                refuses(result, &["2 groups", "need 3"]);
                continue;
            }
            let (_, test, s) = result.expect("splits");
            disjoint(&s, 0);
            let of = |rows: &[u32]| {
                rows.iter()
                    .map(|r| codes[*r as usize])
                    .collect::<BTreeSet<_>>()
            };
            let sides = [
                of(&s.training_rows[..s.train]),
                of(&s.training_rows[s.train..]),
                of(&s.test_rows),
            ];
            assert!(sides.iter().all(|side| !side.is_empty()) && !test.is_empty());
            assert_eq!(
                sides.iter().map(BTreeSet::len).sum::<usize>(),
                groups,
                "{sides:?}"
            );
        }
    }
    // without the column groups straddle, so the check above can fail
    let (_, _, s) = run(vec![("y", classes())], &rows(), &seed(0)).expect("splits");
    let donor = |r: &u32| r * r % 10;
    let train: BTreeSet<u32> = s.training_rows.iter().map(donor).collect();
    assert!(s.test_rows.iter().any(|r| train.contains(&donor(r))));
    let settings = SplitSettings {
        group_by: Some("y".into()),
        ..seed(0)
    };
    let p = run(vec![("y", classes())], &rows(), &settings).expect("splits");
    assert!(
        p.2.notices
            .iter()
            .any(|n| n.contains("no training cell is")),
        "{:?}",
        p.2.notices
    );
}

#[test]
fn a_column_may_give_the_split() {
    let d = read_columns("csr_f32_gzip.h5ad", &["cell_type", "split"]).expect("reads");
    let p = prepare(d, &names(&["cell_type"]), &[], InputChoice::Auto).expect("prepares");
    let settings = SplitSettings {
        split_by: Some("split".into()),
        ..seed(0)
    };
    let (_, _, s) = split(p, &settings).expect("splits");
    // cells 2 and 8 have no label, cell 11 is on hold
    assert_eq!(s.training_rows, [0, 1, 3, 4, 5, 6, 10]);
    assert_eq!((s.validation, &s.test_rows[..]), (1, &[7, 9][..]));
    assert!(
        s.notices
            .iter()
            .any(|n| n.contains("2 of 12 cells have no label")),
        "{:?}",
        s.notices
    );
    assert!(
        s.notices.iter().any(|n| n.contains("1 cells are neither")),
        "{:?}",
        s.notices
    );
    let settings = SplitSettings {
        split_by: Some("y".into()),
        ..seed(0)
    };
    refuses(
        run(vec![("y", classes())], &rows(), &settings),
        &["\"train\"", "\"a\""],
    );
}

#[test]
fn test_cells_do_not_touch_training_data() {
    for max_considered in [None, Some(11)] {
        let settings = SplitSettings {
            genes: GeneFilter {
                max_considered,
                min_cells: 40,
                ..GeneFilter::default()
            },
            ..seed(1)
        };
        let (a, _, s) = run(vec![("y", classes())], &rows(), &settings).expect("splits");
        let mut other = rows();
        for (n, r) in s.test_rows.iter().enumerate() {
            for (j, v) in other[*r as usize].iter_mut().enumerate() {
                *v = (n * 40 + j) as f32 * 3.7;
            }
        }
        let same = |a: &TrainingData, b: &TrainingData| {
            let bits = |v: &[f32]| v.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
            a.cells == b.cells
                && a.gene_index == b.gene_index
                && a.gene_names == b.gene_names
                && a.tasks == b.tasks
                && bits(&a.stats.mean) == bits(&b.stats.mean)
                && bits(&a.stats.inv_sd) == bits(&b.stats.inv_sd)
                && bits(&a.stats.clip) == bits(&b.stats.clip)
        };
        let (b, ..) = run(vec![("y", classes())], &other, &settings).expect("splits");
        assert!(same(&a, &b));
        // one value of one training cell does
        other[s.training_rows[5] as usize][3] += 0.5;
        let (c, ..) = run(vec![("y", classes())], &other, &settings).expect("splits");
        assert!(!same(&a, &c));
    }
}

#[test]
fn statistics_are_those_of_the_training_cells() {
    let halves = categorical(&["a", "b"], (0..N).map(|i| Some(i as u32 / 100)).collect());
    let clipped = check_statistics(&rows(), halves, |_| 8.0);
    assert_eq!(clipped, 1, "the value of 500");
    // of the second class 5 of 600 cells
    let rare = (0..3 * N).map(|i| Some(u32::from(i % 128 == 11)));
    let rare = categorical(&["a", "b"], rare.collect());
    check_statistics(&[rows(), rows(), rows()].concat(), rare, |[a, b, ..]| {
        let sds = ((a + b) as f64 / *b as f64).sqrt();
        assert!((3..5).contains(b) && sds > 9.0, "{b} {sds}");
        sds
    });
}

/// How many values were clipped, at so many sd for the training cells of each class.
fn check_statistics(x: &[Vec<f32>], label: Column, sds: impl Fn(&[usize; 6]) -> f64) -> usize {
    let settings = SplitSettings {
        spare_outputs: 2,
        ..seed(2)
    };
    let (data, _, s) = run(vec![("y", label)], x, &settings).expect("splits");
    let Targets::Classes(codes) = &data.tasks[0].targets else {
        panic!("classes");
    };
    let mut count = [0; 6];
    codes[..s.train]
        .iter()
        .for_each(|c| count[*c as usize] += 1);
    let sds = sds(&count);
    let wanted: Vec<u32> = (0..40).filter(|g| ![7, 8].contains(g)).collect();
    assert_eq!(
        data.gene_index, wanted,
        "silent and constant genes are left out"
    );
    assert_eq!(data.gene_names[7], "gene9");
    let train: Vec<&Vec<f32>> = s.training_rows[..s.train]
        .iter()
        .map(|r| &x[*r as usize])
        .collect();
    let moments = |v: &[f64]| {
        let n = v.len() as f64;
        let mean = v.iter().sum::<f64>() / n;
        (
            mean,
            (v.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n).sqrt(),
        )
    };
    let close = |a: f32, b: f64| b.is_finite() && (f64::from(a) - b).abs() <= 2e-7 * b.abs();
    assert!(!close(f32::NAN, 1.0) && !close(1.0, f64::NAN) && !close(1.0, 1.000_001));
    let mut clipped = 0;
    for (k, g) in wanted.iter().enumerate() {
        let raw: Vec<f64> = train.iter().map(|r| f64::from(r[*g as usize])).collect();
        let (mean, sd) = moments(&raw);
        assert!(close(data.stats.clip[k], mean + sds * sd), "clip of {g}");
        let held: Vec<f64> = raw
            .iter()
            .map(|v| f64::from(quantise((*v as f32).min(data.stats.clip[k])).to_f32()))
            .collect();
        clipped += raw
            .iter()
            .filter(|v| **v > f64::from(data.stats.clip[k]))
            .count();
        let (mean, sd) = moments(&held);
        assert!(close(data.stats.mean[k], mean), "mean of {g}");
        assert!(close(data.stats.inv_sd[k], 1.0 / sd), "sd of {g}");
        // and the packed values are the held ones
        for (c, v) in held.iter().enumerate() {
            let found = data
                .cells
                .cell(c)
                .iter()
                .map(|e| unpack(*e))
                .find(|e| e.0 == k);
            assert_eq!(found.map_or(0.0, |e| f64::from(e.1)), *v);
        }
    }
    clipped
}

#[test]
fn huge_values_stay_finite_in_f16() {
    let mut x = rows();
    for (i, row) in x.iter_mut().enumerate() {
        row[3] = 1e6 + i as f32 * 1e4;
        row[4] = 1e-7 * (i + 1) as f32;
    }
    let (data, _, s) = run(vec![("y", classes())], &x, &seed(0)).expect("splits");
    assert!(
        !data.gene_index.contains(&4),
        "all of gene 4 is subnormal in f16"
    );
    assert!(
        s.notices.iter().any(|n| n.starts_with("1 genes reach")),
        "{:?}",
        s.notices
    );
    let all = [&data.stats.mean, &data.stats.inv_sd, &data.stats.clip];
    assert!(all.iter().all(|v| v.iter().all(|x| x.is_finite())));
    for c in 0..data.cells.n_cells {
        assert!(data.cells.cell(c).iter().all(|e| unpack(*e).1.is_finite()));
    }
}

#[test]
fn regressions_are_scaled_by_training_cells() {
    let t: Vec<f64> = (0..N)
        .map(|i| {
            if i % 9 == 0 {
                f64::NAN
            } else {
                (i % 17) as f64
            }
        })
        .collect();
    let run = |values: Vec<f64>| {
        let d = dataset(&rows(), vec![("t", Column::Numeric(values))]);
        split(
            prepare(d, &[], &names(&["t"]), InputChoice::AsIs)?,
            &seed(5),
        )
    };
    let (data, test, s) = run(t.clone()).expect("splits");
    disjoint(&s, 23);
    let known: Vec<f64> = s.training_rows[..s.train]
        .iter()
        .map(|r| t[*r as usize])
        .collect();
    let mean = known.iter().sum::<f64>() / known.len() as f64;
    let sd = (known.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / known.len() as f64).sqrt();
    let TaskKind::Regression { mean: m, sd: d } = data.tasks[0].kind else {
        panic!("kind")
    };
    assert!((m - mean).abs() < 1e-12 && (d - sd).abs() < 1e-12 && sd > 1.0);
    assert_eq!(
        test.open(None).expect("opens").tasks[0].kind,
        data.tasks[0].kind
    );
    refuses(run(vec![3.0; N]), &["same value", "\"t\""]);
}
