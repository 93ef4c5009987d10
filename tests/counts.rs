//! What a step costs, as counts that no machine's speed changes: launches, bytes that they bind, bind
//! groups, SPIR-V instructions of each kernel; held against the table in
//! `tests/counts.csv`, where every change has its reason.
#[path = "common/cells.rs"]
mod cells;
mod common;
#[path = "common/steps.rs"]
mod steps;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use steps::{NETWORKS, Steps};
use yoto_gpu::kernels::ALL;
use yoto_gpu::ops::Ops;

/// Count, and the reason for it, of each name in the table.
fn table() -> BTreeMap<String, (u64, String)> {
    let mut reader = csv::Reader::from_reader(&include_bytes!("counts.csv")[..]);
    let row = |r: csv::StringRecord| {
        assert!(!r[2].is_empty(), "{}: a reason", &r[0]);
        (r[0].to_string(), (r[1].parse().unwrap(), r[2].to_string()))
    };
    reader.records().map(|r| row(r.unwrap())).collect()
}

/// Compares counts with the rows of the table whose names begin alike.
fn hold(prefix: &str, found: &BTreeMap<String, u64>) {
    let table = table();
    let mut wrong = String::new();
    for (name, count) in found {
        match table.get(name) {
            Some((n, _)) if n == count => {}
            Some((n, why)) => writeln!(wrong, "{name},{count}: was {n} ({why})").unwrap(),
            None => writeln!(wrong, "{name},{count}: not in the table").unwrap(),
        }
    }
    for name in table.keys().filter(|n| n.starts_with(prefix)) {
        if !found.contains_key(name) {
            writeln!(wrong, "{name}: no longer counted").unwrap();
        }
    }
    assert!(
        wrong.is_empty(),
        "tests/counts.csv has other counts:\n{wrong}"
    );
}

#[test]
fn launches_and_bytes_of_a_step() {
    let Some(mut gpu) = common::gpu() else { return };
    let mut found = BTreeMap::new();
    for (name, relaxation, hidden) in NETWORKS {
        let steps = Steps::new(&mut gpu, relaxation, hidden);
        for kind in ["soft", "hard", "panel"] {
            steps.run(&mut gpu, kind, relaxation, 0);
            let count = |gpu: &yoto_gpu::gpu::Gpu| {
                [gpu.dispatches(), gpu.bytes_bound(), gpu.bind_groups_made()]
            };
            let before = count(&gpu);
            steps.run(&mut gpu, kind, relaxation, 1);
            let [launches, bytes, groups] = count(&gpu);
            assert!(launches - before[0] <= 12, "at most 12 launches a step");
            assert_eq!(groups, before[2], "no bind group is made in a step");
            found.insert(format!("launches {kind} {name}"), launches - before[0]);
            found.insert(format!("bytes bound {kind} {name}"), bytes - before[1]);
        }
    }
    gpu.sync().unwrap();
    let launches = |n: &str| n.starts_with("launches");
    let (l, b): (BTreeMap<_, _>, BTreeMap<_, _>) =
        found.into_iter().partition(|(n, _)| launches(n));
    hold("launches", &l);
    hold("bytes bound", &b);
}

#[test]
fn instructions_of_each_kernel() {
    use naga::back::spv;
    let mut found = BTreeMap::new();
    for kernel in ALL {
        let module = naga::front::wgsl::parse_str(&kernel.wgsl()).unwrap();
        let flags = naga::valid::ValidationFlags::all();
        let mut validator = naga::valid::Validator::new(flags, naga::valid::Capabilities::empty());
        let info = validator.validate(&module).unwrap();
        for entry in kernel.entries {
            let pipeline = spv::PipelineOptions {
                shader_stage: naga::ShaderStage::Compute,
                entry_point: entry.name.into(),
            };
            let words =
                spv::write_vec(&module, &info, &spv::Options::default(), Some(&pipeline)).unwrap();
            // five words of header, then instructions whose first word holds their length
            let (mut at, mut n) = (5, 0u64);
            while at < words.len() {
                at += (words[at] >> 16) as usize;
                n += 1;
            }
            found.insert(format!("instructions {}/{}", kernel.stem, entry.name), n);
        }
    }
    hold("instructions", &found);
}
