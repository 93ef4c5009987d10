// Softmax cross-entropy of one task and its gradient; one invocation a cell.
struct Params {
    n_rows: u32,
    row_offset: u32,
    stride: u32,
    column: u32,
    n_classes: u32,
    scale: f32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> logits: array<f32>; // n_rows x stride
@group(0) @binding(2) var<storage, read> rows: array<u32>; // cells of the epoch, in order
@group(0) @binding(3) var<storage, read> labels: array<u32>; // class of each cell
@group(0) @binding(4) var<storage, read> class_weight: array<f32>; // n_classes
@group(0) @binding(5) var<storage, read_write> dlogits: array<f32>; // n_rows x stride
@group(0) @binding(6) var<storage, read_write> loss: array<f32>; // n_rows

// label of a cell that has none, `ops::MISSING`
const MISSING: u32 = 0xffffffffu;

@compute @workgroup_size(64)
fn cross_entropy(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let b = unfold(group) * 64u + lane;
    if (b >= p.n_rows) {
        return;
    }
    let first = b * p.stride + p.column;
    let label = labels[rows[p.row_offset + b]];
    if (label == MISSING) {
        for (var c = 0u; c < p.n_classes; c++) {
            dlogits[first + c] = 0.0;
        }
        loss[b] = 0.0;
        return;
    }
    var most = logits[first];
    for (var c = 1u; c < p.n_classes; c++) {
        most = max(most, logits[first + c]);
    }
    var total = 0.0;
    for (var c = 0u; c < p.n_classes; c++) {
        total += exp(logits[first + c] - most);
    }
    let s = p.scale * class_weight[label];
    for (var c = 0u; c < p.n_classes; c++) {
        let share = exp(logits[first + c] - most) / total;
        dlogits[first + c] = s * (share - select(0.0, 1.0, c == label));
    }
    loss[b] = s * (log(total) - (logits[first + label] - most));
}
