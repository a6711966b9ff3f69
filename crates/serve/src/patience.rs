//! The tolerance of a server for slow clients: a credit of time, which bytes earn.

use std::time::Duration;

use metrics::Stamp;
use record::Rate;

/// The longest time between two checks of the progress of a transfer.
const LONGEST_LOOK: Duration = Duration::from_secs(1);

/// The number of checks within one idle timeout. A stall is noticed at most an eighth of the timeout too late.
const LOOKS: u32 = 8;

/// The shortest time between two checks: tokio's `interval` panics if its period is zero.
const SHORTEST_LOOK: Duration = Duration::from_millis(1);

/// The bytes per second that a connection moves without a body: acknowledgements, and probes of a silent peer. If no
/// least rate is set, a connection must exceed this rate to count as moving.
const NOISE: u64 = 1 << 10;

/// The bounds on the slowness of a client.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// The longest time without a byte of a body.
    pub(crate) idle: Duration,
    /// The least rate, averaged over the idle timeout. `None` accepts any rate.
    pub(crate) min_rate: Option<Rate>,
}

impl Patience {
    /// Returns the time between two checks of the progress of a transfer.
    pub(crate) fn look(&self) -> Duration {
        (self.idle / LOOKS).clamp(SHORTEST_LOOK, LONGEST_LOOK)
    }
}

/// The time that a client has left. Its initial and largest value is one idle timeout. Elapsed time reduces the credit,
/// and each byte adds the time that it may take at the least rate.
#[derive(Debug)]
pub(crate) struct Credit {
    patience: Patience,
    left: Duration,
    at: Stamp,
}

impl Credit {
    /// Returns a full credit.
    pub(crate) fn new(patience: Patience) -> Self {
        Self { patience, left: patience.idle, at: Stamp::now() }
    }

    /// Subtracts the time since the last call, and adds the credit for the bytes that moved in that time. Returns the
    /// time that is left.
    pub(crate) fn spend(&mut self, moved: Moved) -> Duration {
        let now = Stamp::now();
        let elapsed = now.since(self.at);
        self.at = now;
        self.spend_for(elapsed, moved)
    }

    /// Discards the time since the last call, in which the server did not wait for the client.
    pub(crate) fn pause(&mut self) {
        self.at = Stamp::now();
    }

    fn spend_for(&mut self, elapsed: Duration, moved: Moved) -> Duration {
        let (idle, rate) = (self.patience.idle, self.patience.min_rate.map(Rate::bytes_per_s));
        let time_of =
            |bytes: u64, rate: u64| Duration::try_from_secs_f64(bytes as f64 / rate as f64).unwrap_or(idle);
        let earned = match moved {
            Moved::Body(0) => Duration::ZERO,
            Moved::Body(bytes) => rate.map_or(idle, |rate| time_of(bytes, rate)),
            Moved::Connection(bytes) => time_of(bytes, rate.unwrap_or(NOISE)),
        };
        self.left = self.left.saturating_add(earned).saturating_sub(elapsed).min(idle);
        self.left
    }
}

/// A number of bytes that moved.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Moved {
    /// The bytes of one body.
    Body(u64),
    /// The bytes of a connection: those of bodies, and a few others.
    Connection(u64),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credit(min_rate: Option<u64>) -> Credit {
        let min_rate = min_rate.map(|rate| Rate::try_from(rate).unwrap());
        Credit::new(Patience { idle: Duration::from_secs(30), min_rate })
    }

    /// Returns the seconds until a client runs out of credit that sends `bytes` every `seconds`.
    fn lasts(min_rate: Option<u64>, bytes: u64, seconds: u64) -> Option<u64> {
        let mut credit = credit(min_rate);
        (1..1000)
            .map(|n| n * seconds)
            .find(|_| credit.spend_for(Duration::from_secs(seconds), Moved::Body(bytes)).is_zero())
    }

    #[test]
    fn silence_lasts_one_idle_timeout() {
        assert_eq!(lasts(Some(1024), 0, 1), Some(30));
        assert_eq!(lasts(None, 0, 1), Some(30));
    }

    #[test]
    fn a_rate_below_the_least_one_ends_and_any_other_does_not() {
        assert_eq!(lasts(Some(1024), 1, 1), Some(31));
        assert_eq!(lasts(Some(1024), 512, 1), Some(60));
        assert_eq!(lasts(Some(1024), 1024, 1), None);
        assert_eq!(lasts(Some(1024), 29 << 10, 29), None);
        assert_eq!(lasts(None, 1, 29), None);
    }

    #[test]
    fn a_burst_earns_no_more_than_one_idle_timeout() {
        let mut credit = credit(Some(1024));
        let secs = Duration::from_secs;
        assert_eq!(credit.spend_for(secs(29), Moved::Body(u64::MAX)), secs(30));
        assert_eq!(credit.spend_for(secs(31), Moved::Body(0)), Duration::ZERO);
    }

    #[test]
    fn the_noise_of_a_connection_is_no_body_even_if_any_rate_will_do() {
        let mut credit = credit(None);
        let second = Duration::from_secs(1);
        assert!((0..29).all(|_| !credit.spend_for(second, Moved::Connection(100)).is_zero()));
        assert!((0..10).any(|_| credit.spend_for(second, Moved::Connection(100)).is_zero()));
        assert!((0..29).all(|_| !credit.spend_for(second, Moved::Connection(1 << 20)).is_zero()));
    }

    #[test]
    fn an_idle_timeout_of_zero_or_of_centuries_is_looked_at_in_time() {
        for (idle, look) in [(Duration::ZERO, SHORTEST_LOOK), (Duration::MAX, LONGEST_LOOK)] {
            let patience = Patience { idle, min_rate: None };
            assert_eq!(patience.look(), look);
            Credit::new(patience).spend(Moved::Body(1));
        }
    }
}
