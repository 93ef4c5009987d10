//! A device whose launches are noted: which one, what it must move and compute, how long the call
//! took. On the CPU path the call is the work; on a GPU it only records, and the device's profile
//! has the times.
use crate::kernels::{
    ablate::Ablate, adamw::AdamW, cost::Cost, first::First, heads::Heads, linear::Linear,
    noise::Noise, panel::Panel, scores::Scores, softmask::SoftMask, softsort::SoftSort, sort::Sort,
    sparse::Sparse, topk::TopK,
};
use crate::ops::{DeviceInfo, FBuf, Ops, PageBuf, Result, UBuf};
use std::time::Instant;

/// A noted launch.
#[derive(Clone, Copy, Debug)]
pub(super) struct Launch {
    /// File and entry of the kernel, without the tile shape.
    pub(super) name: &'static str,
    /// By formula.
    pub(super) cost: Cost,
    /// Nanoseconds that the call took.
    pub(super) host_ns: f64,
}

/// A device and what was launched on it.
pub(super) struct Watched<O> {
    /// The device.
    pub(super) inner: O,
    /// Nonzeros of a cell, on average.
    nonzeros: f64,
    /// Cells of all pages.
    cells: f64,
    /// Launches since [`Watched::begin`]; none before.
    log: Option<Vec<Launch>>,
    /// All launches.
    pub(super) launches: u64,
}

impl<O: Ops> Watched<O> {
    pub(super) fn new(inner: O, nonzeros: f64, cells: usize) -> Self {
        Self {
            inner,
            nonzeros,
            cells: cells as f64,
            log: None,
            launches: 0,
        }
    }
    /// Notes launches from here on.
    pub(super) fn begin(&mut self) {
        self.log = Some(Vec::new());
    }
    /// Notes no more; what was noted.
    pub(super) fn end(&mut self) -> Vec<Launch> {
        self.log.take().unwrap_or_default()
    }
    /// Nonzeros of a batch's cells that lie in a page, of all networks, on average.
    fn in_page(&self, page_cells: u32, models: u32, rows: u32) -> u64 {
        let share = f64::from(page_cells) / self.cells.max(1.0);
        let rows = f64::from(rows) * f64::from(models.max(1));
        (rows * self.nonzeros * share).round() as u64
    }
    fn note(&mut self, name: &'static str, cost: Cost, run: impl FnOnce(&mut O)) {
        self.launches += 1;
        let Some(log) = &mut self.log else {
            run(&mut self.inner);
            return;
        };
        let begin = Instant::now();
        run(&mut self.inner);
        let host_ns = begin.elapsed().as_nanos() as f64;
        log.push(Launch {
            name,
            cost,
            host_ns,
        });
    }
}

/// Methods that note a launch and pass it on.
macro_rules! noted {
    ($($name:literal $method:ident($p:ident: $P:ty $(, $a:ident: $A:ty)*) |$me:ident| $cost:expr;)+) => {
        $(fn $method(&mut self, $p: $P $(, $a: $A)*) {
            let $me = &*self;
            let cost = $cost;
            self.note($name, cost, |d| d.$method($p $(, $a)*));
        })+
    };
}

