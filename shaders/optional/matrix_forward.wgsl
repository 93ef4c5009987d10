// Dense layer as in linear.wgsl, by cooperative matrices: factors rounded to f16, sums in f32. A workgroup
// of four subgroups of 32 makes 32 x 64 values, a subgroup 16 x 32 of them.
struct Params {
    models: u32,
    n_rows: u32,
    n_in: u32,
    n_out: u32,
    arena: u32,
    w_offset: u32,
    bias_offset: u32,
    activate: u32,
    drop_below: u32,
    keep_scale: f32,
    seed: u32,
    stream: u32,
    step: u32,
    spare_row: u32,
    own_bias: u32,
    below: u32,
    below_offset: u32,
    n_tasks: u32,
    slot: u32,
    slot_stride: u32,
    lr: f32,
    beta1: f32,
    beta2: f32,
    eps: f32,
    weight_decay: f32,
    correction1: f32,
    correction2: f32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> left: array<f32>; // a, a network
@group(0) @binding(2) var<storage, read> right: array<f32>; // arenas
@group(0) @binding(4) var<storage, read_write> out: array<f32>; // y, a network

const LANES: u32 = 128u;
const ROWS: u32 = 32u;
const COLUMNS: u32 = 64u;
const DEPTH: u32 = 32u;

// row-major: ROWS x DEPTH, DEPTH x COLUMNS, ROWS x COLUMNS
var<workgroup> left_tile: array<f16, 1024>;
var<workgroup> right_tile: array<f16, 2048>;
var<workgroup> sums: array<f32, 2048>;

@compute @workgroup_size(LANES)
fn forward(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let arena = group.z * p.arena;
    let first = group.z * model_stride(p.n_rows * p.n_in);
    let across = (p.n_out + COLUMNS - 1u) / COLUMNS;
    let index = unfold(group);
    let row = index / across * ROWS;
    let column = index % across * COLUMNS;
    // the subgroup's values: 16 rows from `down` on, 32 columns from `aside` on
    let down = lane / 64u * 16u;
    let aside = lane / 32u % 2u * 32u;
    let own = down * COLUMNS + aside;
    for (var l = lane; l < ROWS * COLUMNS; l += LANES) {
        sums[l] = 0.0;
    }
    workgroupBarrier(); // the zeros stand
    var c0 = coopLoadT<coop_mat16x16<f32, C>>(&sums[own], COLUMNS);
    var c1 = coopLoadT<coop_mat16x16<f32, C>>(&sums[own + 16u], COLUMNS);
    for (var k = 0u; k < p.n_in; k += DEPTH) {
        for (var l = lane; l < ROWS * DEPTH; l += LANES) {
            let i = row + l / DEPTH;
            let j = k + l % DEPTH;
            var x = 0.0;
            if (i < p.n_rows && j < p.n_in) {
                x = left[first + i * p.n_in + j];
            }
            left_tile[l] = f16(x);
        }
        for (var l = lane; l < DEPTH * COLUMNS; l += LANES) {
            let i = k + l / COLUMNS;
            let j = column + l % COLUMNS;
            var x = 0.0;
            if (i < p.n_in && j < p.n_out) {
                x = right[arena + p.w_offset + i * p.n_out + j];
            }
            right_tile[l] = f16(x);
        }
        workgroupBarrier(); // both tiles stand
        for (var t = 0u; t < DEPTH; t += 16u) {
            let a = coopLoadT<coop_mat16x16<f16, A>>(&left_tile[down * DEPTH + t], DEPTH);
            let b0 = coopLoadT<coop_mat16x16<f16, B>>(&right_tile[t * COLUMNS + aside], COLUMNS);
            let b1 = coopLoadT<coop_mat16x16<f16, B>>(&right_tile[t * COLUMNS + aside + 16u], COLUMNS);
            c0 = coopMultiplyAdd(a, b0, c0);
            c1 = coopMultiplyAdd(a, b1, c1);
        }
        workgroupBarrier(); // both tiles have been read
    }
    coopStoreT(c0, &sums[own], COLUMNS);
    coopStoreT(c1, &sums[own + 16u], COLUMNS);
    workgroupBarrier(); // the sums of all subgroups stand
    for (var l = lane; l < ROWS * COLUMNS; l += LANES) {
        let at = vec2<u32>(row + l / COLUMNS, column + l % COLUMNS);
        if (at.x < p.n_rows && at.y < p.n_out) {
            let z = right[arena + p.bias_offset + at.y] + sums[l];
            let i = at.x * p.n_out + at.y;
            var a = z;
            if (p.activate == 1u) {
                let keeps = z > 0.0
                    && dropout_keeps(p.seed + group.z, p.stream, p.step, p.drop_below, i);
                a = select(0.0, z * p.keep_scale, keeps);
            }
            out[group.z * model_stride((p.n_rows + p.spare_row) * p.n_out) + i] = a;
        }
    }
}
