// One AdamW step on a range of the arena (common/adam.wgsl) from a gradient in memory; one invocation a
// parameter.
struct Params {
    n: u32,
    arena: u32,
    offset: u32,
    lr: f32,
    beta1: f32,
    beta2: f32,
    eps: f32,
    weight_decay: f32,
    correction1: f32,
    correction2: f32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> params: array<f32>; // the arena
@group(0) @binding(2) var<storage, read> grads: array<f32>; // n
@group(0) @binding(3) var<storage, read_write> moments: array<f32>; // two arenas: first moments, second moments

@compute @workgroup_size(256)
fn adamw(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let i = unfold(group) * 256u + lane;
    if (i < p.n) {
        adam(0u, p.offset + i, grads[i], p.weight_decay);
    }
}
