//! `devices`, `bench` and `bench compare` as a user runs them: JSON with all documented fields, the
//! table of ratios, the page with its alternatives in words, and what is refused.
#[path = "common/program.rs"]
mod program;

use program::{refused, text, yoto};
use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output};
use yoto_gpu::bench::schema::{KIND, Report, SCHEMA_VERSION};

const TINY: &[&str] = &[
    "bench",
    "--size",
    "200,20,16,8,4",
    "--repeats",
    "5",
    "--device",
    "cpu",
];

fn tiny(more: &[&str]) -> Output {
    let args = [TINY, more].concat();
    let output = yoto(&args);
    assert!(output.status.success(), "{}", text(&output.stderr));
    output
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).expect("the file is there")).expect("JSON")
}

#[test]
fn a_result_has_every_documented_field() {
    let output = tiny(&["--json", "-", "--seed", "3"]);
    let value: Value = serde_json::from_slice(&output.stdout).expect("JSON alone on stdout");
    for field in [
        "/kind",
        "/schema_version",
        "/date",
        "/program/version",
        "/program/commit",
        "/program/build",
        "/program/wgpu",
        "/host/cpu",
        "/host/logical_cpus",
        "/host/threads",
        "/host/os",
        "/setup/size",
        "/setup/mean_nonzeros",
        "/devices/0/device/name",
        "/devices/0/device/backend",
        "/devices/0/device/type",
        "/devices/0/device/vendor_id",
        "/devices/0/device/driver",
        "/devices/0/device/limits",
        "/devices/0/device/features",
        "/devices/0/ceilings/copy_gb_s",
        "/devices/0/ceilings/clock",
        "/devices/0/check/agrees",
        "/devices/0/kernels/0/median_us",
        "/devices/0/kernels/0/roofline_share",
        "/devices/0/steps/0/steps_per_s",
    ] {
        let found = value.pointer(field);
        assert!(found.is_some_and(|v| !v.is_null()), "{field}");
    }
    // what the system may not tell is there as null
    for field in ["before", "after", "first_step_s", "peak_memory_bytes"] {
        assert!(value["devices"][0].get(field).is_some(), "{field}");
    }
    assert!(value.pointer("/devices/0/no_such_field").is_none());
    let report: Report = serde_json::from_value(value.clone()).expect("the schema");
    let again = serde_json::to_value(&report).expect("JSON");
    assert_eq!(again, value, "nothing but what the schema names");
    assert_eq!(
        (report.kind.as_str(), report.schema_version),
        (KIND, SCHEMA_VERSION)
    );
    assert_eq!((report.setup.genes, report.setup.seed), (200, 3));
    assert!(report.date.ends_with('Z') && report.program.wgpu != "unknown");

    let d = &report.devices[0];
    assert!(d.check.agrees && d.check.worst_share > 0.0 && d.check.worst_share < 1.0);
    assert!(d.check.kernels.len() >= 13);
    assert!(
        d.check
            .kernels
            .iter()
            .all(|k| k.share.is_some_and(|s| s <= 1.0))
    );
    assert!(d.ceilings.copy_gb_s > 0.0 && d.ceilings.fp32_gflop_s > 0.0);
    let phases: Vec<_> = d
        .steps
        .iter()
        .map(|s| (s.phase.as_str(), s.dispatches))
        .collect();
    assert_eq!(phases, [("select", 8.0), ("panel", 5.0)]);
    assert!(
        d.steps
            .iter()
            .all(|s| s.losses[0].is_finite() && s.losses[1].is_finite())
    );
    assert!(
        d.steps
            .iter()
            .all(|s| s.steps >= 5 && s.bind_groups_made == 0)
    );
    assert_eq!(d.kernels.len(), 13);
    for k in &d.kernels {
        assert_eq!(k.samples, 5, "{}", k.name);
        assert!(
            k.p10_us <= k.median_us && k.median_us <= k.p90_us,
            "{}",
            k.name
        );
        assert!(k.bytes > 0, "{}", k.name);
    }
    for phase in ["select", "panel"] {
        let of_phase = d.kernels.iter().filter(|k| k.phase == phase);
        let shares: f64 = of_phase.map(|k| k.time_share).sum();
        assert!((shares - 1.0).abs() < 1e-9, "{phase}: {shares}");
    }
}

