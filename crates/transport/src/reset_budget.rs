//! The budget of broken streams on a connection, whether the client cancels them or the server gives them up: a defence
//! against rapid reset (CVE-2023-44487).

use std::time::Duration;

use tokio::time::Instant;

/// The cancelled streams that are tolerated at once: `NGHTTP2_DEFAULT_STREAM_RESET_BURST` of nghttp2 1.57.
const BURST: u32 = 1000;

/// The further cancelled streams that are tolerated per second: `NGHTTP2_DEFAULT_STREAM_RESET_RATE` of nghttp2 1.57.
const PER_SECOND: u32 = 33;

/// The time after which one more cancelled stream is tolerated.
const REFILL: Duration = Duration::from_nanos(1_000_000_000 / PER_SECOND as u64);

/// The budget of one connection. A browser that cancels the downloads of a page when its user leaves stays far below
/// this budget.
#[derive(Debug)]
pub struct ResetBudget {
    left: u32,
    refilled: Instant,
}

impl ResetBudget {
    /// Returns the whole budget, at the start of a connection.
    pub fn new(now: Instant) -> Self {
        Self { left: BURST, refilled: now }
    }

    /// Takes one cancelled stream from the budget. Returns false if none is left: the connection should then end with
    /// ENHANCE_YOUR_CALM or H3_EXCESSIVE_LOAD.
    #[must_use]
    pub fn spend(&mut self, now: Instant) -> bool {
        let waited = now.saturating_duration_since(self.refilled);
        let earned = u32::try_from(waited.as_nanos() / REFILL.as_nanos()).unwrap_or(u32::MAX);
        if earned >= BURST.saturating_sub(self.left) {
            *self = Self::new(now);
        } else {
            self.left = self.left.saturating_add(earned);
            // The remainder of the elapsed time counts towards the next refill.
            self.refilled += REFILL.saturating_mul(earned);
        }
        match self.left.checked_sub(1) {
            Some(left) => {
                self.left = left;
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_tolerated_and_one_more_is_not() {
        let now = Instant::now();
        let mut budget = ResetBudget::new(now);
        assert!((0..BURST).all(|_| budget.spend(now)));
        assert!(!budget.spend(now));
    }

    #[test]
    fn the_budget_is_refilled_at_its_rate_and_not_beyond_the_burst() {
        let start = Instant::now();
        let mut budget = ResetBudget::new(start);
        let spendable = |budget: &mut ResetBudget, at: Duration| {
            (0..2 * BURST).take_while(|_| budget.spend(start + at)).count()
        };
        assert_eq!(spendable(&mut budget, Duration::ZERO), BURST as usize);
        assert_eq!(spendable(&mut budget, Duration::from_secs(1)), PER_SECOND as usize);
        assert_eq!(spendable(&mut budget, Duration::from_secs(2)), PER_SECOND as usize);
        assert_eq!(spendable(&mut budget, Duration::from_secs(3600)), BURST as usize);
    }

    #[test]
    fn a_steady_rate_below_the_refill_never_exhausts_the_budget() {
        let start = Instant::now();
        let mut budget = ResetBudget::new(start);
        assert!((0..100_000).all(|at| budget.spend(start + Duration::from_millis(31) * at)));
    }

    #[test]
    fn a_clock_that_goes_back_earns_nothing() {
        let start = Instant::now();
        let mut budget = ResetBudget::new(start + Duration::from_secs(60));
        assert!((0..BURST).all(|_| budget.spend(start)));
        assert!(!budget.spend(start));
    }
}
