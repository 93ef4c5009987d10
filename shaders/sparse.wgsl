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
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> entries: array<u32>; // packed nonzeros of the page
@group(0) @binding(2) var<storage, read> blocks: array<u32>; // n_cells x (n_blocks + 1)
@group(0) @binding(3) var<storage, read> rows: array<u32>; // cells of the epoch, in order
@group(0) @binding(4) var<storage, read> scale: array<f32>; // n_genes
@group(0) @binding(5) var<storage, read> w: array<f32>; // n_genes x width
@group(0) @binding(6) var<storage, read> base: array<f32>; // width
@group(0) @binding(7) var<storage, read_write> z: array<f32>; // n_rows x width
@group(0) @binding(8) var<storage, read> d: array<f32>; // n_rows x width
@group(0) @binding(9) var<storage, read_write> out: array<f32>; // n_genes x width

// 256 entries at a time: those with a scale other than 0 move up, in order, by one bit a lane.
var<workgroup> live: array<atomic<u32>, 8>;
var<workgroup> gene_of: array<u32, 256>;
var<workgroup> factor_of: array<f32, 256>;
var<workgroup> part: array<f32, 256>;

fn put(b: u32, h: u32, sum: f32) {
    if (h < p.width) {
        z[b * p.width + h] = base[h] + sum;
    }
}

@compute @workgroup_size(256)
fn forward(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let b = unfold(group);
    if (b >= p.n_rows) {
        return;
    }
    // below the first cell the difference wraps around and is too large as well
    let cell = rows[p.row_offset + b] - p.first_cell;
    if (cell >= p.n_cells) {
        return;
    }
    let begin = blocks[cell * (p.n_blocks + 1u)];
    let end = blocks[cell * (p.n_blocks + 1u) + p.n_blocks];
    // narrow layers: several teams of invocations share the entries out
    var columns = 256u;
    for (; columns / 2u >= p.width; columns /= 2u) {}
    let column = lane % columns;
    let team = lane / columns;
    let teams = 256u / columns;
    for (var first = 0u; first < p.width; first += 1024u) {
        var sum = vec4<f32>(0.0);
        let h = first + column;
        for (var at = begin; at < end; at += 256u) {
            var gene = 0u;
            var factor = 0.0;
            if (at + lane < end) {
                gene = entry_gene(entries[at + lane]);
                factor = scale[gene];
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
                gene_of[place] = gene;
                factor_of[place] = factor;
            }
            workgroupBarrier(); // the list stands
            for (var j = team; j < count; j += teams) {
                let row = gene_of[j] * p.width + h;
                let f = factor_of[j];
                if (h < p.width) {
                    sum.x += f * w[row];
                }
                if (h + 256u < p.width) {
                    sum.y += f * w[row + 256u];
                }
                if (h + 512u < p.width) {
                    sum.z += f * w[row + 512u];
                }
                if (h + 768u < p.width) {
                    sum.w += f * w[row + 768u];
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
            put(b, h, first_sum);
            put(b, h + 256u, sum.y);
            put(b, h + 512u, sum.z);
            put(b, h + 768u, sum.w);
        }
        workgroupBarrier(); // the parts have been read
    }
}

// genes of a block, `ops::BLOCK`; columns of a workgroup; cells whose entries are listed at a time
const BLOCK: u32 = 32u;
const COLUMNS: u32 = 64u;
const CELLS: u32 = 32u;

var<workgroup> total: array<f32, 2048>; // BLOCK x COLUMNS
var<workgroup> length: array<u32, 32>; // entries of each listed cell
// f16 value in the high 16 bits, listed cell in bits 5..10, gene of the block in bits 0..5
var<workgroup> list: array<u32, 1024>; // CELLS x BLOCK

// Invocation (team, column) owns column `column` of the genes that are `team` modulo 4, so that its
// sums are its own; cells come in the order of the batch.
@compute @workgroup_size(256)
fn transpose(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let block = group.x;
    let column = lane % COLUMNS;
    let team = lane / COLUMNS;
    let h = group.y * COLUMNS + column;
    for (var gene = team; gene < BLOCK; gene += 4u) {
        total[gene * COLUMNS + column] = 0.0;
    }
    // to list them, eight invocations take a cell
    let slot = lane / 8u;
    for (var first = 0u; first < p.n_rows; first += CELLS) {
        var begin = 0u;
        var end = 0u;
        if (first + slot < p.n_rows) {
            let cell = rows[p.row_offset + first + slot] - p.first_cell;
            if (cell < p.n_cells) {
                let at = cell * (p.n_blocks + 1u) + block;
                begin = blocks[at];
                end = blocks[at + 1u];
            }
        }
        if (lane % 8u == 0u) {
            length[slot] = end - begin;
        }
        workgroupBarrier(); // the lengths stand, the last list has been read
        var count = 0u;
        var place = 0u;
        for (var j = 0u; j < CELLS; j++) {
            place = select(place, count, j == slot);
            count += length[j];
        }
        for (var j = lane % 8u; j < end - begin; j += 8u) {
            let entry = entries[begin + j];
            list[place + j] = (entry & 0xffff0000u) | (slot << 5u) | (entry % BLOCK);
        }
        workgroupBarrier(); // the list stands, the lengths have been read
        if (h < p.width) {
            for (var j = 0u; j < count; j++) {
                let item = list[j];
                if (item % 4u == team) {
                    let x = entry_value(item);
                    let dense = d[(first + ((item >> 5u) & 31u)) * p.width + h];
                    let product = select(x, x * x, p.power_x == 2u)
                        * select(dense, dense * dense, p.power_d == 2u);
                    total[(item % BLOCK) * COLUMNS + column] += product;
                }
            }
        }
    }
    if (h < p.width) {
        for (var j = team; j < BLOCK; j += 4u) {
            let gene = block * BLOCK + j;
            if (gene < p.n_genes) {
                let at = gene * p.width + h;
                let old = select(0.0, out[at], p.accumulate == 1u);
                out[at] = old + total[j * COLUMNS + column];
            }
        }
    }
}
