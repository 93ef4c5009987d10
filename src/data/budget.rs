//! How much memory a run takes, and how cells that do not fit are parted.
use super::stream::Windows;
use crate::ops::BLOCK;
use serde::{Deserialize, Serialize};
use std::fmt::{Display, Formatter};
use std::str::FromStr;

/// A number of bytes, as `8GiB` or `500MB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Bytes(pub u64);

const UNITS: [(&str, u64); 9] = [
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("B", 1),
];

impl FromStr for Bytes {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "it must be a number with a unit, such as 8GiB or 500MB".to_owned();
        let text = text.trim();
        let unit = |(name, _): &&(&str, u64)| text.to_lowercase().ends_with(&name.to_lowercase());
        let (name, factor) = UNITS.iter().find(unit).ok_or_else(wrong)?;
        let number: f64 = text[..text.len() - name.len()]
            .trim()
            .parse()
            .map_err(|_| wrong())?;
        let bytes = number * *factor as f64;
        if (1.0..1e18).contains(&bytes) {
            Ok(Self(bytes as u64))
        } else {
            Err(wrong())
        }
    }
}

impl Display for Bytes {
    fn fmt(&self, f: &mut Formatter) -> std::fmt::Result {
        let (gib, mib) = ((1u64 << 30) as f64, (1u64 << 20) as f64);
        let bytes = self.0 as f64;
        if bytes < gib {
            write!(f, "{:.0} MiB", bytes / mib)
        } else {
            write!(f, "{:.2} GiB", bytes / gib)
        }
    }
}

/// The program, its libraries and the networks.
const BASE: u64 = 192 << 20;
/// Names, labels, rows and pointers of a cell.
const CELL: u64 = 320;
/// All that is held of a stored value at the worst moment, when the first ranking is made: the cells on
/// the host and on the device (4 + 4, training and validation), the test cells (8), the columns of the
/// ranking (8, training).
const VALUE: f64 = 14.0;

/// What a run takes whatever is done with the values.
#[must_use]
pub fn fixed(n_obs: usize, n_vars: usize) -> u64 {
    // a first layer over all genes has weights, moments, gradients and statistics of a round
    BASE + CELL * n_obs as u64 + n_vars as u64 * 4 * 64 * 9
}

/// What a run takes with all cells in memory.
#[must_use]
pub fn in_memory(n_obs: usize, n_vars: usize, nnz: usize) -> u64 {
    let pointers = 8 * n_obs as u64 * (n_vars.div_ceil(BLOCK) as u64 + 1);
    fixed(n_obs, n_vars) + pointers + (VALUE * nnz as f64) as u64
}

/// Windows that stay below `limit`, or what the least limit is.
///
/// # Errors
/// The least limit.
pub fn windows(limit: Bytes, n_obs: usize, n_vars: usize) -> Result<Windows, Bytes> {
    let fixed = fixed(n_obs, n_vars);
    let least = 96 << 20;
    match limit.0.checked_sub(fixed) {
        Some(left) if left >= least => Ok(Windows {
            // two windows; on a growing vector's last step half as much again
            window: left / 6,
            // on the host, on the device, and twice as columns
            core: left / 12,
        }),
        _ => Err(Bytes(fixed + least)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_and_refused() {
        for (text, bytes) in [
            ("8GiB", 8 << 30),
            ("500 mb", 500_000_000),
            ("1.5kib", 1536),
            ("64B", 64),
        ] {
            assert_eq!(text.parse(), Ok(Bytes(bytes)), "{text}");
        }
        for wrong in ["8", "GiB", "-1GiB", "nanGB", "0MB", "8GiBs", ""] {
            assert!(wrong.parse::<Bytes>().is_err(), "{wrong}");
        }
        assert_eq!(Bytes(3 << 29).to_string(), "1.50 GiB");
    }

    #[test]
    fn windows_stay_below_the_limit() {
        let limit = Bytes(2 << 30);
        let w = windows(limit, 1_000_000, 20_000).unwrap();
        assert!(fixed(1_000_000, 20_000) + 3 * w.window + 4 * w.core <= limit.0);
        let least = windows(Bytes(1 << 20), 1000, 2000).unwrap_err();
        assert!(windows(least, 1000, 2000).is_ok());
    }
}
