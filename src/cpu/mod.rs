//! Ops on the CPU: calls the twins (f64 in tests, f32 over rayon for `--device cpu`).