impl<O: Ops> Ops for Watched<O> {
    fn info(&self) -> DeviceInfo {
        self.inner.info()
    }
    fn variant(&self) -> String {
        self.inner.variant()
    }
    fn prepare(&mut self) -> Result<()> {
        self.inner.prepare()
    }
    fn max_elements(&self) -> usize {
        self.inner.max_elements()
    }
    fn alloc_f(&mut self, name: &'static str, len: usize) -> Result<FBuf> {
        self.inner.alloc_f(name, len)
    }
    fn alloc_u(&mut self, name: &'static str, len: usize) -> Result<UBuf> {
        self.inner.alloc_u(name, len)
    }
    fn adopt_u(&mut self, name: &'static str, data: Vec<u32>) -> Result<UBuf> {
        self.inner.adopt_u(name, data)
    }
    fn write_f(&mut self, buf: FBuf, data: &[f32]) -> Result<()> {
        self.inner.write_f(buf, data)
    }
    fn write_u(&mut self, buf: UBuf, data: &[u32]) -> Result<()> {
        self.inner.write_u(buf, data)
    }
    fn read_f(&mut self, buf: FBuf) -> Result<Vec<f32>> {
        self.inner.read_f(buf)
    }
    fn read_u(&mut self, buf: UBuf) -> Result<Vec<u32>> {
        self.inner.read_u(buf)
    }
    fn release_f(&mut self, buf: FBuf) {
        self.inner.release_f(buf);
    }
    fn release_u(&mut self, buf: UBuf) {
        self.inner.release_u(buf);
    }
    fn submit(&mut self) -> Result<()> {
        self.inner.submit()
    }
    fn sync(&mut self) -> Result<()> {
        self.inner.sync()
    }
    noted! {
        "noise/perturb" perturb(p: Noise, scores: FBuf, tables: UBuf, out: FBuf) |_me| p.cost();
        "topk/select_k" topk(p: TopK, scores: FBuf, mask: FBuf, index: UBuf) |_me| p.cost();
        "softmask/forward" soft_forward(p: SoftMask, scores: FBuf, mask: FBuf) |_me| p.cost();
        "scores/update" score_update(p: Scores, mask: FBuf, u: FBuf, params: FBuf, moments: FBuf)
            |_me| p.cost();
        "sort/order" sort(p: Sort, scores: FBuf, order: UBuf, scratch: UBuf)
            |_me| p.cost();
        "softsort/forward" softsort_forward(
            p: SoftSort, scores: FBuf, order: UBuf, scratch: FBuf, mask: FBuf
        ) |_me| p.forward_cost();
        "softsort/backward" softsort_backward(
            p: SoftSort, scores: FBuf, order: UBuf, scratch: FBuf, u: FBuf, work: FBuf, grad: FBuf
        ) |_me| p.backward_cost();
        "adamw/adamw" adamw(p: AdamW, params: FBuf, grads: FBuf, moments: FBuf) |_me| p.cost();
        "first/centre" centre(p: First, gene: FBuf, params: FBuf, partial: FBuf)
            |_me| p.centre_cost();
        "sparse/forward" sparse_forward(
            p: Sparse, page: PageBuf, rows: UBuf, gene: FBuf, params: FBuf, centre: FBuf, out: FBuf
        ) |me| p.forward_cost(me.in_page(p.n_cells, p.models, p.n_rows));
        "sparse/transpose" sparse_transpose(p: Sparse, page: PageBuf, rows: UBuf, d: FBuf, out: FBuf)
            |me| p.transpose_cost(me.in_page(p.n_cells, 1, p.n_rows));
        "first/update" first_update(
            p: First, page: PageBuf, rows: UBuf, d: FBuf, gene: FBuf, params: FBuf, moments: FBuf,
            work: FBuf
        ) |me| p.update_cost(me.in_page(p.n_cells, p.models, p.n_rows));
        "panel/gather" panel_gather(
            p: Panel, page: PageBuf, rows: UBuf, genes: UBuf, stats: FBuf, out: FBuf
        ) |me| p.cost(me.in_page(p.n_cells, p.models, p.n_rows));
        "linear/forward" linear_forward(p: Linear, a: FBuf, params: FBuf, out: FBuf)
            |_me| p.forward_cost();
        "linear/grad_input" linear_grad_input(
            p: Linear, dz: FBuf, params: FBuf, gate: FBuf, out: FBuf
        ) |_me| p.grad_input_cost();
        "linear/update" linear_update(
            p: Linear, a: FBuf, dz: FBuf, params: FBuf, moments: FBuf, dz_below: FBuf, loss: FBuf,
            losses: FBuf
        ) |_me| p.update_cost();
        "heads/heads" heads(
            p: Heads, a: FBuf, params: FBuf, rows: UBuf, targets: UBuf, scales: FBuf, logits: FBuf,
            loss: FBuf, dz: FBuf
        ) |_me| p.cost();
        "ablate/ablate" ablate(p: Ablate, z: FBuf, x: FBuf, w: FBuf, out: FBuf) |_me| Cost::default();
    }
}
