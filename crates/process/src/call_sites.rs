//! Call sites of memory that stays allocated, according to the program's own allocator.

use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

/// A call site, and the memory that was allocated there and is still in use: estimates from samples.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallSite {
    /// Bytes.
    pub bytes: u64,
    /// Allocations.
    pub allocations: u64,
    /// The functions of the stack, the innermost first.
    pub frames: Vec<String>,
}

/// The trace that a program's allocator offers. It has three stages: what is allocated in the second one, and is still in use
/// when the third one ends, counts as growth.
#[derive(Clone, Copy, Debug)]
pub struct HeapTracer {
    /// Begins the first stage.
    pub begin: fn(),
    /// Ends a stage.
    pub advance: fn(),
    /// Ends the trace, and returns the sites.
    pub sites: fn() -> Vec<CallSite>,
}

static TRACER: OnceLock<HeapTracer> = OnceLock::new();

/// Sets the tracer. Only a program knows its allocator, so it calls this once. Later calls have no effect.
pub fn trace_heap_by(tracer: HeapTracer) {
    let _ = TRACER.set(tracer);
}

/// The tracer. `None` if the program has set none.
pub fn heap_tracer() -> Option<HeapTracer> {
    TRACER.get().copied()
}
