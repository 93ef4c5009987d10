//! Tells the program which commit and which wgpu it is built from, for what, and by which compiler, for the
//! files of `bench` and for bug reports. In a
//! debug build the commit stays unknown, so that a commit does not rebuild the crate.
use std::process::Command;

fn git(args: &[&str]) -> Option<String> {
    let out = Command::new("git").args(args).output().ok()?;
    let text = String::from_utf8(out.stdout).ok()?;
    out.status.success().then(|| text.trim().to_owned())
}

/// The version of a package in Cargo.lock.
fn locked(package: &str) -> Option<String> {
    let lock = std::fs::read_to_string("Cargo.lock").ok()?;
    let named = format!("name = \"{package}\"");
    let mut lines = lock.lines().skip_while(|l| *l != named);
    let version = lines.nth(1)?.strip_prefix("version = \"")?;
    Some(version.trim_end_matches('"').to_owned())
}

fn main() {
    for path in ["build.rs", "src", "shaders", "Cargo.toml", "Cargo.lock"] {
        println!("cargo:rerun-if-changed={path}");
    }
    println!("cargo:rerun-if-env-changed=YOTO_GPU_COMMIT");
    let release = std::env::var("PROFILE").is_ok_and(|p| p == "release");
    let commit = std::env::var("YOTO_GPU_COMMIT").ok().or_else(|| {
        // a package that lies inside another repository is not of that repository's commit
        let own = release && git(&["ls-files", "--error-unmatch", "build.rs"]).is_some();
        if !own {
            return None;
        }
        if let Some(head) = git(&["rev-parse", "--git-path", "logs/HEAD"]) {
            println!("cargo:rerun-if-changed={head}");
        }
        let dirty = git(&["status", "--porcelain", "--untracked-files=no"])?;
        let mark = if dirty.is_empty() { "" } else { "-dirty" };
        Some(git(&["rev-parse", "HEAD"])? + mark)
    });
    let commit = commit.unwrap_or_else(|| "unknown".into());
    println!("cargo:rustc-env=YOTO_GPU_BUILD_COMMIT={commit}");
    // cargo sets both
    let target = std::env::var("TARGET").unwrap_or_else(|_| "unknown".into());
    println!("cargo:rustc-env=YOTO_GPU_BUILD_TARGET={target}");
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".into());
    let rustc = Command::new(rustc).arg("--version").output().ok();
    let rustc = rustc.and_then(|out| String::from_utf8(out.stdout).ok());
    let rustc = rustc.unwrap_or_else(|| "unknown".into());
    println!("cargo:rustc-env=YOTO_GPU_BUILD_RUSTC={}", rustc.trim());
    let wgpu = locked("wgpu").unwrap_or_else(|| "unknown".into());
    println!("cargo:rustc-env=YOTO_GPU_BUILD_WGPU={wgpu}");
}
