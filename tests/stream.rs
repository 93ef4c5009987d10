//! Training on cells that stream from a temporary file: finds what training in memory finds, repeats
//! itself, and goes on from a checkpoint as if it had never stopped.
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use yoto_gpu::cpu::Cpu;
use yoto_gpu::data::cells::TrainingData;
use yoto_gpu::data::filter::GeneFilter;
use yoto_gpu::data::prepare::{InputChoice, prepare_matrix};
use yoto_gpu::data::split::{SplitSettings, split};
use yoto_gpu::data::store::Room;
use yoto_gpu::data::stream::Windows;
use yoto_gpu::data::{Options, open_rows};
use yoto_gpu::model::panel_model::PanelModel;
use yoto_gpu::simulate::{Compression, Role, Settings as Made, Simulation, write};
use yoto_gpu::train::settings::{Fit, Settings};
use yoto_gpu::train::{fit, fit_all};

const MARKERS: usize = 6;

fn of(columns: &[String]) -> Options {
    Options {
        columns: columns.to_vec(),
        ..Options::default()
    }
}

fn simulation() -> Simulation {
    Simulation::new(Made {
        cells: 4000,
        genes: 200,
        density: 0.1,
        markers: MARKERS,
        classes: MARKERS,
        gradients: 0,
        seed: 5,
        ..Made::default()
    })
    .expect("makes")
}

fn data(dir: &Path, windows: Option<Windows>) -> TrainingData {
    let path = dir.join("cells.h5ad");
    if !path.exists() {
        write(&simulation(), &path, Compression::Gzip, false).expect("writes");
    }
    let class = ["class".to_string()];
    let room = |_, _, _| {
        Ok(match windows {
            Some(_) => Room::File {
                dir: dir.into(),
                turning: 1 << 10,
            },
            None => Room::Memory,
        })
    };
    let (d, x) = open_rows(&path, &of(&class), &room).expect("opens");
    let prepared = prepare_matrix(d, x, &class, &[], InputChoice::Auto).expect("prepares");
    let settings = SplitSettings {
        windows,
        ..SplitSettings::default()
    };
    split(prepared, &settings).expect("splits").0
}

const SMALL: Windows = Windows {
    window: 60 << 10,
    core: 100 << 10,
};

fn settings() -> Settings {
    Settings {
        genes: MARKERS,
        hidden: vec![16],
        batch_size: 32,
        steps: Some(600),
        ..Settings::default()
    }
}

fn run(data: &TrainingData) -> Fit {
    let stop = AtomicBool::new(false);
    let mut cpu = Cpu::<f32>::default();
    fit(&mut cpu, data, &settings(), None, false, &stop, &mut |_| ()).expect("trains")
}

fn bits(model: &PanelModel) -> Vec<u32> {
    let weights = model.layers.iter().flat_map(|l| l.w.iter().chain(&l.b));
    let genes = model.genes.iter().map(|g| g.index);
    weights.map(|w| w.to_bits()).chain(genes).collect()
}

#[test]
fn windows_train_as_well_as_memory() {
    let dir = tempfile::tempdir().expect("tempdir");
    let (whole, streamed) = (data(dir.path(), None), data(dir.path(), Some(SMALL)));
    let stream = streamed.stream.as_ref().expect("streams");
    assert!(stream.window_steps(32) * 32 * 4 < stream.n_train());
    assert!(streamed.n_train * 3 < whole.n_train);
    // rules and orders go by all cells, not by the sample
    assert_eq!(streamed.profiles, whole.profiles);
    assert_eq!(whole.profiles[0].cells.iter().sum::<usize>(), whole.n_train);
    let (a, b) = (run(&whole), run(&streamed));
    let made = simulation();
    for fit in [&a, &b] {
        let found = |i: u32| matches!(made.roles()[i as usize], Role::Marker { .. });
        assert!(
            fit.model.genes.iter().all(|g| found(g.index)),
            "{:?}",
            fit.model.genes
        );
    }
    assert_eq!(a.history.len(), b.history.len());
    let score = |fit: &Fit| {
        fit.history
            .last()
            .and_then(|e| e.validation_score)
            .expect("scored")
    };
    assert!(
        (score(&a) - score(&b)).abs() < 0.06,
        "{} {}",
        score(&a),
        score(&b)
    );
    assert_ne!(bits(&a.model), bits(&b.model), "other batches");
    assert_eq!(bits(&b.model), bits(&run(&streamed).model));
    let names = std::fs::read_dir(dir.path()).expect("lists").count();
    assert_eq!(names, 1, "the temporary file has no name");
}

