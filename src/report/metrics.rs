//! stub
pub struct C {
    pub macro_f1: f64,
}
pub struct R {
    pub r2: f64,
}
pub fn classification(_: &[u32], _: &[u32], _: usize) -> C {
    C { macro_f1: 0.0 }
}
pub fn regression(_: &[f32], _: &[f32]) -> R {
    R { r2: 0.0 }
}
