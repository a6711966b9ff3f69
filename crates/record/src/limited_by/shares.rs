//! The shares of the elapsed time that an end spends on its application and on its processor.

use crate::{Cause, End, EndRecord, LimitedBy};

use super::percent;

/// The shares of the elapsed time, each between 0 and 1. A share that is unknown is 0.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shares {
    /// The share of waiting for the application, as the mean of all bodies.
    pub(super) application: f64,
    /// The share of work on the processor, without busy-polling, as the mean of all threads that carry connections.
    working: f64,
    /// The share of waiting for the core with work to do. A busy-polling process also waits for its core without work,
    /// so the wait counts in proportion to the share of work in its processor time.
    delayed: f64,
    /// The share of work, busy-polling and waiting for the core.
    ready: f64,
}

impl Shares {
    pub(super) fn of(end: &EndRecord, elapsed_s: f64, bodies: u64) -> Self {
        let share = |seconds: Option<f64>| (seconds.unwrap_or(0.0) / elapsed_s).clamp(0.0, 1.0);
        let (user, system) = (end.cpu.user_s, end.cpu.system_s);
        let spin = end.cpu.spin_s.unwrap_or(0.0);
        let used = user.zip(system).map(|(user, system)| (user + system - spin).max(0.0));
        let worked = used.filter(|_| spin > 0.0).map_or(1.0, |used| used / (used + spin));
        let ready = used.unwrap_or(0.0) + spin + end.run_delay_s.unwrap_or(0.0);
        // The connections are spread over the threads of the end. An end limited by its processors therefore needs one
        // for each thread.
        let threads = end.worker_threads.as_ref().map_or(1, Vec::len).max(1) as f64;
        let working = share(used.map(|used| used / threads));
        let delayed = share(end.run_delay_s.map(|delay| delay * worked));
        // Both cover the time until the report, too: of a short body, they may sum up to more than its time.
        let whole = (working + delayed).max(1.0);
        Self {
            application: share(end.application_wait_s.map(|wait| wait / bodies.max(1) as f64)),
            working: working / whole,
            delayed: delayed / whole,
            ready: share(Some(ready)),
        }
    }

    /// Returns the share in which the end needs its processor, or waits for it with work to do.
    pub(super) fn processor(&self) -> f64 {
        self.working + self.delayed
    }

    /// Returns the share in which the end works, busy-polls or waits for its core.
    pub(super) fn ready(&self) -> f64 {
        self.ready
    }

    /// Returns the share in which the end neither works nor waits for its core or its application.
    pub(super) fn idle(&self) -> f64 {
        (1.0 - self.processor() - self.application).max(0.0)
    }

    /// Returns the processor of `end` as the cause.
    pub(super) fn processor_limit(&self, end: End, share: f64) -> LimitedBy {
        let cause = match end {
            End::Sender => Cause::SenderCpu,
            End::Receiver => Cause::ReceiverCpu,
        };
        let evidence = if self.delayed < WORTH_SAYING {
            format!("works {} of the time", percent(self.working))
        } else {
            format!(
                "works {} of the time, waits for its core {}",
                percent(self.working),
                percent(self.delayed)
            )
        };
        LimitedBy::new(cause, share, evidence)
    }
}

/// The least share of waiting for the core that is worth stating as evidence.
const WORTH_SAYING: f64 = 0.05;
