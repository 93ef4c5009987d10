//! The known cases on every implementation that the machine has: the CPU path in f32, llvmpipe on
//! Vulkan and on GL, SwiftShader on Vulkan, Chromium's WebGPU, and real GPUs; and the table that tells.
use std::cell::Cell;
use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output};
use yoto_gpu::check::browser;
use yoto_gpu::check::table::{Table, Target, run, run_all};
use yoto_gpu::check::{Case, Device, Inputs, Mode, U, Values, cases, equal, share, sums};
use yoto_gpu::kernels::{ALL, ablate, adamw};

fn bench(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_yoto-gpu"));
    command.arg("bench").args(arguments);
    // SwiftShader stands in Debian's Chromium; the other drivers stay
    let swiftshader = "/usr/lib/chromium/vk_swiftshader_icd.json";
    if Path::new(swiftshader).exists() {
        command.env("VK_ADD_DRIVER_FILES", swiftshader);
    }
    command.output().unwrap()
}

fn is_required() -> bool {
    let set = |name| std::env::var(name).is_ok_and(|v| !v.is_empty() && v != "0");
    cfg!(target_os = "linux") && (set("YOTO_REQUIRE_GPU") || set("CI"))
}

#[test]
fn every_entry_has_a_case() {
    let cases = cases::all();
    let names: BTreeSet<&str> = cases.iter().map(|c| c.name.as_str()).collect();
    assert_eq!(
        names.len(),
        cases.len(),
        "a name is a seed, so there is one"
    );
    let entries = || ALL.iter().flat_map(|k| k.entries);
    assert!(entries().count() >= 15, "the registry is whole");
    let held = |name| cases.iter().any(|c| c.outputs.iter().any(|e| **e == name));
    for entry in entries() {
        assert!(held(*entry), "{}/{} has no case", entry.stem, entry.name);
    }
    for case in &cases {
        let expected = case.expected();
        assert_eq!(expected.want.len(), case.outputs.len(), "{}", case.name);
        let values = expected.want.iter().flatten();
        assert!(values.clone().all(|x| x.is_finite()), "{}", case.name);
        assert!(values.clone().any(|x| *x != 0.0), "{}", case.name);
        assert!(!expected.faulty.is_empty(), "{}: no fault", case.name);
    }
}

#[test]
fn every_implementation_agrees() {
    let mut arguments = vec!["--check", "--all-devices", "--json"];
    if browser::find().is_some() {
        arguments.push("--browser");
    }
    let output = bench(&arguments);
    let said = String::from_utf8_lossy(&output.stderr);
    let table: Table = serde_json::from_slice(&output.stdout).expect(&said);
    // past the test runner, which swallows what a test that passes prints
    writeln!(std::io::stderr(), "{}", table.text()).unwrap();
    assert!(output.status.success() && table.passes(), "{said}");
    let has = |name: &str, backend: &str| {
        let mut infos = table.implementations.iter().map(|i| &i.info);
        infos.any(|i| i.name.contains(name) && i.backend == backend)
    };
    assert!(has("CPU", "native"));
    for (name, backend) in [
        ("llvmpipe", "vulkan"),
        ("llvmpipe", "gl"),
        ("SwiftShader", "vulkan"),
        ("Chromium", "webgpu"),
    ] {
        let there = has(name, backend);
        assert!(there || !is_required(), "{name} on {backend} is missing");
        if !there {
            println!("SKIPPED, no {name} on {backend}");
        }
    }
    let entries: usize = ALL.iter().map(|k| k.entries.len()).sum();
    assert_eq!(table.kernels.len(), entries);
    for row in &table.kernels {
        assert_eq!(row.shares.len(), table.implementations.len());
        let right = |s: &Option<f64>| s.is_some_and(|s| (0.0..=1.0).contains(&s));
        assert!(row.shares.iter().all(right), "{row:?}");
    }
}

