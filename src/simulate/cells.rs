//! The genes of a simulation and the counts of its cells.
use super::{ON_OFF, RARE_SHARE, Role, SIZE, STATES, Settings};
use crate::data::dataset::{Column, Csr, Dataset};
use crate::data::random::SplitMix;
use crate::error::DataError;
use rayon::prelude::*;

/// Standard deviation of the logarithm of the plain genes' means, and of the cells' size factors.
const GENE_SPREAD: f64 = 1.2;
const CELL_SPREAD: f64 = 0.3;
/// Plain genes of about the same mean that are drawn together.
const GROUP: usize = 32;
/// Share of its marker's counts that a copy keeps.
const KEPT: f64 = 0.9;
/// Largest count.
const MOST: u32 = 65_535;

/// A number in (0, 1).
fn uniform(random: &mut SplitMix) -> f64 {
    ((random.next() >> 11) as f64 + 0.5) / (1u64 << 53) as f64
}

/// A normal deviate (Box and Muller).
fn normal(random: &mut SplitMix) -> f64 {
    let radius = (-2.0 * uniform(random).ln()).sqrt();
    radius * (std::f64::consts::TAU * uniform(random)).cos()
}

/// A stream of its own for each `what` and `i`.
fn stream(seed: u64, what: u64, i: u64) -> SplitMix {
    let mixed = SplitMix::new(seed ^ SplitMix::new(what).next()).next();
    SplitMix::new(SplitMix::new(mixed ^ i.wrapping_mul(0xd6e8_feb8_6659_fd93)).next())
}

/// Probability of a count of 0.
fn zero(mean: f64) -> f64 {
    (SIZE / (SIZE + mean)).powf(SIZE)
}

/// A count above 0, by inversion; `zero` is the probability of 0.
fn positive(random: &mut SplitMix, mean: f64, zero: f64) -> u32 {
    let q = mean / (SIZE + mean);
    let mut left = uniform(random) * (1.0 - zero);
    let (mut k, mut p) = (1, zero * SIZE * q);
    while left > p && k < MOST {
        left -= p;
        p *= (f64::from(k) + SIZE) / f64::from(k + 1) * q;
        k += 1;
    }
    k
}

/// A count of 0 or more.
fn count(random: &mut SplitMix, mean: f64) -> u32 {
    let zero = zero(mean);
    if uniform(random) < zero {
        0
    } else {
        positive(random, mean, zero)
    }
}

/// One cell.
#[derive(Clone, Debug, PartialEq)]
pub struct Cell {
    /// Genes with a count, ascending.
    pub genes: Vec<u32>,
    /// Their counts, 1 or more.
    pub counts: Vec<u32>,
    /// Class.
    pub class: u32,
    /// Donor.
    pub donor: u32,
    /// The continuous target, in [0, 1).
    pub pseudotime: f64,
}

/// Plain genes of a donor by falling mean, and the highest mean of each [`GROUP`].
#[derive(Clone, Debug)]
struct Plain {
    genes: Vec<(u32, f32)>,
}

/// Genes with their means, ready to make cells.
#[derive(Clone, Debug)]
pub struct Simulation {
    settings: Settings,
    roles: Vec<Role>,
    /// Genes that are planted, copies apart, and the copies of each.
    planted: Vec<(u32, Vec<u32>)>,
    plain: Vec<Plain>,
    /// Factor of each donor on each planted gene.
    factors: Vec<Vec<f64>>,
}

