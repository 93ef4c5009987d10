// Products of a block of genes with the columns of a dense matrix over the batch's cells of a page, in
// workgroup memory. The file that includes this declares entries, blocks, rows, d, the fields of `p`,
// and `product` of a value and an element of d.

// genes of a block, `ops::BLOCK`; columns of a workgroup; cells whose entries are listed at a time
const BLOCK: u32 = 32u;
const COLUMNS: u32 = 64u;
const CELLS: u32 = 32u;

var<workgroup> total: array<f32, 2048>; // BLOCK x COLUMNS
var<workgroup> length: array<u32, 32>; // entries of each listed cell
// f16 value in the high 16 bits, listed cell in bits 5..10, gene of the block in bits 0..5
var<workgroup> list: array<u32, 1024>; // CELLS x BLOCK

// Invocation (team, column) owns column `h` of the genes that are `team` modulo 4, so that its sums are
// its own; cells come in the order of the batch. `first_row` and `first_d` begin the batch.
fn transpose_block(lane: u32, block: u32, h: u32, first_row: u32, first_d: u32) {
    let column = lane % COLUMNS;
    let team = lane / COLUMNS;
    for (var gene = team; gene < BLOCK; gene += 4u) {
        total[gene * COLUMNS + column] = 0.0;
    }
    // to list them, eight invocations take a cell
    let slot = lane / 8u;
    for (var first = 0u; first < p.n_rows; first += CELLS) {
        var begin = 0u;
        var end = 0u;
        if (first + slot < p.n_rows) {
            // below the first cell the difference wraps around and is too large as well
            let cell = rows[first_row + first + slot] - p.first_cell;
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
                    let dense = d[first_d + (first + ((item >> 5u) & 31u)) * p.width + h];
                    total[(item % BLOCK) * COLUMNS + column] += product(entry_value(item), dense);
                }
            }
        }
    }
}
