//! HTTP/1.1 over TCP, bodies chunked (RFC 9112).

use async_trait::async_trait;

use crate::{
    Bind, Connection, End, Error, Features, Limit, Limits, Listener, Peer, Shape, Term, Transport,
    carriers::plain,
    engines::http1::{self, Http1},
};

pub(crate) struct H1c;

#[async_trait]
impl Transport for H1c {
    fn name(&self) -> &'static str {
        "h1c"
    }

    fn features(&self) -> Features {
        Features { tls: false, baseline: Some("tcp"), streams: false }
    }

    fn limits(&self) -> &'static [Limit] {
        &[Limit::H1Buffer, Limit::Congestion, Limit::SocketBuffer]
    }

    fn footprint(&self, limits: &Limits, end: End, shape: Shape) -> Vec<Term> {
        http1::footprint(limits, end, shape)
    }

    async fn connect(&self, peer: &Peer, limits: &Limits) -> Result<Box<dyn Connection>, Error> {
        plain::connect::<Http1>(peer, limits).await
    }

    fn listen(&self, bind: &Bind, limits: &Limits) -> Result<Box<dyn Listener>, Error> {
        plain::listen::<Http1>(bind, limits)
    }
}
