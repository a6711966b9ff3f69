//! The rate of an emulated network, and the window of its relay, as causes.

use crate::{Cause, LimitedBy, NetworkRecord, Record, RelayKind};

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
        Self { rtt_us, min_rtt_us: None, losses: 0 }
    }
}
