//! Of all that a 10x run counts, the genes: antibodies, guides and the like are left out.
use super::dataset::Csr;

/// What 10x calls genes.
const GENES: &str = "Gene Expression";

/// Which features are kept.
#[derive(Clone, Debug)]
pub(crate) struct Keep {
    /// Their numbers; `None` where all are kept.
    kept: Option<Vec<u32>>,
    n: usize,
    /// Types that are left out.
    dropped: Vec<String>,
}

/// Keeps gene expression; all features where no type is known or none is gene expression.
pub(crate) fn expression(types: Option<&[String]>, n: usize) -> Keep {
    let types = types.filter(|t| t.len() == n).unwrap_or_default();
    let kept: Vec<u32> = (0..)
        .zip(types)
        .filter(|(_, t)| *t == GENES)
        .map(|(i, _)| i)
        .collect();
    let some = !kept.is_empty() && kept.len() < n;
    let mut dropped: Vec<String> = types.iter().filter(|t| *t != GENES).cloned().collect();
    dropped.sort_unstable();
    dropped.dedup();
    Keep {
        kept: some.then_some(kept),
        n,
        dropped,
    }
}

impl Keep {
    /// Features that are kept.
    pub(crate) fn len(&self) -> usize {
        self.kept.as_ref().map_or(self.n, Vec::len)
    }
    /// Whether all are kept.
    pub(crate) fn all(&self) -> bool {
        self.kept.is_none()
    }
    /// The kept ones of a list with an item a feature.
    pub(crate) fn of<T>(&self, all: Vec<T>) -> Vec<T> {
        let Some(kept) = &self.kept else {
            return all;
        };
        let mut next = kept.iter().peekable();
        let keep = |(i, item): (u32, T)| next.next_if_eq(&&i).map(|_| item);
        (0..).zip(all).filter_map(keep).collect()
    }
    /// The kept columns of a matrix.
    pub(crate) fn columns_of(&self, mut x: Csr) -> Csr {
        let Some(kept) = &self.kept else {
            return x;
        };
        let mut place = vec![u32::MAX; x.n_vars];
        for (i, at) in (0..).zip(kept) {
            place[*at as usize] = i;
        }
        let (mut begin, mut write) = (0, 0);
        for row in 0..x.n_obs {
            let end = x.indptr[row + 1];
            for at in begin..end {
                let column = place[x.indices[at] as usize];
                if column != u32::MAX {
                    x.indices[write] = column;
                    x.values[write] = x.values[at];
                    write += 1;
                }
            }
            begin = end;
            x.indptr[row + 1] = write;
        }
        x.indices.truncate(write);
        x.values.truncate(write);
        x.n_vars = kept.len();
        x
    }
    /// Says what was left out.
    pub(crate) fn tell(&self, notices: &mut Vec<String>) {
        if self.kept.is_some() {
            notices.push(format!(
                "{} features that are no genes were left out ({})",
                self.n - self.len(),
                self.dropped.join(", ")
            ));
        }
    }
}
