// What moving memory costs: one invocation copies four vec4s, `stride` apart, 64 bytes in and 64 out;
// `empty` does nothing and shows what a dispatch costs.
struct Params {
    rounds: u32, // vec4s an invocation
    stride: u32, // invocations of the whole grid
    scale: f32,
    shift: f32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> input: array<vec4<f32>>; // rounds x stride
@group(0) @binding(2) var<storage, read_write> output: array<vec4<f32>>; // rounds x stride

@compute @workgroup_size(256)
fn copy(@builtin(global_invocation_id) id: vec3<u32>) {
    for (var j = 0u; j < p.rounds; j++) {
        let i = j * p.stride + id.x;
        output[i] = input[i];
    }
}

@compute @workgroup_size(256)
fn empty() {
}
