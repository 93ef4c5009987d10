//! Holds a GPU's results to the cases of `yoto_gpu::check`; every comparison is itself put to the
//! test each time.
use yoto_gpu::check::Case;
pub use yoto_gpu::check::{Device, Inputs, Mode, Values, share, sums};
use yoto_gpu::gpu::Gpu;

/// Prints and checks the share of the bound, and that a wrong or NaN element would have failed.
pub fn check(name: &str, got: &[f64], want: &[f64], bound: &[f64]) {
    let worst = share(got, want, bound);
    println!("{name}: {worst:.3} of the bound, {} values", got.len());
    assert!(worst <= 1.0, "{name}: {worst} of the bound");
    for (i, wrong) in [(0, f64::NAN), (got.len() / 2, f64::INFINITY)] {
        if let Some(&g) = got.get(i) {
            let mut spoiled = got.to_vec();
            spoiled[i] = wrong;
            assert!(share(&spoiled, want, bound) > 1.0, "{name}: {wrong} passes");
            spoiled[i] = g + 2.1 * bound[i] + 1e-30 + 1e-6 * g.abs() * f64::from(bound[i] == 0.0);
            assert!(share(&spoiled, want, bound) > 1.0, "{name}: a fault passes");
        }
    }
}

/// Runs a case on the CPU in f64 and twice on the GPU: within the bound, bit for bit the same again,
/// and out of bounds for the CPU's result of a faulty input.
pub fn hold(gpu: &mut Gpu, case: &Case<'_>) {
    let (name, expected) = (&case.name, case.expected());
    let got = case.run(gpu, Mode::Plain);
    let again = case.run(gpu, Mode::Plain);
    assert_eq!(got.len(), expected.want.len());
    for (i, want) in expected.want.iter().enumerate() {
        check(&format!("{name} [{i}]"), &got[i], want, &expected.bounds[i]);
    }
    let verdict = expected.judge(&got, &again);
    assert_eq!(verdict.fault(), None, "{name}");
}

/// A case's run.
pub type Run<'a> = &'a dyn Fn(&mut dyn Device, &mut Inputs) -> Vec<Values>;
/// Bounds from the right values and those under [`Mode::Size`].
pub type Bound<'a> = &'a dyn Fn(&[Values], &[Values]) -> Vec<Values>;

/// As [`hold`], of a case that one test alone has.
pub fn compare(name: &str, gpu: &mut Gpu, run: Run<'_>, bound: Bound<'_>) {
    hold(gpu, &Case::new(name, &[], run, bound));
}
