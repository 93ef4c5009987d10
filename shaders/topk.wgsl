// Hard top-k of at most 65,536 scores by radix select; one workgroup of 256 a network.
struct Params {
    models: u32,
    n: u32,
    k: u32,
    scores_stride: u32,
    mask_stride: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> scores: array<f32>; // n a network
@group(0) @binding(2) var<storage, read_write> mask: array<f32>; // n a network, 0 or 1
@group(0) @binding(3) var<storage, read_write> index: array<u32>; // k a network, ascending genes

// where this network's scores begin
var<private> first: u32;

// A histogram of 2,048 digits; afterwards one bit a gene (65,536 bits).
var<workgroup> bins: array<atomic<u32>, 2048>;
var<workgroup> scan: array<u32, 256>;
var<workgroup> found: vec2<u32>;

// Sum of the values of the lanes below this one.
fn exclusive(lane: u32, value: u32) -> u32 {
    scan[lane] = value;
    workgroupBarrier(); // the values stand
    for (var width = 1u; width < 256u; width <<= 1u) {
        var sum = scan[lane];
        if (lane >= width) {
            sum += scan[lane - width];
        }
        workgroupBarrier(); // all have read
        scan[lane] = sum;
        workgroupBarrier(); // all have written
    }
    return scan[lane] - value;
}

// Zeroes the bins; the barrier before lets their last readers end.
fn clear_bins(lane: u32) {
    workgroupBarrier();
    for (var i = lane; i < 2048u; i += 256u) {
        atomicStore(&bins[i], 0u);
    }
    workgroupBarrier();
}

// Among the keys that agree with `prefix` in the bits of `care`: the digit at `shift` of the
// `want`-th largest, and how many are still wanted among those that share it.
fn select_digit(lane: u32, prefix: u32, care: u32, shift: u32, digits: u32, want: u32) -> vec2<u32> {
    clear_bins(lane);
    for (var i = lane; i < p.n; i += 256u) {
        let key = sort_key(scores[first + i]);
        if ((key & care) == prefix) {
            atomicAdd(&bins[(key >> shift) & (digits - 1u)], 1u);
        }
    }
    workgroupBarrier(); // the histogram stands
    // lane 0 owns the eight highest digits
    let top = 2047u - 8u * lane;
    var sum = 0u;
    for (var j = 0u; j < 8u; j++) {
        sum += atomicLoad(&bins[top - j]);
    }
    var above = exclusive(lane, sum);
    if (above < want && want <= above + sum) {
        for (var j = 0u; j < 8u; j++) {
            let count = atomicLoad(&bins[top - j]);
            if (above < want && want <= above + count) {
                found = vec2<u32>(top - j, want - above);
            }
            above += count;
        }
    }
    return workgroupUniformLoad(&found);
}

// Sets in this lane's eight words of the bit map only the first `want` bits of the whole map.
fn keep_first(lane: u32, want: u32) {
    var sum = 0u;
    for (var j = 0u; j < 8u; j++) {
        sum += countOneBits(atomicLoad(&bins[8u * lane + j]));
    }
    var before = exclusive(lane, sum);
    for (var j = 0u; j < 8u; j++) {
        var word = atomicLoad(&bins[8u * lane + j]);
        let count = countOneBits(word);
        let allowed = want - min(want, before);
        for (var drop = min(allowed, count); drop < count; drop++) {
            word &= ~(1u << firstLeadingBit(word));
        }
        atomicStore(&bins[8u * lane + j], word);
        before += count;
    }
    workgroupBarrier(); // the map stands
}

@compute @workgroup_size(256)
fn select_k(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    first = group.x * p.scores_stride;
    let high = select_digit(lane, 0u, 0u, 21u, 2048u, p.k);
    var prefix = high.x << 21u;
    let middle = select_digit(lane, prefix, 0xffe00000u, 10u, 2048u, high.y);
    prefix |= middle.x << 10u;
    let low = select_digit(lane, prefix, 0xfffffc00u, 0u, 1024u, middle.y);
    let threshold = prefix | low.x;

    // the ties: the first low.y genes whose key is the threshold
    clear_bins(lane);
    for (var i = lane; i < p.n; i += 256u) {
        if (sort_key(scores[first + i]) == threshold) {
            atomicOr(&bins[i >> 5u], 1u << (i & 31u));
        }
    }
    workgroupBarrier(); // the map of ties stands
    keep_first(lane, low.y);
    for (var i = lane; i < p.n; i += 256u) {
        if (sort_key(scores[first + i]) > threshold) {
            atomicOr(&bins[i >> 5u], 1u << (i & 31u));
        }
    }
    workgroupBarrier(); // the map of the chosen stands

    var sum = 0u;
    for (var j = 0u; j < 8u; j++) {
        sum += countOneBits(atomicLoad(&bins[8u * lane + j]));
    }
    let before = exclusive(lane, sum);
    scan[lane] = before;
    workgroupBarrier(); // chosen genes before each lane's words stand
    for (var i = lane; i < p.n; i += 256u) {
        let word = atomicLoad(&bins[i >> 5u]);
        let bit = 1u << (i & 31u);
        mask[group.x * p.mask_stride + i] = select(0.0, 1.0, (word & bit) != 0u);
        if ((word & bit) != 0u) {
            var rank = scan[i >> 8u] + countOneBits(word & (bit - 1u));
            for (var j = (i >> 8u) * 8u; j < (i >> 5u); j++) {
                rank += countOneBits(atomicLoad(&bins[j]));
            }
            index[group.x * model_stride(p.k) + rank] = i;
        }
    }
}
