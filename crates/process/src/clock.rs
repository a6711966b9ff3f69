//! The monotonic clock. Only this file of the workspace reads that clock, as clippy.toml enforces.

use std::{
    ops::Add,
    sync::OnceLock,
    time::{Duration, Instant},
};

#[cfg(unix)]
use nix::time::{ClockId, clock_gettime};

/// A point of monotonic time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stamp(Instant);

impl Stamp {
    /// Returns a stamp of the current time.
    #[allow(clippy::disallowed_methods, reason = "this is the clock")]
    pub fn now() -> Self {
        Self(Instant::now())
    }

    /// Returns the time from `earlier` to this stamp; zero if `earlier` is later than this stamp.
    pub fn since(self, earlier: Self) -> Duration {
        self.0.saturating_duration_since(earlier.0)
    }

    /// Returns the time from this stamp to now.
    pub fn elapsed(self) -> Duration {
        Self::now().since(self)
    }

    /// Returns the time of this stamp on CLOCK_MONOTONIC, which all processes of a machine share, exact to some tens of
    /// nanoseconds. `None` if the system does not offer that clock.
    pub fn monotonic(self) -> Option<Duration> {
        static ORIGIN: OnceLock<Option<(Stamp, Duration)>> = OnceLock::new();
        let (stamp, shared) = (*ORIGIN.get_or_init(shared_origin))?;
        if self >= stamp {
            shared.checked_add(self.since(stamp))
        } else {
            shared.checked_sub(stamp.since(self))
        }
    }
}

/// Returns a stamp and its time on CLOCK_MONOTONIC. The two clocks are read several times, and the closest pair of
/// readings is taken, because the kernel may preempt the process between two readings.
fn shared_origin() -> Option<(Stamp, Duration)> {
    const PAIRS: usize = 16;
    let pair = || {
        let before = Stamp::now();
        let shared = shared_clock()?;
        let width = before.elapsed();
        Some((width, (Stamp(before.0.checked_add(width / 2)?), shared)))
    };
    let closest = (0..PAIRS).filter_map(|_| pair()).min_by_key(|(width, _)| *width)?;
    Some(closest.1)
}

/// Reads CLOCK_MONOTONIC; `None` if the system does not offer it.
#[cfg(unix)]
fn shared_clock() -> Option<Duration> {
    clock_gettime(ClockId::CLOCK_MONOTONIC).ok().map(Duration::from)
}

#[cfg(not(unix))]
fn shared_clock() -> Option<Duration> {
    None
}

/// Returns the stamp that is `later` after this one.
impl Add<Duration> for Stamp {
    type Output = Self;

    fn add(self, later: Duration) -> Self {
        Self(self.0 + later)
    }
}

#[cfg(test)]
mod tests {
    use std::thread::sleep;

    use super::*;

    #[test]
    fn differences_on_the_shared_clock_are_those_of_the_stamps() {
        let early = Stamp::now();
        let origin = Stamp::now().monotonic().unwrap();
        sleep(Duration::from_millis(5));
        let late = Stamp::now();
        let between = late.monotonic().unwrap() - early.monotonic().unwrap();
        assert_eq!(between, late.since(early));
        assert!(origin >= early.monotonic().unwrap());
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn another_process_reads_the_same_clock() {
        let now = || Stamp::now().monotonic().unwrap().as_secs_f64();
        let before = now();
        let output = std::process::Command::new("/proc/self/exe")
            .args(["--exact", "clock::tests::prints_the_shared_clock", "--ignored", "--nocapture"])
            .output()
            .unwrap();
        let after = now();
        let printed = String::from_utf8(output.stdout).unwrap();
        let theirs = printed.lines().find_map(|line| line.strip_prefix("shared clock: ")).unwrap();
        let theirs: f64 = theirs.parse().unwrap();
        assert!((before..=after).contains(&theirs), "{before} {theirs} {after}");
    }

    #[test]
    #[ignore = "the other test starts it in a process of its own"]
    #[allow(clippy::print_stdout, reason = "the test that started this one reads it")]
    fn prints_the_shared_clock() {
        println!("\nshared clock: {}", Stamp::now().monotonic().unwrap().as_secs_f64());
    }
}
