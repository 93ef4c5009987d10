//! Values of flags, checked as they are read.

/// A number of components.
pub(super) fn components(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(n) if (1..=512).contains(&n) => Ok(n),
        _ => Err("it must be a whole number from 1 to 512".into()),
    }
}

/// A share of the cells.
pub(super) fn share(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(x) if (0.0..1.0).contains(&x) => Ok(x),
        _ => Err("it must be a number from 0 up to, not including, 1".into()),
    }
}

/// A number above 0.
pub(super) fn positive(text: &str) -> Result<f32, String> {
    match text.parse() {
        Ok(x) if x > 0.0 && f32::is_finite(x) => Ok(x),
        _ => Err("it must be a number above 0".into()),
    }
}

/// A number of at least 0.
pub(super) fn not_negative(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(x) if (0.0..f64::INFINITY).contains(&x) => Ok(x),
        _ => Err("it must be a number of at least 0".into()),
    }
}

/// The same, in single precision.
pub(super) fn single_not_negative(text: &str) -> Result<f32, String> {
    not_negative(text).map(|x| x as f32)
}

/// A count.
pub(super) fn at_least_one(text: &str) -> Result<u64, String> {
    match text.parse() {
        Ok(n) if n > 0 => Ok(n),
        _ => Err("it must be a whole number of at least 1".into()),
    }
}
