//! Filters of cells, genes and classes: what each leaves out, how it is counted, what is refused.
use super::*;
use yoto_gpu::data::cells::{SealedTest, Targets, TaskKind, TrainingData};
use yoto_gpu::data::filter::{GeneFilter, fits, names_in};
use yoto_gpu::data::prepare::{InputChoice, prepare};
use yoto_gpu::data::rare::RareClasses;
use yoto_gpu::data::split::{SplitSettings, SplitSummary, split};

const N: usize = 120;
const GENES: [&str; 12] = [
    "MT-ND1", "mt-Co1", "RPS3", "Rpl10", "RPS6KA1", "HBB", "Hba-a1", "HBEGF", "CD3D", "MS4A1",
    "silent", "scarce",
];

/// Gene j is on in cells where (i + j) % 3 > 0, with more spread as j grows; gene 10 is silent, gene 11 is
/// on in four cells. Cell 5 detects gene 0 alone.
fn rows() -> Vec<Vec<f32>> {
    let value = |i: usize, j: usize| match (i, j) {
        (5, j) => f32::from(u8::from(j == 0)),
        (_, 10) => 0.0,
        (i, 11) => f32::from(u8::from(i % 30 == 7)),
        (i, j) if (i + j) % 3 > 0 => 0.1 + (j * (i % 4)) as f32,
        _ => 0.0,
    };
    (0..N)
        .map(|i| (0..GENES.len()).map(|j| value(i, j)).collect())
        .collect()
}

/// 100 of a, 15 of b, 2 of c, 2 of d, 1 of e; donors of six cells, so that b lives in some of them.
fn classes() -> Column {
    let ends = [100, 115, 117, 119];
    let code = |i: usize| Some(ends.iter().filter(|e| **e <= i).count() as u32);
    categorical(&["a", "b", "c", "d", "e"], (0..N).map(code).collect())
}

fn run(settings: &SplitSettings) -> Result<(TrainingData, SealedTest, SplitSummary), DataError> {
    let donor = Column::Numeric((0..N).map(|i| (i / 6) as f64).collect());
    let mut d = dataset(&rows(), vec![("y", classes()), ("donor", donor)]);
    d.var_names = names(&GENES);
    let p = prepare(d, &names(&["y"]), &[], InputChoice::AsIs)?;
    split(p, settings)
}

fn genes(genes: GeneFilter) -> Result<(TrainingData, SealedTest, SplitSummary), DataError> {
    run(&SplitSettings {
        genes,
        ..SplitSettings::default()
    })
}

fn classes_of(data: &TrainingData) -> (Vec<String>, Vec<usize>) {
    let (TaskKind::Classification { classes }, Targets::Classes(codes)) =
        (&data.tasks[0].kind, &data.tasks[0].targets)
    else {
        panic!("not classes")
    };
    let count = |c: usize| codes.iter().filter(|y| **y == c as u32).count();
    (classes.clone(), (0..classes.len()).map(count).collect())
}

#[test]
fn patterns_fit_symbols_of_man_and_mouse() {
    let fit = |word: &str| -> Vec<&str> { GENES.into_iter().filter(|g| fits(word, g)).collect() };
    assert_eq!(fit("mito"), ["MT-ND1", "mt-Co1"]);
    assert_eq!(fit("ribo"), ["RPS3", "Rpl10"]);
    assert_eq!(fit("hemoglobin"), ["HBB", "Hba-a1"]);
    let chains = [
        "HBA1", "HBG2", "HBE1", "HBZ", "Hbb-bt", "Hbq1a", "HBD", "HBM",
    ];
    assert!(chains.into_iter().all(|g| fits("hemoglobin", g)));
    let added = ["ERCC-00074", "ercc_00074", "ERCC00074", "SIRV101"];
    assert!(added.into_iter().all(|g| fits("spike-ins", g)));
    let genes = [
        "ERCC1", "ERCC6L", "Ercc8", "ERCC6L2", "ERCC-", "SIRV", "SIRT1",
    ];
    assert!(genes.into_iter().all(|g| !fits("spike-ins", g)));
    let others = ["HBS1L", "HBP1", "HBEGF", "MTOR", "MRPS2", "RPS19BP1", "HB"];
    for word in ["mito", "ribo", "hemoglobin", "spike-ins"] {
        assert!(others.iter().all(|g| !fits(word, g)), "{word}");
    }
}

