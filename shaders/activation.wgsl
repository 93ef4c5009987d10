// ReLU and dropout and their gradient; one invocation a value.
struct Params {
    n: u32,
    drop_below: u32,
    keep_scale: f32,
    seed: u32,
    stream: u32,
    step: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> z: array<f32>; // n
@group(0) @binding(2) var<storage, read_write> a: array<f32>; // n
@group(0) @binding(3) var<storage, read> da: array<f32>; // n
@group(0) @binding(4) var<storage, read_write> dz: array<f32>; // n

fn passes(i: u32) -> bool {
    return z[i] > 0.0 && dropout_keeps(p.seed, p.stream, p.step, p.drop_below, i);
}

@compute @workgroup_size(256)
fn forward(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let i = unfold(group) * 256u + lane;
    if (i < p.n) {
        a[i] = select(0.0, z[i] * p.keep_scale, passes(i));
    }
}

@compute @workgroup_size(256)
fn backward(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let i = unfold(group) * 256u + lane;
    if (i < p.n) {
        dz[i] = select(0.0, da[i] * p.keep_scale, passes(i));
    }
}
