//! `yoto-gpu devices`: every adapter, what the kernels need of it, and what `auto` takes.
use super::host;
use super::table::table;
use crate::gpu::{AdapterReport, all_candidates, candidate};
use crate::ops::{DeviceInfo, Result};
use serde::{Deserialize, Serialize};

/// Version of what `devices --json` prints.
pub const SCHEMA_VERSION: u32 = 1;

/// A row of `yoto-gpu devices`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// What is known of it.
    #[serde(flatten)]
    pub device: AdapterReport,
    /// Whether `--device auto` takes it.
    pub auto: bool,
}

/// What `yoto-gpu devices --json` prints.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listing {
    /// [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// Adapters, best first, then the CPU path.
    pub devices: Vec<Row>,
    /// Why `auto` takes what it takes.
    pub auto_reason: String,
    /// What could be done to have more devices; `None` where there is an adapter.
    pub hint: Option<String>,
}

/// The CPU path as a device: its name is `CPU`, its driver the processor.
#[must_use]
pub fn cpu_report() -> AdapterReport {
    AdapterReport {
        info: DeviceInfo {
            name: "CPU".into(),
            backend: "native".into(),
            kind: "cpu".into(),
        },
        vendor_id: 0,
        device_id: 0,
        driver: format!("{}, {} threads", host::cpu(), rayon::current_num_threads()),
        subgroup_sizes: [0, 0],
        limits: Vec::new(),
        features: Vec::new(),
        problem: None,
    }
}

/// Looks at every adapter, and opens the ones that `auto` would.
///
/// # Errors
/// None as things stand: an adapter that fails is a row with a problem.
pub fn listing() -> Result<Listing> {
    let taken = candidate("auto")?;
    let (report, reason) = match taken {
        Ok(c) => {
            let reason = format!(
                "{} is the best real GPU that has the limits",
                c.report.info.name
            );
            (c.report, reason)
        }
        Err(note) => (cpu_report(), note.unwrap_or_default()),
    };
    let mut devices: Vec<AdapterReport> = all_candidates().into_iter().map(|c| c.report).collect();
    let hint = devices.is_empty().then(|| {
        "no Vulkan, Metal, DirectX 12 or OpenGL driver answers: install the GPU's driver (on Debian \
         mesa-vulkan-drivers for AMD and Intel), or go on with the CPU path"
            .to_owned()
    });
    devices.push(cpu_report());
    let rows = devices.into_iter().map(|device| Row {
        auto: device == report,
        device,
    });
    Ok(Listing {
        schema_version: SCHEMA_VERSION,
        devices: rows.collect(),
        auto_reason: reason,
        hint,
    })
}

impl Listing {
    /// As a table and a few lines under it.
    #[must_use]
    pub fn text(&self) -> String {
        let mut rows = Vec::new();
        for Row { device, auto } in &self.devices {
            let take = if *auto { "*" } else { "" };
            rows.push(vec![
                take.into(),
                device.info.name.clone(),
                device.info.backend.clone(),
                device.info.kind.clone(),
                format!("{:04x}", device.vendor_id),
                device.driver.clone(),
            ]);
        }
        let heading = ["auto", "name", "backend", "type", "vendor", "driver"];
        let mut text = table(&heading, &rows, 6);
        for Row { device, .. } in &self.devices {
            if device.limits.is_empty() {
                continue;
            }
            let (name, backend) = (&device.info.name, &device.info.backend);
            text += &format!("\n{name} ({backend})\n");
            if let Some(problem) = &device.problem {
                text += &format!("  cannot be used: {problem}\n");
            }
            for l in &device.limits {
                let sign = if l.at_most { "at most" } else { "at least" };
                let needs = match l.needs {
                    0 => "more makes larger pages".into(),
                    n => format!("needs {sign} {n}"),
                };
                let mark = if l.met() { "" } else { "  <- lacking" };
                text += &format!("  {:47} has {:11}  {needs}{mark}\n", l.name, l.has);
            }
            for f in &device.features {
                let has = if f.has { "yes" } else { "no" };
                text += &format!("  {:47} {has:15}  {}\n", f.name, f.used_for);
            }
            let [least, most] = device.subgroup_sizes;
            if most > 0 {
                text += &format!("  {:47} {least} to {most}\n", "invocations of a subgroup");
            }
        }
        text += &format!("\nauto: {}\n", self.auto_reason);
        if let Some(hint) = &self.hint {
            text += &format!("hint: {hint}\n");
        }
        text
    }
}
