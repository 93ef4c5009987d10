//! `--version --verbose`: what a bug report needs to say.
use super::host;
use super::listing::listing;
use std::fmt::Write;

/// The program, what it is built from, the machine and its adapters.
#[must_use]
pub fn verbose() -> String {
    let mut s = String::new();
    // writing to a string does not fail
    let mut line = |what: &str, is: String| {
        let _ = writeln!(s, "{what:<9}{is}");
    };
    line("yoto-gpu", env!("CARGO_PKG_VERSION").into());
    line("commit", env!("YOTO_GPU_BUILD_COMMIT").into());
    let profile = if cfg!(debug_assertions) {
        "debug"
    } else {
        "release"
    };
    line(
        "built",
        format!(
            "{profile}, for {}, by {}",
            env!("YOTO_GPU_BUILD_TARGET"),
            env!("YOTO_GPU_BUILD_RUSTC")
        ),
    );
    line(
        "wgpu",
        format!("{}, backends {}", env!("YOTO_GPU_BUILD_WGPU"), backends()),
    );
    let (major, minor, micro) = hdf5::library_version();
    line("HDF5", format!("{major}.{minor}.{micro}, for writing"));
    let machine = host::host();
    line(
        "host",
        format!("{}; {} logical CPUs", machine.os, machine.logical_cpus),
    );
    match listing() {
        Ok(listing) => {
            for row in &listing.devices {
                let (info, take) = (&row.device.info, if row.auto { "; auto" } else { "" });
                let problem = row.device.problem.as_ref();
                let problem = problem.map(|p| format!("; cannot be used: {p}"));
                let is = format!(
                    "{} ({}, {}), {}{take}{}",
                    info.name,
                    info.backend,
                    info.kind,
                    row.device.driver,
                    problem.unwrap_or_default()
                );
                line("device", is);
            }
        }
        Err(e) => line("device", format!("none could be asked: {e}")),
    }
    s
}

/// Graphics interfaces that this build can use.
fn backends() -> &'static str {
    if cfg!(target_os = "windows") {
        "Vulkan, DirectX 12, OpenGL"
    } else if cfg!(target_vendor = "apple") {
        "Metal"
    } else {
        "Vulkan, OpenGL"
    }
}
