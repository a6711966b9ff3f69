//! The processor time of processes.

use std::time::Duration;

/// Processor time in user mode and in the kernel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProcessorTime {
    /// The time in user mode.
    pub user: Duration,
    /// The time in the kernel.
    pub system: Duration,
}

impl ProcessorTime {
    /// Returns the time since an earlier reading.
    #[must_use]
    pub fn since(self, earlier: Self) -> Self {
        Self {
            user: self.user.saturating_sub(earlier.user),
            system: self.system.saturating_sub(earlier.system),
        }
    }
}
