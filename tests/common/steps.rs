//! A step of each kind, to be run again and again.
use crate::cells::planted;
use yoto_gpu::model::layout::{Layout, Shape};
use yoto_gpu::model::net::{Cells, Net, Room, Targets};
use yoto_gpu::model::panel_step::{PanelInput, panel_step};
use yoto_gpu::model::selector::{Selection, Selector};
use yoto_gpu::model::step::selection_step;
use yoto_gpu::model::trunk::{Adam, Batch, Dropout, Slot};
use yoto_gpu::ops::{Ops, stride};
use yoto_gpu::train::settings::Relaxation;

const BATCH: usize = 16;
const GENES: usize = 200;

/// A step of each kind on a device, to be run again and again.
pub struct Steps {
    cells: Cells,
    targets: Targets,
    select: (Net, Selector),
    panel: (Net, PanelInput),
    batch: Batch,
    slot: Slot,
}

impl Steps {
    pub fn new<O: Ops>(ops: &mut O, relaxation: Relaxation, hidden: &[usize]) -> Self {
        let data = planted(64, 0, GENES, 4, 1 << 20, 7);
        let cells = Cells::new(ops, &data.cells).unwrap();
        assert_eq!(cells.pages.len(), 1);
        let targets = Targets::new(ops, &data.tasks, 64, 0.5).unwrap();
        let room = Room {
            models: 1,
            batch: BATCH,
            max_rows: BATCH,
            tasks: 1,
        };
        let shape = |n_in| Shape {
            n_in,
            hidden: hidden.to_vec(),
            n_out: 4,
        };
        let net = Net::new(ops, Layout::new(shape(GENES), true), room).unwrap();
        let weights: Vec<f32> = (0..net.layout.len)
            .map(|i| (i % 17) as f32 / 99.0)
            .collect();
        ops.write_f(net.params, &weights).unwrap();
        let genes = (&[0.3; GENES][..], &[1.2; GENES][..]);
        let width = net.layout.shape.width();
        let selector = Selector::new(ops, genes, width, 1, 1, relaxation).unwrap();
        let small = Net::new(ops, Layout::new(shape(9), false), room).unwrap();
        ops.write_f(small.params, &weights[..small.layout.len])
            .unwrap();
        let input = PanelInput {
            genes: ops
                .adopt_u("genes", (0..9).map(|g| g * 20).collect())
                .unwrap(),
            stats: ops.alloc_f("stats", stride(18)).unwrap(),
            x: ops.alloc_f("x", BATCH * 9).unwrap(),
            n: 9,
        };
        ops.write_f(input.stats, &[0.7; 18]).unwrap();
        let rows = ops.adopt_u("rows", (0..64).collect()).unwrap();
        let scales = ops.alloc_f("scales", 1).unwrap();
        ops.write_f(scales, &[1.0 / BATCH as f32]).unwrap();
        let losses = ops.alloc_f("losses", 1).unwrap();
        Self {
            cells,
            targets,
            select: (net, selector),
            panel: (small, input),
            batch: Batch::of(rows, BATCH, scales),
            slot: Slot {
                losses,
                at: 0,
                stride: 0,
            },
        }
    }

    /// `kind`: `soft`, `hard` or `panel`.
    pub fn run<O: Ops>(&self, ops: &mut O, kind: &str, relaxation: Relaxation, t: u32) {
        let dropout = Dropout {
            input: 0.3,
            hidden: 0.1,
            seed: 1,
            step: t,
        };
        let adam = Adam {
            lr: 1e-3,
            lr_scores: 1e-2,
            weight_decay: 0.1,
            t: t + 1,
        };
        let (cells, targets, batch, slot) = (&self.cells, &self.targets, self.batch, self.slot);
        if kind == "panel" {
            let (net, input) = &self.panel;
            panel_step(
                ops, net, input, cells, targets, batch, &dropout, &adam, slot,
            );
            return;
        }
        let s = Selection {
            k: 8,
            tau: 0.5,
            beta: 0.1,
            hard: kind == "hard",
            relaxation,
            seed: 1,
            step: t,
        };
        let (net, selector) = &self.select;
        selection_step(
            ops, net, selector, cells, targets, batch, &s, &dropout, &adam, slot,
        );
    }
}

/// The networks whose steps are counted.
pub const NETWORKS: [(&str, Relaxation, &[usize]); 3] = [
    ("one hidden layer", Relaxation::Sigmoid, &[32]),
    ("two hidden layers", Relaxation::Sigmoid, &[32, 16]),
    ("softsort", Relaxation::Softsort, &[32]),
];
