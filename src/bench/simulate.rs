//! Simulated cells: genes of uneven detection, ten classes with planted markers, made in the packed
//! form straight from a seed.
use super::host;
use crate::data::cells::{GeneStats, Targets, Task, TaskKind, TrainingData, Transform};
use crate::data::gene_ids::GeneIds;
use crate::data::packed::{MAX_GENES, Packed, Page, pack, quantise, unpack};
use crate::data::random::SplitMix;
use crate::error::DataError;
use crate::ops::BLOCK;
use rayon::prelude::*;
use std::str::FromStr;
use std::sync::Arc;

/// Classes of the simulated cells.
pub const CLASSES: usize = 10;
/// Fewest cells that are simulated where their number is not given.
const FEWEST_CELLS: usize = 2048;
/// Share of the cells that detect the least detected gene, relative to the mean.
const RAREST: f64 = 0.2;
/// Cells that are made before they join a page.
const AT_ONCE: usize = 4096;
/// A gene is detected in at most this share of the cells.
const COMMONEST: f64 = 0.98;

/// What is measured: data, batch and network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// `small`, `reference`, `large` or `custom`.
    pub name: &'static str,
    /// Genes, G.
    pub genes: usize,
    /// Nonzeros of a cell on average.
    pub nonzeros: usize,
    /// Cells of a batch, B.
    pub batch: usize,
    /// Hidden units, H.
    pub hidden: usize,
    /// Genes of the panel, k.
    pub k: usize,
}

impl Size {
    const fn new(name: &'static str, [genes, nonzeros, batch, hidden, k]: [usize; 5]) -> Self {
        Self {
            name,
            genes,
            nonzeros,
            batch,
            hidden,
            k,
        }
    }
    /// G = 2,000, 200 nonzeros, B = 64, H = 32, k = 16.
    pub const SMALL: Self = Self::new("small", [2_000, 200, 64, 32, 16]);
    /// G = 20,000, 2,000 nonzeros, B = 256, H = 128, k = 64.
    pub const REFERENCE: Self = Self::new("reference", [20_000, 2_000, 256, 128, 64]);
    /// G = 40,000, 4,000 nonzeros, B = 4,096, H = 512, k = 256.
    pub const LARGE: Self = Self::new("large", [40_000, 4_000, 4_096, 512, 256]);

    /// Cells that are simulated where their number is not given: four batches, 2,048 at least.
    #[must_use]
    pub fn default_cells(&self) -> usize {
        (4 * self.batch).max(FEWEST_CELLS)
    }
}

impl FromStr for Size {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        for known in [Self::SMALL, Self::REFERENCE, Self::LARGE] {
            if text == known.name {
                return Ok(known);
            }
        }
        let wanted =
            "small, reference, large, or five whole numbers G,nnz,B,H,k such as 2000,200,64,32,16";
        let numbers: Result<Vec<usize>, _> = text.split(',').map(|n| n.trim().parse()).collect();
        let Ok(Ok(numbers)) = numbers.map(<[usize; 5]>::try_from) else {
            return Err(format!("it is {wanted}"));
        };
        let size = Self::new("custom", numbers);
        let [g, nonzeros, b, h, k] = numbers;
        let ranges = [
            ("G", g, 32, MAX_GENES),
            ("nnz", nonzeros, 1, g * 9 / 10),
            ("B", b, 1, 1 << 20),
            ("H", h, 1, 1 << 16),
            ("k", k, 1, g),
        ];
        for (name, value, least, most) in ranges {
            if !(least..=most).contains(&value) {
                return Err(format!(
                    "{name} is {value}, and must be from {least} to {most}"
                ));
            }
        }
        Ok(size)
    }
}

/// A number in 0..1.
fn uniform(rng: &mut SplitMix) -> f64 {
    (rng.next() >> 11) as f64 / (1u64 << 53) as f64
}

/// Share of the cells that detect each gene: from rare to nearly everywhere, mean `nonzeros /
/// genes`, in random order.
fn rates(size: &Size, seed: u64) -> Vec<f64> {
    let (n, mean) = (size.genes, size.nonzeros as f64 / size.genes as f64);
    // a power of the rank between the rarest and the commonest; its exponent gives the mean
    let of = |power: f64| -> Vec<f64> {
        let rank = |i: usize| (i as f64 + 0.5) / n as f64;
        let rarest = mean * RAREST;
        let span = (COMMONEST - rarest).max(0.0);
        (0..n)
            .map(|i| rarest + span * rank(i).powf(power))
            .collect()
    };
    let (mut low, mut high) = (0.0f64, 1e3);
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        if of(middle).iter().sum::<f64>() > mean * n as f64 {
            low = middle;
        } else {
            high = middle;
        }
    }
    let mut rates = of(high);
    SplitMix::new(seed ^ 0x6765_6e65).shuffle(&mut rates);
    rates
}

