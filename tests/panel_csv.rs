//! What a laboratory orders from: ids, expression and flags in `panel.csv`, and the reasons in `candidates.csv`.
#[path = "common/program.rs"]
mod program;

use program::{printed, refused, rows, writing, yoto};
use std::collections::BTreeMap;
use std::path::Path;
use yoto_gpu::simulate::{Compression, Role, Settings, Simulation, write};

type Row = BTreeMap<String, String>;

fn run(args: &[&str], out: &Path) {
    let out = out.display().to_string();
    let all: Vec<&str> = args
        .iter()
        .copied()
        .chain(["--device", "cpu", "--quiet", "--out", &out])
        .collect();
    printed(&yoto(&all));
}

fn number(row: &Row, column: &str) -> f64 {
    row[column]
        .parse()
        .unwrap_or_else(|_| panic!("{column}: {:?}", row[column]))
}

fn by_gene(rows: Vec<Row>) -> BTreeMap<String, Row> {
    rows.into_iter().map(|r| (r["gene"].clone(), r)).collect()
}

/// Genes of a made-up 10x directory: id, symbol, and the count in cell i of class a (i even) or b.
type Gene = (&'static str, &'static str, fn(usize) -> u32);

const CELLS: usize = 60;

/// FILL makes 10,000 counts of nearly every cell, so that a count is about one per 10,000.
const GENES: [Gene; 9] = [
    ("ENSG00000000001", "FILL", |i| 9000 + (i % 7) as u32),
    ("ENSG00000254647", "INS", |i| {
        if i.is_multiple_of(2) {
            400 + (i % 5) as u32
        } else {
            1
        }
    }),
    ("ENSG00000000003.4", "RARE", |i| u32::from(i == 4 || i == 7)),
    ("ENSG00000000004", "REG1A", |i| 5 + (i % 3) as u32),
    ("ENSG00000000005", "REG1B", |i| 5 + (i % 4) as u32),
    ("ENSG00000000006", "RPL3", |i| 20 + (i % 5) as u32),
    ("ENSG00000000007", "MT-ND1", |i| 20 + (i % 6) as u32),
    ("ENSG00000000008", "RPL21P4", |i| 3 + (i % 2) as u32),
    ("", "SST", |i| {
        if i.is_multiple_of(2) {
            0
        } else {
            20 + (i % 3) as u32
        }
    }),
];

fn tenx(folder: &Path) {
    let mut entries = Vec::new();
    for (g, gene) in GENES.iter().enumerate() {
        for i in 0..CELLS {
            match gene.2(i) {
                0 => {}
                count => entries.push(format!("{} {} {count}\n", g + 1, i + 1)),
            }
        }
    }
    let mut matrix = "%%MatrixMarket matrix coordinate integer general\n".to_owned();
    matrix += &format!(
        "{} {CELLS} {}\n{}",
        GENES.len(),
        entries.len(),
        entries.concat()
    );
    let features = GENES
        .map(|g| format!("{}\t{}\tGene Expression\n", g.0, g.1))
        .concat();
    let barcodes: String = (0..CELLS).map(|i| format!("c{i}\n")).collect();
    let labels = (0..CELLS).map(|i| format!("c{i},{}\n", ["a", "b"][i % 2]));
    let labels = "cell,kind\n".to_owned() + &labels.collect::<String>();
    for (name, content) in [
        ("matrix.mtx", matrix),
        ("features.tsv", features),
        ("barcodes.tsv", barcodes),
    ] {
        std::fs::write(folder.join(name), content).expect("writes");
    }
    std::fs::write(folder.with_extension("csv"), labels).expect("writes");
}

