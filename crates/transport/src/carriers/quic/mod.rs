//! QUIC by quinn: endpoints with all windows set by limits.

use std::{
    io,
    net::{SocketAddr, UdpSocket},
    sync::Arc,
};

use async_trait::async_trait;
use futures_util::{FutureExt as _, StreamExt as _, stream::FuturesUnordered};
use quinn::ServerConfig;
use record::Limits;
use tokio::runtime::Handle;

use super::{Carries, early_session::EarlySession};
use crate::{
    Accepted, Bind, Connection, Error, FramingObserver, Guards, Listener, Peer, Session, Sessions, Spread,
    TlsVersion,
    probe::Probe,
    resumption::takes_early_data,
    settings::FromLimits,
    window_budget::{FIRST_WINDOW, Window},
};
use admission::{Admission, Admitted, Entry};
use dialler::Dialler;
use early_client::EarlyConnection;
use early_server::Opened;
use mailboxes::Mailboxes;
use receives::Receives;
use seat::SharedBuffer;
use settings::Settings;

pub(crate) use closing::close;
pub(crate) use deliveries::{Deliveries, Running};
pub(crate) use established::Established;
pub use udp::quic_closed;
pub(crate) use window::OpeningWindows;

mod admission;
mod agreed;
mod closing;
mod connection_ids;
mod deliveries;
mod dial;
mod dialler;
mod early_client;
mod early_server;
mod established;
mod footprint;
mod mailboxes;
mod receives;
mod seat;
mod server_hello;
mod settings;
mod steering;
mod turns;
mod udp;
mod window;

/// An engine over an established QUIC connection.
#[async_trait]
pub(crate) trait QuicEngine: FromLimits + Clone + Send + Sync + 'static {
    /// The identifier that both ends must agree on in ALPN.
    const ALPN: &'static str;

    /// The application error code with which an overloaded server closes a connection.
    const NO_PLACE: u32;

    /// Completes the engine's own handshake as a client, if there is one.
    ///
    /// # Errors
    /// Fails if the server does not speak the protocol, or the connection broke.
    async fn client(&self, established: Established) -> Result<Box<dyn Connection>, Error>;

    /// Completes the engine's own handshake as a server, if there is one.
    ///
    /// # Errors
    /// Fails if the client does not speak the protocol, or the connection broke.
    async fn server(&self, established: Established, guards: &Guards) -> Result<Box<dyn Session>, Error>;
}

/// The carrier that hands the streams of an engine to QUIC.
pub(crate) struct Quic;

#[async_trait]
impl<E: QuicEngine> Carries<E> for Quic {
    /// Connects through a new endpoint, which serves this connection alone.
    async fn connect(peer: &Peer, limits: &Limits) -> Result<Box<dyn Connection>, Error> {
        let dialler = Dialler::<E>::new(peer, limits)?;
        if !peer.sessions.as_ref().is_some_and(Sessions::have_early_data) {
            return dialler.dial().await;
        }
        match dialler.begin()?.into_0rtt() {
            Ok((connection, accepted)) => {
                Ok(Box::new(EarlyConnection::new(dialler, connection, accepted).await?))
            }
            // No session allows early data.
            Err(connecting) => dialler.run(connecting.await.map_err(Error::handshake)?).await,
        }
    }

    fn listen(bind: &Bind, limits: &Limits) -> Result<Box<dyn Listener>, Error> {
        let engine = E::from_limits(limits)?;
        let settings = Settings::from_limits(limits)?;
        let tls = bind.tls_config(&[E::ALPN], settings.ciphers, TlsVersion::Tls13)?;
        let takes_early_data = takes_early_data(&tls);
        let mut config = ServerConfig::with_crypto(settings::server_crypto(tls.clone())?);
        let first = settings.connection_window.min(FIRST_WINDOW);
        config.transport_config(Arc::new(settings.strangers(&bind.guards, first)?));
        let runtimes = bind.spread.as_ref().map(Spread::runtimes).unwrap_or_default();
        let threads = u16::try_from(runtimes.len().max(1)).unwrap_or(u16::MAX);
        admission::bound(&mut config, threads);
        let mut narrow = config.clone();
        narrow.transport_config(Arc::new(settings.strangers(&bind.guards, first.min(turns::LEAST))?));
        if takes_early_data {
            // A server that accepts early data must not reduce the limits that the client remembers (RFC 9000 section
            // 7.4.1).
            narrow.crypto = settings::server_crypto(settings::without_early_data(tls))?;
        }

        let (guards, framing) = (bind.guards.clone(), bind.framing.clone());
        let (narrow, boxes) = (Arc::new(narrow), Mailboxes::of(threads));
        // Each door may run an equal part of the handshakes with unproven addresses.
        let most = match guards.retry_from {
            usize::MAX => usize::MAX,
            most => most.div_ceil(threads.into()),
        };
        let door = |(socket, number): (UdpSocket, u16)| -> io::Result<Door> {
            let runtime = runtimes.get(usize::from(number)).cloned();
            let _entered = runtime.as_ref().map(Handle::enter);
            let probe = Arc::new(Probe::of_endpoint(&socket));
            let post = runtime.is_some().then(|| boxes.post(number));
            let (endpoint, receives) =
                settings.endpoint(socket, Some(config.clone()), bind.framing.as_ref(), post)?;
            let buffer =
                guards.receive_budget.as_ref().map(|budget| SharedBuffer::new(probe.clone(), budget.clone()));
            let thread = runtime.as_ref().map(|_| usize::from(number));
            let entry = Entry { buffer, first, narrow: narrow.clone(), takes_early_data, runtime };
            let admission = Admission::new(endpoint, most, E::NO_PLACE, entry);
            Ok(Door { admission, probe, receives, thread })
        };
        let bound = steering::sockets(bind.addr, settings.udp_buffer, threads).and_then(|sockets| {
            let addr = sockets.first().map_or(Ok(bind.addr), UdpSocket::local_addr)?;
            Ok((addr, sockets.into_iter().zip(0..).map(door).collect::<io::Result<Vec<_>>>()?))
        });
        let (addr, doors) = bound.map_err(|source| Error::Listen { addr: bind.addr, source })?;
        let window = settings.connection_window;
        let send_window = u32::try_from(settings.send_window).unwrap_or(u32::MAX);
        Ok(Box::new(QuicListener { doors, addr, window, send_window, engine, guards, framing }))
    }
}

