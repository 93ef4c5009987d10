//! Choices that no specification settles: which tiles, which form of the first layer. They are timed once
//! an adapter, and remembered in a file of the user's cache.
use super::{Form, Gpu};
use crate::data::{dataset::Csr, packed::Packed};
use crate::kernels::adamw::AdamStep;
use crate::kernels::linear::{DEFAULT_TILE, Linear, TILES};
use crate::kernels::{first::First, sparse::Sparse};
use crate::model::net::Cells;
use crate::ops::{Ops, Result, stride};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// What an adapter does best.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Choice {
    /// Rows and columns of the tiles of dense layers, one of [`TILES`].
    pub tile: u32,
    /// Form of the products of the first layer.
    pub form: Form,
}

impl Default for Choice {
    fn default() -> Self {
        Self {
            tile: TILES[DEFAULT_TILE],
            form: Form::Sparse,
        }
    }
}

/// `tuning.json`.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Memory {
    schema_version: u32,
    choices: BTreeMap<String, Choice>,
}

const SCHEMA_VERSION: u32 = 1;
/// Launches of a timing, and timings of which the median counts.
const LAUNCHES: usize = 8;
const TIMINGS: usize = 5;

static MEASURED: AtomicU64 = AtomicU64::new(0);

/// How often this process has timed an adapter.
#[must_use]
pub fn measured() -> u64 {
    MEASURED.load(Ordering::Relaxed)
}

/// The folder of the user's cache: `YOTO_CACHE`, or `yoto-gpu` where the system keeps such things.
pub(super) fn cache_folder() -> Option<PathBuf> {
    let path = |name: &str| {
        std::env::var_os(name)
            .filter(|v| !v.is_empty())
            .map(PathBuf::from)
    };
    let home = |below: &str| path("HOME").map(|h| h.join(below));
    path("YOTO_CACHE").or_else(|| {
        let base = if cfg!(windows) {
            path("LOCALAPPDATA")
        } else if cfg!(target_os = "macos") {
            home("Library/Caches")
        } else {
            path("XDG_CACHE_HOME").or_else(|| home(".cache"))
        };
        base.map(|b| b.join("yoto-gpu"))
    })
}

/// The choices of a file; none where it is absent, broken or of another version.
fn recall(file: &Path) -> Memory {
    let fresh = || Memory {
        schema_version: SCHEMA_VERSION,
        ..Memory::default()
    };
    let read = std::fs::read(file).ok();
    let memory = read.and_then(|bytes| serde_json::from_slice::<Memory>(&bytes).ok());
    memory
        .filter(|m| m.schema_version == SCHEMA_VERSION)
        .filter(|m| m.choices.values().all(|c| TILES.contains(&c.tile)))
        .unwrap_or_else(fresh)
}

/// Writes a file beside its place and renames it there. Failure is no error: the next run measures again.
fn remember(file: &Path, memory: &Memory) {
    let write = || -> std::io::Result<()> {
        if let Some(folder) = file.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let beside = file.with_extension(format!("{}.tmp", std::process::id()));
        std::fs::write(&beside, serde_json::to_vec_pretty(memory)?)?;
        std::fs::rename(&beside, file)
    };
    let _ = write();
}

/// What the choices depend on.
pub(super) fn key(info: &wgpu::AdapterInfo) -> String {
    let (name, driver, more) = (&info.name, &info.driver, &info.driver_info);
    format!(
        "{name}; {:04x}:{:04x}; {}; {driver} {more}; yoto-gpu {}",
        info.vendor,
        info.device,
        info.backend.to_str(),
        env!("CARGO_PKG_VERSION")
    )
}