#[test]
fn ids_expression_and_flags_are_right_on_a_made_up_file() {
    let folder = tempfile::tempdir().expect("folder");
    let data = folder.path().join("data");
    std::fs::create_dir(&data).expect("folder");
    tenx(&data);
    let labels = data.with_extension("csv").display().to_string();
    let panel = folder.path().join("all.txt");
    std::fs::write(&panel, GENES.map(|g| g.1).join("\n")).expect("writes");
    let (data, panel) = (data.display().to_string(), panel.display().to_string());
    let evaluate = |out: &str, more: &[&str]| {
        let out = folder.path().join(out);
        // no cell is set apart, so that every figure can be worked out here
        let all = [
            "evaluate-panel",
            &data,
            "--labels",
            &labels,
            "--label",
            "kind",
            "--panel",
            &panel,
            "--steps",
            "10",
            "--test-fraction",
            "0",
            "--validation-fraction",
            "0",
        ];
        run(&[&all, more].concat(), &out);
        (
            by_gene(rows(&out.join("panel.csv"))),
            rows(&out.join("panel_by_class.csv")),
        )
    };
    let (genes, classes) = evaluate("a", &[]);
    let flags = |genes: &BTreeMap<String, Row>, gene: &str| genes[gene]["flags"].clone();
    for (gene, expected) in [
        ("FILL", "too high"),
        ("INS", "too high"),
        ("RARE", "too low"),
        ("REG1A", "may hybridise with REG1B"),
        ("REG1B", "may hybridise with REG1A"),
        ("RPL3", "ribosomal"),
        ("MT-ND1", "mitochondrial"),
        ("RPL21P4", "ribosomal; named like a pseudogene"),
        ("SST", ""),
    ] {
        assert_eq!(flags(&genes, gene), expected, "{gene}");
    }
    for (id, name, _) in GENES {
        assert_eq!(genes[name]["ensembl_id"], id, "{name}");
        assert_eq!(genes[name]["symbol"], "", "{name}");
    }
    // the figures, worked out from the counts
    let total = |i: usize| GENES.iter().map(|g| f64::from(g.2(i))).sum::<f64>();
    let per = |g: &Gene, i: usize| f64::from(g.2(i)) * 1e4 / total(i);
    for gene in GENES.iter().filter(|g| g.1 != "RARE") {
        let mean = |cells: &dyn Fn(usize) -> bool| {
            let own: Vec<f64> = (0..CELLS)
                .filter(|&i| cells(i))
                .map(|i| per(gene, i))
                .collect();
            own.iter().sum::<f64>() / own.len() as f64
        };
        let row = &genes[gene.1];
        let by_class = classes.iter().find(|r| r["gene"] == gene.1).expect("a row");
        let (a, b) = (
            mean(&|i| i.is_multiple_of(2)),
            mean(&|i| !i.is_multiple_of(2)),
        );
        for (found, expected) in [
            (number(row, "mean"), mean(&|_| true)),
            (number(row, "highest_mean"), a.max(b)),
            (number(by_class, "a mean"), a),
            (number(by_class, "b mean"), b),
        ] {
            // f16 in the device's cells, four digits in the table
            assert!(
                (found - expected).abs() <= 0.005 * expected.max(1e-9) + 1e-6,
                "{}: {found} {expected}",
                gene.1
            );
        }
        assert_eq!(
            row["highest_mean_class"],
            if a > b { "a" } else { "b" },
            "{}",
            gene.1
        );
    }
    let rare = &genes["RARE"];
    assert_eq!(
        (number(rare, "detected"), number(rare, "highest_detected")),
        (0.03333, 0.03333)
    );
    let sst = classes.iter().find(|r| r["gene"] == "SST").expect("a row");
    assert_eq!(
        (number(sst, "a detected"), number(sst, "b detected")),
        (0.0, 1.0)
    );
    // other bounds, other flags
    let (genes, _) = evaluate("b", &["--max-mean", "300", "--min-detection", "0"]);
    for (gene, expected) in [("FILL", "too high"), ("INS", "too high"), ("RARE", "")] {
        assert_eq!(flags(&genes, gene), expected, "{gene}");
    }
    let (genes, _) = evaluate("c", &["--max-mean", "1000"]);
    assert_eq!(
        (flags(&genes, "FILL"), flags(&genes, "INS")),
        ("too high".into(), String::new())
    );
}

#[test]
fn an_index_of_ensembl_ids_has_its_symbols_beside() {
    let folder = tempfile::tempdir().expect("folder");
    let data = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/fixtures/ensembl_index.h5ad"
    );
    let out = folder.path().join("run");
    run(
        &[
            "train", data, "--label", "kind", "--genes", "5", "--steps", "20",
        ],
        &out,
    );
    let genes = by_gene(rows(&out.join("panel.csv")));
    for (name, id, symbol) in [
        ("ENSG00000254647", "ENSG00000254647", "INS"),
        ("ENSG00000115263.15", "ENSG00000115263.15", "GCG"),
        ("ENSG00000108849", "ENSG00000108849", ""),
        ("spike-in", "", "ERCC"),
    ] {
        let row = &genes[name];
        assert_eq!(
            (row["ensembl_id"].as_str(), row["symbol"].as_str()),
            (id, symbol),
            "{name}"
        );
    }
    // all genes are in the panel: there is nothing below the line
    assert_eq!(rows(&out.join("candidates.csv")), Vec::<Row>::new());
}

