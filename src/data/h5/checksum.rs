//! The two checksums of HDF5.
use super::{Result, damaged};

/// Bob Jenkins' lookup3 (`hashlittle`, public domain, 2006) with the seed 0, which newer structures end with.
pub(super) fn lookup3(data: &[u8]) -> u32 {
    let start = 0xdead_beef_u32.wrapping_add(data.len() as u32);
    let (mut a, mut b, mut c) = (start, start, start);
    let word = |bytes: &[u8], i: usize| {
        let mut four = [0; 4];
        let part = bytes.get(4 * i..).unwrap_or_default();
        let n = part.len().min(4);
        four[..n].copy_from_slice(&part[..n]);
        u32::from_le_bytes(four)
    };
    let mut rest = data;
    while rest.len() > 12 {
        a = a.wrapping_add(word(rest, 0));
        b = b.wrapping_add(word(rest, 1));
        c = c.wrapping_add(word(rest, 2));
        a = a.wrapping_sub(c) ^ c.rotate_left(4);
        c = c.wrapping_add(b);
        b = b.wrapping_sub(a) ^ a.rotate_left(6);
        a = a.wrapping_add(c);
        c = c.wrapping_sub(b) ^ b.rotate_left(8);
        b = b.wrapping_add(a);
        a = a.wrapping_sub(c) ^ c.rotate_left(16);
        c = c.wrapping_add(b);
        b = b.wrapping_sub(a) ^ a.rotate_left(19);
        a = a.wrapping_add(c);
        c = c.wrapping_sub(b) ^ b.rotate_left(4);
        b = b.wrapping_add(a);
        rest = &rest[12..];
    }
    if rest.is_empty() {
        return c;
    }
    a = a.wrapping_add(word(rest, 0));
    b = b.wrapping_add(word(rest, 1));
    c = c.wrapping_add(word(rest, 2));
    c = (c ^ b).wrapping_sub(b.rotate_left(14));
    a = (a ^ c).wrapping_sub(c.rotate_left(11));
    b = (b ^ a).wrapping_sub(a.rotate_left(25));
    c = (c ^ b).wrapping_sub(b.rotate_left(16));
    a = (a ^ c).wrapping_sub(c.rotate_left(4));
    b = (b ^ a).wrapping_sub(a.rotate_left(14));
    (c ^ b).wrapping_sub(b.rotate_left(24))
}

/// Takes the last four bytes off, which must be the checksum of the others.
pub(super) fn checked<'a>(block: &'a [u8], what: &str) -> Result<&'a [u8]> {
    match block.split_last_chunk::<4>() {
        Some((data, sum)) if lookup3(data) == u32::from_le_bytes(*sum) => Ok(data),
        _ => Err(damaged(format!("the checksum of a {what} is wrong"))),
    }
}

/// Fletcher's sum of 32 bits as HDF5 takes it: big-endian words of 16 bits.
pub(super) fn fletcher32(data: &[u8]) -> u32 {
    // the sums are folded, not divided: a multiple of 65,535 is that, not 0
    let fold = |sum: u64| {
        if sum > 0 && sum.is_multiple_of(65_535) {
            65_535
        } else {
            sum % 65_535
        }
    };
    let (mut low, mut high) = (0u64, 0u64);
    for pair in data.chunks(2) {
        let word = u64::from(pair[0]) << 8 | u64::from(*pair.get(1).unwrap_or(&0));
        low = fold(low + word);
        high = fold(high + low);
    }
    (high as u32) << 16 | low as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_sums() {
        // from the comments of lookup3.c: hashlittle("", 0) and of a sentence
        assert_eq!(lookup3(b""), 0xdead_beef);
        assert_eq!(lookup3(b"Four score and seven years ago"), 0x1777_0551);
        assert_eq!(fletcher32(&[0, 1, 0, 2]), 0x0004_0003);
    }
}
