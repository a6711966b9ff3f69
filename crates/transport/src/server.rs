//! Listeners for clients of any HTTP version: a cleartext port that takes HTTP/1.1 and HTTP/2, a TLS port that takes
//! both by ALPN, and HTTP/3 under the same port number.

use std::{io::Cursor, net::IpAddr};

use async_trait::async_trait;
use record::{H3_RECV, Limits};
use tokio::io::{AsyncReadExt as _, join, split};

use crate::{
    Bind, Error, Guards, Identity, Listener, Peer, Session, Trust,
    carriers::{Carries, ServerEngine, Stream, StreamInfo, plain, quic::Quic, secured},
    engines::{http1::Http1, http2::Http2, http3::Http3},
    settings::FromLimits,
};

/// The start of HTTP/2's connection preface (RFC 9113 section 3.4). HTTP/1.1 has no method PRI.
const PREFACE: &[u8] = b"PRI ";

/// The identifier of HTTP/2 in ALPN.
const H2: &str = <Http2 as ServerEngine>::ALPN[0];

/// The identifier of HTTP/1.1 in ALPN.
const H1: &str = <Http1 as ServerEngine>::ALPN[0];

/// Listens in cleartext: HTTP/2 by prior knowledge, else HTTP/1.1.
///
/// # Errors
/// Fails if a limit cannot be used, or the address cannot be bound.
pub fn listen_cleartext(bind: &Bind, limits: &Limits) -> Result<Box<dyn Listener>, Error> {
    plain::listen::<ByPreface>(bind, limits)
}

/// Listens with TLS on TCP: HTTP/2 or HTTP/1.1, as ALPN agrees.
///
/// # Errors
/// Fails if a limit or the identity cannot be used, or the address cannot be bound.
pub fn listen_secured(bind: &Bind, limits: &Limits) -> Result<Box<dyn Listener>, Error> {
    secured::listen::<ByAlpn>(bind, limits)
}

/// Listens on UDP: HTTP/3.
///
/// # Errors
/// Fails if a limit or the identity cannot be used, or the address cannot be bound.
pub fn listen_quic(bind: &Bind, limits: &Limits) -> Result<Box<dyn Listener>, Error> {
    // 'stock' uses the streams of h3-quinn, which do not bound their memory: unknown clients could exhaust it. They
    // serve as a control in measurements.
    if limits.choice(&H3_RECV) == Some("stock") {
        let flag = H3_RECV.flag;
        return Err(Error::limit(format!("--{flag}: 'stock' bounds no memory; a server needs 'bounded'")));
    }
    <Quic as Carries<Http3>>::listen(bind, limits)
}

/// Completes a QUIC handshake between a server with this identity and a client, over loopback.
///
/// A server calls this before it announces itself. The first handshake of a process maps 1.2 MiB of the program and
/// allocates 0.4 MiB that stay. Without the rehearsal, the first clients would seem to take that memory.
///
/// # Errors
/// Fails if the address `loopback` cannot be bound, or the handshake fails.
pub async fn rehearse_quic(identity: &Identity, loopback: IpAddr, limits: &Limits) -> Result<(), Error> {
    let bind = Bind::new((loopback, 0).into()).with_identity(identity.clone());
    let listener = listen_quic(&bind, limits)?;
    let peer = Peer::new(listener.local_addr(), "localhost", Trust::Pin(identity.fingerprint()));
    let serve = async { listener.accept().await?.handshake.await };
    let dial = <Quic as Carries<Http3>>::connect(&peer, limits);
    let (session, connection) = tokio::try_join!(serve, dial)?;
    tokio::join!(connection.close(), session.close());
    Ok(())
}

/// Both engines of HTTP over byte streams.
#[derive(Clone)]
struct Http1And2 {
    http1: Http1,
    http2: Http2,
}

impl FromLimits for Http1And2 {
    fn from_limits(limits: &Limits) -> Result<Self, Error> {
        Ok(Self { http1: Http1::from_limits(limits)?, http2: Http2::from_limits(limits)? })
    }
}

/// The engine that the client chose by ALPN.
#[derive(Clone)]
struct ByAlpn(Http1And2);

impl FromLimits for ByAlpn {
    fn from_limits(limits: &Limits) -> Result<Self, Error> {
        Http1And2::from_limits(limits).map(Self)
    }
}

#[async_trait]
impl ServerEngine for ByAlpn {
    const ALPN: &'static [&'static str] = &[H2, H1];

    /// True: a client without ALPN speaks HTTP/1.1, as all clients did before RFC 7301.
    const SERVES_WITHOUT_ALPN: bool = true;

    async fn server(
        &self,
        stream: impl Stream,
        info: StreamInfo,
        guards: &Guards,
    ) -> Result<Box<dyn Session>, Error> {
        match info.alpn() {
            Some(H2) => self.0.http2.server(stream, info, guards).await,
            _ => self.0.http1.server(stream, info, guards).await,
        }
    }
}

/// The engine selected by the first bytes of the client.
#[derive(Clone)]
struct ByPreface(Http1And2);

impl FromLimits for ByPreface {
    fn from_limits(limits: &Limits) -> Result<Self, Error> {
        Http1And2::from_limits(limits).map(Self)
    }
}

#[async_trait]
impl ServerEngine for ByPreface {
    const ALPN: &'static [&'static str] = &[];

    async fn server(
        &self,
        mut stream: impl Stream,
        info: StreamInfo,
        guards: &Guards,
    ) -> Result<Box<dyn Session>, Error> {
        let mut start = Vec::with_capacity(PREFACE.len());
        while start.len() < PREFACE.len() && PREFACE.starts_with(&start) {
            let missing = (PREFACE.len() - start.len()) as u64;
            if (&mut stream).take(missing).read_buf(&mut start).await.map_err(Error::handshake)? == 0 {
                break;
            }
        }
        let is_http2 = start == PREFACE;
        let (read, write) = split(stream);
        let stream = join(Cursor::new(start).chain(read), write);
        if is_http2 {
            self.0.http2.server(stream, info, guards).await
        } else {
            self.0.http1.server(stream, info, guards).await
        }
    }
}