impl Gpu {
    /// Takes the choices that `folder` remembers for this adapter, or times them and lets it remember.
    ///
    /// # Errors
    /// A device that fails, or has no memory for the timings.
    pub fn tune(&mut self, folder: Option<&Path>) -> Result<Choice> {
        let file = folder.map(|f| f.join("tuning.json"));
        let mut memory = file.as_deref().map(recall).unwrap_or_default();
        let choice = match memory.choices.get(&self.key) {
            Some(choice) => *choice,
            None => {
                let choice = self.measure()?;
                memory.schema_version = SCHEMA_VERSION;
                memory.choices.insert(self.key.clone(), choice);
                if let Some(file) = &file {
                    remember(file, &memory);
                }
                choice
            }
        };
        let tile = TILES.iter().position(|t| *t == choice.tile);
        self.set_tile(tile.unwrap_or(DEFAULT_TILE));
        self.set_form(choice.form);
        Ok(choice)
    }

    fn measure(&mut self) -> Result<Choice> {
        MEASURED.fetch_add(1, Ordering::Relaxed);
        let mut costs = [0.0; TILES.len()];
        // a software adapter is only timed in tests, and takes minutes for what a GPU does in milliseconds
        let small = self.info.kind == "software";
        let sizes = if small {
            [(16, 16), (32, 24)]
        } else {
            [(256, 128), (1024, 512)]
        };
        for (rows, side) in sizes {
            let times = self.time_tiles(rows, side)?;
            let best = times.iter().copied().fold(f64::INFINITY, f64::min);
            // both sizes count alike
            costs
                .iter_mut()
                .zip(times)
                .for_each(|(c, t)| *c += t / best);
        }
        let best = (0..TILES.len()).fold(0, |b, i| if costs[i] < costs[b] { i } else { b });
        self.set_tile(best);
        let [sparse, tiled] = self.time_forms(if small { 200 } else { 4000 })?;
        Ok(Choice {
            tile: TILES[best],
            form: if tiled < sparse {
                Form::Tiled
            } else {
                Form::Sparse
            },
        })
    }

    /// Median seconds of some launches, after a first round that compiles.
    fn time(&mut self, launch: &dyn Fn(&mut Self)) -> Result<f64> {
        let mut times = Vec::with_capacity(TIMINGS);
        for round in 0..=TIMINGS {
            let begin = Instant::now();
            (0..LAUNCHES).for_each(|_| launch(self));
            self.sync()?;
            if round > 0 {
                times.push(begin.elapsed().as_secs_f64());
            }
        }
        times.sort_by(f64::total_cmp);
        Ok(times[TIMINGS / 2])
    }

    /// Forward pass and update of a layer by tiles of each shape.
    fn time_tiles(&mut self, rows: usize, side: usize) -> Result<[f64; TILES.len()]> {
        let arena = stride(side * side) + stride(side);
        let mut floats = |len| self.alloc_f("timing of the tiles", len);
        let (a, dz, out) = (
            floats(rows * side)?,
            floats((rows + 1) * side)?,
            floats(rows * side)?,
        );
        let (params, moments, none) = (floats(arena)?, floats(2 * arena)?, floats(64)?);
        let (spare, losses) = (floats(64)?, floats(64)?);
        let p = Linear {
            models: 1,
            n_rows: rows as u32,
            n_in: side as u32,
            n_out: side as u32,
            arena: arena as u32,
            bias_offset: stride(side * side) as u32,
            keep_scale: 1.0,
            ..Linear::default().with_adam(&STEP)
        };
        let mut times = [0.0; TILES.len()];
        for (tile, time) in times.iter_mut().enumerate() {
            self.set_tile(tile);
            *time = self.time(&|gpu| {
                gpu.linear_forward(p, a, params, out);
                gpu.linear_update(p, a, dz, params, moments, spare, none, losses);
            })?;
        }
        for b in [a, dz, out, params, moments, none, spare, losses] {
            self.release_f(b);
        }
        Ok(times)
    }

