// The other form of first.wgsl's update: the values of a block of genes are laid out densely, 32 cells at a
// time, and multiplied as tiles; better where most values are stored.
struct Params {
    models: u32,
    n_genes: u32,
    width: u32,
    n_rows: u32,
    row_offset: u32,
    row_stride: u32,
    first_cell: u32,
    n_cells: u32,
    n_blocks: u32,
    add: u32,
    arena: u32,
    w_offset: u32,
    lr: f32,
    beta1: f32,
    beta2: f32,
    eps: f32,
    weight_decay: f32,
    correction1: f32,
    correction2: f32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> entries: array<u32>; // packed nonzeros of the page
@group(0) @binding(2) var<storage, read> blocks: array<u32>; // n_cells x (n_blocks + 1)
@group(0) @binding(3) var<storage, read> rows: array<u32>; // cells of the epoch, in order
@group(0) @binding(4) var<storage, read> d: array<f32>; // (n_rows + 1) x width a network: gradients, their column sums
@group(0) @binding(5) var<storage, read> gene: array<f32>; // 3 lists a network: means, inverse standard deviations, mask
@group(0) @binding(6) var<storage, read_write> params: array<f32>; // an arena a network
@group(0) @binding(7) var<storage, read_write> moments: array<f32>; // two arenas a network
// for each 64 columns a list of <t, w> a network, then n_genes x width sums of earlier pages
@group(0) @binding(8) var<storage, read_write> work: array<f32>;

// genes of a block, `ops::BLOCK`; columns of a workgroup; cells of a tile
const BLOCK: u32 = 32u;
const COLUMNS: u32 = 64u;
const CELLS: u32 = 32u;

var<workgroup> values: array<f32, 1024>; // CELLS x BLOCK
var<workgroup> total: array<f32, 2048>; // CELLS x COLUMNS of d, at the end BLOCK x COLUMNS of t w

// Lays out the values of a block for 32 cells, eight invocations a cell, and the gradients of 64 columns.
fn load(lane: u32, first: u32, block: u32, model: u32, from_column: u32) {
    for (var i = lane; i < CELLS * BLOCK; i += 256u) {
        values[i] = 0.0;
    }
    let first_d = model * model_stride((p.n_rows + 1u) * p.width);
    for (var i = lane; i < CELLS * COLUMNS; i += 256u) {
        let b = first + i / COLUMNS;
        let h = from_column + i % COLUMNS;
        var x = 0.0;
        if (b < p.n_rows && h < p.width) {
            x = d[first_d + b * p.width + h];
        }
        total[i] = x;
    }
    workgroupBarrier(); // the values are zero, the gradients stand
    let slot = lane / 8u;
    if (first + slot < p.n_rows) {
        // below the first cell the difference wraps around and is too large as well
        let cell = rows[model * p.row_stride + p.row_offset + first + slot] - p.first_cell;
        if (cell < p.n_cells) {
            let at = cell * (p.n_blocks + 1u) + block;
            for (var j = blocks[at] + lane % 8u; j < blocks[at + 1u]; j += 8u) {
                values[slot * BLOCK + entries[j] % BLOCK] = entry_value(entries[j]);
            }
        }
    }
    workgroupBarrier(); // the values stand
}

// One workgroup a block of genes, 64 columns and a network; an invocation owns two genes and four columns.
@compute @workgroup_size(256)
fn update(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let model = group.z;
    let pair = 2u * (lane / 16u);
    let quad = 4u * (lane % 16u);
    var sum = array<vec4<f32>, 2>();
    for (var first = 0u; first < p.n_rows; first += CELLS) {
        load(lane, first, group.x, model, group.y * COLUMNS);
        for (var t = 0u; t < CELLS; t++) {
            let at = t * COLUMNS + quad;
            let dense = vec4<f32>(total[at], total[at + 1u], total[at + 2u], total[at + 3u]);
            sum[0] += values[t * BLOCK + pair] * dense;
            sum[1] += values[t * BLOCK + pair + 1u] * dense;
        }
        workgroupBarrier(); // both tiles have been read
    }
    for (var j = 0u; j < 2u; j++) {
        for (var c = 0u; c < 4u; c++) {
            let h = group.y * COLUMNS + quad + c;
            let along = weight_step(model, group.x * BLOCK + pair + j, h, sum[j][c]);
            total[(pair + j) * COLUMNS + quad + c] = along;
        }
    }
    reduce_lists(model, lane, group.x, group.y);
}
