// Dropout by counter: element i takes word i % 4 of counter (i / 4, step, 0, 0); needs philox.wgsl.
fn dropout_keeps(seed: u32, stream: u32, step: u32, below: u32, i: u32) -> bool {
    if (below == 0u) {
        return true;
    }
    let words = philox(vec4<u32>(i / 4u, step, 0u, 0u), vec2<u32>(seed, stream));
    var word = words.x;
    switch (i % 4u) {
        case 1u: { word = words.y; }
        case 2u: { word = words.z; }
        case 3u: { word = words.w; }
        default: {}
    }
    return word >= below;
}