/// Makes the cells, their classes and statistics; a page holds at most `page_words` words.
///
/// # Errors
/// No memory for the cells: refused before it is asked for, where the system tells what is free.
pub fn simulate(
    size: &Size,
    cells: usize,
    seed: u64,
    page_words: usize,
) -> Result<TrainingData, DataError> {
    let (n, n_blocks) = (size.genes, size.genes.div_ceil(BLOCK));
    let needed = cells as u128 * (size.nonzeros + n_blocks + 1) as u128 * 4;
    // the CPU path and the check keep them once more
    if host::free_memory().is_some_and(|free| 2 * needed > u128::from(free)) {
        return Err(DataError::new(
            format!("{cells} simulated cells take {needed} bytes, twice, more than is free"),
            "lower --cells or take a smaller --size",
        ));
    }
    let rates = rates(size, seed);
    // every class marks genes of its own, k of them in all where there are so many
    let mut order: Vec<u32> = (0..n as u32).collect();
    SplitMix::new(seed ^ 0x6d61_726b).shuffle(&mut order);
    let marked = size.k.max(CLASSES).min(n);
    let mut marks = vec![usize::MAX; n];
    for (i, &g) in order[..marked].iter().enumerate() {
        marks[g as usize] = i % CLASSES;
    }
    let mut labels: Vec<u32> = (0..cells as u32).map(|c| c % CLASSES as u32).collect();
    SplitMix::new(seed ^ 0x636c_6173).shuffle(&mut labels);
    let mut pages = Vec::new();
    for first in (0..cells).step_by(AT_ONCE) {
        let rows: Vec<(Vec<u32>, Vec<u32>)> = (first..cells.min(first + AT_ONCE))
            .into_par_iter()
            .map(|c| cell(&rates, &marks, labels[c] as usize, seed, c as u64))
            .collect();
        for (i, row) in rows.iter().enumerate() {
            add(&mut pages, first + i, row, page_words)?;
        }
    }
    let packed = Packed {
        n_cells: cells,
        n_genes: n,
        n_blocks,
        pages,
    };
    let classes = (0..CLASSES).map(|c| format!("class {c}")).collect();
    Ok(TrainingData {
        stats: statistics(&packed),
        profiles: Arc::default(),
        n_train: cells,
        n_validation: 0,
        gene_names: (0..n).map(|g| format!("gene {g}")).collect(),
        gene_ids: GeneIds::default(),
        gene_index: (0..n as u32).collect(),
        include: Vec::new(),
        detected_genes: n,
        stream: None,
        transform: Transform::AsIs,
        tasks: vec![Task {
            name: "class".into(),
            kind: TaskKind::Classification { classes },
            targets: Targets::Classes(labels),
        }],
        batches: None,
        cells: packed,
    })
}

/// Entries of a cell and where its blocks begin.
fn cell(rates: &[f64], marks: &[usize], class: usize, seed: u64, c: u64) -> (Vec<u32>, Vec<u32>) {
    let mut rng = SplitMix::new(seed.wrapping_mul(0x9e37_79b9).wrapping_add(c << 20));
    let (mut entries, mut blocks) = (Vec::new(), Vec::new());
    for (g, (&rate, &mark)) in rates.iter().zip(marks).enumerate() {
        if g % BLOCK == 0 {
            blocks.push(entries.len() as u32);
        }
        // a marker is on in its class and rare elsewhere
        let rate = match mark {
            usize::MAX => rate,
            m if m == class => 0.9,
            _ => 0.05,
        };
        if uniform(&mut rng) < rate {
            let value = 0.3 + 2.0 * uniform(&mut rng) + f64::from(u8::from(mark == class));
            entries.push(pack(g as u32, quantise(value as f32)));
        }
    }
    blocks.push(entries.len() as u32);
    (entries, blocks)
}

/// Puts a cell on the last page, or on a new one where it would not fit.
fn add(
    pages: &mut Vec<Page>,
    cell: usize,
    (entries, blocks): &(Vec<u32>, Vec<u32>),
    words: usize,
) -> Result<(), DataError> {
    let short = |_| {
        DataError::new(
            format!("no memory for the nonzeros of simulated cell {cell}"),
            "lower --cells or take a smaller --size",
        )
    };
    let full = |p: &Page| {
        p.n_cells > 0
            && (p.entries.len() + entries.len() > words || p.blocks.len() + blocks.len() > words)
    };
    if pages.last().is_none_or(full) {
        pages.push(Page {
            first_cell: cell,
            n_cells: 0,
            entries: Vec::new(),
            blocks: Vec::new(),
        });
    }
    let Some(page) = pages.last_mut() else {
        return Ok(());
    };
    page.entries.try_reserve(entries.len()).map_err(short)?;
    page.blocks.try_reserve(blocks.len()).map_err(short)?;
    let at = page.entries.len() as u32;
    page.blocks.extend(blocks.iter().map(|p| at + p));
    page.entries.extend_from_slice(entries);
    page.n_cells += 1;
    Ok(())
}

