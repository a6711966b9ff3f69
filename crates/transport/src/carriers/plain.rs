//! TCP, or a Unix socket, in cleartext.

use std::net::SocketAddr;

use async_trait::async_trait;
use record::{End, Limits, Term};

use super::{Carries, ClientEngine, ServerEngine, StreamInfo};
use crate::{
    Accepted, Bind, Connection, Error, FramingObserver, Guards, Listener, Peer, Shape,
    footprint::Footprint,
    probe::Probe,
    settings::FromLimits as _,
    socket::{Acceptor, Arrival, TcpOptions, connect},
    tcp_stream::SharedStream,
};

/// The carrier that hands the bytes of an engine to TCP.
pub(crate) struct Plain;

impl Footprint for Plain {
    /// Returns no term: the kernel owns the buffers of a socket.
    fn footprint(_: &Limits, _: End, _: Shape) -> Vec<Term> {
        Vec::new()
    }
}

#[async_trait]
impl<E: ClientEngine> Carries<E> for Plain {
    async fn connect(peer: &Peer, limits: &Limits) -> Result<Box<dyn Connection>, Error> {
        let engine = E::from_limits(limits)?;
        let stream = connect(peer, &TcpOptions::from_limits(limits)?).await?;
        let info = StreamInfo::cleartext(Probe::of_stream(stream.socket()))
            .for_peer(peer)
            .with_framing(peer.framing.clone());
        engine.client(stream, info).await
    }

    fn listen(bind: &Bind, limits: &Limits) -> Result<Box<dyn Listener>, Error> {
        listen::<E>(bind, limits)
    }
}

/// Listens for TCP connections, and runs an engine over each. The engine needs no client half.
///
/// # Errors
/// Fails if a limit cannot be used, or the address cannot be bound.
pub(crate) fn listen<E: ServerEngine>(bind: &Bind, limits: &Limits) -> Result<Box<dyn Listener>, Error> {
    let engine = E::from_limits(limits)?;
    let acceptor = Acceptor::bind(bind, &TcpOptions::from_limits(limits)?)?;
    let (guards, framing) = (bind.guards.clone(), bind.framing.clone());
    Ok(Box::new(PlainListener { acceptor, engine, guards, framing }))
}

struct PlainListener<E> {
    acceptor: Acceptor,
    engine: E,
    guards: Guards,
    framing: Option<FramingObserver>,
}

#[async_trait]
impl<E: ServerEngine> Listener for PlainListener<E> {
    fn local_addr(&self) -> SocketAddr {
        self.acceptor.local_addr()
    }

    async fn accept(&self) -> Result<Accepted, Error> {
        let Arrival { stream, peer, thread } = self.acceptor.accept().await?;
        let (engine, guards, waits) = (self.engine.clone(), self.guards.clone(), self.acceptor.waits());
        let framing = self.framing.clone();
        let handshake = Box::pin(async move {
            stream.set_nodelay(!waits).map_err(Error::handshake)?;
            let stream = SharedStream::new(stream);
            let info = StreamInfo::cleartext(Probe::of_stream(stream.socket())).with_framing(framing);
            engine.server(stream, info, &guards).await
        });
        Ok(Accepted::new(peer, handshake).on_thread(thread))
    }
}
