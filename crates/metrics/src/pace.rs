//! The pace: the schedule of a flow that is held to a rate.

use std::time::Duration;

use record::Rate;

use crate::Stamp;

/// The shortest wait for which a timer is set. Shorter waits accumulate, because tokio's timers have a resolution of
/// one millisecond.
const SHORTEST: Duration = Duration::from_millis(1);

/// The largest lateness that is made up by default. Timers fire late, especially on a busy core.
const LATE: Duration = Duration::from_millis(20);

/// The schedule of a flow, which computes the wait between pieces that holds the flow to a rate.
///
/// By default idle time earns no credit: after a pause the flow resumes at the configured rate without a burst. Only
/// timer lateness, up to 20 ms, is made up. A pace that [catches up](Self::catching_up) makes up every lateness.
#[derive(Clone, Debug)]
pub struct Pace {
    bytes_per_s: f64,
    began: Stamp,
    /// The largest lateness that is made up.
    made_up: Duration,
    /// The time since `began` at which the next bytes are due. Forgiven lateness is added to this time.
    due: Duration,
    /// The number of bytes that have passed.
    passed: u64,
}

impl Pace {
    /// Creates a pace that starts now.
    pub fn new(rate: Rate) -> Self {
        let bytes_per_s = rate.bytes_per_s() as f64;
        Self { bytes_per_s, began: Stamp::now(), made_up: LATE, due: Duration::ZERO, passed: 0 }
    }

    /// Makes the pace forgive no lateness: after a pause, pieces follow without a wait until the flow is back on
    /// schedule. The offered load then does not depend on the speed of the receiver (an open loop).
    #[must_use]
    pub fn catching_up(self) -> Self {
        Self { made_up: Duration::MAX, ..self }
    }

    /// Returns the time by which a piece that passes at `now` is behind schedule. The schedule begins with the pace and
    /// never shifts. The caller counts the piece afterwards ([`pass`](Self::pass)).
    pub fn lateness(&self, now: Stamp) -> Duration {
        now.since(self.began).saturating_sub(self.seconds(self.passed as f64))
    }

    fn seconds(&self, bytes: f64) -> Duration {
        Duration::try_from_secs_f64(bytes / self.bytes_per_s).unwrap_or(Duration::MAX)
    }

    /// Counts `bytes` that pass now. Returns the wait before the next bytes, or `None` if the wait is too short for a
    /// timer.
    pub fn pass(&mut self, bytes: usize) -> Option<Duration> {
        self.pass_at(self.began.elapsed(), bytes)
    }

    fn pass_at(&mut self, now: Duration, bytes: usize) -> Option<Duration> {
        self.passed = self.passed.saturating_add(bytes as u64);
        let from = self.due.max(now.saturating_sub(self.made_up));
        self.due = from.saturating_add(self.seconds(bytes as f64));
        Some(self.due.saturating_sub(now)).filter(|wait| *wait >= SHORTEST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pace(bytes_per_s: u64) -> Pace {
        Pace::new(Rate::try_from(bytes_per_s).unwrap())
    }

    /// Returns the seconds that `pieces` pieces take on a clock that advances only by the waits, each of which is 1.3
    /// ms too long.
    fn seconds(rate: u64, piece: usize, pieces: usize) -> f64 {
        let (mut pace, mut now) = (pace(rate), Duration::ZERO);
        for _ in 0..pieces {
            if let Some(wait) = pace.pass_at(now, piece) {
                now += wait + Duration::from_micros(1300);
            }
        }
        now.as_secs_f64()
    }

    #[test]
    fn the_rate_holds_for_large_and_for_tiny_pieces() {
        for (piece, pieces) in [(1 << 20, 100), (1452, 72_000), (1, 200_000)] {
            let expected = (piece * pieces) as f64 / 1e8;
            let took = seconds(100_000_000, piece, pieces);
            assert!((took - expected).abs() <= 0.004, "{took} s instead of {expected} s");
        }
    }

    #[test]
    fn idle_time_earns_no_credit_beyond_timer_lateness() {
        let mut pace = pace(1000);
        assert_eq!(pace.pass_at(Duration::ZERO, 1000), Some(Duration::from_secs(1)));
        assert_eq!(pace.pass_at(Duration::from_secs(60), 1000), Some(Duration::from_secs(1) - LATE));
    }

    #[test]
    fn a_pace_that_catches_up_returns_to_its_schedule() {
        let mut pace = pace(1000).catching_up();
        assert_eq!(pace.pass_at(Duration::ZERO, 1000), Some(Duration::from_secs(1)));
        // The flow is five seconds late, so the pieces of five seconds pass at once.
        let late = Duration::from_secs(6);
        (0..5).for_each(|_| assert_eq!(pace.pass_at(late, 1000), None));
        assert_eq!(pace.pass_at(late, 1000), Some(Duration::from_secs(1)));
    }

    #[test]
    fn lateness_is_against_a_schedule_that_never_shifts() {
        for mut pace in [pace(1000), pace(1000).catching_up()] {
            let at = |seconds| pace.began + Duration::from_secs(seconds);
            let (early, late, later) = (at(0), at(6), at(7));
            assert_eq!(pace.lateness(early), Duration::ZERO);
            pace.pass_at(Duration::ZERO, 1000);
            assert_eq!(pace.lateness(late), Duration::from_secs(5));
            pace.pass_at(Duration::from_secs(6), 1000);
            // From 6 s to 7 s, one piece of one second has passed: the lateness stays, also if the pace has forgiven
            // the wait.
            assert_eq!(pace.lateness(later), Duration::from_secs(5));
        }
    }
}
