// Dense standardised expression of the panel's genes for a batch's cells; one invocation a value
// and network.
struct Params {
    models: u32,
    row_stride: u32,
    n_rows: u32,
    row_offset: u32,
    first_cell: u32,
    n_cells: u32,
    n_blocks: u32,
    n_panel: u32,
    drop_below: u32,
    keep_scale: f32,
    seed: u32,
    stream: u32,
    step: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> entries: array<u32>; // packed nonzeros of the page
@group(0) @binding(2) var<storage, read> blocks: array<u32>; // n_cells x (n_blocks + 1)
@group(0) @binding(3) var<storage, read> rows: array<u32>; // cells of the epoch, in order
@group(0) @binding(4) var<storage, read> genes: array<u32>; // n_panel a network
@group(0) @binding(5) var<storage, read> stats: array<f32>; // 2 x n_panel a network: means, inverse standard deviations
@group(0) @binding(6) var<storage, read_write> out: array<f32>; // n_rows x n_panel a network

// genes of a block, `ops::BLOCK`
const BLOCK: u32 = 32u;

@compute @workgroup_size(256)
fn gather(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let i = unfold(group) * 256u + lane;
    if (i >= p.n_rows * p.n_panel) {
        return;
    }
    let model = group.z;
    let j = i % p.n_panel;
    // below the first cell the difference wraps around and is too large as well
    let cell = rows[model * p.row_stride + p.row_offset + i / p.n_panel] - p.first_cell;
    if (cell >= p.n_cells) {
        return;
    }
    let gene = genes[model * model_stride(p.n_panel) + j];
    let block = cell * (p.n_blocks + 1u) + gene / BLOCK;
    var x = 0.0;
    for (var at = blocks[block]; at < blocks[block + 1u]; at++) {
        if (entry_gene(entries[at]) == gene) {
            x = entry_value(entries[at]);
        }
    }
    let mean = model * model_stride(2u * p.n_panel) + j;
    let value = (x - stats[mean]) * stats[mean + p.n_panel];
    let keeps = dropout_keeps(p.seed + model, p.stream, p.step, p.drop_below, i);
    out[model * model_stride(p.n_rows * p.n_panel) + i] = select(0.0, value * p.keep_scale, keeps);
}
