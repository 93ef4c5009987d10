//! `yoto-gpu bench --check`: every kernel on every implementation, against its twin.
use super::bench::BenchArgs;
use super::run::Failure;
use super::stages::set_threads;
use crate::bench::files;
use crate::check::browser;
use crate::check::table::{Target, run_all, targets};
use crate::ops::DeviceInfo;
use std::path::Path;

/// What to check.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct CheckArgs {
    /// Run the known cases of every kernel on all adapters and on the CPU path instead of measuring,
    /// and print the worst errors as shares of their bounds; exit 1 where one is above its bound
    #[arg(long)]
    pub check: bool,
    /// With --check: also in Chromium's WebGPU, the one on the PATH or named in YOTO_CHROMIUM
    #[arg(long, requires = "check")]
    pub browser: bool,
}

/// Runs the check on the devices that `args.device` names (none: all) and returns what goes to
/// stdout, the table or (`--json -`) JSON, and whether all is right. `--json FILE` is written.
///
/// # Errors
/// Where no device fits, Chromium is asked for and not there, or FILE cannot be written.
pub fn run_table(args: &BenchArgs) -> Result<(String, bool), Failure> {
    let on_stdout = args.json.as_deref() == Some(Path::new("-"));
    let file = args.json.as_deref().filter(|_| !on_stdout);
    let file = file
        .map(|p| files::Target::claim(p, args.force))
        .transpose()?;
    set_threads(args.threads)?;
    let mut targets = targets(args.device.as_deref())?;
    if args.check.browser {
        let path = browser::find().ok_or_else(|| Failure {
            what: "Chromium was not found".into(),
            hint: "install Chromium, name it in YOTO_CHROMIUM, or leave --browser out".into(),
        })?;
        targets.push(Target::Browser(path));
    }
    let table = run_all(&targets, |info: &DeviceInfo| {
        if !args.quiet {
            // whoever closed stderr does not want to know
            let _ = std::io::Write::write_fmt(
                &mut std::io::stderr(),
                format_args!("checking {} ({})\n", info.name, info.backend),
            );
        }
    });
    let json = serde_json::to_string_pretty(&table).map_err(|e| Failure {
        what: format!("the table: {e}"),
        hint: "leave --json out".into(),
    })? + "\n";
    if let Some(file) = file {
        file.write(&json)?;
    }
    let text = if on_stdout { json } else { table.text() };
    Ok((text, table.passes()))
}
