//! HTTP/2 over TLS 1.3 (RFC 9113 section 3.2).

use async_trait::async_trait;

use crate::{
    Bind, Connection, End, Error, Features, Limit, Limits, Listener, Peer, Shape, Term, Transport,
    carriers::secured,
    engines::http2::{self, Http2},
};

/// Registered by RFC 9113 section 3.2.
pub(crate) const ALPN: &str = "h2";

pub(crate) struct H2;

#[async_trait]
impl Transport for H2 {
    fn name(&self) -> &'static str {
        "h2"
    }

    fn features(&self) -> Features {
        Features { tls: true, baseline: Some("tls"), streams: true }
    }

    fn limits(&self) -> &'static [Limit] {
        &[
            Limit::H2Frame,
            Limit::H2Window,
            Limit::H2SendBuffer,
            Limit::Congestion,
            Limit::SocketBuffer,
            Limit::Cipher,
        ]
    }

    fn footprint(&self, limits: &Limits, end: End, shape: Shape) -> Vec<Term> {
        [vec![secured::footprint(shape)], http2::footprint(limits, end, shape)].concat()
    }

    async fn connect(&self, peer: &Peer, limits: &Limits) -> Result<Box<dyn Connection>, Error> {
        secured::connect::<Http2>(peer, limits, ALPN).await
    }

    fn listen(&self, bind: &Bind, limits: &Limits) -> Result<Box<dyn Listener>, Error> {
        secured::listen::<Http2>(bind, limits, &[ALPN])
    }
}
