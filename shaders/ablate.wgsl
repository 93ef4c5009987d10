// First layer's activations with one panel gene set to its mean, for several genes; one invocation a value.
struct Params {
    n_rows: u32,
    width: u32,
    n_panel: u32,
    first_gene: u32,
    n_genes: u32,
    activate: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> z: array<f32>; // n_rows x width
@group(0) @binding(2) var<storage, read> x: array<f32>; // n_rows x n_panel
@group(0) @binding(3) var<storage, read> w: array<f32>; // n_panel x width
@group(0) @binding(4) var<storage, read_write> out: array<f32>; // n_genes x n_rows x width

@compute @workgroup_size(256)
fn ablate(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let i = unfold(group) * 256u + lane;
    if (i < p.n_genes * p.n_rows * p.width) {
        let h = i % p.width;
        let b = (i / p.width) % p.n_rows;
        let gene = p.first_gene + i / (p.width * p.n_rows);
        let sum = z[b * p.width + h] - x[b * p.n_panel + gene] * w[gene * p.width + h];
        out[i] = select(sum, max(sum, 0.0), p.activate == 1u);
    }
}
