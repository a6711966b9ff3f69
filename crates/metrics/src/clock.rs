//! The clock. Only this file of the workspace reads it, as clippy.toml enforces.

use std::time::{Duration, Instant};

/// A point of monotonic time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stamp(Instant);

impl Stamp {
    /// The current time.
    #[allow(clippy::disallowed_methods, reason = "this is the clock")]
    pub fn now() -> Self {
        Self(Instant::now())
    }

    /// The time from `earlier` to this stamp; zero if `earlier` is later than this stamp.
    pub fn since(self, earlier: Self) -> Duration {
        self.0.saturating_duration_since(earlier.0)
    }

    /// The time from this stamp to now.
    pub fn elapsed(self) -> Duration {
        Self::now().since(self)
    }
}
