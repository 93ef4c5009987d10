// The f16 multiply-add rate, as fma.wgsl: eight independent chains of vec4<f16> an invocation. `scale`
// is 1 and `shift` is 0 (f16 would not count far), so that the sum of the chains stays what it was.
enable f16;

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
fn half_rate(@builtin(global_invocation_id) id: vec3<u32>) {
    let a = vec4<f16>(f16(p.scale));
    let b = vec4<f16>(f16(p.shift));
    var c0 = vec4<f16>(0.0h, 1.0h, 2.0h, 3.0h);
    var c1 = c0 + 4.0h;
    var c2 = c0 + 8.0h;
    var c3 = c0 + 12.0h;
    var c4 = c0 + 16.0h;
    var c5 = c0 + 20.0h;
    var c6 = c0 + 24.0h;
    var c7 = c0 + 28.0h;
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
    output[id.x] = vec4<f32>(((c0 + c1) + (c2 + c3)) + ((c4 + c5) + (c6 + c7)));
}
