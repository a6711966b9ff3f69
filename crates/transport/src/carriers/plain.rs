//! TCP as it is.

use std::{marker::PhantomData, net::SocketAddr};

use async_trait::async_trait;
use tokio::net::{TcpListener, TcpStream};

use super::{ClientEngine, ServerEngine, Wire};
use crate::{
    Bind, Connection, Error, Guards, Handshake, Limits, Listener, Peer,
    socket::{self, Probe},
};

/// Opens a connection and runs the engine over it.
pub(crate) async fn connect<E: ClientEngine>(
    peer: &Peer,
    limits: &Limits,
) -> Result<Box<dyn Connection>, Error> {
    let stream = socket::dial(peer.addr, limits).await?;
    let wire = wire(&stream);
    E::client(stream, wire, limits).await
}

/// Listens for connections to run the engine over.
pub(crate) fn listen<E: ServerEngine>(bind: &Bind, limits: &Limits) -> Result<Box<dyn Listener>, Error> {
    let socket = socket::listen(bind.addr, limits)?;
    let addr = socket.local_addr().map_err(|source| Error::Listen { addr: bind.addr, source })?;
    Ok(Box::new(PlainListener::<E> {
        socket,
        addr,
        limits: limits.clone(),
        guards: bind.guards.clone(),
        engine: PhantomData,
    }))
}

fn wire(stream: &TcpStream) -> Wire {
    Wire { probe: Probe::new(stream), alpn: None, cipher: None }
}

struct PlainListener<E> {
    socket: TcpListener,
    addr: SocketAddr,
    limits: Limits,
    guards: Guards,
    engine: PhantomData<E>,
}

#[async_trait]
impl<E: ServerEngine> Listener for PlainListener<E> {
    fn local_addr(&self) -> SocketAddr {
        self.addr
    }

    async fn accept(&self) -> Result<Handshake, Error> {
        let (stream, _) =
            self.socket.accept().await.map_err(|source| Error::Listen { addr: self.addr, source })?;
        let (limits, guards) = (self.limits.clone(), self.guards.clone());
        Ok(Box::pin(async move {
            stream.set_nodelay(true).map_err(Error::handshake)?;
            let wire = wire(&stream);
            E::server(stream, wire, &limits, &guards).await
        }))
    }
}
