// One AdamW step (Loshchilov and Hutter 2019, Algorithm 2) on a parameter of the arenas `params` and
// `moments`; the file that includes this declares both and the fields of `p`.

// Element `i` of network `model`; its first moment lies at 2 model arena + i, its second an arena on.
fn adam(model: u32, i: u32, g: f32, weight_decay: f32) {
    let at = model * p.arena + i;
    let first = at + model * p.arena;
    let second = first + p.arena;
    let m = p.beta1 * moments[first] + (1.0 - p.beta1) * g;
    let v = p.beta2 * moments[second] + (1.0 - p.beta2) * g * g;
    moments[first] = m;
    moments[second] = v;
    let kept = params[at] - p.lr * weight_decay * params[at];
    params[at] = kept - p.lr * (m / p.correction1) / (sqrt(v / p.correction2) + p.eps);
}
