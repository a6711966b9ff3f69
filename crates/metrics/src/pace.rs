//! The pace of a flow that is held to a rate.

use std::time::Duration;

use record::Rate;

use crate::Stamp;

/// The shortest wait worth a timer. Shorter ones accumulate, because the timers of tokio tick once a millisecond.
const SHORTEST: Duration = Duration::from_millis(1);

/// The most lateness that is made up: timers oversleep, especially on a busy core.
const LATE: Duration = Duration::from_millis(20);

/// The schedule of a flow: computes the wait between pieces that holds them to a rate.
///
/// Idle time earns no credit: after a pause the flow resumes at the configured rate without a burst. Only timer
/// lateness, up to 20 ms, is made up.
#[derive(Clone, Debug)]
pub struct Pace {
    bytes_per_s: f64,
    began: Stamp,
    /// The time since `began` at which the bytes that have passed were due.
    due: Duration,
}

impl Pace {
    /// Makes a pace that starts now.
    pub fn new(rate: Rate) -> Self {
        Self { bytes_per_s: rate.bytes_per_s() as f64, began: Stamp::now(), due: Duration::ZERO }
    }

    /// Counts `bytes` that pass now. Returns the wait before the next bytes, or `None` if it is too short for a timer.
    pub fn pass(&mut self, bytes: usize) -> Option<Duration> {
        self.pass_at(self.began.elapsed(), bytes)
    }

    fn pass_at(&mut self, now: Duration, bytes: usize) -> Option<Duration> {
        self.due =
            self.due.max(now.saturating_sub(LATE)) + Duration::from_secs_f64(bytes as f64 / self.bytes_per_s);
        Some(self.due.saturating_sub(now)).filter(|wait| *wait >= SHORTEST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pace(bytes_per_s: u64) -> Pace {
        Pace::new(Rate::try_from(bytes_per_s).unwrap())
    }

    /// The seconds for `pieces` on a clock that advances only by the waits, each 1.3 ms too long.
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
}
