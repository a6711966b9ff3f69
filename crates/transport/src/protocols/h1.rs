//! HTTP/1.1 over TLS 1.3, bodies chunked (RFC 9112).

use async_trait::async_trait;

use crate::{
    Bind, Connection, End, Error, Features, Limit, Limits, Listener, Peer, Shape, Term, Transport,
    carriers::secured,
    engines::http1::{self, Http1},
};

/// Registered by RFC 7301 section 6.
pub(crate) const ALPN: &str = "http/1.1";

pub(crate) struct H1;

#[async_trait]
impl Transport for H1 {
    fn name(&self) -> &'static str {
        "h1"
    }

    fn features(&self) -> Features {
        Features { tls: true, baseline: Some("tls"), streams: false }
    }

    fn limits(&self) -> &'static [Limit] {
        &[Limit::H1Buffer, Limit::Congestion, Limit::SocketBuffer, Limit::Cipher]
    }

    fn footprint(&self, limits: &Limits, end: End, shape: Shape) -> Vec<Term> {
        [vec![secured::footprint(shape)], http1::footprint(limits, end, shape)].concat()
    }

    async fn connect(&self, peer: &Peer, limits: &Limits) -> Result<Box<dyn Connection>, Error> {
        secured::connect::<Http1>(peer, limits, ALPN).await
    }

    fn listen(&self, bind: &Bind, limits: &Limits) -> Result<Box<dyn Listener>, Error> {
        secured::listen::<Http1>(bind, limits, &[ALPN])
    }
}
