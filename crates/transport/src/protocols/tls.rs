//! The baseline with encryption: a small head and the body over TLS 1.3.

use async_trait::async_trait;

use crate::{
    Bind, Connection, End, Error, Features, Limit, Limits, Listener, Peer, Shape, Term, Transport,
    carriers::secured,
    engines::raw::{self, Raw},
};

/// A name of our own: the row speaks no registered protocol.
const ALPN: &str = "longhaul-tls";

pub(crate) struct Tls;

#[async_trait]
impl Transport for Tls {
    fn name(&self) -> &'static str {
        "tls"
    }

    fn features(&self) -> Features {
        Features { tls: true, baseline: None, streams: false }
    }

    fn limits(&self) -> &'static [Limit] {
        &[Limit::Congestion, Limit::SocketBuffer, Limit::Cipher]
    }

    fn footprint(&self, _: &Limits, end: End, shape: Shape) -> Vec<Term> {
        [vec![secured::footprint(shape)], raw::footprint(end, shape)].concat()
    }

    async fn connect(&self, peer: &Peer, limits: &Limits) -> Result<Box<dyn Connection>, Error> {
        secured::connect::<Raw>(peer, limits, ALPN).await
    }

    fn listen(&self, bind: &Bind, limits: &Limits) -> Result<Box<dyn Listener>, Error> {
        secured::listen::<Raw>(bind, limits, &[ALPN])
    }
}
