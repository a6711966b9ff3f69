//! The baseline without encryption: a small head and the body over TCP.

use async_trait::async_trait;

use crate::{
    Bind, Connection, End, Error, Features, Limit, Limits, Listener, Peer, Shape, Term, Transport,
    carriers::plain,
    engines::raw::{self, Raw},
};

pub(crate) struct Tcp;

#[async_trait]
impl Transport for Tcp {
    fn name(&self) -> &'static str {
        "tcp"
    }

    fn features(&self) -> Features {
        Features { tls: false, baseline: None, streams: false }
    }

    fn limits(&self) -> &'static [Limit] {
        &[Limit::Congestion, Limit::SocketBuffer]
    }

    fn footprint(&self, _: &Limits, end: End, shape: Shape) -> Vec<Term> {
        raw::footprint(end, shape)
    }

    async fn connect(&self, peer: &Peer, limits: &Limits) -> Result<Box<dyn Connection>, Error> {
        plain::connect::<Raw>(peer, limits).await
    }

    fn listen(&self, bind: &Bind, limits: &Limits) -> Result<Box<dyn Listener>, Error> {
        plain::listen::<Raw>(bind, limits)
    }
}
