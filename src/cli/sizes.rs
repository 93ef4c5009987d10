//! `--genes`: one size, several, or the choice of one.
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Sizes that `auto` tries.
const GRID: [usize; 11] = [4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128];

/// Sizes of the panels of a run, as text: `32`, `8,16,32`, `8..64` or `auto`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Text", into = "String")]
pub struct Sizes {
    text: String,
    /// Descending.
    sizes: Vec<usize>,
}

/// As `config.json` holds it; a plain number too, as earlier versions wrote it.
#[derive(Deserialize)]
#[serde(untagged)]
enum Text {
    Number(usize),
    Text(String),
}

impl Sizes {
    /// All sizes, the largest first.
    #[must_use]
    pub fn sizes(&self) -> &[usize] {
        &self.sizes
    }

    /// Whether the result is to be the smallest panel that is good enough.
    #[must_use]
    pub fn auto(&self) -> bool {
        self.text == "auto"
    }
}

impl FromStr for Sizes {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "say 32, 8,16,32, 8..64 (doubling from 8 to 64), or auto".to_string();
        let size = |part: &str| match part.trim().parse::<usize>() {
            Ok(k) if k > 0 => Ok(k),
            _ => Err(wrong()),
        };
        let mut sizes: Vec<usize> = if text == "auto" {
            GRID.to_vec()
        } else if let Some((from, to)) = text.split_once("..") {
            let (from, to) = (size(from)?, size(to)?);
            if from >= to {
                return Err(wrong());
            }
            let doubled = std::iter::successors(Some(from), |k| k.checked_mul(2));
            doubled.take_while(|&k| k < to).chain([to]).collect()
        } else {
            text.split(',').map(size).collect::<Result<_, _>>()?
        };
        sizes.sort_unstable_by(|a, b| b.cmp(a));
        if sizes.windows(2).any(|w| w[0] == w[1]) {
            return Err("a size is named twice".into());
        }
        Ok(Self {
            text: text.into(),
            sizes,
        })
    }
}

impl TryFrom<Text> for Sizes {
    type Error = String;
    fn try_from(text: Text) -> Result<Self, String> {
        match text {
            Text::Number(k) => k.to_string().parse(),
            Text::Text(text) => text.parse(),
        }
    }
}

impl From<Sizes> for String {
    fn from(sizes: Sizes) -> Self {
        sizes.text
    }
}

impl fmt::Display for Sizes {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_and_refused() {
        let sizes = |text: &str| text.parse::<Sizes>().map(|s| s.sizes);
        assert_eq!(sizes("32"), Ok(vec![32]));
        assert_eq!(sizes("8, 32,16"), Ok(vec![32, 16, 8]));
        assert_eq!(sizes("8..64"), Ok(vec![64, 32, 16, 8]));
        assert_eq!(sizes("10..50"), Ok(vec![50, 40, 20, 10]));
        assert_eq!(sizes("auto").map(|s| s[0]), Ok(128));
        for wrong in ["", "0", "8..8", "x", "8,8", "-1", "8..", "1.5"] {
            assert!(sizes(wrong).is_err(), "{wrong}");
        }
    }
}
