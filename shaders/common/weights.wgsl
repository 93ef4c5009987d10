// What follows the sums R of a block of genes and 64 columns: gradient and AdamW step of the weights, and
// the gradient of the mask. The file that includes this declares the buffers, the fields of `p`, and
// `total`, BLOCK x COLUMNS.

// sums of eight of the 64 columns of each gene of the block
var<workgroup> eighth: array<f32, 256>;

// Elements between the lists of two networks in `work`.
fn list_stride() -> u32 {
    let tiles = (p.width + COLUMNS - 1u) / COLUMNS;
    let behind = select(0u, model_stride(p.n_genes * p.width), p.add == 1u);
    return tiles * model_stride(p.n_genes) + behind;
}

// With t = (R - mean d) / sd: the step of weight (g, h) along mask t; t w, 0 where there is no such weight.
fn weight_step(model: u32, g: u32, h: u32, sum: f32) -> f32 {
    if (g >= p.n_genes || h >= p.width) {
        return 0.0;
    }
    let genes = model_stride(p.n_genes);
    let mean = model * 3u * genes;
    let at = g * p.width + h;
    var r = sum;
    if (p.add == 1u) {
        let tiles = (p.width + COLUMNS - 1u) / COLUMNS;
        r += work[model * list_stride() + tiles * genes + at];
    }
    let column_sum = d[model * model_stride((p.n_rows + 1u) * p.width) + p.n_rows * p.width + h];
    let t = gene[mean + genes + g] * (r - gene[mean + g] * column_sum);
    let along = t * params[model * p.arena + p.w_offset + at];
    adam(model, p.w_offset + at, gene[mean + 2u * genes + g] * t, p.weight_decay);
    return along;
}

// Adds up the products t w in `total` and puts the sums into the list of these columns.
fn reduce_lists(model: u32, lane: u32, block: u32, tile: u32) {
    workgroupBarrier(); // the products t w stand
    var sum = 0.0;
    for (var i = lane % 8u; i < COLUMNS; i += 8u) {
        sum += total[(lane / 8u) * COLUMNS + i];
    }
    eighth[lane] = sum;
    workgroupBarrier(); // the sums of eight stand
    let g = block * BLOCK + lane;
    if (lane < BLOCK && g < p.n_genes) {
        var u = 0.0;
        for (var i = 0u; i < 8u; i++) {
            u += eighth[8u * lane + i];
        }
        work[model * list_stride() + tile * model_stride(p.n_genes) + g] = u;
    }
}
