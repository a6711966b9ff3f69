//! The memory of the instruments of one end, as a term of a memory budget.

use process::Timeline;
use record::Term;

use crate::{
    heap::{self, HeapTimeline},
    histogram::{DIGITS, Rates, Times},
    trace::Trace,
};

/// Returns the most memory that the instruments of one end take: the [`Meter`](crate::Meter)s of `threads` threads,
/// their heap timeline and one [`Timeline`]. If `is_scheduled`, a rate holds the bodies back: each meter then also
/// keeps a distribution of lateness, and the meters keep one trace together.
pub fn footprint(is_scheduled: bool, threads: u64) -> Term {
    let (mut histograms, mut bytes) =
        (2 * threads, threads * (Rates::new().footprint() + Times::new().footprint()));
    let mut rest = format!("timelines of {} and {} points", Timeline::CAPACITY, heap::CAPACITY);
    bytes += Timeline::FOOTPRINT + HeapTimeline::FOOTPRINT;
    if is_scheduled {
        histograms += threads;
        bytes += threads * Times::new().footprint() + Trace::FOOTPRINT;
        rest += &format!(" and a trace of {} marks", Trace::CAPACITY);
    }
    Term::new("meters", bytes, format!("{histograms} HdrHistograms of {DIGITS} significant digits, {rest}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_term_counts_what_its_reason_names() {
        let Term { name, bytes, reason } = footprint(false, 1);
        assert_eq!(name, "meters");
        assert_eq!(reason, "2 HdrHistograms of 3 significant digits, timelines of 256 and 320 points");
        // HdrHistogram keeps 2,048 counts for the first 2,048 values and 1,024 for every further power of two. There
        // are 29 further powers up to 1 TB/s, and 31 up to an hour in nanoseconds. A count takes 8 bytes, a point of
        // the memory timeline 32, and a point of the heap timeline 48.
        let (rates, times) = (2048 + 29 * 1024, 2048 + 31 * 1024);
        assert_eq!(bytes, (rates + times) * 8 + 256 * 32 + 320 * 48);
        assert_eq!(footprint(true, 1).bytes, bytes + times * 8 + 4096 * 16);
        assert_eq!(footprint(false, 8).bytes, bytes + 7 * (rates + times) * 8);
    }
}
