//! A trace of the allocations of an end that stay allocated, over the stages of a transfer.

use process::{CallSite, HeapTracer};

/// The ends of the stages of a trace, in sixteenths of the bytes of all bodies. Buffers are filled in the first
/// quarter, and allocations of the last sixteenth may still be in use.
const STAGES: [u64; 3] = [4, 12, 15];

/// A trace under way.
#[derive(Debug)]
pub(crate) struct GrowthTrace {
    tracer: HeapTracer,
    total_bytes: u64,
    ended: usize,
}

impl GrowthTrace {
    /// Begins a trace of a transfer whose bodies have `total_bytes` bytes together.
    pub(crate) fn begin(tracer: HeapTracer, total_bytes: u64) -> Self {
        (tracer.begin)();
        Self { tracer, total_bytes, ended: 0 }
    }

    /// Ends each stage whose share of the bytes has passed. `bytes` counts the bytes of all bodies so far.
    pub(crate) fn pass(&mut self, bytes: u64) {
        let sixteenths = bytes.saturating_mul(16).checked_div(self.total_bytes).unwrap_or(16);
        while STAGES.get(self.ended).is_some_and(|end| sixteenths >= *end) {
            (self.tracer.advance)();
            self.ended += 1;
        }
    }

    /// Ends the trace. Returns the call sites whose allocations have grown.
    pub(crate) fn sites(&self) -> Vec<CallSite> {
        (self.tracer.sites)()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

    use super::*;

    static ENDED: AtomicU64 = AtomicU64::new(0);

    #[test]
    fn stages_end_at_a_quarter_at_three_quarters_and_shortly_before_the_end() {
        let tracer =
            HeapTracer { begin: || (), advance: || _ = ENDED.fetch_add(1, Relaxed), sites: Vec::new };
        let mut trace = GrowthTrace::begin(tracer, 1600);
        let mut ended = |bytes| {
            trace.pass(bytes);
            ENDED.load(Relaxed)
        };
        assert_eq!([0, 399, 400, 1199, 1200, 1499, 1500, 1600].map(&mut ended), [0, 0, 1, 1, 2, 2, 3, 3]);
        GrowthTrace::begin(tracer, 0).pass(0);
        assert_eq!(ENDED.load(Relaxed), 6, "an empty body has passed all");
    }
}
