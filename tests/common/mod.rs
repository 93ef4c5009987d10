//! A device for the tests, or a clear word on its absence.
use yoto_gpu::gpu::Gpu;
use yoto_gpu::ops::Ops;

/// The adapter of the tests: `YOTO_TEST_ADAPTER`, or the best there is. Without one the tests fail
/// where `YOTO_REQUIRE_GPU=1` or `CI` is set, and say that they are skipped elsewhere.
pub fn gpu() -> Option<Gpu> {
    let choice = std::env::var("YOTO_TEST_ADAPTER").unwrap_or_else(|_| "gpu".into());
    match Gpu::new(&choice) {
        Ok(gpu) => {
            println!("adapter: {:?}", gpu.info());
            Some(gpu)
        }
        Err(e) => {
            let set = |name| std::env::var(name).is_ok_and(|v| !v.is_empty() && v != "0");
            assert!(
                !set("YOTO_REQUIRE_GPU") && !set("CI"),
                "an adapter is required: {e}"
            );
            println!("SKIPPED, no adapter: {e}");
            None
        }
    }
}