    /// Forward product and update of the first layer, sparse and by dense tiles, at a tenth of the values
    /// stored and a relaxed mask.
    fn time_forms(&mut self, genes: usize) -> Result<[f64; 2]> {
        let (n, nonzeros, width) = (genes.min(256), genes / 10, (genes / 8).min(128));
        let x = Csr {
            n_obs: n,
            n_vars: genes,
            indptr: (0..=n).map(|c| c * nonzeros).collect(),
            // every tenth gene, beginning elsewhere in each cell
            indices: (0..n * nonzeros)
                .map(|i| ((i % nonzeros) * 10 + (i / nonzeros) * 7 % 10) as u32)
                .collect(),
            values: vec![1.0; n * nonzeros],
        };
        let all = |n: usize| (0..n as u32).collect::<Vec<u32>>();
        let most = self.max_elements;
        let packed = Packed::new(&x, &all(n), &all(genes), genes, most, |_, v| v);
        let cells = Cells::new(self, &packed)?;
        let arena = stride(genes * width) + stride(width);
        let mut floats = |len| self.alloc_f("timing of the first layer", len);
        let (gene, params, moments) = (
            floats(3 * stride(genes))?,
            floats(arena)?,
            floats(2 * arena)?,
        );
        let (centre, out) = (floats(64)?, floats(n * width)?);
        let (d, work) = (
            floats((n + 1) * width)?,
            floats(width.div_ceil(64) * stride(genes))?,
        );
        let rows = self.adopt_u("timing of the first layer", all(n))?;
        self.write_f(gene, &vec![0.5; 3 * stride(genes)])?;
        let mut times = [0.0; 2];
        for (form, time) in [Form::Sparse, Form::Tiled].into_iter().zip(&mut times) {
            self.set_form(form);
            let Some(&page) = cells.pages.first() else {
                continue;
            };
            let forward = Sparse {
                n_rows: n as u32,
                n_cells: page.n_cells,
                n_blocks: cells.n_blocks as u32,
                n_genes: genes as u32,
                width: width as u32,
                power_x: 1,
                power_d: 1,
                models: 1,
                arena: arena as u32,
                bias_offset: stride(genes * width) as u32,
                keep_scale: 1.0,
                ..Sparse::default()
            };
            let update = First {
                models: 1,
                n_genes: genes as u32,
                width: width as u32,
                n_rows: n as u32,
                n_cells: page.n_cells,
                n_blocks: cells.n_blocks as u32,
                arena: arena as u32,
                ..First::default().with_adam(&STEP)
            };
            *time = self.time(&|gpu| {
                gpu.sparse_forward(forward, page, rows, gene, params, centre, out);
                gpu.first_update(update, page, rows, d, gene, params, moments, work);
            })?;
        }
        for b in [gene, params, moments, centre, out, d, work] {
            self.release_f(b);
        }
        self.release_u(rows);
        for page in cells.pages {
            self.release_u(page.entries);
            self.release_u(page.blocks);
        }
        Ok(times)
    }
}

/// Any step will do.
const STEP: AdamStep = AdamStep {
    lr: 1e-3,
    beta1: 0.9,
    beta2: 0.99,
    eps: 1e-8,
    weight_decay: 0.0,
    correction1: 0.1,
    correction2: 0.01,
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broken_and_foreign_files_are_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("deeper").join("tuning.json");
        assert!(recall(&file).choices.is_empty());
        let mut memory = recall(&file);
        let choice = Choice {
            tile: 128,
            form: Form::Tiled,
        };
        memory.choices.insert("an adapter".into(), choice);
        remember(&file, &memory);
        assert_eq!(recall(&file).choices.get("an adapter"), Some(&choice));
        let text = std::fs::read_to_string(&file).unwrap();
        for (from, to) in [
            ("\"schema_version\": 1", "\"schema_version\": 2"),
            ("128", "7"),
            ("{", ""),
            ("form", "shape"),
        ] {
            assert!(text.contains(from));
            std::fs::write(&file, text.replacen(from, to, 1)).unwrap();
            assert!(recall(&file).choices.is_empty(), "{to}");
        }
    }
}
