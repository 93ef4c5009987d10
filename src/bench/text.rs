//! A result as text for people.
use super::schema::{Conditions, DeviceResult, Report};
use super::table::{bytes, or_dash, short, table};

/// The whole report.
#[must_use]
pub fn text(report: &Report) -> String {
    let (s, h, p) = (&report.setup, &report.host, &report.program);
    let mut text = format!(
        "{} size: G = {}, {:.0} nonzeros a cell, B = {}, H = {}, k = {}; {} cells, seed {}, {} repeats\n\
         {}, {} threads; {}\nyoto-gpu {} ({}, {}), wgpu {}; {}\n",
        s.size,
        s.genes,
        s.mean_nonzeros,
        s.batch,
        s.hidden,
        s.k,
        s.cells,
        s.seed,
        s.repeats,
        h.cpu,
        h.threads,
        h.os,
        p.version,
        p.commit,
        p.build,
        p.wgpu,
        report.date,
    );
    if p.build == "debug" {
        text += "this is a debug build: its figures say nothing of speed\n";
    }
    report.devices.iter().for_each(|d| text += &device(d));
    text
}

fn device(d: &DeviceResult) -> String {
    let (info, c) = (&d.device.info, &d.ceilings);
    let mut text = format!(
        "\n{} ({}, {}), vendor {:04x}, {}\n",
        info.name, info.backend, info.kind, d.device.vendor_id, d.device.driver
    );
    for (when, told) in [("before", &d.before), ("after", &d.after)] {
        if let Some(told) = told {
            text += &format!("  {when}: {}\n", conditions(told));
        }
    }
    text += &format!(
        "  ceilings: copy {} GB/s (2 x {}), fp32 {} GFLOP/s, f16 {}, cooperative matrices {}; \
         empty dispatch {} us, empty submit {} us\n",
        short(c.copy_gb_s),
        bytes(c.copy_bytes),
        short(c.fp32_gflop_s),
        or_dash(c.f16_gflop_s),
        or_dash(c.matrix_gflop_s),
        short(c.empty_dispatch_us),
        short(c.empty_submit_us),
    );
    let agree = if d.check.agrees {
        "agree"
    } else {
        "DO NOT AGREE"
    };
    text += &format!(
        "  results {agree} with the CPU twins ({}; worst error {} of its bound)\n",
        d.check.method,
        short(d.check.worst_share)
    );
    d.check
        .failures
        .iter()
        .for_each(|f| text += &format!("    {f}\n"));
    text += &format!(
        "  first step after {} s; peak memory of the process {}\n",
        or_dash(d.first_step_s),
        d.peak_memory_bytes.map_or_else(|| "-".into(), bytes)
    );
    let notes = d.notes.iter().chain(&c.notes);
    notes.for_each(|n| text += &format!("  note: {n}\n"));
    if !d.steps.is_empty() {
        let rows: Vec<Vec<String>> = d.steps.iter().map(step).collect();
        text += "\n";
        text += &table(
            &[
                "phase",
                "models",
                "steps/s",
                "cells/s",
                "models/s",
                "dispatches",
                "submits",
                "host us",
                "us/dispatch",
                "submit us",
                "idle",
                "bind groups",
                "device memory",
            ],
            &rows,
            1,
        );
    }
    if !d.kernels.is_empty() {
        let rows: Vec<Vec<String>> = d
            .kernels
            .iter()
            .map(|k| {
                vec![
                    k.phase.clone(),
                    k.label(),
                    short(k.median_us),
                    short(k.p10_us),
                    short(k.p90_us),
                    format!("{:.0} %", 100.0 * k.time_share),
                    bytes(k.bytes),
                    short(k.operations as f64 / 1e6),
                    short(k.gb_s),
                    short(k.gflop_s),
                    format!("{:.0} %", 100.0 * k.roofline_share),
                ]
            })
            .collect();
        text += "\n";
        text += &table(
            &[
                "phase", "kernel", "us", "p10", "p90", "time", "bytes", "Mflop", "GB/s", "GFLOP/s",
                "of roof",
            ],
            &rows,
            2,
        );
    }
    text
}

fn step(s: &super::schema::StepResult) -> Vec<String> {
    vec![
        s.phase.clone(),
        s.models.to_string(),
        short(s.steps_per_s),
        short(s.cells_per_s),
        short(s.models_per_s),
        short(s.dispatches),
        short(s.submissions),
        or_dash(s.host_us),
        or_dash(s.host_us_per_dispatch),
        or_dash(s.submit_us),
        s.idle_share
            .map_or_else(|| "-".into(), |x| format!("{:.0} %", 100.0 * x)),
        s.bind_groups_made.to_string(),
        bytes(s.device_bytes),
    ]
}

/// Heat, clocks and power in a line.
pub(super) fn conditions(c: &Conditions) -> String {
    let mut parts: Vec<String> = Vec::new();
    let readings = |all: &[super::schema::Reading], unit: &str| -> Vec<String> {
        let one = |r: &super::schema::Reading| format!("{} {} {unit}", r.sensor, short(r.value));
        all.iter().map(one).collect()
    };
    parts.extend(readings(&c.celsius, "C"));
    parts.extend(readings(&c.watts, "W"));
    parts.extend(readings(&c.gpu_mhz, "MHz"));
    parts.extend(c.cpu_mhz.map(|f| format!("processor {} MHz", short(f))));
    parts.join(", ")
}