#[test]
fn genes_are_named_by_symbols_and_ids_as_well() {
    let folder = tempfile::tempdir().expect("folder");
    let data = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/fixtures/ensembl_index.h5ad"
    );
    let file = |name: &str, content: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, content).expect("writes");
        path.display().to_string()
    };
    let panel = |command: &str, out: &str, more: &[&str]| {
        let out = folder.path().join(out);
        let common = [command, data, "--label", "kind", "--steps", "20"];
        run(&[&common, more].concat(), &out);
        let genes = by_gene(rows(&out.join("panel.csv"))).into_keys();
        genes.collect::<Vec<String>>()
    };
    // a version that the file lacks, a symbol, a name
    let candidates = file("candidates.txt", "ENSG00000254647.3\nGCG\nspike-in\nSST\n");
    let chosen = panel(
        "train",
        "chosen",
        &[
            "--genes",
            "2",
            "--candidates",
            &candidates,
            "--include-genes",
            "INS",
            "--exclude-genes",
            "SST,ERCC",
        ],
    );
    assert_eq!(chosen, ["ENSG00000115263.15", "ENSG00000254647"]);
    let given = file("given.txt", "SST\nENSG00000115263\nGCG\n");
    let given = panel("evaluate-panel", "given", &["--panel", &given]);
    assert_eq!(given, ["ENSG00000115263.15", "ENSG00000157005"]);
    let out = folder.path().join("wrong").display().to_string();
    let wrong = [
        "train", data, "--label", "kind", "--genes", "2", "--device", "cpu",
    ];
    refused(
        &yoto(&[&wrong[..], &["--include-genes", "GCGG", "--out", &out]].concat()),
        &["GCGG", "did you mean \"GCG\""],
    );
}

/// Markers of 4 classes, each with a copy of nine tenths of its counts, and decoys.
fn copies(folder: &Path) -> (String, Simulation) {
    let settings = Settings {
        cells: 900,
        genes: 55, // few enough for all but the panel to be candidates
        density: 0.2,
        markers: 4,
        classes: 4,
        copies: 1,
        decoys: 6,
        gradients: 0,
        seed: 11,
        ..Settings::default()
    };
    let simulation = Simulation::new(settings).expect("makes");
    let data = folder.join("cells.h5ad");
    writing(|| write(&simulation, &data, Compression::None, false)).expect("writes");
    (data.display().to_string(), simulation)
}

#[test]
fn a_copy_of_a_chosen_marker_is_redundant_with_it_and_nothing_else_is() {
    let folder = tempfile::tempdir().expect("folder");
    let (data, simulation) = copies(folder.path());
    let names = simulation.var_names();
    let of_role = |wanted: fn(&Role) -> bool| {
        let all = names.iter().zip(simulation.roles());
        all.filter(|(_, r)| wanted(r))
            .map(|(n, _)| n.clone())
            .collect::<Vec<_>>()
    };
    let markers = of_role(|r| matches!(r, Role::Marker { .. }));
    let panel = folder.path().join("markers.txt");
    std::fs::write(&panel, markers.join("\n")).expect("writes");
    let out = folder.path().join("run");
    let panel = panel.display().to_string();
    run(
        &[
            "evaluate-panel",
            &data,
            "--label",
            "class",
            "--panel",
            &panel,
        ],
        &out,
    );
    let candidates = rows(&out.join("candidates.csv"));
    assert_eq!(candidates.len(), 50);
    let gains: Vec<f64> = candidates.iter().map(|r| number(r, "gain")).collect();
    assert!(
        gains.windows(2).all(|w| w[0] >= w[1]) && gains[49] >= 0.0,
        "{gains:?}"
    );
    let mut redundant = 0;
    for row in &candidates {
        assert!(
            !markers.contains(&row["gene"]),
            "{} is in the panel",
            row["gene"]
        );
        let at = names
            .iter()
            .position(|n| *n == row["gene"])
            .expect("a gene");
        if let Role::Copy { of } = simulation.roles()[at] {
            let of = &names[of as usize];
            let expected = format!("redundant with {of} (r = {:.2})", number(row, "r"));
            assert_eq!((&row["reason"], &row["nearest"]), (&expected, of));
            assert!(number(row, "r") > 0.8, "{row:?}");
            redundant += 1;
        } else {
            let reason = &row["reason"];
            assert!(
                reason.starts_with("would save ") && number(row, "r").abs() < 0.7,
                "{row:?}"
            );
        }
    }
    assert!(
        redundant > 0,
        "no copy is among the candidates: {candidates:?}"
    );
    // with a marker left out, it (or its copy) is what would save the most
    std::fs::write(&panel, markers[1..].join("\n")).expect("writes");
    let out = folder.path().join("less");
    run(
        &[
            "evaluate-panel",
            &data,
            "--label",
            "class",
            "--panel",
            &panel,
        ],
        &out,
    );
    let first = &rows(&out.join("candidates.csv"))[..2];
    let at = |row: &Row| {
        names
            .iter()
            .position(|n| *n == row["gene"])
            .expect("a gene")
    };
    let own = |row: &Row| match simulation.roles()[at(row)] {
        Role::Copy { of } => names[of as usize] == markers[0],
        _ => row["gene"] == markers[0],
    };
    assert!(first.iter().all(own), "{first:?}");
    assert!(
        number(&first[0], "gain") > 3.0 * gains[0].max(1e-3),
        "{first:?} {}",
        gains[0]
    );
}

