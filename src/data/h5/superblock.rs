//! The superblock: where everything begins.
use super::checksum::checked;
use super::source::{Sizes, Source};
use super::{Result, damaged};
use crate::error::DataError;

/// First bytes of every HDF5 file.
pub(crate) const SIGNATURE: &[u8] = b"\x89HDF\r\n\x1a\n";

/// Reads the superblock, sets base and widths, and gives the address of the root group's header.
pub(super) fn root(source: &mut Source) -> Result<u64> {
    let mut at = 0;
    // it may stand behind a user's block of 512, 1024, ... bytes
    while source.data(at, 8).ok().as_deref() != Some(SIGNATURE) {
        at = if at == 0 { 512 } else { at * 2 };
        if at + 8 > source.len || at > 1 << 30 {
            return Err(DataError::new(
                "this is not an HDF5 file",
                "give an .h5ad file, or another of the formats that --help lists",
            ));
        }
    }
    let head = source.read_up_to(at, 256)?;
    let version = *head.get(8).unwrap_or(&255);
    let widths = match version {
        0 | 1 => head.get(13..15),
        2 | 3 => head.get(9..11),
        _ => {
            return Err(damaged(format!(
                "the superblock has the version {version}, which is not known"
            )));
        }
    };
    let Some(&[offset, length]) = widths else {
        return Err(damaged("the file ends within its superblock"));
    };
    if ![2, 4, 8].contains(&offset) || ![2, 4, 8].contains(&length) {
        return Err(damaged(format!(
            "addresses of {offset} and lengths of {length} bytes are not known"
        )));
    }
    source.sizes = Sizes { offset, length };
    let mut c = source.cursor(&head);
    let (base, end, root);
    if version < 2 {
        c.take(if version == 0 { 24 } else { 28 })?;
        base = c.address()?;
        c.address()?;
        end = c.address()?;
        c.address()?;
        c.address()?;
        root = c.address()?;
    } else {
        c.take(12)?;
        base = c.address()?;
        c.address()?;
        end = c.address()?;
        root = c.address()?;
        let n = c.position() + 4;
        checked(head.get(..n).unwrap_or_default(), "superblock")?;
    }
    source.base = if base == 0 { at } else { base };
    let end = if base == 0 {
        at.saturating_add(end)
    } else {
        end
    };
    if end > source.len {
        return Err(DataError::new(
            format!(
                "the file is cut short: {} bytes where its header says {end}",
                source.len
            ),
            "copy or download it again",
        ));
    }
    Ok(root)
}
