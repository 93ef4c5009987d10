// Gradient of the scores through the capped-sum sigmoid (method.md, relaxation A) and their AdamW step;
// one workgroup of 256 a network.
struct Params {
    models: u32,
    n: u32,
    tau: f32,
    tiles: u32,
    mask_stride: u32,
    u_stride: u32,
    arena: u32,
    scores_offset: u32,
    lr: f32,
    beta1: f32,
    beta2: f32,
    eps: f32,
    weight_decay: f32,
    correction1: f32,
    correction2: f32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> mask: array<f32>; // n a network
@group(0) @binding(2) var<storage, read> u: array<f32>; // tiles lists of n a network, to be added up
@group(0) @binding(3) var<storage, read_write> params: array<f32>; // an arena a network
@group(0) @binding(4) var<storage, read_write> moments: array<f32>; // two arenas a network

fn gradient(model: u32, i: u32) -> f32 {
    var sum = 0.0;
    for (var tile = 0u; tile < p.tiles; tile++) {
        sum += u[model * p.u_stride + tile * model_stride(p.n) + i];
    }
    return sum;
}

fn slope(model: u32, i: u32) -> f32 {
    let m = mask[model * p.mask_stride + i];
    return m * (1.0 - m) / p.tau;
}

@compute @workgroup_size(256)
fn update(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let model = group.x;
    var sum = vec2<f32>(0.0);
    for (var i = lane; i < p.n; i += 256u) {
        let v = slope(model, i);
        sum += vec2<f32>(v, v * gradient(model, i));
    }
    let total = reduce_sum(lane, sum);
    var mean = 0.0;
    if (total.x > 1e-12) {
        mean = total.y / total.x;
    }
    for (var i = lane; i < p.n; i += 256u) {
        adam(model, p.scores_offset + i, slope(model, i) * (gradient(model, i) - mean), p.weight_decay);
    }
}
