// Sum of a vector into one slot of a ring; one workgroup of 256, in a fixed order.
struct Params {
    n: u32,
    slot: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> values: array<f32>; // n
@group(0) @binding(2) var<storage, read_write> out: array<f32>; // the ring

@compute @workgroup_size(256)
fn sum(@builtin(local_invocation_index) lane: u32) {
    var part = 0.0;
    for (var i = lane; i < p.n; i += 256u) {
        part += values[i];
    }
    let total = reduce_sum(lane, vec2<f32>(part, 0.0));
    if (lane == 0u) {
        out[p.slot] = total.x;
    }
}
