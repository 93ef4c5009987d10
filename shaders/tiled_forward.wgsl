// The other form of sparse.wgsl's forward product: the values of 16 genes are laid out densely for 64 cells
// and multiplied as tiles; better where most values are stored.
struct Params {
    n_rows: u32,
    row_offset: u32,
    first_cell: u32,
    n_cells: u32,
    n_blocks: u32,
    n_genes: u32,
    width: u32,
    power_x: u32,
    power_d: u32,
    accumulate: u32,
    models: u32,
    row_stride: u32,
    arena: u32,
    w_offset: u32,
    bias_offset: u32,
    n_chunks: u32,
    activate: u32,
    drop_below: u32,
    keep_scale: f32,
    seed: u32,
    stream: u32,
    step: u32,
    spare_row: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> entries: array<u32>; // packed nonzeros of the page
@group(0) @binding(2) var<storage, read> blocks: array<u32>; // n_cells x (n_blocks + 1)
@group(0) @binding(3) var<storage, read> rows: array<u32>; // cells of the epoch, in order
@group(0) @binding(4) var<storage, read> gene: array<f32>; // 3 lists a network: means, inverse standard deviations, mask
@group(0) @binding(5) var<storage, read> params: array<f32>; // an arena a network
@group(0) @binding(6) var<storage, read> centre: array<f32>; // n_chunks x width a network
@group(0) @binding(7) var<storage, read_write> out: array<f32>; // n_rows x width a network

// genes of a block, `ops::BLOCK`, and of a tile; cells and columns of a workgroup
const BLOCK: u32 = 32u;
const GENES: u32 = 16u;
const SIDE: u32 = 64u;

var<workgroup> values: array<f32, 1024>; // GENES x SIDE: x mask / sd
var<workgroup> weights: array<f32, 1024>; // GENES x SIDE

// Whether a gene of the tile has a mask other than 0.
fn is_live(model: u32, first_gene: u32) -> bool {
    let genes = model_stride(p.n_genes);
    for (var g = first_gene; g < min(first_gene + GENES, p.n_genes); g++) {
        if (gene[(model * 3u + 2u) * genes + g] != 0.0) {
            return true;
        }
    }
    return false;
}

// The cell of a row of the batch within the page; too large where it lies in another or there is none.
fn cell_of(model: u32, b: u32) -> u32 {
    if (b >= p.n_rows) {
        return 0xffffffffu;
    }
    return rows[model * p.row_stride + p.row_offset + b] - p.first_cell;
}

// Lays out values (four invocations a cell) and weights of a tile of genes.
fn load(lane: u32, model: u32, first_gene: u32, cell: u32, from_column: u32) {
    for (var i = lane; i < GENES * SIDE; i += 256u) {
        values[i] = 0.0;
        let g = first_gene + i / SIDE;
        let h = from_column + i % SIDE;
        var w = 0.0;
        if (g < p.n_genes && h < p.width) {
            w = params[model * p.arena + p.w_offset + g * p.width + h];
        }
        weights[i] = w;
    }
    workgroupBarrier(); // the values are zero, the weights stand
    if (cell < p.n_cells) {
        let genes = model_stride(p.n_genes);
        let inv_sd = (model * 3u + 1u) * genes;
        let at = cell * (p.n_blocks + 1u) + first_gene / BLOCK;
        for (var j = blocks[at] + lane % 4u; j < blocks[at + 1u]; j += 4u) {
            let g = entry_gene(entries[j]);
            if (g / GENES == first_gene / GENES) {
                let factor = gene[inv_sd + g] * gene[inv_sd + genes + g];
                values[(g % GENES) * SIDE + lane / 4u] = entry_value(entries[j]) * factor;
            }
        }
    }
    workgroupBarrier(); // the values stand
}

// One workgroup 64 cells, 64 columns and a network; an invocation owns four cells and four columns.
@compute @workgroup_size(256)
fn forward(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let model = group.z;
    let across = (p.width + SIDE - 1u) / SIDE;
    let index = unfold(group);
    let first_row = index / across * SIDE;
    let from_column = index % across * SIDE;
    let cell = cell_of(model, first_row + lane / 4u);
    let row = 4u * (lane / 16u);
    let quad = 4u * (lane % 16u);
    var sum = array<vec4<f32>, 4>();
    for (var first_gene = 0u; first_gene < p.n_genes; first_gene += GENES) {
        if (is_live(model, first_gene)) {
            load(lane, model, first_gene, cell, from_column);
            for (var t = 0u; t < GENES; t++) {
                let at = t * SIDE;
                let w = vec4<f32>(weights[at + quad], weights[at + quad + 1u],
                    weights[at + quad + 2u], weights[at + quad + 3u]);
                sum[0] += values[at + row] * w;
                sum[1] += values[at + row + 1u] * w;
                sum[2] += values[at + row + 2u] * w;
                sum[3] += values[at + row + 3u] * w;
            }
            workgroupBarrier(); // both tiles have been read
        }
    }
    for (var c = 0u; c < 4u; c++) {
        let h = from_column + quad + c;
        let taken = centring(model, h, 0u, 1u);
        for (var i = 0u; i < 4u; i++) {
            let b = first_row + row + i;
            if (cell_of(model, b) < p.n_cells) {
                put(model, b, h, sum[i][c] - taken);
            }
        }
    }
}
