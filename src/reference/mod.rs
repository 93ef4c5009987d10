//! CPU twins of the kernels: plain loops, generic over f32 and f64.
