//! The rate of an emulated network, and the window of its relay, as causes.

use std::time::Duration;

use crate::{Cause, Direction, LimitedBy, NetworkRecord, Record, RelayKind};

use super::network::{Bound, Path};

/// The least share of a rate, or of the window of a relay, that counts as used. The beginning and the end of a transfer
/// leave the rest.
const USED: f64 = 0.9;

impl Record {
    /// Returns the rate of the emulated network as the cause, if the body took at least 90 % of it. `share` is the
    /// share of the time to state as evidence.
    pub(super) fn emulated_rate(&self, elapsed_s: f64, share: f64) -> Option<LimitedBy> {
        let network = self.network.as_ref()?;
        let rate = network.asked.rate?;
        let carried = network.of_body(self.case.direction).bytes as f64 / elapsed_s;
        let is_used = carried >= USED * rate.bytes_per_s();
        let evidence = || format!("{} of {rate}/s", self.total_rate(elapsed_s));
        is_used.then(|| LimitedBy::new(Cause::PathRate, share, evidence()))
    }

    /// Returns the emulated network whose relay ends TCP connections; `None` for any other network, or without one.
    pub(super) fn relay_of_tcp(&self) -> Option<&NetworkRecord> {
        self.network.as_deref().filter(|network| network.relay == RelayKind::Sockets)
    }

    /// Returns the bound on TCP connections that end at a relay: the windows of HTTP/2, or else the full window of the
    /// relay. The sender's kernel counts only the connection to the relay, which has no distance, so its counters are
    /// of no use.
    pub(super) fn bound_of_relayed_tcp(&self, relay: &NetworkRecord) -> Option<Bound> {
        if let Some(bound) = self.http2_bound() {
            return Some(bound);
        }
        let window = relay.asked.window_bytes();
        let held = relay.of_body(self.case.direction).queue_peak_bytes?;
        let bytes = Some(window.saturating_mul(u64::from(self.case.connections.max(1))));
        (held as f64 >= USED * window as f64).then_some(Bound { cause: Cause::ConnectionWindow, bytes })
    }
}

impl Path {
    /// Returns the path through a relay at which TCP ends.
    pub(super) fn of_relay(relay: &NetworkRecord) -> Self {
        let rtt_us = relay.least_round_trip_us().unwrap_or_default() as u64;
        Self { rtt_us, min_rtt_us: None, longest_wait_us: 0, losses: 0 }
    }

    /// Returns this path with the facts of its emulated network. Jitter makes round trips longer, and packets that
    /// overtake others make the shortest one shorter, both without a queue. A packet waits in the queue of a rate only,
    /// for the time in which the rate sends the bytes of the queue.
    pub(super) fn over(self, network: &NetworkRecord, direction: Direction) -> Self {
        let asked = &network.asked;
        let without_queue = micros(asked.rtt.saturating_add(asked.jitter.saturating_mul(2)));
        let peak = network.of_body(direction).queue_peak_bytes.unwrap_or_else(|| asked.queue_bytes());
        let longest = asked.rate.map_or(0.0, |rate| peak as f64 / rate.bytes_per_s() * 1e6);
        Self {
            min_rtt_us: self.min_rtt_us.map(|least| least.max(without_queue)),
            longest_wait_us: longest as u64,
            ..self
        }
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
