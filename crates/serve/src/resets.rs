//! The bound on requests of one connection that break.

use std::time::Duration;

use metrics::Stamp;

/// The broken requests that a connection may have at once, and the time that earns it another: those of nghttp2
/// (NGHTTP2_DEFAULT_STREAM_RESET_BURST and NGHTTP2_DEFAULT_STREAM_RESET_RATE in its lib/nghttp2_session.h), which
/// answered the rapid reset attack (CVE-2023-44487) with them.
const BURST: u32 = 1000;
const EARNED_PER_S: u32 = 33;

/// The requests that may still break before their connection is closed.
#[derive(Debug)]
pub(crate) struct ResetBudget {
    left: f64,
    at: Stamp,
}

impl ResetBudget {
    /// A full budget.
    pub(crate) fn new() -> Self {
        Self { left: BURST.into(), at: Stamp::now() }
    }

    /// Takes one broken request from the budget. Returns false if nothing was left.
    pub(crate) fn spend(&mut self) -> bool {
        let now = Stamp::now();
        let elapsed = now.since(self.at);
        self.at = now;
        self.spend_after(elapsed)
    }

    fn spend_after(&mut self, elapsed: Duration) -> bool {
        let earned = elapsed.as_secs_f64() * f64::from(EARNED_PER_S);
        self.left = (self.left + earned).min(BURST.into()) - 1.0;
        self.left >= 0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_of_a_thousand_resets_passes_and_then_33_a_second() {
        let mut budget = ResetBudget::new();
        assert!((0..BURST).all(|_| budget.spend_after(Duration::ZERO)));
        assert!(!budget.spend_after(Duration::ZERO));
        let mut budget = ResetBudget::new();
        let step = Duration::from_millis(31);
        assert!((0..10_000).all(|_| budget.spend_after(step)));
        let step = Duration::from_millis(15);
        assert!(!(0..10_000).all(|_| budget.spend_after(step)));
    }
}
