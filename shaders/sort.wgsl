// Genes by descending score, ties to the lower index, for at most 65,536 scores; one workgroup.
struct Params {
    n: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> scores: array<f32>; // n
@group(0) @binding(2) var<storage, read_write> order_out: array<u32>; // n
@group(0) @binding(3) var<storage, read_write> keys: array<u32>; // 3n: two lists of keys, one of genes

// 16 digits x 128 invocations, digit-major, so that their exclusive sum is each one's first place
var<workgroup> counts: array<u32, 2048>;
var<workgroup> sums: array<u32, 128>;

// Stable radix sort by 4-bit digits; invocation i owns the i-th run of the list.
@compute @workgroup_size(128)
fn order(@builtin(local_invocation_index) lane: u32) {
    for (var i = lane; i < p.n; i += 128u) {
        keys[i] = ~sort_key(scores[i]); // ascending keys are descending scores
        order_out[i] = i;
    }
    let run = (p.n + 127u) / 128u;
    let begin = min(lane * run, p.n);
    let end = min(begin + run, p.n);
    for (var turn = 0u; turn < 8u; turn++) {
        let source = (turn % 2u) * p.n;
        let sink = p.n - source;
        for (var digit = 0u; digit < 16u; digit++) {
            counts[digit * 128u + lane] = 0u;
        }
        storageBarrier(); // the last turn is written
        for (var i = begin; i < end; i++) {
            counts[((keys[source + i] >> (4u * turn)) & 15u) * 128u + lane] += 1u;
        }
        workgroupBarrier(); // the counts stand
        var sum = 0u;
        for (var j = 0u; j < 16u; j++) {
            sum += counts[16u * lane + j];
        }
        sums[lane] = sum;
        workgroupBarrier(); // the sums stand
        for (var width = 1u; width < 128u; width <<= 1u) {
            var both = sums[lane];
            if (lane >= width) {
                both += sums[lane - width];
            }
            workgroupBarrier(); // all have read
            sums[lane] = both;
            workgroupBarrier(); // all have written
        }
        var place = sums[lane] - sum;
        for (var j = 0u; j < 16u; j++) {
            let count = counts[16u * lane + j];
            counts[16u * lane + j] = place;
            place += count;
        }
        workgroupBarrier(); // the places stand
        for (var i = begin; i < end; i++) {
            let key = keys[source + i];
            let digit = (key >> (4u * turn)) & 15u;
            let to = counts[digit * 128u + lane];
            counts[digit * 128u + lane] = to + 1u;
            keys[sink + to] = key;
            if (turn % 2u == 0u) {
                keys[2u * p.n + to] = order_out[i];
            } else {
                order_out[to] = keys[2u * p.n + i];
            }
        }
        workgroupBarrier(); // the counts have been read
    }
}
