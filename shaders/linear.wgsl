// Dense layer and its gradients; a workgroup of 256 makes a 64 x 64 tile, an invocation 4 x 4 of it.
struct Params {
    n_rows: u32,
    n_in: u32,
    n_out: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> left: array<f32>; // a or dy
@group(0) @binding(2) var<storage, read> right: array<f32>; // w or dy
@group(0) @binding(3) var<storage, read> bias: array<f32>; // n_out
@group(0) @binding(4) var<storage, read_write> out: array<f32>; // y, da or dw

// rows and columns of a tile; terms of the sums that are in workgroup memory at a time
const TILE: u32 = 64u;
const DEPTH: u32 = 16u;

// element (k, 4q..4q+4) of each factor at 16 k + q
var<workgroup> left_tile: array<vec4<f32>, 256>;
var<workgroup> right_tile: array<vec4<f32>, 256>;

// A product of two matrices that may lie transposed: element (i, k) of the left one at
// i left_step.x + k left_step.y, element (k, j) of the right one at k right_step.x + j right_step.y.
struct Shape {
    rows: u32,
    depth: u32,
    columns: u32,
    left_step: vec2<u32>,
    right_step: vec2<u32>,
}

fn left_at(s: Shape, i: u32, k: u32) -> f32 {
    if (i < s.rows && k < s.depth) {
        return left[i * s.left_step.x + k * s.left_step.y];
    }
    return 0.0;
}

fn right_at(s: Shape, k: u32, j: u32) -> f32 {
    if (k < s.depth && j < s.columns) {
        return right[k * s.right_step.x + j * s.right_step.y];
    }
    return 0.0;
}

// Where this invocation loads: (quad, k) such that neighbours read neighbouring addresses.
fn load_place(lane: u32, deep: bool) -> vec2<u32> {
    return select(vec2<u32>(lane % 16u, lane / 16u), vec2<u32>(lane / 16u, lane % 16u), deep);
}

// The 4 x 4 values at the corner (first_row, first_column) of this invocation, a vector a row.
fn product(s: Shape, tile: vec2<u32>, lane: u32) -> array<vec4<f32>, 4> {
    var sum = array<vec4<f32>, 4>();
    let l = load_place(lane, s.left_step.y == 1u);
    let r = load_place(lane, s.right_step.x == 1u);
    let i = tile.y * TILE + 4u * l.x;
    let j = tile.x * TILE + 4u * r.x;
    for (var k = 0u; k < s.depth; k += DEPTH) {
        left_tile[16u * l.y + l.x] = vec4<f32>(
            left_at(s, i, k + l.y), left_at(s, i + 1u, k + l.y),
            left_at(s, i + 2u, k + l.y), left_at(s, i + 3u, k + l.y));
        right_tile[16u * r.y + r.x] = vec4<f32>(
            right_at(s, k + r.y, j), right_at(s, k + r.y, j + 1u),
            right_at(s, k + r.y, j + 2u), right_at(s, k + r.y, j + 3u));
        workgroupBarrier(); // both tiles stand
        for (var t = 0u; t < DEPTH; t++) {
            let x = left_tile[16u * t + lane / 16u];
            let y = right_tile[16u * t + lane % 16u];
            sum[0] += x.x * y;
            sum[1] += x.y * y;
            sum[2] += x.z * y;
            sum[3] += x.w * y;
        }
        workgroupBarrier(); // both tiles have been read
    }
    return sum;
}

fn store(s: Shape, tile: vec2<u32>, lane: u32, sum: array<vec4<f32>, 4>, shift: vec4<f32>) {
    var values = sum;
    let column = tile.x * TILE + 4u * (lane % 16u);
    for (var i = 0u; i < 4u; i++) {
        let row = tile.y * TILE + 4u * (lane / 16u) + i;
        let value = values[i] + shift;
        for (var j = 0u; j < 4u; j++) {
            if (row < s.rows && column + j < s.columns) {
                out[row * s.columns + column + j] = value[j];
            }
        }
    }
}

// Tile (x, y) of a linear workgroup index.
fn tile_of(s: Shape, group: vec3<u32>) -> vec2<u32> {
    let across = (s.columns + TILE - 1u) / TILE;
    let index = unfold(group);
    return vec2<u32>(index % across, index / across);
}

@compute @workgroup_size(256)
fn forward(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let s = Shape(p.n_rows, p.n_in, p.n_out, vec2<u32>(p.n_in, 1u), vec2<u32>(p.n_out, 1u));
    let tile = tile_of(s, group);
    let sum = product(s, tile, lane);
    let column = tile.x * TILE + 4u * (lane % 16u);
    let last = p.n_out - 1u;
    let shift = vec4<f32>(bias[min(column, last)], bias[min(column + 1u, last)],
        bias[min(column + 2u, last)], bias[min(column + 3u, last)]);
    store(s, tile, lane, sum, shift);
}

@compute @workgroup_size(256)
fn grad_input(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let s = Shape(p.n_rows, p.n_out, p.n_in, vec2<u32>(p.n_out, 1u), vec2<u32>(1u, p.n_out));
    let tile = tile_of(s, group);
    store(s, tile, lane, product(s, tile, lane), vec4<f32>(0.0));
}

@compute @workgroup_size(256)
fn grad_weight(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let s = Shape(p.n_in, p.n_rows, p.n_out, vec2<u32>(1u, p.n_in), vec2<u32>(p.n_out, 1u));
    let tile = tile_of(s, group);
    store(s, tile, lane, product(s, tile, lane), vec4<f32>(0.0));
}
