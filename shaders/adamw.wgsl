// One AdamW step (Loshchilov and Hutter 2019, Algorithm 2); one invocation a parameter.
struct Params {
    n: u32,
    lr: f32,
    beta1: f32,
    beta2: f32,
    eps: f32,
    weight_decay: f32,
    correction1: f32,
    correction2: f32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> params: array<f32>; // n
@group(0) @binding(2) var<storage, read> grads: array<f32>; // n
@group(0) @binding(3) var<storage, read_write> m: array<f32>; // n, first moment
@group(0) @binding(4) var<storage, read_write> v: array<f32>; // n, second moment

@compute @workgroup_size(256)
fn adamw(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let i = unfold(group) * 256u + lane;
    if (i < p.n) {
        let g = grads[i];
        let m1 = p.beta1 * m[i] + (1.0 - p.beta1) * g;
        let v1 = p.beta2 * v[i] + (1.0 - p.beta2) * g * g;
        m[i] = m1;
        v[i] = v1;
        let kept = params[i] - p.lr * p.weight_decay * params[i];
        params[i] = kept - p.lr * (m1 / p.correction1) / (sqrt(v1 / p.correction2) + p.eps);
    }
}
