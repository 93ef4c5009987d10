// Last layer, losses of all tasks and their gradients down to the layer below; one workgroup a cell.
struct Params {
    models: u32,
    n_rows: u32,
    row_offset: u32,
    row_stride: u32,
    n_in: u32,
    n_out: u32,
    n_tasks: u32,
    arena: u32,
    w_offset: u32,
    bias_offset: u32,
    scale_offset: u32,
    scale_stride: u32,
    keep_scale: f32,
    delta: f32,
    gradients: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> a: array<f32>; // n_rows x n_in a network
@group(0) @binding(2) var<storage, read> params: array<f32>; // an arena a network
@group(0) @binding(3) var<storage, read> rows: array<u32>; // cells of the epoch, in order
// (column, width, kind, place) of each task; at its place the weights of its classes and the class of
// each cell, or the value of each cell
@group(0) @binding(4) var<storage, read> targets: array<u32>;
@group(0) @binding(5) var<storage, read> scales: array<f32>; // a factor a task, for each batch
@group(0) @binding(6) var<storage, read_write> logits: array<f32>; // (n_rows + 1) x n_out a network, then their gradients
@group(0) @binding(7) var<storage, read_write> loss: array<f32>; // n_tasks x n_rows a network
@group(0) @binding(8) var<storage, read_write> dz: array<f32>; // (n_rows + 1) x n_in a network

// label or value of a cell that has none, `ops::MISSING`
const MISSING: u32 = 0xffffffffu;
const VALUES: u32 = 1u;
const LANES: u32 = 64u;

var<workgroup> part: array<f32, 64>;

// The sum, or the maximum, of the lanes' values; every lane calls it.
fn all_lanes(lane: u32, value: f32, maximum: bool) -> f32 {
    workgroupBarrier(); // the last result has been read
    part[lane] = value;
    workgroupBarrier(); // the values stand
    for (var width = LANES / 2u; width > 0u; width >>= 1u) {
        if (lane < width) {
            let other = part[lane + width];
            part[lane] = select(part[lane] + other, max(part[lane], other), maximum);
        }
        workgroupBarrier(); // this level is done
    }
    return part[0];
}

// Logits of the cell, from row `first_a` to row `first`.
fn last_layer(model: u32, lane: u32, first_a: u32, first: u32) {
    let w = model * p.arena + p.w_offset;
    let bias = model * p.arena + p.bias_offset;
    // few outputs: several teams of invocations share the inputs out
    var columns = LANES;
    for (; columns / 2u >= p.n_out; columns /= 2u) {}
    let team = lane / columns;
    for (var from_column = 0u; from_column < p.n_out; from_column += LANES) {
        let o = from_column + lane % columns;
        var sum = 0.0;
        if (o < p.n_out) {
            for (var i = team; i < p.n_in; i += LANES / columns) {
                sum += a[first_a + i] * params[w + i * p.n_out + o];
            }
        }
        workgroupBarrier(); // the last parts have been read
        part[lane] = sum;
        workgroupBarrier(); // the parts of the teams stand
        if (team == 0u && o < p.n_out) {
            var y = params[bias + o];
            for (var j = lane; j < LANES; j += columns) {
                y += part[j];
            }
            logits[first + o] = y;
        }
    }
    storageBarrier(); // the logits stand
}

fn cross_entropy(lane: u32, first: u32, width: u32, place: u32, label: u32, scale: f32) -> f32 {
    var most = -3.4e38;
    for (var c = lane; c < width; c += LANES) {
        most = max(most, logits[first + c]);
    }
    most = all_lanes(lane, most, true);
    var sum = 0.0;
    for (var c = lane; c < width; c += LANES) {
        sum += exp(logits[first + c] - most);
    }
    sum = all_lanes(lane, sum, false);
    let s = scale * bitcast<f32>(targets[place + label]);
    let loss = s * (log(sum) - (logits[first + label] - most));
    workgroupBarrier(); // the label's logit has been read
    if (p.gradients == 1u) {
        for (var c = lane; c < width; c += LANES) {
            let share = exp(logits[first + c] - most) / sum;
            logits[first + c] = s * (share - select(0.0, 1.0, c == label));
        }
    }
    return loss;
}

@compute @workgroup_size(64)
fn heads(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let b = unfold(group);
    if (b >= p.n_rows) {
        return;
    }
    let model = group.z;
    let first_a = model * model_stride(p.n_rows * p.n_in) + b * p.n_in;
    let first = model * model_stride((p.n_rows + 1u) * p.n_out) + b * p.n_out;
    if (p.n_in > 0u) {
        last_layer(model, lane, first_a, first);
    }
    let cell = rows[model * p.row_stride + p.row_offset + b];
    for (var t = 0u; t < p.n_tasks; t++) {
        let column = first + targets[4u * t];
        let width = targets[4u * t + 1u];
        let place = targets[4u * t + 3u];
        let scale = scales[model * p.scale_stride + p.scale_offset + t];
        let values = targets[4u * t + 2u] == VALUES;
        let label = targets[place + select(width, 0u, values) + cell];
        var cost = 0.0;
        if (label == MISSING) {
            for (var c = lane; c < width && p.gradients == 1u; c += LANES) {
                logits[column + c] = 0.0;
            }
        } else if (values) {
            let e = logits[column] - bitcast<f32>(label);
            cost = scale * select(p.delta * (abs(e) - 0.5 * p.delta), 0.5 * e * e, abs(e) <= p.delta);
            workgroupBarrier(); // the logit has been read
            if (lane == 0u && p.gradients == 1u) {
                logits[column] = scale * clamp(e, -p.delta, p.delta);
            }
        } else {
            cost = cross_entropy(lane, column, width, place, label, scale);
        }
        if (lane == 0u) {
            loss[model * model_stride(p.n_tasks * p.n_rows) + t * p.n_rows + b] = cost;
        }
    }
    if (p.gradients == 0u || p.n_in == 0u) {
        return;
    }
    storageBarrier(); // the gradients of the logits stand
    let w = model * p.arena + p.w_offset;
    let first_dz = model * model_stride((p.n_rows + 1u) * p.n_in) + b * p.n_in;
    for (var i = lane; i < p.n_in; i += LANES) {
        var sum = 0.0;
        for (var o = 0u; o < p.n_out; o++) {
            sum += logits[first + o] * params[w + i * p.n_out + o];
        }
        // the activation is above 0 where the ReLU and the dropout let it pass
        dz[first_dz + i] = select(0.0, sum * p.keep_scale, a[first_a + i] > 0.0);
    }
}
