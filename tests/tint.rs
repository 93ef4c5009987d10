//! Every kernel in Chromium's WebGPU: Tint compiles each entry, SwiftShader runs each known case,
//! and the bounds are those of every other device. Planted faults must be refused.
mod common;
#[path = "common/garbage.rs"]
mod garbage;

use std::path::PathBuf;
use std::time::Duration;
use yoto_gpu::check::browser::{
    BindingText, EntryText, Replayed, Text, Work, find, replay, verdicts,
};
use yoto_gpu::check::{Case, cases};
use yoto_gpu::gpu::Gpu;
use yoto_gpu::gpu::capture::{Event, Span};
use yoto_gpu::kernels::ALL;
use yoto_gpu::kernels::ceiling::{Ceiling, PROBES};

/// Far more than it takes: 8 s on two idle cores, most of it SwiftShader making pipelines.
const LIMIT: Duration = Duration::from_secs(400);

/// Chromium and an adapter to capture from; as with the adapter, its absence is a failure where
/// `YOTO_REQUIRE_GPU=1` or `CI` is set.
fn ready() -> Option<(PathBuf, Gpu)> {
    let gpu = common::gpu()?;
    if let Some(chromium) = find() {
        return Some((chromium, gpu));
    }
    let set = |name| std::env::var(name).is_ok_and(|v| !v.is_empty() && v != "0");
    assert!(
        !set("YOTO_REQUIRE_GPU") && !set("CI"),
        "Chromium is required"
    );
    println!("SKIPPED, no Chromium");
    None
}

