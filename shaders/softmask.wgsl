// Capped-sum sigmoid (method.md, relaxation A); one workgroup of 256 a network.
struct Params {
    models: u32,
    n: u32,
    k: u32,
    tau: f32,
    mask_stride: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> scores: array<f32>; // n a network
@group(0) @binding(2) var<storage, read_write> mask_out: array<f32>; // n a network

// where this network's scores begin
var<private> first: u32;

// exp(87) is the last power of e well inside f32
const EDGE: f32 = 87.0;
// Newton reaches f32's resolution in 5 to 20 steps; this is only a fence.
const STEPS: u32 = 96u;

fn sigmoid(x: f32) -> f32 {
    return 1.0 / (1.0 + exp(-clamp(x, -EDGE, EDGE)));
}

// Sum of the mask and minus its slope, for nu = pivot + tau t.
fn evaluate(lane: u32, pivot: f32, t: f32) -> vec2<f32> {
    var sum = vec2<f32>(0.0);
    for (var i = lane; i < p.n; i += 256u) {
        let m = sigmoid((scores[first + i] - pivot) / p.tau - t);
        sum += vec2<f32>(m, m * (1.0 - m));
    }
    return reduce_sum(lane, sum);
}

// Where the mask sums to k: t in [low, high], by Newton's steps while they stay inside the shrinking
// bracket and halve, by bisection otherwise (Press et al., Numerical Recipes, rtsafe).
fn solve(lane: u32, pivot: f32, low: f32, high: f32) -> f32 {
    var a = low;
    var b = high;
    var t = 0.5 * (a + b);
    var last = b - a;
    for (var step = 0u; step < STEPS; step++) {
        let f = evaluate(lane, pivot, t);
        let excess = f.x - f32(p.k);
        if (excess > 0.0) {
            a = t;
        } else {
            b = t;
        }
        let newton = excess / max(f.y, 1e-30);
        var next = t + newton;
        if (!(next > a && next < b) || abs(newton) > 0.5 * abs(last)) {
            next = 0.5 * (a + b);
        }
        // the sum itself is no better than 4e-7; all invocations leave alike, for all hold the same f
        if (abs(excess) <= 4e-7 * f32(p.k) || abs(newton) <= 6e-8 * max(abs(t), 0.125) || next == t) {
            break;
        }
        last = next - t;
        t = next;
    }
    return t;
}

@compute @workgroup_size(256)
fn forward(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    first = group.x * model_stride(p.n);
    let to = group.x * p.mask_stride;
    if (p.k >= p.n) {
        for (var i = lane; i < p.n; i += 256u) {
            mask_out[to + i] = 1.0;
        }
        return;
    }
    var edge = vec2<f32>(-3.4e38);
    for (var i = lane; i < p.n; i += 256u) {
        edge = max(edge, vec2<f32>(scores[first + i], -scores[first + i]));
    }
    let most = reduce_max(lane, edge);
    // with n equal scores s the root is s - tau logit(k / n); so it lies between those of the extremes
    let logit = log(f32(p.k) / f32(p.n - p.k));
    let pivot = most.x;
    let span = (most.x + most.y) / p.tau;
    let slack = 1e-6 * (span + abs(logit)) + 1e-6;
    let coarse = solve(lane, pivot, -span - logit - slack, slack - logit);
    // again around the root itself, where score - pivot is exact
    let nu = pivot + p.tau * coarse;
    let width = 1.0 + 4e-7 * (abs(coarse) + (abs(nu) + abs(pivot)) / p.tau);
    let t = solve(lane, nu, -width, width);
    for (var i = lane; i < p.n; i += 256u) {
        mask_out[to + i] = sigmoid((scores[first + i] - nu) / p.tau - t);
    }
}
