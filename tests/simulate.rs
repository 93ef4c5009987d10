//! Simulated cells: what is planted is there, the same seed gives the same file, and it reads back.
use yoto_gpu::data::dataset::{Column, Dataset};
use yoto_gpu::data::{Options, open};
use yoto_gpu::simulate::{Compression, Role, Settings, Simulation, write};

fn settings() -> Settings {
    Settings {
        cells: 3000,
        genes: 600,
        density: 0.1,
        markers: 12,
        classes: 6,
        rare: 2,
        copies: 2,
        decoys: 8,
        gradients: 4,
        donors: 3,
        batch_effect: 0.0,
        seed: 7,
    }
}

fn codes(d: &Dataset, name: &str) -> Vec<u32> {
    match &d.columns[name] {
        Column::Categorical { codes, .. } => codes.iter().map(|c| c.expect("known")).collect(),
        Column::Numeric(_) => panic!("{name} is numeric"),
    }
}

/// Column of counts of a gene.
fn column(d: &Dataset, gene: usize) -> Vec<f64> {
    (0..d.x.n_obs)
        .map(|i| {
            let (genes, values) = d.x.row(i);
            genes
                .binary_search(&(gene as u32))
                .map_or(0.0, |at| f64::from(values[at]))
        })
        .collect()
}

fn mean_where(x: &[f64], keep: impl Fn(usize) -> bool) -> f64 {
    let kept: Vec<f64> = (0..x.len()).filter(|i| keep(*i)).map(|i| x[i]).collect();
    assert!(kept.len() > 10, "{} cells", kept.len());
    kept.iter().sum::<f64>() / kept.len() as f64
}

fn correlation(a: &[f64], b: &[f64]) -> f64 {
    let mean = |x: &[f64]| x.iter().sum::<f64>() / x.len() as f64;
    let (p, q) = (mean(a), mean(b));
    let dot = |u: &[f64], r: f64, v: &[f64], s: f64| -> f64 {
        u.iter().zip(v).map(|(x, y)| (x - r) * (y - s)).sum()
    };
    dot(a, p, b, q) / (dot(a, p, a, p) * dot(b, q, b, q)).sqrt()
}

#[test]
fn what_is_planted_is_there() {
    let made = Simulation::new(settings()).expect("makes");
    let d = made.dataset();
    let class = codes(&d, "class");
    let density = d.x.nnz() as f64 / (3000.0 * 600.0);
    assert!((density - 0.1).abs() < 0.005, "{density}");
    let share = |c: u32| class.iter().filter(|y| **y == c).count() as f64 / 3000.0;
    assert!(share(5) < 0.02 && share(4) > 0.003 && share(0) > 0.2);
    let mut seen = [0; 5];
    for (gene, role) in made.roles().iter().enumerate() {
        let x = column(&d, gene);
        match *role {
            Role::Marker { class: own } => {
                let high = mean_where(&x, |i| class[i] == own);
                let low = mean_where(&x, |i| class[i] != own);
                assert!(high > 2.0 && low < 0.15, "{high} {low}");
                seen[0] += 1;
            }
            Role::Copy { of } => {
                let marker = column(&d, of as usize);
                assert!(x.iter().zip(&marker).all(|(c, m)| c <= m));
                assert!(correlation(&x, &marker) > 0.95);
                seen[1] += 1;
            }
            Role::Decoy { .. } => {
                // varies as markers do, and is no different between the classes
                let all = mean_where(&x, |_| true);
                assert!((all - 1.55).abs() < 0.2, "{all}");
                let one = mean_where(&x, |i| class[i] == 1);
                assert!((one - all).abs() < 0.4, "{one} {all}");
                seen[2] += 1;
            }
            Role::Gradient => {
                let Column::Numeric(time) = &d.columns["pseudotime"] else {
                    panic!("numbers")
                };
                assert!(correlation(&x, time) > 0.35);
                seen[3] += 1;
            }
            Role::Plain => seen[4] += 1,
        }
    }
    assert_eq!(seen, [12, 24, 8, 4, 552]);
    // a plain gene tells nothing of the class: the measures above can fail
    let plain = made
        .roles()
        .iter()
        .position(|r| *r == Role::Plain)
        .expect("one");
    let x = column(&d, plain);
    let (a, b) = (
        mean_where(&x, |i| class[i] == 0),
        mean_where(&x, |i| class[i] != 0),
    );
    assert!((a - b).abs() < 0.3 + 0.3 * b, "{a} {b}");
}

