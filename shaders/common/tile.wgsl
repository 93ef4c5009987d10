// Products of matrices by tiles in workgroup memory; the file that includes this declares `left` and
// `right`, and its shape comes from one of common/tile_*.wgsl.
const QUADS: u32 = TILE / 4u;
const ACROSS: u32 = QUADS / COLUMN_QUADS;
const VALUES: u32 = 4u * ROW_QUADS * COLUMN_QUADS;

// element (k, 4q..4q+4) of each factor at QUADS k + q
var<workgroup> left_tile: array<vec4<f32>, QUADS * DEPTH>;
var<workgroup> right_tile: array<vec4<f32>, QUADS * DEPTH>;

// A product of two matrices that may lie transposed: element (i, k) of the left one at
// left_start + i left_step.x + k left_step.y, element (k, j) of the right one alike.
struct Shape {
    rows: u32,
    depth: u32,
    columns: u32,
    left_start: u32,
    left_step: vec2<u32>,
    right_start: u32,
    right_step: vec2<u32>,
}

fn left_at(s: Shape, i: u32, k: u32) -> f32 {
    if (i < s.rows && k < s.depth) {
        return left[s.left_start + i * s.left_step.x + k * s.left_step.y];
    }
    return 0.0;
}

fn right_at(s: Shape, k: u32, j: u32) -> f32 {
    if (k < s.depth && j < s.columns) {
        return right[s.right_start + k * s.right_step.x + j * s.right_step.y];
    }
    return 0.0;
}

// The (quad, k) of load l such that neighbours read neighbouring addresses.
fn load_place(l: u32, deep: bool) -> vec2<u32> {
    return select(vec2<u32>(l % QUADS, l / QUADS), vec2<u32>(l / DEPTH, l % DEPTH), deep);
}

// This invocation's values: row r, quad q of its columns at r COLUMN_QUADS + q.
fn product_tile(s: Shape, tile: vec2<u32>, lane: u32) -> array<vec4<f32>, VALUES> {
    var sum = array<vec4<f32>, VALUES>();
    let first_row = ROW_QUADS * (lane / ACROSS);
    for (var k = 0u; k < s.depth; k += DEPTH) {
        for (var l = lane; l < QUADS * DEPTH; l += LANES) {
            let x = load_place(l, s.left_step.y == 1u);
            let i = tile.y * TILE + 4u * x.x;
            left_tile[QUADS * x.y + x.x] = vec4<f32>(
                left_at(s, i, k + x.y), left_at(s, i + 1u, k + x.y),
                left_at(s, i + 2u, k + x.y), left_at(s, i + 3u, k + x.y));
            let y = load_place(l, s.right_step.x == 1u);
            let j = tile.x * TILE + 4u * y.x;
            right_tile[QUADS * y.y + y.x] = vec4<f32>(
                right_at(s, k + y.y, j), right_at(s, k + y.y, j + 1u),
                right_at(s, k + y.y, j + 2u), right_at(s, k + y.y, j + 3u));
        }
        workgroupBarrier(); // both tiles stand
        for (var t = 0u; t < DEPTH; t++) {
            for (var r = 0u; r < ROW_QUADS; r++) {
                let x = left_tile[QUADS * t + first_row + r];
                for (var q = 0u; q < COLUMN_QUADS; q++) {
                    let y = right_tile[QUADS * t + lane % ACROSS + ACROSS * q];
                    let at = 4u * r * COLUMN_QUADS + q;
                    sum[at] += x.x * y;
                    sum[at + COLUMN_QUADS] += x.y * y;
                    sum[at + 2u * COLUMN_QUADS] += x.z * y;
                    sum[at + 3u * COLUMN_QUADS] += x.w * y;
                }
            }
        }
        workgroupBarrier(); // both tiles have been read
    }
    return sum;
}

// Row and column of component c of value v of `product_tile`.
fn place_of(tile: vec2<u32>, lane: u32, v: u32, c: u32) -> vec2<u32> {
    let row = tile.y * TILE + 4u * ROW_QUADS * (lane / ACROSS) + v / COLUMN_QUADS;
    let quad = lane % ACROSS + ACROSS * (v % COLUMN_QUADS);
    return vec2<u32>(row, tile.x * TILE + 4u * quad + c);
}

// Tile (x, y) of a linear workgroup index.
fn tile_of(columns: u32, index: u32) -> vec2<u32> {
    let across = (columns + TILE - 1u) / TILE;
    return vec2<u32>(index % across, index / across);
}