impl Simulation {
    /// Lays out the genes.
    ///
    /// # Errors
    /// Settings out of their range, or a density that the planted genes alone exceed.
    pub fn new(settings: Settings) -> Result<Self, DataError> {
        settings.check()?;
        let s = &settings;
        let mut order: Vec<u32> = (0..s.genes as u32).collect();
        stream(s.seed, 1, 0).shuffle(&mut order);
        let mut roles = vec![Role::Plain; s.genes];
        let mut planted = Vec::new();
        let (markers, rest) = order.split_at(s.markers);
        let (copies, rest) = rest.split_at(s.markers * s.copies);
        let (decoys, rest) = rest.split_at(s.decoys);
        let (gradients, rest) = rest.split_at(s.gradients);
        for (i, &gene) in markers.iter().enumerate() {
            let class = (i % s.classes) as u32;
            roles[gene as usize] = Role::Marker { class };
            let own = copies[i * s.copies..(i + 1) * s.copies].to_vec();
            for &copy in &own {
                roles[copy as usize] = Role::Copy { of: gene };
            }
            planted.push((gene, own));
        }
        for (i, &gene) in decoys.iter().enumerate() {
            let state = (i % STATES) as u32;
            roles[gene as usize] = Role::Decoy { state };
            planted.push((gene, Vec::new()));
        }
        for &gene in gradients {
            roles[gene as usize] = Role::Gradient;
            planted.push((gene, Vec::new()));
        }
        let mut spread = stream(s.seed, 2, 0);
        let shapes: Vec<f64> = rest
            .iter()
            .map(|_| (GENE_SPREAD * normal(&mut spread)).exp())
            .collect();
        let scale = scale(s, &shapes)?;
        let mut factors = Vec::new();
        let mut plain = Vec::new();
        for donor in 0..s.donors {
            let mut random = stream(s.seed, 3, donor as u64);
            let mut factor = || {
                let b = s.batch_effect;
                (b * normal(&mut random) - b * b / 2.0).exp()
            };
            factors.push(planted.iter().map(|_| factor()).collect());
            let mut genes: Vec<(u32, f32)> = rest
                .iter()
                .zip(&shapes)
                .map(|(&g, shape)| (g, (scale * shape * factor()) as f32))
                .collect();
            genes.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
            plain.push(Plain { genes });
        }
        Ok(Self {
            roles,
            planted,
            plain,
            factors,
            settings,
        })
    }

    /// What is made.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// What each gene was planted as.
    #[must_use]
    pub fn roles(&self) -> &[Role] {
        &self.roles
    }

    /// Makes cell `i`.
    #[must_use]
    pub fn cell(&self, i: usize) -> Cell {
        let s = &self.settings;
        let random = &mut stream(s.seed, 4, i as u64);
        let class = class(s, uniform(random));
        let donor = (uniform(random) * s.donors as f64) as usize;
        let pseudotime = uniform(random);
        let size = (CELL_SPREAD * normal(random) - CELL_SPREAD * CELL_SPREAD / 2.0).exp();
        let states = random.next();
        let mut entries: Vec<(u32, u32)> = Vec::new();
        for ((gene, copies), factor) in self.planted.iter().zip(&self.factors[donor]) {
            let [on, off] = ON_OFF;
            let mean = match self.roles[*gene as usize] {
                Role::Marker { class: own } if own == class => on,
                Role::Decoy { state } if states >> state & 1 == 1 => on,
                Role::Gradient => off + (on - off) * pseudotime,
                _ => off,
            };
            let n = count(random, mean * factor * size);
            if n > 0 {
                entries.push((*gene, n));
            }
            for &copy in copies {
                let kept = (0..n).filter(|_| uniform(random) < KEPT).count() as u32;
                if kept > 0 {
                    entries.push((copy, kept));
                }
            }
        }
        for group in self.plain[donor].genes.chunks(GROUP) {
            draw(random, group, size, &mut entries);
        }
        entries.sort_unstable();
        Cell {
            genes: entries.iter().map(|e| e.0).collect(),
            counts: entries.iter().map(|e| e.1).collect(),
            class,
            donor: donor as u32,
            pseudotime,
        }
    }

    /// Makes some cells, in parallel.
    #[must_use]
    pub fn block(&self, cells: std::ops::Range<usize>) -> Vec<Cell> {
        cells.into_par_iter().map(|i| self.cell(i)).collect()
    }

    /// Names of the genes.
    #[must_use]
    pub fn var_names(&self) -> Vec<String> {
        (0..self.settings.genes)
            .map(|g| format!("gene{g}"))
            .collect()
    }

