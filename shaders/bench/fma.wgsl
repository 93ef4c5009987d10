// The fp32 multiply-add rate: one invocation runs eight independent chains of vec4, so that neither
// latency nor memory counts. `scale` is 1 and `shift` is 1, which the compiler cannot know, so each
// chain counts its rounds exactly and the host can check the sum.
struct Params {
    rounds: u32, // turns of the loop, 32 multiply-adds each
    stride: u32,
    scale: f32,
    shift: f32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> input: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> output: array<vec4<f32>>; // one an invocation

@compute @workgroup_size(256)
fn fma_rate(@builtin(global_invocation_id) id: vec3<u32>) {
    let a = vec4<f32>(p.scale);
    let b = vec4<f32>(p.shift);
    var c0 = vec4<f32>(0.0, 1.0, 2.0, 3.0);
    var c1 = c0 + 4.0;
    var c2 = c0 + 8.0;
    var c3 = c0 + 12.0;
    var c4 = c0 + 16.0;
    var c5 = c0 + 20.0;
    var c6 = c0 + 24.0;
    var c7 = c0 + 28.0;
    for (var r = 0u; r < p.rounds; r++) {
        c0 = fma(c0, a, b);
        c1 = fma(c1, a, b);
        c2 = fma(c2, a, b);
        c3 = fma(c3, a, b);
        c4 = fma(c4, a, b);
        c5 = fma(c5, a, b);
        c6 = fma(c6, a, b);
        c7 = fma(c7, a, b);
    }
    output[id.x] = ((c0 + c1) + (c2 + c3)) + ((c4 + c5) + (c6 + c7));
}
