//! Flags and help text.