/// What is wrong with each case that is not right, by name.
fn faults(gpu: &mut Gpu, cases: &[Case<'_>], replayed: &Replayed) -> Vec<(String, String)> {
    let verdicts = verdicts(gpu, cases, replayed);
    assert_eq!(verdicts.len(), cases.len());
    let mut faults = Vec::new();
    for (case, verdict) in cases.iter().zip(verdicts) {
        println!("{}: {verdict:?}", case.name);
        let fault = verdict.map_or_else(Some, |v| v.fault());
        faults.extend(fault.map(|f| (case.name.clone(), f)));
    }
    faults
}

#[test]
fn every_kernel_compiles_and_agrees() {
    let Some((chromium, mut gpu)) = ready() else {
        return;
    };
    let cases = cases::all();
    let work = Work::capture(&mut gpu, &cases).unwrap();
    for (case, events) in cases.iter().zip(&work.cases) {
        let launched = |(stem, name)| {
            let same = |e: &Event| matches!(e, Event::Launch { stem: s, entry, .. } if (*s, *entry) == (stem, name));
            events.iter().any(same)
        };
        let written = case.outputs.iter().all(|e| launched((e.stem, e.name)));
        assert!(written, "{}: an entry is not launched", case.name);
    }
    let replayed = replay(&chromium, &work, LIMIT).unwrap();
    println!("Chromium's adapter: {}", replayed.adapter);
    assert_eq!(replayed.refused, []);
    assert_eq!(faults(&mut gpu, &cases, &replayed), []);
}

/// The probes of `bench` that need no feature, on an input of known values.
#[test]
fn probes_of_bench_run() {
    let Some((chromium, mut gpu)) = ready() else {
        return;
    };
    let mut work = Work::capture(&mut gpu, &[]).unwrap();
    work.kernels.clear();
    let (rounds, n) = (2u32, 256u32);
    let input: Vec<u32> = (0..rounds * n * 4).map(|i| (i as f32).to_bits()).collect();
    let len = input.len();
    for probe in PROBES.iter().filter(|p| p.capabilities.is_empty()) {
        let bindings = [(1, false), (2, true)].map(|(index, writes)| BindingText { index, writes });
        let entries = probe.entries.iter().map(|e| EntryText {
            name: e.0,
            bindings: bindings.to_vec(),
        });
        work.kernels.push(Text {
            stem: probe.source.path,
            wgsl: probe.source.text.into(),
            params_size: size_of::<Ceiling>(),
            entries: entries.collect(),
        });
        let span = |id| Span { id, offset: 0, len };
        let one = 1f32.to_bits();
        work.cases.push(vec![
            Event::Alloc { id: 1, words: len },
            Event::Alloc { id: 2, words: len },
            Event::Write {
                to: span(1),
                data: input.clone(),
            },
            Event::Launch {
                stem: probe.source.path,
                entry: probe.entries[0].0,
                params: vec![rounds, n, one, one],
                grid: [1, 1, 1],
                buffers: vec![span(1), span(2)],
            },
            Event::Read { from: span(2) },
        ]);
    }
    assert!(work.kernels.len() >= 2, "copy and fma");
    let replayed = replay(&chromium, &work, LIMIT).unwrap();
    assert_eq!(replayed.refused, []);
    let [copied, added] = [0, 1].map(|i| {
        assert_eq!(replayed.cases[i].error, None);
        &replayed.cases[i].first[0]
    });
    assert_eq!(*copied, input);
    // eight chains from 4 j + lane on, each one more a round
    let sums = added[..4].iter().map(|x| f32::from_bits(*x));
    let want = (0..4).map(|lane| (8 * (lane + 14) + 8 * rounds) as f32);
    assert_eq!(sums.collect::<Vec<_>>(), want.collect::<Vec<_>>());
}

#[test]
fn no_kernel_counts_on_cleared_workgroup_memory() {
    let Some((chromium, mut gpu)) = ready() else {
        return;
    };
    let cases = cases::all();
    let mut work = Work::capture(&mut gpu, &cases).unwrap();
    let mut filled = 0;
    for (text, kernel) in work.kernels.iter_mut().zip(ALL) {
        let (with_garbage, n) = garbage::garbage(&text.wgsl, kernel.entries);
        text.wgsl = with_garbage;
        filled += n;
    }
    assert!(filled >= 20, "{filled} variables");
    // a planted fault: sums that are not cleared
    let (stem, clear) = ("sparse", "total[gene * COLUMNS + column] = 0.0;");
    let sparse = work.kernels.iter_mut().find(|k| k.stem == stem).unwrap();
    assert!(sparse.wgsl.contains(clear));
    sparse.wgsl = sparse.wgsl.replace(clear, "");
    let replayed = replay(&chromium, &work, LIMIT).unwrap();
    assert_eq!(replayed.refused, []);
    // what goes through the transposed product, and no more
    let launches = |events: &[Event]| {
        let same = |e: &Event| matches!(e, Event::Launch { stem, entry, .. } if (*stem, *entry) == ("sparse", "transpose"));
        events.iter().any(same)
    };
    let faults = faults(&mut gpu, &cases, &replayed);
    for (case, events) in cases.iter().zip(&work.cases) {
        let fault = faults.iter().find(|f| f.0 == case.name);
        assert_eq!(
            fault.is_some(),
            launches(events),
            "{}: {fault:?}",
            case.name
        );
    }
}

#[test]
fn planted_faults_are_refused() {
    let Some((chromium, mut gpu)) = ready() else {
        return;
    };
    let cases: Vec<_> = cases::all()
        .into_iter()
        .filter(|c| {
            ["adamw", "panel", "softsort"]
                .iter()
                .any(|n| c.name.starts_with(n))
        })
        .collect();
    assert!(cases.len() >= 3);
    let mut work = Work::capture(&mut gpu, &cases).unwrap();
    let mut change = |stem: &str, from: &str, to: &str| {
        let kernel = work.kernels.iter_mut().find(|k| k.stem == stem);
        let kernel = kernel.expect("registered");
        assert!(kernel.wgsl.contains(from), "{from:?} is in {stem}");
        kernel.wgsl = kernel.wgsl.replace(from, to);
    };
    // one constant: results are wrong
    change("adamw", "1.0 - p.beta2", "1.5 - p.beta2");
    // a barrier that not all invocations reach: naga takes it, Tint does not
    change(
        "softsort",
        "workgroupBarrier();",
        "if (bad[0] > 0.5) { workgroupBarrier(); }",
    );
    let kernel = work.kernels.iter_mut().find(|k| k.stem == "softsort");
    let kernel = kernel.expect("registered");
    kernel
        .wgsl
        .push_str("\nvar<workgroup> bad: array<f32, 1>;\n");
    let replayed = replay(&chromium, &work, LIMIT).unwrap();
    assert!(!replayed.refused.is_empty(), "a barrier in a branch passes");
    for refusal in &replayed.refused {
        assert!(refusal.name.starts_with("softsort/"), "{refusal:?}");
        assert!(refusal.message.contains("uniform"), "{refusal:?}");
    }
    let faults = faults(&mut gpu, &cases, &replayed);
    println!("{faults:?}");
    for case in &cases {
        let fault = faults.iter().any(|f| f.0 == case.name);
        assert_eq!(fault, !case.name.starts_with("panel"), "{}", case.name);
    }
    assert!(replay(&PathBuf::from("/no/chromium"), &work, LIMIT).is_err());
}