#[test]
fn reasons_of_a_run_come_from_its_rounds_and_its_rules() {
    let folder = tempfile::tempdir().expect("folder");
    let (data, _) = copies(folder.path());
    let out = folder.path().join("free");
    let train = [
        "train", &data, "--label", "class", "--genes", "6", "--steps", "400",
    ];
    run(&train, &out);
    let candidates = rows(&out.join("candidates.csv"));
    let reason = |row: &Row, begin: &str| row["reason"].starts_with(begin);
    let tried = candidates.iter().filter(|r| reason(r, "was "));
    let tried: Vec<&Row> = tried.collect();
    assert!(!tried.is_empty(), "{candidates:?}");
    for row in tried {
        let words = &row["reason"];
        let round = words
            .split("round ")
            .nth(1)
            .and_then(|r| r.split(':').next());
        let round: u64 = round.and_then(|r| r.parse().ok()).unwrap_or(0);
        assert!(
            (1..=8).contains(&round) && words.contains(" less than leaving out"),
            "{words}"
        );
    }
    let known = ["was ", "redundant with ", "in no round "];
    assert!(
        candidates
            .iter()
            .all(|r| known.iter().any(|k| reason(r, k))),
        "{candidates:?}"
    );
    // genes above a bound are named with it, and only these
    let best = rows(&out.join("panel.csv"));
    let bound = best
        .iter()
        .map(|r| number(r, "highest_mean"))
        .fold(0.0, f64::max)
        * 0.8;
    let (bounded, text) = (folder.path().join("bounded"), bound.to_string());
    run(&[&train[..], &["--max-mean", &text]].concat(), &bounded);
    let candidates = rows(&bounded.join("candidates.csv"));
    let barred = |r: &&Row| reason(r, "left out by --min-mean or --max-mean");
    assert!(candidates.iter().any(|r| barred(&r)), "{candidates:?}");
    for row in &candidates {
        assert_eq!(
            barred(&row),
            number(row, "highest_mean") > bound,
            "{row:?} {bound}"
        );
    }
    for row in rows(&bounded.join("panel.csv")) {
        assert!(number(&row, "highest_mean") <= bound * 1.001, "{row:?}");
    }
}

#[test]
fn orders_of_every_size_and_wrong_bounds() {
    let folder = tempfile::tempdir().expect("folder");
    let out = folder.path().join("run");
    run(&["train", "--genes", "4,8", "--steps", "60"], &out);
    for place in ["", "k4", "k8"] {
        let place = out.join(place);
        let k = rows(&place.join("panel.csv")).len();
        assert_eq!(rows(&place.join("panel_by_class.csv")).len(), k);
        assert_eq!(rows(&place.join("candidates.csv")).len(), 50);
    }
    // a later run takes them away with the rest
    run(&["train", "--genes", "4", "--steps", "20", "--force"], &out);
    assert!(!out.join("k8").exists());
    let wrong = yoto(&["train", "--min-detection", "2"]);
    assert_eq!(wrong.status.code(), Some(2));
    let none = out.display().to_string();
    refused(
        &yoto(&["train", "--resume", "--out", &none]),
        &["checkpoint"],
    );
}