/// The endpoint of one thread, which drives it.
///
/// A single endpoint whose connections run on other threads would be simpler. But quinn receives in the endpoint: one
/// thread would make all system calls, copy all bytes, look up the connection of each datagram (`poll_socket` in its
/// endpoint.rs), and then wake the thread of that connection.
struct Door {
    admission: Admission,
    probe: Arc<Probe>,
    receives: Receives,
    /// The number of the thread; `None` for the caller's own.
    thread: Option<usize>,
}

struct QuicListener<E> {
    /// The endpoints of all threads on the common port; one without a spread.
    doors: Vec<Door>,
    addr: SocketAddr,
    /// The largest receive window of a connection, in bytes.
    window: u32,
    /// The largest send window of a connection, in bytes.
    send_window: u32,
    engine: E,
    guards: Guards,
    framing: Option<FramingObserver>,
}

#[async_trait]
impl<E: QuicEngine> Listener for QuicListener<E> {
    fn local_addr(&self) -> SocketAddr {
        self.addr
    }

    async fn accept(&self) -> Result<Accepted, Error> {
        let closed = || io::Error::other("the endpoint was closed");
        let (door, admitted) = self.next().await;
        let admitted = door.zip(admitted);
        let (door, admitted) = admitted.ok_or_else(|| Error::Listen { addr: self.addr, source: closed() })?;
        let peer = match &admitted {
            Admitted::Incoming(incoming) => incoming.remote_address(),
            Admitted::Connected(unserved) => unserved.opened.connection.remote_address(),
        };
        let (probe, receives) = (door.probe.clone(), door.receives.clone());
        let (engine, guards, framing) = (self.engine.clone(), self.guards.clone(), self.framing.clone());
        let (window, send_window) = (self.window, self.send_window);
        let entry = door.admission.entry.clone();
        let handshake = Box::pin(async move {
            let (Opened { connection, confirmation }, seat) = match admitted {
                Admitted::Incoming(incoming) => {
                    let (connecting, seat) = entry.begin(*incoming).map_err(Error::handshake)?;
                    (entry.open(connecting).await.map_err(Error::handshake)?, seat)
                }
                Admitted::Connected(unserved) => unserved.serve(),
            };
            let receive = guards.receive_budget.as_ref().map(|budget| Window::new(budget, window));
            let send = guards.send_budget.as_ref().map(|budget| Window::new(budget, send_window));
            let established = Established::new(connection, probe, &receives)
                .with_windows(receive, send, seat)
                .with_framing(framing);
            established.assert_alpn(E::ALPN)?;
            let session = engine.server(established, &guards).await?;
            Ok(match confirmation {
                Some(confirmation) => Box::new(EarlySession::new(session, confirmation)),
                None => session,
            })
        });
        Ok(Accepted::new(peer, handshake).on_thread(door.thread))
    }
}

impl<E> QuicListener<E> {
    /// Waits for the next client of any door. Returns the door and the client; the client is `None` once the endpoint
    /// is closed.
    async fn next(&self) -> (Option<&Door>, Option<Admitted>) {
        if let [door] = self.doors.as_slice() {
            return (Some(door), door.admission.next().await);
        }
        let nexts =
            self.doors.iter().map(|door| door.admission.next().map(move |admitted| (door, admitted)).boxed());
        let mut nexts: FuturesUnordered<_> = nexts.collect();
        nexts.next().await.map_or((None, None), |(door, admitted)| (Some(door), admitted))
    }
}
