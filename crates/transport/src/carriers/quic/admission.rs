//! The admission of clients: a client counts as connected only once its address is proven.
//!
//! Anybody can send first packets with a forged address. Each such packet costs a server the state of a connection
//! until the handshake times out. So only a few handshakes of clients with unproven addresses run at once, and the
//! caller sees no connection for them. A client whose early data is accepted counts as connected before its handshake
//! is complete. That needs a session of the listener, which has at most 256, each for one connection. Any further
//! client must prove its address by a retry, which costs a server no state (RFC 9000 section 8.1.2).

use std::{pin::Pin, sync::Arc, time::Duration};

use futures_util::{StreamExt as _, stream::FuturesUnordered};
use quinn::{Connecting, ConnectionError, Endpoint, Incoming, ServerConfig, VarInt};
use tokio::{
    runtime::Handle,
    sync::Mutex,
    time::{error::Elapsed, timeout},
};
use tracing::debug;

use super::{
    early_server::{self, Opened},
    seat::{Seat, SharedBuffer},
};

/// The time within which a client whose address is not proven must complete its handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// The most connection attempts that wait for admission, each with a first packet of some 4 KiB. Clients beyond this
/// number retransmit their first packet.
const MAX_INCOMING: usize = 1024;

/// The bytes that quinn buffers of one connection attempt before admission: a large ClientHello takes two packets.
const INCOMING_BUFFER: u64 = 16 << 10;

/// The bytes that quinn buffers of all connection attempts before admission.
const INCOMING_BUFFERS: u64 = 1 << 20;

/// Bounds the connection attempts that wait in quinn for admission, and their bytes. Each of `endpoints` endpoints has
/// an equal part of both bounds.
pub(super) fn bound(config: &mut ServerConfig, endpoints: u16) {
    config
        .max_incoming(MAX_INCOMING.div_ceil(endpoints.max(1).into()))
        .incoming_buffer_size(INCOMING_BUFFER)
        .incoming_buffer_size_total(INCOMING_BUFFERS.div_ceil(endpoints.max(1).into()));
}

/// A handshake whose client has not proven its address.
type HalfOpen =
    Pin<Box<dyn Future<Output = (Result<Result<Opened, ConnectionError>, Elapsed>, Option<Seat>)> + Send>>;

/// The beginning of handshakes.
#[derive(Clone)]
pub(super) struct Entry {
    /// The receive buffer that connections share; `None` if their windows are open from the start.
    pub(super) buffer: Option<SharedBuffer>,
    /// The first window of a connection, in bytes.
    pub(super) first: u32,
    /// The configuration of a connection that begins with the smallest window, while the server is crowded.
    pub(super) narrow: Arc<ServerConfig>,
    /// True if a connection begins once its early data is accepted.
    pub(super) takes_early_data: bool,
    /// The runtime whose thread drives the connections; `None` for the caller's own.
    pub(super) runtime: Option<Handle>,
}

impl Entry {
    /// Begins a handshake.
    ///
    /// # Errors
    /// Fails if the first packet is invalid.
    pub(super) fn begin(&self, incoming: Incoming) -> Result<(Connecting, Option<Seat>), ConnectionError> {
        // quinn drives a connection on the runtime of the context in which it was accepted.
        let _entered = self.runtime.as_ref().map(Handle::enter);
        let Some(buffer) = &self.buffer else { return Ok((incoming.accept()?, None)) };
        let (seat, begins) = buffer.join(self.first);
        let connecting =
            if begins < self.first { incoming.accept_with(self.narrow.clone()) } else { incoming.accept() };
        Ok((connecting?, Some(seat)))
    }

    /// Waits until the connection of a handshake may carry requests.
    ///
    /// # Errors
    /// Fails if the handshake fails.
    pub(super) async fn open(&self, connecting: Connecting) -> Result<Opened, ConnectionError> {
        early_server::open(connecting, self.takes_early_data).await
    }
}

/// The admission of the clients of one endpoint.
pub(super) struct Admission {
    pub(super) endpoint: Endpoint,
    /// The most concurrent handshakes of clients that have not proven their address. `usize::MAX` trusts every address.
    most: usize,
    /// The application error code that tells a client that the server is overloaded.
    refusal: VarInt,
    pub(super) entry: Entry,
    half_open: Mutex<FuturesUnordered<HalfOpen>>,
}

/// A client that was admitted.
pub(super) enum Admitted {
    /// The handshake has not begun. Dropping it refuses the client with CONNECTION_REFUSED (RFC 9000 section 20.1).
    Incoming(Box<Incoming>),
    /// The handshake is complete, which proves the address.
    Connected(Unserved),
}

/// A connection that nobody serves yet. Dropping it closes the connection with the engine's error code for an
/// overloaded server.
pub(super) struct Unserved {
    pub(super) opened: Opened,
    seat: Option<Seat>,
    refusal: VarInt,
    is_served: bool,
}

impl Unserved {
    /// Returns the connection, which the caller then serves.
    pub(super) fn serve(mut self) -> (Opened, Option<Seat>) {
        self.is_served = true;
        (self.opened.clone(), self.seat.take())
    }
}

impl Drop for Unserved {
    fn drop(&mut self) {
        if !self.is_served {
            self.opened.connection.close(self.refusal, b"no place is free");
        }
    }
}

impl Admission {
    pub(super) fn new(endpoint: Endpoint, most: usize, refusal: u32, entry: Entry) -> Self {
        Self { endpoint, most, refusal: refusal.into(), entry, half_open: Mutex::default() }
    }

    /// Waits for the next client. Returns `None` once the endpoint is closed.
    pub(super) async fn next(&self) -> Option<Admitted> {
        let mut half_open = self.half_open.lock().await;
        loop {
            tokio::select! {
                incoming = self.endpoint.accept() => {
                    let incoming = incoming?;
                    if self.most == usize::MAX || incoming.remote_address_validated() {
                        return Some(Admitted::Incoming(Box::new(incoming)));
                    }
                    if half_open.len() >= self.most {
                        // `retry` fails only for an address that is already validated, and this one is not.
                        let _ = incoming.retry();
                    } else if let Ok((connecting, seat)) = self.entry.begin(incoming) {
                        let entry = self.entry.clone();
                        let opening = async move { entry.open(connecting).await };
                        half_open.push(Box::pin(async { (timeout(HANDSHAKE_TIMEOUT, opening).await, seat) }));
                    }
                }
                Some(handshake) = half_open.next(), if !half_open.is_empty() => match handshake {
                    (Ok(Ok(opened)), seat) => {
                        let refusal = self.refusal;
                        return Some(Admitted::Connected(Unserved { opened, seat, refusal, is_served: false }));
                    }
                    (Ok(Err(error)), _) => debug!("no connection: {error}"),
                    (Err(_), _) => debug!("no connection: the handshake took too long"),
                },
            }
        }
    }
}
