//! An established QUIC connection.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use quinn::Endpoint;
use record::{QuicBlocked, QuicStats, TransportStats};

use super::{
    OpeningWindows,
    agreed::Agreed,
    closing,
    receives::{Receives, Share},
    seat::Seat,
};
use crate::{
    Error, FramingObserver, Link, cipher::suite_name, framing::SizeLog, probe::Probe, session::LinkSource,
    window_budget::Window,
};

/// An established connection, with the endpoint that drives it.
#[derive(Debug)]
pub(crate) struct Established {
    pub(crate) connection: quinn::Connection,
    probe: Arc<Probe>,
    /// The windows that open with the connection's data; `None` if they are open from the start.
    windows: Option<Arc<OpeningWindows>>,
    /// The endpoint of a client. `None` for a server, whose endpoint belongs to its listener.
    endpoint: Option<Endpoint>,
    /// The counter of received datagrams; `None` without observation of the framing.
    framing: Option<FramingObserver>,
    receives: Share,
}

impl Established {
    pub(super) fn new(connection: quinn::Connection, probe: Arc<Probe>, receives: &Receives) -> Self {
        let receives = receives.share();
        Self { connection, probe, windows: None, endpoint: None, framing: None, receives }
    }

    pub(super) fn with_windows(
        mut self,
        receive: Option<Window>,
        send: Option<Window>,
        seat: Option<Seat>,
    ) -> Self {
        let connection = self.connection.clone();
        seat.iter().for_each(|seat| seat.establish(&connection));
        let opening = receive.is_some() || send.is_some();
        let windows = opening.then(|| Arc::new(OpeningWindows { connection, receive, send, seat }));
        self.windows = windows;
        self
    }

    /// Returns the windows that grow with the bytes that pass, which the engine must report. `None` if the windows are
    /// open from the start.
    pub(crate) fn windows(&self) -> Option<Arc<OpeningWindows>> {
        self.windows.clone()
    }

    pub(super) fn with_endpoint(mut self, endpoint: Endpoint) -> Self {
        self.endpoint = Some(endpoint);
        self
    }

    pub(super) fn with_framing(mut self, framing: Option<FramingObserver>) -> Self {
        self.framing = framing;
        self
    }

    /// Returns the sizes of received DATA frames, which the engine must report. `None` if nothing is counted.
    pub(crate) fn data_frames(&self) -> Option<SizeLog> {
        self.framing.as_ref().map(|framing| framing.data_frames.clone())
    }

    /// Closes the connection with an error code of the application. A client waits until the peer has been notified.
    pub(crate) async fn close(&self, code: u32) {
        closing::close(&self.connection, code.into(), b"");
        if let Some(endpoint) = &self.endpoint {
            endpoint.wait_idle().await;
        }
    }

    /// Checks the application protocol.
    ///
    /// # Errors
    /// Fails if the handshake agreed on another protocol, or on none.
    pub(super) fn assert_alpn(&self, expected: &str) -> Result<(), Error> {
        let agreed = self.alpn();
        if agreed.as_deref() == Some(expected) {
            return Ok(());
        }
        let agreed = agreed.as_deref().unwrap_or("none");
        Err(Error::handshake(format!("the application protocol is {agreed}, not {expected}")))
    }

    fn alpn(&self) -> Option<String> {
        self.agreed()?.protocol.map(|name| String::from_utf8_lossy(&name).into_owned())
    }

    fn agreed(&self) -> Option<Box<Agreed>> {
        self.connection.handshake_data()?.downcast().ok()
    }
}

impl Drop for Established {
    /// Prepares the close of the connection, which follows once all its streams are dropped.
    fn drop(&mut self) {
        closing::open_window(&self.connection);
    }
}

#[async_trait]
impl LinkSource for Established {
    fn link(&self) -> Link {
        let (stats, agreed) = (self.connection.stats(), self.agreed());
        let micros = |duration: Duration| u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        Link {
            alpn: self.alpn(),
            cipher: agreed.as_ref().and_then(|agreed| agreed.suite).map(suite_name),
            resumed: agreed.and_then(|agreed| agreed.resumed),
            mtu: Some(stats.path.current_mtu.into()),
            stats: Some(TransportStats::Quic(QuicStats {
                datagrams_sent: stats.udp_tx.datagrams,
                datagrams_received: stats.udp_rx.datagrams,
                bytes_sent: stats.udp_tx.bytes,
                bytes_received: stats.udp_rx.bytes,
                sends: stats.udp_tx.ios,
                receives: self.receives.calls(),
                lost_packets: stats.path.lost_packets,
                congestion_events: stats.path.congestion_events,
                mtu: stats.path.current_mtu.into(),
                rtt_us: micros(stats.path.rtt),
                cwnd: closing::window(&self.connection, stats.path.cwnd),
                min_rtt_us: Some(micros(stats.path.min_rtt)),
                blocked: Some(QuicBlocked {
                    connection_sent: stats.frame_tx.data_blocked,
                    stream_sent: stats.frame_tx.stream_data_blocked,
                    connection_received: stats.frame_rx.data_blocked,
                    stream_received: stats.frame_rx.stream_data_blocked,
                }),
                black_holes: Some(stats.path.black_holes_detected),
            })),
            ..self.probe.link()
        }
    }
}
