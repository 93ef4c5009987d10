// Networks of a batch: copies of a buffer of `len` elements lie a multiple of 64 elements apart, `ops::ALIGN`.
fn model_stride(len: u32) -> u32 {
    return (len + 63u) & ~63u;
}
