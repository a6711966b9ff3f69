//! What a server for everyone listens with: a cleartext port that takes HTTP/1.1 and HTTP/2, a TLS port that
//! takes both by ALPN, and HTTP/3 under the same number.

use std::io::Cursor;

use async_trait::async_trait;
use tokio::io::{AsyncReadExt as _, join, split};

use crate::{
    Bind, Error, Guards, Limits, Listener, Session, Transport as _,
    carriers::{ServerEngine, Stream, Wire, plain, secured},
    engines::{http1::Http1, http2::Http2},
    protocols::{self, h1, h2},
};

/// How HTTP/2's connection preface begins (RFC 9113 section 3.4). No method of HTTP/1.1 is called PRI.
const PREFACE: &[u8] = b"PRI ";

/// Listens in cleartext: HTTP/2 by prior knowledge, else HTTP/1.1.
///
/// # Errors
/// The address cannot be bound.
pub fn listen_cleartext(bind: &Bind, limits: &Limits) -> Result<Box<dyn Listener>, Error> {
    plain::listen::<ByPreface>(bind, limits)
}

/// Listens with TLS on TCP: HTTP/2 or HTTP/1.1, as ALPN agrees.
///
/// # Errors
/// The address cannot be bound, or the identity cannot be used.
pub fn listen_secured(bind: &Bind, limits: &Limits) -> Result<Box<dyn Listener>, Error> {
    secured::listen::<ByAlpn>(bind, limits, &[h2::ALPN, h1::ALPN])
}

/// Listens on UDP: HTTP/3.
///
/// # Errors
/// The address cannot be bound, or the identity cannot be used.
pub fn listen_quic(bind: &Bind, limits: &Limits) -> Result<Box<dyn Listener>, Error> {
    protocols::H3.listen(bind, limits)
}

struct ByAlpn;

#[async_trait]
impl ServerEngine for ByAlpn {
    /// Such a client speaks HTTP/1.1, as all did before RFC 7301.
    const SERVES_WITHOUT_ALPN: bool = true;

    async fn server(
        stream: impl Stream,
        wire: Wire,
        limits: &Limits,
        guards: &Guards,
    ) -> Result<Box<dyn Session>, Error> {
        match wire.alpn() {
            Some(h2::ALPN) => Http2::server(stream, wire, limits, guards).await,
            _ => Http1::server(stream, wire, limits, guards).await,
        }
    }
}

struct ByPreface;

#[async_trait]
impl ServerEngine for ByPreface {
    async fn server(
        mut stream: impl Stream,
        wire: Wire,
        limits: &Limits,
        guards: &Guards,
    ) -> Result<Box<dyn Session>, Error> {
        let mut start = Vec::with_capacity(PREFACE.len());
        while start.len() < PREFACE.len() && PREFACE.starts_with(&start) {
            let room = (PREFACE.len() - start.len()) as u64;
            if (&mut stream).take(room).read_buf(&mut start).await.map_err(Error::handshake)? == 0 {
                break;
            }
        }
        let is_http2 = start == PREFACE;
        let (read, write) = split(stream);
        let stream = join(Cursor::new(start).chain(read), write);
        if is_http2 {
            Http2::server(stream, wire, limits, guards).await
        } else {
            Http1::server(stream, wire, limits, guards).await
        }
    }
}