#[test]
fn files_are_compared_with_ratios_and_a_page() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    let shown = |name: &str| path(name).display().to_string();
    let output = tiny(&["--json", &shown("a.json"), "--quiet"]);
    assert!(output.stderr.is_empty(), "quiet");
    let table = text(&output.stdout);
    for word in [
        "ceilings: copy",
        "sparse/forward",
        "of roof",
        "agree with the CPU twins",
    ] {
        assert!(table.contains(word), "{word:?} is not in {table}");
    }
    let again = yoto(&[TINY, &["--json", &shown("a.json")]].concat());
    refused(&again, &["a.json", "already", "--force"]);

    // the second is twice as fast by hand, and of a device whose name must be escaped
    let mut b = json(&path("a.json"));
    let rate = b["devices"][0]["steps"][0]["steps_per_s"]
        .as_f64()
        .expect("a rate");
    b["devices"][0]["steps"][0]["steps_per_s"] = (2.0 * rate).into();
    b["devices"][0]["device"]["name"] = "<Card & Co>".into();
    std::fs::write(path("b.json"), b.to_string()).expect("written");
    let args = ["bench", "compare", &shown("a.json"), &shown("b.json")];
    let output = yoto(&[&args[..], &["--html", &shown("page.html")]].concat());
    let table = text(&output.stdout);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let line = |start: &str| {
        let line = table.lines().find(|l| l.starts_with(start));
        line.unwrap_or_else(|| panic!("{start:?} is not in {table}"))
            .to_owned()
    };
    assert!(line("select: steps/s").ends_with("2.00x"), "{table}");
    assert!(line("panel: steps/s").ends_with("1.00x"));
    assert!(line("copy, GB/s").ends_with("1.00x"));
    assert!(line("select sparse/forward, us").ends_with("1.00x"));

    let page = std::fs::read_to_string(path("page.html")).expect("the page");
    let count = |what: &str| page.matches(what).count();
    assert_eq!(count("<svg"), 2, "a plot a device");
    assert_eq!(count("<svg role=\"img\" aria-labelledby="), 2);
    assert_eq!(count("<title id=\"plot"), 2);
    assert_eq!(count("<desc id=\"plot"), 2);
    assert!(page.contains("Roofline of A: CPU") && page.contains("&lt;Card &amp; Co&gt;"));
    assert!(!page.contains("<Card"), "names are escaped");
    assert!(page.contains("sparse/forward") && page.contains("2.00x"));
    // self-contained: nothing is loaded from anywhere
    for loads in ["src=", "href=", "url(", "@import", "<script"] {
        assert!(!page.contains(loads), "{loads}");
    }
    let again = yoto(&[&args[..], &["--html", &shown("page.html")]].concat());
    refused(&again, &["page.html", "already"]);
}

#[test]
fn files_that_are_no_results_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let compare = |name: &str, content: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, content).expect("written");
        yoto(&["bench", "compare", &path.display().to_string()])
    };
    refused(
        &compare("a", "no JSON"),
        &["a is not JSON", "bench --json FILE"],
    );
    refused(&compare("b", "{\"x\": 1}"), &["b is not a result"]);
    let newer = format!("{{\"kind\": \"{KIND}\", \"schema_version\": 999}}");
    refused(
        &compare("c", &newer),
        &["schema_version 999", "measure again"],
    );
    let broken = format!("{{\"kind\": \"{KIND}\", \"schema_version\": {SCHEMA_VERSION}}}");
    refused(&compare("d", &broken), &["with a fault", "missing field"]);
    refused(
        &yoto(&["bench", "compare", "no/such/file"]),
        &["cannot be read"],
    );
}

#[test]
fn wrong_requests_are_refused() {
    for wrong in [
        &["bench", "--size", "tiny"][..],
        &["bench", "--size", "1,2,3,4,5"],
        &["bench", "--models", "0"],
        &["bench", "--repeats", "0"],
        &["bench", "compare"],
        &["bench", "--device", "cpu", "--all-devices"],
        &["bench", "--force"],
    ] {
        let output = yoto(wrong);
        assert_eq!(output.status.code(), Some(2), "{wrong:?}");
        assert!(output.stdout.is_empty() && !output.stderr.is_empty());
    }
    refused(
        &yoto(&["bench", "--device", "no such card"]),
        &["no such card", "found:"],
    );
    let file = yoto(&[TINY, &["--json", "no/such/folder/x.json"]].concat());
    refused(&file, &["no/such/folder/x.json", "no such folder"]);
    let huge = [
        "bench", "--size", "large", "--device", "cpu", "--cells", "99999999",
    ];
    if cfg!(target_os = "linux") {
        refused(&yoto(&huge), &["99999999 simulated cells", "--cells"]);
    }
}

