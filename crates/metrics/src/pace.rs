//! Holds a flow of bytes to a rate.

use std::time::Duration;

use crate::Stamp;

/// Waits shorter than this are saved up: a timer of the runtime takes a millisecond anyway.
const SHORTEST: Duration = Duration::from_millis(1);

/// How much lateness is caught up with: timers oversleep, and a busy core does.
const LATE: Duration = Duration::from_millis(20);

/// Says how long to wait between pieces so that they pass at a rate. What was missed while nothing came is
/// not caught up with, but for what timers are late.
#[derive(Clone, Debug)]
pub struct Pace {
    bytes_per_s: f64,
    began: Stamp,
    /// When all that has passed was due, from the beginning.
    due: Duration,
}

impl Pace {
    /// A pace of so many bytes per second.
    pub fn new(bytes_per_s: u64) -> Self {
        Self { bytes_per_s: bytes_per_s.max(1) as f64, began: Stamp::now(), due: Duration::ZERO }
    }

    /// Lets `bytes` pass; tells how long to wait before the next ones, if that is worth a timer.
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

    /// Lets pieces pass on a clock that only the waits move, each a bit too long; gives the seconds they took.
    fn seconds(rate: u64, piece: usize, pieces: usize) -> f64 {
        let (mut pace, mut now) = (Pace::new(rate), Duration::ZERO);
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
    fn what_was_missed_is_not_caught_up_with() {
        let mut pace = Pace::new(1000);
        assert_eq!(pace.pass_at(Duration::ZERO, 1000), Some(Duration::from_secs(1)));
        assert_eq!(pace.pass_at(Duration::from_secs(60), 1000), Some(Duration::from_secs(1) - LATE));
    }
}
