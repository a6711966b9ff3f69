//! The call sites of memory that stays allocated, according to the program's own allocator.

use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

/// A call site with the memory that was allocated there and is still in use, estimated from samples.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallSite {
    /// The estimated number of bytes in use.
    pub bytes: u64,
    /// The estimated number of allocations in use.
    pub allocations: u64,
    /// The names of the functions on the stack, the innermost first.
    pub frames: Vec<String>,
}

/// The functions of a heap trace that a program's allocator offers. A trace has three stages. Memory that is allocated
/// in the second stage, and still in use at the end of the third, counts as growth.
#[derive(Clone, Copy, Debug)]
pub struct HeapTracer {
    /// Begins a trace, in its first stage.
    pub begin: fn(),
    /// Ends the current stage and begins the next one.
    pub advance: fn(),
    /// Ends the trace, and returns the call sites of growth.
    pub sites: fn() -> Vec<CallSite>,
}

static TRACER: OnceLock<HeapTracer> = OnceLock::new();

/// Sets the tracer of this process. Only the program knows its allocator, so the program calls this function once.
/// Later calls have no effect.
pub fn trace_heap_by(tracer: HeapTracer) {
    let _ = TRACER.set(tracer);
}

/// Returns the tracer of this process; `None` if the program has not set one.
pub fn heap_tracer() -> Option<HeapTracer> {
    TRACER.get().copied()
}
