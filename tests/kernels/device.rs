//! The device itself: order of writes and launches, bind groups, errors.
use crate::common::gpu;
use yoto_gpu::error::DeviceError;
use yoto_gpu::gpu::{Gpu, Pick, adapters, pick};
use yoto_gpu::kernels::adamw::{AdamStep, AdamW};
use yoto_gpu::ops::{FBuf, Ops, UBuf};

/// A step that takes the gradient off the parameters: the first moment is the gradient, the root of the
/// second is lost in eps.
fn subtract(n: u32) -> AdamW {
    AdamW {
        n,
        arena: n,
        ..AdamW::default()
    }
    .with_adam(&AdamStep {
        lr: 1.0,
        beta1: 0.0,
        beta2: 1.0,
        eps: 1.0,
        weight_decay: 0.0,
        correction1: 1.0,
        correction2: 1.0,
    })
}

#[test]
fn launches_and_writes_keep_their_order() {
    let Some(mut gpu) = gpu() else { return };
    let [w, g] = ["w", "g"].map(|name| gpu.alloc_f(name, 300).unwrap());
    let moments = gpu.alloc_f("moments", 600).unwrap();
    assert_eq!(gpu.read_f(w).unwrap(), [0.0; 300], "new buffers are zero");
    for step in 1..=4 {
        gpu.write_f(g, &vec![step as f32; 300]).unwrap();
        gpu.adamw(subtract(300), w, g, moments);
    }
    assert_eq!(gpu.read_f(w).unwrap(), [-10.0; 300]);
    // a range of a buffer, and a write of its first elements only
    let part = g.slice(64, 100);
    gpu.write_f(part, &[0.5; 10]).unwrap();
    let p = AdamW {
        n: 100,
        ..subtract(300)
    };
    gpu.adamw(p, w, part, moments);
    let w = gpu.read_f(w).unwrap();
    assert_eq!((w[9], w[10], w[99], w[100]), (-10.5, -14.0, -14.0, -10.0));
    assert_eq!(gpu.read_f(part.first(11)).unwrap()[9..], [0.5, 4.0]);
}

#[test]
fn steady_steps_make_no_bind_group() {
    let Some(mut gpu) = gpu() else { return };
    let [w, g, m] = ["w", "g", "m"].map(|name| gpu.alloc_f(name, 64).unwrap());
    gpu.write_f(g, &[1.0; 64]).unwrap();
    let mut p = AdamW {
        n: 10,
        arena: 10,
        lr: 0.1,
        beta1: 0.9,
        beta2: 0.999,
        eps: 1e-8,
        ..AdamW::default()
    };
    (p.correction1, p.correction2) = (0.1, 0.001);
    gpu.adamw(p, w, g, m);
    let before = (gpu.bind_groups_made(), gpu.dispatches(), gpu.submissions());
    for _ in 0..3000 {
        gpu.adamw(p, w, g, m);
    }
    gpu.sync().unwrap();
    assert_eq!(gpu.bind_groups_made(), before.0);
    assert_eq!(gpu.dispatches(), before.1 + 3000);
    let submissions = gpu.submissions() - before.2;
    assert!((2..40).contains(&submissions), "{submissions} submissions");
    assert!(
        gpu.read_f(w.first(10)).unwrap().iter().all(|w| *w < -1.0),
        "the steps ran"
    );
    // another buffer is another bind group
    let other = gpu.alloc_f("other", 10).unwrap();
    gpu.adamw(p, other, g, m);
    assert_eq!(gpu.bind_groups_made(), before.0 + 1);
}

#[test]
fn memory_is_counted_and_its_end_is_told() {
    let Some(mut gpu) = gpu() else { return };
    let held = gpu.bytes_held();
    let b = gpu.alloc_f("one", 1000).unwrap();
    assert_eq!(gpu.bytes_held(), held + 4096);
    gpu.release_f(b);
    assert_eq!(gpu.bytes_held(), held);
    assert!(matches!(gpu.read_f(b), Err(DeviceError::Failed(_))));
    let len = gpu.max_elements() + 1;
    match gpu.alloc_f("everything", len) {
        Err(DeviceError::OutOfMemory { what, bytes, .. }) => {
            assert_eq!(what, "everything");
            assert!(bytes >= len as u64 * 4);
        }
        other => panic!("{other:?}"),
    }
    assert!(gpu.alloc_f("small", 8).is_ok(), "the device goes on");
}

#[test]
fn failures_are_told_at_the_next_read() {
    let Some(mut gpu) = gpu() else { return };
    let values = gpu.alloc_f("values", 64).unwrap();
    let nowhere = FBuf {
        id: 999,
        offset: 0,
        len: 4,
    };
    gpu.adamw(subtract(32), values, nowhere, values);
    let e = gpu.read_f(values).unwrap_err().to_string();
    assert!(e.contains("adamw/adamw") && e.contains("999"), "{e}");
    assert!(gpu.sync().is_err(), "and it stays");
    let Some(mut gpu) = crate::common::gpu() else {
        return;
    };
    let b = gpu.alloc_f("both", 64).unwrap();
    gpu.adamw(subtract(32), b, b, b); // read and written at once
    assert!(gpu.sync().is_err());
}

#[test]
fn empty_ranges_and_grids_are_fine() {
    let Some(mut gpu) = gpu() else { return };
    let none = gpu.alloc_f("none", 0).unwrap();
    assert!(gpu.read_f(none).unwrap().is_empty());
    let words: UBuf = gpu.adopt_u("no words", Vec::new()).unwrap();
    assert!(gpu.read_u(words).unwrap().is_empty());
    let before = gpu.dispatches();
    gpu.adamw(AdamW::default(), none, none, none);
    assert_eq!(gpu.dispatches(), before);
    gpu.sync().unwrap();
}

#[test]
fn choices() {
    assert!(matches!(pick("cpu"), Ok(Pick::Cpu { note: None })));
    match pick("no such adapter") {
        Err(DeviceError::NoAdapter { wanted, .. }) => assert_eq!(wanted, "no such adapter"),
        other => panic!("{other:?}"),
    }
    let all = adapters();
    let real = all.iter().any(|a| a.info.kind != "software");
    match pick("auto").unwrap() {
        Pick::Cpu { note } => {
            assert!(!real, "a real GPU was passed over: {note:?}");
            assert!(note.is_some_and(|n| n.contains("CPU path")));
        }
        Pick::Gpu(gpu) => assert_ne!(gpu.info().kind, "software"),
    }
    if let Some(first) = all.first() {
        let part = first.info.name[..4.min(first.info.name.len())].to_uppercase();
        assert_eq!(Gpu::new(&part).unwrap().info(), first.info);
    }
}
