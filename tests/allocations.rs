//! A step on the CPU path allocates nothing. Alone in its binary, for the counter sees all threads.
#[path = "common/cells.rs"]
mod cells;
#[path = "common/steps.rs"]
mod steps;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicU64, Ordering};
use steps::{NETWORKS, Steps};
use yoto_gpu::cpu::Cpu;

/// Counts what it hands out.
struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

// SAFETY: every call goes on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, memory: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promises are the system allocator's.
        unsafe { System.alloc(memory) }
    }
    unsafe fn dealloc(&self, at: *mut u8, memory: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(at, memory) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

#[test]
fn a_step_on_the_cpu_allocates_nothing() {
    // inside the pool, as the program runs it: work that comes from outside is queued on the heap
    let counted = rayon::scope(|_| {
        let mut counted = Vec::new();
        for (name, relaxation, hidden) in &NETWORKS[..2] {
            let mut cpu = Cpu::<f32>::default();
            let steps = Steps::new(&mut cpu, *relaxation, hidden);
            for kind in ["soft", "hard", "panel"] {
                (0..50).for_each(|t| steps.run(&mut cpu, kind, *relaxation, t));
                let made = (1..=5).map(|window| {
                    let before = ALLOCATIONS.load(Ordering::Relaxed);
                    let window = 50 * window..50 * (window + 1);
                    window.for_each(|t| steps.run(&mut cpu, kind, *relaxation, t));
                    ALLOCATIONS.load(Ordering::Relaxed) - before
                });
                // what allocates does so in every window; rayon's queues may grow in one where threads wait for a core
                counted.push((format!("{kind} {name}"), made.min().unwrap_or(u64::MAX)));
            }
        }
        counted
    });
    for (name, made) in counted {
        assert_eq!(made, 0, "{name}: allocations in 50 steps");
    }
    let before = ALLOCATIONS.load(Ordering::Relaxed);
    drop(std::hint::black_box(vec![1u8; 100]));
    assert!(ALLOCATIONS.load(Ordering::Relaxed) > before, "it counts");
}
