//! Leaving groups out: who is tested on, that nothing of a group is trained on, what is told.
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use yoto_gpu::data::dataset::{Column, Csr, Dataset};
use yoto_gpu::data::folds::leave_one_out;
use yoto_gpu::data::prepare::{InputChoice, Prepared, prepare};
use yoto_gpu::data::rare::RareClasses;
use yoto_gpu::data::split::{SplitSettings, split};

/// 60 cells of donors a (10), b (20), c (24) and 6 without; class z only in donor a.
fn prepared() -> Prepared {
    let n = 60;
    let donor = |i: usize| match i {
        0..10 => Some(0),
        10..30 => Some(1),
        30..54 => Some(2),
        _ => None,
    };
    let class = |i: usize| Some(if i < 4 { 2 } else { (i % 2) as u32 });
    let column = |names: [&str; 3], of: &dyn Fn(usize) -> Option<u32>| Column::Categorical {
        categories: names.map(String::from).into(),
        codes: (0..n).map(of).collect(),
    };
    let columns = BTreeMap::from([
        ("donor".to_string(), column(["a", "b", "c"], &donor)),
        ("class".to_string(), column(["x", "y", "z"], &class)),
        // slides of six cells: that of cells 6 to 11 has cells of donors a and b, the next but two of b and c
        (
            "slide".to_string(),
            Column::Categorical {
                categories: (0..10).map(|i| format!("slide{i}")).collect(),
                codes: (0..n).map(|i| Some(i as u32 / 6)).collect(),
            },
        ),
    ]);
    let dataset = Dataset {
        path: "made up".into(),
        x: Csr {
            n_obs: n,
            n_vars: 2,
            indptr: (0..=n).map(|i| 2 * i).collect(),
            indices: (0..2 * n).map(|i| (i % 2) as u32).collect(),
            values: (0..2 * n).map(|i| 1.0 + (i * 7 % 13) as f32).collect(),
        },
        obs_names: (0..n).map(|i| format!("cell{i}")).collect(),
        var_names: vec!["g".into(), "h".into()],
        columns,
        notices: Vec::new(),
        gene_ids: yoto_gpu::data::gene_ids::GeneIds::default(),
        has_raw: false,
    };
    prepare(dataset, &["class".into()], &[], InputChoice::Auto).unwrap()
}

#[test]
fn a_fold_tests_on_its_group_and_on_sealed_cells_of_the_others() {
    let (prepared, base) = (prepared(), SplitSettings::default());
    let folds = leave_one_out(&prepared, "donor", &base).unwrap();
    let names: Vec<&str> = folds.iter().map(|f| f.group.as_str()).collect();
    assert_eq!(names, ["a", "b", "c"]);
    for (fold, (range, others)) in folds.iter().zip([(0..10, 44), (10..30, 34), (30..54, 30)]) {
        let (own, settings) = fold.apply(prepared.clone(), &base).unwrap();
        let (_, _, summary) = split(own, &settings).unwrap();
        let inside = |row: &u32| range.contains(&(*row as usize));
        assert!(!summary.training_rows.iter().any(inside));
        assert!(
            summary
                .training_rows
                .iter()
                .chain(&summary.test_rows)
                .all(|&r| r < 54)
        );
        let (own, within): (Vec<u32>, Vec<u32>) = summary.test_rows.iter().partition(|r| inside(r));
        assert_eq!(own.len(), range.len());
        assert!(own.iter().all(|&r| fold.members[r as usize]));
        assert!(within.iter().all(|&r| !fold.members[r as usize]));
        let share = within.len() as f64 / f64::from(others);
        assert!((0.1..0.3).contains(&share), "{share}");
        assert!(summary.validation > 0);
    }
    // one group is none
    let mut one = prepared;
    let Some(Column::Categorical { codes, .. }) = one.columns.get_mut("donor") else {
        panic!()
    };
    codes.iter_mut().for_each(|c| *c = c.filter(|&c| c == 1));
    let error = leave_one_out(&one, "donor", &base).unwrap_err();
    assert!(error.what.contains("--cross-validate") && error.what.contains("\"donor\""));
}

#[test]
fn groups_that_stay_together_stay_on_one_side_of_a_fold() {
    let base = SplitSettings {
        group_by: Some("slide".into()),
        ..SplitSettings::default()
    };
    let prepared = prepared();
    let folds = leave_one_out(&prepared, "donor", &base).unwrap();
    let slides = |rows: &[u32]| rows.iter().map(|r| r / 6).collect::<BTreeSet<u32>>();
    for fold in &folds {
        let (own, settings) = fold.apply(prepared.clone(), &base).unwrap();
        let (data, _, summary) = split(own, &settings).unwrap();
        let trained = slides(&summary.training_rows[..data.n_train]);
        let validated = slides(&summary.training_rows[data.n_train..]);
        let tested = slides(&summary.test_rows);
        assert!(trained.is_disjoint(&tested) && trained.is_disjoint(&validated));
        assert!(validated.is_disjoint(&tested) && !validated.is_empty());
        let inside = |r: &&u32| fold.members[**r as usize];
        assert!(summary.test_rows.iter().filter(|r| !inside(r)).count() > 0);
    }
    // cells 10 and 11 of donor b are of a slide of donor a
    let note = &folds[0].notices;
    assert!(note.len() == 1 && note[0].starts_with("2 other cells") && note[0].contains("slide"));
    // without it slides are torn apart
    let torn = leave_one_out(&prepared, "donor", &SplitSettings::default()).unwrap();
    let (own, settings) = torn[0].apply(prepared.clone(), &base).unwrap();
    let (_, _, summary) = split(own, &settings).unwrap();
    assert!(!slides(&summary.training_rows).is_disjoint(&slides(&summary.test_rows)));
    // where too few are left, the fold says why
    let few = SplitSettings {
        group_by: Some("class".into()),
        ..SplitSettings::default()
    };
    let folds = leave_one_out(&prepared, "donor", &few).unwrap();
    let why = folds[0].apply(prepared.clone(), &few).unwrap_err();
    assert!(why.contains("--group-by"), "{why}");
}

