//! The sizes of pieces of one kind, shared by the connections of an end.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use record::FrameSizes;

use super::sizes::Sizes;

/// A log of sizes. Clones share the sizes.
#[derive(Clone, Debug, Default)]
pub(crate) struct SizeLog(Arc<Mutex<Sizes>>);

impl SizeLog {
    /// Adds one piece of `size` bytes.
    pub(crate) fn add(&self, size: u64) {
        self.lock().add(size, 1);
    }

    /// Returns the sizes, to add several at once.
    pub(super) fn lock(&self) -> MutexGuard<'_, Sizes> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds received bytes that the kernel has joined from pieces of `stride` bytes, the last of which may be shorter.
    pub(crate) fn add_joined(&self, bytes: u64, stride: u64) {
        let mut sizes = self.lock();
        let (whole, rest) =
            (bytes.checked_div(stride).unwrap_or(0), bytes.checked_rem(stride).unwrap_or(bytes));
        sizes.add(stride, whole);
        sizes.add(rest, u64::from(rest > 0));
    }

    /// Returns the number and the sizes of all pieces; `None` if there were none.
    pub(super) fn summary(&self) -> Option<FrameSizes> {
        self.lock().summary()
    }
}