    /// All cells in memory, with the columns `class`, `donor` and `pseudotime`.
    #[must_use]
    pub fn dataset(&self) -> Dataset {
        let s = &self.settings;
        let cells = self.block(0..s.cells);
        let mut indptr = vec![0];
        for cell in &cells {
            indptr.push(indptr[indptr.len() - 1] + cell.genes.len());
        }
        let categorical = |prefix: &str, n: usize, code: fn(&Cell) -> u32| Column::Categorical {
            categories: (0..n).map(|c| format!("{prefix}{c}")).collect(),
            codes: cells.iter().map(|c| Some(code(c))).collect(),
        };
        let columns = [
            ("class", categorical("class", s.classes, |c| c.class)),
            ("donor", categorical("donor", s.donors, |c| c.donor)),
            (
                "pseudotime",
                Column::Numeric(cells.iter().map(|c| c.pseudotime).collect()),
            ),
        ];
        Dataset {
            path: "simulation".into(),
            x: Csr {
                n_obs: s.cells,
                n_vars: s.genes,
                indptr,
                indices: cells.iter().flat_map(|c| &c.genes).copied().collect(),
                values: cells
                    .iter()
                    .flat_map(|c| &c.counts)
                    .map(|&n| n as f32)
                    .collect(),
            },
            obs_names: (0..s.cells).map(|i| format!("cell{i}")).collect(),
            var_names: self.var_names(),
            columns: columns.map(|(name, c)| (name.to_owned(), c)).into(),
            notices: Vec::new(),
            gene_ids: crate::data::gene_ids::GeneIds::default(),
            has_raw: false,
        }
    }
}

/// Class of a cell by a number in (0, 1): the last `rare` have their small share, the others the rest.
fn class(s: &Settings, u: f64) -> u32 {
    let common = s.classes - s.rare;
    let share = 1.0 - s.rare as f64 * RARE_SHARE;
    let class = if common == 0 {
        (u * s.rare as f64) as usize
    } else if u < share {
        (u / share * common as f64) as usize
    } else {
        common + ((u - share) / RARE_SHARE) as usize
    };
    class.min(s.classes - 1) as u32
}

/// Counts of a group of plain genes by falling mean: leaps over genes as if all had the first one's
/// chance to be seen, then takes each with what its own chance is of that.
fn draw(random: &mut SplitMix, group: &[(u32, f32)], size: f64, entries: &mut Vec<(u32, u32)>) {
    let Some(first) = group.first() else { return };
    let highest = 1.0 - zero(f64::from(first.1) * size);
    let leap = (-highest).ln_1p();
    let mut at = 0;
    loop {
        // a chance of 1 leaps over none, one of 0 over all
        let skipped = uniform(random).ln() / leap;
        if skipped >= (group.len() - at) as f64 {
            return;
        }
        at += skipped as usize;
        let mean = f64::from(group[at].1) * size;
        let none = zero(mean);
        if uniform(random) * highest < 1.0 - none {
            entries.push((group[at].0, positive(random, mean, none)));
        }
        at += 1;
        if at == group.len() {
            return;
        }
    }
}

/// Factor on the plain genes' shapes that gives the density, found by bisection.
fn scale(s: &Settings, shapes: &[f64]) -> Result<f64, DataError> {
    // normal deviates at nine quantiles stand for cells and donors
    const QUANTILES: [f64; 9] = [
        -1.593, -0.967, -0.589, -0.282, 0.0, 0.282, 0.589, 0.967, 1.593,
    ];
    let sd = CELL_SPREAD.hypot(s.batch_effect);
    let seen = |mean: f64| -> f64 {
        let at = |z: &f64| 1.0 - zero(mean * (sd * z - sd * sd / 2.0).exp());
        QUANTILES.iter().map(at).sum::<f64>() / QUANTILES.len() as f64
    };
    let [on, off] = ON_OFF;
    let common = 1.0 / s.classes as f64;
    let marker = common * seen(on) + (1.0 - common) * seen(off);
    let copy = common * seen(KEPT * on) + (1.0 - common) * seen(KEPT * off);
    let planted = s.markers as f64 * (marker + s.copies as f64 * copy)
        + s.decoys as f64 * (seen(on) + seen(off)) / 2.0
        + s.gradients as f64 * seen((on + off) / 2.0);
    let wanted = s.density * s.genes as f64 - planted;
    if shapes.is_empty() {
        return Ok(0.0);
    }
    if wanted < 0.0 {
        return Err(DataError::new(
            format!(
                "the planted genes alone make about {planted:.0} values a cell, more than --density {} of {} genes",
                s.density, s.genes
            ),
            "plant fewer genes, or ask for a higher --density",
        ));
    }
    let (mut low, mut high) = (-30.0f64, 30.0f64);
    for _ in 0..50 {
        let middle = (low + high) / 2.0;
        let sum: f64 = shapes.par_iter().map(|x| seen(x * middle.exp())).sum();
        if sum < wanted {
            low = middle;
        } else {
            high = middle;
        }
    }
    Ok(low.exp())
}
