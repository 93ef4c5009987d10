// Huber loss of one regression task and its gradient; one invocation a cell.
struct Params {
    n_rows: u32,
    row_offset: u32,
    stride: u32,
    column: u32,
    delta: f32,
    scale: f32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> logits: array<f32>; // n_rows x stride
@group(0) @binding(2) var<storage, read> rows: array<u32>; // cells of the epoch, in order
@group(0) @binding(3) var<storage, read> targets: array<f32>; // standardised value of each cell
@group(0) @binding(4) var<storage, read> known: array<f32>; // 1, or 0 where the target is missing
@group(0) @binding(5) var<storage, read_write> dlogits: array<f32>; // n_rows x stride
@group(0) @binding(6) var<storage, read_write> loss: array<f32>; // n_rows

@compute @workgroup_size(64)
fn huber(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let b = unfold(group) * 64u + lane;
    if (b >= p.n_rows) {
        return;
    }
    let at = b * p.stride + p.column;
    let row = rows[p.row_offset + b];
    if (known[row] == 0.0) {
        dlogits[at] = 0.0;
        loss[b] = 0.0;
        return;
    }
    let e = logits[at] - targets[row];
    let s = p.scale * known[row];
    dlogits[at] = s * clamp(e, -p.delta, p.delta);
    loss[b] = s * select(p.delta * (abs(e) - 0.5 * p.delta), 0.5 * e * e, abs(e) <= p.delta);
}
