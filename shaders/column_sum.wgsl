// Weighted column sums in two stages of fixed order; one invocation a sum.
struct Params {
    n_rows: u32,
    width: u32,
    power: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> a: array<f32>; // n_rows x width
@group(0) @binding(2) var<storage, read> coef: array<f32>; // n_rows
@group(0) @binding(3) var<storage, read_write> partial_out: array<f32>; // chunks x width
@group(0) @binding(4) var<storage, read> partials: array<f32>; // chunks x width
@group(0) @binding(5) var<storage, read> bias: array<f32>; // width
@group(0) @binding(6) var<storage, read_write> out: array<f32>; // width

// rows of one partial sum, `ops::COLUMN_CHUNK`
const CHUNK: u32 = 64u;

@compute @workgroup_size(64)
fn partial_sums(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let at = unfold(group) * 64u + lane;
    let chunk = at / p.width;
    let column = at % p.width;
    if (chunk * CHUNK < p.n_rows) {
        var sum = 0.0;
        for (var row = chunk * CHUNK; row < min((chunk + 1u) * CHUNK, p.n_rows); row++) {
            let value = a[row * p.width + column];
            sum += coef[row] * select(value, value * value, p.power == 2u);
        }
        partial_out[at] = sum;
    }
}

@compute @workgroup_size(64)
fn finish(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let column = unfold(group) * 64u + lane;
    if (column < p.width) {
        var sum = 0.0;
        for (var chunk = 0u; chunk < (p.n_rows + CHUNK - 1u) / CHUNK; chunk++) {
            sum += partials[chunk * p.width + column];
        }
        out[column] = bias[column] + sum;
    }
}
