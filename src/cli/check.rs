//! `yoto-gpu bench --check`: every kernel on every implementation, against its twin.
use super::run::Failure;
use crate::check::browser;
use crate::check::table::{Target, run_all, targets};
use crate::ops::DeviceInfo;

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

/// Runs the check on the devices that `device` names (none: all) and returns what goes to stdout,
/// a table or JSON, and whether all is right.
///
/// # Errors
/// Where no device fits, or Chromium is asked for and not there.
pub fn run_table(
    device: Option<&str>,
    with_browser: bool,
    json: bool,
) -> Result<(String, bool), Failure> {
    let mut targets = targets(device)?;
    if with_browser {
        let path = browser::find().ok_or_else(|| Failure {
            what: "Chromium was not found".into(),
            hint: "install Chromium, name it in YOTO_CHROMIUM, or leave --browser out".into(),
        })?;
        targets.push(Target::Browser(path));
    }
    let table = run_all(&targets, |info: &DeviceInfo| {
        // whoever closed stderr does not want to know
        let _ = std::io::Write::write_fmt(
            &mut std::io::stderr(),
            format_args!("checking {} ({})\n", info.name, info.backend),
        );
    });
    let text = if json {
        let text = serde_json::to_string_pretty(&table);
        text.map_err(|e| Failure {
            what: format!("the table: {e}"),
            hint: "leave --json out".into(),
        })? + "\n"
    } else {
        table.text()
    };
    Ok((text, table.passes()))
}