#[test]
fn folds_have_the_classes_that_the_whole_run_has() {
    // class z is of one donor alone: rare where donors stay together
    for (rare_classes, n) in [(RareClasses::Drop, 2), (RareClasses::Keep, 3)] {
        let base = SplitSettings {
            group_by: Some("donor".into()),
            rare_classes,
            ..SplitSettings::default()
        };
        let prepared = prepared();
        let (whole, ..) = split(prepared.clone(), &base).unwrap();
        assert_eq!(whole.tasks[0].kind.width(), n);
        for fold in leave_one_out(&prepared, "donor", &base).unwrap() {
            let (own, settings) = fold.apply(prepared.clone(), &base).unwrap();
            let (data, ..) = split(own, &settings).unwrap();
            assert_eq!(data.tasks[0].kind.width(), n, "{}", fold.group);
        }
    }
}

#[test]
fn a_fold_of_one_batch_is_trained_without_batches() {
    let mut prepared = prepared();
    let Some(Column::Categorical { codes, .. }) = prepared.columns.get_mut("donor") else {
        panic!()
    };
    codes.iter_mut().for_each(|c| *c = c.filter(|&c| c > 0));
    let base = SplitSettings {
        batch: Some("donor".into()),
        ..SplitSettings::default()
    };
    for fold in leave_one_out(&prepared, "donor", &base).unwrap() {
        let (own, settings) = fold.apply(prepared.clone(), &base).unwrap();
        assert!(split(own, &settings).unwrap().0.batches.is_none());
        assert!(fold.notices[0].contains("--batch"), "{:?}", fold.notices);
    }
}

#[test]
fn auto_cross_validates_the_size_that_it_chose() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    let output = Command::new(env!("CARGO_BIN_EXE_yoto-gpu"))
        .args([
            "train",
            "--device",
            "cpu",
            "--steps",
            "40",
            "--genes",
            "auto",
            "--tolerance",
            "0.9",
        ])
        .args(["--cross-validate", "donor", "--json", "--quiet", "--out"])
        .arg(&out)
        .output()
        .unwrap();
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    let panel = json["panel"].as_array().unwrap().len();
    assert!(panel < 128, "{panel}");
    let groups = json["cross_validation"]["groups"].as_array().unwrap();
    assert!(groups.len() == 4 && groups.iter().all(|g| g["k"] == panel));
}

#[test]
fn the_program_sets_within_beside_across() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    let output = Command::new(env!("CARGO_BIN_EXE_yoto-gpu"))
        .args([
            "train", "--device", "cpu", "--steps", "60", "--genes", "8", "--json", "--quiet",
        ])
        .args(["--cross-validate", "donor", "--batch", "donor", "--out"])
        .arg(&out)
        .output()
        .unwrap();
    assert_eq!(
        output.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    let file = std::fs::read(out.join("metrics.json")).unwrap();
    assert_eq!(json, serde_json::from_slice::<Value>(&file).unwrap());
    let cross = &json["cross_validation"];
    let groups = cross["groups"].as_array().unwrap();
    assert_eq!((cross["column"].as_str(), groups.len()), (Some("donor"), 4));
    let cells: u64 = groups.iter().map(|g| g["cells"].as_u64().unwrap()).sum();
    assert_eq!(cells, 1042, "every cell is left out once");
    let mean = |side: &str| {
        let all = groups.iter().map(|g| g[side]["accuracy"].as_f64().unwrap());
        all.sum::<f64>() / 4.0
    };
    let sum = &cross["summary"][0];
    assert_eq!(sum["measure"], "accuracy");
    assert!((sum["across_mean"].as_f64().unwrap() - mean("across")).abs() < 1e-12);
    assert!((sum["within_mean"].as_f64().unwrap() - mean("within")).abs() < 1e-12);
    assert!(mean("across") > 0.5);
    let worst = groups
        .iter()
        .map(|g| g["across"]["accuracy"].as_f64().unwrap());
    assert_eq!(sum["across_worst"].as_f64(), worst.reduce(f64::min));
    let table = std::fs::read_to_string(out.join("cross_validation.csv")).unwrap();
    assert_eq!(table.lines().count(), 1 + 4 * 2);
    // each donor's test cells stand beside it
    let batches = json["batches"]["groups"].as_array().unwrap();
    let cells: u64 = batches.iter().map(|g| g["cells"].as_u64().unwrap()).sum();
    assert_eq!(
        (batches.len(), cells),
        (4, json["data"]["test"].as_u64().unwrap())
    );
}