#[test]
fn several_models_train_side_by_side() {
    let output = tiny(&["--json", "-", "--models", "3"]);
    let report: Report = serde_json::from_slice(&output.stdout).expect("the schema");
    let d = &report.devices[0];
    assert!(d.check.agrees, "{:?}", d.check);
    for s in &d.steps {
        assert_eq!((s.models, s.dispatches.fract()), (3, 0.0));
        assert!((s.models_per_s / s.steps_per_s - 3.0).abs() < 1e-9);
        assert!((s.cells_per_s / s.steps_per_s - 48.0).abs() < 1e-9);
    }
    let one: Report = serde_json::from_slice(&tiny(&["--json", "-"]).stdout).expect("the schema");
    let bytes = |r: &Report| r.devices[0].kernels[0].bytes;
    assert_eq!(bytes(&report), 3 * bytes(&one), "three lists of scores");
}

/// Where there is a Vulkan adapter (Mesa's software one will do): the device's own clock.
#[test]
fn an_adapter_is_measured_by_its_own_clock() {
    let listing: Value =
        serde_json::from_slice(&yoto(&["devices", "--json"]).stdout).expect("JSON");
    let devices = listing["devices"].as_array().expect("devices");
    let vulkan = devices.iter().find(|d| d["backend"] == "vulkan");
    let Some(name) = vulkan.and_then(|d| d["name"].as_str()) else {
        let set = |name| std::env::var(name).is_ok_and(|v| !v.is_empty() && v != "0");
        assert!(
            !set("YOTO_REQUIRE_GPU") && !set("CI"),
            "an adapter is required"
        );
        println!("SKIPPED, no adapter");
        return;
    };
    let args = [
        "bench",
        "--size",
        "200,20,16,8,4",
        "--repeats",
        "5",
        "--json",
        "-",
    ];
    let output = yoto(&[&args[..], &["--device", name]].concat());
    assert!(output.status.success(), "{}", text(&output.stderr));
    let report: Report = serde_json::from_slice(&output.stdout).expect("the schema");
    let d = &report.devices[0];
    assert!(d.check.agrees, "{:?}", d.check);
    assert!(d.ceilings.notes.is_empty(), "{:?}", d.ceilings.notes);
    assert_eq!(d.device.info.name, name);
    let (limits, features) = (&d.device.limits, &d.device.features);
    assert!(!limits.is_empty() && limits.iter().all(|l| l.met()));
    assert!(features.iter().any(|f| f.name == "timestamp_query"));
    let tiles = d.kernels.iter().find(|k| k.name == "linear/update");
    assert!(tiles.is_some_and(|k| k.variant.starts_with("linear_")));
    for k in &d.kernels {
        assert!(k.median_us > 0.0 && k.samples == 5, "{}", k.name);
        let (file, entry) = k.name.split_once('/').expect("file and entry");
        assert!(
            k.variant.starts_with(file) && k.variant.ends_with(entry),
            "{}",
            k.variant
        );
    }
    for s in &d.steps {
        assert_eq!(s.bind_groups_made, 0, "bind groups are kept");
        assert!(s.host_us.is_some() && s.submissions > 0.0 && s.submissions < 1.0);
        assert!(s.idle_share.is_some_and(|x| (0.0..=1.0).contains(&x)));
    }
}

#[test]
fn devices_are_listed_with_the_cpu_path_and_one_choice() {
    let output = yoto(&["devices", "--json"]);
    assert!(output.status.success());
    // drivers that find no screen keep it to themselves
    assert_eq!(text(&output.stderr), "");
    let listing: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(listing["schema_version"], 1);
    let devices = listing["devices"].as_array().expect("devices");
    let chosen = |v: &[Value]| v.iter().filter(|d| d["auto"] == true).count();
    assert_eq!(chosen(devices), 1);
    assert_eq!(devices[devices.len() - 1]["type"], "cpu");
    assert!(
        listing["auto_reason"]
            .as_str()
            .is_some_and(|r| !r.is_empty())
    );
    for device in &devices[..devices.len() - 1] {
        let limits = device["limits"].as_array().expect("limits");
        assert!(
            limits
                .iter()
                .any(|l| l["name"] == "max_storage_buffer_binding_size")
        );
        assert!(
            limits
                .iter()
                .all(|l| l["has"].is_u64() && l["needs"].is_u64())
        );
    }
    let table = text(&yoto(&["devices"]).stdout);
    assert!(table.contains("auto: ") && table.contains("CPU"));

    // no driver at all: the CPU path and a hint, and all is well
    let mut none = Command::new(env!("CARGO_BIN_EXE_yoto-gpu"));
    let output = none
        .args(["devices", "--json"])
        .env("WGPU_BACKEND", "metal,dx12")
        .output();
    let output = output.expect("the program starts");
    if cfg!(target_os = "linux") {
        assert!(output.status.success());
        let listing: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        assert_eq!(listing["devices"].as_array().map(Vec::len), Some(1));
        assert!(
            listing["hint"]
                .as_str()
                .is_some_and(|h| h.contains("driver"))
        );
    }
}
