// The first layer over all genes, apart from its product (sparse.wgsl): what the centring of the genes
// takes from the bias, and gradient and AdamW step of the weights with the gradient of the mask.
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
@group(0) @binding(9) var<storage, read> weights: array<f32>; // `params`, where they are only read
@group(0) @binding(10) var<storage, read_write> partial_out: array<f32>; // chunks x width a network

// genes of a chunk, `ops::CENTRE_CHUNK`
const CHUNK: u32 = 256u;

// Part of sum_g mask_g mean_g / sd_g W_g: one invocation a chunk of genes and a column.
@compute @workgroup_size(64)
fn centre(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let at = unfold(group) * 64u + lane;
    let chunk = at / p.width;
    let h = at % p.width;
    let genes = model_stride(p.n_genes);
    let mean = group.z * 3u * genes;
    if (chunk * CHUNK < p.n_genes) {
        var sum = 0.0;
        for (var g = chunk * CHUNK; g < min((chunk + 1u) * CHUNK, p.n_genes); g++) {
            let factor = gene[mean + 2u * genes + g] * gene[mean + genes + g] * gene[mean + g];
            if (factor != 0.0) {
                sum += factor * weights[group.z * p.arena + p.w_offset + g * p.width + h];
            }
        }
        let chunks = (p.n_genes + CHUNK - 1u) / CHUNK;
        partial_out[group.z * model_stride(chunks * p.width) + at] = sum;
    }
}

fn product(x: f32, dense: f32) -> f32 {
    return x * dense;
}

// One workgroup a block of genes, 64 columns and a network: R, then t = (R - mean d) / sd, dW = mask t.
@compute @workgroup_size(256)
fn update(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let model = group.z;
    let column = lane % COLUMNS;
    let h = group.y * COLUMNS + column;
    let first_d = model * model_stride((p.n_rows + 1u) * p.width);
    transpose_block(lane, group.x, h, model * p.row_stride + p.row_offset, first_d);
    for (var j = lane / COLUMNS; j < BLOCK; j += 4u) {
        let sum = total[j * COLUMNS + column];
        total[j * COLUMNS + column] = weight_step(model, group.x * BLOCK + j, h, sum);
    }
    reduce_lists(model, lane, group.x, group.y);
}
