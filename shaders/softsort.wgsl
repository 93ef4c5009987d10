// Sum of the first k rows of SoftSort by two scans (method.md, relaxation B) and its gradient, for at
// most 65,536 scores in the order of `sort`; each entry is one workgroup.
struct Params {
    n: u32,
    k: u32,
    tau: f32,
    lists: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> scores: array<f32>; // n
@group(0) @binding(2) var<storage, read> order_in: array<u32>; // n, genes by descending score
@group(0) @binding(3) var<storage, read_write> work: array<f32>; // 6n, lists in sorted order
@group(0) @binding(4) var<storage, read_write> mask: array<f32>; // n
@group(0) @binding(5) var<storage, read> saved: array<f32>; // 6n, `work` of the forward pass
@group(0) @binding(6) var<storage, read> u: array<f32>; // lists of n, 64 elements aligned, to be added up
@group(0) @binding(7) var<storage, read_write> grad: array<f32>; // n

// Lists of `work`; the forward pass has L1, R1, i, A and B in 0 to 4, both have e in 5.
const DECAY: u32 = 5u;
const ONES: u32 = 6u;

var<workgroup> map: array<vec2<f32>, 256>;

// e_t = exp(-(y_t - y_{t+1}) / tau), 0 after the last.
fn decays(lane: u32) {
    for (var t = lane; t < p.n; t += 256u) {
        var e = 0.0;
        if (t + 1u < p.n) {
            e = exp((scores[order_in[t + 1u]] - scores[order_in[t]]) / p.tau);
        }
        work[DECAY * p.n + t] = e;
    }
}

// Place and decay of the q-th step of a scan to the right (from the front) or to the left.
fn step_at(q: u32, backwards: bool) -> u32 {
    return select(q, p.n - 1u - q, backwards);
}

fn decay_at(t: u32, backwards: bool) -> f32 {
    if (t == 0u && !backwards) {
        return 0.0;
    }
    return work[DECAY * p.n + select(t - 1u, t, backwards)];
}

fn value_at(list: u32, t: u32) -> f32 {
    if (list == ONES) {
        return 1.0;
    }
    return work[list * p.n + t];
}

// scanL (or, backwards, scanR) of list `from` into list `to`: with s_q = f_q (s_{q-1} + x_{q-1}) an
// invocation's run is the map s -> map.x s + map.y; the maps of the runs before are composed.
fn scan(lane: u32, from_list: u32, to_list: u32, backwards: bool) {
    storageBarrier(); // the lists are written
    let run = (p.n + 255u) / 256u;
    let begin = min(lane * run, p.n);
    let end = min(begin + run, p.n);
    var own = vec2<f32>(1.0, 0.0);
    for (var q = begin; q < end; q++) {
        let t = step_at(q, backwards);
        let f = decay_at(t, backwards);
        own = vec2<f32>(f * own.x, f * own.y + value_at(from_list, t));
    }
    map[lane] = own;
    workgroupBarrier(); // the maps stand
    for (var width = 1u; width < 256u; width <<= 1u) {
        var both = map[lane];
        if (lane >= width) {
            let before = map[lane - width];
            both = vec2<f32>(before.x * both.x, both.x * before.y + both.y);
        }
        workgroupBarrier(); // all have read
        map[lane] = both;
        workgroupBarrier(); // all have written
    }
    var carried = 0.0; // s + x of the step before
    if (lane > 0u) {
        carried = map[lane - 1u].y;
    }
    for (var q = begin; q < end; q++) {
        let t = step_at(q, backwards);
        let s = decay_at(t, backwards) * carried;
        carried = s + value_at(from_list, t);
        work[to_list * p.n + t] = s;
    }
    storageBarrier(); // the list is written
    workgroupBarrier(); // the maps have been read
}

@compute @workgroup_size(256)
fn forward(@builtin(local_invocation_index) lane: u32) {
    decays(lane);
    scan(lane, ONES, 0u, false);
    scan(lane, ONES, 1u, true);
    for (var t = lane; t < p.n; t += 256u) {
        let z = 1.0 + work[t] + work[p.n + t];
        work[2u * p.n + t] = select(0.0, 1.0 / z, t < p.k);
    }
    scan(lane, 2u, 3u, false);
    scan(lane, 2u, 4u, true);
    for (var t = lane; t < p.n; t += 256u) {
        mask[order_in[t]] = work[2u * p.n + t] + work[3u * p.n + t] + work[4u * p.n + t];
    }
}

fn u_of(gene: u32) -> f32 {
    var sum = 0.0;
    for (var list = 0u; list < p.lists; list++) {
        sum += u[list * model_stride(p.n) + gene];
    }
    return sum;
}

// `work`: c i in 0, scanL u in 1, scanR u in 2, u and later scanL(c i) in 3, scanR(c i) in 4.
@compute @workgroup_size(256)
fn backward(@builtin(local_invocation_index) lane: u32) {
    decays(lane);
    for (var t = lane; t < p.n; t += 256u) {
        work[3u * p.n + t] = u_of(order_in[t]);
    }
    scan(lane, 3u, 1u, false);
    scan(lane, 3u, 2u, true);
    for (var t = lane; t < p.n; t += 256u) {
        let c = (work[3u * p.n + t] + work[p.n + t] + work[2u * p.n + t])
            / (1.0 + saved[t] + saved[p.n + t]);
        work[t] = c * saved[2u * p.n + t];
    }
    scan(lane, 0u, 3u, false);
    scan(lane, 0u, 4u, true);
    for (var t = lane; t < p.n; t += 256u) {
        let gene = order_in[t];
        let own_u = u_of(gene);
        let c = (own_u + work[p.n + t] + work[2u * p.n + t]) / (1.0 + saved[t] + saved[p.n + t]);
        let own = saved[2u * p.n + t]
            * ((work[p.n + t] - c * saved[t]) - (work[2u * p.n + t] - c * saved[p.n + t]));
        let above = own_u * saved[3u * p.n + t] - work[3u * p.n + t];
        let below = own_u * saved[4u * p.n + t] - work[4u * p.n + t];
        grad[gene] = (above - below + own) / p.tau;
    }
}
