//! What the benches share: [`exchange`], one transfer as either end sees it; [`WarmPair`], two ends whose
//! connection is there before the clock starts; [`fresh`], two ends in processes of their own; [`turns`], two
//! ends that take turns on one thread.
#![allow(clippy::expect_used, reason = "a bench that cannot run has nothing to measure")]

pub mod exchange;
pub mod fresh;
pub mod turns;
mod warm;

use criterion::Criterion;

pub use exchange::{Direction, Job, Metering};
pub use warm::WarmPair;

/// The binary's allocator: with glibc's, frames go back to the kernel and the bench measures that.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Criterion, without pictures where `--quick` asks for a first impression: they take three seconds a case, and its
/// measurement a tenth of one.
pub fn criterion() -> Criterion {
    let criterion = Criterion::default();
    if std::env::args().any(|argument| argument == "--quick") { criterion.without_plots() } else { criterion }
}
