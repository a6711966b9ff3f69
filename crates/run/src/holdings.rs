//! The resources other than resident memory that the process of an end holds during its transfer.

use process::Holdings;
use record::{EndRecord, Held};

/// The samples of a process's descriptors, threads, swap and page tables so far.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HoldingsLog {
    descriptors: Held,
    threads: Held,
    swap_bytes: Held,
    page_table_bytes: Held,
}

impl HoldingsLog {
    /// Returns a log whose first sample is the baseline.
    pub(crate) fn of(baseline: Holdings) -> Self {
        Self {
            descriptors: Held::of(baseline.descriptors),
            threads: Held::of(baseline.threads),
            swap_bytes: Held::of(baseline.swap_bytes),
            page_table_bytes: Held::of(baseline.page_table_bytes),
        }
    }

    /// Adds a sample.
    pub(crate) fn sample(&mut self, now: Holdings) {
        self.descriptors.sample(now.descriptors);
        self.threads.sample(now.threads);
        self.swap_bytes.sample(now.swap_bytes);
        self.page_table_bytes.sample(now.page_table_bytes);
    }

    /// Writes the samples into a record.
    pub(crate) fn state(self, end: &mut EndRecord) {
        (end.descriptors, end.threads) = (Some(self.descriptors), Some(self.threads));
        end.memory.swap_bytes = Some(self.swap_bytes);
        end.memory.page_table_bytes = Some(self.page_table_bytes);
    }
}
