//! The end of a connection: its CONNECTION_CLOSE frame leaves at once.
//!
//! quinn-proto 0.11.19 sends no CONNECTION_CLOSE while other frames wait for congestion window or pacer
//! (`poll_transmit` in its connection/mod.rs), and heeds no acknowledgement after the close. So a sender that closes in
//! the middle of a body would not tell its peer, which would wait for its idle timeout. RFC 9002 does not bind this
//! frame: a packet with nothing else is not ack-eliciting, and does not count as in flight (section 2). A closed
//! connection sends nothing but this frame (RFC 9000 section 10.2.1).

use std::{
    any::Any,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Instant,
};

use quinn::{
    VarInt,
    congestion::{Controller, ControllerFactory, ControllerMetrics},
};
use quinn_proto::RttEstimator;

/// The window of a connection that is closing. quinn does not pace windows above 4 GiB.
const UNLIMITED: u64 = u64::MAX;

/// Closes a connection with an error code of the application.
pub(crate) fn close(connection: &quinn::Connection, code: VarInt, reason: &[u8]) {
    open_window(connection);
    connection.close(code, reason);
}

/// Opens the congestion window of a connection that is about to be closed.
pub(super) fn open_window(connection: &quinn::Connection) {
    if let Some(controller) = controller(connection) {
        controller.closing.store(true, Relaxed);
    }
}

/// Returns the congestion window of a connection in bytes. `stated` is the window that quinn states.
pub(super) fn window(connection: &quinn::Connection, stated: u64) -> u64 {
    if stated < UNLIMITED {
        return stated;
    }
    controller(connection).map_or(stated, |controller| controller.inner.window())
}

/// Returns a copy of a connection's controller; `None` for a controller of quinn's own choice.
fn controller(connection: &quinn::Connection) -> Option<Box<Closable>> {
    connection.congestion_state().into_any().downcast().ok()
}

/// A factory of controllers whose windows open when their connections are closed.
pub(super) struct ClosableFactory(pub(super) Arc<dyn ControllerFactory + Send + Sync>);

impl ControllerFactory for ClosableFactory {
    fn build(self: Arc<Self>, now: Instant, current_mtu: u16) -> Box<dyn Controller> {
        Box::new(Closable { inner: self.0.clone().build(now, current_mtu), closing: Arc::default() })
    }
}

/// A congestion controller whose window opens when its connection is closed.
struct Closable {
    inner: Box<dyn Controller>,
    /// True from shortly before the close. Copies of the controller share it.
    closing: Arc<AtomicBool>,
}

impl Controller for Closable {
    fn on_sent(&mut self, now: Instant, bytes: u64, last_packet_number: u64) {
        self.inner.on_sent(now, bytes, last_packet_number);
    }

    fn on_ack(&mut self, now: Instant, sent: Instant, bytes: u64, app_limited: bool, rtt: &RttEstimator) {
        self.inner.on_ack(now, sent, bytes, app_limited, rtt);
    }

    fn on_end_acks(&mut self, now: Instant, in_flight: u64, app_limited: bool, largest: Option<u64>) {
        self.inner.on_end_acks(now, in_flight, app_limited, largest);
    }

    fn on_congestion_event(&mut self, now: Instant, sent: Instant, is_persistent: bool, lost_bytes: u64) {
        self.inner.on_congestion_event(now, sent, is_persistent, lost_bytes);
    }

    fn on_mtu_update(&mut self, new_mtu: u16) {
        self.inner.on_mtu_update(new_mtu);
    }

    fn window(&self) -> u64 {
        if self.closing.load(Relaxed) { UNLIMITED } else { self.inner.window() }
    }

    fn metrics(&self) -> ControllerMetrics {
        self.inner.metrics()
    }

    fn clone_box(&self) -> Box<dyn Controller> {
        Box::new(Self { inner: self.inner.clone_box(), closing: self.closing.clone() })
    }

    fn initial_window(&self) -> u64 {
        self.inner.initial_window()
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}
