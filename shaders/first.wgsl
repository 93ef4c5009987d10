// Scaling of the first layer and its gradients: `scale` has one invocation a gene, `gradient` 32.
struct Params {
    n: u32,
    width: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> mask: array<f32>; // n
@group(0) @binding(2) var<storage, read> stats: array<f32>; // 2 x n: means, inverse standard deviations
@group(0) @binding(3) var<storage, read_write> scale_out: array<f32>; // n
@group(0) @binding(4) var<storage, read_write> shift: array<f32>; // n
@group(0) @binding(5) var<storage, read> r: array<f32>; // n x width
@group(0) @binding(6) var<storage, read> w: array<f32>; // n x width
@group(0) @binding(7) var<storage, read> d: array<f32>; // width
@group(0) @binding(8) var<storage, read_write> dw: array<f32>; // n x width
@group(0) @binding(9) var<storage, read_write> u: array<f32>; // n

@compute @workgroup_size(256)
fn scale(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let gene = unfold(group) * 256u + lane;
    if (gene < p.n) {
        let s = mask[gene] * stats[p.n + gene];
        scale_out[gene] = s;
        shift[gene] = -s * stats[gene];
    }
}

var<workgroup> part: array<f32, 256>;

// Eight genes a workgroup; the 32 invocations of a gene walk its columns side by side.
@compute @workgroup_size(256)
fn gradient(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let gene = unfold(group) * 8u + lane / 32u;
    var sum = 0.0;
    if (gene < p.n) {
        let mean = stats[gene];
        let inv_sd = stats[p.n + gene];
        let m = mask[gene];
        for (var h = lane % 32u; h < p.width; h += 32u) {
            let at = gene * p.width + h;
            let t = inv_sd * (r[at] - mean * d[h]);
            dw[at] = m * t;
            sum += t * w[at];
        }
    }
    part[lane] = sum;
    workgroupBarrier(); // the parts stand
    for (var width = 16u; width > 0u; width >>= 1u) {
        if (lane % 32u < width) {
            part[lane] += part[lane + width];
        }
        workgroupBarrier(); // this level is done
    }
    if (lane % 32u == 0u && gene < p.n) {
        u[gene] = part[lane];
    }
}
