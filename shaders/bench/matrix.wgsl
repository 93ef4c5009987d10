// The rate of cooperative matrices, f16 in and f32 out: each subgroup multiplies two 16 x 16 tiles and
// adds the product to four accumulators in turn. The first tile is all ones and the second all `scale`,
// so that every element of an accumulator ends as rounds x 16 x scale, which the host checks.
enable f16;
enable wgpu_cooperative_matrix;

struct Params {
    rounds: u32, // turns of the loop, 4 x 16^3 multiply-adds a subgroup each
    stride: u32,
    scale: f32,
    shift: f32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> input: array<f32>;
@group(0) @binding(2) var<storage, read_write> output: array<f32>; // 1,024: tiles; then the subgroup size

var<workgroup> ones: array<f16, 256>;
var<workgroup> scaled: array<f16, 256>;
var<workgroup> zeros: array<f32, 256>;

@compute @workgroup_size(64)
fn matrix_rate(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
    @builtin(subgroup_size) width: u32,
) {
    for (var i = lane; i < 256u; i += 64u) {
        ones[i] = 1.0h;
        scaled[i] = f16(p.scale);
        zeros[i] = 0.0;
    }
    // the tiles are complete before any subgroup loads them
    workgroupBarrier();
    let a = coopLoad<coop_mat16x16<f16, A>>(&ones[0], 16u);
    let b = coopLoad<coop_mat16x16<f16, B>>(&scaled[0], 16u);
    var c0 = coopLoad<coop_mat16x16<f32, C>>(&zeros[0], 16u);
    var c1 = c0;
    var c2 = c0;
    var c3 = c0;
    for (var r = 0u; r < p.rounds; r++) {
        c0 = coopMultiplyAdd(a, b, c0);
        c1 = coopMultiplyAdd(a, b, c1);
        c2 = coopMultiplyAdd(a, b, c2);
        c3 = coopMultiplyAdd(a, b, c3);
    }
    // every subgroup stores the same values
    coopStore(c0, &output[0], 16u);
    coopStore(c1, &output[256], 16u);
    coopStore(c2, &output[512], 16u);
    coopStore(c3, &output[768], 16u);
    if (group.x == 0u && lane == 0u) {
        output[1024] = f32(width);
    }
}
