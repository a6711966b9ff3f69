//! The cause that limited the goodput of a run, judged from its record alone.

mod emulated;
mod network;
mod shares;
#[cfg(test)]
mod tests;

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{ByEnd, CoreConditions, End, Record};
use shares::Shares;

/// The cause that limited the goodput of a run, with its evidence.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct LimitedBy {
    /// The cause.
    pub cause: Cause,
    /// The share of the elapsed time that is evidence for the cause: at most 1.
    pub share: f64,
    /// The figures that are evidence for the cause, in words, such as `64KiB per 40.1 ms`.
    pub evidence: String,
}

/// A cause that limits goodput.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Cause {
    /// The sending application, which handed over the body no faster.
    Sender,
    /// The receiving application, which read the body no faster.
    Receiver,
    /// The processor of the sender.
    SenderCpu,
    /// The processor of the receiver.
    ReceiverCpu,
    /// The window that the peer grants to a stream.
    StreamWindow,
    /// The window that the peer grants to a connection: of HTTP/2, QUIC or TCP.
    ConnectionWindow,
    /// The buffer that keeps bytes at the sender until the peer acknowledges them.
    SendBuffer,
    /// The sender's congestion window.
    CongestionWindow,
    /// The rate of the path, at which packets wait in a queue between the ends.
    PathRate,
}

impl Cause {
    /// All causes.
    pub const ALL: [Self; 9] = [
        Self::Sender,
        Self::Receiver,
        Self::SenderCpu,
        Self::ReceiverCpu,
        Self::StreamWindow,
        Self::ConnectionWindow,
        Self::SendBuffer,
        Self::CongestionWindow,
        Self::PathRate,
    ];

    /// Returns the name of the cause for tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sender => "sender",
            Self::Receiver => "receiver",
            Self::SenderCpu => "sender CPU",
            Self::ReceiverCpu => "receiver CPU",
            Self::StreamWindow => "stream window",
            Self::ConnectionWindow => "connection window",
            Self::SendBuffer => "send buffer",
            Self::CongestionWindow => "congestion window",
            Self::PathRate => "path rate",
        }
    }
}

impl LimitedBy {
    fn new(cause: Cause, share: f64, evidence: String) -> Self {
        // More than three digits are noise, and lengthen every line of a record.
        Self { cause, share: (1000.0 * share).round() / 1000.0, evidence }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for LimitedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.cause, self.evidence)
    }
}

/// The least share of the time that a body waits for an application, if the application limits goodput. Bodies that
/// were held to a twelfth of the goodput of loopback waited for 92 to 99 % of the time.
const APPLICATION: f64 = 0.5;

/// The least share of the time for which an end needs its processor, or waits for it, if the processor limits goodput.
/// In the rest of such a run, the transfer begins and ends, and the ends wait for each other in bursts.
const PROCESSOR: f64 = 0.8;

/// The least sum of the shares of the time in which the two ends need their processors, if the processors limit
/// goodput.
///
/// Ends on two cores that a full window holds back work in turns, and their sum is at most 1. Under load that left the
/// ends half of the time of two cores, HTTP/1.1, HTTP/2 and HTTP/3 had sums of 1.0 to 1.1 with windows of 16 to 64 KiB.
/// With the default windows, the sums were 1.2 to 1.4.
const TOGETHER: f64 = 1.18;

/// The least share of the time in which the busier end needs its processor, if the counters of the network name no
/// cause. The ends of such a run work in turns.
const IN_TURNS: f64 = 0.5;

impl Record {
    /// Judges from the measurements what limited goodput. Sets the field `limited_by`.
    ///
    /// The first rule that holds decides:
    ///
    /// 1. A body waited for an application for at least half of the time (`application_wait_s`).
    /// 2. An end needed its processor, or waited for it, for at least 80 % of the time, or both ends together for at
    ///    least 118 % (`cpu`, `run_delay_s`), or for at least 80 % if they share one core (`conditions`). For an end
    ///    that busy-polls, the wait counts in proportion to the share of work in its processor time. The busier end is
    ///    the cause.
    /// 3. The body took at least 90 % of the rate of an emulated network, or the window of its relay was full
    ///    (`network`).
    /// 4. The counters of the sender's connection name a window, a buffer or the path (`send_waits`, `transport`).
    /// 5. The busier end needed its processor for at least half of the time.
    ///
    /// If no rule holds, or the run failed, the field is `None`.
    pub fn judge_limit(&mut self) {
        self.limited_by = self.limit_found();
    }

    fn limit_found(&self) -> Option<LimitedBy> {
        let elapsed = self.elapsed_s.filter(|elapsed| self.is_ok() && *elapsed > 0.0)?;
        let shares = ByEnd::from_fn(|end| {
            self.end(end).map(|measured| Shares::of(measured, elapsed, self.case.bodies()))
        });
        let busiest = |share: fn(&Shares) -> f64| {
            let of = |end: End| shares[end].as_ref().map(|shares| (end, share(shares)));
            End::ALL.into_iter().filter_map(of).max_by(|a, b| a.1.total_cmp(&b.1))
        };
        let application = busiest(|shares| shares.application).filter(|(_, share)| *share >= APPLICATION);
        if let Some((end, share)) = application {
            return Some(self.application(end, share));
        }
        let processor = busiest(Shares::processor);
        let on =
            |(end, share): (End, f64)| shares[end].as_ref().map(|shares| shares.processor_limit(end, share));
        let sum = |share: fn(&Shares) -> f64| {
            shares.iter().filter_map(|(_, shares)| shares.as_ref()).map(share).sum::<f64>()
        };
        let together = sum(Shares::processor);
        let enough = if self.is_on_one_core() { PROCESSOR } else { TOGETHER };
        if let Some(busy) = processor.filter(|(_, share)| *share >= PROCESSOR || together >= enough) {
            return on(busy);
        }
        let network = self.network_limit(elapsed, shares[End::Sender].as_ref(), sum(Shares::ready));
        network.or_else(|| processor.filter(|(_, share)| *share >= IN_TURNS).and_then(on))
    }

    /// Returns whether both ends have one thread, bound to the same core. Such ends work in turns whatever the windows are.
    fn is_on_one_core(&self) -> bool {
        let has_threads = |end| {
            let threads = self.end(end).and_then(|end| end.worker_threads.as_ref());
            threads.is_some_and(|threads| threads.len() > 1)
        };
        let core = |end: &Option<CoreConditions>| end.as_ref().map(|conditions| conditions.core);
        let cores = self.conditions.as_ref().map(|at| (core(&at.sender_core), core(&at.receiver_core)));
        let is_shared = cores.is_some_and(|(sender, receiver)| sender.is_some() && sender == receiver);
        is_shared && self.peer_host.is_none() && !End::ALL.into_iter().any(has_threads)
    }

    fn application(&self, end: End, share: f64) -> LimitedBy {
        let (cause, rate, what) = match end {
            End::Sender => (Cause::Sender, self.case.limit_rate, "its body"),
            End::Receiver => (Cause::Receiver, self.case.reader_rate, "its sink"),
        };
        let what = rate.map_or_else(|| what.to_owned(), |rate| format!("its rate of {rate}/s"));
        LimitedBy::new(cause, share, format!("waits for {what} {} of the time", percent(share)))
    }
}

/// Returns a share of the time in words.
fn percent(share: f64) -> String {
    format!("{:.0} %", 100.0 * share)
}
