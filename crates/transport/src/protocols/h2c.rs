//! HTTP/2 over TCP by prior knowledge (RFC 9113 section 3.3).

use async_trait::async_trait;

use crate::{
    Bind, Connection, End, Error, Features, Limit, Limits, Listener, Peer, Shape, Term, Transport,
    carriers::plain,
    engines::http2::{self, Http2},
};

pub(crate) struct H2c;

#[async_trait]
impl Transport for H2c {
    fn name(&self) -> &'static str {
        "h2c"
    }

    fn features(&self) -> Features {
        Features { tls: false, baseline: Some("tcp"), streams: true }
    }

    fn limits(&self) -> &'static [Limit] {
        &[Limit::H2Frame, Limit::H2Window, Limit::H2SendBuffer, Limit::Congestion, Limit::SocketBuffer]
    }

    fn footprint(&self, limits: &Limits, end: End, shape: Shape) -> Vec<Term> {
        http2::footprint(limits, end, shape)
    }

    async fn connect(&self, peer: &Peer, limits: &Limits) -> Result<Box<dyn Connection>, Error> {
        plain::connect::<Http2>(peer, limits).await
    }

    fn listen(&self, bind: &Bind, limits: &Limits) -> Result<Box<dyn Listener>, Error> {
        plain::listen::<Http2>(bind, limits)
    }
}
