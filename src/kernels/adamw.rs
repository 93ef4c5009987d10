//! Parameters, bindings and launch sizes of `shaders/adamw.wgsl`.
use super::cost::Cost;
use super::registry::{self, Binding, Entry, Kernel, fold, source};

/// Settings of one AdamW step (Loshchilov and Hutter 2019, Algorithm 2).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct AdamStep {
    /// Learning rate.
    pub lr: f32,
    /// Decay of the first moment.
    pub beta1: f32,
    /// Decay of the second moment.
    pub beta2: f32,
    /// Added outside the root.
    pub eps: f32,
    /// Decoupled decay, times lr.
    pub weight_decay: f32,
    /// 1 - beta1^t.
    pub correction1: f32,
    /// 1 - beta2^t.
    pub correction2: f32,
}

/// Conversions between [`AdamStep`] and the fields of the same names of a parameter struct.
macro_rules! adam_fields {
    ($name:ident) => {
        impl $name {
            /// With the settings of an AdamW step.
            #[must_use]
            pub fn with_adam(mut self, a: &$crate::kernels::adamw::AdamStep) -> Self {
                (self.lr, self.beta1, self.beta2, self.eps) = (a.lr, a.beta1, a.beta2, a.eps);
                (self.weight_decay, self.correction1) = (a.weight_decay, a.correction1);
                self.correction2 = a.correction2;
                self
            }
            /// The settings of its AdamW step.
            #[must_use]
            pub fn adam(&self) -> $crate::kernels::adamw::AdamStep {
                $crate::kernels::adamw::AdamStep {
                    lr: self.lr,
                    beta1: self.beta1,
                    beta2: self.beta2,
                    eps: self.eps,
                    weight_decay: self.weight_decay,
                    correction1: self.correction1,
                    correction2: self.correction2,
                }
            }
        }
    };
}
pub(super) use adam_fields;

crate::mirror! {
    /// One AdamW step on a range of the flat arena.
    pub struct AdamW {
        /// Parameters of the range.
        n: u32,
        /// Elements of the arena.
        arena: u32,
        /// Where the range begins in it.
        offset: u32,
        /// Learning rate.
        lr: f32,
        /// Decay of the first moment.
        beta1: f32,
        /// Decay of the second moment.
        beta2: f32,
        /// Added outside the root.
        eps: f32,
        /// Decoupled decay of weights, times lr; biases have none.
        weight_decay: f32,
        /// 1 - beta1^t.
        correction1: f32,
        /// 1 - beta2^t.
        correction2: f32,
    }
}
adam_fields!(AdamW);

/// Registration of `shaders/adamw.wgsl`.
pub const KERNEL: Kernel = Kernel {
    stem: "adamw",
    common: &[registry::FOLD, registry::ADAM],
    source: source!("adamw"),
    params_size: size_of::<AdamW>(),
    fields: AdamW::FIELDS,
    types: AdamW::TYPES,
    entries: &[ADAMW],
};

/// The step.
pub const ADAMW: Entry = Entry {
    stem: "adamw",
    name: "adamw",
    workgroup_size: 256,
    bindings: &[
        Binding::write_f32("params", 1),
        Binding::read_f32("grads", 2),
        Binding::write_f32("moments", 3),
    ],
};

impl AdamW {
    /// Workgroups of [`ADAMW`]: an invocation a parameter.
    #[must_use]
    pub fn groups(&self) -> [u32; 3] {
        fold(u64::from(self.n), 256)
    }
}

/// Operations of an AdamW step of one value: 3 for the first moment, 4 for the second, 2 for the decay,
/// 2 for the corrections, 5 for root, eps, quotient, rate and difference.
pub const ADAM_OPERATIONS: u64 = 16;
/// Words that it moves: parameter and two moments, in and out.
pub const ADAM_WORDS: u64 = 6;

impl AdamW {
    /// Cost of [`ADAMW`].
    #[must_use]
    pub fn cost(&self) -> Cost {
        let n = u64::from(self.n);
        Cost::each(1, (ADAM_WORDS + 1) * n, ADAM_OPERATIONS * n)
    }
}
