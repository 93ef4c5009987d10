//! Transforms, the recognition of counts, labels, and what is refused.
use super::*;
use yoto_gpu::data::cells::{Targets, Task, TaskKind, Transform};
use yoto_gpu::data::prepare::{InputChoice, Prepared, prepare};
use yoto_gpu::data::split::{SplitSettings, split};
use yoto_gpu::ops::MISSING;

const N: usize = 12;

fn two() -> Column {
    categorical(&["a", "b"], (0..N as u32).map(|i| Some(i % 2)).collect())
}

fn with(rows: &[Vec<f32>], input: InputChoice) -> Result<Prepared, DataError> {
    prepare(
        dataset(rows, vec![("y", two())]),
        &names(&["y"]),
        &[],
        input,
    )
}

fn task(column: Column, as_label: bool) -> Result<Task, DataError> {
    let d = dataset(&counts(), vec![("y", column)]);
    let y = names(&["y"]);
    let (labels, regress): (&[String], &[String]) = if as_label { (&y, &[]) } else { (&[], &y) };
    prepare(d, labels, regress, InputChoice::Auto).map(|mut p| p.tasks.remove(0))
}

#[test]
fn counts_become_log1p_per_ten_thousand() {
    let p = with(&counts(), InputChoice::Auto).expect("prepares");
    assert_eq!(p.transform, Transform::Log);
    let mut compared = 0;
    for (got, raw) in dense(p.x.csr().expect("in memory")).iter().zip(counts()) {
        let total: f64 = raw.iter().map(|v| f64::from(*v)).sum();
        for (g, r) in got.iter().zip(raw) {
            let wanted = if total > 0.0 {
                (1.0 + f64::from(r) * 1e4 / total).ln()
            } else {
                0.0
            };
            assert!(
                wanted.is_finite() && (f64::from(*g) - wanted).abs() <= 1e-6 * wanted,
                "{g} {wanted}"
            );
            compared += 1;
        }
    }
    assert_eq!(compared, 84);
    // scanpy 1.11: normalize_total(target_sum=1e4), log1p: cell 0, gene 3 holds 3 of 8 counts
    assert!((dense(p.x.csr().expect("in memory"))[0][3] - 8.229_778).abs() < 1e-5);
    assert!(
        p.notices[0].contains("1 cells have no counts"),
        "{:?}",
        p.notices
    );
}

#[test]
fn the_input_can_be_chosen() {
    let mut log = counts();
    log[0][3] = 1.25;
    let p = with(&log, InputChoice::Auto).expect("prepares");
    assert_eq!(
        (p.transform, dense(p.x.csr().expect("in memory"))),
        (Transform::AsIs, log.clone())
    );
    assert!(
        p.notices[0].contains("taken as log values"),
        "{:?}",
        p.notices
    );
    assert!(!p.notices[0].contains("FPKM"));
    log[0][3] = 1000.5;
    let p = with(&log, InputChoice::Auto).expect("prepares");
    assert_eq!(p.transform, Transform::Log);
    assert!(
        p.notices[0].contains("FPKM") && p.notices[0].contains("--input none"),
        "{:?}",
        p.notices
    );
    let told = with(&log, InputChoice::Log).expect("prepares");
    assert_eq!(told.transform, Transform::Log);
    let values = |p: &Prepared| dense(p.x.csr().expect("in memory"));
    assert_eq!(values(&p), values(&told));
    // the highest value that passes for a logarithm
    for (value, transform) in [(30.0, Transform::AsIs), (30.5, Transform::Log)] {
        (log[0][3], log[1][3]) = (value, 0.5);
        let p = with(&log, InputChoice::Auto).expect("prepares");
        assert_eq!(p.transform, transform, "{value}");
    }
    let p = with(&counts(), InputChoice::AsIs).expect("prepares");
    assert_eq!(
        (p.transform, dense(p.x.csr().expect("in memory"))),
        (Transform::AsIs, counts())
    );
    let p = with(&counts(), InputChoice::Binary).expect("prepares");
    assert_eq!(p.transform, Transform::Binary);
    let wanted: Vec<Vec<f32>> = counts()
        .iter()
        .map(|r| r.iter().map(|v| f32::from(u8::from(*v > 0.0))).collect())
        .collect();
    assert_eq!(dense(p.x.csr().expect("in memory")), wanted);
}

#[test]
fn log_counts_need_no_totals() {
    let p = with(&counts(), InputChoice::LogCounts).expect("prepares");
    assert_eq!(p.transform, Transform::LogCounts);
    let wanted: Vec<Vec<f32>> = counts()
        .iter()
        .map(|r| r.iter().map(|v| f64::from(*v).ln_1p() as f32).collect())
        .collect();
    assert_eq!(dense(p.x.csr().expect("in memory")), wanted);
    assert_eq!(p.notices.len(), 1, "{:?}", p.notices);
    // what looks like logarithms is not quietly taken for counts
    let mut log = counts();
    log[0][3] = 1.25;
    for (input, doubted) in [
        (InputChoice::Log, true),
        (InputChoice::LogCounts, true),
        (InputChoice::AsIs, false),
    ] {
        let p = with(&log, input).expect("prepares");
        assert_eq!(
            p.notices[0].contains("--input none"),
            doubted,
            "{:?}",
            p.notices
        );
    }
}