/// Means and inverse standard deviations of the genes over all cells; nothing is clipped.
fn statistics(packed: &Packed) -> GeneStats {
    let mut sums = vec![(0.0f64, 0.0f64); packed.n_genes];
    for entry in packed.pages.iter().flat_map(|p| &p.entries) {
        let (g, x) = unpack(*entry);
        let x = f64::from(x);
        sums[g].0 += x;
        sums[g].1 += x * x;
    }
    let n = packed.n_cells.max(1) as f64;
    let sd = |&(s, q): &(f64, f64)| (q / n - (s / n).powi(2)).max(1e-4).sqrt();
    GeneStats {
        mean: sums.iter().map(|s| (s.0 / n) as f32).collect(),
        inv_sd: sums.iter().map(|s| (1.0 / sd(s)) as f32).collect(),
        clip: vec![f32::MAX; packed.n_genes],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_and_refused() {
        assert_eq!("small".parse(), Ok(Size::SMALL));
        assert_eq!("large".parse(), Ok(Size::LARGE));
        let own: Size = "200,20,16,8,4".parse().unwrap();
        assert_eq!((own.name, own.genes, own.k), ("custom", 200, 4));
        assert_eq!(own.default_cells(), 2048);
        assert_eq!(Size::LARGE.default_cells(), 16_384);
        for (wrong, word) in [
            ("tiny", "small, reference, large"),
            ("1,2,3", "five"),
            ("200,20,16,8,4.5", "five"),
            ("99999,20,16,8,4", "G is 99999"),
            ("200,190,16,8,4", "nnz is 190"),
            ("200,20,16,8,300", "k is 300"),
            ("200,20,0,8,4", "B is 0"),
        ] {
            let refusal = wrong.parse::<Size>().unwrap_err();
            assert!(refusal.contains(word), "{refusal}");
        }
    }

    #[test]
    fn cells_are_as_asked_for_and_the_same_again() {
        let size: Size = "1000,100,16,8,20".parse().unwrap();
        let make = |seed, words| simulate(&size, 400, seed, words).unwrap();
        let (a, paged) = (make(3, 1 << 25), make(3, 10_000));
        assert_eq!(a.cells.pages.len(), 1);
        assert!(paged.cells.pages.len() > 3);
        let mut total = 0;
        for c in 0..400 {
            assert_eq!(a.cells.cell(c), paged.cells.cell(c), "pages change nothing");
            let genes: Vec<usize> = a.cells.cell(c).iter().map(|&e| unpack(e).0).collect();
            assert!(genes.is_sorted() && genes.windows(2).all(|w| w[0] != w[1]));
            total += genes.len();
        }
        let mean = total as f64 / 400.0;
        assert!((mean - 100.0).abs() < 8.0, "{mean} nonzeros a cell");
        assert_ne!(make(4, 1 << 25).cells, a.cells, "another seed, other cells");
        assert_eq!(make(3, 1 << 25).cells, a.cells);
        assert!(a.stats.inv_sd.iter().all(|s| s.is_finite() && *s > 0.0));
    }

    #[test]
    fn every_class_has_markers() {
        let size: Size = "500,50,16,8,20".parse().unwrap();
        let data = simulate(&size, 1000, 1, 1 << 25).unwrap();
        let Targets::Classes(labels) = &data.tasks[0].targets else {
            panic!("classes");
        };
        // share of the cells of a class that detect a gene
        let mut seen = vec![[0.0f64; CLASSES]; 500];
        for (c, &y) in labels.iter().enumerate() {
            for &e in data.cells.cell(c) {
                seen[unpack(e).0][y as usize] += 0.01;
            }
        }
        for class in 0..CLASSES {
            let marks = |s: &&[f64; CLASSES]| {
                let other = |(i, x): (usize, &f64)| if i == class { 0.0 } else { *x };
                let most = s.iter().enumerate().map(other).fold(0.0, f64::max);
                s[class] > 0.7 && most < 0.3
            };
            assert_eq!(seen.iter().filter(marks).count(), 2, "class {class}");
        }
    }
}
