//! Rows put in order.
use super::dataset::Csr;

/// Sorts columns within rows, sums duplicates and drops zeros, in place; gives the rows that were out of order
/// and the duplicates.
pub(crate) fn tidy(x: &mut Csr) -> (usize, usize) {
    let (mut unsorted, mut duplicates) = (0usize, 0usize);
    let mut row: Vec<(u32, f32)> = Vec::new();
    let (mut begin, mut write) = (0, 0);
    for i in 0..x.n_obs {
        let end = x.indptr[i + 1];
        let mut n = end - begin;
        let rising = x.indices[begin..end].windows(2).all(|w| w[0] < w[1]);
        if !rising {
            row.clear();
            row.extend((begin..end).map(|j| (x.indices[j], x.values[j])));
            if !row.is_sorted_by_key(|e| e.0) {
                unsorted += 1;
                row.sort_by_key(|e| e.0);
            }
            let before = row.len();
            row.dedup_by(|later, first| {
                let same = later.0 == first.0;
                if same {
                    first.1 += later.1;
                }
                same
            });
            duplicates += before - row.len();
            for (j, (column, value)) in (begin..).zip(&row) {
                x.indices[j] = *column;
                x.values[j] = *value;
            }
            n = row.len();
        }
        let first = write;
        if write == begin && x.values[begin..begin + n].iter().all(|v| *v != 0.0) {
            // nothing to move
            write += n;
            n = 0;
        }
        for j in begin..begin + n {
            if x.values[j] != 0.0 {
                x.indices[write] = x.indices[j];
                x.values[write] = x.values[j];
                write += 1;
            }
        }
        begin = end;
        x.indptr[i] = first;
    }
    x.indptr[x.n_obs] = write;
    x.indices.truncate(write);
    x.values.truncate(write);
    (unsorted, duplicates)
}

/// Tells what [`tidy`] changed.
pub(crate) fn tell((unsorted, duplicates): (usize, usize), notices: &mut Vec<String>) {
    if unsorted > 0 {
        notices.push(format!(
            "the genes of {unsorted} cells were stored out of order and were sorted"
        ));
    }
    if duplicates > 0 {
        notices.push(format!(
            "{duplicates} values of X were stored for a cell and gene that already had one and were summed"
        ));
    }
}
