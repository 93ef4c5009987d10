//! What the system tells of itself: processor, memory, heat and clocks, the date.
use super::schema::{Conditions, Host, Reading};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

/// The processor's name, or `unknown`.
pub(super) fn cpu() -> String {
    let named = if cfg!(target_os = "linux") {
        let info = text(Path::new("/proc/cpuinfo")).unwrap_or_default();
        let value = |l: &str| l.split_once(':').map(|(_, v)| v.trim().to_owned());
        let line = info.lines().find(|l| l.starts_with("model name"));
        line.and_then(value)
    } else if cfg!(target_os = "macos") {
        output("sysctl", &["-n", "machdep.cpu.brand_string"])
    } else {
        std::env::var("PROCESSOR_IDENTIFIER").ok()
    };
    named.unwrap_or_else(|| "unknown".into())
}

/// The machine.
pub(super) fn host() -> Host {
    let release = text(Path::new("/etc/os-release")).and_then(|t| {
        let line = t.lines().find_map(|l| l.strip_prefix("PRETTY_NAME="))?;
        Some(line.trim_matches('"').to_owned())
    });
    let kernel = text(Path::new("/proc/sys/kernel/osrelease"));
    let known = [Some(std::env::consts::OS.to_owned()), release, kernel];
    let known: Vec<String> = known.into_iter().flatten().collect();
    Host {
        cpu: cpu(),
        logical_cpus: std::thread::available_parallelism().map_or(1, |n| n.get() as u64),
        threads: rayon::current_num_threads() as u64,
        os: format!("{}, {}", known.join(", "), std::env::consts::ARCH),
        memory_bytes: kilobytes("/proc/meminfo", "MemTotal:"),
    }
}

/// The most memory that this process held.
pub(crate) fn peak_memory() -> Option<u64> {
    kilobytes("/proc/self/status", "VmHWM:")
}

/// Memory that is free to be used.
pub(crate) fn free_memory() -> Option<u64> {
    kilobytes("/proc/meminfo", "MemAvailable:")
}

/// Lets the peak begin anew at what is held now; where the system does not, it stays.
pub(super) fn forget_peak_memory() {
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

fn kilobytes(path: &str, key: &str) -> Option<u64> {
    let text = text(Path::new(path))?;
    let line = text.lines().find_map(|l| l.strip_prefix(key))?;
    let number = line.trim().split(' ').next()?;
    Some(number.parse::<u64>().ok()? * 1024)
}

fn text(path: &Path) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    Some(text.trim().to_owned())
}

fn number(path: &Path) -> Option<f64> {
    text(path)?.parse().ok()
}

/// What a program that may not be there prints.
fn output(program: &str, args: &[&str]) -> Option<String> {
    let mut command = Command::new(program);
    let out = command.args(args).stderr(Stdio::null()).output().ok()?;
    let text = String::from_utf8(out.stdout).ok()?;
    out.status.success().then(|| text.trim().to_owned())
}

/// Heat, clocks and power; `None` where the system tells nothing.
pub(super) fn conditions() -> Option<Conditions> {
    let mut c = Conditions::default();
    hwmon(Path::new("/sys/class/hwmon"), &mut c);
    let clock = |cpu: &Path| number(&cpu.join("cpufreq/scaling_cur_freq")).map(|khz| khz / 1e3);
    c.cpu_mhz = entries(Path::new("/sys/devices/system/cpu"), "cpu")
        .iter()
        .filter_map(|p| clock(p))
        .max_by(f64::total_cmp);
    nvidia(&mut c);
    (c != Conditions::default()).then_some(c)
}

/// Entries of a folder whose names begin so, in order.
fn entries(folder: &Path, beginning: &str) -> Vec<std::path::PathBuf> {
    let Ok(found) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let fits = |p: &std::path::PathBuf| {
        let name = p.file_name().map(|n| n.to_string_lossy().into_owned());
        name.is_some_and(|n| n.starts_with(beginning))
    };
    let mut found: Vec<_> = found.flatten().map(|e| e.path()).filter(fits).collect();
    found.sort();
    found
}

