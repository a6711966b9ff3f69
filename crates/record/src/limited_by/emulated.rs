//! The rate of an emulated network, and the window of its relay, as causes.

use crate::{Cause, LimitedBy, NetworkRecord, Record, RelayKind};

use super::network::{Bound, Path};

/// The least share of a rate, or of a relay's window, that counts as used: the beginning and the end of a transfer are left over.
const USED: f64 = 0.9;

impl Record {
    /// Returns the rate of the emulated network as the cause, if the body takes all of it. `share` of the time speaks for it.
    pub(super) fn emulated_rate(&self, elapsed_s: f64, share: f64) -> Option<LimitedBy> {
        let network = self.network.as_ref()?;
        let rate = network.asked.rate?;
        let carried = network.of_body(self.case.direction).bytes as f64 / elapsed_s;
        let is_used = carried >= USED * rate.bytes_per_s();
        let evidence = || format!("{} of {rate}/s", self.total_rate(elapsed_s));
        is_used.then(|| LimitedBy::new(Cause::PathRate, share, evidence()))
    }

    /// Returns the emulated network at whose relay the connections of TCP end; `None` without one.
    pub(super) fn relay_of_tcp(&self) -> Option<&NetworkRecord> {
        self.network.as_ref().filter(|network| network.relay == RelayKind::Sockets)
    }

    /// Returns the bound that holds over TCP whose connections end at a relay: HTTP/2's windows, or that of the relay. The
    /// counters of the sender's kernel are those of a connection to the relay, which has no distance.
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
