//! Pipelines that are kept between runs.
mod common;

use std::path::Path;
use yoto_gpu::gpu::Gpu;
use yoto_gpu::kernels::adamw::{AdamStep, AdamW};
use yoto_gpu::ops::Ops;

fn kept(folder: &Path) -> Vec<std::path::PathBuf> {
    let files = std::fs::read_dir(folder).unwrap();
    files.map(|f| f.unwrap().path()).collect()
}

/// Whether a launch gives what it should.
fn works(gpu: &mut Gpu) -> bool {
    let [w, g, m] = ["w", "g", "moments"].map(|name| gpu.alloc_f(name, 64).unwrap());
    gpu.write_f(g, &[1.0; 64]).unwrap();
    let p = AdamW {
        n: 32,
        arena: 32,
        ..AdamW::default()
    };
    let step = AdamStep {
        lr: 0.5,
        eps: 1.0,
        correction1: 1.0,
        correction2: 1.0,
        beta2: 1.0,
        ..AdamStep::default()
    };
    gpu.adamw(p.with_adam(&step), w, g, m);
    gpu.read_f(w.first(1)).unwrap() == [-0.5]
}

#[test]
fn pipelines_are_kept_and_a_broken_file_is_harmless() {
    let Some(mut gpu) = common::gpu() else { return };
    let folder = tempfile::tempdir().unwrap();
    let deeper = folder.path().join("yoto-gpu");
    gpu.compile(Some(&deeper)).unwrap();
    assert!(works(&mut gpu));
    if gpu.info().backend != "vulkan" {
        return; // only Vulkan hands its pipelines out
    }
    let files = kept(&deeper);
    assert_eq!(files.len(), 1, "{files:?}");
    let bytes = std::fs::read(&files[0]).unwrap();
    assert!(bytes.len() > 64, "{} bytes", bytes.len());
    let mut turned = bytes.clone();
    turned.reverse();
    for broken in [
        Vec::new(),
        b"no pipelines".to_vec(),
        bytes[..bytes.len() / 2].to_vec(),
        turned,
    ] {
        std::fs::write(&files[0], broken).unwrap();
        let Some(mut gpu) = common::gpu() else { return };
        gpu.compile(Some(&deeper)).unwrap();
        assert!(works(&mut gpu));
        assert_eq!(kept(&deeper), files, "nothing is left beside it");
    }
    // a folder that cannot be made
    let Some(mut gpu) = common::gpu() else { return };
    gpu.compile(Some(&files[0].join("below"))).unwrap();
    assert!(works(&mut gpu));
}
