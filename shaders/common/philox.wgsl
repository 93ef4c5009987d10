// Philox4x32-10 (Salmon et al. 2011, Random123): counter-based, the same words on every device.

// High word of a 32 x 32 bit product, of 16-bit products.
fn mul_high(a: u32, b: u32) -> u32 {
    let al = a & 0xffffu;
    let ah = a >> 16u;
    let bl = b & 0xffffu;
    let bh = b >> 16u;
    let hl = ah * bl;
    let lh = al * bh;
    let middle = ((al * bl) >> 16u) + (hl & 0xffffu) + (lh & 0xffffu);
    return ah * bh + (hl >> 16u) + (lh >> 16u) + (middle >> 16u);
}

fn philox(counter: vec4<u32>, key: vec2<u32>) -> vec4<u32> {
    var c = counter;
    var k = key;
    for (var round = 0u; round < 10u; round++) {
        let high0 = mul_high(0xd2511f53u, c.x);
        let low0 = 0xd2511f53u * c.x;
        let high1 = mul_high(0xcd9e8d57u, c.z);
        let low1 = 0xcd9e8d57u * c.z;
        c = vec4<u32>(high1 ^ c.y ^ k.x, low1, high0 ^ c.w ^ k.y, low0);
        // the golden ratio and sqrt(3) - 1, as the paper sets them
        k += vec2<u32>(0x9e3779b9u, 0xbb67ae85u);
    }
    return c;
}
