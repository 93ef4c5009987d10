// Gumbel noise on the scores by integers (reference/noise.rs, bit for bit); one invocation a pair
// and network. Network r of a batch has the seed of the first plus r.
struct Params {
    models: u32,
    n: u32,
    scores_stride: u32,
    seed: u32,
    stream: u32,
    step: u32,
    beta: f32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> scores: array<f32>; // n a network
@group(0) @binding(2) var<storage, read> tables: array<u32>; // LN_ENTRIES + 513 words, Q24
@group(0) @binding(3) var<storage, read_write> out: array<f32>; // n a network

// entries of the table of ln(1 + i / 1024), before that of ln(-ln(1 - V) / V)
const LN_ENTRIES: u32 = 1025u;
// ln 2 with 24 fractional bits
const LN2: u32 = 11629080u;

// Linear interpolation at `index` with 17 fractional bits.
fn interpolate(index: u32, fraction: u32) -> u32 {
    let a = tables[index];
    let b = tables[index + 1u];
    return a + (((b - a) * fraction) >> 17u);
}

// ln(m / 2^31) in Q24 for a word with its top bit set.
fn ln_mantissa(m: u32) -> u32 {
    return interpolate((m >> 21u) & 1023u, (m >> 4u) & 0x1ffffu);
}

// -ln(r / 2^64) in Q24; r = 0 counts as 1.
fn minus_ln(high: u32, low: u32) -> u32 {
    var shift = 0u;
    var word = high;
    var next = low;
    if (high == 0u) {
        shift = 32u;
        word = max(low, 1u);
        next = 0u;
    }
    let z = countLeadingZeros(word);
    var fill = 0u;
    if (z > 0u) {
        fill = next >> (32u - z);
    }
    return (shift + z + 1u) * LN2 - ln_mantissa((word << z) | fill);
}

// Gumbel(0, 1) from 64 random bits in Q24: -ln(-ln(1 - V)), V = r / 2^64.
fn gumbel(high: u32, low: u32) -> i32 {
    if (high < 0x80000000u) {
        let tail = interpolate(LN_ENTRIES + (high >> 22u), (high >> 5u) & 0x1ffffu);
        return i32(minus_ln(high, low)) - i32(tail);
    }
    let e = minus_ln(~high, ~low);
    let z = countLeadingZeros(e);
    return (i32(z) - 7) * i32(LN2) - i32(ln_mantissa(e << z));
}

// Exact: the low bits that f32 cannot hold are cut.
fn q24(x: i32) -> f32 {
    let magnitude = u32(abs(x));
    let cut = 8u - min(8u, countLeadingZeros(magnitude));
    let value = f32((magnitude >> cut) << cut) * 0x1p-24f;
    return select(value, -value, x < 0);
}

@compute @workgroup_size(256)
fn perturb(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let pair = unfold(group) * 256u + lane;
    let i = 2u * pair;
    if (i < p.n) {
        let words = philox(vec4<u32>(pair, p.step, 0u, 0u), vec2<u32>(p.seed + group.z, p.stream));
        let from_scores = group.z * p.scores_stride + i;
        let to = group.z * model_stride(p.n) + i;
        out[to] = scores[from_scores] + p.beta * q24(gumbel(words.x, words.y));
        if (i + 1u < p.n) {
            out[to + 1u] = scores[from_scores + 1u] + p.beta * q24(gumbel(words.z, words.w));
        }
    }
}