#[test]
fn every_filter_leaves_out_and_counts() {
    let (all, _, s) = genes(GeneFilter::default()).expect("splits");
    assert_eq!(s.filters.genes.constant, 1);
    assert_eq!((all.gene_names.len(), s.filters.genes.considered), (11, 11));
    assert!(all.include.is_empty());

    let filter = GeneFilter {
        min_cells: 20,
        max_considered: Some(4),
        exclude: names(&["mito", "ribo", "hemoglobin", "HBEGF", "HBB", "unknown"]),
        include: names(&["RPS3", "RPS6KA1"]),
        candidates: Vec::new(),
    };
    let (data, _, s) = genes(filter.clone()).expect("splits");
    let counts = s.filters.genes;
    // RPS3 fits a pattern, but is asked for by name
    assert_eq!(
        data.gene_names,
        names(&["RPS3", "RPS6KA1", "CD3D", "MS4A1"])
    );
    assert_eq!(data.include, [0, 1]);
    assert_eq!(
        (counts.exclude_genes, counts.min_cells, counts.constant),
        (6, 2, 0),
        "the silent gene counts at the first filter that it fails"
    );
    assert_eq!((counts.considered, counts.include_genes), (4, 2));
    let text = s.notices.join("\n");
    assert!(text.contains("1 of the 3 names of --exclude-genes") && text.contains("unknown"));
    assert!(text.contains("6 are excluded (--exclude-genes)"), "{text}");

    // what is asked for comes before what varies most
    let (data, ..) = genes(GeneFilter {
        max_considered: Some(3),
        ..filter
    })
    .expect("splits");
    assert_eq!(data.gene_names.len(), 3);
    assert_eq!(data.gene_names[..2], names(&["RPS3", "RPS6KA1"]));
    assert_eq!(data.include, [0, 1]);

    let (data, _, s) = genes(GeneFilter {
        candidates: names(&["MS4A1", "silent", "HBB"]),
        include: names(&["CD3D"]),
        ..GeneFilter::default()
    })
    .expect("splits");
    assert_eq!(data.gene_names, names(&["HBB", "CD3D", "MS4A1"]));
    assert_eq!((s.filters.genes.candidates, data.include), (8, vec![1]));
}

#[test]
fn the_genes_that_vary_most_for_their_mean_are_kept() {
    // 20 genes that vary much as all of their mean do, 19 that vary little, and a marker of a few cells
    let value = |i: usize, j: usize| match j {
        39 => 2.0 * f32::from(u8::from(i % 20 == 7)),
        _ if (i * 13 + j * 7) % 5 < 2 => 0.0,
        0..20 => 2.0 + ((i * 31 + j * 17) % 97) as f32 / 50.0,
        _ => 0.2 + (j - 20) as f32 / 20.0 + ((i * 31 + j * 17) % 97) as f32 / 1000.0,
    };
    let cells: Vec<Vec<f32>> = (0..N)
        .map(|i| (0..40).map(|j| value(i, j)).collect())
        .collect();
    let of = |max_considered| {
        let cells = dataset(&cells, vec![("y", classes())]);
        let prepared = prepare(cells, &names(&["y"]), &[], InputChoice::AsIs).expect("prepares");
        let genes = GeneFilter {
            max_considered,
            ..GeneFilter::default()
        };
        let settings = SplitSettings {
            genes,
            ..SplitSettings::default()
        };
        split(prepared, &settings).expect("splits")
    };
    let (all, ..) = of(None);
    let (data, _, s) = of(Some(10));
    assert_eq!(data.gene_index.len(), 10);
    assert!(data.gene_index.is_sorted() && data.gene_index.contains(&39));
    assert!(
        s.notices.iter().any(|n| n.contains("10 of 40")),
        "{:?}",
        s.notices
    );
    // by variance it would not be there
    let above = (0..40).filter(|&g| all.stats.inv_sd[g] < all.stats.inv_sd[39]);
    assert!(above.count() >= 10);
}

#[test]
fn lists_that_cannot_be_are_refused() {
    let include = |list: &[&str]| GeneFilter {
        include: names(list),
        ..GeneFilter::default()
    };
    refuses(
        genes(include(&["CD3d"])),
        &["\"CD3d\"", "did you mean \"CD3D\""],
    );
    refuses(genes(include(&["silent"])), &["\"silent\"", "same value"]);
    let mut both = include(&["CD3D"]);
    both.exclude = names(&["CD3D"]);
    refuses(
        genes(both),
        &["\"CD3D\"", "--include-genes and in --exclude-genes"],
    );
    let candidates = |list: &[&str]| GeneFilter {
        candidates: names(list),
        ..GeneFilter::default()
    };
    refuses(
        genes(candidates(&["x", "y"])),
        &["no gene has any of the 2 names of --candidates"],
    );
    refuses(
        genes(candidates(&["silent"])),
        &["no gene is left", "1 of 12"],
    );
    let (_, _, s) = genes(GeneFilter {
        exclude: names(&["mito", "ERCC-1", "CD3D"]),
        ..GeneFilter::default()
    })
    .expect("splits");
    assert!(s.notices.iter().any(|n| n.contains("\"ERCC-1\"")));
}

