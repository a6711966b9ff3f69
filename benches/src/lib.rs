//! What the benches share: [`exchange`], one transfer as either end sees it; [`WarmPair`], two ends whose
//! connection is there before the clock starts; [`fresh`], two ends in processes of their own; [`turns`], two
//! ends that take turns on one thread.
#![allow(clippy::expect_used, reason = "a bench that cannot run has nothing to measure")]

pub mod exchange;
pub mod fresh;
pub mod turns;
mod warm;

pub use exchange::{Direction, Job, Metering};
pub use warm::WarmPair;

/// The binary's allocator: with glibc's, frames go back to the kernel and the bench measures that.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;
