// The end of the first layer: bias, ReLU and dropout. The file that includes this declares `params`,
// `centre`, `out` and the fields of `p`.

fn put(model: u32, b: u32, h: u32, sum: f32) {
    if (h < p.width) {
        let z = params[model * p.arena + p.bias_offset + h] + sum;
        let i = b * p.width + h;
        var a = z;
        if (p.activate == 1u) {
            let keeps = z > 0.0 && dropout_keeps(p.seed + model, p.stream, p.step, p.drop_below, i);
            a = select(0.0, z * p.keep_scale, keeps);
        }
        out[model * model_stride((p.n_rows + p.spare_row) * p.width) + i] = a;
    }
}

// A share of what the centring takes from column h: chunks `from`, `from + step`, ...
fn centring(model: u32, h: u32, from_chunk: u32, step: u32) -> f32 {
    var sum = 0.0;
    if (h < p.width) {
        for (var c = from_chunk; c < p.n_chunks; c += step) {
            sum += centre[model * model_stride(p.n_chunks * p.width) + c * p.width + h];
        }
    }
    return sum;
}