fn hwmon(root: &Path, c: &mut Conditions) {
    for chip in entries(root, "hwmon") {
        let name = text(&chip.join("name")).unwrap_or_else(|| "sensor".into());
        let readings = |kind: &str, ending: &str, unit: f64, to: &mut Vec<Reading>| {
            for input in entries(&chip, kind) {
                let file = input.to_string_lossy().into_owned();
                let Some(stem) = file.strip_suffix(ending) else {
                    continue;
                };
                let label = text(Path::new(&format!("{stem}_label")));
                if let Some(value) = number(&input) {
                    to.push(Reading {
                        sensor: label.map_or_else(|| name.clone(), |l| format!("{name} {l}")),
                        value: value / unit,
                    });
                }
            }
        };
        readings("temp", "_input", 1e3, &mut c.celsius);
        readings("power", "_average", 1e6, &mut c.watts);
        readings("power", "_input", 1e6, &mut c.watts);
        readings("freq", "_input", 1e6, &mut c.gpu_mhz);
    }
}

fn nvidia(c: &mut Conditions) {
    let query = "--query-gpu=name,temperature.gpu,power.draw,clocks.sm,clocks.mem";
    let Some(told) = output("nvidia-smi", &[query, "--format=csv,noheader,nounits"]) else {
        return;
    };
    for line in told.lines() {
        let fields: Vec<&str> = line.split(',').map(str::trim).collect();
        let [name, celsius, watts, core, memory] = fields[..] else {
            continue;
        };
        let reading = |label: &str, value: &str| {
            let value = value.parse().ok()?;
            let sensor = format!("{name}{label}");
            Some(Reading { sensor, value })
        };
        c.celsius.extend(reading("", celsius));
        c.watts.extend(reading("", watts));
        c.gpu_mhz.extend(reading(" core", core));
        c.gpu_mhz.extend(reading(" memory", memory));
    }
}

/// Now, UTC, RFC 3339.
pub(crate) fn now() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    rfc3339(since.map_or(0, |d| d.as_secs()))
}

/// Seconds since 1970 as a date of the Gregorian calendar, counted in eras of 400 years that begin
/// in March, so that the leap day is the last one of a year.
fn rfc3339(seconds: u64) -> String {
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    // from 0000-03-01 to 1970-01-01
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let of_year = day - (365 * year + year / 4 - year / 100);
    // months of March to January have 153 days in every five
    let month = (5 * of_year + 2) / 153;
    let date = of_year - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 {
        (month + 3, 0)
    } else {
        (month - 9, 1)
    };
    let year = era * 400 + year + next;
    let (hour, minute) = (second / 3600, second / 60 % 60);
    format!(
        "{year:04}-{month:02}-{date:02}T{hour:02}:{minute:02}:{:02}Z",
        second % 60
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_of_known_seconds() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00Z");
        assert_eq!(rfc3339(951_782_399), "2000-02-28T23:59:59Z");
        assert_eq!(rfc3339(951_782_400), "2000-02-29T00:00:00Z");
        assert_eq!(rfc3339(951_868_800), "2000-03-01T00:00:00Z");
        assert_eq!(rfc3339(1_709_164_799), "2024-02-28T23:59:59Z");
        assert_eq!(rfc3339(4_107_542_400), "2100-03-01T00:00:00Z");
        assert_eq!(rfc3339(1_798_761_599), "2026-12-31T23:59:59Z");
    }

    #[test]
    fn sensors_are_read_with_their_units() {
        let folder = tempfile::tempdir().unwrap();
        let chip = folder.path().join("hwmon0");
        std::fs::create_dir(&chip).unwrap();
        let files = [
            ("name", "amdgpu\n"),
            ("temp1_input", "51000\n"),
            ("temp1_label", "edge\n"),
            ("power1_average", "35000000"),
            ("freq1_input", "1800000000"),
            ("temp2_input", "no number"),
        ];
        for (name, text) in files {
            std::fs::write(chip.join(name), text).unwrap();
        }
        let mut c = Conditions::default();
        hwmon(folder.path(), &mut c);
        assert_eq!(c.celsius.len(), 1);
        assert_eq!(c.celsius[0].sensor, "amdgpu edge");
        assert_eq!(c.celsius[0].value, 51.0);
        assert_eq!((c.watts[0].value, c.gpu_mhz[0].value), (35.0, 1800.0));
        let mut none = Conditions::default();
        hwmon(&folder.path().join("absent"), &mut none);
        assert_eq!(none, Conditions::default());
    }
}