#[test]
fn spike_ins_are_told_of_until_they_are_excluded_or_asked_for() {
    let told = |filter: GeneFilter| {
        let mut d = dataset(&rows(), vec![("y", classes())]);
        d.var_names = names(&GENES);
        d.var_names[8] = "ERCC-00074".into();
        d.var_names[9] = "ERCC-00130".into();
        let p = prepare(d, &names(&["y"]), &[], InputChoice::AsIs).expect("prepares");
        let genes = filter;
        let settings = SplitSettings {
            genes,
            ..SplitSettings::default()
        };
        let (data, _, s) = split(p, &settings).expect("splits");
        let told = s.notices.into_iter().find(|n| n.contains("spike-ins"));
        (data.gene_names.len(), told)
    };
    let (n, notice) = told(GeneFilter::default());
    let notice = notice.expect("is told");
    assert_eq!(n, 11);
    assert!(notice.starts_with("2 genes are spike-ins") && notice.contains("\"ERCC-00074\""));
    let excluded = GeneFilter {
        exclude: names(&["spike-ins"]),
        ..GeneFilter::default()
    };
    assert_eq!(told(excluded), (9, None));
    let asked = GeneFilter {
        include: names(&["ERCC-00074", "ERCC-00130"]),
        ..GeneFilter::default()
    };
    assert_eq!(told(asked), (11, None));
    assert!(
        !genes(GeneFilter::default())
            .expect("splits")
            .2
            .notices
            .iter()
            .any(|n| n.contains("spike"))
    );
    let (_, _, s) = genes(GeneFilter {
        exclude: names(&["spike-ins"]),
        ..GeneFilter::default()
    })
    .expect("splits");
    assert!(
        s.notices
            .iter()
            .any(|n| n.contains("ERCC-00002 or SIRV101"))
    );
}

#[test]
fn cells_of_few_genes_are_left_out() {
    let (_, _, s) = run(&SplitSettings {
        min_genes: 2,
        ..SplitSettings::default()
    })
    .expect("splits");
    assert_eq!(s.filters.cells.min_genes, 1);
    assert_eq!(s.train + s.validation + s.test, N - 1);
    assert!(!s.training_rows.contains(&5) && !s.test_rows.contains(&5));
    assert!(s.notices.iter().any(|n| n.contains("--min-genes")));
    let many = SplitSettings {
        min_genes: 13,
        ..SplitSettings::default()
    };
    refuses(run(&many), &["no cell is left"]);
}

#[test]
fn rare_classes_are_kept_dropped_or_merged() {
    let rare = |rare_classes| SplitSettings {
        rare_classes,
        ..SplitSettings::default()
    };
    let (data, _, s) = run(&rare(RareClasses::Keep)).expect("splits");
    assert_eq!(classes_of(&data).0, names(&["a", "b", "c", "d", "e"]));
    let named: Vec<(&str, usize, &str)> = s
        .filters
        .rare_classes
        .iter()
        .map(|r| (r.class.as_str(), r.cells, r.handled))
        .collect();
    assert_eq!(
        named,
        [("c", 2, "kept"), ("d", 2, "kept"), ("e", 1, "kept")]
    );
    assert!(
        s.notices[0].contains("\"c\" (2), \"d\" (2), \"e\" (1)"),
        "{:?}",
        s.notices
    );

    let (data, _, s) = run(&rare(RareClasses::Drop)).expect("splits");
    assert_eq!(classes_of(&data).0, names(&["a", "b"]));
    assert_eq!(s.filters.cells.rare_classes, 5);
    assert_eq!(s.train + s.validation + s.test, N - 5);

    let (data, test, s) = run(&rare(RareClasses::Merge)).expect("splits");
    let (classes, sizes) = classes_of(&data);
    assert_eq!(classes, names(&["a", "b", "other"]));
    assert_eq!(s.train + s.validation + s.test, N);
    let Targets::Classes(tested) = &test.open(None).expect("opens").tasks[0].targets else {
        panic!("not classes")
    };
    let others = tested.iter().filter(|c| **c == 2).count();
    assert_eq!((sizes[2] + others, others), (5, 1));

    // b has cells enough, but they come from three donors only where it needs three parts of them
    let grouped = SplitSettings {
        group_by: Some("donor".into()),
        ..rare(RareClasses::Drop)
    };
    let (data, _, s) = run(&grouped).expect("splits");
    assert_eq!(classes_of(&data).0, names(&["a", "b"]), "{:?}", s.notices);
    let one = SplitSettings {
        test_fraction: 0.0,
        validation_fraction: 0.0,
        ..rare(RareClasses::Drop)
    };
    assert_eq!(classes_of(&run(&one).expect("splits").0).0.len(), 5);
}

#[test]
fn names_are_read_from_lists_and_tables() {
    let dir = tempfile::tempdir().expect("tempdir");
    let path = dir.path().join("genes.txt");
    let read = |text: &str| {
        std::fs::write(&path, text).expect("write");
        names_in(&path)
    };
    assert_eq!(read("A\n\n# no\n B \r\nC").expect("reads"), ["A", "B", "C"]);
    assert_eq!(
        read("rank,gene,score\n1,A,0.5\n2,B,0.25\n").expect("reads"),
        ["A", "B"]
    );
    assert_eq!(read("A\tchr1\nB\tchr2\n").expect("reads"), ["A", "B"]);
    refuses(read("\n# nothing\n"), &["genes.txt", "no gene name"]);
    refuses(
        names_in(&dir.path().join("absent")),
        &["absent", "cannot be read"],
    );
}
