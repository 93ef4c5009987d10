//! Blosc, version 1, as the HDF5 filter 32001 stores it: blocks of LZ4, Zstandard, zlib or BloscLZ.
use super::filters::{inflate, lz4_block, unreadable, unshuffle, zstd};
use super::{Result, damaged};

const SHUFFLED: u8 = 1;
const STORED: u8 = 2;
const BITSHUFFLED: u8 = 4;
const WHOLE_BLOCKS: u8 = 16;

fn bad(what: &str) -> crate::error::DataError {
    damaged(format!("a chunk is no valid blosc: {what}"))
}

fn number(bytes: &[u8], at: usize) -> Result<usize> {
    let four = bytes.get(at..).and_then(|b| b.first_chunk::<4>());
    four.map(|b| u32::from_le_bytes(*b) as usize)
        .ok_or_else(|| bad("it ends early"))
}

/// Unpacks a chunk of at most `most` bytes.
pub(super) fn unpack(bytes: &[u8], most: usize) -> Result<Vec<u8>> {
    let head = bytes.get(..16).ok_or_else(|| bad("it has no header"))?;
    let (flags, width) = (head[2], usize::from(head[3]).max(1));
    let (total, block, packed) = (number(head, 4)?, number(head, 8)?, number(head, 12)?);
    if total > most || packed > bytes.len() {
        return Err(bad("its sizes are not the chunk's"));
    }
    if flags & STORED != 0 {
        let stored = bytes.get(16..16 + total);
        return stored
            .map(<[u8]>::to_vec)
            .ok_or_else(|| bad("it ends early"));
    }
    if total == 0 {
        return Ok(Vec::new());
    }
    if block == 0 || block > total {
        return Err(bad("its blocks have no size"));
    }
    let mut out = Vec::with_capacity(total.min(1 << 20));
    for i in 0..total.div_ceil(block) {
        let want = block.min(total - i * block);
        let at = number(bytes, 16 + 4 * i)?;
        // a block is kept in one part for each byte of an element, but for the last, shorter one
        let split = flags & WHOLE_BLOCKS == 0 && want == block && want % width == 0;
        let parts = if split && width <= 16 && want / width >= 128 {
            width
        } else {
            1
        };
        let unpacked = streams(bytes, at, parts, want, flags)?;
        out.extend(match flags & (SHUFFLED | BITSHUFFLED) {
            0 => unpacked,
            SHUFFLED => unshuffle(&unpacked, width),
            // format 2 leaves blocks as they are that do not divide into 8 elements
            _ if head[0] < 3 && unpacked.len() / width % 8 != 0 => unpacked,
            _ => unbits(&unpacked, width),
        });
    }
    Ok(out)
}

fn streams(bytes: &[u8], mut at: usize, parts: usize, want: usize, flags: u8) -> Result<Vec<u8>> {
    let each = want / parts;
    let mut out = Vec::with_capacity(want.min(1 << 20));
    for _ in 0..parts {
        let n = number(bytes, at)?;
        let part = at
            .checked_add(4)
            .and_then(|from| bytes.get(from..from.checked_add(n)?));
        let part = part.ok_or_else(|| bad("it ends early"))?;
        let unpacked = if n == each {
            part.to_vec()
        } else {
            match flags >> 5 {
                0 => lz(part, each)?,
                1 => lz4_block(part, each)?,
                2 => return Err(unreadable("blosc with snappy")),
                3 => inflate(part, each)?,
                4 => zstd(part, each)?,
                _ => return Err(bad("its compressor is not known")),
            }
        };
        if unpacked.len() != each {
            return Err(bad("a block has another size"));
        }
        out.extend(unpacked);
        at += 4 + n;
    }
    Ok(out)
}

/// Undoes the shuffle by bits: planes of 8 elements a byte; what does not fill 8 elements stays.
fn unbits(bytes: &[u8], width: usize) -> Vec<u8> {
    let n = bytes.len() / width / 8 * 8;
    let mut out = bytes.to_vec();
    out[..n * width].fill(0);
    for (plane, row) in bytes[..n * width].chunks_exact((n / 8).max(1)).enumerate() {
        for (i, b) in row.iter().enumerate() {
            for k in 0..8 {
                out[(i * 8 + k) * width + plane / 8] |= (b >> k & 1) << (plane % 8);
            }
        }
    }
    out
}

/// BloscLZ (from FastLZ level 2): literal runs below 32, else copies with far distances behind 255, 31.
fn lz(bytes: &[u8], most: usize) -> Result<Vec<u8>> {
    const FAR: usize = 8191;
    let short = || bad("a run ends early");
    let mut out: Vec<u8> = Vec::with_capacity(most.min(1 << 20));
    let mut at = 0;
    let mut next = || {
        let b = bytes.get(at).map(|b| usize::from(*b));
        at += 1;
        b
    };
    let mut control = next().ok_or_else(short)? & 31;
    loop {
        if control >= 32 {
            let mut n = (control >> 5) - 1;
            let high = (control & 31) << 8;
            let mut code;
            if n == 6 {
                loop {
                    code = next().ok_or_else(short)?;
                    n += code;
                    if code != 255 {
                        break;
                    }
                }
            }
            code = next().ok_or_else(short)?;
            n += 3;
            let mut back = high + code + 1;
            if code == 255 && high == 31 << 8 {
                let far = next().ok_or_else(short)? << 8;
                back = (far | next().ok_or_else(short)?) + FAR + 1;
            }
            let from = out.len().checked_sub(back);
            let from = from.ok_or_else(|| bad("a copy from before it"))?;
            if out.len() + n > most {
                return Err(bad("a block is too long"));
            }
            for i in from..from + n {
                out.push(out[i]);
            }
        } else {
            if out.len() + control + 1 > most {
                return Err(bad("a block is too long"));
            }
            for _ in 0..=control {
                out.push(next().ok_or_else(short)? as u8);
            }
        }
        match next() {
            Some(c) => control = c,
            None => return Ok(out),
        }
    }
}
