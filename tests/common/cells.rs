//! Made-up cells with planted marker genes, for tests.
use std::sync::Arc;
use yoto_gpu::data::cells::{GeneStats, Targets, Task, TaskKind, TrainingData, Transform};
use yoto_gpu::data::dataset::Csr;
use yoto_gpu::data::packed::{Packed, quantise};
use yoto_gpu::data::profile::Profile;

/// A small generator (splitmix64), so that tests need no crate for it.
pub struct Random(pub u64);

impl Random {
    pub fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
    /// In [0, 1).
    pub fn unit(&mut self) -> f64 {
        (self.word() >> 11) as f64 / (1u64 << 53) as f64
    }
    /// In [-1, 1).
    #[allow(
        dead_code,
        reason = "not every test file that includes this one uses it"
    )]
    pub fn signed(&mut self) -> f64 {
        2.0 * self.unit() - 1.0
    }
}

#[allow(
    dead_code,
    reason = "not every test file that includes this one uses it"
)]
/// Cells of `classes` classes: gene c (c < classes) marks class c, the rest is noise.
pub fn planted(
    n_train: usize,
    n_validation: usize,
    n_genes: usize,
    classes: usize,
    page_words: usize,
    seed: u64,
) -> TrainingData {
    let (mut random, n) = (Random(seed), n_train + n_validation);
    let labels: Vec<u32> = (0..n).map(|i| (i % classes) as u32).collect();
    let (mut indptr, mut indices, mut values) = (vec![0], Vec::new(), Vec::new());
    for &label in &labels {
        for g in 0..n_genes {
            let marked = g < classes && g as u32 == label;
            let level = if marked {
                0.95
            } else if g < classes {
                0.05
            } else {
                0.25
            };
            if random.unit() < level {
                indices.push(g as u32);
                values.push((0.5 + random.unit() * if marked { 3.0 } else { 2.0 }) as f32);
            }
        }
        indptr.push(values.len());
    }
    let x = Csr {
        n_obs: n,
        n_vars: n_genes,
        indptr,
        indices,
        values,
    };
    let rows: Vec<u32> = (0..n as u32).collect();
    let columns: Vec<u32> = (0..n_genes as u32).collect();
    let cells = Packed::new(&x, &rows, &columns, n_genes, page_words, |_, v| v);
    let (mut sum, mut square) = (vec![0.0f64; n_genes], vec![0.0f64; n_genes]);
    for i in 0..n_train {
        let (genes, values) = x.row(i);
        for (&g, &v) in genes.iter().zip(values) {
            let v = f64::from(quantise(v).to_f32());
            sum[g as usize] += v;
            square[g as usize] += v * v;
        }
    }
    let m = n_train as f64;
    let mean: Vec<f32> = sum.iter().map(|s| (s / m) as f32).collect();
    let sd = |(s, q): (&f64, &f64)| (q / m - (s / m).powi(2)).max(1e-6).sqrt();
    let inv_sd = sum
        .iter()
        .zip(&square)
        .map(|p| (1.0 / sd(p)) as f32)
        .collect();
    let kind = TaskKind::Classification {
        classes: (0..classes).map(|c| format!("class {c}")).collect(),
    };
    let tasks = vec![Task {
        name: "class".into(),
        kind,
        targets: Targets::Classes(labels),
    }];
    let profiles = Profile::measure(&tasks, n_train, n_genes, |add| {
        for cell in 0..n_train {
            let (genes, values) = x.row(cell);
            let all = genes.iter().zip(values);
            all.for_each(|(&g, &v)| {
                let v = quantise(v).to_f32();
                add(cell, g as usize, v, v.into());
            });
        }
        Ok::<(), ()>(())
    });
    TrainingData {
        cells,
        n_train,
        n_validation,
        gene_names: (0..n_genes).map(|g| format!("gene{g}")).collect(),
        gene_ids: yoto_gpu::data::gene_ids::GeneIds::default(),
        gene_index: columns,
        stats: GeneStats {
            mean,
            inv_sd,
            clip: vec![100.0; n_genes],
        },
        include: Vec::new(),
        detected_genes: n_genes,
        stream: None,
        transform: Transform::AsIs,
        tasks,
        profiles: Arc::new(profiles.unwrap()),
        batches: None,
    }
}
