//! The checksum of a model's file: FNV-1a of 64 bits (Fowler, Noll and Vo), so that a damaged weight is
//! an error and not another prediction.

/// Stands for the checksum while it is taken.
pub(super) const NONE: &str = "0000000000000000";

fn add(hash: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(hash, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

fn of<'a>(json: &str, data: impl Iterator<Item = &'a [u8]>) -> String {
    let text = add(0xcbf2_9ce4_8422_2325, json.as_bytes());
    format!("{:016x}", data.fold(text, add))
}

/// Puts the checksum of the text and the data in the place of the first [`NONE`].
pub(super) fn put<'a>(json: &str, data: impl Iterator<Item = &'a [u8]>) -> String {
    let sum = of(json, data);
    json.replacen(NONE, &sum, 1)
}

/// Whether the text and the data have this checksum, which stands in the text.
pub(super) fn holds<'a>(json: &str, sum: &str, data: impl Iterator<Item = &'a [u8]>) -> bool {
    sum.len() == NONE.len() && of(&json.replacen(sum, NONE, 1), data) == sum
}