#[test]
fn values_that_cannot_be_are_named() {
    // row 5 follows the empty row 4
    for (value, said) in [
        (f32::NAN, "NaN"),
        (f32::INFINITY, "inf"),
        (-1.5, "negative value -1.5"),
    ] {
        for input in [
            InputChoice::Auto,
            InputChoice::Log,
            InputChoice::LogCounts,
            InputChoice::AsIs,
            InputChoice::Binary,
        ] {
            let mut x = counts();
            x[5][3] = value;
            refuses(
                with(&x, input),
                &[said, "\"cell5\" (row 5)", "\"gene3\" (column 3)"],
            );
        }
    }
    // the first value of a row that follows an empty one
    let mut x = counts();
    x[5][0] = -1.0;
    refuses(
        with(&x, InputChoice::Auto),
        &["\"cell5\" (row 5)", "\"gene0\" (column 0)"],
    );
    refuses(
        with(&vec![vec![0.0; 7]; N], InputChoice::Auto),
        &["empty", "12 cells x 7 genes"],
    );
}

#[test]
fn labels_become_classes() {
    let codes = [Some(2), None, Some(0)].repeat(4);
    let t = task(categorical(&["z", "unused", "a"], codes), true).expect("task");
    assert_eq!(
        t.kind,
        TaskKind::Classification {
            classes: names(&["z", "a"])
        }
    );
    assert_eq!(t.targets, Targets::Classes([1, MISSING, 0].repeat(4)));
    let t = task(Column::Numeric([10.0, f64::NAN, -3.0].repeat(4)), true).expect("task");
    assert_eq!(
        t.kind,
        TaskKind::Classification {
            classes: names(&["-3", "10"])
        }
    );
    assert_eq!(t.targets, Targets::Classes([1, MISSING, 0].repeat(4)));
}

#[test]
fn numbers_become_targets() {
    let t = task(Column::Numeric([0.5, f64::NAN, 2.0].repeat(4)), false).expect("task");
    let Targets::Values(v) = t.targets else {
        panic!("not values")
    };
    assert!(v[1].is_nan());
    assert_eq!((v[0], v[11]), (0.5, 2.0));
    let flags = categorical(&["False", "True"], [Some(0), None, Some(1)].repeat(4));
    let Targets::Values(v) = task(flags.clone(), false).expect("task").targets else {
        panic!("not values")
    };
    assert!(v[1].is_nan() && v[0] == 0.0 && v[2] == 1.0);
    assert_eq!(task(flags, true).expect("task").kind.width(), 2);
}

#[test]
fn columns_that_cannot_be_a_task() {
    refuses(
        task(Column::Numeric(vec![0.5; N]), true),
        &["numbers, not classes", "--regress y"],
    );
    refuses(task(two(), false), &["classes, not numbers", "--label y"]);
    let one = categorical(&["a", "b"], vec![Some(1); N]);
    refuses(task(one, true), &["one class", "\"b\""]);
    refuses(
        task(categorical(&["a"], vec![None; N]), true),
        &["no value"],
    );
    refuses(
        task(Column::Numeric(vec![f64::NAN; N]), true),
        &["no value"],
    );
    refuses(
        task(Column::Numeric(vec![f64::NAN; N]), false),
        &["no value"],
    );
    refuses(
        task(Column::Numeric(vec![f64::INFINITY; N]), false),
        &["infinite"],
    );
    refuses(
        task(Column::Numeric(vec![f64::INFINITY; N]), true),
        &["numbers"],
    );

    let many: Vec<Vec<f32>> = (0..101).map(|i| vec![i as f32 + 1.0]).collect();
    let label = |n: usize| Column::Numeric((0..101).map(|i| (i % n) as f64).collect());
    let y = names(&["y"]);
    let run = |n| {
        prepare(
            dataset(&many, vec![("y", label(n))]),
            &y,
            &[],
            InputChoice::Auto,
        )
    };
    assert_eq!(run(100).expect("100 classes").tasks[0].kind.width(), 100);
    refuses(run(101), &["numbers, not classes"]);

    let d = || dataset(&counts(), vec![("y", two())]);
    // what needs no label is fine so far; the split asks for it
    let none = prepare(d(), &[], &[], InputChoice::Auto).expect("no task");
    refuses(
        split(none.clone(), &SplitSettings::default()),
        &["nothing to predict"],
    );
    let unlabelled = SplitSettings {
        unlabelled: true,
        ..SplitSettings::default()
    };
    let (data, sealed, _) = split(none, &unlabelled).expect("no task");
    assert_eq!(data.cells.n_cells + sealed.len(), N);
    refuses(
        prepare(d(), &names(&["y", "y"]), &[], InputChoice::Auto),
        &["twice"],
    );
    refuses(prepare(d(), &y, &y, InputChoice::Auto), &["twice"]);
}
