//! The memory of the instruments, as a term of a budget.

use record::Term;

use crate::{
    heap::{self, HeapTimeline},
    histogram::{DIGITS, Distribution},
    timeline::{CAPACITY, Timeline},
};

/// The most memory that one [`Meter`](crate::Meter), with the timeline of its heap, and one [`Timeline`] take.
pub fn footprint() -> Term {
    let histograms = [Distribution::of_rates(), Distribution::of_latencies()];
    let bytes = histograms.iter().map(Distribution::footprint).sum::<u64>()
        + Timeline::FOOTPRINT
        + HeapTimeline::FOOTPRINT;
    let reason = format!(
        "{} HdrHistograms of {DIGITS} significant digits, timelines of {CAPACITY} and {} points",
        histograms.len(),
        heap::CAPACITY
    );
    Term::new("meters", bytes, reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_term_counts_what_its_reason_names() {
        let Term { name, bytes, reason } = footprint();
        assert_eq!(name, "meters");
        assert_eq!(reason, "2 HdrHistograms of 3 significant digits, timelines of 256 and 320 points");
        // HdrHistogram keeps 2,048 counts for the first 2,048 values and 1,024 for every further power of two. There
        // are 29 more up to 1 TB/s, and 31 more up to an hour in nanoseconds. A count takes eight bytes, a point 32,
        // and one of the heap 48.
        let counts = (2048 + 29 * 1024) + (2048 + 31 * 1024);
        assert_eq!(bytes, counts * 8 + 256 * 32 + 320 * 48);
    }
}
