//! The clock. Only this file of the workspace reads it, as clippy.toml enforces.

use std::time::{Duration, Instant};

use nix::time::{ClockId, clock_gettime};

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

    /// The reading of CLOCK_MONOTONIC at this stamp. All processes of a machine share that clock, so that the stamps of
    /// two processes can be compared. `None` if the system has no such clock.
    pub fn monotonic(self) -> Option<Duration> {
        let now = Duration::from(clock_gettime(ClockId::CLOCK_MONOTONIC).ok()?);
        now.checked_sub(self.elapsed())
    }

    /// The time from this stamp to now.
    pub fn elapsed(self) -> Duration {
        Self::now().since(self)
    }
}

#[cfg(test)]
mod tests {
    use std::thread::sleep;

    use super::*;

    #[test]
    fn stamps_keep_their_distance_on_the_clock_of_the_machine() {
        let first = Stamp::now();
        sleep(Duration::from_millis(5));
        let second = Stamp::now();
        let (earlier, later) = (first.monotonic().unwrap(), second.monotonic().unwrap());
        let error = (later - earlier).abs_diff(second.since(first));
        assert!(error < Duration::from_millis(4), "{error:?}");
        let now = Duration::from(clock_gettime(ClockId::CLOCK_MONOTONIC).unwrap());
        assert!(now >= later && now - later < Duration::from_secs(5), "{now:?} and {later:?}");
    }
}