#[test]
fn repeats_and_resumed_runs_are_those_of_single_ones() {
    let dir = tempfile::tempdir().expect("tempdir");
    let data = data(dir.path(), Some(SMALL));
    let checkpoint = dir.path().join("checkpoint.bin");
    let whole = run(&data);
    let stop = AtomicBool::new(false);
    let mut epochs = 0;
    let part = fit(
        &mut Cpu::<f32>::default(),
        &data,
        &settings(),
        Some(&checkpoint),
        false,
        &stop,
        &mut |_| {
            epochs += 1;
            stop.store(epochs == 3, Ordering::Relaxed);
        },
    )
    .expect("stops");
    assert!(part.stopped && part.steps < whole.steps);
    let on = AtomicBool::new(false);
    let mut cpu = Cpu::<f32>::default();
    let rest = fit(
        &mut cpu,
        &data,
        &settings(),
        Some(&checkpoint),
        true,
        &on,
        &mut |_| (),
    );
    assert_eq!(bits(&rest.expect("resumes").model), bits(&whole.model));

    let mut cpu = Cpu::<f32>::default();
    let both = fit_all(
        &mut cpu,
        &data,
        &settings(),
        2,
        None,
        false,
        &on,
        &mut |_| (),
    );
    let both = both.expect("trains");
    assert_eq!(bits(&both[0][0].model), bits(&whole.model));
    assert_ne!(bits(&both[1][0].model), bits(&whole.model));
}

/// What windows cost against all cells in memory, on a file of real cells that is sorted by its label:
/// `YOTO_SORTED=file.h5ad YOTO_LABEL=cell_type cargo test --test stream -- --ignored --nocapture`.
/// Prints the best validation loss (of all validation cells) of each seed and window.
#[test]
#[ignore = "a measurement, not a check"]
fn loss_by_window() {
    let path = std::env::var("YOTO_SORTED").expect("YOTO_SORTED");
    let label = [std::env::var("YOTO_LABEL").expect("YOTO_LABEL")];
    // cells stay enough that the same statistics and validation cells are used by all
    let core = 1 << 40;
    for window in [None, Some(1 << 20), Some(4 << 20)] {
        let windows = window.map(|window| Windows { window, core });
        let dir = std::env::temp_dir();
        let room = |_, _, _| {
            Ok(windows.map_or(Room::Memory, |_| Room::File {
                dir: dir.clone(),
                turning: 1 << 10,
            }))
        };
        let (d, x) = open_rows(Path::new(&path), &of(&label), &room).expect("opens");
        let prepared = prepare_matrix(d, x, &label, &[], InputChoice::Auto).expect("prepares");
        let genes = GeneFilter {
            max_considered: Some(2000),
            ..GeneFilter::default()
        };
        let settings = SplitSettings {
            windows,
            genes,
            ..SplitSettings::default()
        };
        let data = split(prepared, &settings).expect("splits").0;
        let cells = data.stream.as_ref().map(|s| s.window_steps(128) * 128);
        let losses: Vec<f64> = (0..5)
            .map(|seed| {
                let settings = Settings {
                    genes: 32,
                    seed,
                    ..Settings::default()
                };
                let stop = AtomicBool::new(false);
                let mut cpu = Cpu::<f32>::default();
                let fit = fit(&mut cpu, &data, &settings, None, false, &stop, &mut |_| ());
                fit.expect("trains").best_loss
            })
            .collect();
        let mean = losses.iter().sum::<f64>() / losses.len() as f64;
        println!(
            "window {cells:?} of {} cells: {mean:.4} {losses:.4?}",
            data.all_train()
        );
    }
}
