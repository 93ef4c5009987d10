//! Shapes of a network and the places of its parameters in the flat arena.
use crate::ops::ALIGN;
use serde::{Deserialize, Serialize};

/// A range of the arena.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// First element, a multiple of [`ALIGN`].
    pub offset: usize,
    /// Elements.
    pub len: usize,
}

/// Widths of a network: inputs, hidden layers, outputs of all heads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shape {
    /// Inputs: considered genes, or the most genes that a panel may hold while it is refined.
    pub n_in: usize,
    /// Hidden widths; none makes a linear model.
    pub hidden: Vec<usize>,
    /// Outputs of all heads side by side.
    pub n_out: usize,
}

impl Shape {
    /// Layers, the heads included.
    #[must_use]
    pub fn n_layers(&self) -> usize {
        self.hidden.len() + 1
    }
    /// Inputs of a layer.
    #[must_use]
    pub fn input(&self, layer: usize) -> usize {
        if layer == 0 {
            self.n_in
        } else {
            self.hidden[layer - 1]
        }
    }
    /// Outputs of a layer.
    #[must_use]
    pub fn output(&self, layer: usize) -> usize {
        self.hidden.get(layer).copied().unwrap_or(self.n_out)
    }
    /// Width of the first layer, H.
    #[must_use]
    pub fn width(&self) -> usize {
        self.output(0)
    }
}

/// Where everything lies: biases, weights of the later layers, weights of the first layer (last of
/// the weights, so that a panel of fewer genes is a shorter range), scores.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// The network's widths.
    pub shape: Shape,
    /// Weights of each layer, inputs x outputs.
    pub weights: Vec<Place>,
    /// Biases of each layer.
    pub biases: Vec<Place>,
    /// Scores, one a gene; empty for a panel.
    pub scores: Place,
    /// Elements of the arena.
    pub len: usize,
}

impl Layout {
    /// Lays a network out, with or without scores.
    #[must_use]
    pub fn new(shape: Shape, with_scores: bool) -> Self {
        let mut len = 0;
        let mut place = |n: usize| {
            let offset = len;
            len += n.next_multiple_of(ALIGN);
            Place { offset, len: n }
        };
        let layers = shape.n_layers();
        let biases = (0..layers).map(|l| place(shape.output(l))).collect();
        let mut weights: Vec<Place> = (1..layers)
            .map(|l| place(shape.input(l) * shape.output(l)))
            .collect();
        weights.insert(0, place(shape.n_in * shape.width()));
        let scores = place(if with_scores { shape.n_in } else { 0 });
        Self {
            shape,
            weights,
            biases,
            scores,
            len,
        }
    }
    /// All biases, padding included.
    #[must_use]
    pub fn bias_range(&self) -> Place {
        let end = self.weights.get(1).unwrap_or(&self.weights[0]).offset;
        Place {
            offset: 0,
            len: end,
        }
    }
}
