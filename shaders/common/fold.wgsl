// Grids of more than 65,535 workgroups are folded into x and y; `kernels::fold` is the host's half.
const FOLD: u32 = 65535u;

// Linear index of a workgroup of a folded grid; the last row may hold more than were asked for.
fn unfold(group: vec3<u32>) -> u32 {
    return group.x + group.y * FOLD;
}
