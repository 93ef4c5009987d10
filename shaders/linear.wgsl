// Dense layer, the gradient of its input, and the gradient and AdamW step of its weights and of biases;
// a workgroup makes a tile of a product (its shape: common/tile_*.wgsl).
struct Params {
    models: u32,
    n_rows: u32,
    n_in: u32,
    n_out: u32,
    arena: u32,
    w_offset: u32,
    bias_offset: u32,
    activate: u32,
    drop_below: u32,
    keep_scale: f32,
    seed: u32,
    stream: u32,
    step: u32,
    spare_row: u32,
    own_bias: u32,
    below: u32,
    below_offset: u32,
    n_tasks: u32,
    slot: u32,
    slot_stride: u32,
    lr: f32,
    beta1: f32,
    beta2: f32,
    eps: f32,
    weight_decay: f32,
    correction1: f32,
    correction2: f32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> left: array<f32>; // a, or dz, a network
@group(0) @binding(2) var<storage, read> right: array<f32>; // arenas, or dz a network
@group(0) @binding(3) var<storage, read> gate: array<f32>; // n_rows x n_in a network: activations of the layer below
@group(0) @binding(4) var<storage, read_write> out: array<f32>; // y, or dz of the layer below, a network
@group(0) @binding(5) var<storage, read_write> params: array<f32>; // an arena a network
@group(0) @binding(6) var<storage, read_write> moments: array<f32>; // two arenas a network
@group(0) @binding(7) var<storage, read_write> dz_below: array<f32>; // (n_rows + 1) x below a network
@group(0) @binding(8) var<storage, read> loss: array<f32>; // n_tasks x n_rows a network
@group(0) @binding(9) var<storage, read_write> losses: array<f32>; // slots a network

var<workgroup> part: array<f32, LANES>;

@compute @workgroup_size(LANES)
fn forward(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let arena = group.z * p.arena;
    let s = Shape(p.n_rows, p.n_in, p.n_out, group.z * model_stride(p.n_rows * p.n_in),
        vec2<u32>(p.n_in, 1u), arena + p.w_offset, vec2<u32>(p.n_out, 1u));
    let tile = tile_of(s.columns, unfold(group));
    var sum = product_tile(s, tile, lane);
    for (var v = 0u; v < VALUES; v++) {
        for (var c = 0u; c < 4u; c++) {
            let at = place_of(tile, lane, v, c);
            if (at.x < p.n_rows && at.y < p.n_out) {
                let z = right[arena + p.bias_offset + at.y] + sum[v][c];
                let i = at.x * p.n_out + at.y;
                var a = z;
                if (p.activate == 1u) {
                    let keeps = z > 0.0
                        && dropout_keeps(p.seed + group.z, p.stream, p.step, p.drop_below, i);
                    a = select(0.0, z * p.keep_scale, keeps);
                }
                out[group.z * model_stride((p.n_rows + p.spare_row) * p.n_out) + i] = a;
            }
        }
    }
}

@compute @workgroup_size(LANES)
fn grad_input(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let s = Shape(p.n_rows, p.n_out, p.n_in, group.z * model_stride((p.n_rows + 1u) * p.n_out),
        vec2<u32>(p.n_out, 1u), group.z * p.arena + p.w_offset, vec2<u32>(1u, p.n_out));
    let tile = tile_of(s.columns, unfold(group));
    var sum = product_tile(s, tile, lane);
    let first_gate = group.z * model_stride(p.n_rows * p.n_in);
    let first_out = group.z * model_stride((p.n_rows + 1u) * p.n_in);
    for (var v = 0u; v < VALUES; v++) {
        for (var c = 0u; c < 4u; c++) {
            let at = place_of(tile, lane, v, c);
            if (at.x < p.n_rows && at.y < p.n_in) {
                let i = at.x * p.n_in + at.y;
                // the activation is above 0 where the ReLU and the dropout let it pass
                out[first_out + i] = select(0.0, sum[v][c] * p.keep_scale, gate[first_gate + i] > 0.0);
            }
        }
    }
}

// This invocation's share of the sum over the cells of column h, of `right` or of `dz_below`.
fn column_sum(lane: u32, first: u32, width: u32, own: bool) -> f32 {
    let h = lane % 64u;
    var sum = 0.0;
    for (var row = lane / 64u; row < p.n_rows; row += LANES / 64u) {
        if (own) {
            sum += right[first + row * width + h];
        } else {
            sum += dz_below[first + row * width + h];
        }
    }
    return sum;
}

// After the tiles: a workgroup for each 64 biases of this layer (own_bias), one for each 64 biases of the
// layer below, and one that adds up the losses.
@compute @workgroup_size(LANES)
fn update(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let model = group.z;
    let tiles = ((p.n_in + TILE - 1u) / TILE) * ((p.n_out + TILE - 1u) / TILE);
    let first_right = model * model_stride((p.n_rows + 1u) * p.n_out);
    var index = unfold(group);
    if (index < tiles) {
        let s = Shape(p.n_in, p.n_rows, p.n_out, model * model_stride(p.n_rows * p.n_in),
            vec2<u32>(1u, p.n_in), first_right, vec2<u32>(p.n_out, 1u));
        let tile = tile_of(s.columns, index);
        var sum = product_tile(s, tile, lane);
        for (var v = 0u; v < VALUES; v++) {
            for (var c = 0u; c < 4u; c++) {
                let at = place_of(tile, lane, v, c);
                if (at.x < p.n_in && at.y < p.n_out) {
                    adam(model, p.w_offset + at.x * p.n_out + at.y, sum[v][c], p.weight_decay);
                }
            }
        }
        return;
    }
    index -= tiles;
    let groups = p.own_bias * ((p.n_out + 63u) / 64u);
    let below_groups = (p.below + 63u) / 64u;
    if (index < groups + below_groups) {
        let own = index < groups;
        let from_column = select(index - groups, index, own) * 64u;
        let width = select(p.below, p.n_out, own);
        let first = select(model * model_stride((p.n_rows + 1u) * p.below), first_right, own) + from_column;
        let h = from_column + lane % 64u;
        var sum = 0.0;
        if (h < width) {
            sum = column_sum(lane, first, width, own);
        }
        part[lane] = sum;
        workgroupBarrier(); // the shares stand
        if (lane < 64u && h < width) {
            for (var i = lane + 64u; i < LANES; i += 64u) {
                sum += part[i];
            }
            adam(model, select(p.below_offset, p.bias_offset, own) + h, sum, 0.0);
            if (!own) {
                dz_below[first + p.n_rows * width + lane] = sum;
            }
        }
        return;
    }
    if (index > groups + below_groups) {
        return;
    }
    for (var t = 0u; t < p.n_tasks; t++) {
        var sum = 0.0;
        let first = model * model_stride(p.n_tasks * p.n_rows) + t * p.n_rows;
        for (var b = lane; b < p.n_rows; b += LANES) {
            sum += loss[first + b];
        }
        part[lane] = sum;
        workgroupBarrier(); // the shares stand
        if (lane == 0u) {
            var total = 0.0;
            for (var i = 0u; i < LANES; i++) {
                total += part[i];
            }
            losses[model * p.slot_stride + p.slot + t] = total;
        }
        workgroupBarrier(); // the shares have been read
    }
}
