//! Text files, packed with gzip or not, guarded against lines and expansion without bound.
use super::input::Result;
use crate::error::DataError;
use flate2::read::MultiGzDecoder;
use std::fs::File;
use std::io::{BufReader, Error, ErrorKind, Read};
use std::path::Path;

/// Longest line in bytes: a dense table has tens of thousands of genes in one.
const LONGEST_LINE: u64 = 256 << 20;
/// A packed table unpacks to at most this many times its size ...
const MOST_PACKED: u64 = 250;
/// ... and this many bytes.
const FREE_BYTES: u64 = 1 << 30;

/// Unpacked bytes of a text file.
pub(crate) struct Text {
    inner: Box<dyn Read>,
    line: u64,
    left: u64,
}

impl Read for Text {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let n = self.inner.read(buffer)?;
        let fail = |what: String| Err(Error::new(ErrorKind::InvalidData, what));
        let Some(left) = self.left.checked_sub(n as u64) else {
            return fail(format!(
                "it unpacks to more than {MOST_PACKED} times its size"
            ));
        };
        self.left = left;
        match buffer[..n].iter().rposition(|b| *b == b'\n') {
            Some(at) => self.line = (n - at - 1) as u64,
            None => self.line += n as u64,
        }
        if self.line > LONGEST_LINE {
            return fail(format!("a line is longer than {} MiB", LONGEST_LINE >> 20));
        }
        Ok(n)
    }
}

/// The error of a file that cannot be read.
pub(crate) fn unreadable(path: &Path, e: &dyn std::fmt::Display) -> DataError {
    DataError::new(
        format!("{}: cannot be read: {e}", path.display()),
        "check the path and its permissions; a file that is cut short must be copied again",
    )
}

/// The error of a line of a text file, counted from 1.
pub(crate) fn bad_line(path: &Path, line: u64, what: &str, hint: &str) -> DataError {
    DataError::new(format!("{}: line {line}: {what}", path.display()), hint)
}

/// Opens a file; gzip is told by its first bytes, whatever the file is called.
pub(crate) fn open(path: &Path) -> Result<BufReader<Text>> {
    let file = File::open(path).map_err(|e| unreadable(path, &e))?;
    let len = file.metadata().map_err(|e| unreadable(path, &e))?.len();
    let mut file = BufReader::with_capacity(1 << 18, file);
    let head = std::io::BufRead::fill_buf(&mut file).map_err(|e| unreadable(path, &e))?;
    let packed = head.starts_with(&[0x1f, 0x8b]);
    let inner: Box<dyn Read> = if packed {
        Box::new(MultiGzDecoder::new(file))
    } else {
        Box::new(file)
    };
    let text = Text {
        inner,
        line: 0,
        left: if packed {
            len.saturating_mul(MOST_PACKED).saturating_add(FREE_BYTES)
        } else {
            u64::MAX
        },
    };
    Ok(BufReader::with_capacity(1 << 18, text))
}
