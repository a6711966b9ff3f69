//! Retries of a transfer after a transient failure, with the waiting times of curl.

use std::time::Duration;

use http::StatusCode;
use metrics::Stamp;
use record::{Fault, FaultKind};

use crate::{Transfer, attempt::Measured};

/// The wait before the first retry. It doubles with each retry.
const FIRST_WAIT: Duration = Duration::from_secs(1);

/// The longest wait, unless the server asks for a longer one.
const LONGEST_WAIT: Duration = Duration::from_secs(10 * 60);

/// The retries of a transfer. The default makes none.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct RetryOptions {
    /// The most retries.
    pub most: u32,
    /// The wait before each retry; `None` for 1 s before the first one, and twice as long before each further one, up to
    /// 10 minutes.
    pub delay: Option<Duration>,
    /// The time since the first try after which no retry begins; `None` for no limit.
    pub max_time: Option<Duration>,
    /// The function that is told of each retry before its wait; `None` tells nobody.
    pub notice: Option<fn(&Retry<'_>)>,
}

impl RetryOptions {
    /// Sets the most retries.
    #[must_use]
    pub fn with_most(self, most: u32) -> Self {
        Self { most, ..self }
    }

    /// Sets the wait before each retry; `None` doubles it with each retry.
    #[must_use]
    pub fn with_delay(self, delay: impl Into<Option<Duration>>) -> Self {
        Self { delay: delay.into(), ..self }
    }

    /// Sets the time since the first try after which no retry begins.
    #[must_use]
    pub fn with_max_time(self, max_time: impl Into<Option<Duration>>) -> Self {
        Self { max_time: max_time.into(), ..self }
    }

    /// Sets the function that is told of each retry.
    #[must_use]
    pub fn with_notice(self, notice: impl Into<Option<fn(&Retry<'_>)>>) -> Self {
        Self { notice: notice.into(), ..self }
    }
}

/// A retry that is about to begin.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Retry<'a> {
    /// The failure of the last try.
    pub fault: &'a Fault,
    /// The wait before the retry.
    pub wait: Duration,
    /// The number of retries that remain after this one.
    pub left: u32,
}

/// The tries of one transfer.
pub(crate) struct Tries {
    options: RetryOptions,
    made: u32,
    wait: Duration,
    began: Stamp,
}

impl Tries {
    /// Returns the tries of a transfer whose first try begins now.
    pub(crate) fn begin(options: RetryOptions) -> Self {
        Self { options, made: 1, wait: options.delay.unwrap_or(FIRST_WAIT), began: Stamp::now() }
    }

    /// Returns the number of tries so far.
    pub(crate) fn made(&self) -> u32 {
        self.made
    }

    /// Returns whether the user allows any retry.
    pub(crate) fn are_allowed(&self) -> bool {
        self.options.most > 0
    }

    /// Begins another try, and returns the wait before it: at least what the server asks for. `None` if no try is left.
    pub(crate) fn next(&mut self, fault: &Fault, asked: Option<Duration>) -> Option<Duration> {
        let left = self.options.most.checked_sub(self.made)?;
        let wait = asked.unwrap_or_default().max(self.wait);
        let max_time = self.options.max_time.unwrap_or(Duration::MAX);
        if self.began.elapsed().saturating_add(wait) > max_time {
            return None;
        }
        if self.options.delay.is_none() {
            self.wait = (2 * self.wait).min(LONGEST_WAIT);
        }
        self.made += 1;
        if let Some(notice) = self.options.notice {
            notice(&Retry { fault, wait, left });
        }
        Some(wait)
    }
}

/// Returns whether the failure of an attempt is transient. As in curl, these are timeouts, hosts without an address,
/// and the statuses in [`TRANSIENT`]. A refused connection is not transient.
pub(crate) fn is_transient(measured: &Measured) -> bool {
    let is_status = |refusal: &crate::answer::Refusal| TRANSIENT.contains(&refusal.status);
    let is_timeout = |fault: &Fault| fault.kind == FaultKind::Timeout;
    measured.is_unresolved
        || measured.refusal.as_ref().is_some_and(is_status)
        || measured.outcome.fault.as_ref().is_some_and(is_timeout)
}

/// Returns whether the transfer broke off, and another try would continue where it ended. Such a failure is worth a
/// retry, because no byte is sent twice.
pub(crate) fn is_resumable(transfer: &Transfer, measured: &Measured) -> bool {
    let is_broken = |fault: &Fault| matches!(fault.kind, FaultKind::Protocol | FaultKind::Truncated);
    transfer.goes_on() && measured.refusal.is_none() && measured.outcome.fault.as_ref().is_some_and(is_broken)
}

/// The statuses of transient refusals.
const TRANSIENT: [StatusCode; 6] = [
    StatusCode::REQUEST_TIMEOUT,
    StatusCode::TOO_MANY_REQUESTS,
    StatusCode::INTERNAL_SERVER_ERROR,
    StatusCode::BAD_GATEWAY,
    StatusCode::SERVICE_UNAVAILABLE,
    StatusCode::GATEWAY_TIMEOUT,
];

#[cfg(test)]
mod tests {
    use super::*;

    fn waits(options: RetryOptions, asked: Option<u64>) -> Vec<u64> {
        let (mut tries, fault) = (Tries::begin(options), Fault::new(FaultKind::Http, "no"));
        let next = || tries.next(&fault, asked.map(Duration::from_secs));
        std::iter::from_fn(next).map(|wait| wait.as_secs()).collect()
    }

    #[test]
    fn waits_double_up_to_ten_minutes() {
        let options = RetryOptions::default().with_most(12);
        assert_eq!(waits(options, None), [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600]);
        assert_eq!(waits(RetryOptions::default(), None), [0; 0]);
    }

    #[test]
    fn a_delay_of_the_user_stays_and_one_of_the_server_is_the_least() {
        let options = RetryOptions::default().with_most(3);
        assert_eq!(waits(options.with_delay(Duration::from_secs(5)), None), [5, 5, 5]);
        assert_eq!(waits(options, Some(3)), [3, 3, 4]);
    }

    #[test]
    fn no_retry_begins_after_the_time_for_all() {
        let options = RetryOptions::default().with_most(9).with_max_time(Duration::from_secs(7));
        assert_eq!(waits(options, None), [1, 2, 4]);
    }
}