#[test]
fn counts_are_negative_binomial() {
    // variance = mean + mean^2 / size, of one gene in its class, without size factors' share
    let one = Settings {
        cells: 20_000,
        genes: 4,
        density: 0.5,
        markers: 1,
        classes: 1,
        rare: 0,
        copies: 0,
        decoys: 0,
        gradients: 0,
        donors: 1,
        ..settings()
    };
    let made = Simulation::new(one).expect("makes");
    let d = made.dataset();
    let gene = made
        .roles()
        .iter()
        .position(|r| *r != Role::Plain)
        .expect("a marker");
    let x = column(&d, gene);
    let mean = mean_where(&x, |_| true);
    let variance = x.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / x.len() as f64;
    // size factors have a squared variation of exp(0.09) - 1
    let spread = 0.09f64.exp() - 1.0;
    let wanted = mean + mean * mean * (0.5 + 1.5 * spread);
    assert!((mean - 3.0).abs() < 0.1, "{mean}");
    assert!((variance / wanted - 1.0).abs() < 0.1, "{variance} {wanted}");
}

#[test]
fn donors_differ_by_the_batch_effect_alone() {
    let spread = |batch_effect: f64| {
        let made = Simulation::new(Settings {
            batch_effect,
            donors: 2,
            ..settings()
        })
        .expect("makes");
        let d = made.dataset();
        let donor = codes(&d, "donor");
        let ratio = |g: usize| {
            let x = column(&d, g);
            let of = |n: u32| mean_where(&x, |i| donor[i] == n) + 0.05;
            (of(0) / of(1)).ln().abs()
        };
        (0..600).map(ratio).sum::<f64>() / 600.0
    };
    assert!(spread(0.0) < 0.15 && spread(0.8) > 0.4);
}

#[test]
fn files_read_back_and_repeat() {
    let dir = tempfile::tempdir().expect("tempdir");
    let path = dir.path().join("a.h5ad");
    // more cells than a block, so that blocks are joined
    let s = Settings {
        cells: 5000,
        genes: 80,
        markers: 6,
        copies: 1,
        decoys: 0,
        ..settings()
    };
    let made = Simulation::new(s.clone()).expect("makes");
    for compression in [Compression::Gzip, Compression::None] {
        let nnz = write(&made, &path, compression, true).expect("writes");
        let asked = Options {
            columns: ["class", "donor", "pseudotime"].map(String::from).to_vec(),
            ..Options::default()
        };
        let read = open(&path, &asked).expect("reads");
        let wanted = made.dataset();
        assert_eq!(nnz, wanted.x.nnz());
        assert_eq!(read.x, wanted.x);
        assert_eq!(read.columns, wanted.columns);
        assert_eq!(read.obs_names, wanted.obs_names);
        assert_eq!(read.var_names, wanted.var_names);
    }
    let other = Simulation::new(Settings { seed: 8, ..s }).expect("makes");
    assert_ne!(made.cell(4321), other.cell(4321));
    assert_eq!(made.cell(4321), made.block(4321..4322)[0]);
    let e = write(&made, &path, Compression::Gzip, false).expect_err("exists");
    assert!(e.what.contains("exists") && e.hint.contains("--force"));
    let absent = dir.path().join("no/such/a.h5ad");
    write(&made, &absent, Compression::Gzip, false).expect_err("no such directory");
    assert_eq!(
        std::fs::read_dir(dir.path()).expect("lists").count(),
        1,
        "nothing beside"
    );
}

#[test]
fn settings_out_of_range_are_refused() {
    type Fault = (&'static str, fn(&mut Settings));
    let faults: [Fault; 7] = [
        ("--cells is 0", |s| s.cells = 0),
        ("--classes is 0", |s| s.classes = 0),
        ("planted genes", |s| s.markers = 300),
        ("planted genes", |s| s.copies = usize::MAX),
        ("--density is", |s| s.density = 0.0),
        ("alone make", |s| s.density = 0.01),
        ("--rare 7", |s| s.rare = 7),
    ];
    for (words, fault) in faults {
        let mut s = settings();
        assert!(Simulation::new(s.clone()).is_ok());
        fault(&mut s);
        let e = Simulation::new(s).expect_err(words);
        assert!(e.what.contains(words), "{}", e.what);
    }
}
