// Reductions over the 256 invocations of a workgroup, in a fixed order; every invocation calls them.
var<workgroup> reduce_part: array<vec2<f32>, 256>;

// Sums of both components, the same value in every invocation.
fn reduce_sum(lane: u32, value: vec2<f32>) -> vec2<f32> {
    reduce_part[lane] = value;
    workgroupBarrier(); // the parts stand
    for (var width = 128u; width > 0u; width >>= 1u) {
        if (lane < width) {
            reduce_part[lane] += reduce_part[lane + width];
        }
        workgroupBarrier(); // this level is done
    }
    return workgroupUniformLoad(&reduce_part[0]);
}

// Maxima of both components, the same value in every invocation.
fn reduce_max(lane: u32, value: vec2<f32>) -> vec2<f32> {
    reduce_part[lane] = value;
    workgroupBarrier(); // the parts stand
    for (var width = 128u; width > 0u; width >>= 1u) {
        if (lane < width) {
            reduce_part[lane] = max(reduce_part[lane], reduce_part[lane + width]);
        }
        workgroupBarrier(); // this level is done
    }
    return workgroupUniformLoad(&reduce_part[0]);
}