#[test]
fn arguments_and_errors() {
    let cpu = bench(&["--check", "--device", "cpu"]);
    let text = String::from_utf8(cpu.stdout).unwrap();
    assert_eq!(cpu.status.code(), Some(0), "{text}");
    assert!(text.contains("[1] CPU") && !text.contains("[2]"), "{text}");
    assert!(text.contains("sparse/transpose"), "{text}");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("table.json");
    let path = file.to_str().unwrap();
    let written = ["--check", "--device", "cpu", "--quiet", "--json", path];
    let output = bench(&written);
    assert!(output.stderr.is_empty());
    assert_eq!(String::from_utf8(output.stdout).unwrap(), text);
    let table: Table = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    assert_eq!(table.text(), text);
    assert_eq!(bench(&written).status.code(), Some(1), "the file is there");
    let nowhere = bench(&["--check", "--device", "no such adapter"]);
    let said = String::from_utf8(nowhere.stderr).unwrap();
    assert_eq!(nowhere.status.code(), Some(1), "{said}");
    assert!(said.contains("no such adapter") && said.contains("hint: "));
    assert!(nowhere.stdout.is_empty());
}

/// Two cases of which the first is right.
fn with(wrong: Case<'_>) -> [Case<'_>; 2] {
    [cases::dense::adamw(257, 0.1), wrong]
}

#[test]
fn a_wrong_kernel_shows() {
    let right = run_all(&[Target::Cpu], |_| {});
    assert!(right.passes(), "{}", right.text());
    assert!(!right.text().contains("FAILED"));
    type Bound = fn(&[Values], &[Values]) -> Vec<Values>;
    let ablated = |bound: Bound, off: f64, faulty: bool| {
        let runs = Cell::new(0.0);
        let entries = [&ablate::ABLATE, &adamw::ADAMW];
        let run = move |_: &mut dyn Device, i: &mut Inputs| {
            runs.set(runs.get() + 1.0);
            // three runs of the twin come before
            let device = if runs.get() > 3.0 { off } else { 0.0 };
            let again = if runs.get() > 4.0 && faulty { U } else { 0.0 };
            let fault = f64::from(i.mode == Mode::Fault);
            vec![vec![1.0 + device + again + fault], vec![2.0]]
        };
        Case::new("ablate, planted", &entries, run, bound)
    };
    let loose = |_: &[Values], _: &[Values]| vec![vec![4.0 * U]; 2];
    for (case, words) in [
        (ablated(equal, U, false), "output 0 is at inf of its bound"),
        (ablated(loose, 5.0 * U, false), "output 0 is at 1.250"),
        (ablated(loose, f64::NAN, false), "output 0 is at inf"),
        (ablated(loose, U, true), "two runs differ"),
        (
            ablated(|_, _| vec![vec![2.0]; 2], U, false),
            "a faulty input passes",
        ),
    ] {
        let table = run(&[Target::Cpu], &with(case), |_| {});
        let text = table.text();
        assert!(!table.passes(), "{text}");
        assert_eq!(table.faults.len(), 1, "{text}");
        assert!(table.faults[0].what.contains(words), "{words}: {text}");
        assert!(text.contains("FAILED on [1]: ablate, planted: "), "{text}");
    }
    let held = run(&[Target::Cpu], &with(ablated(loose, U, false)), |_| {});
    assert!(held.faults.is_empty(), "{}", held.text());
    assert!(!held.passes(), "the other entries have no case");
    assert!(held.text().contains("no case"));
    assert!(!run(&[], &cases::all(), |_| {}).passes(), "nothing was run");
}

#[test]
fn shares() {
    assert_eq!(share(&[1.0, 2.5], &[1.0, 2.0], &[0.0, 1.0]), 0.5);
    for (got, want, bound) in [
        (vec![f64::NAN], vec![1.0], vec![1e9]),
        (vec![1.0], vec![f64::NAN], vec![1e9]),
        (vec![f64::INFINITY], vec![f64::INFINITY], vec![1e9]),
        (vec![1.0], vec![1.0], vec![f64::NAN]),
        (vec![1.0], vec![1.0], vec![-1.0]),
        (vec![1.0], vec![1.0, 2.0], vec![1.0, 1.0]),
        (vec![1.0 + U], vec![1.0], vec![0.0]),
    ] {
        let share = share(&got, &want, &bound);
        assert_eq!(share, f64::INFINITY, "{got:?} {want:?} {bound:?}");
    }
    assert_eq!(sums(4)(&[], &[vec![1.0]]), [[8.0 * U]]);
}
