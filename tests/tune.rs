//! What is timed once an adapter and remembered.
mod common;

use yoto_gpu::gpu::{Form, Gpu, tune};
use yoto_gpu::kernels::linear::TILES;
use yoto_gpu::ops::Ops;

#[test]
fn an_adapter_is_timed_once() {
    let Some(mut gpu) = common::gpu() else { return };
    let folder = tempfile::tempdir().unwrap();
    let held = gpu.bytes_held();
    let before = tune::measured();
    let choice = gpu.tune(Some(folder.path())).unwrap();
    println!("{choice:?}");
    assert_eq!(tune::measured(), before + 1);
    assert!(TILES.contains(&choice.tile));
    assert_eq!(gpu.bytes_held(), held, "nothing stays on the device");
    let form = match choice.form {
        Form::Sparse => "sparse",
        Form::Tiled => "tiled",
    };
    let variant = format!("tiles of {}, {form} first layer", choice.tile);
    assert_eq!(gpu.variant(), variant, "a checkpoint tells it apart");
    // another device of the same adapter takes it from the file
    let choose = std::env::var("YOTO_TEST_ADAPTER").unwrap_or_else(|_| "gpu".into());
    let mut other = Gpu::new(&choose).unwrap();
    assert_eq!(other.tune(Some(folder.path())).unwrap(), choice);
    assert_eq!(tune::measured(), before + 1);
    // a file of another adapter does not help, and is kept
    let file = folder.path().join("tuning.json");
    let text = std::fs::read_to_string(&file).unwrap();
    let name = gpu.info().name;
    std::fs::write(&file, text.replace(&name, "Another")).unwrap();
    other.tune(Some(folder.path())).unwrap();
    assert_eq!(tune::measured(), before + 2);
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.contains("Another") && text.contains(&name));
    // nor does one that cannot be written to do harm
    let nowhere = file.join("below a file");
    assert!(TILES.contains(&other.tune(Some(&nowhere)).unwrap().tile));
    assert_eq!(tune::measured(), before + 3);
}
