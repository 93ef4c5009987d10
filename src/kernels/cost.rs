//! What a launch must move and compute at least, by formula, from its parameters.
//!
//! Bytes: each value that is read counts once, however often it is read, and each value that is
//! written once. Operations: floating-point ones; a multiply-add is two, an exponential, a root and a
//! division one each; integer work (noise, dropout, selection) counts nothing. `nonzeros` are those of
//! the batch's cells, of all networks together.

/// Bytes and operations of a launch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Bytes read and written.
    pub bytes: u64,
    /// Floating-point operations.
    pub operations: u64,
}

impl Cost {
    /// From 4-byte words and operations of one network, for `models` of them.
    pub(crate) fn each(models: u32, words: u64, operations: u64) -> Self {
        Self {
            bytes: 4 * words * u64::from(models),
            operations: operations * u64::from(models),
        }
    }
    /// Both parts together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            bytes: self.bytes + other.bytes,
            operations: self.operations + other.operations,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Cost;
    use crate::kernels::{
        adamw::AdamW, first::First, heads::Heads, linear::Linear, noise::Noise, panel::Panel,
        scores::Scores, softmask::SoftMask, sparse::Sparse, topk::TopK,
    };

    fn cost(words: u64, operations: u64) -> Cost {
        let bytes = 4 * words;
        Cost { bytes, operations }
    }

    #[test]
    fn lists_of_scores() {
        let (models, n, k) = (2, 10, 3);
        let noise = Noise {
            models,
            n,
            ..Noise::default()
        };
        assert_eq!(noise.cost(), cost(2 * 20, 2 * 20));
        let mask = SoftMask {
            models,
            n,
            k,
            ..SoftMask::default()
        };
        assert_eq!(mask.cost(), cost(2 * 20, 2 * 160));
        let top = TopK {
            models,
            n,
            k,
            ..TopK::default()
        };
        assert_eq!(top.cost(), cost(2 * 23, 0));
        let adam = AdamW {
            n,
            ..AdamW::default()
        };
        // parameter, gradient, two moments in; parameter and moments out
        assert_eq!(adam.cost(), cost(7 * 10, 160));
        let scores = Scores {
            models: 1,
            n,
            tiles: 2,
            ..Scores::default()
        };
        // mask, two lists, six of AdamW; 3 + 2 + 3 + 2 + 16 a value
        assert_eq!(scores.cost(), cost(9 * 10, 26 * 10));
    }

    #[test]
    fn dense_layers() {
        let p = Linear {
            models: 1,
            n_rows: 2,
            n_in: 3,
            n_out: 5,
            ..Linear::default()
        };
        // a: 6, w: 15, b: 5, y: 10; 15 multiply-adds a row, a bias an output
        assert_eq!(p.forward_cost(), cost(36, 2 * 30 + 10));
        // dy: 10, w: 15, gate: 6, da: 6
        assert_eq!(p.grad_input_cost(), cost(37, 2 * 30 + 6));
        // a: 6, dy: 10, six words a weight
        assert_eq!(p.update_cost(), cost(16 + 90, 2 * 30 + 16 * 15));
        let all = Linear {
            own_bias: 1,
            below: 3,
            n_tasks: 1,
            ..p
        };
        // five biases and three below, their six gradients in and three sums out, two losses and their sum
        let more = cost(6 * 8 + 9 + 3, 16 * 8 + 2 * 8 + 2);
        assert_eq!(all.update_cost(), p.update_cost().and(more));
        let twice = Linear { models: 2, ..all };
        assert_eq!(
            twice.update_cost(),
            all.update_cost().and(all.update_cost())
        );
        let heads = Heads {
            models: 1,
            n_rows: 2,
            n_in: 3,
            n_out: 5,
            n_tasks: 1,
            ..Heads::default()
        };
        // a: 6, w: 15, b: 5, cells: 2, labels: 2, logits: 10, losses: 2
        assert_eq!(heads.cost(), cost(42, 60 + 80));
        let down = Heads {
            gradients: 1,
            ..heads
        };
        assert_eq!(down.cost(), cost(48, 60 + 80 + 60 + 6));
    }

    #[test]
    fn sparse_products() {
        let p = Sparse {
            models: 1,
            n_rows: 2,
            n_genes: 40,
            n_blocks: 2,
            width: 4,
            n_chunks: 1,
            ..Sparse::default()
        };
        // 7 nonzeros; 3 words a cell, two lists, the 7 rows of the weights, centring, bias, outputs
        let forward = cost(7 + 6 + 80 + 28 + 4 + 4 + 8, 2 * 28 + 14 + 4 + 8);
        assert_eq!(p.forward_cost(7), forward);
        // more nonzeros than genes: no more than 40 rows
        let many = p.forward_cost(100).bytes - p.forward_cost(40).bytes;
        assert_eq!(many, 4 * 60);
        // 3 pointers and a number a cell, dense rows, products
        assert_eq!(p.transpose_cost(7), cost(7 + 6 + 2 + 8 + 160, 56));
        let add = Sparse { accumulate: 1, ..p };
        assert_eq!(
            add.transpose_cost(7),
            p.transpose_cost(7).and(cost(160, 160))
        );
        let first = First {
            models: 1,
            n_rows: 2,
            n_genes: 40,
            n_blocks: 2,
            width: 4,
            ..First::default()
        };
        assert_eq!(first.centre_cost(), cost(120 + 160 + 4, 80 + 320));
        // as the transposed product; column sums, three lists, six words a weight, one list of u
        let update = cost(7 + 6 + 2 + 12 + 120 + 960 + 40, 56 + 22 * 160);
        assert_eq!(first.update_cost(7), update);
        let panel = Panel {
            models: 1,
            n_rows: 2,
            n_panel: 3,
            n_blocks: 2,
            ..Panel::default()
        };
        // 2 pointers a value, a number a cell, three lists, the values; no more than the 7 nonzeros
        assert_eq!(panel.cost(7), cost(12 + 2 + 9 + 6 + 7, 18));
    }
}
