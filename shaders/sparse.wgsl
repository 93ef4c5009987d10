// Products of one page of packed cells with a dense matrix: `forward` has one workgroup a cell,
// `transpose` one a block of 32 genes and 64 columns.
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
@group(0) @binding(7) var<storage, read_write> out: array<f32>; // n_rows x width a network, or n_genes x width
@group(0) @binding(8) var<storage, read> d: array<f32>; // n_rows x width

// 256 entries at a time: those with a scale other than 0 move up, in order, by one bit a lane.
var<workgroup> live: array<atomic<u32>, 8>;
var<workgroup> gene_of: array<u32, 256>;
var<workgroup> factor_of: array<f32, 256>;
var<workgroup> part: array<f32, 256>;

@compute @workgroup_size(256)
fn forward(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let b = unfold(group);
    if (b >= p.n_rows) {
        return;
    }
    // below the first cell the difference wraps around and is too large as well
    let model = group.z;
    let cell = rows[model * p.row_stride + p.row_offset + b] - p.first_cell;
    if (cell >= p.n_cells) {
        return;
    }
    let genes = model_stride(p.n_genes);
    let inv_sd = model * 3u * genes + genes;
    let first_w = model * p.arena + p.w_offset;
    let begin = blocks[cell * (p.n_blocks + 1u)];
    let end = blocks[cell * (p.n_blocks + 1u) + p.n_blocks];
    // narrow layers: several teams of invocations share the entries out
    var columns = 256u;
    for (; columns / 2u >= p.width; columns /= 2u) {}
    let column = lane % columns;
    let team = lane / columns;
    let teams = 256u / columns;
    for (var first = 0u; first < p.width; first += 1024u) {
        let h = first + column;
        var sum = -vec4<f32>(
            centring(model, h, team, teams), centring(model, h + 256u, team, teams),
            centring(model, h + 512u, team, teams), centring(model, h + 768u, team, teams));
        for (var at = begin; at < end; at += 256u) {
            var mine = 0u;
            var factor = 0.0;
            if (at + lane < end) {
                mine = entry_gene(entries[at + lane]);
                factor = gene[inv_sd + mine] * gene[inv_sd + genes + mine];
            }
            let alive = factor != 0.0;
            if (alive) {
                factor *= entry_value(entries[at + lane]);
            }
            if (lane < 8u) {
                atomicStore(&live[lane], 0u);
            }
            workgroupBarrier(); // no bit is set, the last list has been read
            if (alive) {
                atomicOr(&live[lane / 32u], 1u << (lane % 32u));
            }
            workgroupBarrier(); // the bits stand
            var count = 0u;
            var place = 0u;
            for (var j = 0u; j < 8u; j++) {
                let word = atomicLoad(&live[j]);
                if (j == lane / 32u) {
                    place = count + countOneBits(word & ((1u << (lane % 32u)) - 1u));
                }
                count += countOneBits(word);
            }
            if (alive) {
                gene_of[place] = mine;
                factor_of[place] = factor;
            }
            workgroupBarrier(); // the list stands
            for (var j = team; j < count; j += teams) {
                let row = first_w + gene_of[j] * p.width + h;
                let f = factor_of[j];
                if (h < p.width) {
                    sum.x += f * params[row];
                }
                if (h + 256u < p.width) {
                    sum.y += f * params[row + 256u];
                }
                if (h + 512u < p.width) {
                    sum.z += f * params[row + 512u];
                }
                if (h + 768u < p.width) {
                    sum.w += f * params[row + 768u];
                }
            }
        }
        part[lane] = sum.x;
        workgroupBarrier(); // the parts of the teams stand
        if (team == 0u) {
            var first_sum = 0.0;
            for (var j = 0u; j < teams; j++) {
                first_sum += part[j * columns + column];
            }
            put(model, b, h, first_sum);
            put(model, b, h + 256u, sum.y);
            put(model, b, h + 512u, sum.z);
            put(model, b, h + 768u, sum.w);
        }
        workgroupBarrier(); // the parts have been read
    }
}

fn product(x: f32, dense: f32) -> f32 {
    return select(x, x * x, p.power_x == 2u) * select(dense, dense * dense, p.power_d == 2u);
}

@compute @workgroup_size(256)
fn transpose(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let column = lane % COLUMNS;
    let h = group.y * COLUMNS + column;
    transpose_block(lane, group.x, h, p.row_offset, 0u);
    if (h < p.width) {
        for (var j = lane / COLUMNS; j < BLOCK; j += 4u) {
            let mine = group.x * BLOCK + j;
            if (mine < p.n_genes) {
                let at = mine * p.width + h;
                let old = select(0.0, out[at], p.accumulate == 1u);
                out[at] = old + total[j * COLUMNS + column];
            }
        }
    }
}
