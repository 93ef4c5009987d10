// A packed nonzero: gene in the low 16 bits, f16 value (never subnormal) in the high 16.
fn entry_gene(e: u32) -> u32 {
    return e & 0xffffu;
}

// Sign, exponent and fraction of the f16 moved to their places in an f32; the factor 2^112 moves the
// exponent's bias from 15 to 127, exactly. Needs no f16 feature.
fn entry_value(e: u32) -> f32 {
    return bitcast<f32>((e & 0x80000000u) | ((e >> 3u) & 0x0fffe000u)) * 0x1p112f;
}
