//! B-trees of both versions, walked from the root to the leaves.
use super::checksum::checked;
use super::source::{NOWHERE, Source, signed};
use super::{Result, damaged};

/// Calls `leaf(key, child)` for each child of the leaves of a tree of version 1; `kind` is 0 for
/// groups and 1 for chunks, a key has `key` bytes.
pub(super) fn walk_first(
    source: &Source,
    root: u64,
    kind: u8,
    key: usize,
    leaf: &mut dyn FnMut(&[u8], u64) -> Result<()>,
) -> Result<()> {
    if root == NOWHERE {
        return Ok(());
    }
    first(source, root, kind, key, None, leaf)
}

fn first(
    source: &Source,
    at: u64,
    kind: u8,
    key: usize,
    wanted: Option<u8>,
    leaf: &mut dyn FnMut(&[u8], u64) -> Result<()>,
) -> Result<()> {
    let width = usize::from(source.sizes.offset);
    let prefix = 8 + 2 * width;
    let head = source.block(at, prefix as u64, "TREE")?;
    let (found, level) = (head[4], head[5]);
    let n = usize::from(u16::from_le_bytes([head[6], head[7]]));
    // levels fall by one, so that a tree cannot have loops
    if found != kind || wanted.is_some_and(|w| w != level) {
        return Err(damaged(format!(
            "the tree's node at {at} is of kind {found} and level {level}, which does not fit its parent"
        )));
    }
    let bytes = source.read(at + prefix as u64, (n * (key + width)) as u64)?;
    let mut c = source.cursor(&bytes);
    for _ in 0..n {
        let key_bytes = c.take(key)?;
        let child = c.address()?;
        match level.checked_sub(1) {
            None => leaf(key_bytes, child)?,
            Some(below) => first(source, child, kind, key, Some(below), leaf)?,
        }
    }
    Ok(())
}

struct Second {
    kind: u8,
    node: usize,
    record: usize,
    /// Most records of a node, and bytes that count the records below one, by level.
    levels: Vec<(u64, usize)>,
}

fn bytes_for(n: u64) -> usize {
    (n.max(1).ilog2() / 8 + 1) as usize
}

/// All records of a tree of version 2, which must be of `kind`.
pub(super) fn named_records(source: &Source, at: u64, kind: u8) -> Result<Vec<Vec<u8>>> {
    let (o, l) = (
        usize::from(source.sizes.offset),
        usize::from(source.sizes.length),
    );
    let head = source.block(at, (16 + o + 2 + l + 4) as u64, "BTHD")?;
    let mut c = source.cursor(checked(&head, "tree")?);
    c.take(5)?;
    let found = c.u8()?;
    let (node, record, depth) = (c.u32()? as usize, usize::from(c.u16()?), c.u16()?);
    c.take(2)?;
    let (root, n) = (c.address()?, c.u16()?);
    if found != kind || node < 32 || record == 0 || depth > 32 {
        return Err(damaged(format!(
            "the tree at {at} is of kind {found}, has nodes of {node} bytes, records of {record} and {depth} levels"
        )));
    }
    let mut levels = vec![(((node - 10) / record) as u64, 0)];
    let count = bytes_for(levels[0].0);
    for level in 1..=usize::from(depth) {
        let (below, total) = levels[level - 1];
        let pointer = o + count + total;
        let most = (node - 10).saturating_sub(pointer) / (record + pointer);
        let sum = (most as u64 + 1).saturating_mul(below);
        let sum = sum.saturating_add(most as u64);
        levels.push((sum, bytes_for(sum)));
    }
    let tree = Second {
        kind,
        node,
        record,
        levels,
    };
    let mut records = Vec::new();
    if root != NOWHERE {
        second(
            source,
            &tree,
            root,
            usize::from(n),
            depth.into(),
            count,
            &mut records,
        )?;
    }
    Ok(records)
}

fn second(
    source: &Source,
    tree: &Second,
    at: u64,
    n: usize,
    level: usize,
    count: usize,
    records: &mut Vec<Vec<u8>>,
) -> Result<()> {
    let sign = if level == 0 { "BTLF" } else { "BTIN" };
    // the checksum follows what is used, not the whole node
    let total = if level > 1 {
        tree.levels[level - 1].1
    } else {
        0
    };
    let pointer = usize::from(source.sizes.offset) + count + total;
    let used = 6 + n * tree.record + if level == 0 { 0 } else { (n + 1) * pointer };
    if used + 4 > tree.node {
        return Err(damaged(format!(
            "the tree's node at {at} claims {n} records"
        )));
    }
    let bytes = source.read(at, used as u64 + 4)?;
    signed(&bytes, at, sign)?;
    let mut c = source.cursor(checked(&bytes, "tree's node")?);
    c.take(5)?;
    if c.u8()? != tree.kind {
        return Err(damaged(format!(
            "the tree's node at {at} is of another kind"
        )));
    }
    for _ in 0..n {
        records.push(c.take(tree.record)?.to_vec());
    }
    if level > 0 {
        for _ in 0..=n {
            let child = c.address()?;
            let below = c.uint(count)? as usize;
            c.take(total)?;
            second(source, tree, child, below, level - 1, count, records)?;
        }
    }
    Ok(())
}
